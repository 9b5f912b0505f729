/*
 * event_forward - posts an inbound event to an application: the body byte by byte and the headers
 * that it came with, so that the application can verify its provider's signature itself, and ours
 * besides.
 *
 * cronward-event-id, cronward-provider, cronward-event-type and cronward-attempt say what it is;
 * idempotency-key, the same over all tries, is the row's id unless its provider sent one.  Where
 * the handler has a secret, cronward-id, cronward-timestamp and cronward-signature are those of
 * Standard Webhooks 1.0.0 under other names, for the provider's own may be there.  2xx is done, 410
 * is for good, and all else is tried again: an application that is being deployed answers 401 or
 * 404 for a while.
 *
 * Tests: tests/integration/event_forward.test.mjs.
 */
#include "workers/event_forward.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/text.h"
#include "engine/item_secret.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "http/echo.h"
#include "http/row_headers.h"
#include "http/sign.h"
#include "workers/events.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	STATUS_GONE = 410,
	FORWARD_EXCERPT_MAX = 512,
	FORWARD_NUMBER_MAX = 24,
	FORWARD_NAME_MAX = 512, /* of an event's id or type in a header */
};

#define FORWARD_OURS "cronward-"

static enum verdict forward_request(struct run *, struct item *, struct http_request *);
static void forward_body(struct item *, struct http_request *);
static unsigned forward_nibble(char);
static void forward_add_ours(struct item *, struct http_request *);
static void forward_add_word(struct http_request *, const char *name, const char *value);
static enum verdict forward_sign(struct run *, struct item *, struct http_request *);
static void forward_add_originals(struct item *, struct http_request *);
static bool forward_has(const struct http_request *, const char *name);
static enum verdict forward_judge(struct run *, struct item *, const struct http_reply *);
static void forward_excerpt(
    struct run *, struct item *, const struct http_reply *, char ret[static FORWARD_EXCERPT_MAX]);

/* Not a handler's to set; "cronward-" is ours as a whole. */
static const char *const forward_reserved[] = { "idempotency-key", FORWARD_OURS "event-id",
	FORWARD_OURS "provider", FORWARD_OURS "event-type", FORWARD_OURS "attempt",
	FORWARD_OURS "id", FORWARD_OURS "timestamp", FORWARD_OURS "signature", NULL };

/*
 * Of one hop (RFC 9110 7.6.1), or between the provider and us alone; what would have the
 * application's answer packed; and what proves a caller of ours, or a user of the front's.
 */
static const char *const forward_dropped[] = { "host", "connection", "keep-alive", "te", "trailer",
	"transfer-encoding", "upgrade", "content-length", "expect", "accept-encoding",
	"proxy-authenticate", "proxy-authorization", "proxy-connection", "authorization", "cookie",
	"x-cron-secret", NULL };

bool
event_is_forwarded(const char *action)
{
	return text_has_prefix_nocase(action, "http://") ||
	       text_has_prefix_nocase(action, "https://");
}

enum verdict
event_forward_step(
    struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	return reply ? forward_judge(r, item, reply) : forward_request(r, item, q);
}

/*
 * What is wrong with the handler is tried again like what its application refuses: it can be put
 * right while the event waits.
 */
static enum verdict
forward_request(struct run *r, struct item *item, struct http_request *q)
{
	struct err e = { .code = ERR_OK };
	enum verdict verdict;

	q->url = item_text(item, EVENT_ACTION);
	forward_body(item, q);
	forward_add_ours(item, q);
	verdict = forward_sign(r, item, q);
	if (verdict != VERDICT_SEND)
		return verdict;
	if (row_headers_add(q, item_text(item, EVENT_HEADERS), forward_reserved, &e) != 0) {
		item_fail(item, "the handler's %s", e.message);
		return event_again(item, -1);
	}
	forward_add_originals(item, q);
	return VERDICT_SEND;
}

static void
forward_body(struct item *item, struct http_request *q)
{
	const char *hex = item_text(item, EVENT_BODY);
	const char *payload = item_text(item, EVENT_PAYLOAD);
	char *bytes;

	if (!hex) {
		q->body = payload ? payload : "";
		q->body_len = strlen(q->body);
		return;
	}
	q->body_len = strlen(hex) / 2;
	bytes = arena_alloc(item->memory, q->body_len + 1);
	for (size_t i = 0; i < q->body_len; i++)
		bytes[i] = (char)(forward_nibble(hex[2 * i]) << 4 | forward_nibble(hex[2 * i + 1]));
	q->body = bytes;
}

static unsigned
forward_nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static void
forward_add_ours(struct item *item, struct http_request *q)
{
	char attempt[FORWARD_NUMBER_MAX];

	snprintf(attempt, sizeof attempt, "%" PRId64,
	    (int64_t)strtoll(item_text(item, EVENT_ATTEMPTS), NULL, 10) + 1);
	forward_add_word(q, FORWARD_OURS "event-id", item_text(item, EVENT_EVENT_ID));
	forward_add_word(q, FORWARD_OURS "provider", item_text(item, EVENT_PROVIDER));
	forward_add_word(q, FORWARD_OURS "event-type", item_text(item, EVENT_TYPE));
	http_header(q, FORWARD_OURS "attempt", attempt);
}

