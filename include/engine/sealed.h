/*
 * sealed - the columns that hold sealed secrets, and what is done to all of them.
 *
 * A value is changed only while it is still the one that was read, so an application may write
 * at the same time; what has been done is not done again, so whatever was cut short goes on.
 */
#ifndef CRONWARD_ENGINE_SEALED_H
#define CRONWARD_ENGINE_SEALED_H

#include "base/err.h"
#include "db/sql.h"

#include <stdint.h>

struct db;
struct keyring;

struct sealed_column {
	const char *table, *column;
	/* ($1 id behind which to look, $2 limit) -> id, value: plain secrets, by id */
	enum sql_id plain;
	/* ($1 id behind which to look, $2 limit, $3 "cw1.NEWEST.") -> id, value: sealed otherwise
	 */
	enum sql_id stale;
	/* ($1 ids, $2 values as they were, $3 new values) -> id: the rows that were changed */
	enum sql_id put;
	/* -> key_id ("" for plain), count */
	enum sql_id keys;
};

/* Ended by a row without a table. */
extern const struct sealed_column sealed_columns[];

struct sealed_counts {
	int64_t done;    /* sealed or sealed anew */
	int64_t changed; /* by somebody else at that moment; the next round takes them */
	int64_t failed;  /* could not be opened; told one by one */
};

struct sealed_job {
	struct db *db;
	const struct keyring *ring;
	/* Called for each value that cannot be opened; NULL: nobody asks. */
	void (*tell)(const struct sealed_column *, const char *id, const struct err *);
	struct sealed_counts counts;
};

/* Seals every plain secret of ${column}.  0, or -1 with ${e}; what was done stays done. */
int sealed_close_plain(struct sealed_job *job, const struct sealed_column *column, struct err *e);
/* Seals with the newest key what another one sealed.  0, or -1 with ${e}; likewise. */
int sealed_rekey(struct sealed_job *job, const struct sealed_column *column, struct err *e);

#endif
