/*
 * status - what `cronward status` shows, read at one moment.
 */
#ifndef CRONWARD_CLI_STATUS_H
#define CRONWARD_CLI_STATUS_H

#include "cli/cli.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	STATUS_QUEUES = 5, /* statements that tell of queues */
};

struct status {
	PGresult *workers, *queues[STATUS_QUEUES], *rest;
};

/* 0, or -1 with ${e}; status_finish() is to be called either way. */
int status_read(struct cli_session *s, struct status *ret_status, struct err *e);
void status_finish(struct status *status);

void status_print(const struct status *status, FILE *to);
json_t *status_json(const struct status *status); /* the caller's */

/*
 * Shows it every ${every_ms} until somebody ends it: redrawn on a terminal, one behind the other
 * elsewhere.  While the database is away it says so and goes on.  Returns an exit code.
 */
int status_watch(struct cli_session *s, int64_t every_ms, bool json);

#endif
