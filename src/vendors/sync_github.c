/*
 * sync_github - GitHub's repositories, issues and notifications of a user;
 * docs.github.com/en/rest/using-the-rest-api (best practices, pagination, rate limits) and
 * /en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens.
 *
 * Pages are addresses of its own making.  What is kept of one is what stands behind the origin, so
 * that a token goes nowhere else, whatever an answer or a row says.
 */
#include "base/arena.h"
#include "base/conf.h"
#include "base/text.h"
#include "http/form.h"
#include "http/http.h"
#include "http/link.h"
#include "vendors/oauth.h"
#include "vendors/sync_page.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	GITHUB_WINDOW_S = 3600, /* of the primary limit */
	GITHUB_ETAG_MAX = 256,
	GITHUB_POLL_MAX_S = 3600,
	GITHUB_MOVED = '!', /* before a page that another one was moved to: once is enough */
};

enum {
	STATUS_NOT_CHANGED = 304,
	STATUS_DENIED = 403,
	STATUS_NOT_FOUND = 404,
	STATUS_INVALID = 422,
	STATUS_TOO_MANY = 429
};

#define GITHUB_TIME "0000-00-00T00:00:00Z" /* the one form that can be compared as text */
#define GITHUB_NOT_IN_URLS "\"<>\\^`{|}#"  /* besides spaces and controls: RFC 3986, 2 */

enum {
	GITHUB_REPOSITORY,
	GITHUB_ISSUE,
	GITHUB_NOTIFICATION,
};

enum {
	GITHUB_KEPT_LINK,
	GITHUB_KEPT_ETAG,
	GITHUB_KEPT_LEFT,
	GITHUB_KEPT_RESET,
	GITHUB_KEPT_POLL,
	GITHUB_KEPT_LOCATION,
	GITHUB_KEPT__MAX
};
static const char *const github_kept[GITHUB_KEPT__MAX] = {
	[GITHUB_KEPT_LINK] = "link:",
	[GITHUB_KEPT_ETAG] = "etag:",
	[GITHUB_KEPT_LEFT] = "x-ratelimit-remaining:",
	[GITHUB_KEPT_RESET] = "x-ratelimit-reset:",
	[GITHUB_KEPT_POLL] = "x-poll-interval:",
	[GITHUB_KEPT_LOCATION] = "location:",
};
_Static_assert(GITHUB_KEPT__MAX <= (int)HTTP_KEPT_MAX, "each header is kept");

static void github_ask(struct arena *, const struct sync_ask *, struct http_request *);
static const char *github_path(struct arena *, const struct sync_ask *);
static void github_read(struct arena *, const struct sync_ask *, const struct http_reply *,
    int64_t now_unix_s, struct sync_answer *);
static void github_read_list(struct arena *, const struct sync_ask *, const struct http_reply *,
    struct json_span root, int64_t now_unix_s, struct sync_answer *);
static void github_read_next(
    struct arena *, const struct sync_ask *, const struct http_reply *, struct sync_answer *);
static const char *github_place(struct arena *, const char *base, const char *url);
static const char *github_newest(struct arena *, struct json_span items, int64_t now_unix_s);
static const char *github_etag(struct arena *, const char *value);
static void github_read_moved(
    struct arena *, const struct sync_ask *, const struct http_reply *, struct sync_answer *);
static void github_read_denied(
    const struct sync_ask *, const struct http_reply *, int64_t now_unix_s, struct sync_answer *);
static int64_t github_reset_s(const char *value, int64_t now_unix_s);
static bool github_is_notification(const struct sync_ask *);
static int64_t github_number(const char *value, int64_t max);
static struct oauth github_oauth(struct arena *, const struct conf *);
static const char *github_base_url(const struct conf *);

const struct sync_vendor sync_github = {
	.name = "github",
	.label = "GitHub",
	.streams = {
		[GITHUB_REPOSITORY] = { .kind = "repository", .id = "id", .size_max = 100,
			.is_whole = true, .has_etags = true },
		[GITHUB_ISSUE] = { .kind = "issue", .id = "id", .size_max = 100, .has_etags = true },
		[GITHUB_NOTIFICATION] = { .kind = "notification", .id = "id", .size_max = 50,
			.has_etags = true },
	},
	.streams_count = 3,
	.burns = true,
	.ask = github_ask,
	.read = github_read,
	.oauth = github_oauth,
	.base_url = github_base_url,
};

static void
github_ask(struct arena *a, const struct sync_ask *ask, struct http_request *q)
{
	q->url = arena_format(a, "%s%s", ask->conf->github_url, github_path(a, ask));
	for (size_t i = 0; i < GITHUB_KEPT__MAX; i++)
		q->keep[i] = github_kept[i];
	http_header(q, "accept", "application/vnd.github+json");
	http_header(q, "x-github-api-version", "2022-11-28");
	sync_page_ask(a, ask, q);
	if (ask->etag)
		http_header(q, "if-none-match", ask->etag);
}

