/*
 * webhook-retry - delivers webhooks, new ones and failed ones alike, as they come due.
 *
 * An event fans out to its deliveries by trigger, in the transaction that inserts it.  A delivery
 * is one signed POST (Standard Webhooks 1.0.0): 2xx delivers it, 410 disables the endpoint, and
 * all else is tried again by the schedule until the tries are used up; then it is a dead letter.
 *
 * Tables: webhook_deliveries, webhook_attempts, app_webhooks, platform_events.
 * SQL: sql/webhook_retry.sql.  Tests: tests/integration/webhook_retry.test.mjs.
 */
#include "base/conf.h"
#include "base/crypto.h"
#include "base/text.h"
#include "engine/backoff.h"
#include "engine/flow.h"
#include "engine/item_secret.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "http/echo.h"
#include "http/row_headers.h"
#include "http/sign.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STATUS_GONE = 410,
	REPLY_EXCERPT_MAX = 512,
};

/* Columns of the claim, in the order of webhook_flow.columns. */
enum {
	COLUMN_ID,
	COLUMN_OWNER,
	COLUMN_URL,
	COLUMN_ATTEMPTS,
	COLUMN_IS_ACTIVE,
	COLUMN_SECRET,
	COLUMN_PREVIOUS_SECRET,
	COLUMN_HEADERS,
	COLUMN_BODY,
};

static int webhook_retry_work(struct run *);
static void webhook_retry_reply(const struct run *, json_t *);
static enum verdict webhook_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static enum verdict webhook_request(struct run *, struct item *, struct http_request *);
static enum verdict webhook_keys(struct run *, struct item *, struct sign_keys *);
static enum verdict webhook_judge(struct run *, struct item *, const struct http_reply *);
static void webhook_excerpt(
    struct run *, struct item *, const struct http_reply *, char ret[static REPLY_EXCERPT_MAX]);
static enum verdict webhook_again(struct run *, struct item *, const struct http_reply *);

const struct worker worker_webhook_retry = {
	.name = "webhook-retry",
	.summary = "deliver webhooks that are due, new and failed alike",
	.schedule = "*/5 * * * *",
	.work = webhook_retry_work,
	.reply = webhook_retry_reply,
};

static const struct flow webhook_flow = {
	.claim = SQL_WEBHOOK_RETRY_CLAIM,
	.claim_suspect = SQL_WEBHOOK_RETRY_CLAIM_SUSPECT,
	.bury = SQL_WEBHOOK_RETRY_BURY,
	.is_left = SQL_WEBHOOK_RETRY_IS_LEFT,
	.settle = SQL_WEBHOOK_RETRY_SETTLE,
	.settles = {
		SETTLE_ID,
		SETTLE_TOKEN,
		SETTLE_OWNER,
		SETTLE_VERDICT,
		SETTLE_RETRY_MS,
		SETTLE_STATUS,
		SETTLE_ERROR,
		SETTLE_NAME_LOOKUP_MS,
		SETTLE_CONNECT_MS,
		SETTLE_TLS_MS,
		SETTLE_FIRST_BYTE_MS,
		SETTLE_TOTAL_MS,
	},
	.release = SQL_WEBHOOK_RETRY_RELEASE,
	.columns = {
		[COLUMN_ID] = "id",
		[COLUMN_OWNER] = "owner",
		[COLUMN_URL] = "target",
		[COLUMN_ATTEMPTS] = "attempts",
		[COLUMN_IS_ACTIVE] = "is_active",
		[COLUMN_SECRET] = "secret",
		[COLUMN_PREVIOUS_SECRET] = "previous_secret",
		[COLUMN_HEADERS] = "headers",
		[COLUMN_BODY] = "body",
	},
	.step = webhook_step,
};

static int
webhook_retry_work(struct run *r)
{
	const struct conf *c = r->conf;
	char disable_after_h[24];
	const struct flow_limits limits = {
		.batch_size = c->webhook_batch_size,
		.inflight_max = c->webhook_concurrent_max,
		.inflight_host_max = c->webhook_host_concurrent_max,
		.items_max = c->webhook_run_max,
		.timeout_ms = run_item_timeout_ms(r, c->webhook_timeout_s),
		.settle_args = { disable_after_h },
		.settle_args_count = 1,
	};

	snprintf(disable_after_h, sizeof disable_after_h, "%" PRId64, c->webhook_disable_after_h);

	sealed_columns_close(r, SEALED_WEBHOOK_SECRET, SEALED_WEBHOOK_PREVIOUS);
	return flow_run(r, &webhook_flow, &limits);
}

static void
webhook_retry_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "retried", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
	json_object_set_new(body, "message",
	    json_sprintf(
		"%lld webhook%s retried", (long long)r->processed, r->processed == 1 ? "" : "s"));
}

static enum verdict
webhook_step(
    struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	return reply ? webhook_judge(r, item, reply) : webhook_request(r, item, q);
}

