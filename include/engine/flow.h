/*
 * flow - moves rows of one kind through claim, step, settle and release, many in the air.
 *
 * A claim is a lease with a token of its own; settle and release match on the token, so a late
 * process changes nothing.  The next batch is claimed while this one is in the air, and what has
 * ended is settled in the same flight.  See src/engine/flow.c for the order of things and
 * sql/README.md for what each statement must do.
 */
#ifndef CRONWARD_ENGINE_FLOW_H
#define CRONWARD_ENGINE_FLOW_H

#include "db/sql.h"
#include "http/http.h"

#include <libpq-fe.h>
#include <stdint.h>

struct run;
struct item;

enum verdict {
	VERDICT_SEND,  /* the request is filled in: send it */
	VERDICT_DONE,  /* settled for good */
	VERDICT_RETRY, /* failed, again after item->retry_ms */
	VERDICT_DEAD,  /* failed for good */
	VERDICT_PARK,  /* not tried: waits for an event, not for time */
	VERDICT_HOLD,  /* not tried, and we are at fault: after item->retry_ms, no try used up */
	VERDICT__MAX
};

enum {
	ITEM_ERROR_MAX = 1024, /* bytes that are stored */
	FLOW_COLUMNS_MAX = 16,
};

/* One claimed row on its way. */
struct item {
	const PGresult *rows; /* the claim that brought it */
	const int *columns;   /* of flow->columns in rows */
	struct arena *memory; /* lives until the item is settled */
	int row;
	/* How it ended, filled in by step. */
	int status; /* HTTP; 0: none */
	int64_t retry_ms;
	const char *error; /* NULL, or why it failed: valid UTF-8, at most ITEM_ERROR_MAX */
	struct http_timing timing;
};

/* The value of flow->columns[column]; NULL for NULL. */
static inline const char *
item_text(const struct item *item, int column)
{
	int number = item->columns[column];

	return PQgetisnull(item->rows, item->row, number)
		   ? NULL
		   : PQgetvalue(item->rows, item->row, number);
}

/*
 * Says why the item could not be tried for a reason on our side: a key that is missing, no
 * descriptor left.  It is due again after a minute, or, as settle has it, the later the older it
 * is.  Is VERDICT_HOLD.
 */
enum verdict item_hold(struct item *item, const char *why);

/* Says why the item failed; printf-like, cleaned and cut to ITEM_ERROR_MAX. */
void item_fail(struct item *item, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the flow needs to know to move rows of one kind.  Read-only. */
struct flow {
	/*
	 * claim($1 limit, $2 lease s, $3 token, $4 due, $5 cursor at, $6 cursor id, $7
	 * origins to pass over, lower case) -> rows with columns id, owner, target (a URL),
	 * cursor_at (microseconds since 1970) and what step reads, behind the cursor, in any order
	 */
	enum sql_id claim;
	/* ($1 lease s, $2 token, $3 due) -> one row that was lost twice, if there is one */
	enum sql_id claim_suspect;
	enum sql_id bury;    /* ($1 due) dead-letters what was lost five times -> rows */
	enum sql_id is_left; /* ($1 due) -> is_left: whether anything due is left, leased or not */
	/*
	 * settle($1 ids, $2 tokens, $3 owners, $4 verdicts, $5 retry ms, $6 status, $7 errors,
	 * $8-$12 timings, $13 the number given by settle_arg) -> one row: done, retry, dead, park,
	 * hold
	 */
	enum sql_id settle;
	enum sql_id release; /* ($1 ids, $2 tokens) hands back what was claimed and not tried */
	/* Columns that step reads, looked up once a claim, for item_text().  NULL ends. */
	const char *columns[FLOW_COLUMNS_MAX + 1];
	/* Called with reply NULL first, then with each reply: what to send next, or the end. */
	enum verdict (*step)(
	    struct run *, struct item *, const struct http_reply *, struct http_request *);
};

/* What differs from run to run. */
struct flow_limits {
	int64_t batch_size; /* rows of the first claim; grows while many rows wait */
	int64_t inflight_max;
	int64_t inflight_host_max;
	int64_t items_max;  /* of this run; 0: no cap */
	int64_t timeout_ms; /* of one item */
	int64_t settle_arg;
};

/*
 * Moves every row that was due at the run's start, until none is left or time is up.
 * Counts into run->processed, succeeded and failed only what was settled.
 * 0, or -1 with run->err set; what was claimed is settled or handed back either way.
 */
int flow_run(struct run *r, const struct flow *f, const struct flow_limits *limits);

#endif
