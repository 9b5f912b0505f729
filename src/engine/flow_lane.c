/*
 * flow_lane - the lanes of a laned flow.
 *
 * A pass begins with a look: which queues and priorities hold anything that is due by now.  Claims
 * then go through them, with a cursor each, until one comes back short from the start.  Where there
 * are more lanes than a look sees, the next one goes on behind them.  What came due, or was freed,
 * in the meantime makes another pass; the run is through when a whole pass has brought nothing and
 * nothing is under way.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LANES_LOOK_MS = 100,   /* between two looks while items are under way */
	LANES_REWIND_MS = 200, /* between two returns to the start for what was freed */
	LANES_WRAP_MS = 15000, /* between two for rows that were committed late */
	LANES_VERY_FAST_MS = 25,
	LANES_FAST_MS = 250,  /* a full claim so soon after the last one: larger ones pay */
	LANES_SLOW_MS = 1000, /* so late: smaller ones leave more to others and to later choice */
};

enum { LANES_QUEUES, LANES_PRIORITIES, LANES_ATS, LANES_IDS };

static const char LANES_ID_MIN[] = "00000000-0000-0000-0000-000000000000";

static const char *flow_lanes_behind(const struct flow_lanes *, const char *column);
static int64_t flow_lanes_fits_s(const struct flow_state *);
static void flow_lanes_fill(struct flow_lanes *);
static void flow_lanes_take_turns(struct flow_lanes *);
static void flow_lanes_write(struct flow_lanes *);
static void flow_lanes_rewind(struct flow_state *);
static void flow_lanes_drained(struct flow_state *, int count);
static void flow_lanes_rest(struct flow_state *);
static void flow_lanes_resize(struct flow_state *);
static bool flow_lane_is_behind(const struct flow_lane *, int64_t at, const char *id);

void
flow_lanes_finish(struct flow_state *s)
{
	struct flow_lanes *l = s->lanes;

	if (!l)
		return;
	PQclear(l->found);
	for (int i = 0; i < FLOW_LANE_TEXTS; i++)
		text_finish(&l->texts[i]);
	free(l);
	s->lanes = NULL;
}

bool
flow_lanes_are_due(struct flow_state *s, int64_t now_ms)
{
	struct flow_lanes *l = s->lanes;

	if (l->has_freed && (l->is_drained || now_ms - l->rewound_ms >= LANES_REWIND_MS)) {
		l->has_freed = false;
		l->not_before_ms = 0;
		l->is_wanted = true;
	}
	if (now_ms - l->rewound_ms >= LANES_WRAP_MS)
		l->is_wanted = true;
	/* The last one under way has ended: nothing is left to wait for. */
	if (l->is_drained && s->open == 0)
		l->not_before_ms = 0;
	return l->is_wanted && l->not_before_ms <= now_ms;
}

void
flow_lanes_send(struct flow_state *s)
{
	struct flow_lanes *l = s->lanes;

	l->args[0] = s->limits->queues;
	l->args[1] = flow_lanes_behind(l, "behind_queue");
	l->args[2] = flow_lanes_behind(l, "behind_priority");
	l->unit = (struct db_unit){
		.sql = s->flow->look,
		.args = l->args,
		.args_count = sizeof l->args / sizeof *l->args,
		.timeout_ms = run_statement_ms(s->run),
		.async_commit = true,
	};
	l->is_open = true;
	l->is_drained = false;
	l->is_sure = s->open == 0;
	db_send(s->run->db, &l->unit, NULL);
}

void
flow_lanes_take(struct flow_state *s)
{
	struct flow_lanes *l = s->lanes;

	l->is_open = false;
	if (l->unit.state == DB_UNIT_DONE) {
		l->is_wanted = false;
		s->claim.failures = 0;
		PQclear(l->found);
		l->found = l->unit.result;
		flow_lanes_fill(l);
		flow_lanes_rewind(s);
		if (l->count == 0)
			flow_lanes_drained(s, 0);
		return;
	}
	l->not_before_ms = clock_mono_ms() + (FLOW_RETRY_MS << s->claim.failures);
	if (l->unit.state != DB_UNIT_LOST)
		flow_claim_failed(s, &l->unit.err);
}

