/*
 * cron_job_org - asking the service: one request at a time, no faster than it allows.
 *
 * It allows 5 requests a second, of which one may create a job, 5 creations a minute, and so many
 * requests a day as the account has; 429 says that one was too many, and usually not for how
 * long.  A creation is never repeated by itself: the next command finds the job on the list.
 */
#include "vendors/cron_job_org.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "http/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CJO_REQUEST_MS = 30 * 1000,
	CJO_LIST_BYTES = 8 * 1024 * 1024,
	CJO_PATH_MAX = 32,
	CJO_ADDRESS_MAX = 2048,
	CJO_KEY_MAX = 4096,
	CJO_AFTER_MAX = 40,
	/* A little more than the service says: its clock is not ours. */
	CJO_SECOND_MS = 1100,
	CJO_MINUTE_MS = 61 * 1000,
	/* Where a 429 does not say for how long: first as if it was the second's limit. */
	CJO_REFUSED_MS = 2000,
	CJO_REFUSED_MS_MAX = 120 * 1000,
	CJO_TRIES = 3,
};

/* A request being made. */
struct cjo_ask {
	enum http_method method;
	const char *path;
	const json_t *job; /* NULL: no body */
	bool creates;
};

static int cjo_ask(struct cjo *, const struct cjo_ask *, struct http_reply *, struct err *);
static int cjo_try(
    struct cjo *, const struct cjo_ask *, const char *body, struct http_reply *, struct err *);
static int cjo_send(
    struct cjo *, const struct cjo_ask *, const char *body, struct http_reply *, struct err *);
static int cjo_wait(struct cjo *, int64_t ms, const char *why, struct err *);
static int64_t cjo_refused_ms(const struct http_reply *, int tries);
static int cjo_refuse(const struct http_reply *, struct err *);
static int cjo_judge(const struct http_reply *, struct err *);
static int64_t cjo_after(int64_t then_ms, int64_t pause_ms, int64_t now_ms);
static void cjo_forget(char *text);

json_t *
cjo_nodes(struct cjo *c, struct err *e)
{
	const struct cjo_ask ask = { .path = "/executor-nodes.json" };
	struct http_reply reply;

	return cjo_ask(c, &ask, &reply, e) == 0 ? cjo_read_nodes(reply.body, reply.body_len, e)
						: NULL;
}

json_t *
cjo_list(struct cjo *c, struct err *e)
{
	const struct cjo_ask ask = { .path = "/jobs" };
	struct http_reply reply;

	return cjo_ask(c, &ask, &reply, e) == 0 ? cjo_read_jobs(reply.body, reply.body_len, e)
						: NULL;
}

json_t *
cjo_get(struct cjo *c, int64_t id, struct err *e)
{
	char path[CJO_PATH_MAX];
	const struct cjo_ask ask = { .path = path };
	struct http_reply reply;

	snprintf(path, sizeof(path), "/jobs/%" PRId64, id);
	return cjo_ask(c, &ask, &reply, e) == 0 ? cjo_read_job(reply.body, reply.body_len, e)
						: NULL;
}

int64_t
cjo_create(struct cjo *c, const json_t *job, struct err *e)
{
	const struct cjo_ask ask = { HTTP_PUT, "/jobs", job, true };
	struct http_reply reply;

	return cjo_ask(c, &ask, &reply, e) == 0 ? cjo_read_id(reply.body, reply.body_len, e) : 0;
}

int
cjo_patch(struct cjo *c, int64_t id, const json_t *change, struct err *e)
{
	char path[CJO_PATH_MAX];
	const struct cjo_ask ask = { HTTP_PATCH, path, change, false };
	struct http_reply reply;

	snprintf(path, sizeof(path), "/jobs/%" PRId64, id);
	return cjo_ask(c, &ask, &reply, e);
}

int64_t
cjo_pace_wait_ms(const struct cjo_pace *pace, bool creates, int64_t now_ms)
{
	/* The oldest of each ring is the one that the next takes the place of. */
	int64_t oldest_ms = pace->requests_ms[pace->requests % CJO_REQUESTS_A_SECOND];
	int64_t wait_ms = cjo_after(oldest_ms, CJO_SECOND_MS, now_ms), more_ms;

	if (!creates || pace->creations == 0)
		return wait_ms;
	more_ms = cjo_after(pace->creations_ms[(pace->creations - 1) % CJO_CREATIONS_A_MINUTE],
	    CJO_SECOND_MS, now_ms);
	if (wait_ms < more_ms)
		wait_ms = more_ms;
	more_ms = cjo_after(
	    pace->creations_ms[pace->creations % CJO_CREATIONS_A_MINUTE], CJO_MINUTE_MS, now_ms);
	return wait_ms < more_ms ? more_ms : wait_ms;
}

void
cjo_pace_sent(struct cjo_pace *pace, bool creates, int64_t now_ms)
{
	pace->requests_ms[pace->requests++ % CJO_REQUESTS_A_SECOND] = now_ms;
	if (creates)
		pace->creations_ms[pace->creations++ % CJO_CREATIONS_A_MINUTE] = now_ms;
}

/* A ring's place that was never used holds 0. */
static int64_t
cjo_after(int64_t then_ms, int64_t pause_ms, int64_t now_ms)
{
	if (then_ms == 0 || then_ms + pause_ms <= now_ms)
		return 0;
	return then_ms + pause_ms - now_ms;
}

