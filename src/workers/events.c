/*
 * events - processes inbound events: once when they come, and again by the schedule while they
 * fail.
 *
 * pending -> processing -> processed or failed; what has used up its tries is failed and archived.
 * The first handler that fits an event says what is done with it (event_handlers): a function of
 * the database runs once, in the transaction that says so; or an application gets it as it came.
 *
 * Tables: webhook_events, whatsapp_webhook_logs, event_handlers.
 * SQL: sql/events.sql, and the functions and triggers of migration 0015.
 * Tests: tests/integration/events.test.mjs.
 */
#include "workers/events.h"

#include "base/arena.h"
#include "base/conf.h"
#include "engine/backoff.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "processors/sql_carrier.h"
#include "workers/event_forward.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EVENT_TIMEOUT_S = 10, /* of handlers that say none */
	EVENT_WAIT_MAX_MS = 8000,
	EVENT_NEW_BATCH = 64,
	EVENT_NEW_POLL_MS = 40,
	EVENT_NEW_LINGER_MS = 1000,
	EVENT_POOL_SMALL = 2, /* processes of which none stays longer than it must */
};

/* Of the run under way; a process has one at a time. */
struct event_run {
	struct run *run;
	enum event_source source;
};

static const char *event_target(struct run *, struct item *, const struct flow_carrier **);
static enum verdict event_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static enum verdict event_perform(struct run *, struct item *);
static enum verdict event_function_failed(struct item *, bool is_uncalled);
static bool event_is_performed(const struct item *);

#define EVENT_FLOW(SOURCE)                                                                         \
	{                                                                                          \
		.is_laned = true, .look = SQL_EVENTS_##SOURCE##_LOOK,                              \
		.claim = SQL_EVENTS_##SOURCE##_CLAIM, .bury = SQL_EVENTS_##SOURCE##_BURY,          \
		.settle = SQL_EVENTS_##SOURCE##_SETTLE,                                            \
		.settles = { SETTLE_ID, SETTLE_TOKEN, SETTLE_VERDICT, SETTLE_RETRY_MS,             \
			SETTLE_ERROR, SETTLE_EFFECT },                                             \
		.release = SQL_EVENTS_##SOURCE##_RELEASE,                                          \
		.columns = { [EVENT_ID] = "id",                                                    \
			[EVENT_PROVIDER] = "provider",                                             \
			[EVENT_EVENT_ID] = "event_id",                                             \
			[EVENT_TYPE] = "type",                                                     \
			[EVENT_ATTEMPTS] = "attempts",                                             \
			[EVENT_TOKEN] = "claim_token",                                             \
			[EVENT_PERFORMED] = "is_performed",                                        \
			[EVENT_HANDLER] = "handler",                                               \
			[EVENT_ACTION] = "action",                                                 \
			[EVENT_SECRET] = "secret",                                                 \
			[EVENT_HEADERS] = "headers",                                               \
			[EVENT_CAME_WITH] = "came_with",                                           \
			[EVENT_BODY] = "body",                                                     \
			[EVENT_PAYLOAD] = "payload" },                                             \
		.target = event_target, .step = event_step,                                        \
	}

static const struct flow event_flows[EVENTS__MAX] = {
	[EVENTS_WEBHOOK] = EVENT_FLOW(WEBHOOK),
	[EVENTS_WEBHOOK_NEW] = EVENT_FLOW(WEBHOOK_NEW),
	[EVENTS_WHATSAPP] = EVENT_FLOW(WHATSAPP),
	[EVENTS_WHATSAPP_NEW] = EVENT_FLOW(WHATSAPP_NEW),
};

static const enum sql_id event_performs[EVENTS__MAX] = {
	[EVENTS_WEBHOOK] = SQL_EVENTS_WEBHOOK_PERFORM,
	[EVENTS_WEBHOOK_NEW] = SQL_EVENTS_WEBHOOK_NEW_PERFORM,
	[EVENTS_WHATSAPP] = SQL_EVENTS_WHATSAPP_PERFORM,
	[EVENTS_WHATSAPP_NEW] = SQL_EVENTS_WHATSAPP_NEW_PERFORM,
};