int
flow_lanes_claim_args(struct flow_state *s, const char **args, int count)
{
	struct flow_lanes *l = s->lanes;

	if (s->phase == FLOW_MAIN)
		flow_lanes_take_turns(l);
	flow_lanes_write(l);
	args[count++] = l->due_at;
	for (int i = 0; i < FLOW_LANE_TEXTS; i++)
		args[count++] = l->texts[i].at;
	snprintf(l->fits_text, sizeof l->fits_text, "%lld", (long long)flow_lanes_fits_s(s));
	args[count++] = l->fits_text;
	args[count++] = s->phase == FLOW_SUSPECT ? "t" : "f";
	for (int i = 0; i < s->limits->claim_args_count; i++)
		args[count++] = s->limits->claim_args[i];
	return count;
}

const struct flow_lane *
flow_lanes_at(const struct flow_state *s, int64_t given)
{
	assert(given >= 1 && given <= s->lanes->count);
	return &s->lanes->lanes[s->lanes->order[given - 1]];
}

void
flow_lanes_advance(struct flow_state *s, const PGresult *rows, int limit)
{
	struct flow_lanes *l = s->lanes;
	int count = PQntuples(rows);
	bool was_at_start = true;

	for (int i = 0; i < l->count && was_at_start; i++)
		was_at_start = l->lanes[i].at == FLOW_CURSOR_START.at;
	/* An UPDATE returns its rows in any order. */
	for (int i = 0; i < count; i++) {
		int64_t given = db_number(rows, i, "lane"), at = db_number(rows, i, "cursor_at");
		const char *id = db_text(rows, i, "id");
		struct flow_lane *lane = &l->lanes[flow_lanes_at(s, given) - l->lanes];

		if (!flow_lane_is_behind(lane, at, id))
			continue;
		lane->at = at;
		snprintf(lane->id, FLOW_ID_MAX, "%s", id);
	}
	l->claimed += count;
	if (count == limit)
		flow_lanes_resize(s);
	else if (was_at_start)
		flow_lanes_drained(s, count);
	else
		flow_lanes_rewind(s);
}

void
flow_lanes_advance_suspect(struct flow_state *s, int count)
{
	s->lanes->claimed += count;
	if (count > 0)
		return;
	/* What they let go is due, too. */
	s->phase = FLOW_MAIN;
	if (s->lanes->claimed > 0)
		flow_lanes_drained(s, 0);
	else
		flow_lanes_rest(s);
}

/* The lane at which the last look ended, though there are more; NULL: it saw the last one. */
static const char *
flow_lanes_behind(const struct flow_lanes *l, const char *column)
{
	return l->found ? db_text(l->found, 0, column) : NULL;
}

/* The longest time-out that ends before the hard end.  Longer than a run none is taken to be. */
static int64_t
flow_lanes_fits_s(const struct flow_state *s)
{
	int64_t left_ms = s->run->hard_end_ms - clock_mono_ms();

	if (left_ms >= flow_claim_timeout_max_ms(s->run))
		return INT32_MAX;
	return left_ms > 0 ? left_ms / 1000 : 0;
}

static void
flow_lanes_fill(struct flow_lanes *l)
{
	int count = PQntuples(l->found);

	assert(count > 0);
	l->count = 0;
	snprintf(l->due_at, sizeof l->due_at, "%s", db_text(l->found, 0, "due_at"));
	for (int i = 0; i < count && l->count < FLOW_LANES_MAX; i++) {
		const char *queue = db_text(l->found, i, "queue");

		if (!queue)
			continue;
		l->order[l->count] = l->count;
		l->lanes[l->count++] = (struct flow_lane){
			.queue = queue,
			.priority = (int)db_number(l->found, i, "priority"),
		};
	}
	flow_lanes_write(l);
}

