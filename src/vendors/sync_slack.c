/*
 * sync_slack - Slack's Web API: docs.slack.dev/apis/web-api/pagination and /rate-limits, the pages
 * of its methods under /reference/methods, and /authentication/using-token-rotation.
 *
 * HTTP 200 says nothing: an answer is good where its "ok" is true, and else its "error" decides.
 * A page may be short or empty with others behind it; a list ends where the next cursor is empty
 * or missing.
 */
#include "base/arena.h"
#include "base/conf.h"
#include "base/text.h"
#include "http/echo.h"
#include "http/form.h"
#include "http/http.h"
#include "vendors/oauth.h"
#include "vendors/sync_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SLACK_SIZE = 200, /* "no more than 200 results at a time" */
	SLACK_ERROR_MAX = 64,
	SLACK_NEEDED_MAX = 128,
	SLACK_CHANNEL_MAX = 32, /* characters of its id */
};

enum { SLACK_CHANNEL, SLACK_MESSAGE, SLACK_USER, SLACK_STREAM__MAX };
enum { SLACK_OK, SLACK_LIST, SLACK_METADATA, SLACK_MEMBER__MAX }; /* of a page */

#define SLACK_ID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
/*
 * A ts: kept as text, since a double has no room for all of its digits.  Ten for the seconds will
 * do until 2286, and let two be compared as texts.
 */
#define SLACK_TS "0000000000.000000"

static void slack_ask(struct arena *, const struct sync_ask *, struct http_request *);
static void slack_read(struct arena *, const struct sync_ask *, const struct http_reply *,
    int64_t now_unix_s, struct sync_answer *);
static void slack_members(
    ptrdiff_t which, struct json_span root, struct json_span found[static SLACK_MEMBER__MAX]);
static void slack_read_page(struct arena *, const struct sync_ask *, const struct http_reply *,
    const struct json_span found[static SLACK_MEMBER__MAX], struct sync_answer *);
static const char *slack_since(struct arena *, struct json_span messages, int64_t now_unix_s);
static void slack_read_parts(struct arena *, struct json_span channels, struct sync_answer *);
static bool slack_is(struct json_span, const char *word);
static void slack_read_error(struct arena *, const struct sync_ask *, const struct http_reply *,
    struct json_span root, struct sync_answer *);
static enum sync_outcome slack_judge(const struct sync_ask *, const char *error);
static struct oauth slack_oauth(struct arena *, const struct conf *);
static const char *slack_base_url(const struct conf *);

/* How each stream is asked for, and the list that its answers have. */
static const struct slack_method {
	const char *name, *list;
} slack_methods[SLACK_STREAM__MAX] = {
	[SLACK_CHANNEL] = { "conversations.list", "channels" },
	[SLACK_MESSAGE] = { "conversations.history", "messages" },
	[SLACK_USER] = { "users.list", "members" },
};

/*
 * What errors mean that any method may answer with; all others are a defect of ours, or a rule of
 * the workspace's.  not_authed and invalid_auth are said of tokens that have expired, too, and of
 * such that another one has taken the place of: the refresh that is tried once tells.  What
 * token_revoked and account_inactive are said of, the app or its user, is gone with all tokens.
 */
static const struct slack_error {
	const char *name;
	enum sync_outcome outcome;
} slack_errors[] = {
	{ "token_expired", SYNC_EXPIRED },
	{ "not_authed", SYNC_EXPIRED },
	{ "invalid_auth", SYNC_EXPIRED },
	{ "token_revoked", SYNC_REVOKED },
	{ "account_inactive", SYNC_REVOKED },
	{ "missing_scope", SYNC_SKIP },
	{ "channel_not_found", SYNC_SKIP },
	{ "not_in_channel", SYNC_SKIP },
	{ "is_archived", SYNC_SKIP },
	{ "method_not_supported_for_channel_type", SYNC_SKIP },
	{ "invalid_cursor", SYNC_RESTART },
	{ "invalid_ts_oldest", SYNC_RESTART },
	{ "ratelimited", SYNC_LIMITED },
	{ "rate_limited", SYNC_LIMITED },
	{ "internal_error", SYNC_FAILED },
	{ "fatal_error", SYNC_FAILED },
	{ "request_timeout", SYNC_FAILED },
	{ "service_unavailable", SYNC_FAILED },
	{ "team_added_to_org", SYNC_FAILED }, /* the workspace is being moved */
	{ "org_login_required", SYNC_FAILED },
};

