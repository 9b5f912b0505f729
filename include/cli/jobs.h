/*
 * jobs - `cronward jobs …`: jobs one by one and as lists, their queues, types and schedules.
 */
#ifndef CRONWARD_CLI_JOBS_H
#define CRONWARD_CLI_JOBS_H

#include "cli/cli.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Options with a value; the words are the API's. */
enum jobs_option {
	JOBS_STATUS,
	JOBS_TYPE,
	JOBS_QUEUE,
	JOBS_WORKSPACE,
	JOBS_UNIQUE_KEY,
	JOBS_CREATED_AFTER,
	JOBS_CREATED_BEFORE,
	JOBS_FAILED_AFTER,
	JOBS_FAILED_BEFORE,
	JOBS_ERROR,
	JOBS_LIMIT,
	JOBS_PRIORITY,
	JOBS_RUN_AT,
	JOBS_MAX_ATTEMPTS,
	JOBS_ON_CONFLICT,
	JOBS_CONCURRENCY_KEY,
	JOBS_CONCURRENCY_LIMIT,
	JOBS_DEPENDS_ON, /* may be said again */
	JOBS_ON_DEPENDENCY_FAILURE,
	JOBS_TIMEOUT_S,
	JOBS_ID,
	JOBS_JSON, /* takes no value; "" */
	JOBS__MAX
};
extern const char *const jobs_option_name[JOBS__MAX];

enum {
	JOBS_LIMIT_MAX = 100000,
};

/* What was asked for; texts are the command line's, valid UTF-8. */
struct jobs_wish {
	const char *given[JOBS__MAX]; /* NULL: not given */
	int64_t limit;                /* JOBS_LIMIT, or the command's default */
	json_t *depends_on;           /* of JOBS_DEPENDS_ON, an array of texts; NULL: none */
	char **args;                  /* those that are no options */
	int args_count;
};

/* The commands.  Each returns an exit code. */
int jobs_list(struct cli_session *s, const struct jobs_wish *wish);
int jobs_show(struct cli_session *s, const struct jobs_wish *wish);
int jobs_logs(struct cli_session *s, const struct jobs_wish *wish);
int jobs_enqueue(struct cli_session *s, const struct jobs_wish *wish);
int jobs_retry(struct cli_session *s, const struct jobs_wish *wish);
int jobs_cancel(struct cli_session *s, const struct jobs_wish *wish);
int jobs_pause(struct cli_session *s, const struct jobs_wish *wish);
int jobs_resume(struct cli_session *s, const struct jobs_wish *wish);
int jobs_queues(struct cli_session *s, const struct jobs_wish *wish);
int jobs_types(struct cli_session *s, const struct jobs_wish *wish);
int jobs_schedules(struct cli_session *s, const struct jobs_wish *wish);

extern const char jobs_help[];

/*
 * Says what failed.  Returns the exit code: CLI_USAGE where PostgreSQL does not take a value as it
 * was written, else CLI_FAILED.
 */
int jobs_fail(const struct err *e);

#endif
