/*
 * handle_callback - a processor that answered 202 reports: progress, the end, or a failure.
 *
 * What it proves is the token of its claim (base/callback_token.h), which is judged before the
 * database is asked anything.  Every statement is fenced by the claim: a job that was taken from
 * its processor is nobody's but the next one's.  An end is written by the statement that every run
 * settles with, so that it means the same.
 */
#include "base/callback_token.h"
#include "base/conf.h"
#include "base/secret.h"
#include "base/text.h"
#include "engine/backoff.h"
#include "engine/flow.h"
#include "gateway/call.h"
#include "gateway/filter.h"
#include "gateway/handle.h"
#include "gateway/jobs.h"
#include "processors/processor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CALLBACK_MESSAGE_MAX = 4000, /* characters of a line of the log */
	CALLBACK_NUMBER_MAX = 24,
	CALLBACK_SETTLE_ARGS = 12,
};

/* A report on its way. */
struct callback {
	char job[CRYPTO_UUID_TEXT_MAX], claim[CRYPTO_UUID_TEXT_MAX];
	int64_t attempts, attempts_max;
	char took_ms[CALLBACK_NUMBER_MAX];
	bool is_cancelled;
};

/* How it ended. */
struct callback_end {
	const char *verdict; /* as the settle statement has them */
	const char *status;  /* the job's, then */
	int64_t retry_ms;
	const char *error, *stack, *result;
};

static int callback_admit(struct call *, struct callback *);
static const char *callback_shown(const struct request *, size_t *ret_len);
static int callback_state(struct call *, struct callback *);
static int callback_over(struct call *);
static void callback_cancelled(struct call *);
static void callback_settle(struct call *, struct callback *, const struct callback_end *);
static int callback_settle_query(struct call *, struct callback *, const struct callback_end *);
static int fail_read(struct call *, const json_t *, const struct callback *, struct callback_end *);
static int fail_read_text(
    struct call *, const json_t *, const char *name, size_t max, const char **ret_text);
static int progress_read(struct call *, const json_t *, char number[static CALLBACK_NUMBER_MAX]);

void
handle_job_progress(struct call *c)
{
	static const char *const keys[] = { "progress", "message", "data", NULL };
	char number[CALLBACK_NUMBER_MAX], lease_s[CALLBACK_NUMBER_MAX];
	const char *message = NULL;
	struct callback cb;
	PGresult *rows;

	if (callback_admit(c, &cb) != 0)
		return;
	json_auto_t *body = jobs_body(c, keys);

	if (!body || progress_read(c, body, number) != 0 ||
	    fail_read_text(c, body, "message", CALLBACK_MESSAGE_MAX, &message) != 0)
		return;
	char *data = json_dumps(json_object_get(body, "data"), JSON_COMPACT | JSON_ENCODE_ANY);

	snprintf(lease_s, sizeof(lease_s), "%lld", (long long)c->gateway->conf->job_callback_s);
	rows = jobs_query(c, SQL_JOBS_CALLBACK_PROGRESS,
	    DB_ARGS(cb.job, cb.claim, number[0] ? number : NULL, message, data, lease_s));
	free(data);
	if (!rows)
		return;
	if (PQntuples(rows) == 0)
		callback_over(c);
	else if (db_bool(rows, 0, "is_cancelled"))
		callback_cancelled(c);
	else
		reply_json(&c->reply, c->gateway->arena, 200,
		    json_pack("{sbsIss}", "success", 1, "progress",
			(json_int_t)db_number(rows, 0, "progress"), "lease_until",
			db_text(rows, 0, "lease_until")));
	PQclear(rows);
}

void
handle_job_complete(struct call *c)
{
	static const char *const keys[] = { "result", NULL };
	struct callback_end end = { .verdict = "done", .status = "completed" };
	struct callback cb;

	if (callback_admit(c, &cb) != 0)
		return;
	json_auto_t *body = jobs_body(c, keys);

	if (!body || callback_state(c, &cb) != 0)
		return;
	char *result = json_dumps(json_object_get(body, "result"), JSON_COMPACT | JSON_ENCODE_ANY);

	end.result = result;
	callback_settle(c, &cb, &end);
	free(result);
}

