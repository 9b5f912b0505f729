/*
 * job_schedules - makes the jobs of schedules whose slots have come, hundreds in one statement.
 *
 * A batch is read, its slots are computed here, and one statement makes the jobs and moves the
 * schedules on.  A statement that PostgreSQL refuses is repeated in halves, until what is left is
 * the schedule that it was refused for.
 *
 * Tables: job_schedules, jobs; job_types is read.  SQL: sql/job_schedules.sql.
 * Tests: tests/integration/job_schedules.test.mjs.
 */
#include "workers/job_schedules.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/cron.h"
#include "base/cron_next.h"
#include "base/text.h"
#include "base/zone.h"
#include "engine/run.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	SCHEDULES_BATCH = 500,
	SCHEDULES_SLOTS_MAX = 5000, /* of one statement, or those of one schedule */
	SCHEDULES_SLOTS_EACH = 1000,
	SCHEDULES_LOSSES_MAX = 5,
	SCHEDULES_PAUSE_MS = 100, /* after a loss; twice as long after each further one */
};

/* What becomes of one schedule. */
struct schedule {
	/* As it was read. */
	const char *name, *next_at, *since_at;
	/* Seconds since 1970, or CRON_NEVER. */
	int64_t next_s;
	const char *error; /* NULL, or why nothing is to be made */
	bool is_kept;      /* its next slot stays as it is, to be tried again */
	int64_t *slots;
	size_t slots_count;
};

/* The arguments of the statement, all of them arrays. */
enum {
	SCHEDULES_NAMES,
	SCHEDULES_NEXT_AT,
	SCHEDULES_SINCE_AT,
	SCHEDULES_NEXT,
	SCHEDULES_ERRORS,
	SCHEDULES_NUMBERS,
	SCHEDULES_SLOTS,
	SCHEDULES__MAX
};

static int schedules_batch(struct run *, struct arena *, struct zones *, const PGresult *due);
static void schedule_look(
    struct arena *, struct zones *, const PGresult *due, int row, struct schedule *);
static struct cron_window schedule_window(const PGresult *due, int row);
static int schedules_write(struct run *, struct arena *, struct schedule *, int count);
static int schedules_send(struct run *, const struct schedule *, int count);
static void schedule_add(
    struct text args[static SCHEDULES__MAX], const struct schedule *, int number);

int
job_schedules_run(struct run *r)
{
	char limit[8], cursor_at[RUN_TIME_TEXT_MAX] = "-infinity";
	struct zones *zones = zones_create();
	struct arena *memory = arena_create();
	const char *cursor_name = "";
	int result = 0, count = SCHEDULES_BATCH;
	struct text name = { .at = NULL };

	snprintf(limit, sizeof(limit), "%d", SCHEDULES_BATCH);
	while (result == 0 && count == SCHEDULES_BATCH && run_may_start(r, 0)) {
		AUTO(PQclear)
		PGresult *due =
		    run_query(r, SQL_JOB_SCHEDULES_DUE, DB_ARGS(limit, cursor_at, cursor_name));

		count = due ? PQntuples(due) : 0;
		result = due ? schedules_batch(r, memory, zones, due) : -1;
		if (count == 0)
			break;
		snprintf(cursor_at, sizeof(cursor_at), "%s", db_text(due, count - 1, "cursor_at"));
		text_reset(&name);
		text_add_text(&name, db_text(due, count - 1, "name"));
		cursor_name = name.at;
		arena_reset(memory);
	}
	text_finish(&name);
	arena_destroy(memory);
	zones_destroy(zones);
	return result;
}

int
job_schedules_next(struct run *r, int64_t *ret_in_ms)
{
	AUTO(PQclear) PGresult *next = run_query(r, SQL_JOB_SCHEDULES_NEXT, DB_NONE);

	if (!next)
		return -1;
	*ret_in_ms = INT64_MAX;
	if (PQntuples(next) > 0)
		*ret_in_ms = db_number(next, 0, "in_ms");
	return 0;
}

/* Statement by statement, with so many schedules in each as there are slots to be made at once. */
static int
schedules_batch(struct run *r, struct arena *memory, struct zones *zones, const PGresult *due)
{
	int count = PQntuples(due), first = 0;
	struct schedule *all = arena_alloc(memory, (size_t)count * sizeof(*all));
	size_t slots = 0;

	for (int i = 0; i < count; i++) {
		schedule_look(memory, zones, due, i, &all[i]);
		if (slots + all[i].slots_count > SCHEDULES_SLOTS_MAX) {
			if (schedules_write(r, memory, all + first, i - first) != 0)
				return -1;
			first = i;
			slots = 0;
		}
		slots += all[i].slots_count;
	}
	return schedules_write(r, memory, all + first, count - first);
}

/* Fills in what is to become of the schedule in ${row}. */
static void
schedule_look(
    struct arena *memory, struct zones *zones, const PGresult *due, int row, struct schedule *s)
{
	struct err e = { .code = ERR_OK };
	const struct zone *zone = zones_find(zones, db_text(due, row, "time_zone"), &e);
	struct cron_window window = schedule_window(due, row);
	struct cron cron;

