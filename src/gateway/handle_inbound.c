/*
 * handle_inbound - events that others send us: verified, stored, answered.
 *
 * What is answered 200 is in its table for good; what is done about it comes behind the reply.  A
 * provider that gets anything else sends its event again, so nothing is answered before the
 * database has it, and what cannot be stored now is a 503.
 */
#include "gateway/handle.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/provider.h"
#include "db/db.h"
#include "gateway/call.h"
#include "gateway/inbound_event.h"
#include "gateway/route.h"
#include "http/verify.h"
#include "workers/workers.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	STORE_TRIES_MAX = 5,
	STORE_PAUSE_MS = 10,
	STORE_STATEMENT_MS = 5000, /* providers give up after 5 to 20 s */
	STORE_ARGS = 7,
	STORE_ARGS_KNOWN = 9,
	CHALLENGE_MAX = 256,
};

/* The provider of the route that is Meta's. */
#define INBOUND_META "whatsapp"

/* Where an event goes. */
struct inbound_way {
	enum sql_id store, known;
	const struct worker *worker;
	bool is_meta;
};

static void inbound_take(struct call *, const struct provider *, const struct inbound_way *);
static int inbound_read(struct call *);
static int inbound_admit(struct call *, const struct provider *);
static int inbound_closed(struct call *);
static PGresult *inbound_store(
    struct call *, const struct inbound_way *, const struct provider *, struct inbound_event *);
static PGresult *inbound_store_as(struct call *, const struct inbound_way *,
    const struct provider *, const struct inbound_event *);
static PGresult *inbound_store_tries(
    struct call *, const struct inbound_way *, const char *const *args);
static bool challenge_is_answerable(const char *);

void
handle_inbound_payment(struct call *c)
{
	static const struct inbound_way way = {
		.store = SQL_INBOUND_WEBHOOK_STORE,
		.known = SQL_INBOUND_WEBHOOK_KNOWN,
		.worker = &worker_inbound_payments,
	};
	const char *name = c->rest[0] ? c->rest : "payment";

	if (inbound_read(c) != 0)
		return;
	if (!provider_is_name(name)) {
		err_set(&c->err, ERR_NOT_FOUND,
		    "No provider has such a name: it is 1-%d lower-case letters, digits and "
		    "underscores, a letter first",
		    PROVIDER_NAME_MAX - 1);
		call_deny(c);
		return;
	}
	c->provider = name;
	inbound_take(c, conf_provider(c->gateway->conf, name), &way);
}

void
handle_inbound_whatsapp(struct call *c)
{
	static const struct inbound_way way = {
		.store = SQL_INBOUND_WHATSAPP_STORE,
		.known = SQL_INBOUND_WHATSAPP_KNOWN,
		.worker = &worker_inbound_whatsapp,
		.is_meta = true,
	};
	/* Of the secret nothing is its own. */
	const struct provider meta = {
		.name = INBOUND_META,
		.scheme = PROVIDER_META,
		.header = "x-hub-signature-256",
		.secret = *conf_secret(c->gateway->conf, SECRET_META_APP),
	};

	c->provider = INBOUND_META;
	if (inbound_read(c) == 0)
		inbound_take(c, &meta, &way);
}

/*
 * Meta asks whether this address is ours before it sends anything: hub.mode is "subscribe",
 * hub.verify_token what was entered beside the address, and hub.challenge is to come back alone
 * (developers.facebook.com/docs/graph-api/webhooks/getting-started).
 */
void
handle_inbound_challenge(struct call *c)
{
	const struct secret *wanted = conf_secret(c->gateway->conf, SECRET_WHATSAPP_VERIFY);
	const struct request *q = &c->request;
	const char *mode = NULL, *token = NULL, *challenge = NULL;

	c->provider = INBOUND_META;
	if (secret_state(wanted) != SECRET_USABLE) {
		inbound_closed(c);
		return;
	}
	if (request_query(&c->request, c->gateway->arena, &c->err) != 0 ||
	    request_parameter(q, "hub.mode", &mode, &c->err) != 0 ||
	    request_parameter(q, "hub.verify_token", &token, &c->err) != 0 ||
	    request_parameter(q, "hub.challenge", &challenge, &c->err) != 0) {
		call_deny(c);
		return;
	}
	if (!token || !secret_matches(wanted, token, strlen(token)))
		c->why = "the verify token is missing or wrong";
	else if (!mode || strcmp(mode, "subscribe") != 0)
		c->why = "hub.mode is not subscribe";
	if (c->why)
		err_set(&c->err, ERR_UNAUTHORIZED, "Unauthorized");
	else if (!challenge || !challenge_is_answerable(challenge))
		err_set(&c->err, ERR_BAD_REQUEST, "hub.challenge is to be 1-%d letters and digits",
		    CHALLENGE_MAX);
	if (c->err.code != ERR_OK) {
		call_deny(c);
		return;
	}
	reply_text(&c->reply, 200, challenge);
	c->reply.type = "text/plain; charset=utf-8";
}

/* ${p} NULL: nobody has set one up. */
static void
inbound_take(struct call *c, const struct provider *p, const struct inbound_way *way)
{
	struct inbound_event event;
	PGresult *rows;

	if (inbound_admit(c, p) != 0)
		return;
	inbound_event_read(&event, p, &c->request, way->is_meta);
	rows = inbound_store(c, way, p, &event);
	if (!rows)
		return;
	reply_json(&c->reply, c->gateway->arena, 200,
	    json_pack("{sbsbsbss}", "success", 1, "received", 1, "duplicate",
		db_bool(rows, 0, "is_duplicate"), "id", db_text(rows, 0, "id")));
	if (db_bool(rows, 0, "is_fresh")) {
		c->rung = way->worker;
		c->afterwards = worker_ring;
	}
	PQclear(rows);
}

