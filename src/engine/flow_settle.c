/*
 * flow_settle - writes how items ended, and hands back what was not tried.
 *
 * A settlement keeps its items until its Sync has come: refused by the server, it is sent again,
 * halved when the values may be to blame; lost with the connection, it is sent again as it was,
 * which changes nothing where the first one was committed.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/run.h"
#include "engine/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLOW_SETTLE_ROWS_MAX = 2000,
	FLOW_SETTLE_TRIES = 5,
};

static const char *const flow_verdict_name[VERDICT__MAX] = {
	[VERDICT_SEND] = "send", /* never settled */
	[VERDICT_DONE] = "done",
	[VERDICT_RETRY] = "retry",
	[VERDICT_DEAD] = "dead",
	[VERDICT_PARK] = "park",
};

static void flow_settle_fill(struct flow_state *, const struct flow_list *);
static void flow_settle_count(
    struct flow_state *, const struct flow_settlement *, const PGresult *);
static void flow_settle_again(struct flow_state *, struct flow_settlement *);
static void flow_settle_halve(struct flow_state *, struct flow_settlement *);

/* Sends what failed before and is due again, else what has ended since. */
void
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
		.timeout_ms = run_statement_ms(s->run),
	};
	db_send(s->run->db, &s->settle_unit, NULL);
}

void
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

void
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
		.timeout_ms = run_statement_ms(s->run),
	};
	db_send(s->run->db, &s->release_unit, NULL);
}

void
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
