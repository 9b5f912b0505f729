/*
 * flow_settle - writes how items ended, and hands back what was not tried.
 *
 * A settlement keeps its items until its Sync has come: refused by the server, it is sent again, in
 * parts; lost with the connection, it is sent again as it was, which changes nothing where the
 * first one was committed.
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
	FLOW_SHARE_MIN = 64 << 10, /* bytes of bulk that one statement takes sooner than two */
};

static const char *const flow_verdict_name[VERDICT__MAX] = {
	[VERDICT_SEND] = "send", /* this one, carry, back and wait are never settled */
	[VERDICT_CARRY] = "carry",
	[VERDICT_DONE] = "done",
	[VERDICT_RETRY] = "retry",
	[VERDICT_DEAD] = "dead",
	[VERDICT_REFUSE] = "refuse",
	[VERDICT_BACK] = "back",
	[VERDICT_PARK] = "park",
	[VERDICT_HOLD] = "hold",
	[VERDICT_AWAIT] = "await",
	[VERDICT_CANCEL] = "cancel",
	[VERDICT_WAIT] = "wait",
	[VERDICT_GO_ON] = "go_on",
};

static struct flow_settlement *flow_settle_next(struct flow_state *);
static size_t flow_settle_share(const struct flow_state *);
static size_t flow_settle_bulk(const struct flow_list *);
static void flow_settle_load(struct flow_state *, struct flow_list *, size_t share);
static void flow_settle_fill(
    const struct flow_state *, struct flow_writer *, const struct flow_list *);
static void flow_settle_add_bulks(struct text *, const struct flow_list *);
static void flow_settle_add(struct text *, enum settle_column, const struct flow_item *);
static void flow_settle_add_known(struct text *, int64_t number);
static void flow_settle_count(
    struct flow_state *, const struct flow_settlement *, const PGresult *);
static void flow_settle_tally(struct run *, const PGresult *);
static bool flow_settle_strip(struct flow_state *, struct flow_list *);
static void flow_settle_again(struct flow_state *, struct flow_settlement *, const struct err *why);
static void flow_settle_split(struct flow_state *, struct flow_settlement *, enum verdict apart);

bool
flow_settle_is_due(const struct flow_state *s, int64_t now_ms)
{
	for (const struct flow_settlement *again = s->again; again; again = again->next)
		if (again->not_before_ms <= now_ms)
			return true;
	return false;
}

void
flow_settle_cut(struct flow_state *s)
{
	flow_settle_strip(s, &s->ended);
	for (struct flow_settlement **at = &s->again; *at;) {
		struct flow_settlement *again = *at;

		flow_settle_strip(s, &again->items);
		if (again->items.count > 0) {
			at = &again->next;
		} else {
			*at = again->next;
			free(again);
		}
	}
}

void
flow_settle_send(struct flow_state *s, struct flow_writer *w)
{
	struct flow_settlement *next = flow_settle_next(s);

	if (!next && s->ended.count == 0)
		return;
	if (!next) {
		next = mem_zero(1, sizeof *next);
		flow_settle_load(s, &next->items, flow_settle_share(s));
	}
	flow_settle_fill(s, w, &next->items);
	w->settling = next;
	w->unit = (struct db_unit){
		.sql = s->flow->settle,
		.args = w->args,
		.args_count = s->settle_arrays_count + s->limits->settle_args_count,
		.timeout_ms = run_statement_ms(s->run),
	};
	db_send(flow_writer_db(s, w), &w->unit, NULL);
}

