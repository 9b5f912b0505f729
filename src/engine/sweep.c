/*
 * sweep - bounded batches of set-based work, taken in turn.
 *
 * Rows never come here: a batch answers with counts and the cursor for the next one, so a run over
 * a million rows needs no more memory than one over a thousand.
 */
#include "engine/sweep.h"

#include "base/arena.h"
#include "db/db.h"
#include "engine/run.h"

#include <stdio.h>

enum {
	SWEEP_ID_MAX = 48,
	SWEEP_SHRINK_MAX = 6, /* halvings of a batch that the server gave up on */
};

/* Microseconds from 1970 back to the year 1. */
static const int64_t SWEEP_AT_MIN = -62135596800000000;

/* How far one sweep has come. */
struct sweep_state {
	int64_t batch_size;
	int64_t cursor_at;
	char cursor_id[SWEEP_ID_MAX];
	int shrunk;
	bool is_through;
};

static int sweep_batch(struct run *, const struct sweep *, struct sweep_state *, int64_t limit);
static int sweep_shrink(struct run *, struct sweep_state *);

int
sweep_run(struct run *r, const struct sweep *sweeps, size_t count, int64_t items_max)
{
	struct sweep_state *states = arena_alloc(r->arena, count * sizeof *states);
	size_t through = 0;

	for (size_t i = 0; i < count; i++) {
		states[i].batch_size = sweeps[i].batch_size;
		states[i].cursor_at = SWEEP_AT_MIN;
		snprintf(states[i].cursor_id, sizeof states[i].cursor_id, "%s", sweeps[i].id_min);
	}
	for (size_t i = 0; through < count && run_may_start(r, 0); i = (i + 1) % count) {
		int64_t limit = states[i].batch_size;

		if (states[i].is_through)
			continue;
		if (sweeps[i].is_item && items_max > 0 && items_max - r->processed < limit)
			limit = items_max - r->processed;
		if (limit == 0) {
			states[i].is_through = true;
			r->more = true;
		} else if (sweep_batch(r, &sweeps[i], &states[i], limit) != 0) {
			return -1;
		}
		through += states[i].is_through;
	}
	if (through < count)
		r->more = true;
	return r->err.code == ERR_OK ? 0 : -1;
}

static int
sweep_batch(struct run *r, const struct sweep *s, struct sweep_state *state, int64_t limit)
{
	char limit_text[24], days[24], at[24];
	int64_t moved = 0;

	snprintf(limit_text, sizeof limit_text, "%lld", (long long)limit);
	snprintf(days, sizeof days, "%lld", (long long)s->days);
	snprintf(at, sizeof at, "%lld", (long long)state->cursor_at);

	AUTO(PQclear)
	PGresult *rows =
	    run_query(r, s->sql, DB_ARGS(limit_text, r->started_at, days, at, state->cursor_id));

	if (!rows)
		return sweep_shrink(r, state);
	moved = db_number(rows, 0, "moved");
	r->tally[s->tally] += moved;
	if (s->is_item) {
		r->processed += moved;
		r->succeeded += moved;
	}
	if (db_number(rows, 0, "seen") < limit) {
		state->is_through = true;
		return 0;
	}
	state->cursor_at = db_number(rows, 0, "cursor_at");
	snprintf(state->cursor_id, sizeof state->cursor_id, "%s", db_text(rows, 0, "cursor_id"));
	return 0;
}

/* After an error: where the server asks to try again, with half the batch; else it stands. */
static int
sweep_shrink(struct run *r, struct sweep_state *state)
{
	if (!db_err_is_transient(&r->err) || state->shrunk++ == SWEEP_SHRINK_MAX)
		return -1;
	err_clear(&r->err);
	state->batch_size = (state->batch_size + 1) / 2;
	return 0;
}