/* The body, as it was signed. */
static int
inbound_read(struct call *c)
{
	struct request *q = &c->request;
	const char *encoding;
	size_t position = 0;

	while ((encoding = request_each(q, "HTTP_CONTENT_ENCODING", &position)))
		if (*encoding && strcasecmp(encoding, "identity") != 0)
			err_set(&c->err, ERR_BAD_REQUEST,
			    "Content-Encoding may only be identity, or be left out: a signature is "
			    "that of the body as it comes");
	if (c->err.code == ERR_OK && request_body(q, c->in, c->gateway->arena, &c->err) == 0 &&
	    q->body_len == 0)
		err_set(&c->err, ERR_BAD_REQUEST, "The body is empty: an event is expected");
	return c->err.code == ERR_OK ? 0 : call_deny(c);
}

static int
inbound_admit(struct call *c, const struct provider *p)
{
	const struct verify_message message = {
		.header = inbound_header,
		.from = &c->request,
		.body = c->request.body,
		.body_len = c->request.body_len,
		.unix_s = clock_unix_ms() / 1000,
	};

	if (!p || secret_state(&p->secret) != SECRET_USABLE)
		return inbound_closed(c);
	c->why = verify_fault(p, &message);
	if (!c->why)
		return 0;
	err_set(&c->err, ERR_UNAUTHORIZED, "Unauthorized");
	return call_deny(c);
}

static int
inbound_closed(struct call *c)
{
	err_set(&c->err, ERR_NOT_CONFIGURED, "This route is closed: its secret is not configured");
	return call_deny(c);
}

/*
 * The row's id and whether it was there before, or NULL with c->err.  What PostgreSQL does not take
 * as JSON, although it seemed sound, is stored as bytes, with its words.
 */
static PGresult *
inbound_store(struct call *c, const struct inbound_way *way, const struct provider *p,
    struct inbound_event *event)
{
	PGresult *rows = inbound_store_as(c, way, p, event);

	/* Classes 22 and 54: data exceptions, and limits of the program. */
	if (rows || event->fault[0] ||
	    (strncmp(c->err.sqlstate, "22", 2) != 0 && strncmp(c->err.sqlstate, "54", 2) != 0))
		return rows;
	snprintf(event->fault, sizeof(event->fault), "the body cannot be stored as JSON: %s",
	    c->err.message);
	err_clear(&c->err);
	return inbound_store_as(c, way, p, event);
}

static PGresult *
inbound_store_as(struct call *c, const struct inbound_way *way, const struct provider *p,
    const struct inbound_event *event)
{
	const struct request *q = &c->request;
	json_auto_t *kept = inbound_headers(q);
	char *headers = json_dumps(kept, JSON_COMPACT), *base64 = NULL;
	const char *fault = event->fault[0] ? event->fault : NULL;
	PGresult *rows;

	if (fault) {
		base64 = arena_alloc(c->gateway->arena, CRYPTO_BASE64_MAX(q->body_len));
		crypto_base64_encode(base64, q->body, q->body_len);
	}
	const char *const args[STORE_ARGS_KNOWN] = { p->name, event->id, event->type,
		fault ? NULL : q->body, base64, fault, headers, event->digest,
		event->is_guess ? "true" : "false" };

	rows = inbound_store_tries(c, way, args);
	free(headers);
	return rows;
}

/*
 * Again where the server asks for it, and where somebody else has just stored the same event: what
 * he did is seen by a statement that begins later.
 */
static PGresult *
inbound_store_tries(struct call *c, const struct inbound_way *way, const char *const *args)
{
	int64_t give_up_ms = clock_mono_ms() + STORE_STATEMENT_MS;
	struct err e = { .code = ERR_OK };

	for (int i = 1; i <= STORE_TRIES_MAX && clock_mono_ms() < give_up_ms; i++) {
		struct db_unit store = { .sql = way->store,
			.args = args,
			.args_count = STORE_ARGS,
			.timeout_ms = STORE_STATEMENT_MS };
		struct db_unit known = { .sql = way->known,
			.args = args,
			.args_count = STORE_ARGS_KNOWN,
			.timeout_ms = STORE_STATEMENT_MS,
			.by_index = true };
		PGresult *rows;

		err_clear(&e);
		rows = db_query_within(c->gateway->db, &store, &e);
		if (rows && PQntuples(rows) == 0) {
			PQclear(rows);
			rows = db_query_within(c->gateway->db, &known, &e);
		}
		if (rows && PQntuples(rows) > 0)
			return rows;
		if (!rows && !db_err_is_transient(&e))
			break;
		PQclear(rows);
		poll(NULL, 0, STORE_PAUSE_MS);
	}
	err_pass(&c->err, &e);
	err_set(&c->err, ERR_UNAVAILABLE, "The same event is just being stored; send it again");
	return NULL;
}

static bool
challenge_is_answerable(const char *text)
{
	size_t len = 0;

	for (; isalnum((unsigned char)text[len]); len++)
		if (len == CHALLENGE_MAX)
			return false;
	return len > 0 && !text[len];
}
