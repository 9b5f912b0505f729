/*
 * sql - carries a job out by a function of the database's, f(job jsonb) returns jsonb.
 *
 * Each runs on a connection of its own (processors/sql_carrier.h), of which there are
 * JOB_MAX_CONCURRENT at most.  cronward_job_perform() writes the result and performed_at in the
 * function's own transaction, and only while the claim is still ours.  So whatever becomes of this
 * process, of the connection or of a request to cancel, the function takes effect once, together
 * with its job's completion, or not at all.
 */
#include "base/arena.h"
#include "base/conf.h"
#include "engine/run.h"
#include "processors/processor.h"
#include "processors/sql_carrier.h"

static const char *sql_target(struct run *, const struct job_type *, struct item *);
static enum verdict sql_step(struct run *, const struct job_type *, struct item *,
    const struct http_reply *, struct http_request *);
static const struct flow_carrier *sql_carrier_of(struct run *);
static enum verdict sql_failed(struct item *, bool is_uncalled);

const struct processor processor_sql = {
	.name = "sql",
	.target = sql_target,
	.step = sql_step,
	.carrier = sql_carrier_of,
	.rest = sql_carrier_rest,
};

static const char *
sql_target(struct run *r, const struct job_type *type, struct item *item)
{
	(void)r;
	return arena_format(item->memory, "sql:%s", type->target);
}

static enum verdict
sql_step(struct run *r, const struct job_type *type, struct item *item,
    const struct http_reply *reply, struct http_request *request)
{
	size_t len;
	const struct sql_call call = {
		.sql = SQL_JOB_PERFORM_CALL,
		.args = { item_text(item, JOB_ID), item_text(item, JOB_CLAIM_TOKEN), type->target,
		    job_describe(item, &len) },
		.args_count = 4,
		.what = "job",
		.is_heard = true,
		.failed = sql_failed,
	};

	(void)reply;
	(void)request;
	return sql_carry(r, item, &call);
}

static const struct flow_carrier *
sql_carrier_of(struct run *r)
{
	return sql_carrier(r->conf->job_concurrent_max);
}

static enum verdict
sql_failed(struct item *item, bool is_uncalled)
{
	return is_uncalled ? VERDICT_REFUSE : job_again(item, -1);
}
