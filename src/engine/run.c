/*
 * run - a call of a worker from its lock to its outcome.
 *
 * Nothing here belongs to a session: the lock is a row that expires RUN_LOCK_EXPIRY_S after the
 * last sign of life, so a process that dies stops nobody for long, and the fence tells a process
 * that was only frozen that its time is over.
 */
#include "engine/run.h"

#include "base/clock.h"
#include "base/conf.h"
#include "base/stop.h"
#include "engine/worker.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RUN_STATEMENT_MIN_MS = 500, /* what the last statement before the hard end still gets */
	RUN_BUSY_RETRY_S = 5,
	RUN_BEGIN_AGAIN_MS = 5000,  /* a call that is older than this does not ask twice */
	RUN_END_PATIENCE_MS = 5000, /* for a database that is restarting */
	RUN_END_PAUSE_MS = 100,
};

const char *const run_outcome_name[RUN_OUTCOME__MAX] = {
	[RUN_SUCCESS] = "success",
	[RUN_PARTIAL] = "partial",
	[RUN_FAILURE] = "failure",
};

static PGresult *run_take_lock(struct run *);
static void run_start_clock(struct run *, const PGresult *);
static int run_refuse_busy(struct run *);
static bool run_end_write(struct run *, const char *counts, struct err *);
static void run_hear(struct run *);
static void run_unring(struct run *);
static int run_renewal_check(struct run *);

void
run_init(struct run *r, const struct worker *worker, const struct run_lent *lent,
    int64_t arrived_ms, int64_t budget_s)
{
	*r = (struct run){
		.worker = worker,
		.conf = lent->conf,
		.db = lent->db,
		.http = lent->http,
		.arena = lent->arena,
		.keyring = lent->keyring,
		.budget_ms = budget_s * 1000,
		.arrived_ms = arrived_ms,
		.soft_end_ms = arrived_ms + budget_s * 1000,
		.hard_end_ms = arrived_ms + budget_s * 1000 + RUN_HARD_END_MS,
	};
	crypto_uuid(r->id);
	snprintf(r->expiry_text, sizeof r->expiry_text, "%d", RUN_LOCK_EXPIRY_S);
	snprintf(r->life_text, sizeof r->life_text, "%d", RUN_LOCK_LIFE_MAX_S);
}

int
run_begin(struct run *r)
{
	AUTO(PQclear) PGresult *rows = run_take_lock(r);

	/* Asked twice it answers the same, so a connection that dies here costs little. */
	if (!rows && r->err.code == ERR_DATABASE &&
	    clock_mono_ms() - r->arrived_ms < RUN_BEGIN_AGAIN_MS) {
		err_clear(&r->err);
		rows = run_take_lock(r);
	}
	if (!rows)
		return -1;
	if (PQntuples(rows) == 0)
		return run_refuse_busy(r);
	run_start_clock(r, rows);
	/* Whatever was brought until now, this run finds, unless it looks for a part alone. */
	if (r->worker->has_bell && !r->queues)
		run_unring(r);
	return 0;
}

int
run_work(struct run *r)
{
	assert(r->begun);
	if (r->worker->work(r) != 0)
		return -1;
	return r->err.code == ERR_OK ? 0 : -1;
}

int
run_end(struct run *r)
{
	json_auto_t *counts = run_counts(r);
	char *counts_text = json_dumps(counts, JSON_COMPACT);
	int64_t now_ms = clock_mono_ms(), give_up_ms = now_ms + RUN_END_PATIENCE_MS;
	struct err e = { .code = ERR_OK };
	bool is_written = false;

	if (give_up_ms > r->hard_end_ms)
		give_up_ms = r->hard_end_ms;
	/* Past the hard end only a connection that is there is used: the caller is about to go. */
	if (now_ms > give_up_ms && !db_is_connected(r->db))
		err_set(&e, ERR_DATABASE, "the end of the run could not be written");
	for (int pause_ms = RUN_END_PAUSE_MS; e.code == ERR_OK; pause_ms *= 2) {
		is_written = run_end_write(r, counts_text, &e);
		if (is_written || clock_mono_ms() + pause_ms > give_up_ms)
			break;
		poll(NULL, 0, pause_ms);
		err_clear(&e);
	}
	/* Answers come in order, so no renewal is in the air any more. */
	PQclear(r->renewal.result);
	r->renewal.result = NULL;
	r->duration_ms = clock_mono_ms() - r->mono_began_ms;
	free(counts_text);
	if (is_written && r->worker->has_bell)
		run_hear(r);
	return is_written ? 0 : err_pass(&r->err, &e);
}

