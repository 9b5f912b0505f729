/*
 * resend - asking and reading; resend.com/docs/api-reference, /errors and /rate-limit.
 *
 * The error's name decides where its status alone does not tell: 409 and 429 have names of quite
 * different meaning, and some that blame the account come with a status that blames the mail.
 */
#include "vendors/resend.h"

#include "base/arena.h"
#include "base/text.h"
#include "http/echo.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RESEND_WAIT_S = 5, /* after a 429 or 409 that does not say for how long */
	RESEND_WAIT_MAX_S = 3600,
	RESEND_QUOTA_S = 3600, /* it comes back with a new day or month, and nobody says when */
	RESEND_WINDOW_S = 1,
	RESEND_LEFT_MAX = 1000000000,
	RESEND_NAME_MAX = 64,
	RESEND_ID_MAX = 128,
};

enum { STATUS_TIMED_OUT = 408, STATUS_CONFLICT = 409, STATUS_TOO_MANY = 429 };

#define RESEND_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static char *resend_url(struct arena *, const struct resend_request *);
static char *resend_body(struct arena *, const struct resend_request *);
static json_t *resend_mail(const struct resend_mail *);
static bool resend_set(json_t *mail, const char *field, const char *value);
static void resend_read_limit(const struct http_reply *, struct pace_told *);
static void resend_read_sent(struct arena *, const struct resend_request *,
    const struct http_reply *, struct resend_answer *);
static const char *resend_id(struct arena *, const json_t *);
static void resend_read_error(struct arena *, const struct resend_request *,
    const struct http_reply *, struct resend_answer *);
static enum resend_outcome resend_judge(int status, const char *name);
static bool resend_is_one_of(const char *name, const char *const *names);
static const char *resend_name(const json_t *root);
static int64_t resend_wait_s(
    const struct http_reply *, int64_t now_unix_s, const struct resend_answer *);
static void resend_garble(struct resend_answer *, int status, const char *why);

const struct pace resend_pace = { .left = 2, .window_s = RESEND_WINDOW_S };

enum { RESEND_KEPT_LIMIT, RESEND_KEPT_LEFT, RESEND_KEPT_RESET, RESEND_KEPT__MAX };
static const char *const resend_kept[RESEND_KEPT__MAX] = {
	[RESEND_KEPT_LIMIT] = "ratelimit-limit:",
	[RESEND_KEPT_LEFT] = "ratelimit-remaining:",
	[RESEND_KEPT_RESET] = "ratelimit-reset:",
};
_Static_assert(RESEND_KEPT__MAX <= (int)HTTP_KEPT_MAX, "each header is kept");

/* Of what is refused by its status, what is the account's fault or lies in its settings. */
static const char *const resend_of_account[] = { "missing_api_key", "invalid_api_key",
	"restricted_api_key", "invalid_access", "invalid_region", "invalid_from_address",
	"invalid_idempotency_key", NULL };
static const char *const resend_of_quota[] = { "daily_quota_exceeded", "monthly_quota_exceeded",
	NULL };

void
resend_ask(struct arena *a, const struct resend_request *request, struct http_request *q)
{
	char *body = resend_body(a, request);

	if (!body) {
		q->refused = "a text of the mail is not UTF-8";
		return;
	}
	q->url = resend_url(a, request);
	q->body = body;
	q->body_len = strlen(body);
	for (size_t i = 0; i < RESEND_KEPT__MAX; i++)
		q->keep[i] = resend_kept[i];
	http_header(q, "accept", "application/json");
	http_header(q, "content-type", "application/json");
	http_header(q, "idempotency-key", request->idempotency_key);
	http_authorize(a, q, "Bearer", request->api_key);
}