/* Ids and types are the provider's; what no header can hold is written as URLs have it. */
static void
forward_add_word(struct http_request *q, const char *name, const char *value)
{
	char word[FORWARD_NAME_MAX];
	size_t len = 0;

	for (; value && *value && len + 4 < sizeof word; value++) {
		unsigned char c = (unsigned char)*value;

		if (c > ' ' && c < 0x7f && c != '%')
			word[len++] = *value;
		else
			len += (size_t)snprintf(word + len, 4, "%%%02X", c);
	}
	word[len] = '\0';
	http_header(q, name, word);
}

/* A secret that opens and is no key can be put right while the event is tried again. */
static enum verdict
forward_sign(struct run *r, struct item *item, struct http_request *q)
{
	const char *id = item_text(item, EVENT_ID);
	const struct item_secret secret = { SEALED_EVENT_HANDLER_SECRET,
		item_text(item, EVENT_HANDLER), item_text(item, EVENT_SECRET), "the handler" };
	const struct sign_message message = { id, run_db_now_s(r), q->body, q->body_len };
	char timestamp[SIGN_TIMESTAMP_MAX], signature[SIGN_HEADER_MAX];
	struct sign_keys keys = { .count = 0 };
	enum verdict verdict;

	if (!secret.value || !*secret.value)
		return VERDICT_SEND;
	verdict = item_secret_key(r, item, &secret, &keys);
	if (verdict == VERDICT_SEND) {
		snprintf(timestamp, sizeof timestamp, "%" PRId64, message.unix_s);
		sign_webhook(&keys, &message, signature);
		http_header(q, FORWARD_OURS "id", id);
		http_header(q, FORWARD_OURS "timestamp", timestamp);
		http_header(q, FORWARD_OURS "signature", signature);
	}
	crypto_wipe(&keys, sizeof keys);
	return verdict == VERDICT_DEAD ? event_again(item, -1) : verdict;
}

/*
 * Those that the event came with, besides what is there by now; an idempotency key of the
 * provider's takes the place of ours.  What is in the row was written by anybody: a header that
 * cannot be sent is left out.
 */
static void
forward_add_originals(struct item *item, struct http_request *q)
{
	const char *json = item_text(item, EVENT_CAME_WITH);
	json_auto_t *headers = json ? json_loads(json, 0, NULL) : NULL;
	const char *name = NULL, *refused = q->refused;
	json_t *value = NULL;

	json_object_foreach(headers, name, value)
	{
		if (!json_is_string(value) || text_is_among_nocase(name, forward_dropped) ||
		    text_has_prefix_nocase(name, FORWARD_OURS) || forward_has(q, name))
			continue;
		http_header(q, name, json_string_value(value));
		q->refused = refused;
	}
	if (!forward_has(q, "idempotency-key"))
		http_header(q, "idempotency-key", item_text(item, EVENT_ID));
	if (!forward_has(q, "content-type"))
		http_header(q, "content-type", "application/json");
}

static bool
forward_has(const struct http_request *q, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < q->headers_count; i++)
		if (strncasecmp(q->headers[i], name, len) == 0 &&
		    (q->headers[i][len] == ':' || q->headers[i][len] == ';'))
			return true;
	return false;
}

static enum verdict
forward_judge(struct run *r, struct item *item, const struct http_reply *reply)
{
	char excerpt[FORWARD_EXCERPT_MAX];

	if (reply->status / 100 == 2)
		return VERDICT_DONE;
	if (reply->status == 0 && reply->is_ours)
		return item_hold(item, reply->error);
	if (reply->status == 0) {
		item_fail(item, "%s", reply->error);
		return event_again(item, -1);
	}
	forward_excerpt(r, item, reply, excerpt);
	item_fail(item, "HTTP %d%s%s%s", reply->status,
	    reply->status / 100 == 3 ? " (redirects are not followed)" : "", *excerpt ? ": " : "",
	    excerpt);
	if (reply->status == STATUS_GONE)
		return VERDICT_DEAD;
	return event_again(item, http_retry_after_s(reply->retry_after, run_db_now_s(r)));
}

/* The beginning of what the application said, without secrets that it repeats. */
static void
forward_excerpt(struct run *r, struct item *item, const struct http_reply *reply,
    char ret[static FORWARD_EXCERPT_MAX])
{
	/* More than is kept: what is cut off in the middle would not be known. */
	char clean[4 * FORWARD_EXCERPT_MAX];

	text_clean(clean, sizeof clean, reply->body, reply->body_len);
	echo_hide_signatures(clean);
	sealed_hide(item->memory, r->keyring, &sealed_columns[SEALED_EVENT_HANDLER_SECRET],
	    item_text(item, EVENT_HANDLER), item_text(item, EVENT_SECRET), clean);
	row_headers_hide(clean, item_text(item, EVENT_HEADERS));
	text_clean(ret, FORWARD_EXCERPT_MAX, clean, strlen(clean));
}
