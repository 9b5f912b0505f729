/*
 * flow_claim - leases rows, batch by batch, and makes items of them.
 *
 * The cursor is the last row that was claimed, so that a claim never walks over what this run has
 * had before, dead row versions included; it goes back to the start when a claim comes back short,
 * and every FLOW_WRAP_MS for rows that were committed late.  While there are hosts that take no
 * more, scouts, with a cursor of their own, look behind their rows for those of other hosts.
 *
 * A claim whose answer was lost is repeated with its token and so finds its own rows.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "engine/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLOW_CLAIM_FAILURES = 3,
	FLOW_WRAP_MS = 15000,
	FLOW_SCOUT_PAUSE_MS = 2000,
	FLOW_LEASE_MORE_S = 2,      /* beyond the longest wait and the time-out */
	FLOW_WAITING_BATCHES = 4,   /* so many batches may wait in all */
	FLOW_OPEN_BATCHES = 4,      /* so many may wait or be unsettled: a kill repeats no more */
	FLOW_BATCH_BYTES = 4 << 20, /* of one claim's rows: large bodies make small batches */
};

static void flow_claim_look_around(struct flow_state *);
static void flow_claim_prepare(struct flow_state *, int limit);
static void flow_claim_prepare_plain(struct flow_state *);
static void flow_claim_prepare_laned(struct flow_state *);
static void flow_claim_advance(struct flow_state *, const PGresult *);
static void flow_claim_fit(struct flow_state *, const PGresult *);
static void flow_claim_intake(struct flow_state *, PGresult *);
static void flow_claim_read_laned(const struct flow_state *, struct flow_item *);
static int flow_claim_compare(const void *, const void *);
static void flow_claim_queue_laned(struct flow_state *, struct flow_item *);
static void flow_claim_queue(
    struct flow_state *, struct flow_item *, const char *target, const struct flow_carrier *);

/* Whether to claim now, and what: fills in s->claim unless the last one is to be repeated. */
bool
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
	if (left <= 0) {
		/* Rows that are handed back make room again. */
		if (s->open == 0)
			s->phase = FLOW_OVER;
		return false;
	}
	if (s->phase == FLOW_SUSPECT) {
		if (s->open > 0)
			return false;
		flow_claim_prepare(s, 1);
		return true;
	}
	if (s->lanes) {
		if (s->lanes->is_wanted || s->hosts.waiting >= s->batch_size ||
		    s->open >= s->limits->inflight_max + (int64_t)FLOW_OPEN_BATCHES * s->batch_size)
			return false;
		flow_claim_prepare(s, (int)left);
		return true;
	}
	others = flow_hosts_slow(&s->hosts, &c->passed);
	c->is_scout = c->passed.len > 2;
	flow_claim_look_around(s);
	if (others >= s->batch_size || s->hosts.waiting >= FLOW_WAITING_BATCHES * s->batch_size ||
	    (c->is_scout && now_ms < s->scout_not_before_ms))
		return false;
	flow_claim_prepare(s, (int)left);
	return true;
}

void
flow_claim_send(struct flow_state *s)
{
	s->claim.is_open = true;
	s->claim.is_repeat = false;
	if (s->lanes)
		s->lanes->is_sure = s->open == 0;
	db_send(s->run->db, &s->claim.unit, NULL);
}

void
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
	if (c->unit.state == DB_UNIT_LOST)
		c->is_repeat = true;
	else
		flow_claim_failed(s, &c->unit.err);
}

void
flow_claim_failed(struct flow_state *s, const struct err *e)
{
	if (++s->claim.failures < FLOW_CLAIM_FAILURES && db_err_is_transient(e))
		return;
	err_pass(&s->run->err, e);
	s->phase = FLOW_OVER;
}

/*
 * An item that wants more than a run lasts would be begun by none; enqueued before the settings
 * were known, or lowered, it gets all that there is.  A run that is shorter than usual leaves it to
 * others.
 */
int64_t
flow_claim_timeout_max_ms(const struct run *r)
{
	int64_t usual_ms = r->conf->run_budget_s * 1000;

	return usual_ms > r->budget_ms ? usual_ms : r->budget_ms;
}