const struct sync_vendor sync_slack = {
	.name = "slack",
	.label = "Slack",
	.streams = {
		[SLACK_CHANNEL] = {
			.kind = "channel",
			.id = "id",
			.size_max = SLACK_SIZE,
			.is_whole = true,
			.parts_kind = "message",
		},
		[SLACK_MESSAGE] = {
			.kind = "message",
			.id = "ts",
			.size_max = SLACK_SIZE,
			.has_parts = true,
		},
		[SLACK_USER] = {
			.kind = "user",
			.id = "id",
			.size_max = SLACK_SIZE,
			.is_whole = true,
		},
	},
	.streams_count = SLACK_STREAM__MAX,
	.burns = true,
	.ask = slack_ask,
	.read = slack_read,
	.oauth = slack_oauth,
	.base_url = slack_base_url,
};

static void
slack_ask(struct arena *a, const struct sync_ask *ask, struct http_request *q)
{
	const ptrdiff_t which = ask->stream - sync_slack.streams;
	char size[16];
	const struct form_field fields[] = {
		{ "limit", size },
		{ "types", which != SLACK_CHANNEL ? NULL
			   : ask->is_narrow       ? "public_channel"
						  : "public_channel,private_channel" },
		{ "channel", ask->part },
		/* The message of that ts itself is not listed again. */
		{ "oldest", ask->since && text_has_form(ask->since, SLACK_TS) ? ask->since : NULL },
		{ "cursor", ask->page },
	};

	snprintf(size, sizeof(size), "%d", ask->size);
	q->url = arena_format(a, "%s/api/%s?%s", ask->conf->slack_url, slack_methods[which].name,
	    form_of(a, fields, sizeof(fields) / sizeof(*fields)));
	http_header(q, "accept", "application/json");
	sync_page_ask(a, ask, q);
}

static void
slack_read(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    int64_t now_unix_s, struct sync_answer *ret_answer)
{
	const ptrdiff_t which = ask->stream - sync_slack.streams;
	struct json_span root, found[SLACK_MEMBER__MAX];
	bool is_sound = sync_page_open(a, ask, reply, now_unix_s, ret_answer, &root);

	slack_members(which, root, found);
	if (is_sound && slack_is(found[SLACK_OK], "true"))
		slack_read_page(a, ask, reply, found, ret_answer);
	else
		slack_read_error(a, ask, reply, root, ret_answer);
	if (ret_answer->outcome == SYNC_LIMITED || ret_answer->outcome == SYNC_FAILED)
		ret_answer->wait_s = sync_wait_s(reply, now_unix_s);
	if (ret_answer->outcome != SYNC_PAGE)
		return;
	if (which == SLACK_CHANNEL)
		slack_read_parts(a, ret_answer->items, ret_answer);
	if (which == SLACK_MESSAGE)
		ret_answer->since = slack_since(a, ret_answer->items, now_unix_s);
}

/* In one go, since a page may be long. */
static void
slack_members(
    ptrdiff_t which, struct json_span root, struct json_span found[static SLACK_MEMBER__MAX])
{
	const char *const names[SLACK_MEMBER__MAX] = {
		[SLACK_OK] = "ok",
		[SLACK_LIST] = slack_methods[which].list,
		[SLACK_METADATA] = "response_metadata",
	};

	json_members(root, names, SLACK_MEMBER__MAX, found);
}

static void
slack_read_page(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    const struct json_span found[static SLACK_MEMBER__MAX], struct sync_answer *answer)
{
	struct json_span next = json_member(found[SLACK_METADATA], "next_cursor");

	if (!found[SLACK_LIST].at || *found[SLACK_LIST].at != '[') {
		sync_page_garble(reply, "without the list that was asked for", answer);
		return;
	}
	answer->items = found[SLACK_LIST];
	if (json_span_is_null(next) || slack_is(next, "\"\""))
		return;
	answer->next = sync_text(a, next, SYNC_TEXT_MAX);
	if (!answer->next)
		sync_page_garble(reply, "without a cursor that can be sent back", answer);
	else if (ask->page && strcmp(answer->next, ask->page) == 0)
		sync_page_garble(reply, "its own next page", answer);
}

