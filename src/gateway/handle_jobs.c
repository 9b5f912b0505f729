/*
 * handle_jobs - jobs are enqueued, tried again and cancelled; queues pause and go on.
 *
 * What a job may be is said by SQL functions, so that every way to enqueue one is held to the same
 * rules; what they refuse comes back with their words.
 */
#include "gateway/handle.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "gateway/call.h"
#include "gateway/filter.h"
#include "gateway/jobs.h"
#include "workers/workers.h"

#include <stdio.h>
#include <string.h>

enum {
	JOBS_KEY_MAX = 255, /* characters of an Idempotency-Key */
	RETRY_LIMIT = 1000,
	RETRY_LIMIT_MAX = 10000,
	RETRY_BATCH = 500,
	RETRY_LOOK = 20000,    /* rows of a batch that are looked at */
	RETRY_TIME_MS = 10000, /* a call that is older begins no more batches */
	NUMBER_TEXT_MAX = 24,
};

/* A bulk retry on its way. */
struct retry {
	struct filter filters[6];
	const char *error;
	int64_t limit;
	int64_t retried, skipped;
	bool is_whole; /* nothing that fits is left */
};

static int enqueue_read(struct call *, const char **ret_key);
static int enqueue_key(struct call *, const char **ret_key);
static char enqueue_first(const struct request *);
static void enqueue_reply(struct call *, const PGresult *, bool is_single);
static int retry_read(struct call *, struct retry *, const json_t *);
static int retry_batches(struct call *, struct retry *);
static void change_one(struct call *, enum sql_id);
static void pause_or_resume(struct call *, const char *paused);

void
handle_jobs_enqueue(struct call *c)
{
	char digest[CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)];
	const char *key = NULL;
	PGresult *rows;
	bool is_single;

	if (enqueue_read(c, &key) != 0) {
		call_deny(c);
		return;
	}
	is_single = enqueue_first(&c->request) == '{';
	crypto_sha256_hex(c->request.body, c->request.body_len, digest);
	rows = jobs_query(c, SQL_JOBS_ENQUEUE, DB_ARGS(key, digest, c->request.body));
	if (rows)
		enqueue_reply(c, rows, is_single);
	else
		c->afterwards = NULL;
	PQclear(rows);
}

void
handle_job_retry(struct call *c)
{
	change_one(c, SQL_JOBS_RETRY);
}

void
handle_job_cancel(struct call *c)
{
	change_one(c, SQL_JOBS_CANCEL);
}

void
handle_jobs_retry(struct call *c)
{
	static const char *const keys[] = { "status", "type", "queue", "workspace", "failed_after",
		"failed_before", "error", "limit", NULL };
	struct retry r = {
		.filters = {
			{ .name = "status", .kind = FILTER_STATUS },
			{ .name = "type", .kind = FILTER_NAME },
			{ .name = "queue", .kind = FILTER_NAME },
			{ .name = "workspace", .kind = FILTER_UUID },
			{ .name = "failed_after", .kind = FILTER_TIME },
			{ .name = "failed_before", .kind = FILTER_TIME },
		},
		.limit = RETRY_LIMIT,
	};
	json_auto_t *body = jobs_body(c, keys);

	if (!body || retry_read(c, &r, body) != 0 || retry_batches(c, &r) != 0)
		return;
	reply_json(&c->reply, c->gateway->arena, 200,
	    json_pack("{sbsIsIsb}", "success", 1, "retried", (json_int_t)r.retried, "skipped",
		(json_int_t)r.skipped, "more", !r.is_whole));
}

void
handle_queue_pause(struct call *c)
{
	pause_or_resume(c, "true");
}

void
handle_queue_resume(struct call *c)
{
	pause_or_resume(c, "false");
}

/* Query, headers and body. */
static int
enqueue_read(struct call *c, const char **ret_key)
{
	static const char *const known[] = { "run", NULL };
	struct request *q = &c->request;
	bool run = false;

	if (request_query(q, c->gateway->arena, &c->err) != 0 ||
	    filter_take_query(NULL, 0, known, q, &c->err) != 0 ||
	    request_switch(q, "run", "1", &run, &c->err) != 0 || enqueue_key(c, ret_key) != 0 ||
	    request_body(q, c->in, c->gateway->arena, &c->err) != 0 || jobs_body_judge(c) != 0)
		return -1;
	if (enqueue_first(q) != '{' && enqueue_first(q) != '[')
		return err_set(&c->err, ERR_BAD_REQUEST,
		    "The body is to be a job (an object) or an array of jobs");
	if (run)
		c->afterwards = worker_ring;
	c->rung = &worker_job_queue;
	return 0;
}

/* Idempotency-Key, as it stands: quoted, as the draft has it, or bare. */
static int
enqueue_key(struct call *c, const char **ret_key)
{
	const char *value;
	size_t position = 0, len;

	while ((value = request_each(&c->request, "HTTP_IDEMPOTENCY_KEY", &position))) {
		len = strlen(value);
		if (len == 0 || len > JOBS_KEY_MAX)
			return err_set(&c->err, ERR_BAD_REQUEST,
			    "Idempotency-Key may have 1 to %d characters", JOBS_KEY_MAX);
		if (!text_is_visible(value))
			return err_set(&c->err, ERR_BAD_REQUEST,
			    "Idempotency-Key may only hold visible characters of ASCII");
		if (*ret_key && strcmp(*ret_key, value) != 0)
			return err_set(
			    &c->err, ERR_BAD_REQUEST, "Idempotency-Key is given more than once");
		*ret_key = value;
	}
	return 0;
}