/* What stands behind the origin.  A page that is none of ours is not known: from the first one. */
static const char *
github_path(struct arena *a, const struct sync_ask *ask)
{
	static const char *const lists[] = {
		[GITHUB_REPOSITORY] = "/user/repos?",
		[GITHUB_ISSUE] = "/issues?filter=all&state=all&sort=updated&direction=desc&",
		[GITHUB_NOTIFICATION] = "/notifications?all=true&",
	};
	const char *since = ask->stream->is_whole ? NULL : ask->since;
	const char *page = ask->page ? ask->page + (*ask->page == GITHUB_MOVED) : NULL;
	const char *place = page ? github_place(a, "", page) : NULL;

	if (place)
		return place;
	return arena_format(a, "%sper_page=%d%s%s", lists[ask->stream - sync_github.streams],
	    ask->size, since ? "&since=" : "", since ? form_escape(a, since) : "");
}

static void
github_read(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    int64_t now_unix_s, struct sync_answer *ret_answer)
{
	struct json_span root;

	if (sync_page_open(a, ask, reply, now_unix_s, ret_answer, &root)) {
		github_read_list(a, ask, reply, root, now_unix_s, ret_answer);
		return;
	}
	switch (reply->status) {
	case STATUS_NOT_CHANGED:
		*ret_answer = (struct sync_answer){ .outcome = SYNC_SAME, .wait_s = -1 };
		if (ask->etag)
			github_read_next(a, ask, reply, ret_answer);
		else
			sync_page_garble(reply, "about an ETag that was not sent", ret_answer);
		break;
	case 301:
	case 302:
	case 307:
	case 308:
		github_read_moved(a, ask, reply, ret_answer);
		break;
	case STATUS_DENIED:
	case STATUS_TOO_MANY:
		github_read_denied(ask, reply, now_unix_s, ret_answer);
		break;
	case STATUS_NOT_FOUND: /* also what one may not see */
		if (github_is_notification(ask))
			ret_answer->outcome = SYNC_SKIP;
		break;
	case STATUS_INVALID:
		if (ask->since && !ask->page)
			ret_answer->outcome = SYNC_RESTART;
		break;
	}
}

static void
github_read_list(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    struct json_span root, int64_t now_unix_s, struct sync_answer *answer)
{
	size_t space = strspn(root.at, " \t\r\n");

	if (root.at[space] != '[') {
		sync_page_garble(reply, "no list", answer);
		return;
	}
	if (json_first(root).at)
		answer->items = (struct json_span){ root.at + space, root.len - space };
	if (!ask->stream->is_whole)
		answer->since = github_newest(a, answer->items, now_unix_s);
	answer->etag = github_etag(a, reply->kept[GITHUB_KEPT_ETAG]);
	github_read_next(a, ask, reply, answer);
}

/* Where to go on, and when to come again.  What cannot be followed is no end of the list. */
static void
github_read_next(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    struct sync_answer *answer)
{
	const char *link = reply->kept[GITHUB_KEPT_LINK], *path = github_path(a, ask), *url = NULL;

	answer->poll_s = github_number(reply->kept[GITHUB_KEPT_POLL], GITHUB_POLL_MAX_S);
	if (answer->poll_s < 0)
		answer->poll_s = 0;
	if (reply->is_kept_short[GITHUB_KEPT_LINK]) {
		sync_page_garble(reply, "with a Link that is too long", answer);
		return;
	}
	if (link && !link_target(a, link, "next", &url)) {
		sync_page_garble(reply, "with a Link that is none", answer);
		return;
	}
	if (!url)
		return;
	answer->next = github_place(a, ask->conf->github_url, url);
	if (!answer->next) {
		sync_page_garble(reply, "continued outside of GITHUB_BASE_URL", answer);
		answer->outcome = SYNC_REFUSED;
	} else if (strcmp(answer->next, path) == 0) {
		sync_page_garble(reply, "followed by itself", answer);
	}
}

/*
 * What stands behind the origin ${base} in ${url}, which may also be without one; NULL: it has
 * another, or is no address.
 */
static const char *
github_place(struct arena *a, const char *base, const char *url)
{
	size_t base_len = strlen(base);

	if (*url != '/') {
		if (base_len == 0 || http_origin_len(url) != base_len ||
		    strncasecmp(url, base, base_len) != 0)
			return NULL;
		url += base_len;
	}
	/* "//host" is another host. */
	if (url[0] != '/' || url[1] == '/' || base_len + strlen(url) >= SYNC_TEXT_MAX)
		return NULL;
	if (!text_is_visible(url) || strpbrk(url, GITHUB_NOT_IN_URLS))
		return NULL;
	return arena_text(a, url);
}