/* What cannot be sent, since its row is at fault and not its receiver, is dead at once. */
static enum verdict
webhook_request(struct run *r, struct item *item, struct http_request *q)
{
	const char *body = item_text(item, COLUMN_BODY);
	struct sign_keys keys = { .count = 0 };
	struct err e = { .code = ERR_OK };
	enum verdict verdict;

	if (item_text(item, COLUMN_IS_ACTIVE)[0] != 't')
		return VERDICT_PARK;
	if (!body) {
		item_fail(item, "the event was deleted before it could be delivered");
		return VERDICT_DEAD;
	}
#ifdef CRONWARD_TEST_POISON
	/* A row that kills its process, for the tests; no other build has this. */
	if (strstr(body, "cronward-test-abort"))
		abort();
#endif
	q->url = item_text(item, COLUMN_URL);
	q->body = body;
	q->body_len = strlen(body);
	http_header(q, "content-type", "application/json");
	verdict = webhook_keys(r, item, &keys);
	if (verdict == VERDICT_SEND)
		sign_request(&keys, item_text(item, COLUMN_ID), run_db_now_s(r), q);
	crypto_wipe(&keys, sizeof keys);
	if (verdict != VERDICT_SEND)
		return verdict;
	if (row_headers_add(q, item_text(item, COLUMN_HEADERS), NULL, &e) != 0) {
		item_fail(item, "the endpoint's %s", e.message);
		return VERDICT_DEAD;
	}
	return VERDICT_SEND;
}

/* The keys to sign with: the secret's and, while it is rotated, its predecessor's. */
static enum verdict
webhook_keys(struct run *r, struct item *item, struct sign_keys *keys)
{
	const char *owner = item_text(item, COLUMN_OWNER);
	const char *previous = item_text(item, COLUMN_PREVIOUS_SECRET);
	const struct item_secret now = { SEALED_WEBHOOK_SECRET, owner,
		item_text(item, COLUMN_SECRET), "the endpoint" };
	const struct item_secret before = { SEALED_WEBHOOK_PREVIOUS, owner, previous,
		"the endpoint" };
	enum verdict verdict = item_secret_key(r, item, &now, keys);

	if (verdict == VERDICT_SEND && previous && *previous)
		verdict = item_secret_key(r, item, &before, keys);
	return verdict;
}

static enum verdict
webhook_judge(struct run *r, struct item *item, const struct http_reply *reply)
{
	char excerpt[REPLY_EXCERPT_MAX];

	if (reply->status / 100 == 2)
		return VERDICT_DONE;
	if (reply->status == 0 && reply->is_ours)
		return item_hold(item, reply->error);
	if (reply->status == 0) {
		item_fail(item, "%s", reply->error);
		return reply->refused ? VERDICT_DEAD : webhook_again(r, item, reply);
	}
	webhook_excerpt(r, item, reply, excerpt);
	item_fail(item, "HTTP %d%s%s", reply->status, *excerpt ? ": " : "", excerpt);
	if (reply->status == STATUS_GONE) {
		/* Settling disables the endpoint; this delivery waits with its others. */
		item->retry_ms = 0;
		return VERDICT_RETRY;
	}
	return webhook_again(r, item, reply);
}

/* The beginning of what the receiver said, without secrets that it repeats. */
static void
webhook_excerpt(struct run *r, struct item *item, const struct http_reply *reply,
    char ret[static REPLY_EXCERPT_MAX])
{
	/* More than is kept: what is cut off in the middle would not be known. */
	char clean[4 * REPLY_EXCERPT_MAX];

	text_clean(clean, sizeof clean, reply->body, reply->body_len);
	echo_hide_signatures(clean);
	sealed_hide(item->memory, r->keyring, &sealed_columns[SEALED_WEBHOOK_SECRET],
	    item_text(item, COLUMN_OWNER), item_text(item, COLUMN_SECRET), clean);
	sealed_hide(item->memory, r->keyring, &sealed_columns[SEALED_WEBHOOK_PREVIOUS],
	    item_text(item, COLUMN_OWNER), item_text(item, COLUMN_PREVIOUS_SECRET), clean);
	row_headers_hide(clean, item_text(item, COLUMN_HEADERS));
	text_clean(ret, REPLY_EXCERPT_MAX, clean, strlen(clean));
}

static enum verdict
webhook_again(struct run *r, struct item *item, const struct http_reply *reply)
{
	const struct conf *c = r->conf;
	const struct backoff backoff = {
		.first_s = c->webhook_backoff_base,
		.factor = c->webhook_backoff_base,
		.cap_s = BACKOFF_RETRY_AFTER_MAX_S,
		.schedule_s = c->webhook_schedule_s,
		.schedule_count = (size_t)c->webhook_schedule_count,
	};
	int64_t failures = strtoll(item_text(item, COLUMN_ATTEMPTS), NULL, 10) + 1;

	if (failures > c->webhook_retries_max)
		return VERDICT_DEAD;
	item->retry_ms =
	    backoff_ms(&backoff, failures, http_retry_after_s(reply->retry_after, run_db_now_s(r)));
	return VERDICT_RETRY;
}
