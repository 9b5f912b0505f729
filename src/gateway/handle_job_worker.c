/*
 * handle_job_worker - GET of the job queue's route: health, unless a run is asked for.
 *
 * Seed callers ask whether the worker is well with the method that Vercel Cron rings with.
 */
#include "base/arena.h"
#include "base/conf.h"
#include "db/db.h"
#include "gateway/call.h"
#include "gateway/handle.h"
#include "gateway/jobs.h"

enum {
	HEALTH_DEGRADED_S = 300, /* that the oldest due job may wait */
};

/* Counts go no further. */
#define HEALTH_COUNT_MAX "5000"

static json_t *health_body(const struct conf *, const PGresult *);
static json_t *health_text(const char *);

void
handle_job_worker(struct call *c)
{
	PGresult *rows;

	if (worker_takes_over(c))
		return;
	rows = jobs_query(c, SQL_JOBS_HEALTH, DB_ARGS(HEALTH_COUNT_MAX));
	if (rows)
		reply_json(&c->reply, c->gateway->arena, 200, health_body(c->gateway->conf, rows));
	PQclear(rows);
}

static json_t *
health_body(const struct conf *conf, const PGresult *rows)
{
	const char *run = db_text(rows, 0, "run");
	int64_t age_s = db_number(rows, 0, "oldest_due_age_s");

	return json_pack("{s:s, s:b, s:o, s:s, s:{s:o, s:o}, s:{s:I, s:I, s:I, s:I, s:o}}",
	    "status", age_s > HEALTH_DEGRADED_S ? "degraded" : "healthy", "worker_exists", 1,
	    "worker_id", run ? json_sprintf("job-queue-%s", run) : json_string("job-queue"),
	    "timestamp", db_text(rows, 0, "now"), "environment", "region",
	    health_text(conf->region), "env", health_text(conf->env), "queue", "pending",
	    (json_int_t)db_number(rows, 0, "pending"), "processing",
	    (json_int_t)db_number(rows, 0, "processing"), "failed",
	    (json_int_t)db_number(rows, 0, "failed"), "blocked",
	    (json_int_t)db_number(rows, 0, "blocked"), "oldest_due_age_s",
	    db_text(rows, 0, "oldest_due_age_s") ? json_integer(age_s) : json_null());
}

static json_t *
health_text(const char *text)
{
	return text ? json_string(text) : json_null();
}
