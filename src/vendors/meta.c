/*
 * meta - asking and reading; developers.facebook.com/docs/graph-api: reference/debug_token,
 * guides/error-handling, overview/rate-limiting; docs/whatsapp/cloud-api/support/error-codes.
 *
 * The same code comes with more than one HTTP status, so the code decides.  What has no readable
 * code was not said by Meta, but by something on the way, and says nothing of a token.
 */
#include "vendors/meta.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/text.h"
#include "http/echo.h"
#include "http/form.h"
#include "http/http.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define META_VERSION "v23.0"
#define META_DIGITS "0123456789"

enum {
	META_WAIT_S = 60, /* where nobody says for how long */
	META_WAIT_MAX_S = 24 * 3600,
	META_USAGE_MAX = 1000000,
	META_WORDS_MAX = 2048, /* of Meta's, before they are cut to what a row takes */
	STATUS_TOO_MANY = 429,
};

enum {
	CODE_UNKNOWN = 1,
	CODE_SERVICE = 2,
	CODE_CAPABILITY = 3,
	CODE_APP_LIMIT = 4,
	CODE_PERMISSION = 10,
	CODE_USER_LIMIT = 17,
	CODE_PAGE_LIMIT = 32,
	CODE_PARAMETER = 100,
	CODE_SESSION = 102,
	CODE_TOKEN = 190,
	CODE_PERMISSIONS_FIRST = 200,
	CODE_PERMISSIONS_LAST = 299,
	CODE_CUSTOM_LIMIT = 613,
	CODE_ALIAS = 803,
	CODE_BUSINESS_LIMITS_FIRST = 80000,
	CODE_BUSINESS_LIMITS_LAST = 80014,
	CODE_NUMBER_LIMIT = 130429,
	SUBCODE_NO_OBJECT = 33,
};

static const int64_t META_TIME_MAX_S = 253402300799; /* the year 9999 */

enum { META_KEPT_APP, META_KEPT_BUSINESS };

static void meta_read_usage(const struct http_reply *, struct meta_answer *, int64_t *ret_wait_s);
static int64_t meta_usage_of(const json_t *window);
static void meta_read_fine(const struct meta_request *, const json_t *, struct meta_answer *);
static void meta_read_facts(const struct meta_request *, const json_t *facts, struct meta_answer *);
static enum meta_quality meta_quality_of(const json_t *root);
static void meta_read_error(const struct meta_request *, const struct http_reply *,
    const json_t *error, struct meta_answer *);
static enum meta_outcome meta_judge(
    int64_t code, int64_t subcode, bool is_transient, int status, bool *ret_is_everybodys);
static const char *meta_meaning(const struct meta_answer *);
static void meta_say(
    const struct meta_request *, struct meta_answer *, const char *where, const char *words);
static void meta_fail(struct meta_answer *, int status, const char *why);
static int64_t meta_number(const json_t *, int64_t max);

bool
meta_is_id(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= META_ID_MAX && id[strspn(id, META_DIGITS)] == '\0';
}

void
meta_ask(struct arena *a, const struct meta_request *request, struct http_request *q)
{
	const char *asks = request->token;
	char *escaped;

	switch (request->subject) {
	case META_TOKEN:
		escaped = form_escape(a, request->token);
		q->url = arena_format(a, "%s/" META_VERSION "/debug_token?input_token=%s",
		    request->base_url, escaped);
		crypto_wipe(escaped, strlen(escaped));
		if (strlen(q->url) > HTTP_URL_MAX)
			q->refused = "it is longer than an address may be";
		if (request->app_token)
			asks = request->app_token;
		break;
	case META_PHONE_NUMBER:
		q->url =
		    arena_format(a, "%s/" META_VERSION "/%s?fields=id,verified_name,quality_rating",
			request->base_url, request->id);
		break;
	case META_ACCOUNT:
		q->url = arena_format(
		    a, "%s/" META_VERSION "/%s?fields=id,name", request->base_url, request->id);
		break;
	}
	q->keep[META_KEPT_APP] = "x-app-usage:";
	q->keep[META_KEPT_BUSINESS] = "x-business-use-case-usage:";
	http_header(q, "accept", "application/json");
	http_authorize(a, q, "Bearer", asks);
}

