/*
 * sweep - bounded batches of set-based work, taken in turn.
 *
 * Rows never come here: a batch answers with counts and the cursor for the next one, so a run over
 * a million rows needs no more memory than one over a thousand.
 */
#include "engine/sweep.h"

#include "base/arena.h"
#include "base/clock.h"
#include "db/db.h"
#include "engine/run.h"

#include <poll.h>
#include <stdio.h>

enum {
	SWEEP_ID_MAX = 80,    /* two uuids */
	SWEEP_SHRINK_MAX = 6, /* halvings of a batch that the server gave up on */
	SWEEP_LOSSES_MAX = 5,
	SWEEP_PAUSE_MS = 100,  /* after a loss; twice as long after each further one */
	SWEEP_QUICK_MS = 200,  /* a batch that is over sooner may be followed by a larger one */
	SWEEP_GROWTH_MAX = 10, /* so many times the setting */
};

/* Microseconds from 1970 back to the year 1. */
static const int64_t SWEEP_AT_MIN = -62135596800000000;

/* How far one sweep has come. */
struct sweep_state {
	int64_t batch_size;
	int64_t cursor_at;
	char cursor_id[SWEEP_ID_MAX];
	int shrunk;
	int losses; /* of the connection, one after the other */
	bool is_through;
};

static int sweep_batch(struct run *, const struct sweep *, struct sweep_state *, int64_t limit);
static int sweep_again(struct run *, struct sweep_state *);
static void sweep_grow(struct sweep_state *, int64_t batch_max, int64_t took_ms);

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
			r->more = true;
			return -1;
		}
		through += states[i].is_through;
	}
	r->more = r->more || through < count;
	return r->err.code == ERR_OK ? 0 : -1;
}

static int
sweep_batch(struct run *r, const struct sweep *s, struct sweep_state *state, int64_t limit)
{
	char limit_text[24], days[24], at[24];
	int64_t moved = 0, began_ms = clock_mono_ms();

	snprintf(limit_text, sizeof limit_text, "%lld", (long long)limit);
	snprintf(days, sizeof days, "%lld", (long long)s->days);
	snprintf(at, sizeof at, "%lld", (long long)state->cursor_at);

	AUTO(PQclear)
	PGresult *rows =
	    run_query(r, s->sql, DB_ARGS(limit_text, r->started_at, days, at, state->cursor_id));

	if (!rows)
		return sweep_again(r, state);
	state->losses = 0;
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
	sweep_grow(state, s->batch_size * SWEEP_GROWTH_MAX, clock_mono_ms() - began_ms);
	state->cursor_at = db_number(rows, 0, "cursor_at");
	snprintf(state->cursor_id, sizeof state->cursor_id, "%s", db_text(rows, 0, "cursor_id"));
	return 0;
}

/*
 * After an error: with half the batch where the server gave up on it or met a lock, as it was after
 * a pause where the connection was lost, for a statement may run twice; else the error stands.
 */
static int
sweep_again(struct run *r, struct sweep_state *state)
{
	if (!db_is_connected(r->db) && r->err.code == ERR_DATABASE) {
		if (state->losses == SWEEP_LOSSES_MAX || clock_mono_ms() > r->hard_end_ms)
			return -1;
		poll(NULL, 0, SWEEP_PAUSE_MS << state->losses++);
	} else if (!db_err_is_transient(&r->err) || state->shrunk++ == SWEEP_SHRINK_MAX) {
		return -1;
	} else {
		state->batch_size = (state->batch_size + 1) / 2;
	}
	err_clear(&r->err);
	return 0;
}

/* After a full batch: many rows wait, so the next one may be larger, while batches stay quick. */
static void
sweep_grow(struct sweep_state *state, int64_t batch_max, int64_t took_ms)
{
	if (took_ms < SWEEP_QUICK_MS && state->shrunk == 0 && state->batch_size * 2 <= batch_max)
		state->batch_size *= 2;
}
