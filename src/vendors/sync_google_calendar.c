/*
 * sync_google_calendar - the events of a user's primary calendar;
 * developers.google.com/workspace/calendar/api/guides/sync, /errors and /quota.
 *
 * A pass ends with a token, by which the next one is told what has changed, and what is gone.
 */
#include "base/arena.h"
#include "base/conf.h"
#include "http/form.h"
#include "http/http.h"
#include "vendors/oauth.h"
#include "vendors/sync_page.h"

#include <stdio.h>
#include <string.h>

enum {
	GOOGLE_PLACE_MAX = 640, /* bytes of a token: two of them, encoded, go into one address */
	GOOGLE_REASON_MAX = 64,
	GOOGLE_WORDS_MAX = 1024,
	GOOGLE_NUMBER_MAX = 12,
};

enum { STATUS_INVALID = 400, STATUS_DENIED = 403, STATUS_GONE = 410, STATUS_TOO_MANY = 429 };

static void google_ask(struct arena *, const struct sync_ask *, struct http_request *);
static void google_read(struct arena *, const struct sync_ask *, const struct http_reply *,
    int64_t now_unix_s, struct sync_answer *);
static void google_read_events(struct arena *, const struct sync_ask *, const struct http_reply *,
    struct json_span root, struct sync_answer *);
static void google_read_error(
    const struct sync_ask *, int status, struct json_span root, struct sync_answer *);
static bool google_is_place(struct json_span error, const char *words);
static bool google_is_everybodys(const char *reason, const char *words);
static struct oauth google_oauth(struct arena *, const struct conf *);
static const char *google_base_url(const struct conf *);

const struct sync_vendor sync_google_calendar = {
	.name = "google_calendar",
	.label = "Google Calendar",
	.streams = {
		{ .kind = "event", .id = "id", .gone = "{\"status\": \"cancelled\"}",
			.size_max = 250, .tells_gone = true },
	},
	.streams_count = 1,
	.ask = google_ask,
	.read = google_read,
	.oauth = google_oauth,
	.base_url = google_base_url,
};

/* Of a 403: what passes. */
static const char *const google_limits[] = { "userRateLimitExceeded", "rateLimitExceeded",
	"quotaExceeded", "dailyLimitExceeded" };

static void
google_ask(struct arena *a, const struct sync_ask *ask, struct http_request *q)
{
	char size[GOOGLE_NUMBER_MAX];
	/* But for the tokens, all pages and passes are to ask for the same. */
	const struct form_field fields[] = {
		{ "maxResults", size },
		{ "singleEvents", "false" },
		{ "syncToken", ask->since },
		{ "pageToken", ask->page },
	};

	snprintf(size, sizeof(size), "%d", ask->size);
	q->url = arena_format(a, "%s/calendar/v3/calendars/primary/events?%s",
	    ask->conf->google_url, form_of(a, fields, sizeof(fields) / sizeof(*fields)));
	http_header(q, "accept", "application/json");
	sync_page_ask(a, ask, q);
}

static void
google_read(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    int64_t now_unix_s, struct sync_answer *ret_answer)
{
	struct json_span root;

	if (sync_page_open(a, ask, reply, now_unix_s, ret_answer, &root))
		google_read_events(a, ask, reply, root, ret_answer);
	else
		google_read_error(ask, reply->status, root, ret_answer);
}

enum { EVENTS_ITEMS, EVENTS_PAGE, EVENTS_SYNC, EVENTS__MAX };
static const char *const google_member[EVENTS__MAX] = {
	[EVENTS_ITEMS] = "items",
	[EVENTS_PAGE] = "nextPageToken",
	[EVENTS_SYNC] = "nextSyncToken",
};

/* An answer that has neither token is no end of the list: what it lacks would be deleted. */
static void
google_read_events(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    struct json_span root, struct sync_answer *answer)
{
	struct json_span found[EVENTS__MAX];

	json_members(root, google_member, EVENTS__MAX, found);
	if (!json_span_is_null(found[EVENTS_PAGE]))
		answer->next = sync_text(a, found[EVENTS_PAGE], GOOGLE_PLACE_MAX);
	else
		answer->since = sync_text(a, found[EVENTS_SYNC], GOOGLE_PLACE_MAX);
	if (!json_span_is_null(found[EVENTS_ITEMS]) && *found[EVENTS_ITEMS].at != '[')
		sync_page_garble(reply, "no list of events", answer);
	else if (!answer->next && !answer->since)
		sync_page_garble(reply, "without a token to go on with", answer);
	else if (answer->next && ask->page && strcmp(answer->next, ask->page) == 0)
		sync_page_garble(reply, "followed by itself", answer);
	else if (json_first(found[EVENTS_ITEMS]).at)
		answer->items = found[EVENTS_ITEMS];
}

static void
google_read_error(
    const struct sync_ask *ask, int status, struct json_span root, struct sync_answer *answer)
{
	struct json_span error = json_member(root, "error");
	struct json_span first = json_first(json_member(error, "errors"));
	char reason[GOOGLE_REASON_MAX], words[GOOGLE_WORDS_MAX];

	json_string_of(json_member(first, "reason"), reason, sizeof(reason));
	json_string_of(json_member(error, "message"), words, sizeof(words));
	if (status == STATUS_DENIED)
		for (size_t i = 0; i < sizeof(google_limits) / sizeof(*google_limits); i++)
			if (strcmp(reason, google_limits[i]) == 0)
				answer->outcome = SYNC_LIMITED;
	if (answer->outcome == SYNC_LIMITED)
		answer->is_everybodys = google_is_everybodys(reason, words);
	if (status == STATUS_GONE || (status == STATUS_INVALID && google_is_place(first, words)))
		/* Whoever reads the whole from its beginning has no place to forget. */
		answer->outcome = ask->page || ask->since ? SYNC_RESTART : SYNC_FAILED;
}

/* Whether an error is about one of the tokens that say where we are. */
static bool
google_is_place(struct json_span error, const char *words)
{
	char location[GOOGLE_REASON_MAX];

	json_string_of(json_member(error, "location"), location, sizeof(location));
	return strcmp(location, "pageToken") == 0 || strcmp(location, "syncToken") == 0 ||
	       strcasestr(words, "page token") || strcasestr(words, "sync token");
}

/*
 * The project's quota, and not one of the user's: by /errors rateLimitExceeded is a user's or a
 * calendar's, unless the words name the quota that was used up.
 */
static bool
google_is_everybodys(const char *reason, const char *words)
{
	return strcmp(reason, "dailyLimitExceeded") == 0 ||
	       (strcmp(reason, "rateLimitExceeded") == 0 && strcasestr(words, "quota metric") &&
		   !strcasestr(words, "per user"));
}

static struct oauth
google_oauth(struct arena *a, const struct conf *conf)
{
	return (struct oauth){
		.url = arena_format(a, "%s/token", conf->google_oauth_url),
		.client_id = conf->google_client_id,
		.client_secret = oauth_secret(conf, SECRET_GOOGLE_CLIENT),
	};
}

static const char *
google_base_url(const struct conf *conf)
{
	return conf->google_url;
}
