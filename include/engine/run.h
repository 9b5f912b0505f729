/*
 * run - one call of one worker: lock, execution row, deadline, counts, outcome.
 *
 *	run_init -> run_begin -> run_work -> run_end
 *
 * run_begin() takes the worker's lock (a row with a growing fence and an expiry of
 * RUN_LOCK_EXPIRY_S that the run renews), closes what a dead run left behind as abandoned and
 * writes the execution row, in one statement and before any work.
 */
#ifndef CRONWARD_ENGINE_RUN_H
#define CRONWARD_ENGINE_RUN_H

#include "base/crypto.h"
#include "base/err.h"
#include "db/db.h"
#include "engine/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct conf;
struct http;
struct keyring;

enum {
	RUN_LOCK_EXPIRY_S = 15,
	RUN_LOCK_LIFE_MAX_S = 3600,
	RUN_HARD_END_MS = 5000, /* the hard end comes so long after the budget */
	RUN_RENEW_MS = 1000,
	RUN_STATEMENT_MAX_MS = 4000, /* three in one flight stay below the lock's expiry */
	RUN_TIME_TEXT_MAX = 40,
	RUN_CALLER_MAX = 128,
};

enum run_outcome {
	RUN_SUCCESS, /* nothing failed */
	RUN_PARTIAL, /* some items failed */
	RUN_FAILURE, /* our own error, or every item failed */
	RUN_OUTCOME__MAX
};
extern const char *const run_outcome_name[RUN_OUTCOME__MAX];

struct run {
	const struct worker *worker;
	/* Lent by whoever calls. */
	const struct conf *conf;
	struct db *db;
	struct http *http;
	struct arena *arena;           /* lives as long as the run */
	const struct keyring *keyring; /* of sealed secrets; may be empty */
	char caller[RUN_CALLER_MAX];

	char id[CRYPTO_UUID_TEXT_MAX];
	int64_t fence;
	bool begun;
	/* Deadlines on CLOCK_MONOTONIC. */
	int64_t budget_ms;  /* the length that was asked for */
	int64_t arrived_ms; /* when the call reached nginx */
	int64_t soft_end_ms;
	int64_t hard_end_ms;
	/* The database's clock when the run began: "due at the run's start", and in ms. */
	char started_at[RUN_TIME_TEXT_MAX];
	int64_t db_began_ms;   /* database, since 1970 */
	int64_t mono_began_ms; /* the same moment on CLOCK_MONOTONIC */
	/* The lock's renewal: when it was last sent, and the unit that carries it. */
	int64_t renewed_ms;
	struct db_unit renewal;
	const char *renewal_args[5];
	char fence_text[24], expiry_text[8], life_text[8]; /* seconds */
	/* ERR_BUSY: who holds the lock. */
	char busy_since[RUN_TIME_TEXT_MAX]; /* RFC 3339; "" when it was let go of just now */
	int64_t busy_retry_s;
	/* Only these queues, an array literal; NULL: all that are not paused. */
	const char *queues;
	/* After run_end(): somebody rang, and another run of all is to follow (run_ring()). */
	bool is_rung;

	int64_t processed, succeeded, failed;
	int64_t tally[WORKER_TALLIES_MAX];
	bool more; /* due work is left */
	int64_t duration_ms;
	struct err err;
};

/*
 * A run of ${worker} that must answer ${budget_s} seconds after ${arrived_ms} (CLOCK_MONOTONIC).
 * Borrows what ${lent} names; touches none of it.
 */
struct run_lent {
	const struct conf *conf;
	struct db *db;
	struct http *http;
	struct arena *arena;
	const struct keyring *keyring;
};
void run_init(struct run *r, const struct worker *worker, const struct run_lent *lent,
    int64_t arrived_ms, int64_t budget_s);

/*
 * Takes the lock and writes the execution row.  0, or -1 with run->err: ERR_BUSY (busy_since and
 * busy_retry_s are set), ERR_DATABASE.
 */
int run_begin(struct run *r);
/* Calls the worker.  0, or -1 with run->err. */
int run_work(struct run *r);
/*
 * Writes outcome, counts and the first error to the execution row and frees the lock; reconnects
 * for it where needed.  0, or -1 with run->err (the next run will then call this one abandoned).
 */
int run_end(struct run *r);

/*
 * For whoever was refused as busy and has brought work, or wants more than a run does that may have
 * been narrowed: lets the run that has the lock know, so that whoever ends it begins another one.
 * *ret_heard: it will; else nobody has the lock by now. 0, or -1 with run->err.
 */
int run_ring(struct run *r, bool *ret_heard);

enum run_outcome run_outcome(const struct run *r);
/* {"processed":…,"succeeded":…,"failed":…, tallies}; the caller's. */
json_t *run_counts(const struct run *r);
/* For worker.reply, where there is nothing else to say: success, processed, succeeded, failed. */
void run_reply_counts(const struct run *r, json_t *body);
/* For worker.reply likewise, where the run is called a job: success, and jobId. */
void run_reply_job(const struct run *r, json_t *body);
/* What stands under "run" in a reply: id, worker, durationMs, more; null when it never began. */
json_t *run_summary(const struct run *r);
/* The whole JSON reply of a run that has ended: the worker's keys, then "run".  The caller's. */
json_t *run_reply(const struct run *r);

/* Whether new work may start that ends within ${item_ms}: deadline, stop and errors considered. */
bool run_may_start(const struct run *r, int64_t item_ms);
/* An item's time-out: ${timeout_s} of the settings, but never longer than the budget.  In ms. */
int64_t run_item_timeout_ms(const struct run *r, int64_t timeout_s);
/* Now on the database's clock, in seconds since 1970: that at the start, plus what has passed. */
int64_t run_db_now_s(const struct run *r);

/* What a statement that is sent now may take: RUN_STATEMENT_MAX_MS, or less before the hard end. */
int run_statement_ms(const struct run *r);
/*
 * One statement of a run: bounded by run_statement_ms(), with the lock renewed
 * on the way.  NULL with run->err set.
 */
PGresult *run_query(struct run *r, enum sql_id sql, const char *const *args, int args_count);

/*
 * For those who have a pipeline going: takes the answer of the last renewal and, when it is time
 * (once a second at most), sends the next.  0, or -1 with run->err: the lock was lost to somebody
 * else, and the run must end.
 */
int run_renew(struct run *r);

#endif