/* The ts of the newest message of a page, which is its first; NULL: there is none. */
static const char *
slack_since(struct arena *a, struct json_span messages, int64_t now_unix_s)
{
	const char *ts = sync_text(a, json_member(json_first(messages), "ts"), strlen(SLACK_TS));

	if (!ts || !text_has_form(ts, SLACK_TS))
		return NULL;
	/* One from the future would hide all that is written until then. */
	return strtoll(ts, NULL, 10) <= now_unix_s
		   ? ts
		   : arena_format(a, "%lld.000000", (long long)now_unix_s);
}

/* The channels whose messages can be read: those that were joined and are in use. */
static void
slack_read_parts(struct arena *a, struct json_span channels, struct sync_answer *answer)
{
	static const char *const names[] = { "id", "is_member", "is_archived" };
	struct json_span channel = { .at = NULL }, found[3];
	const char **parts;
	size_t count = 0;

	while (json_next(channels, &channel))
		count++;
	parts = arena_alloc(a, count * sizeof(*parts));
	while (json_next(channels, &channel)) {
		const char *id;

		json_members(channel, names, 3, found);
		if (!slack_is(found[1], "true") || slack_is(found[2], "true"))
			continue;
		id = sync_text(a, found[0], SLACK_CHANNEL_MAX);
		if (id && id[strspn(id, SLACK_ID_CHARS)] == '\0')
			parts[answer->parts_count++] = id;
	}
	answer->parts = parts;
}

static bool
slack_is(struct json_span value, const char *word)
{
	return value.len == strlen(word) && memcmp(value.at, word, value.len) == 0;
}

/* An error's name says more than the status, but not of a server in trouble. */
static void
slack_read_error(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    struct json_span root, struct sync_answer *answer)
{
	static const char *const names[] = { "error", "needed" };
	const char *const hidden[] = { ask->token, NULL };
	struct json_span found[2];
	char error[SLACK_ERROR_MAX];
	const char *needed;

	if (answer->outcome == SYNC_LIMITED || answer->outcome == SYNC_FAILED ||
	    answer->outcome == SYNC_SMALLER)
		return;
	json_members(root, names, 2, found);
	if (!json_string_of(found[0], error, sizeof(error)) || !*error) {
		if (answer->outcome == SYNC_PAGE)
			sync_page_garble(reply, "neither a page nor an error", answer);
		/* Of something between Slack and us: no word about the token. */
		if (answer->outcome == SYNC_EXPIRED)
			answer->outcome = SYNC_FAILED;
		return;
	}
	answer->outcome = slack_judge(ask, error);
	sync_say(a, reply, root, hidden, answer->says);
	needed = sync_text(a, found[1], SLACK_NEEDED_MAX);
	if (needed) {
		char *line = arena_format(a, "%s, needs %s", answer->says, needed);

		echo_hide(line, ask->token);
		text_clean(answer->says, sizeof(answer->says), line, strlen(line));
	}
}

static enum sync_outcome
slack_judge(const struct sync_ask *ask, const char *error)
{
	enum sync_outcome outcome = SYNC_REFUSED;

	for (size_t i = 0; i < sizeof(slack_errors) / sizeof(*slack_errors); i++)
		if (strcmp(error, slack_errors[i].name) == 0)
			outcome = slack_errors[i].outcome;
	if (strcmp(error, "missing_scope") == 0 && !ask->is_narrow &&
	    ask->stream == &sync_slack.streams[SLACK_CHANNEL])
		return SYNC_NARROW;
	/* From where it begins there is no other beginning. */
	return outcome == SYNC_RESTART && !ask->page && !ask->since ? SYNC_REFUSED : outcome;
}

static struct oauth
slack_oauth(struct arena *a, const struct conf *conf)
{
	return (struct oauth){
		.url = arena_format(a, "%s/api/oauth.v2.access", conf->slack_url),
		.client_id = conf->slack_client_id,
		.client_secret = oauth_secret(conf, SECRET_SLACK_CLIENT),
		.is_basic = true,
	};
}

static const char *
slack_base_url(const struct conf *conf)
{
	return conf->slack_url;
}
