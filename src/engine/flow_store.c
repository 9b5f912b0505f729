/*
 * flow_store - claims, settlements and releases on their way to the database.
 *
 * Settle goes before claim in a flight (the other order can deadlock).  A settlement keeps its
 * items until its Sync has come: refused by the server, it is sent again, halved when the values
 * may be to blame; lost with the connection, it is sent again as it was, which changes nothing
 * where the first one was committed.  A claim whose answer was lost is repeated with its token
 * and so finds its own rows.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/run.h"
#include "engine/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLOW_BATCH_GROWN = 1000, /* rows of a claim while many wait */
	FLOW_SETTLE_ROWS_MAX = 2000,
	FLOW_SETTLE_DELAY_MS = 25, /* how long an end may wait for company */
	FLOW_SETTLE_TRIES = 5,
	FLOW_CLAIM_FAILURES = 3,
	FLOW_RETRY_MS = 100,
	FLOW_RECONNECT_MAX_MS = 1000,
	FLOW_WRAP_MS = 15000,
	FLOW_SCOUT_PAUSE_MS = 2000,
	FLOW_WAITING_BATCHES = 4, /* so many batches may wait in all */
};

static const struct flow_cursor FLOW_CURSOR_START = { -62135596800000000, 0 }; /* the year 1 */

static const char *const flow_verdict_name[VERDICT__MAX] = {
	[VERDICT_SEND] = "send", /* never settled */
	[VERDICT_DONE] = "done",
	[VERDICT_RETRY] = "retry",
	[VERDICT_DEAD] = "dead",
	[VERDICT_PARK] = "park",
};

static bool flow_connect(struct flow_state *);
static void flow_settle_send(struct flow_state *);
static void flow_settle_fill(struct flow_state *, const struct flow_list *);
static void flow_settle_take(struct flow_state *);
static void flow_settle_count(
    struct flow_state *, const struct flow_settlement *, const PGresult *);
static void flow_settle_again(struct flow_state *, struct flow_settlement *);
static void flow_settle_halve(struct flow_state *, struct flow_settlement *);
static void flow_release_send(struct flow_state *);
static void flow_release_take(struct flow_state *);
static bool flow_claim_choose(struct flow_state *);
static void flow_claim_prepare(struct flow_state *, int limit);
static void flow_claim_send(struct flow_state *);
static void flow_claim_take(struct flow_state *);
static void flow_claim_advance(struct flow_state *, const PGresult *);
static void flow_claim_intake(struct flow_state *, PGresult *);
static void flow_close(struct flow_state *, struct flow_list *);

void
flow_store_init(struct flow_state *s)
{
	int64_t setting = s->limits->batch_size;

	s->batch_size = (int)setting;
	s->batch_max = (int)(setting > FLOW_BATCH_GROWN ? setting : FLOW_BATCH_GROWN);
	s->cursor = s->scout = FLOW_CURSOR_START;
	s->wrapped_ms = s->aged_ms = clock_mono_ms();
	snprintf(s->settle_arg, sizeof s->settle_arg, "%lld", (long long)s->limits->settle_arg);
}

void
flow_store_finish(struct flow_state *s)
{
	for (int i = 0; i < FLOW_SETTLE_ARRAYS; i++)
		text_finish(&s->settle_arrays[i]);
	text_finish(&s->release_arrays[0]);
	text_finish(&s->release_arrays[1]);
	text_finish(&s->claim.owners);
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
	bool may_claim = false, must_settle = false;

	if (is_away)
		return;
	may_claim = flow_claim_choose(s);
	/* Ends wait a moment for company, or go along with a claim. */
	must_settle = s->ended.count > 0 &&
		      (may_claim || s->ended.count >= s->batch_size || s->phase != FLOW_MAIN ||
			  now_ms - s->ended_first_ms >= FLOW_SETTLE_DELAY_MS);
	must_settle = must_settle || (s->again && s->again->not_before_ms <= now_ms);
	if (!may_claim && !must_settle && s->back.count == 0 &&
	    now_ms - s->run->renewed_ms < RUN_RENEW_MS)
		return;
	if (!flow_connect(s))
		return;
	/* With a lost lock nothing more may be claimed; what there is may still be written. */
	if (run_renew(s->run) != 0)
		may_claim = false;
	if (must_settle)
		flow_settle_send(s);
	if (s->back.count > 0)
		flow_release_send(s);
	if (may_claim)
		flow_claim_send(s);
}

