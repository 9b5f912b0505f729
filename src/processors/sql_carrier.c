/*
 * sql_carrier - carries items out by functions of the database's, each on a connection of its own.
 *
 * The item's time-out is its statement_timeout; what does not end then is cancelled, and what does
 * not end even so loses its connection.  The connections are kept while a run has work for them.
 */
#include "processors/sql_carrier.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "db/db.h"
#include "engine/run.h"
#include "sql_parts.h"

#include <assert.h>
#include <stdlib.h>

enum {
	SQL_IDLE_MS = 30000,   /* a connection that nobody used for so long is closed */
	SQL_PAUSE_MS = 1000,   /* after a connection that could not be made */
	SQL_LATE_MS = 300,     /* beyond its time-out: its function has caught the first cancel */
	SQL_STOP_MS = 1000,    /* what was cancelled and does not end loses its connection */
	SQL_DISCARD_MS = 5000, /* for a connection to forget what a function did to it */
	SQL_SEATS_MAX = 1000,
};

/* A connection, and the item whose function runs on it. */
struct sql_seat {
	struct db *db;
	struct item *item; /* NULL: idle */
	struct sql_call call;
	struct db_unit perform, discard;
	bool is_late; /* it was cancelled because it does not end by itself */
	bool is_stopped;
	int64_t stopped_ms;
	enum verdict stop_verdict;
	int64_t idle_since_ms;
};

static struct sql_seats {
	struct sql_seat *all[SQL_SEATS_MAX];
	int count, max;
	int64_t not_before_ms; /* no new connection until then */
} sql_seats;

static int sql_busy(void *self);
static bool sql_has_room(void *self, const char *target, int places);
static int sql_poll_fds(void *self, struct pollfd *fds, int max);
static void sql_pump(void *self);
static struct item *sql_next(void *self, enum verdict *ret_verdict);
static void sql_stop(void *self, struct item *item, enum verdict verdict);
static struct sql_seat *sql_seat_take(struct sql_seats *, struct run *);
static struct sql_seat *sql_seat_idle(const struct sql_seats *);
static void sql_seat_send(struct sql_seat *);
static bool sql_seat_is_over(const struct sql_seat *);
static void sql_seat_watch(struct sql_seat *, int64_t now_ms);
static void sql_seat_stop(struct sql_seat *, enum verdict);
static enum verdict sql_seat_end(struct sql_seat *);
static enum verdict sql_seat_verdict(const struct sql_seat *);
static void sql_seat_hear(void *cookie, const PGresult *notice);
static void sql_seat_destroy(struct sql_seat *);

static const struct flow_carrier sql_seats_carrier = {
	.self = &sql_seats,
	.busy = sql_busy,
	.has_room = sql_has_room,
	.poll_fds = sql_poll_fds,
	.pump = sql_pump,
	.next = sql_next,
	.stop = sql_stop,
};

const struct flow_carrier *
sql_carrier(int64_t connections_max)
{
	assert(connections_max <= SQL_SEATS_MAX);
	sql_seats.max = (int)connections_max;
	return &sql_seats_carrier;
}

enum verdict
sql_carry(struct run *r, struct item *item, const struct sql_call *call)
{
	struct sql_seat *seat = sql_seat_take(&sql_seats, r);

	if (!seat)
		return item_hold(item, "no connection to the database for its function");
	seat->item = item;
	seat->call = *call;
	sql_seat_send(seat);
	return VERDICT_CARRY;
}

void
sql_carrier_rest(void)
{
	while (sql_seats.count > 0)
		sql_seat_destroy(sql_seats.all[--sql_seats.count]);
	sql_seats.not_before_ms = 0;
}

static int
sql_busy(void *self)
{
	const struct sql_seats *seats = self;
	int busy = 0;

	for (int i = 0; i < seats->count; i++)
		busy += seats->all[i]->item != NULL;
	return busy;
}

