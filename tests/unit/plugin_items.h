/*
 * plugin_items - jobs for a pool of plug-ins without a database: rows by hand, and what a flow
 * would do with them.
 */
#ifndef CRONWARD_TEST_PLUGIN_ITEMS_H
#define CRONWARD_TEST_PLUGIN_ITEMS_H

#include "../../src/processors/plugin_pool.h"
#include "base/arena.h"
#include "base/clock.h"
#include "processors/processor.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ITEMS_COLUMNS = 9,
	ITEMS_POLL_MAX = 32,
	ITEMS_TICK_MS = 100,
	ITEMS_NOTES_MAX = 64,
	ITEMS_TIMEOUT_MS = 5000,
};

struct job_end {
	struct item item;
	enum verdict verdict;
	bool is_over;
	int notes;
	char said[ITEMS_NOTES_MAX][256]; /* "level message data percent" */
};

struct items {
	struct plugin_pool pool;
	struct arena *memory;
	PGresult *rows;
	struct job_end *ends;
	int count, over;
	int *line, line_at, line_end; /* those that wait to be handed over, in order */
	int columns[JOB__MAX];
	const char *plugin;
	int places;
};

static inline void
items_note(struct item *item, const struct item_note *note)
{
	struct job_end *end = (struct job_end *)item;

	item->notes += note->message != NULL;
	if (end->notes < ITEMS_NOTES_MAX)
		snprintf(end->said[end->notes], sizeof(end->said[0]), "%s %.200s %s %d",
		    note->level ? note->level : "-", note->message ? note->message : "-",
		    note->data ? note->data : "-", note->progress);
	end->notes++;
}

static inline enum verdict
items_again(struct item *item, int64_t wait_s)
{
	item->retry_ms = wait_s * 1000;
	return VERDICT_RETRY;
}

static inline void
items_init(struct items *t, const char *directory, int places)
{
	*t = (struct items){ .places = places };
	t->memory = arena_create();
	snprintf(t->pool.directory, sizeof(t->pool.directory), "%s", directory);
	t->pool.children_max = places;
	t->pool.note = items_note;
	t->pool.again = items_again;
	plugin_pool_init(&t->pool);
}

/* ${count} jobs of ${plugin}, with ${payloads} one after the other, over and over. */
static inline void
items_make(struct items *t, const char *plugin, const char *const *payloads, int count)
{
	static const int columns[ITEMS_COLUMNS] = { JOB_ID, JOB_TYPE, JOB_WORKSPACE, JOB_QUEUE,
		JOB_PAYLOAD, JOB_ATTEMPTS, JOB_MAX_ATTEMPTS, JOB_RUN_AT, JOB_CREATED_AT };
	static const char *const values[ITEMS_COLUMNS] = { "00000000-0000-4000-8000-000000000000",
		"test", NULL, "default", NULL, "1", "5", "2026-11-22T11:00:00Z",
		"2026-11-22T11:00:00Z" };
	PGresAttDesc attributes[ITEMS_COLUMNS] = { 0 };
	int kinds = 0, n = 0;

	PQclear(t->rows);
	free(t->ends);
	free(t->line);
	while (payloads[kinds])
		kinds++;
	t->rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	for (int i = 0; i < ITEMS_COLUMNS; i++) {
		attributes[i].name = (char *)(uintptr_t) "column";
		t->columns[columns[i]] = i;
	}
	PQsetResultAttrs(t->rows, ITEMS_COLUMNS, attributes);
	t->ends = calloc((size_t)count, sizeof(*t->ends));
	t->line = calloc((size_t)count, sizeof(*t->line));
	for (n = 0; n < count; n++) {
		for (int i = 0; i < ITEMS_COLUMNS; i++) {
			const char *value =
			    columns[i] == JOB_PAYLOAD ? payloads[n % kinds] : values[i];

			PQsetvalue(t->rows, n, i, (char *)(uintptr_t)value,
			    value ? (int)strlen(value) : -1);
		}
		t->line[n] = n;
		t->ends[n].item = (struct item){ .rows = t->rows,
			.columns = t->columns,
			.memory = t->memory,
			.row = n,
			.timeout_ms = ITEMS_TIMEOUT_MS };
	}
	t->plugin = plugin;
	t->count = count;
	t->over = t->line_at = 0;
	t->line_end = count;
}

static inline void
items_take(struct items *t)
{
	const struct flow_carrier *carrier = &t->pool.carrier;
	enum verdict verdict;
	struct item *item;

	carrier->pump(carrier->self);
	while ((item = carrier->next(carrier->self, &verdict))) {
		struct job_end *end = (struct job_end *)item;

		end->verdict = verdict;
		t->over += !end->is_over;
		end->is_over = true;
	}
}

/* One turn as the flow does it. */
static inline void
items_turn(struct items *t)
{
	const struct flow_carrier *carrier = &t->pool.carrier;
	struct pollfd fds[ITEMS_POLL_MAX];
	char target[PLUGIN_NAME_MAX + 8];
	int count;

	snprintf(target, sizeof(target), "plugin:%s", t->plugin);
	while (t->line_at < t->line_end &&
	       carrier->has_room(carrier->self, target, t->places - carrier->busy(carrier->self))) {
		struct job_end *end = &t->ends[t->line[t->line_at++ % t->count]];

		end->verdict = plugin_pool_hand(&t->pool, t->plugin, &end->item);
		if (!end->item.began_ms)
			end->item.began_ms = clock_mono_ms();
		if (end->verdict != VERDICT_CARRY) {
			end->is_over = true;
			t->over++;
		}
	}
	count = carrier->poll_fds(carrier->self, fds, ITEMS_POLL_MAX);
	poll(fds, (nfds_t)count, ITEMS_TICK_MS);
	items_take(t);
}

/* Until all are over; what comes back unbegun waits again.  false: it takes too long. */
static inline bool
items_run(struct items *t, int64_t within_ms)
{
	int64_t until_ms = clock_mono_ms() + within_ms;

	while (t->over < t->count) {
		items_turn(t);
		for (int i = 0; i < t->count; i++)
			if (t->ends[i].is_over && t->ends[i].verdict == VERDICT_BACK) {
				t->ends[i].is_over = false;
				t->over--;
				t->line[t->line_end++ % t->count] = i;
			}
		if (clock_mono_ms() > until_ms)
			return false;
	}
	return true;
}

static inline void
items_finish(struct items *t)
{
	plugin_pool_finish(&t->pool);
	signal(SIGCHLD, SIG_DFL);
	free(t->line);
	PQclear(t->rows);
	free(t->ends);
	arena_destroy(t->memory);
}

#endif