int
run_ring(struct run *r, bool *ret_heard)
{
	AUTO(PQclear)
	PGresult *rows = db_query(r->db, SQL_RUN_RING, DB_ARGS(r->worker->name), &r->err);

	if (!rows)
		return -1;
	*ret_heard = PQntuples(rows) > 0;
	return 0;
}

enum run_outcome
run_outcome(const struct run *r)
{
	if (r->err.code != ERR_OK || (r->failed > 0 && r->succeeded == 0))
		return RUN_FAILURE;
	return r->failed > 0 ? RUN_PARTIAL : RUN_SUCCESS;
}

json_t *
run_counts(const struct run *r)
{
	json_t *counts = json_pack("{sIsIsI}", "processed", (json_int_t)r->processed, "succeeded",
	    (json_int_t)r->succeeded, "failed", (json_int_t)r->failed);

	for (int i = 0; i < WORKER_TALLIES_MAX && r->worker->tallies[i]; i++)
		json_object_set_new(counts, r->worker->tallies[i], json_integer(r->tally[i]));
	return counts;
}

void
run_reply_counts(const struct run *r, json_t *body)
{
	json_object_set_new(body, "success", json_true());
	json_object_set_new(body, "processed", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
}

void
run_reply_job(const struct run *r, json_t *body)
{
	/* A run that never began (?busy=200) has no start. */
	int64_t began_ms = r->begun ? r->db_began_ms : 0;

	json_object_set_new(body, "success", json_true());
	json_object_set_new(
	    body, "jobId", json_sprintf("%s-%lld", r->worker->name, (long long)began_ms));
}

json_t *
run_summary(const struct run *r)
{
	if (!r->begun)
		return json_null();
	return json_pack("{sssssIsb}", "id", r->id, "worker", r->worker->name, "durationMs",
	    (json_int_t)r->duration_ms, "more", r->more);
}

json_t *
run_reply(const struct run *r)
{
	json_t *body = json_object();

	r->worker->reply(r, body);
	json_object_set_new(body, "run", run_summary(r));
	return body;
}

bool
run_may_start(const struct run *r, int64_t item_ms)
{
	int64_t now_ms = clock_mono_ms();

	return r->err.code == ERR_OK && now_ms < r->soft_end_ms &&
	       now_ms + item_ms <= r->hard_end_ms && !stop_requested();
}

int64_t
run_item_timeout_ms(const struct run *r, int64_t timeout_s)
{
	return timeout_s * 1000 < r->budget_ms ? timeout_s * 1000 : r->budget_ms;
}

int64_t
run_db_now_s(const struct run *r)
{
	return (r->db_began_ms + clock_mono_ms() - r->mono_began_ms) / 1000;
}

int
run_statement_ms(const struct run *r)
{
	int64_t left_ms = r->hard_end_ms - clock_mono_ms();

	if (left_ms < RUN_STATEMENT_MIN_MS)
		left_ms = RUN_STATEMENT_MIN_MS;
	return (int)(left_ms < RUN_STATEMENT_MAX_MS ? left_ms : RUN_STATEMENT_MAX_MS);
}

PGresult *
run_query(struct run *r, enum sql_id sql, const char *const *args, int args_count)
{
	struct db_unit unit = {
		.sql = sql,
		.args = args,
		.args_count = args_count,
		.timeout_ms = run_statement_ms(r),
		.by_index = true,
		.async_commit = true,
	};

	if (db_connect(r->db, &r->err) != 0 || run_renew(r) != 0 ||
	    db_send(r->db, &unit, &r->err) != 0 || db_wait(r->db, &unit, &r->err) != 0)
		return NULL;
	return unit.result;
}

int
run_renew(struct run *r)
{
	int64_t now_ms = clock_mono_ms();

	if (run_renewal_check(r) != 0)
		return -1;
	if (r->renewal.state == DB_UNIT_SENT || now_ms - r->renewed_ms < RUN_RENEW_MS)
		return 0;
	r->renewal = (struct db_unit){
		.sql = SQL_RUN_RENEW,
		.args = r->renewal_args,
		.args_count = (int)(sizeof r->renewal_args / sizeof *r->renewal_args),
	};
	r->renewed_ms = now_ms;
	/* A lost connection shows with the statement that comes next. */
	db_send(r->db, &r->renewal, NULL);
	return 0;
}

static PGresult *
run_take_lock(struct run *r)
{
	struct db_unit begin = {
		.sql = SQL_RUN_BEGIN,
		.args = (const char *const[]){ r->worker->name, r->id, r->caller, r->expiry_text },
		.args_count = 4,
		.timeout_ms = run_statement_ms(r),
	};

	return db_query_within(r->db, &begin, &r->err);
}

static void
run_start_clock(struct run *r, const PGresult *rows)
{
	r->begun = true;
	r->fence = db_number(rows, 0, "fence");
	r->db_began_ms = db_number(rows, 0, "began_ms");
	r->mono_began_ms = r->renewed_ms = clock_mono_ms();
	snprintf(r->fence_text, sizeof r->fence_text, "%lld", (long long)r->fence);
	snprintf(r->started_at, sizeof r->started_at, "%s", db_text(rows, 0, "started_at"));
	r->renewal_args[0] = r->worker->name;
	r->renewal_args[1] = r->id;
	r->renewal_args[2] = r->fence_text;
	r->renewal_args[3] = r->expiry_text;
	r->renewal_args[4] = r->life_text;
}

/* Says since when the lock is held, where its holder has not just let go of it. */
static int
run_refuse_busy(struct run *r)
{
	AUTO(PQclear)
	PGresult *rows = db_query(r->db, SQL_RUN_HOLDER, DB_ARGS(r->worker->name), &r->err);

	if (!rows)
		return -1;
	if (PQntuples(rows) > 0)
		snprintf(r->busy_since, sizeof r->busy_since, "%s", db_text(rows, 0, "since"));
	r->busy_retry_s = RUN_BUSY_RETRY_S;
	return err_set(&r->err, ERR_BUSY, "Job already running, skipping");
}

static bool
run_end_write(struct run *r, const char *counts, struct err *e)
{
	struct db_unit end = {
		.sql = SQL_RUN_END,
		.args = (const char *const[]){ r->worker->name, r->id, r->fence_text,
		    run_outcome_name[run_outcome(r)], counts,
		    r->err.code != ERR_OK ? r->err.message : NULL },
		.args_count = 6,
		.timeout_ms = run_statement_ms(r),
	};
	AUTO(PQclear) PGresult *rows = db_query_within(r->db, &end, e);

	return rows != NULL;
}

/* Whether another run is wanted, and would do what this one did not. */
static void
run_hear(struct run *r)
{
	AUTO(PQclear)
	PGresult *rows = db_query(r->db, SQL_RUN_IS_RUNG, DB_ARGS(r->worker->name), NULL);

	r->is_rung = rows && PQntuples(rows) > 0 && (r->queues || !r->worker->bell_widens);
}

/* Word that cannot be taken back makes for one run more than is needed. */
static void
run_unring(struct run *r)
{
	PQclear(db_query(r->db, SQL_RUN_UNRING, DB_ARGS(r->worker->name, r->id), NULL));
}

/* Looks at the last renewal's answer, if it has come; what failed is sent again next time. */
static int
run_renewal_check(struct run *r)
{
	bool is_ours = true;

	if (r->renewal.state == DB_UNIT_DONE) {
		is_ours = PQntuples(r->renewal.result) == 1;
		PQclear(r->renewal.result);
		r->renewal.result = NULL;
	}
	if (r->renewal.state != DB_UNIT_SENT)
		r->renewal.state = DB_UNIT_IDLE;
	if (!is_ours)
		return err_set(&r->err, ERR_UNAVAILABLE,
		    "the run lost its lock: it was silent for too long and another one has "
		    "begun, or an operator has cleared it");
	return 0;
}