void
flow_store_take(struct flow_state *s)
{
	if (db_is_connected(s->run->db))
		db_pump(s->run->db, NULL);
	if (s->settling && s->settle_unit.state != DB_UNIT_SENT)
		flow_settle_take(s);
	if (s->releasing.count > 0 && s->release_unit.state != DB_UNIT_SENT)
		flow_release_take(s);
	if (s->claim.is_open && s->claim.unit.state != DB_UNIT_SENT)
		flow_claim_take(s);
}

bool
flow_store_is_idle(const struct flow_state *s)
{
	return !s->settling && !s->again && s->releasing.count == 0 && !s->claim.is_open &&
	       !s->claim.is_repeat && s->run->renewal.state != DB_UNIT_SENT;
}

/*
 * Whether there is a connection.  After a loss it is tried again with growing pauses until the
 * hard end; then everything is let go, and the leases run out.
 */
static bool
flow_connect(struct flow_state *s)
{
	struct run *r = s->run;
	struct err e = { 0 };
	int64_t now_ms = clock_mono_ms();

	if (db_is_connected(r->db))
		return true;
	if (now_ms < s->reconnect_ms)
		return false;
	if (db_connect(r->db, &e) == 0) {
		s->reconnect_pause_ms = 0;
		return true;
	}
	s->reconnect_pause_ms = s->reconnect_pause_ms ? s->reconnect_pause_ms * 2 : FLOW_RETRY_MS;
	if (s->reconnect_pause_ms > FLOW_RECONNECT_MAX_MS)
		s->reconnect_pause_ms = FLOW_RECONNECT_MAX_MS;
	s->reconnect_ms = clock_mono_ms() + s->reconnect_pause_ms;
	if (now_ms > r->hard_end_ms) {
		err_pass(&r->err, &e);
		r->more = true;
		s->phase = FLOW_OVER;
		s->claim.is_repeat = false;
		flow_close(s, &s->ended);
		flow_close(s, &s->back);
		while (s->again) {
			struct flow_settlement *given_up = s->again;

			s->again = given_up->next;
			flow_close(s, &given_up->items);
			free(given_up);
		}
	}
	return false;
}

/* Sends what failed before and is due again, else what has ended since. */
static void
flow_settle_send(struct flow_state *s)
{
	struct flow_settlement *next = s->again;

	if (next && next->not_before_ms <= clock_mono_ms()) {
		s->again = next->next;
	} else if (s->ended.count > 0) {
		next = mem_zero(1, sizeof *next);
		while (s->ended.count > 0 && next->items.count < FLOW_SETTLE_ROWS_MAX)
			flow_list_push(&next->items, flow_list_shift(&s->ended));
	} else {
		return;
	}
	flow_settle_fill(s, &next->items);
	s->settling = next;
	s->settle_unit = (struct db_unit){
		.sql = s->flow->settle,
		.args = s->settle_args,
		.args_count = FLOW_SETTLE_ARRAYS + 1,
	};
	db_send(s->run->db, &s->settle_unit, NULL);
}

/* Writes the items' ends as the arrays that the settle statement takes. */
static void
flow_settle_fill(struct flow_state *s, const struct flow_list *items)
{
	struct text *t = s->settle_arrays;

	for (int i = 0; i < FLOW_SETTLE_ARRAYS; i++) {
		text_reset(&t[i]);
		text_array_begin(&t[i]);
	}
	for (const struct flow_item *i = items->first; i; i = i->next) {
		const struct flow_batch *b = i->batch;
		const struct http_timing *timing = &i->item.timing;
		const int32_t ms[] = { timing->name_lookup_ms, timing->connect_ms, timing->tls_ms,
			timing->first_byte_ms, timing->total_ms };

		text_array_add_plain(&t[0], PQgetvalue(b->rows, i->item.row, b->column_id));
		text_array_add_plain(&t[1], b->token);
		text_array_add_plain(&t[2], PQgetvalue(b->rows, i->item.row, b->column_owner));
		text_array_add_plain(&t[3], flow_verdict_name[i->verdict]);
		text_array_add_number(&t[4], i->item.retry_ms);
		if (i->item.status)
			text_array_add_number(&t[5], i->item.status);
		else
			text_array_add(&t[5], NULL);
		text_array_add(&t[6], i->item.error);
		for (size_t n = 0; n < sizeof ms / sizeof *ms; n++)
			if (ms[n] >= 0)
				text_array_add_number(&t[7 + n], ms[n]);
			else
				text_array_add(&t[7 + n], NULL);
	}
	for (int i = 0; i < FLOW_SETTLE_ARRAYS; i++) {
		text_array_end(&t[i]);
		s->settle_args[i] = t[i].at;
	}
	s->settle_args[FLOW_SETTLE_ARRAYS] = s->settle_arg;
}

