/*
 * flow - moves rows of one kind through claim, step, settle and release, many in the air.
 *
 * A claim is a lease with a token of its own; settle and release match on the token, so a late
 * process changes nothing.  The next batch is claimed while this one is in the air, and what has
 * ended is settled in the same flight.  See src/engine/flow.c for the order of things and
 * sql/README.md for what each statement must do.
 *
 * An item of a flow that goes on may have many turns: what a turn has brought is written, and its
 * lease renewed, before the next one begins, and all that wait meanwhile go first.
 */
#ifndef CRONWARD_ENGINE_FLOW_H
#define CRONWARD_ENGINE_FLOW_H

#include "db/sql.h"
#include "http/http.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct run;
struct item;

enum verdict {
	VERDICT_SEND,   /* the request is filled in: send it */
	VERDICT_CARRY,  /* the step has given it to a carrier */
	VERDICT_DONE,   /* settled for good */
	VERDICT_RETRY,  /* failed, again after item->retry_ms */
	VERDICT_DEAD,   /* failed for good */
	VERDICT_REFUSE, /* failed for good without a try */
	VERDICT_BACK,   /* not tried, never begun: handed back */
	VERDICT_PARK,   /* not tried: waits for an event, not for time */
	VERDICT_HOLD,   /* not tried, and we are at fault: after item->retry_ms, no try used up */
	VERDICT_AWAIT,  /* goes on elsewhere, and is reported back within item->retry_ms */
	VERDICT_CANCEL, /* stopped because somebody asked for it */
	VERDICT_WAIT,   /* laned: not now; it stays the next one of its host, see item->pause_ms */
	/*
	 * Laned, and of flows that go on: this turn is over, and not the last one.  Settled like
	 * the others, and once that is committed the item lines up at its host again, behind all
	 * that wait and are as urgent, after item->retry_ms; step is then called as at its
	 * beginning.  Where it has lost its lease it is let go of.  Where it could not begin within
	 * limits->wait_max_ms of its settling, or before the run's end, it is handed back: who has
	 * to rest for longer says so by another verdict.  So is what has bulk, by whatever verdict,
	 * and could not be written by the run's hard end: another run brings that again.
	 */
	VERDICT_GO_ON,
	VERDICT__MAX
};

enum {
	ITEM_ERROR_MAX = 1024, /* bytes that are stored */
	ITEM_NOTES_MAX = 1000, /* log lines of one try; what goes beyond is dropped */
	FLOW_COLUMNS_MAX = 24,
	FLOW_CLAIM_ARGS_MAX = 6,
	FLOW_SETTLE_ARRAYS_MAX = 16,
	FLOW_SETTLE_ARGS_MAX = 4,
	FLOW_CARRIERS_MAX = 4,
	FLOW_BULK_MAX = 4 << 20, /* bytes of bulk in one settlement */
	FLOW_WRITERS_MAX = 8,
};

