/*
 * flow_store - flights: what goes to the database together, and when.
 *
 * Settle goes before claim in a flight; the other order can deadlock.  A laned flow with a backlog
 * sends what it writes over a connection of its own: a claim passes over rows that a settle has
 * locked, and what both may wait for, the slots of keys, is given up by settles alone.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/run.h"
#include "engine/worker.h"

#include <stdlib.h>

enum {
	FLOW_BATCH_FIRST = 64,   /* rows of the first claim, until it is known how large they are */
	FLOW_BATCH_GROWN = 1000, /* rows of a claim while many wait */
	FLOW_SETTLE_DELAY_MS = 25, /* how long an end may wait for company */
	FLOW_RECONNECT_MAX_MS = 1000,
};

/* What goes together. */
struct flow_flight {
	bool notes, settles, releases; /* writes ... */
	bool settles_more;             /* ... over the further writers */
	bool looks, claims;            /* ... and reads, which take rows, too */
};

static void flow_store_fly(struct flow_state *, const struct flow_flight *, int64_t now_ms);
static bool flow_store_writes_are_away(const struct flow_state *);
static bool flow_store_reads_are_away(const struct flow_state *);
static bool flow_store_must_settle(const struct flow_state *, bool may_claim, int64_t now_ms);
static bool flow_connect(struct flow_state *);
static void flow_give_up(struct flow_state *);

void
flow_store_init(struct flow_state *s)
{
	int64_t setting = s->limits->batch_size;

	s->batch_size = (int)(setting < FLOW_BATCH_FIRST ? setting : FLOW_BATCH_FIRST);
	s->batch_max = (int)(setting > FLOW_BATCH_GROWN ? setting : FLOW_BATCH_GROWN);
	if (s->limits->batch_max > 0)
		s->batch_max = (int)s->limits->batch_max;
	s->cursor = s->scout = FLOW_CURSOR_START;
	s->wrapped_ms = s->aged_ms = clock_mono_ms();
	while (s->flow->settles[s->settle_arrays_count] != SETTLE_END)
		s->settle_arrays_count++;
	flow_writers_init(s);
	if (s->flow->is_laned) {
		s->lanes = mem_zero(1, sizeof *s->lanes);
		s->lanes->is_wanted = true;
	}
}

void
flow_store_finish(struct flow_state *s)
{
	text_finish(&s->release_arrays[0]);
	text_finish(&s->release_arrays[1]);
	text_finish(&s->claim.passed);
	text_finish(&s->scouted);
	text_finish(&s->stop_ids);
	text_finish(&s->stop_tokens);
	for (int i = 0; i < FLOW_NOTE_ARRAYS; i++) {
		text_finish(&s->notes[0].arrays[i]);
		text_finish(&s->notes[1].arrays[i]);
	}
	flow_lanes_finish(s);
	flow_writers_finish(s);
}

int
flow_store_bury(struct flow_state *s)
{
	struct run *r = s->run;
	AUTO(PQclear) PGresult *rows = run_query(r, s->flow->bury, DB_ARGS(r->started_at));

	if (!rows)
		return -1;
	if (PQntuples(rows) > 0)
		log_message(LOG_WARN, "poison",
		    "worker=%s dead-lettered %d rows that were lost five times", r->worker->name,
		    PQntuples(rows));
	return 0;
}

int
flow_store_poll_fds(const struct flow_state *s, struct pollfd *fds)
{
	int count = 0;

	if (db_socket(s->run->db) >= 0)
		fds[count++] =
		    (struct pollfd){ .fd = db_socket(s->run->db), .events = db_events(s->run->db) };
	return count + flow_writers_poll_fds(s, fds + count);
}

void
flow_store_send(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms();
	bool writes_are_away = flow_store_writes_are_away(s);
	bool reads_are_away = flow_store_reads_are_away(s);
	struct flow_flight f = { .claims = false };

	if (s->flow->goes_on && now_ms > s->run->hard_end_ms)
		flow_settle_cut(s);
	/* Over one connection all travels together. */
	if (!s->writers[0].db && (writes_are_away || reads_are_away))
		writes_are_away = reads_are_away = true;
	if (!reads_are_away) {
		f.looks = s->lanes && s->phase == FLOW_MAIN && !s->claim.is_repeat &&
			  flow_lanes_are_due(s, now_ms);
		f.claims = !f.looks && flow_claim_choose(s);
	}
	if (!writes_are_away) {
		f.settles = !flow_notes_are_behind(s) &&
			    flow_store_must_settle(s, f.claims && !s->writers[0].db, now_ms);
		f.releases = s->back.count > 0 && s->release_not_before_ms <= now_ms;
		f.notes = flow_notes_are_due(s, now_ms) || f.settles;
	}
	f.settles_more = flow_store_must_settle(s, false, now_ms) && flow_writers_have_room(s);
	if (!f.looks && !f.claims && !f.settles && !f.settles_more && !f.releases && !f.notes &&
	    now_ms - s->run->renewed_ms < RUN_RENEW_MS)
		return;
	if (!flow_connect(s))
		return;
	/* With a lost lock nothing more may be claimed; what there is may still be written. */
	if (run_renew(s->run) != 0)
		f.looks = f.claims = s->claim.is_repeat = false;
	flow_store_fly(s, &f, now_ms);
}