static void
flow_settle_take(struct flow_state *s)
{
	struct flow_settlement *settled = s->settling;

	s->settling = NULL;
	switch (s->settle_unit.state) {
	case DB_UNIT_DONE:
		flow_settle_count(s, settled, s->settle_unit.result);
		PQclear(s->settle_unit.result);
		flow_close(s, &settled->items);
		free(settled);
		break;
	case DB_UNIT_FAILED:
		flow_settle_again(s, settled);
		break;
	case DB_UNIT_LOST:
		settled->is_resent = true;
		settled->next = s->again;
		s->again = settled;
		break;
	case DB_UNIT_IDLE:
	case DB_UNIT_SENT:
		assert(!"a settlement that was neither answered nor lost");
	}
}

/* Counts what was written; fewer rows than items: their leases were lost, others have them now. */
static void
flow_settle_count(struct flow_state *s, const struct flow_settlement *settled, const PGresult *rows)
{
	struct run *r = s->run;
	int64_t count[VERDICT__MAX] = {
		[VERDICT_DONE] = db_number(rows, 0, "done"),
		[VERDICT_RETRY] = db_number(rows, 0, "retry"),
		[VERDICT_DEAD] = db_number(rows, 0, "dead"),
		[VERDICT_PARK] = db_number(rows, 0, "park"),
	};
	int64_t written =
	    count[VERDICT_DONE] + count[VERDICT_RETRY] + count[VERDICT_DEAD] + count[VERDICT_PARK];

	if (written < settled->items.count && settled->is_resent) {
		/* The first sending was committed: what it wrote is what the items say. */
		memset(count, 0, sizeof count);
		for (const struct flow_item *i = settled->items.first; i; i = i->next)
			count[i->verdict]++;
	} else if (written < settled->items.count) {
		log_message(LOG_WARN, "lost_leases",
		    "worker=%s run=%s %lld of %d ends came too late", r->worker->name, r->id,
		    (long long)(settled->items.count - written), settled->items.count);
	}
	r->succeeded += count[VERDICT_DONE];
	r->failed += count[VERDICT_RETRY] + count[VERDICT_DEAD];
	r->processed += count[VERDICT_DONE] + count[VERDICT_RETRY] + count[VERDICT_DEAD];
}

/* The server refused ${refused}: again after a pause if it may pass, in halves if a value may be
 * bad. */
static void
flow_settle_again(struct flow_state *s, struct flow_settlement *refused)
{
	bool is_transient = db_err_is_transient(&s->settle_unit.err);

	refused->tries++;
	refused->not_before_ms = clock_mono_ms() + (FLOW_RETRY_MS << refused->tries) / 4 +
				 crypto_random_below(FLOW_RETRY_MS / 2);
	if (is_transient ? refused->tries < FLOW_SETTLE_TRIES : refused->items.count > 1) {
		if (refused->items.count > 1 && refused->tries > 1)
			flow_settle_halve(s, refused);
		refused->next = s->again;
		s->again = refused;
		return;
	}
	/* Nothing helps: the leases run out, and the rows come due again. */
	err_pass(&s->run->err, &s->settle_unit.err);
	s->run->more = true;
	flow_close(s, &refused->items);
	free(refused);
}

static void
flow_settle_halve(struct flow_state *s, struct flow_settlement *whole)
{
	struct flow_settlement *half = mem_zero(1, sizeof *half);
	int count = whole->items.count / 2;

	*half = *whole;
	half->items = (struct flow_list){ 0 };
	for (int i = 0; i < count; i++)
		flow_list_push(&half->items, flow_list_shift(&whole->items));
	half->next = s->again;
	s->again = half;
}

