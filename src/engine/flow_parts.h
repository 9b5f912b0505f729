/*
 * flow_parts - what the files of the flow share; nobody else includes it.
 *
 *	flow.c         the loop: admission, start, replies, the end
 *	flow_host.c    queues and limits per host
 *	flow_store.c   flights to the database
 *	flow_writer.c  the connections that what is written travels over
 *	flow_claim.c   leases rows, makes items of them
 *	flow_lane.c    the lanes of a laned flow, and when they are looked at
 *	flow_note.c    what items say while they are under way, and who asks them to stop
 *	flow_settle.c  writes how items ended, hands back what was not tried
 *	flow_rest.c    items that go on: their rests, their turns, their memory
 */
#ifndef CRONWARD_ENGINE_FLOW_PARTS_H
#define CRONWARD_ENGINE_FLOW_PARTS_H

#include "base/crypto.h"
#include "base/text.h"
#include "db/db.h"
#include "engine/flow.h"
#include "engine/run.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	FLOW_HOST_BUCKETS = 1024,
	FLOW_HOST_START = 4, /* in the air to a host that has not answered yet in this run */
	/* A claimed row starts within this time or is handed back, so leases can be short. */
	FLOW_WAIT_MAX_MS = 20000,
	FLOW_SLOW_MS = 500, /* a host whose queue stands for so long is passed over by claims */
	FLOW_TICK_MS = 100,
	FLOW_PUT_BACK_MS = 10, /* before what did not begin is asked again, at the earliest */
	FLOW_RETRY_MS = 100,   /* before something that failed in the database is sent again */
	FLOW_LANES_MAX = 1000,
	FLOW_ID_MAX = 40, /* bytes of an id: a number or a uuid */
	FLOW_NOTE_ARRAYS = 6,
	FLOW_LANE_TEXTS = 4,
};

struct flow_batch;
struct flow_host;

struct flow_item {
	struct item item;
	struct flow_batch *batch;
	struct flow_host *host;
	struct flow_item *next; /* in whatever list it is on */
	enum verdict verdict;
	int64_t ended_ms; /* CLOCK_MONOTONIC */
	/* When its claim, or the settlement that has renewed its lease, was sent: a lower bound. */
	int64_t leased_ms;
	int64_t rests_until_ms;
	bool is_stepped; /* in whatever turn */
	int lane;        /* as its claim was given it */
	int urgency;     /* of that lane: what is higher goes first ... */
	int64_t turn;    /* ... then what is lower */
	int64_t due_at;  /* microseconds since 1970 */
	bool frees;      /* its end may let others go */
	bool is_stopped; /* by request: no more steps; a carrier may have been faster */
	/* Among those under way. */
	bool is_aloft;
	struct flow_item *aloft_before, *aloft_next;
};

struct flow_list {
	struct flow_item *first, *last;
	int count;
};

/* The rows of one claim; freed when the last of them is settled or handed back. */
struct flow_batch {
	struct flow_state *state;
	PGresult *rows;
	struct arena *memory;
	char token[CRYPTO_UUID_TEXT_MAX];
	int open;
	int column_id, column_owner;
	int columns[FLOW_COLUMNS_MAX];
	struct flow_item items[];
};

struct flow_host {
	const char *origin; /* scheme://authority in lower case, or a name of its carrier's */
	size_t origin_len;
	const struct flow_carrier *carrier; /* NULL: HTTP */
	int limit, inflight;
	struct flow_list waiting;
	bool is_ready;         /* on the ring: something waits and may go */
	int64_t not_before_ms; /* CLOCK_MONOTONIC; by urgency alone: nothing goes until then */
	struct flow_host *ring_next, *bucket_next, *all_next;
};

struct flow_hosts {
	struct arena *memory;
	int limit_max;
	bool by_urgency; /* whose first item is the most urgent goes first, not host by host */
	int waiting;     /* items of all hosts */
	struct flow_host *ring_first, *ring_last, *all;
	struct flow_host *buckets[FLOW_HOST_BUCKETS];
};

/* Items whose end is to be written in one statement. */
struct flow_settlement {
	struct flow_list items;
	int tries;
	int64_t not_before_ms;
	bool is_resent; /* it may have been committed before the connection was lost */
	struct flow_settlement *next;
};