static void
flow_store_fly(struct flow_state *s, const struct flow_flight *f, int64_t now_ms)
{
	if (f->notes)
		flow_notes_send(s);
	if (f->settles)
		flow_settle_send(s, &s->writers[0]);
	if (f->releases)
		flow_release_send(s);
	if (s->flow->has_notes && s->stop_unit.state != DB_UNIT_SENT)
		flow_stops_send(s, now_ms);
	if (f->looks)
		flow_lanes_send(s);
	if (f->claims)
		flow_claim_send(s);
	/* The first one takes its share at once; then it may turn out that one more is needed. */
	if (f->settles || f->settles_more)
		flow_writers_settle(s, now_ms);
}

void
flow_store_take(struct flow_state *s)
{
	db_pump(s->run->db, NULL);
	flow_writers_pump(s);
	if (s->note_unit.state != DB_UNIT_IDLE && s->note_unit.state != DB_UNIT_SENT)
		flow_notes_take(s);
	flow_writers_take(s);
	if (s->releasing.count > 0 && s->release_unit.state != DB_UNIT_SENT)
		flow_release_take(s);
	if (s->stop_unit.state != DB_UNIT_IDLE && s->stop_unit.state != DB_UNIT_SENT)
		flow_stops_take(s);
	if (s->lanes && s->lanes->is_open && s->lanes->unit.state != DB_UNIT_SENT)
		flow_lanes_take(s);
	if (s->claim.is_open && s->claim.unit.state != DB_UNIT_SENT)
		flow_claim_take(s);
}

void
flow_store_look(struct flow_state *s)
{
	struct run *r = s->run;
	struct err e = { .code = ERR_OK };
	const char *args[3] = { s->lanes ? s->limits->queues : r->started_at };
	struct db_unit look = {
		.sql = s->lanes ? s->flow->look : s->flow->is_left,
		.args = args,
		.args_count = s->lanes ? 3 : 1,
		.timeout_ms = run_statement_ms(r),
	};
	AUTO(PQclear) PGresult *rows = NULL;

	r->more = true;
	if (db_is_connected(r->db))
		rows = db_query_within(r->db, &look, &e);
	if (rows)
		r->more = s->is_left || (s->lanes ? db_text(rows, 0, "queue") != NULL
						  : db_bool(rows, 0, "is_left"));
}

bool
flow_store_is_idle(const struct flow_state *s)
{
	return !s->again && !s->claim.is_repeat && s->notes[0].count == 0 &&
	       s->notes[1].count == 0 && !flow_store_writes_are_away(s) &&
	       !flow_writers_are_away(s) && !flow_store_reads_are_away(s) &&
	       s->run->renewal.state != DB_UNIT_SENT;
}

/* Over the connection of the first writer. */
static bool
flow_store_writes_are_away(const struct flow_state *s)
{
	return s->writers[0].settling || s->releasing.count > 0 ||
	       s->note_unit.state == DB_UNIT_SENT;
}

static bool
flow_store_reads_are_away(const struct flow_state *s)
{
	return s->claim.is_open || (s->lanes && s->lanes->is_open) ||
	       s->stop_unit.state == DB_UNIT_SENT;
}

/* Ends wait a moment for company, or go along with a claim; those that go on after it do not. */
static bool
flow_store_must_settle(const struct flow_state *s, bool may_claim, int64_t now_ms)
{
	if (flow_settle_is_due(s, now_ms))
		return true;
	return s->ended.count > 0 &&
	       (may_claim || s->flow->goes_on || s->ended.count >= s->batch_size ||
		   s->phase != FLOW_MAIN || s->ended.count == s->open ||
		   now_ms - s->ended_first_ms >= FLOW_SETTLE_DELAY_MS);
}

/* Lets go of items that are settled or handed back; a batch goes with its last one. */
void
flow_close(struct flow_state *s, struct flow_list *items)
{
	struct flow_item *item = NULL;

	while ((item = flow_list_shift(items))) {
		struct flow_batch *b = item->batch;

		flow_item_forget(s, item);
		s->open--;
		if (--b->open == 0) {
			PQclear(b->rows);
			arena_destroy(b->memory);
			free(b);
		}
	}
}

/*
 * Whether there is a connection.  After a loss it is tried again with growing pauses until the
 * hard end; then everything is let go, and the leases run out.
 */
static bool
flow_connect(struct flow_state *s)
{
	struct err e = { .code = ERR_OK };
	int64_t now_ms = clock_mono_ms();

	flow_writers_keep(s, !flow_store_writes_are_away(s));
	if (db_is_connected(s->run->db))
		return true;
	if (now_ms > s->run->hard_end_ms) {
		flow_give_up(s);
		return false;
	}
	if (now_ms < s->reconnect_ms)
		return false;
	if (db_connect(s->run->db, &e) == 0) {
		s->reconnect_pause_ms = 0;
		return true;
	}
	s->reconnect_pause_ms = s->reconnect_pause_ms ? s->reconnect_pause_ms * 2 : FLOW_RETRY_MS;
	if (s->reconnect_pause_ms > FLOW_RECONNECT_MAX_MS)
		s->reconnect_pause_ms = FLOW_RECONNECT_MAX_MS;
	s->reconnect_ms = clock_mono_ms() + s->reconnect_pause_ms;
	return false;
}

/* No database until the hard end: nothing more can be written. */
static void
flow_give_up(struct flow_state *s)
{
	err_set(&s->run->err, ERR_DATABASE, "the database was lost and not back at the hard end");
	s->phase = FLOW_OVER;
	s->claim.is_repeat = false;
	flow_close(s, &s->ended);
	flow_close(s, &s->back);
	s->notes[0].count = s->notes[1].count = 0;
	while (s->again) {
		struct flow_settlement *lost = s->again;

		s->again = lost->next;
		flow_close(s, &lost->items);
		free(lost);
	}
}