int64_t
flow_lease_more_s(const struct flow_limits *limits)
{
	return flow_wait_max_ms(limits) / 1000 + FLOW_LEASE_MORE_S;
}

/* Where the hosts to pass over have changed, a scout begins anew, and need not wait. */
static void
flow_claim_look_around(struct flow_state *s)
{
	const struct text *passed = &s->claim.passed;

	if (s->scouted.len == passed->len && memcmp(s->scouted.at, passed->at, passed->len) == 0)
		return;
	text_reset(&s->scouted);
	text_add(&s->scouted, passed->at, passed->len);
	s->scout = s->cursor;
	s->scout_not_before_ms = 0;
}

static void
flow_claim_prepare(struct flow_state *s, int limit)
{
	struct flow_claim *c = &s->claim;

	c->limit = limit;
	crypto_uuid(c->token);
	snprintf(c->limit_text, sizeof c->limit_text, "%d", limit);
	c->unit = (struct db_unit){
		.sql = s->flow->claim,
		.args = c->args,
		.timeout_ms = run_statement_ms(s->run),
		.async_commit = !s->flow->claims_durably,
	};
	if (s->lanes)
		flow_claim_prepare_laned(s);
	else
		flow_claim_prepare_plain(s);
}

static void
flow_claim_prepare_plain(struct flow_state *s)
{
	struct flow_claim *c = &s->claim;
	int64_t lease_s =
	    (s->limits->timeout_ms + flow_wait_max_ms(s->limits)) / 1000 + FLOW_LEASE_MORE_S;

	if (clock_mono_ms() - s->wrapped_ms >= FLOW_WRAP_MS) {
		s->cursor = FLOW_CURSOR_START;
		s->wrapped_ms = clock_mono_ms();
	}
	c->from = c->is_scout ? s->scout : s->cursor;
	snprintf(c->lease_text, sizeof c->lease_text, "%lld", (long long)lease_s);
	snprintf(c->at_text, sizeof c->at_text, "%lld", (long long)c->from.at);
	snprintf(c->id_text, sizeof c->id_text, "%lld", (long long)c->from.id);
	if (s->phase == FLOW_SUSPECT) {
		const char *const args[] = { c->lease_text, c->token, s->run->started_at };

		c->unit.sql = s->flow->claim_suspect;
		memcpy(c->args, args, sizeof args);
		c->unit.args_count = sizeof args / sizeof *args;
	} else {
		const char *const args[] = { c->limit_text, c->lease_text, c->token,
			s->run->started_at, c->at_text, c->id_text, c->passed.at };

		memcpy(c->args, args, sizeof args);
		c->unit.args_count = sizeof args / sizeof *args;
	}
}

/* The items say how long they may take; what the lease lasts beyond that is the flow's. */
static void
flow_claim_prepare_laned(struct flow_state *s)
{
	struct flow_claim *c = &s->claim;
	int count = 0;

	snprintf(
	    c->lease_text, sizeof c->lease_text, "%lld", (long long)flow_lease_more_s(s->limits));
	c->args[count++] = c->limit_text;
	c->args[count++] = c->lease_text;
	c->args[count++] = c->token;
	c->unit.args_count = flow_lanes_claim_args(s, c->args, count);
}