void
meta_read(const struct meta_request *request, const struct http_reply *reply, int64_t now_unix_s,
    struct meta_answer *ret_answer)
{
	json_auto_t *root =
	    reply->truncated ? NULL : json_loadb(reply->body, reply->body_len, 0, NULL);
	const json_t *error = json_object_get(root, "error");
	int64_t wait_s = -1, asked_s = http_retry_after_s(reply->retry_after, now_unix_s);

	*ret_answer = (struct meta_answer){ .outcome = META_FAILED };
	meta_read_usage(reply, ret_answer, &wait_s);
	if (reply->status == 0)
		meta_say(request, ret_answer, "", reply->error);
	else if (json_is_object(error) && reply->status / 100 != 3)
		meta_read_error(request, reply, error, ret_answer);
	else if (reply->status == STATUS_TOO_MANY)
		meta_read_error(request, reply, NULL, ret_answer);
	else if (reply->status / 100 != 2)
		meta_fail(ret_answer, reply->status, "which is not Meta's way to say anything");
	else if (!json_is_object(root))
		meta_fail(ret_answer, reply->status,
		    reply->truncated  ? "and the answer is longer than 64 KB"
		    : reply->body_len ? "and the answer is no JSON object"
				      : "and the answer is empty");
	else
		meta_read_fine(request, root, ret_answer);
	if (ret_answer->outcome != META_LIMITED)
		return;
	if (wait_s < asked_s)
		wait_s = asked_s;
	if (wait_s <= 0)
		wait_s = META_WAIT_S;
	ret_answer->wait_s = wait_s < META_WAIT_MAX_S ? wait_s : META_WAIT_MAX_S;
}

/* *ret_wait_s: when an account may be asked for again, as far as that is told; -1: it is not. */
static void
meta_read_usage(const struct http_reply *reply, struct meta_answer *answer, int64_t *ret_wait_s)
{
	const char *app = reply->kept[META_KEPT_APP];
	const char *business = reply->kept[META_KEPT_BUSINESS];
	json_auto_t *of_app = app ? json_loads(app, 0, NULL) : NULL;
	json_auto_t *of_business = business ? json_loads(business, 0, NULL) : NULL;
	const char *id;
	json_t *windows;

	answer->app_usage = meta_usage_of(of_app);
	answer->account_usage = -1;
	json_object_foreach(of_business, id, windows)
	{
		for (size_t i = 0; i < json_array_size(windows); i++) {
			const json_t *window = json_array_get(windows, i);
			int64_t usage = meta_usage_of(window);
			int64_t wait_s = 60 * meta_number(json_object_get(window,
							      "estimated_time_to_regain_access"),
						  META_WAIT_MAX_S);

			if (answer->account_usage < usage)
				answer->account_usage = usage;
			if (wait_s > 0 && *ret_wait_s < wait_s)
				*ret_wait_s = wait_s;
		}
	}
}

/* The highest percentage of one window; -1: there is none. */
static int64_t
meta_usage_of(const json_t *window)
{
	static const char *const names[] = { "call_count", "total_time", "total_cputime" };
	int64_t most = -1;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int64_t usage = meta_number(json_object_get(window, names[i]), META_USAGE_MAX);

		if (most < usage)
			most = usage;
	}
	return most;
}

static void
meta_read_fine(const struct meta_request *request, const json_t *root, struct meta_answer *answer)
{
	if (request->subject == META_TOKEN) {
		meta_read_facts(request, json_object_get(root, "data"), answer);
		return;
	}
	if (!json_is_string(json_object_get(root, "id"))) {
		meta_fail(answer, 200, "and the answer has no id");
		return;
	}
	answer->outcome = META_FINE;
	if (request->subject == META_PHONE_NUMBER)
		answer->quality = meta_quality_of(root);
}

