/*
 * oauth - asking for tokens and reading them.
 *
 * Only a name that says so makes a refresh token dead, or the settings wrong: of all else it is
 * not known what it means, and asking again later does no harm.
 */
#include "vendors/oauth.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/text.h"
#include "http/form.h"
#include "http/http.h"
#include "vendors/sync_page.h"

#include <stdio.h>
#include <string.h>

enum {
	OAUTH_NAME_MAX = 64,
	OAUTH_NUMBER_MAX = 20,
	OAUTH_EXPIRES_MAX_S = 10 * 366 * 24 * 3600,
};

enum { OAUTH_ACCESS, OAUTH_REFRESH, OAUTH_EXPIRES, OAUTH_ERROR, OAUTH_CODE, OAUTH__MAX };
static const char *const oauth_member[OAUTH__MAX] = {
	[OAUTH_ACCESS] = "access_token",
	[OAUTH_REFRESH] = "refresh_token",
	[OAUTH_EXPIRES] = "expires_in",
	[OAUTH_ERROR] = "error",
	[OAUTH_CODE] = "code",
};

/* RFC 6749, 5.2 (Google and Notion); GitHub; Slack. */
static const char *const oauth_dead[] = { "invalid_grant", "bad_refresh_token",
	"invalid_refresh_token", NULL };
static const char *const oauth_ours[] = { "invalid_client", "unauthorized_client", "deleted_client",
	"unsupported_grant_type", "incorrect_client_credentials", "bad_client_secret",
	"invalid_client_id", NULL };

enum { STATUS_UNAUTHORIZED = 401, STATUS_TIMED_OUT = 408, STATUS_TOO_MANY = 429 };

#define OAUTH_SPACE " \t\r\n" /* of JSON */
/* What would have to be escaped in JSON, of the visible characters of ASCII. */
#define OAUTH_ESCAPED "\"\\"

static const char *oauth_form(struct arena *, const struct oauth *, const char *refresh_token);
static void oauth_basic(struct arena *, const struct oauth *, struct http_request *);
static char *oauth_pair(struct arena *, const struct oauth *);
static void oauth_take(
    struct arena *, struct json_span found[static OAUTH__MAX], struct sync_tokens *);
static int64_t oauth_expires_s(struct json_span value);
static enum sync_refresh_outcome oauth_judge(struct json_span found[static OAUTH__MAX]);
static bool oauth_is_of_account(int status);
static bool oauth_is_said(const struct http_reply *, struct json_span root);
static void oauth_garble(const struct http_reply *, const char *why, struct sync_tokens *);

const char *
oauth_secret(const struct conf *conf, enum conf_secret which)
{
	const struct secret *secret = conf_secret_as_read(conf, which);

	return secret_state(secret) == SECRET_USABLE ? secret->current.value : NULL;
}

bool
oauth_is_known(const struct oauth *who)
{
	return who->client_id && who->client_secret;
}

void
oauth_ask(
    struct arena *a, const struct oauth *who, const char *refresh_token, struct http_request *q)
{
	if (!oauth_is_known(who)) {
		q->refused = "the client's id or secret is not set";
		return;
	}
	if (who->is_json && refresh_token[strcspn(refresh_token, OAUTH_ESCAPED)]) {
		q->refused = "the refresh token holds a quote or backslash";
		return;
	}
	q->url = who->url;
	q->body = who->is_json ? arena_format(a,
				     "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"%s\"}",
				     refresh_token)
			       : oauth_form(a, who, refresh_token);
	q->body_len = strlen(q->body);
	http_header(q, "accept", "application/json");
	http_header(q, "content-type",
	    who->is_json ? "application/json" : "application/x-www-form-urlencoded");
	if (who->header[0])
		http_header(q, who->header[0], who->header[1]);
	if (who->is_basic)
		oauth_basic(a, who, q);
}

static const char *
oauth_form(struct arena *a, const struct oauth *who, const char *refresh_token)
{
	const struct form_field fields[] = {
		{ "grant_type", "refresh_token" },
		{ "refresh_token", refresh_token },
		{ "client_id", who->is_basic ? NULL : who->client_id },
		{ "client_secret", who->is_basic ? NULL : who->client_secret },
	};

	return form_of(a, fields, sizeof(fields) / sizeof(*fields));
}

/* The client's id and secret, of which no other copy is left (RFC 6749, 2.3.1). */
static void
oauth_basic(struct arena *a, const struct oauth *who, struct http_request *q)
{
	char *pair = oauth_pair(a, who);

	http_authorize(a, q, "Basic", pair);
	crypto_wipe(pair, strlen(pair));
}