static struct event_run event_run;

int
events_work(struct run *r, enum event_source source)
{
	const struct conf *c = r->conf;
	bool is_new = source == EVENTS_WEBHOOK_NEW || source == EVENTS_WHATSAPP_NEW;
	bool lingers = is_new && c->pool_inbound > EVENT_POOL_SMALL;
	char timeout_s[24], retries_max[24];
	const struct flow_limits limits = {
		.batch_size = is_new ? EVENT_NEW_BATCH : c->event_batch_size,
		.inflight_max = c->event_concurrent_max,
		.inflight_host_max = c->event_concurrent_max,
		.items_max = is_new ? 0 : c->event_run_max,
		.timeout_ms = run_item_timeout_ms(r, EVENT_TIMEOUT_S),
		.wait_max_ms = EVENT_WAIT_MAX_MS,
		.poll_ms = lingers ? EVENT_NEW_POLL_MS : 0,
		.linger_ms = EVENT_NEW_LINGER_MS,
		.claim_args = { timeout_s },
		.claim_args_count = 1,
		.settle_args = { retries_max },
		.settle_args_count = 1,
	};
	int rc;

	snprintf(timeout_s, sizeof timeout_s, "%" PRId64, limits.timeout_ms / 1000);
	snprintf(retries_max, sizeof retries_max, "%" PRId64, c->event_retries_max);
	event_run = (struct event_run){ .run = r, .source = source };
	sealed_columns_close(r, SEALED_EVENT_HANDLER_SECRET, SEALED_EVENT_HANDLER_SECRET);
	rc = flow_run(r, &event_flows[source], &limits);
	sql_carrier_rest();
	return rc;
}

enum verdict
event_again(struct item *item, int64_t retry_after_s)
{
	const struct conf *c = event_run.run->conf;
	const struct backoff backoff = {
		.first_s = c->event_retry_first_min * 60,
		.factor = 2,
		.cap_s = c->event_retry_max_min * 60,
	};
	int64_t failures = strtoll(item_text(item, EVENT_ATTEMPTS), NULL, 10) + 1;

	if (failures > c->event_retries_max) {
		item_fail(item, "%.*s; given up after %" PRId64 " %s", ITEM_ERROR_MAX - 64,
		    item->error, c->event_retries_max,
		    c->event_retries_max == 1 ? "retry" : "retries");
		return VERDICT_DEAD;
	}
	item->retry_ms = backoff_ms(&backoff, failures, retry_after_s);
	return VERDICT_RETRY;
}

/* What is not to be carried out at all needs no place of its own: any name will do. */
static const char *
event_target(struct run *r, struct item *item, const struct flow_carrier **ret_carrier)
{
	const char *action = item_text(item, EVENT_ACTION);

	*ret_carrier = NULL;
	if (!action || event_is_performed(item))
		return "";
	if (event_is_forwarded(action))
		return action;
	*ret_carrier = sql_carrier(r->conf->event_concurrent_max);
	return arena_format(item->memory, "sql:%s", action);
}

static enum verdict
event_step(struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	const char *action = item_text(item, EVENT_ACTION);

	if (event_is_performed(item))
		return VERDICT_DONE;
	if (!action) {
		item->effect = "unhandled";
		return VERDICT_DONE;
	}
	if (event_is_forwarded(action))
		return event_forward_step(r, item, reply, q);
	return event_perform(r, item);
}

static enum verdict
event_perform(struct run *r, struct item *item)
{
	const struct sql_call call = {
		.sql = event_performs[event_run.source],
		.args = { item_text(item, EVENT_ID), item_text(item, EVENT_TOKEN),
		    item_text(item, EVENT_ACTION) },
		.args_count = 3,
		.what = "event",
		.failed = event_function_failed,
	};

	return sql_carry(r, item, &call);
}

/* A function that is missing may be on its way: it is tried again like any that fails. */
static enum verdict
event_function_failed(struct item *item, bool is_uncalled)
{
	(void)is_uncalled;
	return event_again(item, -1);
}

static bool
event_is_performed(const struct item *item)
{
	return *item_text(item, EVENT_PERFORMED) == 't';
}
