/*
 * http - posts a job to the URL of its type, and takes the reply for its result.
 *
 * The body is what job_describe() says, signed like a webhook (Standard Webhooks 1.0.0) where the
 * type has a secret; the id of the message is the job's, so it stays the same over tries.  2xx
 * completes the job with the reply as its result, 202 leaves it to a callback, 410 fails it for
 * good, and all else is tried again.
 *
 * Tests: tests/integration/processor_http.test.mjs.
 */
#include "base/callback_token.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "base/text.h"
#include "engine/item_secret.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "http/echo.h"
#include "http/row_headers.h"
#include "http/sign.h"
#include "processors/processor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STATUS_ACCEPTED = 202,
	STATUS_GONE = 410,
	POST_EXCERPT_MAX = 512,
	POST_NUMBER_MAX = 24,
	POST_URL_MAX = 512,
};

static const char *post_target(struct run *, const struct job_type *, struct item *);
static enum verdict post_step(struct run *, const struct job_type *, struct item *,
    const struct http_reply *, struct http_request *);
static enum verdict post_request(
    struct run *, const struct job_type *, struct item *, struct http_request *);
static enum verdict post_sign(
    struct run *, const struct job_type *, struct item *, struct http_request *);
static void post_add_callback(struct run *, struct item *, struct http_request *);
static bool post_token(struct run *, struct item *, char ret[static CALLBACK_TOKEN_MAX]);
static enum verdict post_judge(
    struct run *, const struct job_type *, struct item *, const struct http_reply *);
static enum verdict post_done(struct run *, struct item *, const struct http_reply *);
static void post_excerpt(struct run *, const struct job_type *, struct item *,
    const struct http_reply *, char ret[static POST_EXCERPT_MAX]);

/* Not a type's to set. */
static const char *const post_headers[] = { "idempotency-key", "cronward-attempt",
	CALLBACK_TOKEN_HEADER, "cronward-callback-url", NULL };

const struct processor processor_http = {
	.name = "http",
	.target = post_target,
	.step = post_step,
};

static const char *
post_target(struct run *r, const struct job_type *type, struct item *item)
{
	(void)r;
	(void)item;
	return type->target;
}

static enum verdict
post_step(struct run *r, const struct job_type *type, struct item *item,
    const struct http_reply *reply, struct http_request *q)
{
	return reply ? post_judge(r, type, item, reply) : post_request(r, type, item, q);
}

/* What cannot be sent, since its type is at fault and not its receiver, is dead at once. */
static enum verdict
post_request(struct run *r, const struct job_type *type, struct item *item, struct http_request *q)
{
	const char *attempts = item_text(item, JOB_ATTEMPTS);
	struct err e = { .code = ERR_OK };
	char attempt[POST_NUMBER_MAX];
	enum verdict verdict;

	q->url = type->target;
	q->body = job_describe(item, &q->body_len);
	http_header(q, "content-type", "application/json");
	http_header(q, "idempotency-key", item_text(item, JOB_ID));
	snprintf(attempt, sizeof attempt, "%" PRId64, (int64_t)strtoll(attempts, NULL, 10) + 1);
	http_header(q, "cronward-attempt", attempt);
	post_add_callback(r, item, q);
	verdict = post_sign(r, type, item, q);
	if (verdict != VERDICT_SEND)
		return verdict;
	if (row_headers_add(q, type->headers, post_headers, &e) != 0) {
		item_fail(item, "the type's %s", e.message);
		return VERDICT_DEAD;
	}
	return VERDICT_SEND;
}

/*
 * A type without a secret is posted unsigned: its receiver may know its caller by a header of the
 * type's, or by where it stands.
 */