/* The reply lives until the next request. */
static int
cjo_ask(struct cjo *c, const struct cjo_ask *ask, struct http_reply *ret_reply, struct err *e)
{
	json_auto_t *envelope = ask->job ? json_pack("{s:O}", "job", (json_t *)ask->job) : NULL;
	char *body = envelope ? json_dumps(envelope, JSON_COMPACT) : NULL;
	int rc = cjo_try(c, ask, body, ret_reply, e);

	cjo_forget(body);
	return rc;
}

static int
cjo_try(struct cjo *c, const struct cjo_ask *ask, const char *body, struct http_reply *ret_reply,
    struct err *e)
{
	for (int tries = 1;; tries++) {
		int64_t pause_ms = cjo_pace_wait_ms(&c->pace, ask->creates, clock_mono_ms());

		if (cjo_wait(c, pause_ms, "so many requests at once as it allows", e) != 0 ||
		    cjo_send(c, ask, body, ret_reply, e) != 0)
			return -1;
		pause_ms = cjo_refused_ms(ret_reply, tries);
		if (pause_ms == 0 || pause_ms > CJO_REFUSED_MS_MAX || tries == CJO_TRIES)
			return cjo_judge(ret_reply, e);
		if (cjo_wait(c, pause_ms, "it answered 429", e) != 0)
			return -1;
	}
}

static int
cjo_send(struct cjo *c, const struct cjo_ask *ask, const char *body, struct http_reply *ret_reply,
    struct err *e)
{
	char url[CJO_ADDRESS_MAX], bearer[CJO_KEY_MAX + sizeof("Bearer ")];
	struct http_request q;
	void *owner;

	http_request_reset(&q);
	snprintf(url, sizeof(url), "%s%s", c->base_url, ask->path);
	snprintf(bearer, sizeof(bearer), "Bearer %s", c->key ? c->key : "");
	q.url = url;
	q.method = ask->method;
	q.body = body;
	q.body_len = body ? strlen(body) : 0;
	q.timeout_ms = CJO_REQUEST_MS;
	q.reply_max = CJO_LIST_BYTES;
	if (c->key)
		http_header(&q, "Authorization", bearer);
	http_header(&q, "Content-Type", "application/json");
	cjo_pace_sent(&c->pace, ask->creates, clock_mono_ms());
	c->requests++;
	http_start(c->http, &q, NULL);
	while (!http_next(c->http, ret_reply, &owner))
		http_wait(c->http, -1, 0, CJO_REQUEST_MS);
	crypto_wipe(&q, sizeof(q));
	crypto_wipe(bearer, sizeof(bearer));
	if (ret_reply->error)
		return err_set(e, ERR_UNAVAILABLE, "cron-job.org: %s", ret_reply->error);
	if (ret_reply->truncated)
		return err_set(e, ERR_UNAVAILABLE,
		    "cron-job.org's reply cannot be used: it is longer than 8 MB");
	return 0;
}

static int
cjo_wait(struct cjo *c, int64_t ms, const char *why, struct err *e)
{
	if (c->wait(c->owner, ms, why))
		return 0;
	return err_set(e, ERR_BUSY, "stopped");
}

/* How long to wait after a 429, the one of so many tries; 0 when it is none. */
static int64_t
cjo_refused_ms(const struct http_reply *reply, int tries)
{
	int64_t s;

	if (reply->status != 429)
		return 0;
	s = http_retry_after_s(reply->retry_after, clock_unix_ms() / 1000);
	if (s < 0)
		return tries == 1 ? CJO_REFUSED_MS : CJO_MINUTE_MS;
	return s > 0 ? s * 1000 : 1000;
}

static int
cjo_judge(const struct http_reply *reply, struct err *e)
{
	switch (reply->status) {
	case 200:
	case 201:
	case 204:
		return 0;
	case 401:
		return err_set(e, ERR_UNAUTHORIZED,
		    "cron-job.org refuses CRON_JOB_ORG_API_KEY (401); keys are made at "
		    "console.cron-job.org under Settings");
	case 403:
		return err_set(e, ERR_UNAUTHORIZED,
		    "cron-job.org refuses CRON_JOB_ORG_API_KEY from this address (403); its "
		    "addresses are set where the key was made");
	case 429:
		return cjo_refuse(reply, e);
	case 400:
	case 404:
	case 409:
	case 422:
		return err_set(e, ERR_BAD_REQUEST, "cron-job.org refuses it (%d)", reply->status);
	default:
		return err_set(
		    e, ERR_UNAVAILABLE, "cron-job.org answered %d; try again", reply->status);
	}
}

static int
cjo_refuse(const struct http_reply *reply, struct err *e)
{
	char after[CJO_AFTER_MAX] = "";

	if (reply->retry_after)
		text_clean(after, sizeof(after), reply->retry_after, strlen(reply->retry_after));
	return err_set(e, ERR_BUSY,
	    "cron-job.org allows no more requests for now (429%s%s); those of a day count from "
	    "00:00 UTC",
	    after[0] ? ", Retry-After: " : "", after);
}

/* A job holds a secret. */
static void
cjo_forget(char *text)
{
	if (text)
		crypto_wipe(text, strlen(text));
	free(text);
}
