/*
 * sealing - what `cronward seal --all` and `cronward rekey` have in common.
 */
#ifndef CRONWARD_CLI_SEALING_H
#define CRONWARD_CLI_SEALING_H

#include "cli/cli.h"
#include "engine/sealed.h"

#include <stdbool.h>

struct sealing {
	const char *action; /* in audit_log, and of the command */
	const char *done;   /* what happened to a value: "sealed", … */
	int (*column)(struct sealed_job *, const struct sealed_column *, struct err *);
};

/*
 * Does it to every column that holds secrets, and shows which keys are in use then.
 * Returns the exit code: failed when a value could not be opened, too; those are told one by one.
 */
int sealing_run(const struct sealing *sealing, bool dry_run);

#endif