static enum verdict
post_sign(struct run *r, const struct job_type *type, struct item *item, struct http_request *q)
{
	const struct item_secret secret = { SEALED_JOB_TYPE_SECRET, type->name, type->secret,
		"the type" };
	struct sign_keys keys = { .count = 0 };
	enum verdict verdict;

	if (!type->secret || !*type->secret)
		return VERDICT_SEND;
	verdict = item_secret_key(r, item, &secret, &keys);
	if (verdict == VERDICT_SEND)
		sign_request(&keys, item_text(item, JOB_ID), run_db_now_s(r), q);
	crypto_wipe(&keys, sizeof keys);
	return verdict;
}

/* With each try, since only the receiver knows that it will answer 202. */
static void
post_add_callback(struct run *r, struct item *item, struct http_request *q)
{
	char token[CALLBACK_TOKEN_MAX], url[POST_URL_MAX];

	if (!post_token(r, item, token))
		return;
	http_header(q, CALLBACK_TOKEN_HEADER, token);
	crypto_wipe(token, sizeof token);
	if (r->conf->app_url && snprintf(url, sizeof url, "%s/api/jobs/%s", r->conf->app_url,
				    item_text(item, JOB_ID)) < (int)sizeof url)
		http_header(q, "cronward-callback-url", url);
}

static bool
post_token(struct run *r, struct item *item, char ret[static CALLBACK_TOKEN_MAX])
{
	return callback_token_make(conf_secret_as_read(r->conf, SECRET_WORKER_TOKEN),
	    item_text(item, JOB_ID), item_text(item, JOB_CLAIM_TOKEN), ret);
}

/*
 * 4xx is tried again like any failure: a receiver that is being deployed, or whose key was just
 * changed, answers 401 or 404 for a while, and tries are few and far between.  410 alone says that
 * it is for good.
 */
static enum verdict
post_judge(
    struct run *r, const struct job_type *type, struct item *item, const struct http_reply *reply)
{
	char excerpt[POST_EXCERPT_MAX];

	if (reply->status / 100 == 2)
		return post_done(r, item, reply);
	if (reply->status == 0 && reply->is_ours)
		return item_hold(item, reply->error);
	if (reply->status == 0) {
		item_fail(item, "%s", reply->error);
		return reply->refused ? VERDICT_DEAD : job_again(item, -1);
	}
	post_excerpt(r, type, item, reply, excerpt);
	item_fail(item, "HTTP %d%s%s%s", reply->status,
	    reply->status / 100 == 3 ? " (redirects are not followed)" : "", *excerpt ? ": " : "",
	    excerpt);
	if (reply->status == STATUS_GONE)
		return VERDICT_DEAD;
	return job_again(item, http_retry_after_s(reply->retry_after, run_db_now_s(r)));
}

/* Without a token nobody could call back: then 202 is as good as 200. */
static enum verdict
post_done(struct run *r, struct item *item, const struct http_reply *reply)
{
	char token[CALLBACK_TOKEN_MAX];

	if (reply->status == STATUS_ACCEPTED && post_token(r, item, token)) {
		crypto_wipe(token, sizeof token);
		item->retry_ms = r->conf->job_callback_s * 1000;
		return VERDICT_AWAIT;
	}
	item->result = job_result(item, reply->body, reply->body_len);
	return VERDICT_DONE;
}

/* The beginning of what the receiver said, without secrets that it repeats. */
static void
post_excerpt(struct run *r, const struct job_type *type, struct item *item,
    const struct http_reply *reply, char ret[static POST_EXCERPT_MAX])
{
	/* More than is kept: what is cut off in the middle would not be known. */
	char clean[4 * POST_EXCERPT_MAX], token[CALLBACK_TOKEN_MAX];

	text_clean(clean, sizeof clean, reply->body, reply->body_len);
	echo_hide_signatures(clean);
	sealed_hide(item->memory, r->keyring, &sealed_columns[SEALED_JOB_TYPE_SECRET], type->name,
	    type->secret, clean);
	if (post_token(r, item, token))
		echo_hide(clean, token);
	crypto_wipe(token, sizeof token);
	row_headers_hide(clean, type->headers);
	text_clean(ret, POST_EXCERPT_MAX, clean, strlen(clean));
}
