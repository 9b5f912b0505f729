/*
 * flow_work - a worker whose items go on, for tests of the flow.
 *
 * At each step it is checked that the turn before was committed, and that the lease lasts for
 * longer than this one may take; in the end, that whatever began was forgotten once.
 */
#ifndef CRONWARD_TESTS_UNIT_FLOW_WORK_H
#define CRONWARD_TESTS_UNIT_FLOW_WORK_H

#include "flow_world.h"

enum {
	RUN_MS = 60000,
};

/* What the worker hangs on an item. */
struct work {
	struct table_row *row;
	int turn;
};

static struct run run;
static struct conf conf;

static const char *
work_target(struct run *r, struct item *item, const struct flow_carrier **ret_carrier)
{
	const char *url = table_find(item_text(item, 0))->url;

	(void)r;
	*ret_carrier = NULL;
	return url ? url : "http://a/";
}

/* ["A",1,"xxx"], of the length that the row wants. */
static void
work_fill_bulk(struct item *item, const struct work *work)
{
	size_t len = work->row->bulk_len;
	char *bulk = arena_alloc(item->memory, len + 64);
	int start = snprintf(bulk, 64, "[\"%s\",%d,\"", work->row->name, work->turn);

	memset(bulk + start, 'x', len);
	memcpy(bulk + start + len, "\"]", 3);
	item->bulk = bulk;
	item->bulk_len = (size_t)start + len + 2;
}

static enum verdict
work_step(struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	struct work *work = (struct work *)(uintptr_t)item->kind;
	struct table_row *row = table_find(item_text(item, 0));

	(void)r;
	if (!reply) {
		if (!work)
			item->kind = work = mem_zero(1, sizeof *work);
		work->row = row;
		row->began += work->turn == 0;
		assert_int_equal(row->written, work->turn);
		assert_true(row->lease_ends_ms >= table.now_ms + item->timeout_ms);
		assert_true(!item->bulk && !item->error && item->retry_ms == 0);
		text_add_format(&table.steps, "%s%d ", row->name, ++work->turn);
		q->url = arena_text(item->memory, "http://a/");
		return VERDICT_SEND;
	}
	if (!row->is_bare)
		work_fill_bulk(item, work);
	item->retry_ms = row->rest_ms;
	return work->turn < row->turns ? VERDICT_GO_ON : VERDICT_DONE;
}

static void
work_forget(struct run *r, struct item *item)
{
	table_find(item_text(item, 0))->forgotten++;
	assert_ptr_equal(r, &run);
	free((void *)(uintptr_t)item->kind);
}

static const struct flow work_flow = {
	.is_laned = true,
	.goes_on = true,
	.look = SQL_JOB_QUEUE_LOOK,
	.claim = SQL_JOB_QUEUE_CLAIM,
	.bury = SQL_JOB_QUEUE_BURY,
	.settle = SQL_JOB_QUEUE_SETTLE,
	.settles = { SETTLE_ID, SETTLE_TOKEN, SETTLE_VERDICT, SETTLE_BULK },
	.release = SQL_JOB_QUEUE_RELEASE,
	.columns = { "id" },
	.target = work_target,
	.step = work_step,
	.forget = work_forget,
};

/* Moves ${rows} with ${places} under way; each that began is forgotten once in the end. */
static int
work(const struct table_row *rows, int count, struct flow_limits limits, int places)
{
	char lease_s[24];
	int rc;

	snprintf(lease_s, sizeof lease_s, "%d", (int)flow_lease_more_s(&limits));
	if (limits.batch_size == 0)
		limits.batch_size = TABLE_ROWS_MAX;
	limits.inflight_max = limits.inflight_host_max = places + 1;
	limits.timeout_ms = TABLE_TIMEOUT_S * 1000;
	limits.settle_args[0] = lease_s;
	limits.settle_args_count = 1;
	table.rows_count = count;
	memcpy(table.rows, rows, (size_t)count * sizeof *rows);
	for (int i = 0; i < count; i++)
		snprintf(
		    table.rows[i].id, TABLE_ID_MAX, "00000000-0000-4000-8000-%012d", count - i);
	rc = flow_run(&run, &work_flow, &limits);
	for (int i = 0; i < count; i++)
		assert_int_equal(table.rows[i].forgotten, table.rows[i].began);
	/* What the flow has opened it has closed. */
	assert_int_equal(table.links_count, 1);
	assert_int_equal(table.in_the_air, 0);
	return rc;
}

static int
table_make(void **state)
{
	(void)state;
	table = (struct table){ .now_ms = 1000000 };
	conf.run_budget_s = RUN_MS / 1000;
	run = (struct run){
		.worker = &table_worker,
		.conf = &conf,
		.db = db_create(&conf),
		.arena = arena_create(),
		.budget_ms = RUN_MS,
		.mono_began_ms = table.now_ms,
		.soft_end_ms = table.now_ms + RUN_MS,
		.hard_end_ms = table.now_ms + RUN_MS + RUN_HARD_END_MS,
	};
	text_reset(&table.steps);
	text_reset(&table.settled);
	return db_connect(run.db, &run.err);
}

static int
table_end(void **state)
{
	(void)state;
	text_finish(&table.steps);
	text_finish(&table.settled);
	db_destroy(run.db);
	arena_destroy(run.arena);
	return 0;
}

#endif
