/*
 * jobs - statements, bodies and replies of the handlers of /api/jobs.
 */
#include "gateway/jobs.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "gateway/call.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	JOBS_TRIES_MAX = 5,
	JOBS_PATIENCE_MS = 8000,
	JOBS_PAUSE_MS = 20, /* before a statement is tried again */
};

static bool jobs_key_is_known(const char *key, const char *const *names);

PGresult *
jobs_query(struct call *c, enum sql_id sql, const char *const *args, int args_count)
{
	int64_t give_up_ms = clock_mono_ms() + JOBS_PATIENCE_MS;
	struct err e = { .code = ERR_OK };
	PGresult *rows = NULL;

	for (int i = 1; !rows; i++) {
		err_clear(&e);
		rows = db_query(c->gateway->db, sql, args, args_count, &e);
		if (rows || !db_err_is_transient(&e) || i == JOBS_TRIES_MAX ||
		    clock_mono_ms() > give_up_ms)
			break;
		poll(NULL, 0, JOBS_PAUSE_MS);
	}
	/* Class 22, data exception: a time, a number or a text that a column cannot hold. */
	if (!rows && strncmp(e.sqlstate, "22", 2) == 0) {
		err_set(&c->err, ERR_BAD_REQUEST,
		    "A value is out of range, or none that can be stored");
	} else if (!rows) {
		err_pass(&c->err, &e);
	}
	return rows;
}

const char *
jobs_id(struct call *c)
{
	if (text_is_uuid(c->rest))
		return c->rest;
	err_set(&c->err, ERR_NOT_FOUND, "There is no such job: an id is a uuid");
	return NULL;
}

const char *
jobs_actor(const struct call *c, char to[static JOBS_ACTOR_MAX])
{
	snprintf(to, JOBS_ACTOR_MAX, "api: %s", c->request.caller);
	return to;
}

int
jobs_body_judge(struct call *c)
{
	size_t at = 0;
	const char *fault = json_fault(c->request.body, c->request.body_len, &at);

	if (!fault)
		return 0;
	return err_set(&c->err, ERR_BAD_REQUEST,
	    "The body is not JSON that can be stored: at byte %zu %s", at + 1, fault);
}

json_t *
jobs_body(struct call *c, const char *const *names)
{
	struct request *q = &c->request;
	json_t *body, *value;
	const char *key;

	if (request_body(q, c->in, c->gateway->arena, &c->err) != 0) {
		call_deny(c);
		return NULL;
	}
	if (q->body_len == 0)
		return json_object();
	if (jobs_body_judge(c) != 0)
		return NULL;
	body = json_loadb(q->body, q->body_len, 0, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		err_set(&c->err, ERR_BAD_REQUEST,
		    "The body is to be a JSON object, with integers of 64 bits at most");
		return NULL;
	}
	json_object_foreach(body, key, value)
	{
		if (jobs_key_is_known(key, names))
			continue;
		err_set(&c->err, ERR_BAD_REQUEST,
		    "The body has the key \"%s\", which this route does not know", key);
		json_decref(body);
		return NULL;
	}
	return body;
}

void
jobs_reply(struct call *c, const char *json)
{
	reply_text(&c->reply, 200, arena_text(c->gateway->arena, json));
}

void
jobs_reply_one(struct call *c, const char *id, PGresult *rows)
{
	if (rows && PQntuples(rows) == 0)
		err_set(&c->err, ERR_NOT_FOUND, "There is no job %s", id);
	else if (rows)
		jobs_reply(c, db_text(rows, 0, "json"));
	PQclear(rows);
}

static bool
jobs_key_is_known(const char *key, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(*names, key) == 0)
			return true;
	return false;
}
