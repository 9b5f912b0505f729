/*
 * sync_notion - Notion's API, version 2025-09-03: developers.notion.com/reference/post-search,
 * /status-codes, /request-limits and /search-optimizations-and-limitations.
 *
 * What was shared with the integration is what its search lists, the latest edited first, so that
 * something older than what was read before ends the reading.  Notion keeps times to the minute
 * and finds a change a while after it was made: what is a little older is read again.
 *
 * Tokens are refreshed as developers.notion.com/reference/refresh-a-token describes it, and
 * oauth.token() of @notionhq/client does it: POST /v1/oauth/token, the client's id and secret as
 * HTTP Basic, a JSON body.  The answer has no "expires_in".
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/text.h"
#include "http/http.h"
#include "vendors/oauth.h"
#include "vendors/sync_page.h"

#include <string.h>
#include <time.h>

enum {
	NOTION_PAUSE_MS = 350, /* "an average of three requests per second" */
	NOTION_SIZE = 100,
	NOTION_OVERLAP_S = 120,
	NOTION_CODE_MAX = 64,
	NOTION_WORDS_MAX = 1024,
};

enum { STATUS_CONFLICT = 409, STATUS_OVERLOADED = 529 };
enum { NOTION_PAGE, NOTION_DATABASE, NOTION_STREAM__MAX };

#define NOTION_VERSION "2025-09-03"
/* The form of all times. */
#define NOTION_TIME "0000-00-00T00:00:00.000Z"
/* Visible characters of ASCII, but for those that JSON escapes. */
#define NOTION_ESCAPED "\"\\"

static void notion_ask(struct arena *, const struct sync_ask *, struct http_request *);
static void notion_read(struct arena *, const struct sync_ask *, const struct http_reply *,
    int64_t now_unix_s, struct sync_answer *);
static void notion_read_page(struct arena *, const struct sync_ask *, const struct http_reply *,
    struct json_span root, struct sync_answer *);
static void notion_read_times(
    struct arena *, const struct sync_ask *, int64_t now_unix_s, struct sync_answer *);
static bool notion_edited(
    struct json_span thing, char ret_text[static CLOCK_TEXT_MAX], int64_t *ret_unix_s);
static bool notion_time(const char *text, int64_t *ret_unix_s);
static void notion_read_error(const struct sync_ask *, const struct http_reply *,
    struct json_span root, struct sync_answer *);
static struct oauth notion_oauth(struct arena *, const struct conf *);
static const char *notion_base_url(const struct conf *);

/* What the search calls each stream's things. */
static const char *const notion_object[NOTION_STREAM__MAX] = {
	[NOTION_PAGE] = "page",
	[NOTION_DATABASE] = "data_source",
};

const struct sync_vendor sync_notion = {
	.name = "notion",
	.label = "Notion",
	.streams = {
		[NOTION_PAGE] = {
			.kind = "page",
			.id = "id",
			.gone = "{\"in_trash\": true}",
			.size_max = NOTION_SIZE,
		},
		[NOTION_DATABASE] = {
			.kind = "database",
			.id = "id",
			.gone = "{\"in_trash\": true}",
			.size_max = NOTION_SIZE,
		},
	},
	.streams_count = NOTION_STREAM__MAX,
	.pause_ms = NOTION_PAUSE_MS,
	.burns = true,
	.ask = notion_ask,
	.read = notion_read,
	.oauth = notion_oauth,
	.base_url = notion_base_url,
};

static void
notion_ask(struct arena *a, const struct sync_ask *ask, struct http_request *q)
{
	/* Cursors are uuids; one that is none and would need escapes is none of Notion's. */
	bool goes_on = ask->page && !ask->page[strcspn(ask->page, NOTION_ESCAPED)];

	q->url = arena_format(a, "%s/v1/search", ask->conf->notion_url);
	q->body = arena_format(a,
	    "{\"filter\":{\"property\":\"object\",\"value\":\"%s\"},"
	    "\"sort\":{\"timestamp\":\"last_edited_time\",\"direction\":\"descending\"},"
	    "\"page_size\":%d%s%s%s}",
	    notion_object[ask->stream - sync_notion.streams], ask->size,
	    goes_on ? ",\"start_cursor\":\"" : "", goes_on ? ask->page : "", goes_on ? "\"" : "");
	q->body_len = strlen(q->body);
	http_header(q, "accept", "application/json");
	http_header(q, "content-type", "application/json");
	http_header(q, "notion-version", NOTION_VERSION);
	sync_page_ask(a, ask, q);
}