/* A connection for what is written, and the settlement that is on its way over it. */
struct flow_writer {
	/*
	 * The first one's is NULL while it uses the run's: a laned flow with a backlog has another,
	 * so that the server settles on one core what it claims on another.  The others', while
	 * they are not open.
	 */
	struct db *db;
	struct flow_settlement *settling; /* NULL: none */
	struct db_unit unit;              /* ... its statement */
	struct text arrays[FLOW_SETTLE_ARRAYS_MAX];
	const char *args[FLOW_SETTLE_ARRAYS_MAX + FLOW_SETTLE_ARGS_MAX];
};

enum flow_phase {
	FLOW_MAIN,    /* claims batches */
	FLOW_SUSPECT, /* all is done but rows that were lost twice, one at a time */
	FLOW_OVER,    /* claims no more */
};

struct flow_cursor {
	int64_t at, id; /* microseconds since 1970 */
};

/* Before the first moment that PostgreSQL knows, which is in 4714 BC. */
static const struct flow_cursor FLOW_CURSOR_START = { -210866803200000000, 0 };

/* A queue and a priority in it: how far this pass has come. */
struct flow_lane {
	const char *queue; /* in the look's answer */
	int priority;
	int64_t at;           /* the cursor: microseconds since 1970 ... */
	char id[FLOW_ID_MAX]; /* ... and a uuid */
};

struct flow_lanes {
	int count;
	struct flow_lane lanes[FLOW_LANES_MAX];
	int order[FLOW_LANES_MAX]; /* in which the last claim was given them */
	int64_t turns;             /* claims so far */
	int64_t items;             /* that were queued so far */
	PGresult *found;           /* what names the lanes, and where the look ended */
	/* Arguments of claims, the lanes in the same order in each. */
	struct text texts[FLOW_LANE_TEXTS]; /* queues, priorities, ats, ids */
	char due_at[RUN_TIME_TEXT_MAX], fits_text[24];
	struct db_unit unit; /* of the look */
	const char *args[3];
	bool is_open; /* sent, and its answer not taken yet */
	/* What was last asked was asked with nothing open: nothing was on its way back to the queue
	 * over the other connection, so that an empty answer says that all is done. */
	bool is_sure;
	bool is_drained; /* claims bring nothing, until something is freed or comes due */
	bool is_wanted;  /* before the next claim */
	int64_t not_before_ms;
	int64_t claimed;    /* items of this pass */
	int64_t claimed_ms; /* when the last full claim came */
	bool has_freed;     /* an end has let others go that may stand behind the cursors */
	int64_t rewound_ms;
};

/* Log lines and progress on their way. */
struct flow_notes {
	struct text arrays[FLOW_NOTE_ARRAYS];
	int count;
	int64_t first_ms;
};

/* The claim being prepared or in the air; its texts live as long as it may be sent again. */
struct flow_claim {
	struct db_unit unit;
	bool is_open;   /* sent, and its answer not taken yet */
	bool is_repeat; /* its answer was lost: to be sent again as it was */
	bool is_scout;
	int limit;
	int failures;
	int64_t not_before_ms;
	struct flow_cursor from;
	char limit_text[24], lease_text[24], at_text[24], id_text[24];
	char token[CRYPTO_UUID_TEXT_MAX];
	struct text passed; /* origins of hosts that take no more, as an array literal */
	const char *args[10 + FLOW_CLAIM_ARGS_MAX];
};

struct flow_state {
	struct run *run;
	const struct flow *flow;
	const struct flow_limits *limits;
	struct flow_hosts hosts;
	struct http_request request;
	/* Ways of items that are not HTTP, as they were met. */
	const struct flow_carrier *carriers[FLOW_CARRIERS_MAX];
	int carriers_count;
	struct flow_item *aloft;  /* under way */
	struct flow_list ended;   /* to be settled */
	struct flow_list back;    /* to be handed back */
	struct flow_list resting; /* to line up at their hosts again */
	int64_t rests_next_ms;    /* when the first of them may */
	int64_t ended_first_ms;   /* since when the oldest of ended waits */
	int64_t aged_ms;          /* when waiting items were last looked at for their age */

	enum flow_phase phase;
	int batch_size, batch_max;
	int64_t claimed;
	int open; /* claimed and neither settled nor handed back */
	struct flow_cursor cursor, scout;
	int64_t wrapped_ms, scout_not_before_ms;
	struct text scouted; /* what the last scout passed over */
	struct flow_claim claim;
	struct flow_lanes *lanes; /* NULL: the flow has none */

