/*
 * job-queue - runs the jobs that are due, by whatever processor their type names.
 *
 * pending -> processing -> completed or failed; blocked while a dependency is open; cancelled.
 * What a run needs besides rows is read when it begins: the types, since a job says only the name
 * of its own.  A job whose type nobody knows fails and uses up no try.
 *
 * Tables: jobs, job_logs, job_types, job_queues, job_slots, job_dependencies.
 * SQL: sql/job_queue.sql; what keeps jobs consistent is in the migrations 0009, 0012
 * and 0014.
 * Tests: tests/integration/job_queue.test.mjs.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/flow.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "processors/processor.h"
#include "workers/job_schedules.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOB_BATCH_PER_PLACE = 2, /* rows of the first claim for each that may be under way */
	JOB_WAIT_MAX_MS = 8000,  /* with 2 s more, a lease is the time-out and 10 s */
};

/* What a run knows of job_types, by name. */
struct job_types {
	const struct job_type *types;
	int count;
	struct text timeouts; /* {"type": timeout_s} of those that say one, for claims */
	struct text enriched; /* those that need what is enriched, an array literal */
};

static int job_queue_work(struct run *);
static int job_queue_rounds(struct run *);
static int job_queue_run_flow(struct run *);
static void job_queue_reply(const struct run *, json_t *);
static int job_queue_remember_limits(struct run *);
static int job_types_load(struct run *, struct job_types *);
static void job_types_take(struct run *, struct job_types *, const PGresult *);
static const struct processor *job_processor(const char *name);
static int job_type_compare(const void *, const void *);
static const struct job_type *job_type_find(const char *name);
static const char *job_target(struct run *, struct item *, const struct flow_carrier **);
static enum verdict job_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static bool job_says(const struct item *, enum job_column);

const struct worker worker_job_queue = {
	.name = "job-queue",
	.summary = "run jobs that are due, by the processors of their types",
	.schedule = "* * * * *",
	.has_bell = true,
	.work = job_queue_work,
	.reply = job_queue_reply,
};

static const struct flow job_flow = {
	.is_laned = true,
	.look = SQL_JOB_QUEUE_LOOK,
	.claim = SQL_JOB_QUEUE_CLAIM,
	.bury = SQL_JOB_QUEUE_BURY,
	.settle = SQL_JOB_QUEUE_SETTLE,
	.settles = {
		SETTLE_ID,
		SETTLE_TOKEN,
		SETTLE_VERDICT,
		SETTLE_RETRY_MS,
		SETTLE_STATUS,
		SETTLE_ERROR,
		SETTLE_STACK,
		SETTLE_RESULT,
		SETTLE_EFFECT,
		SETTLE_SUBJECT,
		SETTLE_TOOK_MS,
	},
	.release = SQL_JOB_QUEUE_RELEASE,
	.has_notes = true,
	.note = SQL_JOB_QUEUE_NOTE,
	.cancelled = SQL_JOB_QUEUE_CANCELLED,
	.columns = {
		[JOB_ID] = "id",
		[JOB_TYPE] = "job_type",
		[JOB_WORKSPACE] = "workspace_id",
		[JOB_QUEUE] = "queue",
		[JOB_PAYLOAD] = "payload",
		[JOB_ATTEMPTS] = "attempts",
		[JOB_MAX_ATTEMPTS] = "max_attempts",
		[JOB_RUN_AT] = "run_at",
		[JOB_CREATED_AT] = "created_at",
		[JOB_CLAIM_TOKEN] = "claim_token",
		[JOB_AWAITED] = "awaits_callback",
		[JOB_PERFORMED] = "is_performed",
		[JOB_CANCELLED] = "is_cancelled",
		[JOB_CONTEXT] = "context",
	},
	.target = job_target,
	.step = job_step,
};

/* Of the run under way; a process has one at a time. */
static struct job_types job_types;

