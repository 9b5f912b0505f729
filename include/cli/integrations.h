/*
 * integrations - users' accounts at GitHub, Notion, Slack and Google Calendar, for operators.
 */
#ifndef CRONWARD_CLI_INTEGRATIONS_H
#define CRONWARD_CLI_INTEGRATIONS_H

#include "cli/cli.h"

#include <stdbool.h>
#include <stdint.h>

enum integrations_option {
	INTEGRATIONS_PROVIDER,
	INTEGRATIONS_STATUS,
	INTEGRATIONS_USER,
	INTEGRATIONS_LIMIT,
	INTEGRATIONS_ALL,
	INTEGRATIONS_WHOLE,
	INTEGRATIONS_PURGE,
	INTEGRATIONS_JSON,
	INTEGRATIONS__MAX
};
/* Their names on the command line, without the dashes. */
extern const char *const integrations_option_name[INTEGRATIONS__MAX];

/* What the command line asks for; texts are the command line's. */
struct integrations_wish {
	const char *given[INTEGRATIONS__MAX]; /* NULL: not given; "" for those without a value */
	int64_t limit;                        /* of a list */
	char **ids;                           /* uuids as PostgreSQL writes them, in order */
	int ids_count;
};

extern const char integrations_help[];

/* The subcommands.  Each returns an exit code. */
int integrations_list(struct cli_session *s, const struct integrations_wish *wish);
int integrations_resync(struct cli_session *s, const struct integrations_wish *wish);
int integrations_disconnect(struct cli_session *s, const struct integrations_wish *wish);

#endif