void
handle_job_fail(struct call *c)
{
	static const char *const keys[] = { "error", "stack", "retry", "retry_after_s", NULL };
	struct callback_end end = { .verdict = "dead", .status = "failed" };
	struct callback cb;

	if (callback_admit(c, &cb) != 0)
		return;
	json_auto_t *body = jobs_body(c, keys);

	if (body && callback_state(c, &cb) == 0 && fail_read(c, body, &cb, &end) == 0)
		callback_settle(c, &cb, &end);
}

/* Whether the caller has the token of a claim of this job; an unknown job is like a wrong token. */
static int
callback_admit(struct call *c, struct callback *cb)
{
	const struct secret *secret = conf_secret(c->gateway->conf, SECRET_WORKER_TOKEN);
	size_t len = 0;
	const char *shown = callback_shown(&c->request, &len);

	*cb = (struct callback){ .attempts = 0 };
	if (secret_state(secret) != SECRET_USABLE) {
		err_set(&c->err, ERR_NOT_CONFIGURED,
		    "This route is closed: its secret is not configured");
		return call_deny(c);
	}
	if (text_is_uuid(c->rest))
		for (size_t i = 0; i < sizeof(cb->job) - 1; i++)
			cb->job[i] = (char)tolower((unsigned char)c->rest[i]);
	if (!shown || !cb->job[0] ||
	    !callback_token_claim(secret, cb->job, shown, len, cb->claim)) {
		err_set(&c->err, ERR_UNAUTHORIZED, "Unauthorized");
		return call_deny(c);
	}
	return 0;
}

/* As a bearer, or in the header that it came with; NULL where there is none, or two that differ. */
static const char *
callback_shown(const struct request *q, size_t *ret_len)
{
	static const char *const names[] = { "HTTP_AUTHORIZATION", "HTTP_CRONWARD_CALLBACK_TOKEN" };
	static const char scheme[] = "Bearer ";
	const char *shown = NULL, *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t position = 0;

		while ((value = request_each(q, names[i], &position))) {
			if (i == 0 && !text_has_prefix_nocase(value, scheme))
				return NULL;
			value += i == 0 ? sizeof(scheme) - 1 : 0;
			value += strspn(value, " \t");
			if (shown && strcmp(shown, value) != 0)
				return NULL;
			shown = value;
		}
	}
	*ret_len = shown ? strcspn(shown, " \t") : 0;
	return shown;
}

static int
callback_state(struct call *c, struct callback *cb)
{
	PGresult *rows = jobs_query(c, SQL_JOBS_CALLBACK_STATE, DB_ARGS(cb->job, cb->claim));

	if (!rows)
		return -1;
	if (PQntuples(rows) == 0) {
		PQclear(rows);
		return callback_over(c);
	}
	cb->attempts = db_number(rows, 0, "attempts");
	cb->attempts_max = db_number(rows, 0, "max_attempts");
	cb->is_cancelled = db_bool(rows, 0, "is_cancelled");
	snprintf(
	    cb->took_ms, sizeof(cb->took_ms), "%lld", (long long)db_number(rows, 0, "took_ms"));
	PQclear(rows);
	return 0;
}

static int
callback_over(struct call *c)
{
	return err_set(&c->err, ERR_CONFLICT,
	    "This claim of the job is over: it has ended, or its time ran out and somebody else "
	    "has it");
}

/* A conflict that says what a processor is to do about it. */
static void
callback_cancelled(struct call *c)
{
	struct err e = { .code = ERR_OK };
	json_t *body;

	err_set(&e, ERR_CONFLICT, "Somebody asked to cancel this job: stop working on it");
	body = reply_err_body(&e, NULL);
	json_object_set_new(body, "cancel_requested", json_true());
	reply_json(&c->reply, c->gateway->arena, err_info[e.code].status, body);
}

/* What was to be cancelled is cancelled, however it ended. */
static void
callback_settle(struct call *c, struct callback *cb, const struct callback_end *end)
{
	static const struct callback_end cancelled = { .verdict = "cancel", .status = "cancelled" };
	json_t *body;

	if (callback_settle_query(c, cb, cb->is_cancelled ? &cancelled : end) != 0)
		return;
	if (cb->is_cancelled) {
		callback_cancelled(c);
		return;
	}
	body = json_pack("{sbssss}", "success", 1, "id", cb->job, "status", end->status);
	if (end->retry_ms > 0)
		json_object_set_new(body, "retry_in_s", json_integer(end->retry_ms / 1000));
	reply_json(&c->reply, c->gateway->arena, 200, body);
}