/* Those of one priority begin with another one in each claim. */
static void
flow_lanes_take_turns(struct flow_lanes *l)
{
	int first = 0;

	l->turns++;
	while (first < l->count) {
		int next = first + 1;

		while (next < l->count && l->lanes[next].priority == l->lanes[first].priority)
			next++;
		for (int i = first; i < next; i++)
			l->order[i] = first + (int)((i - first + l->turns) % (next - first));
		first = next;
	}
}

static void
flow_lanes_write(struct flow_lanes *l)
{
	for (int i = 0; i < FLOW_LANE_TEXTS; i++) {
		text_reset(&l->texts[i]);
		text_array_begin(&l->texts[i]);
	}
	for (int i = 0; i < l->count; i++) {
		const struct flow_lane *lane = &l->lanes[l->order[i]];

		text_array_add(&l->texts[LANES_QUEUES], lane->queue);
		text_array_add_number(&l->texts[LANES_PRIORITIES], lane->priority);
		text_array_add_number(&l->texts[LANES_ATS], lane->at);
		text_array_add_plain(&l->texts[LANES_IDS], lane->id);
	}
	for (int i = 0; i < FLOW_LANE_TEXTS; i++)
		text_array_end(&l->texts[i]);
}

/* Back to the start of every lane. */
static void
flow_lanes_rewind(struct flow_state *s)
{
	struct flow_lanes *l = s->lanes;

	for (int i = 0; i < l->count; i++) {
		l->lanes[i].at = FLOW_CURSOR_START.at;
		snprintf(l->lanes[i].id, FLOW_ID_MAX, "%s", LANES_ID_MIN);
	}
	l->rewound_ms = clock_mono_ms();
	l->has_freed = false;
}

/* Nothing more can be claimed by now, besides the ${count} rows that just were. */
static void
flow_lanes_drained(struct flow_state *s, int count)
{
	struct flow_lanes *l = s->lanes;
	bool may_be_more = l->claimed > 0 || !l->is_sure;

	l->is_wanted = true;
	l->not_before_ms = 0;
	if (flow_lanes_behind(l, "behind_queue"))
		return;
	l->is_drained = true;
	if (s->open > 0 || count > 0) {
		l->not_before_ms = clock_mono_ms() + LANES_LOOK_MS;
		return;
	}
	l->claimed = 0;
	if (may_be_more)
		return;
	l->is_wanted = false;
	if (l->count > 0)
		s->phase = FLOW_SUSPECT;
	else
		flow_lanes_rest(s);
}

/* Nothing is left, rows lost twice included. */
static void
flow_lanes_rest(struct flow_state *s)
{
	int64_t lasted_ms = clock_mono_ms() - s->run->mono_began_ms;

	if (s->limits->poll_ms == 0 ||
	    (s->limits->linger_ms > 0 && lasted_ms >= s->limits->linger_ms)) {
		s->phase = FLOW_OVER;
		return;
	}
	s->lanes->is_wanted = true;
	s->lanes->is_drained = false;
	s->lanes->not_before_ms = clock_mono_ms() + s->limits->poll_ms;
}

/* A full claim has come.  Only as much is held as goes out within a second or so. */
static void
flow_lanes_resize(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms(), took_ms = now_ms - s->lanes->claimed_ms;

	if (took_ms <= LANES_FAST_MS) {
		s->batch_size *= took_ms <= LANES_VERY_FAST_MS ? 4 : 2;
		if (s->batch_size > s->batch_max)
			s->batch_size = s->batch_max;
	} else if (took_ms >= LANES_SLOW_MS && s->batch_size / 2 >= s->limits->batch_size) {
		s->batch_size /= 2;
	}
	s->lanes->claimed_ms = now_ms;
}

static bool
flow_lane_is_behind(const struct flow_lane *lane, int64_t at, const char *id)
{
	return lane->at < at || (lane->at == at && strcmp(lane->id, id) < 0);
}