	struct flow_notes notes[2]; /* one is being filled while the other is in the air */
	int notes_filling;
	struct db_unit note_unit;
	int note_tries;
	struct db_unit stop_unit;
	struct text stop_ids, stop_tokens;
	int64_t stops_asked_ms;
	const char *note_args[FLOW_NOTE_ARRAYS], *stop_args[2];

	struct flow_writer writers[FLOW_WRITERS_MAX];
	int writers_max;
	bool is_writer_lost;           /* and none is opened any more */
	struct flow_settlement *again; /* to be tried again */
	int settle_arrays_count;
	struct db_unit release_unit;
	struct flow_list releasing;
	int64_t release_not_before_ms;
	/* Something was handed back for want of time, and may not be due at this moment. */
	bool is_left;
	struct text release_arrays[2];
	const char *release_args[2];
	int64_t reconnect_ms, reconnect_pause_ms;
};

/* flow.c */
void flow_list_push(struct flow_list *, struct flow_item *);
void flow_list_unshift(struct flow_list *, struct flow_item *);
struct flow_item *flow_list_shift(struct flow_list *);
/* Moves all of ${from} behind ${to}. */
void flow_list_append(struct flow_list *to, struct flow_list *from);
/* Moves those that were leased before ${leased_before_ms} behind ${to}. */
void flow_list_drain(struct flow_list *from, int64_t leased_before_ms, struct flow_list *to);

/* Ends ${item}, which is under way no more. */
void flow_end_item(struct flow_state *, struct flow_item *, enum verdict);
/* How long a claimed item may wait for its beginning. */
int64_t flow_wait_max_ms(const struct flow_limits *);

/* flow_host.c */
void flow_hosts_init(struct flow_hosts *, struct arena *, int limit_max);
/* Queues ${item} at the host of ${target}, or at the carrier that knows it by this name. */
void flow_hosts_queue(
    struct flow_hosts *, struct flow_item *, const char *target, const struct flow_carrier *);
/* Queues ${item} at the host that it has been queued at before. */
void flow_hosts_line_up(struct flow_hosts *, struct flow_item *);
/*
 * The next item that may go where ${places} more may be under way, its host's in turn, counted as
 * in flight; NULL: none.
 */
struct flow_item *flow_hosts_next(struct flow_hosts *, int places);
/* An item of flow_hosts_next() has ended; a NULL ${reply} says that nothing was sent. */
void flow_hosts_landed(struct flow_hosts *, struct flow_host *, const struct http_reply *);
/* Nothing goes to ${host} for ${pause_ms}: for hosts that are served by urgency. */
void flow_hosts_pause(struct flow_hosts *, struct flow_host *, int64_t pause_ms);
/*
 * ${item} of flow_hosts_next() did not begin after all: it is the next one of its host again, which
 * is served by urgency, after FLOW_PUT_BACK_MS or a pause that is longer.
 */
void flow_hosts_put_back(struct flow_hosts *, struct flow_item *);
/* Takes what waits and was leased before ${leased_before_ms} off the queues, onto ${to}. */
void flow_hosts_drain(struct flow_hosts *, int64_t leased_before_ms, struct flow_list *to);
/*
 * Writes the origins of hosts that are full and whose queue has stood for FLOW_SLOW_MS into
 * ${origins}, an array literal in lower case.  Returns how many items wait for other hosts.
 */
int flow_hosts_slow(struct flow_hosts *, struct text *origins);

/* flow_store.c */
void flow_store_init(struct flow_state *);
void flow_store_finish(struct flow_state *);
/* Dead-letters what was lost five times.  0, or -1 with run->err. */
int flow_store_bury(struct flow_state *);
/* What to wait for; how many. */
int flow_store_poll_fds(const struct flow_state *, struct pollfd *fds);
/* Sends the next flight when the last one is back and there is reason for one. */
void flow_store_send(struct flow_state *);
/* Takes what the database has answered. */
void flow_store_take(struct flow_state *);
/* Asks whether due work is left, for run->more. */
void flow_store_look(struct flow_state *);
/* Whether anything is in the air to the database, or still to be written. */
bool flow_store_is_idle(const struct flow_state *);
/* Lets go of items that are settled or handed back; a batch goes with its last one. */
void flow_close(struct flow_state *, struct flow_list *items);