/* What the body's JSON begins with. */
static char
enqueue_first(const struct request *q)
{
	return q->body[strspn(q->body, " \t\r\n")];
}

/* One job was sent, one is answered. */
static void
enqueue_reply(struct call *c, const PGresult *rows, bool is_single)
{
	json_t *reply = json_loads(db_text(rows, 0, "reply"), 0, NULL), *body;

	if (db_bool(rows, 0, "is_replay"))
		reply_header(&c->reply, "Idempotency-Replayed", "true");
	if (is_single) {
		body = json_pack("{sb}", "success", 1);
		json_object_update(body, json_array_get(reply, 0));
	} else {
		body = json_pack("{sbsO}", "success", 1, "jobs", reply);
	}
	json_decref(reply);
	reply_json(&c->reply, c->gateway->arena, 201, body);
}

static int
retry_read(struct call *c, struct retry *r, const json_t *body)
{
	const json_t *error = json_object_get(body, "error"),
		     *limit = json_object_get(body, "limit");

	for (size_t i = 0; i < sizeof(r->filters) / sizeof(r->filters[0]); i++) {
		const json_t *value = json_object_get(body, r->filters[i].name);

		if (!value)
			continue;
		if (!json_is_string(value))
			return err_set(
			    &c->err, ERR_BAD_REQUEST, "%s is to be a string", r->filters[i].name);
		if (filter_take(&r->filters[i], json_string_value(value), &c->err) != 0)
			return -1;
	}
	if (r->filters[0].value && strcmp(r->filters[0].value, "failed") != 0)
		return err_set(&c->err, ERR_BAD_REQUEST,
		    "status may only be failed: others are tried again one by one");
	r->error = json_string_value(error);
	if (error && (!r->error || !filter_is_text(r->error, FILTER_NAME_MAX)))
		return err_set(&c->err, ERR_BAD_REQUEST,
		    "error is to be a part of the error's text, 1 to %d characters",
		    FILTER_NAME_MAX);
	if (limit)
		r->limit = json_integer_value(limit);
	if (r->limit < 1 || r->limit > RETRY_LIMIT_MAX)
		return err_set(&c->err, ERR_BAD_REQUEST, "limit may be 1-%d", RETRY_LIMIT_MAX);
	return 0;
}

/* Batch by batch, each a transaction of its own with its row in audit_log. */
static int
retry_batches(struct call *c, struct retry *r)
{
	int64_t end_ms = clock_mono_ms() + RETRY_TIME_MS;
	char actor[JOBS_ACTOR_MAX], size[NUMBER_TEXT_MAX], look[NUMBER_TEXT_MAX];
	const char *at = NULL, *id = NULL;

	jobs_actor(c, actor);
	snprintf(look, sizeof(look), "%d", RETRY_LOOK);
	while (!r->is_whole && r->retried + r->skipped < r->limit && clock_mono_ms() < end_ms) {
		int64_t left = r->limit - r->retried - r->skipped;
		PGresult *rows;

		snprintf(size, sizeof(size), "%lld",
		    (long long)(left < RETRY_BATCH ? left : RETRY_BATCH));
		rows = jobs_query(c, SQL_JOBS_RETRY_MANY,
		    DB_ARGS(r->filters[1].value, r->filters[2].value, r->filters[3].value,
			r->filters[4].value, r->filters[5].value, r->error, at, id, size, look,
			actor));
		if (!rows)
			return -1;
		r->retried += db_number(rows, 0, "retried");
		r->skipped += db_number(rows, 0, "skipped");
		r->is_whole = !db_text(rows, 0, "last_at");
		if (!r->is_whole) {
			at = arena_text(c->gateway->arena, db_text(rows, 0, "last_at"));
			id = arena_text(c->gateway->arena, db_text(rows, 0, "last_id"));
		}
		PQclear(rows);
	}
	return 0;
}

/* Retry or cancel; the reply says what became of it. */
static void
change_one(struct call *c, enum sql_id sql)
{
	static const char *const none[] = { NULL };
	json_auto_t *body = jobs_body(c, none);
	const char *id = body ? jobs_id(c) : NULL;
	char actor[JOBS_ACTOR_MAX];
	PGresult *rows;

	if (!id)
		return;
	rows = jobs_query(c, sql, DB_ARGS(id, jobs_actor(c, actor)));
	if (!rows)
		return;
	reply_json(&c->reply, c->gateway->arena, 200,
	    json_pack("{sbsssssb}", "success", 1, "id", id, "status", db_text(rows, 0, "status"),
		"cancel_requested",
		sql == SQL_JOBS_CANCEL && strcmp(db_text(rows, 0, "status"), "cancelled") != 0));
	PQclear(rows);
}

static void
pause_or_resume(struct call *c, const char *paused)
{
	static const char *const none[] = { NULL };
	json_auto_t *body = jobs_body(c, none);
	struct filter queue = { .name = "The queue's name", .kind = FILTER_NAME };
	char actor[JOBS_ACTOR_MAX];
	PGresult *rows;

	if (!body || filter_take(&queue, c->rest, &c->err) != 0)
		return;
	rows = jobs_query(c, SQL_JOBS_PAUSE, DB_ARGS(queue.value, paused, jobs_actor(c, actor)));
	if (rows)
		jobs_reply(c, db_text(rows, 0, "json"));
	PQclear(rows);
}
