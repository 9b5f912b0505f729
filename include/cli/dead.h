/*
 * dead - the dead letters: what was given up, by kind.
 */
#ifndef CRONWARD_CLI_DEAD_H
#define CRONWARD_CLI_DEAD_H

#include "cli/cli.h"
#include "db/sql.h"

#include <stdbool.h>
#include <stdint.h>

/* The options; those with a value come first. */
enum dead_option {
	DEAD_KIND,
	DEAD_WEBHOOK, /* a uuid */
	DEAD_PROVIDER,
	DEAD_TO,
	DEAD_TYPE,
	DEAD_TEMPLATE,
	DEAD_SINCE,
	DEAD_UNTIL,
	DEAD_VALUE__MAX,
	DEAD_LIMIT = DEAD_VALUE__MAX, /* a number */
	DEAD_ALL,
	DEAD_JSON,
	DEAD__MAX
};
/* Its name on the command line, without the dashes. */
const char *dead_option_name(enum dead_option option);

/*
 * A kind of dead letters.  Its statements take the same values in the same order as those of all
 * others; the last column of a list is the row as JSON.
 */
struct dead_kind {
	const char *name;             /* as --kind takes it */
	const char *one;              /* of them, for people */
	const char *table;            /* in audit_log */
	enum dead_option whose, type; /* what narrows it down besides times */
	bool has_uuids;               /* its ids are such, or else whole numbers */
	bool has_attempts;            /* each try is on record */
	enum sql_id list, show, replay, purge, count;
};
/* The first is what is meant when none is said; ends with one without a name. */
extern const struct dead_kind dead_kinds[];

/* Which dead letters are meant.  Texts are the command line's. */
struct dead_filter {
	const struct dead_kind *kind;        /* NULL until dead_find_kind(): the ids tell */
	const char *values[DEAD_VALUE__MAX]; /* NULL: any */
	bool all;                            /* said explicitly */
	int64_t limit;                       /* of a list */
	bool json;
	char **ids; /* whole numbers or uuids, each once, in order */
	int ids_count;
};

/* Commands on dead letters.  Each returns an exit code. */
int dead_list(struct cli_session *s, const struct dead_filter *f);
int dead_show(struct cli_session *s, const struct dead_filter *f);
int dead_replay(struct cli_session *s, const struct dead_filter *f);
int dead_purge(struct cli_session *s, const struct dead_filter *f);
int dead_count(struct cli_session *s, const struct dead_filter *f);

extern const char dead_help[];

/* The kind of that name, or NULL. */
const struct dead_kind *dead_kind_named(const char *name);
/*
 * Of uuids without a kind, finds the kind in whose table they are.  -1: go on; else the exit code,
 * having said why.
 */
int dead_find_kind(struct cli_session *s, struct dead_filter *f);

struct text;
/* Adds the filter's ids to ${to} as an array; nothing when there are none. */
void dead_ids(struct text *to, const struct dead_filter *f);

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
