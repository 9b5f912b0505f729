/*
 * What vendors answer whose accounts are synced.  The first byte says which of them and what was
 * asked, the second one the status; then come a line, which is the value of each header where the
 * first byte asks for some, and the body.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/conf.h"
#include "base/json.h"
#include "base/text.h"
#include "http/http.h"
#include "vendors/oauth.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUZZ_STREAM = 4, /* the lowest two bits are the vendor */
	FUZZ_PAGE = 16,
	FUZZ_SINCE = 32,
	FUZZ_REFRESH = 64,
	FUZZ_HEADERS = 128,
	FUZZ_NOW_S = 1800000000,
	FUZZ_PLACE_MAX = 2048,
};

static void fuzz_setup(struct conf *);
static void fuzz_page(
    struct arena *, const struct sync_ask *, const struct sync_vendor *, const struct http_reply *);
static void fuzz_items(struct json_span items, const struct http_reply *);
static void fuzz_goes_on(
    struct arena *, struct sync_ask, const struct sync_vendor *, const struct sync_answer *);
static void fuzz_tokens(
    struct arena *, const struct conf *, const struct sync_vendor *, const struct http_reply *);
static void fuzz_is_visible(const char *text, size_t len_max);

static const struct sync_vendor *const fuzz_vendors[] = { &sync_slack, &sync_notion, &sync_github,
	&sync_google_calendar };
/* Given as a page and as a since: some vendor takes each. */
static const char *const fuzz_places[] = { "1700000000.000100", "2026-03-01T00:01:00.000Z",
	"/user/repos?page=2", "CPDAlvWDx70CEPDAlvWDx70CGAU=" };
static const char fuzz_token[] = "token0123456789abcdef";
static char fuzz_url[] = "https://api.example", fuzz_id[] = "client.id";
static char fuzz_secret[] = "secret0123456789ABCDEF";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 200, 0, 201, 204, 301, 304, 400, 401, 403, 404, 409,
		410, 422, 429, 500, 503, 529 };
	const struct sync_vendor *vendor;
	struct conf conf = { .database_url = NULL };
	struct http_reply reply = { .error = "timed out" };
	struct sync_ask ask = { .conf = &conf, .token = fuzz_token, .part = "C1", .size = 50 };
	struct arena *a;
	char *text, *body;

	if (size < 2)
		return 0;
	fuzz_setup(&conf);
	a = arena_create();
	text = fuzz_string(data + 2, size - 2);
	body = text;
	if (data[0] & FUZZ_HEADERS) {
		reply.retry_after = text;
		for (size_t i = 0; i < HTTP_KEPT_MAX; i++)
			reply.kept[i] = text;
		body = text + strcspn(text, "\n");
		if (*body)
			*body++ = '\0';
	}
	reply.status = statuses[data[1] % (sizeof(statuses) / sizeof(*statuses))];
	reply.body = body;
	reply.body_len = size - 2 - (size_t)(body - text);
	vendor = fuzz_vendors[data[0] % 4];
	ask.stream = &vendor->streams[data[0] / FUZZ_STREAM % 4 % (unsigned)vendor->streams_count];
	ask.page = data[0] & FUZZ_PAGE ? fuzz_places[data[0] % 4] : NULL;
	ask.since = data[0] & FUZZ_SINCE ? fuzz_places[data[0] % 4] : NULL;
	if (data[0] & FUZZ_REFRESH)
		fuzz_tokens(a, &conf, vendor, &reply);
	else
		fuzz_page(a, &ask, vendor, &reply);
	free(text);
	arena_destroy(a);
	return 0;
}

static void
fuzz_setup(struct conf *conf)
{
	conf->github_url = conf->notion_url = conf->slack_url = conf->google_url = fuzz_url;
	conf->github_oauth_url = conf->google_oauth_url = fuzz_url;
	conf->github_client_id = conf->notion_client_id = fuzz_id;
	conf->slack_client_id = conf->google_client_id = fuzz_id;
	for (int i = SECRET_GITHUB_CLIENT; i <= SECRET_GOOGLE_CLIENT; i++) {
		conf->secrets[i].current.value = fuzz_secret;
		conf->secrets[i].current.len = strlen(fuzz_secret);
	}
}