static void
meta_read_facts(const struct meta_request *request, const json_t *facts, struct meta_answer *answer)
{
	const json_t *is_valid = json_object_get(facts, "is_valid");
	const json_t *error = json_object_get(facts, "error");
	const char *words = json_string_value(json_object_get(error, "message"));
	bool is_everybodys = false;

	if (!json_is_boolean(is_valid)) {
		meta_fail(answer, 200, "and the answer does not say whether the token is valid");
		return;
	}
	if (json_is_true(is_valid)) {
		int64_t at = meta_number(json_object_get(facts, "expires_at"), META_TIME_MAX_S);
		int64_t access_at =
		    meta_number(json_object_get(facts, "data_access_expires_at"), META_TIME_MAX_S);

		answer->outcome = META_FINE;
		answer->expires_at_s = at > 0 ? at : 0;
		answer->data_access_expires_at_s = access_at > 0 ? access_at : 0;
		return;
	}
	answer->code = meta_number(json_object_get(error, "code"), INT32_MAX);
	answer->subcode = meta_number(json_object_get(error, "subcode"), INT32_MAX);
	if (answer->subcode < 0)
		answer->subcode = 0;
	if (answer->code <= 0)
		answer->code = CODE_TOKEN;
	answer->outcome = meta_judge(answer->code, answer->subcode, false, 200, &is_everybodys);
	answer->is_everybodys = is_everybodys;
	/* Whatever it is called: Meta says that the token is not valid. */
	if (answer->outcome != META_LIMITED && answer->outcome != META_FAILED)
		answer->outcome = META_DEAD;
	meta_say(request, answer, "", words ? words : "");
}

static enum meta_quality
meta_quality_of(const json_t *root)
{
	const char *rating = json_string_value(json_object_get(root, "quality_rating"));

	if (!rating)
		return META_QUALITY_UNKNOWN;
	if (strcmp(rating, "GREEN") == 0)
		return META_GREEN;
	if (strcmp(rating, "YELLOW") == 0)
		return META_YELLOW;
	return strcmp(rating, "RED") == 0 ? META_RED : META_QUALITY_UNKNOWN;
}

/* ${error} may be NULL: then the status has to do. */
static void
meta_read_error(const struct meta_request *request, const struct http_reply *reply,
    const json_t *error, struct meta_answer *answer)
{
	const char *words = json_string_value(json_object_get(error, "message"));
	bool is_transient = json_is_true(json_object_get(error, "is_transient"));
	char where[32];

	answer->code = meta_number(json_object_get(error, "code"), INT32_MAX);
	answer->subcode = meta_number(json_object_get(error, "error_subcode"), INT32_MAX);
	if (answer->subcode < 0)
		answer->subcode = 0;
	if (answer->code <= 0) {
		answer->code = 0;
		/* Without a code it is nobody's fault that we know of. */
		is_transient = true;
	}
	answer->outcome = meta_judge(
	    answer->code, answer->subcode, is_transient, reply->status, &answer->is_everybodys);
	answer->is_of_asker = request->subject == META_TOKEN && request->app_token &&
			      answer->outcome != META_LIMITED && answer->outcome != META_FAILED;
	snprintf(where, sizeof where, "HTTP %d", reply->status);
	meta_say(request, answer, where, words ? words : "");
}