/* flow_writer.c */
void flow_writers_init(struct flow_state *);
void flow_writers_finish(struct flow_state *);
/* The connection that ${writer} uses.  The first one's is also for notes and what is handed back.
 */
struct db *flow_writer_db(const struct flow_state *, const struct flow_writer *);
/* What to wait for besides the run's connection; how many. */
int flow_writers_poll_fds(const struct flow_state *, struct pollfd *fds);
/* Gives up connections that were lost, opens one for the first writer where it pays. */
void flow_writers_keep(struct flow_state *, bool may_open_first);
/* Whether a settlement could be sent over another writer than the first by now. */
bool flow_writers_have_room(struct flow_state *);
/* Sends what is left to settle over the further writers, as far as they go. */
void flow_writers_settle(struct flow_state *, int64_t now_ms);
/* Reads and writes over the connections besides the run's what can be without waiting. */
void flow_writers_pump(struct flow_state *);
/* Takes what has been answered. */
void flow_writers_take(struct flow_state *);
/* Whether a settlement is in the air. */
bool flow_writers_are_away(const struct flow_state *);

/* flow_claim.c */
/* Whether to claim now, and what: prepares s->claim unless the last one is to be repeated. */
bool flow_claim_choose(struct flow_state *);
void flow_claim_send(struct flow_state *);
void flow_claim_take(struct flow_state *);
/* Claiming has failed with ${e}: for good, or to be tried again after a pause. */
void flow_claim_failed(struct flow_state *, const struct err *e);
/* What a time-out of an item is cut to where it asks for more. */
int64_t flow_claim_timeout_max_ms(const struct run *);

/* flow_settle.c */
/* Whether something that failed before is to be sent again by now. */
bool flow_settle_is_due(const struct flow_state *, int64_t now_ms);
/* Hands back what is large and not sent by now: for the hard end of flows that go on. */
void flow_settle_cut(struct flow_state *);
/* Sends what failed before and is due again, else what has ended since. */
void flow_settle_send(struct flow_state *, struct flow_writer *);
void flow_settle_take(struct flow_state *, struct flow_writer *);
void flow_release_send(struct flow_state *);
void flow_release_take(struct flow_state *);

/* flow_rest.c */
/* Takes those of ${settled} that go on, as their settlement's ${answer} has it, off the list. */
void flow_go_on(struct flow_state *, struct flow_list *settled, const struct db_unit *answer);
/* Lets those whose rest is over line up. */
void flow_rests_end(struct flow_state *);
/* Takes what rests and was leased before ${leased_before_ms} off, onto ${to}. */
void flow_rests_drain(struct flow_state *, int64_t leased_before_ms, struct flow_list *to);
/* How long until a rest ends, ${most_ms} at most. */
int flow_rests_wait_ms(const struct flow_state *, int most_ms);
/* ${item} is about to be stepped for the first time in its turn. */
void flow_turn_begin(struct flow_state *, struct flow_item *);
/* ${item} is let go of. */
void flow_item_forget(struct flow_state *, struct flow_item *);

/* flow_lane.c */
void flow_lanes_finish(struct flow_state *);
/* Whether the lanes are to be looked at before anything else is claimed. */
bool flow_lanes_are_due(struct flow_state *, int64_t now_ms);
void flow_lanes_send(struct flow_state *);
void flow_lanes_take(struct flow_state *);
/* Adds the claim's arguments behind the ${count} that are there; how many there are then. */
int flow_lanes_claim_args(struct flow_state *, const char **args, int count);
/* The lane that the last claim knew as number ${given}, from 1. */
const struct flow_lane *flow_lanes_at(const struct flow_state *, int64_t given);
/* Moves cursors and phase on by what a claim of ${limit} rows has brought. */
void flow_lanes_advance(struct flow_state *, const PGresult *, int limit);
/* Likewise, by a claim of ${count} rows that were lost twice. */
void flow_lanes_advance_suspect(struct flow_state *, int count);

/* flow_note.c */
bool flow_notes_are_due(const struct flow_state *, int64_t now_ms);
/* Whether lines wait for others to be written again: no end may overtake them. */
bool flow_notes_are_behind(const struct flow_state *);
void flow_notes_send(struct flow_state *);
void flow_notes_take(struct flow_state *);
/* Asks which items under way are to be stopped, once a second. */
void flow_stops_send(struct flow_state *, int64_t now_ms);
void flow_stops_take(struct flow_state *);

#endif