void
resend_read(struct arena *a, const struct resend_request *request, const struct http_reply *reply,
    int64_t now_unix_s, struct resend_answer *ret_answer)
{
	*ret_answer = (struct resend_answer){ .outcome = RESEND_FAILED, .wait_s = -1 };
	resend_read_limit(reply, &ret_answer->told);
	if (reply->status == 0)
		text_clean(
		    ret_answer->says, sizeof(ret_answer->says), reply->error, strlen(reply->error));
	else if (reply->status / 100 == 2)
		resend_read_sent(a, request, reply, ret_answer);
	else
		resend_read_error(a, request, reply, ret_answer);
	ret_answer->wait_s = resend_wait_s(reply, now_unix_s, ret_answer);
	if (ret_answer->outcome == RESEND_LIMITED || ret_answer->outcome == RESEND_QUOTA)
		ret_answer->told.wait_s = ret_answer->wait_s;
}

static char *
resend_url(struct arena *a, const struct resend_request *request)
{
	return arena_format(a, "%s/emails%s", request->base_url, request->is_batch ? "/batch" : "");
}

/* NULL: a text is not UTF-8. */
static char *
resend_body(struct arena *a, const struct resend_request *request)
{
	json_auto_t *batch = json_array();
	json_auto_t *single = NULL;
	char *text, *copy;

	for (size_t i = 0; i < request->count; i++)
		if (json_array_append_new(batch, resend_mail(&request->mails[i])))
			return NULL;
	if (!request->is_batch)
		single = json_incref(json_array_get(batch, 0));
	/* Fields stand in the order in which they were set. */
	text = json_dumps(request->is_batch ? batch : single, JSON_COMPACT);
	copy = text ? arena_text(a, text) : NULL;
	free(text);
	return copy;
}

/* NULL: a text is not UTF-8.  The caller's. */
static json_t *
resend_mail(const struct resend_mail *from)
{
	json_auto_t *mail = json_object();
	/* In a list, a comma of a name cannot make two receivers of one. */
	bool is_sound =
	    resend_set(mail, "from", from->from) &&
	    json_object_set_new(mail, "to", json_pack("[s]", from->to)) == 0 &&
	    resend_set(mail, "subject", from->subject) && resend_set(mail, "html", from->html) &&
	    resend_set(mail, "text", from->text) && resend_set(mail, "reply_to", from->reply_to);

	if (json_object_size(from->headers) > 0)
		json_object_set_new(mail, "headers", json_deep_copy(from->headers));
	return is_sound ? json_incref(mail) : NULL;
}

static bool
resend_set(json_t *mail, const char *field, const char *value)
{
	return !value || json_object_set_new(mail, field, json_string(value)) == 0;
}

static void
resend_read_limit(const struct http_reply *reply, struct pace_told *told)
{
	const char *limit = reply->kept[RESEND_KEPT_LIMIT];
	const char *left = reply->kept[RESEND_KEPT_LEFT];
	const char *reset = reply->kept[RESEND_KEPT_RESET];

	*told = (struct pace_told){ .left = -1, .window_s = RESEND_WINDOW_S };
	if (left)
		text_to_int64(left, 0, RESEND_LEFT_MAX, &told->left);
	if (limit)
		text_to_int64(limit, 1, RESEND_LEFT_MAX, &told->limit);
	if (reset)
		text_to_int64(reset, 1, RESEND_WAIT_MAX_S, &told->window_s);
}

static void
resend_read_sent(struct arena *a, const struct resend_request *request,
    const struct http_reply *reply, struct resend_answer *answer)
{
	json_auto_t *root =
	    reply->truncated ? NULL : json_loadb(reply->body, reply->body_len, 0, NULL);
	const json_t *list = json_object_get(root, "data");
	const char **ids = arena_alloc(a, request->count * sizeof(*ids));

	if (!json_is_object(root)) {
		resend_garble(answer, reply->status,
		    reply->truncated ? "longer than 64 KB"
				     : (reply->body_len ? "no JSON object" : "empty"));
		return;
	}
	if (request->is_batch && json_array_size(list) != request->count) {
		resend_garble(answer, reply->status, "a list of another length than the request's");
		return;
	}
	for (size_t i = 0; i < request->count; i++) {
		ids[i] = resend_id(a, request->is_batch ? json_array_get(list, i) : root);
		if (!ids[i]) {
			resend_garble(answer, reply->status, "without the id of a mail");
			return;
		}
	}
	answer->outcome = RESEND_SENT;
	answer->ids = ids;
}