static enum meta_outcome
meta_judge(int64_t code, int64_t subcode, bool is_transient, int status, bool *ret_is_everybodys)
{
	*ret_is_everybodys = code == CODE_APP_LIMIT || code == CODE_CUSTOM_LIMIT;
	switch (code) {
	case CODE_TOKEN:
	case CODE_SESSION:
		return META_DEAD;
	case CODE_APP_LIMIT:
	case CODE_CUSTOM_LIMIT:
	case CODE_USER_LIMIT:
	case CODE_PAGE_LIMIT:
	case CODE_NUMBER_LIMIT:
		return META_LIMITED;
	case CODE_UNKNOWN:
	case CODE_SERVICE:
		return META_FAILED;
	}
	if (code >= CODE_BUSINESS_LIMITS_FIRST && code <= CODE_BUSINESS_LIMITS_LAST)
		return META_LIMITED;
	if (status == STATUS_TOO_MANY) {
		*ret_is_everybodys = true;
		return META_LIMITED;
	}
	if (is_transient || status / 100 == 5)
		return META_FAILED;
	if (code == CODE_PERMISSION || code == CODE_CAPABILITY ||
	    (code >= CODE_PERMISSIONS_FIRST && code <= CODE_PERMISSIONS_LAST))
		return META_DENIED;
	if (code == CODE_ALIAS || (code == CODE_PARAMETER && subcode == SUBCODE_NO_OBJECT))
		return META_GONE;
	return META_REFUSED;
}

/* NULL: Meta's words have to do. */
static const char *
meta_meaning(const struct meta_answer *answer)
{
	static const struct {
		int64_t subcode;
		const char *text;
	} deaths[] = {
		{ 458, "the application was removed" },
		{ 459, "its user has to log in at Facebook" },
		{ 460, "the password of its user was changed" },
		{ 463, "the token has expired" },
		{ 464, "its user has to log in at Facebook" },
		{ 467, "the token was taken back" },
		{ 492, "its user has lost the role that it takes" },
	};

	switch (answer->outcome) {
	case META_DEAD:
		for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
			if (deaths[i].subcode == answer->subcode)
				return deaths[i].text;
		return "the token is not valid";
	case META_DENIED:
		return "the token lacks a permission";
	case META_GONE:
		return "there is no such number or account, or not for this token";
	case META_LIMITED:
		return answer->is_everybodys ? "the application's rate limit is reached"
					     : "the account's rate limit is reached";
	default:
		return NULL;
	}
}

/* "meaning (HTTP 401, code 190, subcode 463): Meta's words". */
static void
meta_say(const struct meta_request *request, struct meta_answer *answer, const char *where,
    const char *words)
{
	const char *meaning = meta_meaning(answer);
	struct text line = { .at = NULL };
	const char *between = "";

	if (meaning)
		text_add_text(&line, meaning);
	if (*where || answer->code > 0)
		text_add_text(&line, meaning ? " (" : "");
	if (*where) {
		text_add_text(&line, where);
		between = ", ";
	}
	if (answer->code > 0)
		text_add_format(&line, "%scode %" PRId64, between, answer->code);
	if (answer->code > 0 && answer->subcode > 0)
		text_add_format(&line, ", subcode %" PRId64, answer->subcode);
	if (meaning && (*where || answer->code > 0))
		text_add_char(&line, ')');
	if (*words && line.len > 0)
		text_add_text(&line, ": ");
	text_add(&line, words, strnlen(words, META_WORDS_MAX));
	text_add_text(&line, "");
	/* Whole first: a token that the end of the line cuts would not be known again. */
	echo_hide(line.at, request->token);
	if (request->app_token)
		echo_hide(line.at, request->app_token);
	text_clean(answer->says, sizeof answer->says, line.at, line.len);
	text_finish(&line);
}

static void
meta_fail(struct meta_answer *answer, int status, const char *why)
{
	answer->outcome = META_FAILED;
	snprintf(answer->says, sizeof answer->says, "HTTP %d, %s", status, why);
}

/* A whole number from 0 to ${max}, what is beyond cut to that; -1: it is none. */
static int64_t
meta_number(const json_t *value, int64_t max)
{
	double real = json_number_value(value);

	if (!json_is_number(value) || !(real >= 0))
		return -1;
	if (json_is_integer(value))
		return json_integer_value(value) < max ? json_integer_value(value) : max;
	return real < (double)max ? (int64_t)real : max;
}
