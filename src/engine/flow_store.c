/*
 * flow_store - flights: what goes to the database together, and when.
 *
 * Settle goes before claim in a flight; the other order can deadlock.
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

static bool flow_connect(struct flow_state *);
static void flow_give_up(struct flow_state *);

void
flow_store_init(struct flow_state *s)
{
	int64_t setting = s->limits->batch_size;

	s->batch_size = (int)(setting < FLOW_BATCH_FIRST ? setting : FLOW_BATCH_FIRST);
	s->batch_max = (int)(setting > FLOW_BATCH_GROWN ? setting : FLOW_BATCH_GROWN);
	s->cursor = s->scout = FLOW_CURSOR_START;
	s->wrapped_ms = s->aged_ms = clock_mono_ms();
	while (s->flow->settles[s->settle_arrays_count] != SETTLE_END)
		s->settle_arrays_count++;
}

void
flow_store_finish(struct flow_state *s)
{
	for (int i = 0; i < FLOW_SETTLE_ARRAYS_MAX; i++)
		text_finish(&s->settle_arrays[i]);
	text_finish(&s->release_arrays[0]);
	text_finish(&s->release_arrays[1]);
	text_finish(&s->claim.passed);
	text_finish(&s->scouted);
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

void
flow_store_send(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms();
	bool is_away = s->settling || s->releasing.count > 0 || s->claim.is_open;
	bool may_claim = false, must_settle = false, may_release = false;

	if (is_away) {
		if (db_is_connected(s->run->db))
			run_renew(s->run);
		return;
	}
	may_claim = flow_claim_choose(s);
	/* Ends wait a moment for company, or go along with a claim. */
	must_settle = s->ended.count > 0 &&
		      (may_claim || s->ended.count >= s->batch_size || s->phase != FLOW_MAIN ||
			  now_ms - s->ended_first_ms >= FLOW_SETTLE_DELAY_MS);
	must_settle = must_settle || flow_settle_is_due(s, now_ms);
	may_release = s->back.count > 0 && s->release_not_before_ms <= now_ms;
	if (!may_claim && !must_settle && !may_release &&
	    now_ms - s->run->renewed_ms < RUN_RENEW_MS)
		return;
	if (!flow_connect(s))
		return;
	/* With a lost lock nothing more may be claimed; what there is may still be written. */
	if (run_renew(s->run) != 0)
		may_claim = s->claim.is_repeat = false;
	if (must_settle)
		flow_settle_send(s);
	if (may_release)
		flow_release_send(s);
	if (may_claim)
		flow_claim_send(s);
}

void
flow_store_take(struct flow_state *s)
{
	db_pump(s->run->db, NULL);
	if (s->settling && s->settle_unit.state != DB_UNIT_SENT)
		flow_settle_take(s);
	if (s->releasing.count > 0 && s->release_unit.state != DB_UNIT_SENT)
		flow_release_take(s);
	if (s->claim.is_open && s->claim.unit.state != DB_UNIT_SENT)
		flow_claim_take(s);
}

void
flow_store_look(struct flow_state *s)
{
	struct run *r = s->run;
	struct err e = { .code = ERR_OK };
	struct db_unit look = {
		.sql = s->flow->is_left,
		.args = (const char *const[]){ r->started_at },
		.args_count = 1,
		.timeout_ms = run_statement_ms(r),
	};
	AUTO(PQclear) PGresult *rows = NULL;

	r->more = true;
	if (db_is_connected(r->db))
		rows = db_query_within(r->db, &look, &e);
	if (rows)
		r->more = db_bool(rows, 0, "is_left");
}

bool
flow_store_is_idle(const struct flow_state *s)
{
	return !s->settling && !s->again && s->releasing.count == 0 && !s->claim.is_open &&
	       !s->claim.is_repeat && s->run->renewal.state != DB_UNIT_SENT;
}

/* Lets go of items that are settled or handed back; a batch goes with its last one. */
void
flow_close(struct flow_state *s, struct flow_list *items)
{
	struct flow_item *item = NULL;

	while ((item = flow_list_shift(items))) {
		struct flow_batch *b = item->batch;

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
	while (s->again) {
		struct flow_settlement *lost = s->again;

		s->again = lost->next;
		flow_close(s, &lost->items);
		free(lost);
	}
}
