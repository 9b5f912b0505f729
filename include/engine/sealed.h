/*
 * sealed - what is done to a whole column of sealed secrets.  Which columns there are is said in
 * engine/sealed_columns.h.
 *
 * A value is changed only while its row is still the one that was read, so an application may
 * write at the same time; what has been done is not done again, so whatever was cut short goes on.
 */
#ifndef CRONWARD_ENGINE_SEALED_H
#define CRONWARD_ENGINE_SEALED_H

#include "base/err.h"
#include "db/sql.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct db;
struct keyring;

struct sealed_column {
	const char *table, *column;
	/* The column that values are moved from, as they stand, by a rotation or by taking one
	 * back; NULL: none. */
	const char *moved_from;
	bool is_named; /* its rows are told by a text or a number, not by a uuid */
	/* ($1 id behind which to look, NULL: from the start, $2 limit) -> id, value, version: plain
	 * secrets, by id */
	enum sql_id plain;
	/* ($1, $2 likewise, $3 "cw1.NEWEST.") -> the same: sealed with another key */
	enum sql_id stale;
	/* ($1 ids, $2 versions, $3 new values) -> id: the rows that were changed */
	enum sql_id put;
	/* -> key_id ('' for plain, '?' for what is damaged), count */
	enum sql_id keys;
};

/*
 * The secret of ${value}, which stands in ${column} of the row ${id}: itself where it is plain.
 * In ${a} or ${value}; or NULL with ${e}, as seal_open().
 */
const char *sealed_open(struct arena *a, const struct keyring *ring,
    const struct sealed_column *column, const char *id, const char *value, struct err *e);

/*
 * Overwrites by '*' what ${text} repeats of the secret of such a value, see echo_hide(); nothing
 * where ${value} is NULL or empty, or does not open.  Memory in ${a}, wiped.
 */
void sealed_hide(struct arena *a, const struct keyring *ring, const struct sealed_column *column,
    const char *id, const char *value, char *text);

/* What is done to a whole column. */
struct sealed_job {
	struct db *db;
	const struct keyring *ring;
	/* Asked before each batch and each try; NULL: until the end. */
	bool (*may_go_on)(void *owner);
	/* Told of each value that cannot be sealed or opened; NULL: nobody asks. */
	void (*tell)(void *owner, const struct sealed_column *, const char *id, const struct err *);
	void *owner;
	/* Counted over all calls. */
	int64_t done;
	int64_t raced; /* the row was changed by somebody else at that moment, and left alone */
	int64_t failed;
};

/* Seals every plain secret of ${column}.  0, or -1 with ${e}; what was done stays done. */
int sealed_close_plain(struct sealed_job *job, const struct sealed_column *column, struct err *e);
/* Seals with the newest key what another one sealed.  0, or -1 with ${e}; likewise. */
int sealed_rekey(struct sealed_job *job, const struct sealed_column *column, struct err *e);

#endif