/* Moves cursor and phase on by what the claim has brought. */
static void
flow_claim_advance(struct flow_state *s, const PGresult *rows)
{
	struct flow_claim *c = &s->claim;
	int count = PQntuples(rows);
	struct flow_cursor last = c->from, *cursor = c->is_scout ? &s->scout : &s->cursor;

	if (s->phase == FLOW_SUSPECT) {
		if (s->lanes)
			flow_lanes_advance_suspect(s, count);
		else if (count == 0)
			s->phase = FLOW_OVER;
		return;
	}
	if (s->lanes) {
		flow_lanes_advance(s, rows, c->limit);
		flow_claim_fit(s, rows);
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
		flow_claim_fit(s, rows);
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

/* The next claim brings no more rows than memory goes, if they are as large as ${rows} are. */
static void
flow_claim_fit(struct flow_state *s, const PGresult *rows)
{
	size_t count = (size_t)PQntuples(rows), most;

	if (count == 0)
		return;
	most = FLOW_BATCH_BYTES / (PQresultMemorySize(rows) / count);
	if ((size_t)s->batch_size > most)
		s->batch_size = most > 0 ? (int)most : 1;
}

/* Makes items of the claimed rows and queues them; owns ${rows} from here on. */
static void
flow_claim_intake(struct flow_state *s, PGresult *rows)
{
	int count = PQntuples(rows);
	struct flow_batch *b = NULL;

	if (count == 0) {
		PQclear(rows);
		return;
	}
	b = mem_zero(1, sizeof *b + (size_t)count * sizeof *b->items);
	b->state = s;
	b->rows = rows;
	b->memory = arena_create();
	b->column_id = PQfnumber(rows, "id");
	b->column_owner = PQfnumber(rows, "owner");
	assert(b->column_id >= 0 && (b->column_owner >= 0 || s->lanes));
	memcpy(b->token, s->claim.token, sizeof b->token);
	for (int i = 0; s->flow->columns[i]; i++) {
		b->columns[i] = PQfnumber(rows, s->flow->columns[i]);
		assert(b->columns[i] >= 0);
	}
	for (int i = 0; i < count; i++) {
		b->items[i] = (struct flow_item){
			.batch = b,
			.leased_ms = s->claim.unit.sent_ms,
			.item = { .rows = rows,
			    .columns = b->columns,
			    .memory = b->memory,
			    .row = i,
			    .timeout_ms = s->limits->timeout_ms,
			    .timing = { -1, -1, -1, -1, -1 } },
		};
		if (s->lanes)
			flow_claim_read_laned(s, &b->items[i]);
	}
	if (s->lanes)
		qsort(b->items, (size_t)count, sizeof *b->items, flow_claim_compare);
	for (int i = 0; i < count; i++)
		if (s->lanes)
			flow_claim_queue_laned(s, &b->items[i]);
		else
			flow_claim_queue(s, &b->items[i], db_text(rows, i, "target"), NULL);
	if (b->open > 0)
		return;
	PQclear(rows);
	arena_destroy(b->memory);
	free(b);
}

static void
flow_claim_read_laned(const struct flow_state *s, struct flow_item *item)
{
	const PGresult *rows = item->batch->rows;
	int row = item->item.row;

	item->lane = (int)db_number(rows, row, "lane");
	item->urgency = flow_lanes_at(s, item->lane)->priority;
	item->due_at = db_number(rows, row, "cursor_at");
	item->frees = db_bool(rows, row, "frees");
	item->item.timeout_ms = db_number(rows, row, "timeout_s") * 1000;
	if (item->item.timeout_ms > flow_claim_timeout_max_ms(s->run))
		item->item.timeout_ms = flow_claim_timeout_max_ms(s->run);
}

/*
 * The order in which the database would have claimed them one by one: lane by lane, the most urgent
 * first, so that a queue whose turn it is goes before one that is longer.
 */
static int
flow_claim_compare(const void *a, const void *b)
{
	const struct flow_item *one = a, *other = b;
	int column = one->batch->column_id;

	if (one->lane != other->lane)
		return one->lane < other->lane ? -1 : 1;
	if (one->due_at != other->due_at)
		return one->due_at < other->due_at ? -1 : 1;
	return strcmp(PQgetvalue(one->batch->rows, one->item.row, column),
	    PQgetvalue(other->batch->rows, other->item.row, column));
}

static void
flow_claim_queue_laned(struct flow_state *s, struct flow_item *item)
{
	const struct flow_carrier *carrier = NULL;
	const char *target = NULL;
	int known = 0;

	if (db_bool(item->batch->rows, item->item.row, "is_parked"))
		return;
	item->turn = s->lanes->items++;
	target = s->flow->target(s->run, &item->item, &carrier);
	while (carrier && known < s->carriers_count && s->carriers[known] != carrier)
		known++;
	if (carrier && known == s->carriers_count) {
		assert(known < FLOW_CARRIERS_MAX);
		s->carriers[s->carriers_count++] = carrier;
	}
	flow_claim_queue(s, item, target, carrier);
}

static void
flow_claim_queue(struct flow_state *s, struct flow_item *item, const char *target,
    const struct flow_carrier *carrier)
{
	flow_hosts_queue(&s->hosts, item, target, carrier);
	item->batch->open++;
	s->claimed++;
	s->open++;
}