static int
job_queue_work(struct run *r)
{
	AUTO(PQclear) PGresult *healed = NULL;
	int rc;

	if (job_queue_remember_limits(r) != 0)
		return -1;
	sealed_columns_close(r, SEALED_JOB_TYPE_SECRET, SEALED_APOLLO_KEY);
	healed = run_query(r, SQL_JOB_QUEUE_HEAL, DB_NONE);
	if (!healed || job_types_load(r, &job_types) != 0)
		return -1;
	rc = job_queue_rounds(r);
	for (int i = 0; processors[i]; i++)
		if (processors[i]->rest)
			processors[i]->rest();
	text_finish(&job_types.timeouts);
	text_finish(&job_types.enriched);
	job_types = (struct job_types){ .count = 0 };
	return rc;
}

/*
 * Moves jobs until nothing is due.  For schedules whose time comes meanwhile the flow ends, as it
 * does when a run's time is up, and begins anew.
 */
static int
job_queue_rounds(struct run *r)
{
	const int64_t end_ms = r->soft_end_ms, items_max = r->conf->job_run_max;

	for (;;) {
		int64_t in_ms = INT64_MAX, slot_ms = end_ms;
		int rc;

		if (job_schedules_run(r) != 0 || job_schedules_next(r, &in_ms) != 0)
			return -1;
		if (in_ms < end_ms - clock_mono_ms())
			slot_ms = clock_mono_ms() + in_ms;
		r->soft_end_ms = slot_ms;
		rc = job_queue_run_flow(r);
		r->soft_end_ms = end_ms;
		if (rc != 0 || slot_ms == end_ms || clock_mono_ms() < slot_ms ||
		    !run_may_start(r, 0) || (items_max > 0 && r->processed >= items_max))
			return rc;
		/* What is left is so for this round's sake alone. */
		r->more = false;
	}
}

static int
job_queue_run_flow(struct run *r)
{
	const struct conf *c = r->conf;
	char timeout_s[24], callback_s[24];
	const struct flow_limits limits = {
		.batch_size = c->job_concurrent_max * JOB_BATCH_PER_PLACE,
		.inflight_max = c->job_concurrent_max,
		.inflight_host_max = c->job_concurrent_max,
		.items_max = c->job_run_max > 0 ? c->job_run_max - r->processed : 0,
		.timeout_ms = run_item_timeout_ms(r, c->job_timeout_s),
		.wait_max_ms = JOB_WAIT_MAX_MS,
		.poll_ms = c->job_poll_interval_s * 1000,
		.queues = r->queues,
		.claim_args = { timeout_s, job_types.timeouts.at, job_types.enriched.at },
		.claim_args_count = 3,
		.settle_args = { callback_s },
		.settle_args_count = 1,
	};

	snprintf(timeout_s, sizeof timeout_s, "%" PRId64, limits.timeout_ms / 1000);
	snprintf(callback_s, sizeof callback_s, "%" PRId64, c->job_callback_s);
	return flow_run(r, &job_flow, &limits);
}

static void
job_queue_reply(const struct run *r, json_t *body)
{
	run_reply_counts(r, body);
	json_object_set_new(body, "message",
	    json_sprintf(
		"%lld job%s processed", (long long)r->processed, r->processed == 1 ? "" : "s"));
}

/* Enqueueing refuses what no run of the settings could finish, so it must know them. */
static int
job_queue_remember_limits(struct run *r)
{
	char budget_s[24];
	AUTO(PQclear) PGresult *rows = NULL;

	snprintf(budget_s, sizeof budget_s, "%" PRId64, r->conf->run_budget_s);
	rows = run_query(r, SQL_JOB_QUEUE_LIMITS, DB_ARGS(budget_s));
	return rows ? 0 : -1;
}

static int
job_types_load(struct run *r, struct job_types *t)
{
	AUTO(PQclear) PGresult *rows = run_query(r, SQL_JOB_QUEUE_TYPES, DB_NONE);

	if (!rows)
		return -1;
	job_types_take(r, t, rows);
	return 0;
}