/* NULL: there is none that could be kept. */
static const char *
resend_id(struct arena *a, const json_t *mail)
{
	const char *id = json_string_value(json_object_get(mail, "id"));

	if (!id || !*id || strlen(id) > RESEND_ID_MAX)
		return NULL;
	for (const char *at = id; *at; at++)
		if (*at <= ' ' || *at == 0x7f)
			return NULL;
	return arena_text(a, id);
}

/* The outcome, and the status with the vendor's words: JSON's name and message, or a plain text. */
static void
resend_read_error(struct arena *a, const struct resend_request *request,
    const struct http_reply *reply, struct resend_answer *answer)
{
	json_auto_t *root = json_loadb(reply->body, reply->body_len, 0, NULL);
	const char *name = resend_name(root);
	const char *words = json_string_value(json_object_get(root, "message"));
	char *line;

	/* A page for browsers, or JSON of another form, says nothing to people. */
	if (!words)
		words = root || *reply->body == '<' ? "" : reply->body;
	line = arena_format(a, "HTTP %d%s%s%s%s", reply->status, name ? " " : "", name ? name : "",
	    *words ? ": " : "", words);
	/* Whole first: a key that the end of the line cuts would not be known again. */
	echo_hide(line, request->api_key);
	text_clean(answer->says, sizeof(answer->says), line, strlen(line));
	answer->outcome = resend_judge(reply->status, name);
}

static enum resend_outcome
resend_judge(int status, const char *name)
{
	switch (status) {
	case 400:
	case 413:
	case 422:
	case 451:
		return resend_is_one_of(name, resend_of_account) ? RESEND_MISCONFIGURED
								 : RESEND_REFUSED;
	case STATUS_CONFLICT:
		return name && strcmp(name, "invalid_idempotent_request") == 0 ? RESEND_CONFLICT
									       : RESEND_CONCURRENT;
	case STATUS_TOO_MANY:
		return resend_is_one_of(name, resend_of_quota) ? RESEND_QUOTA : RESEND_LIMITED;
	case STATUS_TIMED_OUT:
		return RESEND_FAILED;
	}
	/* A status that nobody documents blames no mail: it waits until somebody has looked. */
	return status / 100 == 3 || status / 100 == 4 ? RESEND_MISCONFIGURED : RESEND_FAILED;
}

static bool
resend_is_one_of(const char *name, const char *const *names)
{
	for (; name && *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* NULL: none that looks like one. */
static const char *
resend_name(const json_t *root)
{
	const char *name = json_string_value(json_object_get(root, "name"));
	size_t len = name ? strlen(name) : 0;

	return len > 0 && len <= RESEND_NAME_MAX && strspn(name, RESEND_NAME_CHARS) == len ? name
											   : NULL;
}

static int64_t
resend_wait_s(
    const struct http_reply *reply, int64_t now_unix_s, const struct resend_answer *answer)
{
	int64_t wait_s = http_retry_after_s(reply->retry_after, now_unix_s);

	if (answer->outcome == RESEND_QUOTA)
		return RESEND_QUOTA_S;
	if (answer->outcome == RESEND_LIMITED || answer->outcome == RESEND_CONCURRENT) {
		if (wait_s < 0)
			wait_s = answer->outcome == RESEND_LIMITED && reply->kept[RESEND_KEPT_RESET]
				     ? answer->told.window_s
				     : RESEND_WAIT_S;
		if (wait_s < 1)
			wait_s = 1;
	} else if (answer->outcome != RESEND_FAILED) {
		return -1;
	}
	return wait_s < RESEND_WAIT_MAX_S ? wait_s : RESEND_WAIT_MAX_S;
}

static void
resend_garble(struct resend_answer *answer, int status, const char *why)
{
	answer->outcome = RESEND_GARBLED;
	snprintf(answer->says, sizeof(answer->says), "HTTP %d, and the answer is %s", status, why);
}
