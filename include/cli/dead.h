/*
 * dead - the dead letters: deliveries that were given up.
 */
#ifndef CRONWARD_CLI_DEAD_H
#define CRONWARD_CLI_DEAD_H

#include "cli/cli.h"

#include <stdbool.h>
#include <stdint.h>

/* Which dead letters are meant.  Texts are the command line's; NULL: any. */
struct dead_filter {
	const char *webhook; /* a uuid */
	const char *type;
	const char *since, *until;
	bool all;      /* said explicitly */
	int64_t limit; /* of a list */
	bool json;
	char **ids; /* whole numbers, each once, in order of size */
	int ids_count;
};

/* Commands on dead letters.  Each returns an exit code. */
int dead_list(struct cli_session *s, const struct dead_filter *f);
int dead_show(struct cli_session *s, const struct dead_filter *f);
int dead_replay(struct cli_session *s, const struct dead_filter *f);
int dead_purge(struct cli_session *s, const struct dead_filter *f);

enum {
	DEAD_TIME_MAX = 64,
};

/* The times of a filter as the database understands them. */
struct dead_times {
	char since[DEAD_TIME_MAX]; /* "" for none */
	char until[DEAD_TIME_MAX]; /* now at the latest, so that a bulk command ends */
};
/* 0, or -1 with ${e}: ERR_BAD_REQUEST when --since or --until is no time. */
int dead_times(struct cli_session *s, const struct dead_filter *f, struct dead_times *ret_times,
    struct err *e);
/* Says what failed.  Returns the exit code: CLI_USAGE for ERR_BAD_REQUEST, else CLI_FAILED. */
int dead_fail(const struct err *e);

#endif