/*
 * The latest updated_at of ${items}: all that changes from now on has a later one.  A time that is
 * ahead of ours is not believed, as changes before it would be passed over.
 */
static const char *
github_newest(struct arena *a, struct json_span items, int64_t now_unix_s)
{
	struct json_span item = { .at = NULL };
	char now[sizeof(GITHUB_TIME)] = "", at[sizeof(now)], newest[sizeof(now)] = "";
	time_t now_s = (time_t)now_unix_s;
	struct tm tm;

	if (gmtime_r(&now_s, &tm))
		strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm);
	while (json_next(items, &item))
		if (json_string_of(json_member(item, "updated_at"), at, sizeof(at)) &&
		    text_has_form(at, GITHUB_TIME) && strcmp(at, newest) > 0 &&
		    strcmp(at, now) <= 0)
			memcpy(newest, at, sizeof(newest));
	return *newest ? arena_text(a, newest) : NULL;
}

/* NULL: none that could be sent back (RFC 9110, 8.8.3). */
static const char *
github_etag(struct arena *a, const char *value)
{
	if (!value || !*value || strlen(value) > GITHUB_ETAG_MAX || !text_is_visible(value))
		return NULL;
	return arena_text(a, value);
}

/*
 * Our client follows no redirects, so the other place is where to go on, and this page is without
 * things.  It may be moved once: chains could be rings.
 */
static void
github_read_moved(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    struct sync_answer *answer)
{
	const char *location = reply->kept[GITHUB_KEPT_LOCATION];
	const char *place = location ? github_place(a, ask->conf->github_url, location) : NULL;
	const char *path = github_path(a, ask);

	if (!place) {
		snprintf(answer->says, sizeof(answer->says),
		    "HTTP %d, and the new place is not at GITHUB_BASE_URL", reply->status);
		return;
	}
	if ((ask->page && *ask->page == GITHUB_MOVED) || strcmp(place, path) == 0) {
		sync_page_garble(reply, "moved from place to place", answer);
		return;
	}
	*answer = (struct sync_answer){ .outcome = SYNC_PAGE, .wait_s = -1 };
	answer->next = arena_format(a, "%c%s", GITHUB_MOVED, place);
}

/* How long to wait is told in the order in which the documents say to look. */
static void
github_read_denied(const struct sync_ask *ask, const struct http_reply *reply, int64_t now_unix_s,
    struct sync_answer *answer)
{
	bool is_used_up = github_number(reply->kept[GITHUB_KEPT_LEFT], INT64_MAX) == 0;

	if (answer->wait_s < 0 && is_used_up)
		answer->wait_s = github_reset_s(reply->kept[GITHUB_KEPT_RESET], now_unix_s);
	if (answer->wait_s >= 0 || is_used_up || strcasestr(answer->says, "rate limit") ||
	    strcasestr(answer->says, "abuse"))
		answer->outcome = SYNC_LIMITED;
	else if (answer->outcome != SYNC_LIMITED && github_is_notification(ask))
		/* Tokens of applications ("ghu_") are not allowed to see them. */
		answer->outcome = SYNC_SKIP;
}

/* Until the primary limit is reset, by our clock, which may be wrong; -1: it does not say. */
static int64_t
github_reset_s(const char *value, int64_t now_unix_s)
{
	int64_t reset_s = github_number(value, INT64_MAX);

	if (reset_s < 0)
		return -1;
	if (reset_s <= now_unix_s)
		return 1;
	/* One more for the fractions of both clocks. */
	return reset_s - now_unix_s < GITHUB_WINDOW_S ? reset_s - now_unix_s + 1 : GITHUB_WINDOW_S;
}

static bool
github_is_notification(const struct sync_ask *ask)
{
	return ask->stream == &sync_github.streams[GITHUB_NOTIFICATION];
}

/* -1: no number. */
static int64_t
github_number(const char *value, int64_t max)
{
	int64_t number = -1;

	if (value)
		text_to_int64(value, 0, max, &number);
	return number;
}

static struct oauth
github_oauth(struct arena *a, const struct conf *conf)
{
	return (struct oauth){
		.url = arena_format(a, "%s/login/oauth/access_token", conf->github_oauth_url),
		.client_id = conf->github_client_id,
		.client_secret = oauth_secret(conf, SECRET_GITHUB_CLIENT),
	};
}

static const char *
github_base_url(const struct conf *conf)
{
	return conf->github_url;
}