static void
flow_release_send(struct flow_state *s)
{
	struct text *ids = &s->release_arrays[0], *tokens = &s->release_arrays[1];

	flow_list_append(&s->releasing, &s->back);
	for (int i = 0; i < 2; i++) {
		text_reset(&s->release_arrays[i]);
		text_array_begin(&s->release_arrays[i]);
	}
	for (const struct flow_item *i = s->releasing.first; i; i = i->next) {
		text_array_add_plain(
		    ids, PQgetvalue(i->batch->rows, i->item.row, i->batch->column_id));
		text_array_add_plain(tokens, i->batch->token);
	}
	for (int i = 0; i < 2; i++) {
		text_array_end(&s->release_arrays[i]);
		s->release_args[i] = s->release_arrays[i].at;
	}
	s->release_unit = (struct db_unit){
		.sql = s->flow->release,
		.args = s->release_args,
		.args_count = 2,
	};
	db_send(s->run->db, &s->release_unit, NULL);
}

static void
flow_release_take(struct flow_state *s)
{
	if (s->release_unit.state == DB_UNIT_DONE) {
		PQclear(s->release_unit.result);
		flow_close(s, &s->releasing);
	} else if (clock_mono_ms() < s->run->hard_end_ms) {
		flow_list_append(&s->back, &s->releasing);
	} else {
		/* Too late to insist: the leases run out. */
		flow_close(s, &s->releasing);
	}
}

/* Whether to claim now, and what: fills in s->claim unless the last one is to be repeated. */
static bool
flow_claim_choose(struct flow_state *s)
{
	struct flow_claim *c = &s->claim;
	int64_t now_ms = clock_mono_ms(), left = s->batch_size;
	int others = 0;

	if (c->is_repeat)
		return c->not_before_ms <= now_ms;
	if (s->phase == FLOW_OVER || c->not_before_ms > now_ms)
		return false;
	if (s->limits->items_max > 0 && s->limits->items_max - s->claimed < left)
		left = s->limits->items_max - s->claimed;
	if (left == 0) {
		s->phase = FLOW_OVER;
		s->run->more = true;
		return false;
	}
	if (s->phase == FLOW_SUSPECT) {
		if (s->open > 0)
			return false;
		flow_claim_prepare(s, 1);
		return true;
	}
	others = flow_hosts_full(&s->hosts, s->batch_size, &c->owners);
	c->is_scout = c->owners.len > 2;
	if (others >= s->batch_size || s->hosts.waiting >= FLOW_WAITING_BATCHES * s->batch_size ||
	    (c->is_scout && now_ms < s->scout_not_before_ms))
		return false;
	flow_claim_prepare(s, (int)left);
	return true;
}

static void
flow_claim_prepare(struct flow_state *s, int limit)
{
	struct flow_claim *c = &s->claim;
	int64_t lease_s = (s->limits->timeout_ms + FLOW_WAIT_MAX_MS) / 1000 + 2;

	if (clock_mono_ms() - s->wrapped_ms >= FLOW_WRAP_MS) {
		s->cursor = FLOW_CURSOR_START;
		s->wrapped_ms = clock_mono_ms();
	}
	c->from = c->is_scout ? s->scout : s->cursor;
	c->limit = limit;
	crypto_uuid(c->token);
	snprintf(c->limit_text, sizeof c->limit_text, "%d", limit);
	snprintf(c->lease_text, sizeof c->lease_text, "%lld", (long long)lease_s);
	snprintf(c->at_text, sizeof c->at_text, "%lld", (long long)c->from.at);
	snprintf(c->id_text, sizeof c->id_text, "%lld", (long long)c->from.id);
	c->unit = (struct db_unit){ .args = c->args, .async_commit = true };
	if (s->phase == FLOW_SUSPECT) {
		const char *const args[] = { c->lease_text, c->token, s->run->started_at };

		memcpy(c->args, args, sizeof args);
		c->unit.sql = s->flow->claim_suspect;
		c->unit.args_count = sizeof args / sizeof *args;
	} else {
		const char *const args[] = { c->limit_text, c->lease_text, c->token,
			s->run->started_at, c->at_text, c->id_text, c->owners.at };

		memcpy(c->args, args, sizeof args);
		c->unit.sql = s->flow->claim;
		c->unit.args_count = sizeof args / sizeof *args;
	}
}