static void
job_types_take(struct run *r, struct job_types *t, const PGresult *rows)
{
	struct job_type *types =
	    arena_alloc(r->arena, (size_t)(PQntuples(rows) + 1) * sizeof *types);
	json_auto_t *timeouts = json_object();
	char *dumped;

	text_array_begin(&t->enriched);
	for (int i = 0; i < PQntuples(rows); i++) {
		const char *secret = db_text(rows, i, "secret");
		const char *headers = db_text(rows, i, "headers");
		struct job_type *type = &types[i];

		type->name = arena_text(r->arena, db_text(rows, i, "job_type"));
		type->processor = job_processor(db_text(rows, i, "processor"));
		type->target = arena_text(r->arena, db_text(rows, i, "target"));
		type->secret = secret ? arena_text(r->arena, secret) : NULL;
		type->headers = headers ? arena_text(r->arena, headers) : NULL;
		/* Longer than the run itself it could not be: no job of the type would ever begin.
		 */
		type->timeout_s = run_item_timeout_ms(r, db_number(rows, i, "timeout_s")) / 1000;
		if (type->timeout_s > 0)
			json_object_set_new(timeouts, type->name, json_integer(type->timeout_s));
		if (type->processor && type->processor->needs_context)
			text_array_add(&t->enriched, type->name);
	}
	text_array_end(&t->enriched);
	dumped = json_dumps(timeouts, JSON_COMPACT);
	text_add_text(&t->timeouts, dumped);
	free(dumped);
	t->types = types;
	t->count = PQntuples(rows);
	qsort(types, (size_t)t->count, sizeof *types, job_type_compare);
}

/* NULL: newer than this program. */
static const struct processor *
job_processor(const char *name)
{
	for (int i = 0; processors[i]; i++)
		if (strcmp(processors[i]->name, name) == 0)
			return processors[i];
	return NULL;
}

static int
job_type_compare(const void *a, const void *b)
{
	const struct job_type *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static const struct job_type *
job_type_find(const char *name)
{
	const struct job_type key = { .name = name };

	return job_types.count == 0 ? NULL
				    : bsearch(&key, job_types.types, (size_t)job_types.count,
					  sizeof key, job_type_compare);
}

/* What is not to be carried out at all needs no place of its own: any name will do. */
static const char *
job_target(struct run *r, struct item *item, const struct flow_carrier **ret_carrier)
{
	const struct job_type *type = job_type_find(item_text(item, JOB_TYPE));

	item->kind = type;
	*ret_carrier = NULL;
	if (!type || !type->processor || job_says(item, JOB_CANCELLED) ||
	    job_says(item, JOB_PERFORMED) || job_says(item, JOB_AWAITED))
		return "";
	if (type->processor->carrier)
		*ret_carrier = type->processor->carrier(r);
	return type->processor->target(r, type, item);
}

static enum verdict
job_step(struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	const struct job_type *type = item->kind;

	if (reply)
		return type->processor->step(r, type, item, reply, q);
	if (job_says(item, JOB_CANCELLED))
		return VERDICT_CANCEL;
	if (job_says(item, JOB_PERFORMED))
		return VERDICT_DONE;
	if (job_says(item, JOB_AWAITED)) {
		item_fail(item, "nobody called back in time after the 202");
		return job_again(item, -1);
	}
	if (!type) {
		item_fail(item,
		    "there is no job type \"%s\": insert it into job_types, then retry the job",
		    item_text(item, JOB_TYPE));
		return VERDICT_REFUSE;
	}
	if (!type->processor) {
		item_fail(
		    item, "this program is older than the processor of type \"%s\"", type->name);
		return item_hold(item, item->error);
	}
	return type->processor->step(r, type, item, NULL, q);
}

static bool
job_says(const struct item *item, enum job_column column)
{
	const char *text = item_text(item, (int)column);

	return text && *text == 't';
}