/* Arrays of one; 0 when the job was still this claim's. */
static int
callback_settle_query(struct call *c, struct callback *cb, const struct callback_end *end)
{
	char retry_ms[CALLBACK_NUMBER_MAX], callback_s[CALLBACK_NUMBER_MAX];
	const char *const values[CALLBACK_SETTLE_ARGS - 1] = { cb->job, cb->claim, end->verdict,
		retry_ms, NULL, end->error, end->stack, end->result, NULL, NULL, cb->took_ms };
	const char *args[CALLBACK_SETTLE_ARGS];
	struct text arrays[CALLBACK_SETTLE_ARGS - 1] = { { .at = NULL } };
	PGresult *rows;
	bool is_settled;

	snprintf(retry_ms, sizeof(retry_ms), "%lld", (long long)end->retry_ms);
	snprintf(
	    callback_s, sizeof(callback_s), "%lld", (long long)c->gateway->conf->job_callback_s);
	for (int i = 0; i < CALLBACK_SETTLE_ARGS - 1; i++) {
		text_array_begin(&arrays[i]);
		text_array_add(&arrays[i], values[i]);
		text_array_end(&arrays[i]);
		args[i] = arrays[i].at;
	}
	args[CALLBACK_SETTLE_ARGS - 1] = callback_s;
	rows = jobs_query(c, SQL_JOB_QUEUE_SETTLE, args, CALLBACK_SETTLE_ARGS);
	for (int i = 0; i < CALLBACK_SETTLE_ARGS - 1; i++)
		text_finish(&arrays[i]);
	if (!rows)
		return -1;
	is_settled = db_number(rows, 0, "done") + db_number(rows, 0, "retry") +
			 db_number(rows, 0, "dead") + db_number(rows, 0, "cancel") >
		     0;
	PQclear(rows);
	return is_settled ? 0 : callback_over(c);
}

static int
fail_read(struct call *c, const json_t *body, const struct callback *cb, struct callback_end *end)
{
	const json_t *retry = json_object_get(body, "retry");
	const json_t *after = json_object_get(body, "retry_after_s");
	json_int_t after_s = after ? json_integer_value(after) : -1;

	end->error = "its processor reported a failure";
	if (fail_read_text(c, body, "error", ITEM_ERROR_MAX / 4, &end->error) != 0 ||
	    fail_read_text(c, body, "stack", CALLBACK_MESSAGE_MAX, &end->stack) != 0)
		return -1;
	if (retry && !json_is_boolean(retry))
		return err_set(&c->err, ERR_BAD_REQUEST, "retry may be true or false");
	if (after &&
	    (!json_is_integer(after) || after_s < 0 || after_s > BACKOFF_RETRY_AFTER_MAX_S))
		return err_set(&c->err, ERR_BAD_REQUEST, "retry_after_s may be 0-%d",
		    BACKOFF_RETRY_AFTER_MAX_S);
	if (json_is_false(retry) || cb->attempts + 1 >= cb->attempts_max)
		return 0;
	end->verdict = "retry";
	end->status = "pending";
	end->retry_ms = job_wait_ms(cb->attempts + 1, after_s);
	return 0;
}

/* A text of 1 to ${max} characters, which may have lines; *ret_text stays where it is not given. */
static int
fail_read_text(
    struct call *c, const json_t *body, const char *name, size_t max, const char **ret_text)
{
	const json_t *value = json_object_get(body, name);
	const char *text = json_string_value(value);
	size_t characters = text ? text_characters(text) : 0;

	if (!value)
		return 0;
	if (characters < 1 || characters > max)
		return err_set(&c->err, ERR_BAD_REQUEST, "%s is to be a string of 1-%zu characters",
		    name, max);
	*ret_text = text;
	return 0;
}

static int
progress_read(struct call *c, const json_t *body, char number[static CALLBACK_NUMBER_MAX])
{
	const json_t *progress = json_object_get(body, "progress");
	json_int_t percent = json_integer_value(progress);

	number[0] = '\0';
	if (!progress)
		return 0;
	if (!json_is_integer(progress) || percent < 0 || percent > 100)
		return err_set(&c->err, ERR_BAD_REQUEST, "progress may be an integer of 0-100");
	snprintf(number, CALLBACK_NUMBER_MAX, "%d", (int)percent);
	return 0;
}