static bool
sql_has_room(void *self, const char *target, int places)
{
	const struct sql_seats *seats = self;

	(void)target;
	return places > 0 && clock_mono_ms() >= seats->not_before_ms &&
	       (seats->count < seats->max || sql_seat_idle(seats));
}

static int
sql_poll_fds(void *self, struct pollfd *fds, int max)
{
	const struct sql_seats *seats = self;
	int count = 0;

	for (int i = 0; i < seats->count && count < max; i++) {
		const struct db *db = seats->all[i]->db;

		if (seats->all[i]->item && db_socket(db) >= 0)
			fds[count++] =
			    (struct pollfd){ .fd = db_socket(db), .events = db_events(db) };
	}
	return count;
}

static void
sql_pump(void *self)
{
	struct sql_seats *seats = self;
	int64_t now_ms = clock_mono_ms();

	for (int i = seats->count - 1; i >= 0; i--) {
		struct sql_seat *seat = seats->all[i];

		if (seat->item && !sql_seat_is_over(seat)) {
			db_pump(seat->db, NULL);
			sql_seat_watch(seat, now_ms);
		} else if (!seat->item && now_ms - seat->idle_since_ms > SQL_IDLE_MS) {
			sql_seat_destroy(seat);
			seats->all[i] = seats->all[--seats->count];
		}
	}
}

static struct item *
sql_next(void *self, enum verdict *ret_verdict)
{
	const struct sql_seats *seats = self;

	for (int i = 0; i < seats->count; i++) {
		struct item *item = seats->all[i]->item;

		if (item && sql_seat_is_over(seats->all[i])) {
			*ret_verdict = sql_seat_end(seats->all[i]);
			return item;
		}
	}
	return NULL;
}

static void
sql_stop(void *self, struct item *item, enum verdict verdict)
{
	const struct sql_seats *seats = self;

	for (int i = 0; i < seats->count; i++)
		if (seats->all[i]->item && (!item || seats->all[i]->item == item))
			sql_seat_stop(seats->all[i], verdict);
}

/* A seat that is connected, or NULL. */
static struct sql_seat *
sql_seat_take(struct sql_seats *seats, struct run *r)
{
	struct sql_seat *seat = sql_seat_idle(seats);
	struct err e = { .code = ERR_OK };

	if (!seat && seats->count < seats->max) {
		seat = mem_zero(1, sizeof(*seat));
		seat->db = db_create(r->conf);
		seat->idle_since_ms = clock_mono_ms();
		db_on_notice(seat->db, sql_seat_hear, seat);
		seats->all[seats->count++] = seat;
	}
	if (seat && db_connect(seat->db, &e) == 0)
		return seat;
	if (seat)
		log_message(LOG_WARN, "sql_processor", "worker=%s run=%s %s", r->worker->name,
		    r->id, e.message);
	seats->not_before_ms = clock_mono_ms() + SQL_PAUSE_MS;
	return NULL;
}

/* One that nobody uses, if possible with a connection. */
static struct sql_seat *
sql_seat_idle(const struct sql_seats *seats)
{
	struct sql_seat *idle = NULL;

	for (int i = 0; i < seats->count; i++)
		if (!seats->all[i]->item && (!idle || db_is_connected(seats->all[i]->db)))
			idle = seats->all[i];
	return idle;
}

/*
 * Sends the call and, in the same flight, what makes the connection fit for the next function.  A
 * pooler's connections are not ours to clean.  What cannot be sent is LOST, and found by pump.
 */
static void
sql_seat_send(struct sql_seat *seat)
{
	int timeout_ms = (int)seat->item->timeout_ms;
	struct db_link link;

	seat->is_late = seat->is_stopped = false;
	seat->discard = (struct db_unit){
		.sql = SQL_JOB_PERFORM_DISCARD,
		.timeout_ms = timeout_ms + SQL_DISCARD_MS, /* counted from here */
	};
	seat->perform = (struct db_unit){
		.sql = seat->call.sql,
		.args = seat->call.args,
		.args_count = seat->call.args_count,
		.timeout_ms = timeout_ms,
		.is_foreign = true,
	};
	if (db_send(seat->db, &seat->perform, NULL) == 0 && db_link(seat->db, &link) &&
	    !link.is_pooled)
		db_send(seat->db, &seat->discard, NULL);
}