static void
fuzz_page(struct arena *a, const struct sync_ask *ask, const struct sync_vendor *vendor,
    const struct http_reply *reply)
{
	struct sync_answer answer;
	bool is_good;

	vendor->read(a, ask, reply, FUZZ_NOW_S, &answer);
	is_good = answer.outcome == SYNC_PAGE || answer.outcome == SYNC_SAME;
	must(answer.outcome >= 0 && answer.outcome < SYNC_OUTCOME__MAX);
	must(is_good == !*answer.says);
	must(strlen(answer.says) < sizeof(answer.says));
	must(text_is_utf8(answer.says, strlen(answer.says)));
	must(!strstr(answer.says, fuzz_token));
	must(answer.wait_s >= -1 && answer.wait_s <= 24 * 3600);
	must(answer.poll_s >= 0);
	for (size_t i = 0; i < answer.parts_count; i++) {
		must(*answer.parts[i] && strlen(answer.parts[i]) <= 32);
		for (const char *at = answer.parts[i]; *at; at++)
			must(isalnum((unsigned char)*at));
	}
	if (is_good) {
		fuzz_items(answer.items, reply);
		fuzz_goes_on(a, *ask, vendor, &answer);
	}
}

/* They are an array that PostgreSQL takes, of the body unless that had to be mended. */
static void
fuzz_items(struct json_span items, const struct http_reply *reply)
{
	struct json_span item = { .at = NULL };

	if (items.len == 0)
		return;
	must(json_fault(reply->body, reply->body_len, NULL) ||
	     (items.at >= reply->body && items.at + items.len <= reply->body + reply->body_len));
	must(*items.at == '[' && !json_fault(items.at, items.len, NULL));
	while (json_next(items, &item))
		must(item.at > items.at && item.at + item.len < items.at + items.len);
}

/* What an answer wants to be asked with is asked with, of the same host, and can be kept. */
static void
fuzz_goes_on(struct arena *a, struct sync_ask ask, const struct sync_vendor *vendor,
    const struct sync_answer *answer)
{
	struct http_request *q = arena_alloc(a, sizeof(*q));

	if (answer->next) {
		fuzz_is_visible(answer->next, FUZZ_PLACE_MAX);
		must(!ask.page || strcmp(answer->next, ask.page) != 0);
		ask.page = answer->next;
	}
	if (answer->since) {
		fuzz_is_visible(answer->since, FUZZ_PLACE_MAX);
		ask.since = answer->since;
	}
	if (answer->etag)
		fuzz_is_visible(answer->etag, FUZZ_PLACE_MAX);
	ask.etag = answer->etag;
	http_request_reset(q);
	vendor->ask(a, &ask, q);
	must(!q->refused);
	must(strncmp(q->url, fuzz_url, strlen(fuzz_url)) == 0 && q->url[strlen(fuzz_url)] == '/');
	fuzz_is_visible(q->url, SIZE_MAX);
	must(!q->body || !json_fault(q->body, q->body_len, NULL));
}

static void
fuzz_tokens(struct arena *a, const struct conf *conf, const struct sync_vendor *vendor,
    const struct http_reply *reply)
{
	const struct oauth who = vendor->oauth(a, conf);
	struct sync_tokens tokens;

	oauth_read(a, &who, fuzz_token, reply, FUZZ_NOW_S, &tokens);
	must((tokens.outcome == SYNC_REFRESHED) == (*tokens.says == '\0'));
	must(tokens.outcome != SYNC_REFRESHED || tokens.access);
	must(tokens.expires_in_s >= 0);
	must(tokens.wait_s >= -1 && tokens.wait_s <= 24 * 3600);
	must(text_is_utf8(tokens.says, strlen(tokens.says)));
	must(!strstr(tokens.says, fuzz_token) && !strstr(tokens.says, fuzz_secret));
	if (tokens.outcome != SYNC_REFRESHED)
		return;
	fuzz_is_visible(tokens.access, 4096);
	if (tokens.refresh)
		fuzz_is_visible(tokens.refresh, 4096);
}

static void
fuzz_is_visible(const char *text, size_t len_max)
{
	must(*text && strlen(text) <= len_max);
	for (; *text; text++)
		must(*text > ' ' && *text <= '~');
}