void
flow_settle_take(struct flow_state *s, struct flow_writer *w)
{
	struct flow_settlement *settled = w->settling;

	w->settling = NULL;
	switch (w->unit.state) {
	case DB_UNIT_DONE:
		flow_settle_count(s, settled, w->unit.result);
		if (s->flow->goes_on)
			flow_go_on(s, &settled->items, &w->unit);
		PQclear(w->unit.result);
		flow_close(s, &settled->items);
		free(settled);
		break;
	case DB_UNIT_FAILED:
		flow_settle_again(s, settled, &w->unit.err);
		break;
	case DB_UNIT_LOST:
		settled->is_resent = true;
		settled->not_before_ms = clock_mono_ms() + FLOW_RETRY_MS;
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
	db_send(flow_writer_db(s, &s->writers[0]), &s->release_unit, NULL);
}

void
flow_release_take(struct flow_state *s)
{
	if (s->release_unit.state == DB_UNIT_DONE) {
		PQclear(s->release_unit.result);
		s->is_left |= s->phase == FLOW_OVER;
		flow_close(s, &s->releasing);
	} else if (clock_mono_ms() < s->run->hard_end_ms) {
		s->release_not_before_ms = clock_mono_ms() + FLOW_RETRY_MS;
		flow_list_append(&s->back, &s->releasing);
	} else {
		/* Too late to insist: the leases run out. */
		flow_close(s, &s->releasing);
	}
}

/* Takes the first that is due off the list of those that failed before; NULL: none. */
static struct flow_settlement *
flow_settle_next(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms();

	for (struct flow_settlement **at = &s->again; *at; at = &(*at)->next)
		if ((*at)->not_before_ms <= now_ms) {
			struct flow_settlement *due = *at;

			*at = due->next;
			return due;
		}
	return NULL;
}

/*
 * How much bulk the next settlement takes: what would be a writer's if all that is written by now,
 * or is to be, were shared out evenly among those that are open.
 */
static size_t
flow_settle_share(const struct flow_state *s)
{
	size_t bulk = flow_settle_bulk(&s->ended), writers = 1;

	for (int i = 0; i < s->writers_max; i++) {
		const struct flow_writer *w = &s->writers[i];

		writers += i > 0 && w->db;
		if (w->settling)
			bulk += flow_settle_bulk(&w->settling->items);
	}
	if (writers == 1 || bulk / writers > FLOW_BULK_MAX)
		return FLOW_BULK_MAX;
	return bulk / writers > FLOW_SHARE_MIN ? bulk / writers : FLOW_SHARE_MIN;
}

static size_t
flow_settle_bulk(const struct flow_list *items)
{
	size_t bulk = 0;

	for (const struct flow_item *i = items->first; i; i = i->next)
		bulk += i->item.bulk_len;
	return bulk;
}

/* Moves what has ended onto ${to}: ${share} of bulk, to the nearest item, as one statement goes. */
static void
flow_settle_load(struct flow_state *s, struct flow_list *to, size_t share)
{
	size_t bulk = 0;

	while (s->ended.count > 0 && to->count < FLOW_SETTLE_ROWS_MAX) {
		size_t more = s->ended.first->item.bulk_len;

		if (to->count > 0 && (bulk + more / 2 > share || bulk + more > FLOW_BULK_MAX))
			return;
		bulk += more;
		flow_list_push(to, flow_list_shift(&s->ended));
	}
}

/* Writes the items' ends as the arguments that the settle statement takes. */
static void
flow_settle_fill(const struct flow_state *s, struct flow_writer *w, const struct flow_list *items)
{
	const struct flow_limits *limits = s->limits;
	int arrays = s->settle_arrays_count;

	for (int i = 0; i < arrays; i++) {
		struct text *t = &w->arrays[i];

		text_reset(t);
		if (s->flow->settles[i] == SETTLE_BULK) {
			flow_settle_add_bulks(t, items);
		} else {
			text_array_begin(t);
			for (const struct flow_item *item = items->first; item; item = item->next)
				flow_settle_add(t, s->flow->settles[i], item);
			text_array_end(t);
		}
		w->args[i] = t->at;
	}
	for (int i = 0; i < limits->settle_args_count; i++)
		w->args[arrays + i] = limits->settle_args[i];
}

static void
flow_settle_add_bulks(struct text *t, const struct flow_list *items)
{
	for (const struct flow_item *i = items->first; i; i = i->next) {
		text_add_char(t, i == items->first ? '[' : ',');
		if (i->item.bulk)
			text_add(t, i->item.bulk, i->item.bulk_len);
		else
			text_add_text(t, "null");
	}
	text_add_char(t, ']');
}

static void
flow_settle_add(struct text *t, enum settle_column column, const struct flow_item *i)
{
	const struct flow_batch *b = i->batch;
	const struct item *item = &i->item;

	switch (column) {
	case SETTLE_END:
	case SETTLE_BULK:
		break;
	case SETTLE_ID:
		text_array_add_plain(t, PQgetvalue(b->rows, item->row, b->column_id));
		break;
	case SETTLE_TOKEN:
		text_array_add_plain(t, b->token);
		break;
	case SETTLE_OWNER:
		text_array_add_plain(t, PQgetvalue(b->rows, item->row, b->column_owner));
		break;
	case SETTLE_VERDICT:
		text_array_add_plain(t, flow_verdict_name[i->verdict]);
		break;
	case SETTLE_RETRY_MS:
		text_array_add_number(t, item->retry_ms);
		break;
	case SETTLE_STATUS:
		flow_settle_add_known(t, item->status ? item->status : -1);
		break;
	case SETTLE_ERROR:
		text_array_add(t, item->error);
		break;
	case SETTLE_STACK:
		text_array_add(t, item->stack);
		break;
	case SETTLE_RESULT:
		text_array_add(t, item->result);
		break;
	case SETTLE_EFFECT:
		text_array_add(t, item->effect);
		break;
	case SETTLE_SUBJECT:
		text_array_add(t, item->subject);
		break;
	case SETTLE_NAME_LOOKUP_MS:
		flow_settle_add_known(t, item->timing.name_lookup_ms);
		break;
	case SETTLE_CONNECT_MS:
		flow_settle_add_known(t, item->timing.connect_ms);
		break;
	case SETTLE_TLS_MS:
		flow_settle_add_known(t, item->timing.tls_ms);
		break;
	case SETTLE_FIRST_BYTE_MS:
		flow_settle_add_known(t, item->timing.first_byte_ms);
		break;
	case SETTLE_TOTAL_MS:
		flow_settle_add_known(t, item->timing.total_ms);
		break;
	case SETTLE_TOOK_MS:
		flow_settle_add_known(t, item->began_ms ? i->ended_ms - item->began_ms : -1);
		break;
	}
}

/* A number that is not known is negative, and NULL in the database. */
static void
flow_settle_add_known(struct text *t, int64_t number)
{
	if (number >= 0)
		text_array_add_number(t, number);
	else
		text_array_add(t, NULL);
}

/* Counts what was written; fewer rows than items: their leases were lost, others have them now. */
static void
flow_settle_count(struct flow_state *s, const struct flow_settlement *settled, const PGresult *rows)
{
	struct run *r = s->run;
	int64_t count[VERDICT__MAX] = { 0 };
	int64_t written = 0, failed = 0;

	for (int verdict = 0; verdict < VERDICT__MAX; verdict++) {
		if (PQfnumber(rows, flow_verdict_name[verdict]) >= 0)
			count[verdict] = db_number(rows, 0, flow_verdict_name[verdict]);
		written += count[verdict];
	}
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
	failed = count[VERDICT_RETRY] + count[VERDICT_DEAD] + count[VERDICT_REFUSE] +
		 count[VERDICT_HOLD];
	r->failed += failed;
	r->processed += count[VERDICT_DONE] + failed + count[VERDICT_AWAIT] + count[VERDICT_CANCEL];
	for (const struct flow_item *i = settled->items.first; s->lanes && i; i = i->next)
		s->lanes->has_freed |= i->frees && i->verdict != VERDICT_GO_ON;
	flow_settle_tally(r, rows);
}

/* What the statement itself has counted. */
static void
flow_settle_tally(struct run *r, const PGresult *rows)
{
	for (int i = 0; i < WORKER_TALLIES_MAX && r->worker->tallies[i]; i++)
		if (PQfnumber(rows, r->worker->tallies[i]) >= 0)
			r->tally[i] += db_number(rows, 0, r->worker->tallies[i]);
}

/*
 * Hands back what has bulk, which takes long to write and is soon brought again, so that what
 * cannot be, such as tokens that were used, is written in the little time that is left.  Whether
 * there was any.
 */
static bool
flow_settle_strip(struct flow_state *s, struct flow_list *items)
{
	struct flow_list all = *items;
	int back = s->back.count;

	*items = (struct flow_list){ .count = 0 };
	for (struct flow_item *item; (item = flow_list_shift(&all));)
		if (item->item.bulk_len > 0)
			flow_end_item(s, item, VERDICT_BACK);
		else
			flow_list_push(items, item);
	return s->back.count > back;
}

/*
 * The server refused ${refused}.  What may pass, a lock or a deadlock, is tried again after a
 * pause, apart from items that the lock may not concern; a value that it does not take is looked
 * for by halves.  What is left over, or not written by the hard end, is let go, and its leases run
 * out.
 */
static void
flow_settle_again(struct flow_state *s, struct flow_settlement *refused, const struct err *why)
{
	bool is_transient = db_err_is_transient(why);
	bool may_try =
	    is_transient ? refused->tries + 1 < FLOW_SETTLE_TRIES : refused->items.count > 1;

	if (is_transient && s->flow->goes_on && clock_mono_ms() > s->run->hard_end_ms &&
	    flow_settle_strip(s, &refused->items)) {
		/* It is smaller than it was. */
		refused->next = s->again;
		s->again = refused;
		return;
	}
	if (!may_try || clock_mono_ms() > s->run->hard_end_ms) {
		/* A lock that somebody holds for long is no error of the run. */
		if (!is_transient)
			err_pass(&s->run->err, why);
		log_message(LOG_WARN, "unsettled", "worker=%s run=%s %d ends were not written: %s",
		    s->run->worker->name, s->run->id, refused->items.count, why->message);
		flow_close(s, &refused->items);
		free(refused);
		return;
	}
	refused->next = s->again;
	s->again = refused;
	if (is_transient) {
		refused->not_before_ms =
		    clock_mono_ms() + FLOW_RETRY_MS + crypto_random_below(FLOW_RETRY_MS);
		if (refused->tries++ == 0)
			flow_settle_split(s, refused, VERDICT_DONE);
	} else {
		flow_settle_split(s, refused, VERDICT__MAX);
	}
}

/*
 * Moves the items of ${whole} that ended in ${apart}, or half of them for VERDICT__MAX, into a
 * settlement of their own.  A success touches its row alone, any other end its endpoint, too.
 */
static void
flow_settle_split(struct flow_state *s, struct flow_settlement *whole, enum verdict apart)
{
	struct flow_settlement *part = mem_zero(1, sizeof *part);
	struct flow_list items = whole->items;
	int half = items.count / 2;

	part->is_resent = whole->is_resent;
	whole->items = (struct flow_list){ .count = 0 };
	for (struct flow_item *item; (item = flow_list_shift(&items));) {
		bool is_part =
		    apart == VERDICT__MAX ? part->items.count < half : item->verdict == apart;

		flow_list_push(is_part ? &part->items : &whole->items, item);
	}
	if (part->items.count == 0 || whole->items.count == 0) {
		flow_list_append(&whole->items, &part->items);
		free(part);
		return;
	}
	part->next = s->again;
	s->again = part;
}