static bool
sql_seat_is_over(const struct sql_seat *seat)
{
	return seat->perform.state != DB_UNIT_SENT && seat->discard.state != DB_UNIT_SENT;
}

/* Ends what does not end by itself: statement_timeout strikes once, and a function can catch it. */
static void
sql_seat_watch(struct sql_seat *seat, int64_t now_ms)
{
	if (seat->perform.state != DB_UNIT_SENT)
		return;
	if (seat->is_stopped) {
		if (now_ms - seat->stopped_ms > SQL_STOP_MS)
			db_disconnect(seat->db);
	} else if (!seat->is_late && seat->perform.sent_ms &&
		   now_ms - seat->perform.sent_ms > seat->perform.timeout_ms + SQL_LATE_MS) {
		seat->is_late = true;
		if (db_cancel(seat->db, NULL) != 0)
			db_disconnect(seat->db);
	}
}

/* Too late where the function has ended: then it counts. */
static void
sql_seat_stop(struct sql_seat *seat, enum verdict verdict)
{
	if (seat->is_stopped || seat->perform.state != DB_UNIT_SENT)
		return;
	seat->is_stopped = true;
	seat->stopped_ms = clock_mono_ms();
	seat->stop_verdict = verdict;
	if (db_cancel(seat->db, NULL) != 0)
		db_disconnect(seat->db);
}

/* Takes the item off the seat, which is then idle. */
static enum verdict
sql_seat_end(struct sql_seat *seat)
{
	enum verdict verdict = sql_seat_verdict(seat);

	PQclear(seat->perform.result);
	PQclear(seat->discard.result);
	/* A request to cancel may still be on its way to whatever runs there. */
	if (seat->is_stopped || seat->is_late || seat->discard.state == DB_UNIT_FAILED)
		db_disconnect(seat->db);
	seat->item = NULL;
	seat->idle_since_ms = clock_mono_ms();
	return verdict;
}

static enum verdict
sql_seat_verdict(const struct sql_seat *seat)
{
	bool is_uncalled;

	switch (seat->perform.state) {
	case DB_UNIT_DONE:
		return VERDICT_DONE;
	case DB_UNIT_FAILED:
		if (seat->is_stopped)
			return seat->stop_verdict;
		is_uncalled = sql_refused(
		    seat->item, seat->perform.result, clock_mono_ms() - seat->perform.sent_ms);
		return seat->call.failed(seat->item, is_uncalled);
	case DB_UNIT_LOST:
		if (seat->is_stopped)
			return seat->stop_verdict;
		if (seat->is_late)
			item_fail(seat->item, "timed out after %g s, and could not be stopped",
			    (double)seat->item->timeout_ms / 1000);
		else
			/* The next claim finds performed_at where it was committed. */
			item_fail(seat->item,
			    "the connection was lost while its function ran; if that was "
			    "committed, the next try completes the %s without running it again",
			    seat->call.what);
		return seat->call.failed(seat->item, false);
	case DB_UNIT_IDLE:
	case DB_UNIT_SENT:
		break;
	}
	assert(!"a call that was neither answered nor lost");
	return VERDICT_BACK;
}

static void
sql_seat_hear(void *cookie, const PGresult *notice)
{
	const struct sql_seat *seat = cookie;

	if (seat->item && seat->call.is_heard && seat->perform.state == DB_UNIT_SENT)
		sql_hear(seat->item, notice);
}

static void
sql_seat_destroy(struct sql_seat *seat)
{
	db_destroy(seat->db);
	free(seat);
}