/* One claimed row on its way. */
struct item {
	const PGresult *rows; /* the claim that brought it */
	const int *columns;   /* of flow->columns in rows */
	/* Lives until the item is settled.  Of flows that go on: an arena of the item's own from
	 * step to settling, turn by turn; what target() takes lives until it is let go of. */
	struct arena *memory;
	int row;
	const void *kind;   /* for the worker: what it is; stays from turn to turn */
	void *carried;      /* for the carrier that has it */
	int64_t timeout_ms; /* of this try */
	int64_t began_ms;   /* when its turn's first step was, CLOCK_MONOTONIC; 0: not yet */
	int notes;          /* log lines of this turn so far */
	/* Laned, set by step or carrier: nothing more goes to its host, or to what its carrier
	 * knows by the same name, for so long, whatever becomes of this item. */
	int64_t pause_ms;
	/* How it ended, filled in by step or carrier; texts live until it is settled. */
	int status; /* HTTP; 0: none */
	int64_t retry_ms;
	const char *error;  /* NULL, or why it failed: valid UTF-8, at most ITEM_ERROR_MAX */
	const char *stack;  /* NULL, or more about the error, for developers: valid UTF-8 */
	const char *result; /* NULL, or JSON that PostgreSQL takes as jsonb */
	/* NULL, or rows that settling is to write: a JSON array that PostgreSQL takes as jsonb. */
	const char *bulk;
	size_t bulk_len;
	/* NULL, or what settling is to change besides: a word that the settle statement knows, and
	 * the id of its row. */
	const char *effect, *subject;
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

/* Says how the item ended: ${result} as text, in item->memory. */
void item_result(struct item *item, const json_t *result);

/* What a try has to say while it is under way; texts are copied.  NULL and -1 say nothing. */
struct item_note {
	const char *level; /* debug, info, warn, error */
	const char *message;
	const char *data; /* JSON text that PostgreSQL takes as jsonb */
	int progress;     /* percent */
};
/*
 * Writes ${note} with the next flight, always before the item is settled: for flows that have a
 * note statement.  Beyond ITEM_NOTES_MAX lines it says so once, and drops what comes.
 */
void item_note(struct item *item, const struct item_note *note);

/*
 * A way to carry items out that is not HTTP: connections, child processes.  A step that hands an
 * item over answers VERDICT_CARRY; it comes back by next().  Nothing here waits.
 */
struct flow_carrier {
	void *self;
	/* Executions under way: together with requests they stay within inflight_max. */
	int (*busy)(void *self);
	/*
	 * Whether one more item that is queued under ${target} may be handed over, where
	 * ${places} more executions may begin; it may also join a queue of the carrier's own.
	 */
	bool (*has_room)(void *self, const char *target, int places);
	/* What to wait for, ${max} at most; how many. */
	int (*poll_fds)(void *self, struct pollfd *fds, int max);
	/* Reads and writes what can be, stops what is past its time. */
	void (*pump)(void *self);
	/* An item that has ended, filled in, and how; NULL: none. */
	struct item *(*next)(void *self, enum verdict *ret_verdict);
	/*
	 * Stops ${item}, or all where it is NULL, now; they come out of next() as ${verdict} (with
	 * the error that is set, if any).  What never began comes as VERDICT_BACK.
	 */
	void (*stop)(void *self, struct item *item, enum verdict verdict);
};

/* The columns of a settlement, each an array argument. */
enum settle_column {
	SETTLE_END, /* no more */
	SETTLE_ID,
	SETTLE_TOKEN,
	SETTLE_OWNER,
	SETTLE_VERDICT,
	SETTLE_RETRY_MS,
	SETTLE_STATUS,
	SETTLE_ERROR,
	SETTLE_STACK,
	SETTLE_RESULT,
	SETTLE_EFFECT,
	SETTLE_SUBJECT,
	SETTLE_NAME_LOOKUP_MS,
	SETTLE_CONNECT_MS,
	SETTLE_TLS_MS,
	SETTLE_FIRST_BYTE_MS,
	SETTLE_TOTAL_MS,
	SETTLE_TOOK_MS, /* from its turn's first step to its end; NULL: it never began */
	/*
	 * No array but one text, so that nothing is escaped or parsed twice: a JSON array whose
	 * element i is the bulk of item i, or null.  A settlement holds FLOW_BULK_MAX of it at
	 * most, or one item.  jsonb_array_elements($n::jsonb) WITH ORDINALITY reads it.
	 */
	SETTLE_BULK,
};

/*
 * What the flow needs to know to move rows of one kind.  Read-only.
 *
 * A laned flow serves several queues and priorities from one table.  Its look statement says which
 * lanes hold something due and what "due" now means; a claim is given all of them, the most urgent
 * first, with a cursor for each, and what is freed or comes due while the run goes on is looked for
 * again until a whole pass brings nothing.
 */
struct flow {
	/*
	 * claim($1 limit, $2 lease s, $3 token, $4 due, $5 cursor at, $6 cursor id, $7
	 * origins to pass over, lower case) -> rows with columns id, owner, target (a URL),
	 * cursor_at (microseconds since 1970) and what step reads, behind the cursor, in any order.
	 *
	 * Laned: ($1 limit, $2 s that a lease lasts beyond the item's own timeout_s, $3 token, $4
	 * due, $5 queues, $6 priorities, $7 cursors at, $8 cursor ids, $9 s of the longest time-out
	 * that still ends in time, $10 whether one row that was lost twice is wanted instead, then
	 * limits->claim_args) -> id, lane (from 1), cursor_at, timeout_s, is_parked (the claim
	 * itself has put it aside: it is no item), frees (its end may let others go) and what step
	 * reads.
	 */
	enum sql_id claim;
	/* ($1 lease s, $2 token, $3 due) -> one row that was lost twice, if there is one.  Laned
	 * flows have the claim for it. */
	enum sql_id claim_suspect;
	enum sql_id bury;    /* ($1 due) dead-letters what was lost five times -> rows */
	enum sql_id is_left; /* ($1 due) -> is_left: whether anything due is left, leased or not */
	/*
	 * The arrays of .settles, then limits->settle_args -> one row: done, retry, dead, park,
	 * hold and, where such verdicts are given, refuse, await, cancel, go_on: how many were
	 * written.  A column that is named like one of the worker's tallies is added to it.
	 *
	 * Flows that go on: also going, a uuid[] (NULL: none) of the rows that were written as
	 * 'go_on' and have their lease renewed, under the same token, for flow_lease_more_s()
	 * beyond their timeout_s.  It may be sent again after it was committed.
	 */
	enum sql_id settle;
	enum settle_column settles[FLOW_SETTLE_ARRAYS_MAX + 1];
	enum sql_id release; /* ($1 ids, $2 tokens) hands back what was claimed and not tried */
	/* A claim commits for sure before its items begin: for those that bind rows to what a
	 * vendor is told.  Others may be undone by a crash of the server, and are due again. */
	bool claims_durably;
	bool is_laned;
	/* Laned: items may end in VERDICT_GO_ON.  Their ends do not wait for company. */
	bool goes_on;
	/* Laned: ($1 queues to serve, NULL: all, $2 and $3 queue and priority of the lane behind
	 * which to look, NULL: from the start) -> queue, priority, due_at (text), behind_queue,
	 * behind_priority (where a look that saw no further ended, else NULL), the most urgent
	 * first; one row with a NULL queue where nothing is due */
	enum sql_id look;
	bool has_notes; /* laned: the next two statements are there */
	/* ($1 ids, $2 tokens, $3 levels, $4 messages, $5 data, $6 progress) */
	enum sql_id note;
	/* ($1 ids, $2 tokens of items under way) -> id: those that are to be stopped */
	enum sql_id cancelled;
	/* Columns that step reads, looked up once a claim, for item_text().  NULL ends. */
	const char *columns[FLOW_COLUMNS_MAX + 1];
	/* Laned: what to queue ${item} under: a URL, or a name of its carrier's, which is put into
	 * *ret_carrier (NULL for HTTP) and stays the same for that name. */
	const char *(*target)(struct run *, struct item *, const struct flow_carrier **ret_carrier);
	/* Called with reply NULL first, then with each reply: what to send next, or the end. */
	enum verdict (*step)(
	    struct run *, struct item *, const struct http_reply *, struct http_request *);
	/* NULL, or frees what step has hung on item->kind.  Called once for each item that was
	 * stepped at all, when it is let go of: settled for good, handed back or given up. */
	void (*forget)(struct run *, struct item *);
};

/* What differs from run to run. */
struct flow_limits {
	int64_t batch_size; /* rows of the first claim; grows while many rows wait */
	int64_t batch_max;  /* but not beyond; 0: 1000, or batch_size where that is more */
	int64_t inflight_max;
	int64_t inflight_host_max;
	int64_t items_max;   /* of this run; 0: no cap */
	int64_t timeout_ms;  /* of one item; laned: of those that do not say */
	int64_t wait_max_ms; /* a claimed row begins within this time or is handed back; 0: 20 s */
	const char *settle_args[FLOW_SETTLE_ARGS_MAX];
	int settle_args_count;
	/*
	 * Settlements that may be in the air at once, each over a connection of its own, the first
	 * over the run's; 0: 1, and FLOW_WRITERS_MAX at most.  More than one is for flows that go
	 * on and have no notes, where settling an item touches nothing that settling another does:
	 * what is in the air at once may be committed in any order.
	 */
	int writers_max;
	/* Laned. */
	const char *queues; /* to serve, an array literal; NULL: all that are not paused */
	/* Look again so long after all is drained, to the run's end, or until it has lasted so
	 * long; 0: end. */
	int64_t poll_ms, linger_ms;
	const char *claim_args[FLOW_CLAIM_ARGS_MAX];
	int claim_args_count;
};

/*
 * Moves every row that was due at the run's start, until none is left or time is up.
 * Counts into run->processed, succeeded and failed only what was settled.
 * 0, or -1 with run->err set; what was claimed is settled or handed back either way.
 */
int flow_run(struct run *r, const struct flow *f, const struct flow_limits *limits);
/* What a laned claim is given as $2, in s: for settle_args where settling renews leases. */
int64_t flow_lease_more_s(const struct flow_limits *limits);

#endif
