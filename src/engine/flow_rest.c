/*
 * flow_rest - items that go on: their rests, their turns, their memory.
 *
 * What a turn has brought is committed before the next one begins, so a kill at any moment repeats
 * one turn at most.  The next one is the last in line, and holds nothing of the one before but the
 * row that was claimed and what the worker has hung on it.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "engine/run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLOW_UUID_LEN = CRYPTO_UUID_TEXT_MAX - 1,
};

/* The ids of an array literal: {uuid,uuid}.  A uuid needs no quotes there. */
struct flow_going {
	const char **ids; /* in their order as texts */
	size_t count;
};

static void flow_going_read(struct flow_going *, const char *array);
static bool flow_going_has(const struct flow_going *, const struct flow_item *);
static int flow_id_compare(const void *, const void *);
static void flow_turn_end(struct flow_item *);
static void flow_rest(struct flow_state *, struct flow_item *);
static void flow_line_up(struct flow_state *, struct flow_item *);

void
flow_go_on(struct flow_state *s, struct flow_list *settled, const struct db_unit *answer)
{
	int64_t now_ms = clock_mono_ms();
	int64_t end_ms = answer->sent_ms + flow_wait_max_ms(s->limits);
	struct flow_list all = *settled;
	struct flow_going going = { .count = 0 };

	if (end_ms > s->run->soft_end_ms)
		end_ms = s->run->soft_end_ms;
	flow_going_read(&going, db_text(answer->result, 0, "going"));
	*settled = (struct flow_list){ 0 };
	for (struct flow_item *item; (item = flow_list_shift(&all));) {
		if (item->verdict != VERDICT_GO_ON || !flow_going_has(&going, item)) {
			flow_list_push(settled, item);
			continue;
		}
		item->leased_ms = answer->sent_ms;
		item->rests_until_ms = now_ms + item->item.retry_ms;
		if (item->rests_until_ms > end_ms) {
			s->is_left |= item->rests_until_ms > s->run->soft_end_ms;
			flow_end_item(s, item, VERDICT_BACK);
			continue;
		}
		flow_turn_end(item);
		flow_rest(s, item);
	}
	free(going.ids);
}

void
flow_rests_end(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms();
	struct flow_list all = s->resting;

	if (all.count == 0 || now_ms < s->rests_next_ms)
		return;
	s->resting = (struct flow_list){ 0 };
	for (struct flow_item *item; (item = flow_list_shift(&all));)
		if (item->rests_until_ms <= now_ms)
			flow_line_up(s, item);
		else
			flow_rest(s, item);
}

void
flow_rests_drain(struct flow_state *s, int64_t leased_before_ms, struct flow_list *to)
{
	flow_list_drain(&s->resting, leased_before_ms, to);
}

int
flow_rests_wait_ms(const struct flow_state *s, int most_ms)
{
	int64_t left_ms = s->rests_next_ms - clock_mono_ms();

	if (s->resting.count == 0 || left_ms >= most_ms)
		return most_ms;
	return left_ms > 0 ? (int)left_ms : 0;
}

/* Rows that are claimed and never begin cost no memory of their own. */
void
flow_turn_begin(struct flow_state *s, struct flow_item *item)
{
	item->item.began_ms = clock_mono_ms();
	item->is_stepped = true;
	if (s->flow->goes_on)
		item->item.memory = arena_create();
}

void
flow_item_forget(struct flow_state *s, struct flow_item *item)
{
	if (item->is_stepped && s->flow->forget)
		s->flow->forget(s->run, &item->item);
	if (item->item.memory != item->batch->memory)
		arena_destroy(item->item.memory);
}

static void
flow_going_read(struct flow_going *g, const char *array)
{
	size_t len = array ? strlen(array) : 0, most = len / FLOW_UUID_LEN;

	g->ids = mem_zero(most + 1, sizeof *g->ids);
	/* Behind each id stands a comma or the brace that ends it. */
	for (size_t at = 1; at + FLOW_UUID_LEN < len; at += FLOW_UUID_LEN + 1) {
		assert(strchr(",}", array[at + FLOW_UUID_LEN]));
		g->ids[g->count++] = array + at;
	}
	qsort(g->ids, g->count, sizeof *g->ids, flow_id_compare);
}

static bool
flow_going_has(const struct flow_going *g, const struct flow_item *item)
{
	const char *id = PQgetvalue(item->batch->rows, item->item.row, item->batch->column_id);

	return bsearch(&id, g->ids, g->count, sizeof *g->ids, flow_id_compare) != NULL;
}

static int
flow_id_compare(const void *a, const void *b)
{
	const char *const *one = a, *const *other = b;

	return strncmp(*one, *other, FLOW_UUID_LEN);
}

/* Only what was claimed, its time-out and the worker's kind are there in the next turn. */
static void
flow_turn_end(struct flow_item *item)
{
	struct item *i = &item->item;

	arena_destroy(i->memory);
	*i = (struct item){
		.rows = i->rows,
		.columns = i->columns,
		.memory = item->batch->memory,
		.row = i->row,
		.kind = i->kind,
		.timeout_ms = i->timeout_ms,
		.timing = { -1, -1, -1, -1, -1 },
	};
	item->is_stopped = false;
}

static void
flow_rest(struct flow_state *s, struct flow_item *item)
{
	if (s->resting.count == 0 || item->rests_until_ms < s->rests_next_ms)
		s->rests_next_ms = item->rests_until_ms;
	flow_list_push(&s->resting, item);
}

/* Everything that waits, wherever it does, goes before. */
static void
flow_line_up(struct flow_state *s, struct flow_item *item)
{
	item->turn = s->lanes->items++;
	flow_hosts_line_up(&s->hosts, item);
}