static void
flow_claim_send(struct flow_state *s)
{
	s->claim.is_open = true;
	s->claim.is_repeat = false;
	db_send(s->run->db, &s->claim.unit, NULL);
}

static void
flow_claim_take(struct flow_state *s)
{
	struct flow_claim *c = &s->claim;

	c->is_open = false;
	if (c->unit.state == DB_UNIT_DONE) {
		c->failures = 0;
		flow_claim_advance(s, c->unit.result);
		flow_claim_intake(s, c->unit.result);
		return;
	}
	c->not_before_ms = clock_mono_ms() + (FLOW_RETRY_MS << c->failures);
	if (c->unit.state == DB_UNIT_LOST) {
		c->is_repeat = true;
	} else if (++c->failures == FLOW_CLAIM_FAILURES || !db_err_is_transient(&c->unit.err)) {
		err_pass(&s->run->err, &c->unit.err);
		s->run->more = true;
		s->phase = FLOW_OVER;
	}
}

/* Moves cursor and phase on by what the claim has brought. */
static void
flow_claim_advance(struct flow_state *s, const PGresult *rows)
{
	struct flow_claim *c = &s->claim;
	int count = PQntuples(rows);
	struct flow_cursor last = c->from, *cursor = c->is_scout ? &s->scout : &s->cursor;

	if (s->phase == FLOW_SUSPECT) {
		if (count == 0)
			s->phase = FLOW_OVER;
		return;
	}
	/* An UPDATE returns its rows in any order. */
	for (int i = 0; i < count; i++) {
		struct flow_cursor at = { db_number(rows, i, "cursor_at"),
			db_number(rows, i, "id") };

		if (at.at > last.at || (at.at == last.at && at.id > last.id))
			last = at;
	}
	*cursor = last;
	if (count == c->limit) {
		s->batch_size = s->batch_size * 2 < s->batch_max ? s->batch_size * 2 : s->batch_max;
	} else if (c->is_scout) {
		s->scout = s->cursor;
		s->scout_not_before_ms = clock_mono_ms() + FLOW_SCOUT_PAUSE_MS;
	} else if (c->from.at == FLOW_CURSOR_START.at) {
		/* Everything that was due has been claimed, by us or by whoever holds it. */
		s->phase = s->phase == FLOW_MAIN ? FLOW_SUSPECT : s->phase;
	} else {
		s->cursor = FLOW_CURSOR_START;
		s->wrapped_ms = clock_mono_ms();
	}
}

/* Makes items of the claimed rows and queues them; owns ${rows} from here on. */
static void
flow_claim_intake(struct flow_state *s, PGresult *rows)
{
	int count = PQntuples(rows), target = PQfnumber(rows, "target");
	struct flow_batch *b = NULL;

	if (count == 0) {
		PQclear(rows);
		return;
	}
	b = mem_zero(1, sizeof *b + (size_t)count * sizeof *b->items);
	b->rows = rows;
	b->memory = arena_create();
	b->claimed_ms = s->claim.unit.sent_ms;
	b->open = count;
	b->column_id = PQfnumber(rows, "id");
	b->column_owner = PQfnumber(rows, "owner");
	memcpy(b->token, s->claim.token, sizeof b->token);
	for (int i = 0; s->flow->columns[i]; i++) {
		b->columns[i] = PQfnumber(rows, s->flow->columns[i]);
		assert(b->columns[i] >= 0);
	}
	for (int i = 0; i < count; i++) {
		b->items[i] = (struct flow_item){
			.batch = b,
			.item = { .rows = rows,
			    .columns = b->columns,
			    .memory = b->memory,
			    .row = i,
			    .timing = { -1, -1, -1, -1, -1 } },
		};
		flow_hosts_queue(&s->hosts, &b->items[i], PQgetvalue(rows, i, target));
	}
	s->claimed += count;
	s->open += count;
}

/* Lets go of items that are settled or handed back; a batch goes with its last one. */
static void
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