	*s = (struct schedule){
		.name = db_text(due, row, "name"),
		.next_at = db_text(due, row, "next_at"),
		.since_at = db_text(due, row, "since_at"),
	};
	if (!zone || !cron_parse(db_text(due, row, "cron"), &cron, &e)) {
		s->error = arena_text(memory, e.message);
		s->is_kept = true;
		return;
	}
	s->slots = arena_alloc(memory, window.max * sizeof(*s->slots));
	s->slots_count = cron_latest(&cron, zone, &window, s->slots);
	s->next_s = cron_next(&cron, zone, window.to_s);
	if (s->slots_count > 0 && db_bool(due, row, "is_unknown")) {
		s->error = arena_format(
		    memory, "job_types has no row \"%s\"", db_text(due, row, "job_type"));
		s->is_kept = true;
		s->slots_count = 0;
	} else if (s->next_s == CRON_NEVER && s->slots_count == 0) {
		s->error = arena_format(
		    memory, "cron: no such date comes up to the year %d", CRON_YEAR_MAX);
	}
}

/* Which of the slots since the schedule was last due are to become jobs. */
static struct cron_window
schedule_window(const PGresult *due, int row)
{
	const char *missed = db_text(due, row, "missed");
	struct cron_window window = {
		.from_s = db_number(due, row, "from_s"),
		.to_s = db_number(due, row, "now_s"),
		.max = 1,
	};

	if (strcmp(missed, "all") == 0) {
		window.max = (size_t)db_number(due, row, "missed_max");
	} else if (strcmp(missed, "skip") == 0) {
		window.max = SCHEDULES_SLOTS_EACH;
		if (window.from_s < window.to_s - JOB_SCHEDULE_GRACE_S)
			window.from_s = window.to_s - JOB_SCHEDULE_GRACE_S;
	}
	return window;
}

/* In one statement, or, where that is refused, in halves. */
static int
schedules_write(struct run *r, struct arena *memory, struct schedule *all, int count)
{
	int half = count / 2;

	if (count == 0 || schedules_send(r, all, count) == 0)
		return 0;
	/* Without a word of PostgreSQL's it is no row's fault. */
	if (r->err.sqlstate[0] == '\0' || !db_is_connected(r->db))
		return -1;
	if (count == 1) {
		if (all->error)
			return -1;
		all->error = arena_text(memory, r->err.message);
		all->is_kept = true;
		all->slots_count = 0;
		err_clear(&r->err);
		return schedules_send(r, all, 1);
	}
	err_clear(&r->err);
	if (schedules_write(r, memory, all, half) != 0)
		return -1;
	return schedules_write(r, memory, all + half, count - half);
}

/* Again where the connection was lost: what was committed is not as it was read any more. */
static int
schedules_send(struct run *r, const struct schedule *all, int count)
{
	struct text args[SCHEDULES__MAX] = { { .at = NULL } };
	const char *values[SCHEDULES__MAX];
	PGresult *done = NULL;

	for (int i = 0; i < SCHEDULES__MAX; i++)
		text_array_begin(&args[i]);
	for (int i = 0; i < count; i++)
		schedule_add(args, &all[i], i + 1);
	for (int i = 0; i < SCHEDULES__MAX; i++) {
		text_array_end(&args[i]);
		values[i] = args[i].at;
	}
	for (int losses = 0;; losses++) {
		done = run_query(r, SQL_JOB_SCHEDULES_ENQUEUE, values, SCHEDULES__MAX);
		if (done || losses == SCHEDULES_LOSSES_MAX || db_is_connected(r->db) ||
		    r->err.code != ERR_DATABASE || clock_mono_ms() > r->soft_end_ms)
			break;
		err_clear(&r->err);
		poll(NULL, 0, SCHEDULES_PAUSE_MS << losses);
	}
	for (int i = 0; i < SCHEDULES__MAX; i++)
		text_finish(&args[i]);
	PQclear(done);
	return done ? 0 : -1;
}

static void
schedule_add(struct text args[static SCHEDULES__MAX], const struct schedule *s, int number)
{
	text_array_add(&args[SCHEDULES_NAMES], s->name);
	text_array_add(&args[SCHEDULES_NEXT_AT], s->next_at);
	text_array_add(&args[SCHEDULES_SINCE_AT], s->since_at);
	text_array_add(&args[SCHEDULES_ERRORS], s->error);
	if (s->is_kept)
		text_array_add(&args[SCHEDULES_NEXT], NULL);
	else
		text_array_add_number(
		    &args[SCHEDULES_NEXT], s->next_s == CRON_NEVER ? -1 : s->next_s);
	for (size_t i = 0; i < s->slots_count; i++) {
		text_array_add_number(&args[SCHEDULES_NUMBERS], number);
		text_array_add_number(&args[SCHEDULES_SLOTS], s->slots[i]);
	}
}