void
oauth_read(struct arena *a, const struct oauth *who, const char *refresh_token,
    const struct http_reply *reply, int64_t now_unix_s, struct sync_tokens *ret_tokens)
{
	const struct sync_ask ask = { .token = refresh_token };
	struct json_span root, found[OAUTH__MAX];
	struct sync_answer answer;
	char *pair;
	bool is_success = sync_page_open(a, &ask, reply, now_unix_s, &answer, &root);

	*ret_tokens = (struct sync_tokens){
		.outcome = SYNC_REFRESH_LOST,
		.wait_s = sync_wait_s(reply, now_unix_s),
		.is_of_account = oauth_is_of_account(reply->status),
	};
	json_members(root, oauth_member, OAUTH__MAX, found);
	if (json_span_is_null(found[OAUTH_ERROR]))
		found[OAUTH_ERROR] = (struct json_span){ .at = NULL };
	if (is_success && found[OAUTH_ACCESS].at && !found[OAUTH_ERROR].at) {
		oauth_take(a, found, ret_tokens);
		if (ret_tokens->outcome != SYNC_REFRESHED)
			oauth_garble(reply, "without tokens that can be used", ret_tokens);
		return;
	}
	if (reply->status / 100 == 2 && !found[OAUTH_ERROR].at) {
		oauth_garble(reply, root.at ? "without tokens" : "no sound JSON", ret_tokens);
		return;
	}
	if (oauth_is_said(reply, root))
		ret_tokens->outcome = SYNC_REFRESH_FAILED;
	/* A server in trouble may say anything. */
	if (answer.outcome != SYNC_LIMITED && reply->status > 0 && reply->status / 100 != 5)
		ret_tokens->outcome = oauth_judge(found);
	/* By RFC 6749, 5.2, what is not authorized by its "authorization" is the client. */
	if (who->is_basic && reply->status == STATUS_UNAUTHORIZED &&
	    ret_tokens->outcome == SYNC_REFRESH_FAILED)
		ret_tokens->outcome = SYNC_REFRESH_OURS;
	/* Some repeat all that was sent, the headers, too. */
	pair = who->is_basic && who->client_secret ? oauth_pair(a, who) : arena_text(a, "");
	sync_say(a, reply, root, (const char *[]){ refresh_token, pair, who->client_secret, NULL },
	    ret_tokens->says);
	crypto_wipe(pair, strlen(pair));
}

/* The client's id and secret as HTTP Basic has them; the caller wipes it. */
static char *
oauth_pair(struct arena *a, const struct oauth *who)
{
	char *secret = form_escape(a, who->client_secret);
	char *pair = arena_format(a, "%s:%s", form_escape(a, who->client_id), secret);
	size_t len = strlen(pair);
	char *base64 = arena_alloc(a, CRYPTO_BASE64_MAX(len));

	crypto_base64_encode(base64, pair, len);
	crypto_wipe(secret, strlen(secret));
	crypto_wipe(pair, len);
	return base64;
}

/* A refresh token that is there and cannot be used is as bad as none at all: it was the last. */
static void
oauth_take(
    struct arena *a, struct json_span found[static OAUTH__MAX], struct sync_tokens *ret_tokens)
{
	struct json_span refresh = found[OAUTH_REFRESH];
	bool is_given = !json_span_is_null(refresh);

	ret_tokens->access = sync_text(a, found[OAUTH_ACCESS], OAUTH_TOKEN_MAX);
	ret_tokens->refresh = is_given ? sync_text(a, refresh, OAUTH_TOKEN_MAX) : NULL;
	ret_tokens->expires_in_s = oauth_expires_s(found[OAUTH_EXPIRES]);
	if (ret_tokens->access && (ret_tokens->refresh || !is_given))
		ret_tokens->outcome = SYNC_REFRESHED;
}

/* A number, or, as some vendors have sent it, a text with one; 0: neither. */
static int64_t
oauth_expires_s(struct json_span value)
{
	char text[OAUTH_NUMBER_MAX];
	int64_t s = 0;

	if (!json_string_of(value, text, sizeof(text)) && value.len < sizeof(text)) {
		memcpy(text, value.len ? value.at : "", value.len);
		text[value.len] = '\0';
	}
	text_to_int64(text, 1, OAUTH_EXPIRES_MAX_S, &s);
	return s;
}

static enum sync_refresh_outcome
oauth_judge(struct json_span found[static OAUTH__MAX])
{
	char name[OAUTH_NAME_MAX];

	if (!json_string_of(found[OAUTH_ERROR], name, sizeof(name)))
		json_string_of(found[OAUTH_CODE], name, sizeof(name));
	if (text_is_among_nocase(name, oauth_dead))
		return SYNC_REFRESH_DEAD;
	return text_is_among_nocase(name, oauth_ours) ? SYNC_REFRESH_OURS : SYNC_REFRESH_FAILED;
}

static bool
oauth_is_of_account(int status)
{
	return status / 100 == 4 && status != STATUS_TIMED_OUT && status != STATUS_TOO_MANY;
}

/*
 * Whether it is certain that there are no new tokens: nothing was sent, it was refused, or what
 * makes them says that it failed.  A 5xx that is no JSON object is of something between it and us.
 */
static bool
oauth_is_said(const struct http_reply *reply, struct json_span root)
{
	if (reply->status == 0)
		return reply->is_unsent;
	return reply->status / 100 != 5 ||
	       (root.at && root.at[strspn(root.at, OAUTH_SPACE)] == '{');
}

static void
oauth_garble(const struct http_reply *reply, const char *why, struct sync_tokens *ret_tokens)
{
	*ret_tokens = (struct sync_tokens){ .outcome = SYNC_REFRESH_LOST, .wait_s = -1 };
	snprintf(ret_tokens->says, sizeof(ret_tokens->says), "HTTP %d, and the answer is %s",
	    reply->status, why);
}