static void
notion_read(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    int64_t now_unix_s, struct sync_answer *ret_answer)
{
	struct json_span root;

	if (!sync_page_open(a, ask, reply, now_unix_s, ret_answer, &root)) {
		notion_read_error(ask, reply, root, ret_answer);
		return;
	}
	notion_read_page(a, ask, reply, root, ret_answer);
	if (ret_answer->outcome == SYNC_PAGE)
		notion_read_times(a, ask, now_unix_s, ret_answer);
}

static void
notion_read_page(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    struct json_span root, struct sync_answer *answer)
{
	static const char *const names[] = { "results", "has_more", "next_cursor" };
	struct json_span found[3];

	json_members(root, names, 3, found);
	if (!found[0].at || *found[0].at != '[') {
		sync_page_garble(reply, "without the list that was asked for", answer);
		return;
	}
	answer->items = found[0];
	/* true, and neither false nor null. */
	if (!found[1].at || *found[1].at != 't')
		return;
	answer->next = sync_text(a, found[2], SYNC_TEXT_MAX);
	if (!answer->next || answer->next[strcspn(answer->next, NOTION_ESCAPED)])
		sync_page_garble(reply, "without a cursor that can be sent back", answer);
	else if (ask->page && strcmp(answer->next, ask->page) == 0)
		sync_page_garble(reply, "its own next page", answer);
}

/* Times of another form than the one that is known say nothing. */
static void
notion_read_times(
    struct arena *a, const struct sync_ask *ask, int64_t now_unix_s, struct sync_answer *answer)
{
	struct json_span thing = { .at = NULL }, last = { .at = NULL };
	char text[CLOCK_TEXT_MAX];
	int64_t newest_s, oldest_s, since_s;

	if (notion_edited(json_first(answer->items), text, &newest_s)) {
		/* One from the future would hide all that is edited until then. */
		if (newest_s > now_unix_s)
			clock_text(now_unix_s * 1000, text);
		answer->since = arena_text(a, text);
	}
	if (!ask->since || !notion_time(ask->since, &since_s))
		return;
	while (json_next(answer->items, &thing))
		last = thing;
	answer->is_known =
	    notion_edited(last, text, &oldest_s) && oldest_s < since_s - NOTION_OVERLAP_S;
}

static bool
notion_edited(struct json_span thing, char ret_text[static CLOCK_TEXT_MAX], int64_t *ret_unix_s)
{
	return json_string_of(json_member(thing, "last_edited_time"), ret_text, CLOCK_TEXT_MAX) &&
	       notion_time(ret_text, ret_unix_s);
}

static bool
notion_time(const char *text, int64_t *ret_unix_s)
{
	struct tm tm = { 0 };
	const char *end;

	if (!text_has_form(text, NOTION_TIME))
		return false;
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || *end != '.')
		return false;
	*ret_unix_s = timegm(&tm);
	return true;
}

/* What the status alone does not tell. */
static void
notion_read_error(const struct sync_ask *ask, const struct http_reply *reply, struct json_span root,
    struct sync_answer *answer)
{
	static const char *const names[] = { "code", "message" };
	struct json_span found[2];
	char code[NOTION_CODE_MAX], words[NOTION_WORDS_MAX];
	bool is_of_token;

	json_members(root, names, 2, found);
	json_string_of(found[0], code, sizeof(code));
	json_string_of(found[1], words, sizeof(words));
	/* A 401 without it is of something between Notion and us: no word about the token. */
	is_of_token = strcmp(code, "unauthorized") == 0;
	if (reply->status == STATUS_OVERLOADED) {
		answer->outcome = SYNC_LIMITED;
		answer->is_everybodys = true;
	} else if (reply->status == STATUS_CONFLICT ||
		   (answer->outcome == SYNC_EXPIRED && !is_of_token)) {
		answer->outcome = SYNC_FAILED;
	} else if (ask->page && strcmp(code, "validation_error") == 0 && strstr(words, "cursor")) {
		answer->outcome = SYNC_RESTART;
	}
}

static struct oauth
notion_oauth(struct arena *a, const struct conf *conf)
{
	return (struct oauth){
		.url = arena_format(a, "%s/v1/oauth/token", conf->notion_url),
		.client_id = conf->notion_client_id,
		.client_secret = oauth_secret(conf, SECRET_NOTION_CLIENT),
		.is_basic = true,
		.is_json = true,
		.header = { "notion-version", NOTION_VERSION },
	};
}

static const char *
notion_base_url(const struct conf *conf)
{
	return conf->notion_url;
}
