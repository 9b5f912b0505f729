/*
 * GitHub: what is asked, and what its answers mean.
 */
#include "arena_fixture.h"
#include "base/conf.h"
#include "http/http.h"
#include "vendors/oauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */

enum { KEPT_LINK, KEPT_ETAG, KEPT_LEFT, KEPT_RESET, KEPT_POLL, KEPT_LOCATION };
enum { REPOSITORY, ISSUE, NOTIFICATION };

static char client_secret[] = "client-secret", client_id[] = "Iv1.client";
static char github_url[] = "https://api.github.example", oauth_url[] = "https://github.example";
static struct conf conf = {
	.github_url = github_url,
	.github_oauth_url = oauth_url,
	.github_client_id = client_id,
};

static struct sync_ask
ask_for(int stream)
{
	return (struct sync_ask){
		.conf = &conf,
		.stream = &sync_github.streams[stream],
		.token = "ghu_0123456789",
		.size = sync_github.streams[stream].size_max,
	};
}

static const char *
url_of(const struct sync_ask *ask)
{
	static struct http_request q;

	http_request_reset(&q);
	sync_github.ask(arena, ask, &q);
	assert_null(q.refused);
	return q.url;
}

static void
asks_for_each_of_its_lists(void **state)
{
	static const char *const headers[] = { "accept: application/vnd.github+json",
		"x-github-api-version: 2022-11-28", "authorization: Bearer ghu_0123456789",
		"if-none-match: W/\"1\"" };
	struct sync_ask ask = ask_for(REPOSITORY);
	struct http_request q;

	(void)state;
	ask.etag = "W/\"1\"";
	http_request_reset(&q);
	sync_github.ask(arena, &ask, &q);
	assert_null(q.refused);
	assert_null(q.body);
	assert_string_equal(q.url, "https://api.github.example/user/repos?per_page=100");
	assert_int_equal(q.reply_max, SYNC_REPLY_MAX);
	assert_int_equal(q.headers_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(q.headers[i], headers[i]);
	assert_string_equal(q.keep[KEPT_LINK], "link:");
	assert_string_equal(q.keep[KEPT_LOCATION], "location:");

	ask = ask_for(ISSUE);
	assert_string_equal(url_of(&ask),
	    "https://api.github.example/issues?filter=all&state=all&sort=updated&direction=desc"
	    "&per_page=100");
	ask.since = "2026-11-22T20:00:00Z";
	ask.size = 25;
	assert_string_equal(url_of(&ask),
	    "https://api.github.example/issues?filter=all&state=all&sort=updated&direction=desc"
	    "&per_page=25&since=2026-11-22T20%3A00%3A00Z");
	ask = ask_for(NOTIFICATION);
	assert_string_equal(
	    url_of(&ask), "https://api.github.example/notifications?all=true&per_page=50");
	ask.page = "/notifications?all=true&per_page=50&page=2";
	assert_string_equal(
	    url_of(&ask), "https://api.github.example/notifications?all=true&per_page=50&page=2");
}

/* Then it is the first one: what is listed twice does no harm. */
static void
a_page_is_nowhere_else(void **state)
{
	static const char *const pages[] = { "", "//evil.example/", "https://evil.example/",
		"https://api.github.example/x", "@evil.example/", ".evil.example/", "/x y", "/x\ny",
		"/x#y", "/\xc3\xbc", "!//evil.example/", "!!/x" };
	struct sync_ask ask = ask_for(ISSUE);
	const char *first = url_of(&ask);

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		ask.page = pages[i];
		assert_string_equal(url_of(&ask), first);
	}
}

static struct http_reply
reply_of(int status, const char *body)
{
	return (struct http_reply){
		.status = status,
		.error = "the connection failed",
		.body = body,
		.body_len = strlen(body),
	};
}

static struct sync_answer
read_reply(const struct sync_ask *ask, struct http_reply reply)
{
	struct sync_answer answer;

	sync_github.read(arena, ask, &reply, NOW, &answer);
	assert_int_equal(answer.outcome == SYNC_PAGE || answer.outcome == SYNC_SAME, !*answer.says);
	return answer;
}

#define ISSUES                                                                                     \
	"[{\"id\":1,\"updated_at\":\"2026-11-22T20:00:00Z\",\"title\":\"]\"},"                     \
	"{\"id\":2,\"updated_at\":\"2026-11-22T20:00:01Z\"},"                                      \
	"{\"id\":3,\"updated_at\":\"2026-01-01T00:00:00Z\"},{\"id\":4,\"updated_at\":null},"       \
	"{\"id\":5,\"updated_at\":\"2099-01-01T00:00:00Z\"},{\"id\":6,\"updated_at\":\"9\"},7]"

static void
a_page_says_where_to_go_on(void **state)
{
	struct sync_ask ask = ask_for(ISSUE);
	struct http_reply reply = reply_of(200, ISSUES);
	struct sync_answer answer;

	(void)state;
	reply.kept[KEPT_LINK] = "<https://api.github.example/issues?page=3>; rel=\"next\", "
				"<https://api.github.example/issues?page=9>; rel=\"last\"";
	reply.kept[KEPT_ETAG] = "W/\"0a1b\"";
	answer = read_reply(&ask, reply);
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_ptr_equal(answer.items.at, reply.body);
	assert_int_equal(answer.items.len, strlen(ISSUES));
	assert_string_equal(answer.next, "/issues?page=3");
	assert_string_equal(answer.etag, "W/\"0a1b\"");
	/* The latest that is not ahead of our clock. */
	assert_string_equal(answer.since, "2026-11-22T20:00:01Z");
	assert_int_equal(answer.poll_s, 0);
	assert_false(answer.is_known);
	ask.page = answer.next;
	assert_string_equal(url_of(&ask), "https://api.github.example/issues?page=3");

	reply.kept[KEPT_LINK] = "<HTTPS://API.github.example/issues?page=8>; rel=\"prev\"";
	reply.kept[KEPT_ETAG] = NULL;
	reply.kept[KEPT_POLL] = "60";
	ask = ask_for(REPOSITORY);
	answer = read_reply(&ask, reply);
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_null(answer.next);
	assert_null(answer.etag);
	assert_null(answer.since);
	assert_int_equal(answer.poll_s, 60);

	answer = read_reply(&ask, reply_of(200, " \n[1] "));
	assert_int_equal(answer.items.len, 4);
	assert_memory_equal(answer.items.at, "[1] ", 4);
	answer = read_reply(&ask, reply_of(200, " [ ] "));
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_null(answer.items.at);
}

static void
what_is_no_list_is_not_taken_for_an_empty_one(void **state)
{
	static const char *const bodies[] = { "{}", "null", "\"[]\"", "{\"message\":\"x\"}" };
	const struct sync_ask ask = ask_for(REPOSITORY);
	struct sync_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		answer = read_reply(&ask, reply_of(200, bodies[i]));
		assert_int_equal(answer.outcome, SYNC_FAILED);
		assert_string_equal(answer.says, "HTTP 200, and the answer is no list");
	}
}

static void
nothing_leads_elsewhere(void **state)
{
	static const char *const places[] = { "http://api.github.example/x",
		"https://api.github.example.evil.example/x", "https://api.github.example:444/x",
		"https://api.github.example@evil.example/x", "https://u@api.github.example/x",
		"//evil.example/x", "https://api.github.example", "https://api.github.example?x",
		"https://api.github.example//x", "x", "", "file:///etc/passwd",
		"https://api.github.example/x y", "https://api.github.example/\xc3\xbc" };
	const struct sync_ask ask = ask_for(ISSUE);
	struct sync_answer answer;
	char link[256];

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct http_reply reply = reply_of(200, "[]");

		snprintf(link, sizeof(link), "<%s>; rel=\"next\"", places[i]);
		reply.kept[KEPT_LINK] = link;
		answer = read_reply(&ask, reply);
		assert_int_equal(answer.outcome, SYNC_REFUSED);
		assert_string_equal(answer.says,
		    "HTTP 200, and the answer is continued outside of GITHUB_BASE_URL");
		assert_null(answer.next);

		reply = reply_of(301, "");
		reply.kept[KEPT_LOCATION] = places[i];
		answer = read_reply(&ask, reply);
		assert_int_equal(answer.outcome, SYNC_REFUSED);
		assert_null(answer.next);
	}
}

static void
a_link_that_cannot_be_followed_is_no_end(void **state)
{
	struct sync_ask ask = ask_for(ISSUE);
	struct http_reply reply = reply_of(200, "[]");
	int room = 2048 - (int)strlen(github_url);
	char path[2048], link[4096];

	(void)state;
	reply.kept[KEPT_LINK] = "<https://api.github.example/issues?page=2";
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_FAILED);
	ask.page = "/issues?page=2";
	reply.kept[KEPT_LINK] = "<https://api.github.example/issues?page=2>; rel=next";
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_FAILED);
	/* All of an address fits into 2 KB, or it is none. */
	memset(path, '/', sizeof(path));
	memset(path + 1, 'a', sizeof(path) - 1);
	reply.kept[KEPT_LINK] = link;
	snprintf(link, sizeof(link), "<%.*s>; rel=next", room - 1, path);
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_PAGE);
	snprintf(link, sizeof(link), "<%.*s>; rel=next", room, path);
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_REFUSED);
	reply.kept[KEPT_LINK] = NULL;
	reply.is_kept_short[KEPT_LINK] = true;
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_FAILED);
}

static void
what_has_not_changed_has_no_body(void **state)
{
	struct sync_ask ask = ask_for(NOTIFICATION);
	struct http_reply reply = reply_of(304, "");
	struct sync_answer answer;

	(void)state;
	reply.kept[KEPT_POLL] = "60";
	reply.kept[KEPT_LINK] = "</notifications?page=2>; rel=\"next\"";
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_FAILED);
	ask.etag = "\"1\"";
	answer = read_reply(&ask, reply);
	assert_int_equal(answer.outcome, SYNC_SAME);
	assert_int_equal(answer.poll_s, 60);
	assert_string_equal(answer.next, "/notifications?page=2");
}

static void
an_etag_goes_back_as_it_came(void **state)
{
	const struct sync_ask ask = ask_for(ISSUE);
	struct http_reply reply = reply_of(200, "[]");
	char longer[300];

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	reply.kept[KEPT_ETAG] = longer;
	assert_null(read_reply(&ask, reply).etag);
	reply.kept[KEPT_ETAG] = "\"\xc3\xbc\"";
	assert_null(read_reply(&ask, reply).etag);
	reply.kept[KEPT_ETAG] = "\"a b\"";
	assert_null(read_reply(&ask, reply).etag);
	reply.kept[KEPT_ETAG] = "W/\"a+b/c=\"";
	assert_string_equal(read_reply(&ask, reply).etag, "W/\"a+b/c=\"");
}

static void
what_was_moved_is_asked_for_there(void **state)
{
	static const int statuses[] = { 301, 302, 307, 308 };
	struct sync_ask ask = ask_for(ISSUE);
	struct sync_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct http_reply reply = reply_of(statuses[i], "{\"message\":\"Moved\"}");

		ask.page = NULL;
		reply.kept[KEPT_LOCATION] = "https://api.github.example/user/issues?page=1";
		answer = read_reply(&ask, reply);
		assert_int_equal(answer.outcome, SYNC_PAGE);
		assert_null(answer.items.at);
		assert_null(answer.since);
		ask.page = answer.next;
		assert_string_equal(url_of(&ask), "https://api.github.example/user/issues?page=1");
		/* Chains could be rings. */
		reply.kept[KEPT_LOCATION] = "/issues";
		assert_int_equal(read_reply(&ask, reply).outcome, SYNC_FAILED);
		ask.page = "/issues";
		assert_int_equal(read_reply(&ask, reply).outcome, SYNC_FAILED);
		reply.kept[KEPT_LOCATION] = NULL;
		assert_int_equal(read_reply(&ask, reply).outcome, SYNC_REFUSED);
	}
	assert_int_equal(read_reply(&ask, reply_of(303, "")).outcome, SYNC_REFUSED);
}

#define SECONDARY                                                                                  \
	"{\"message\":\"You have exceeded a secondary rate limit. Please "                         \
	"wait.\",\"status\":\"403\"}"

static void
limits_are_told_from_permissions(void **state)
{
	static const struct {
		int status, stream;
		const char *body, *retry_after, *left, *reset;
		enum sync_outcome outcome;
		int64_t wait_s;
	} answers[] = {
		/* The primary limit, until it is reset by our clock. */
		{ 403, ISSUE, "{\"message\":\"API rate limit exceeded\"}", NULL, "0", "1800000100",
		    SYNC_LIMITED, 101 },
		{ 429, ISSUE, "", NULL, "0", "1800000100", SYNC_LIMITED, 101 },
		{ 403, ISSUE, "", NULL, "0", "1800000000", SYNC_LIMITED, 1 },
		{ 403, ISSUE, "", NULL, "0", "1799999000", SYNC_LIMITED, 1 },
		{ 403, ISSUE, "", NULL, "0", "9223372036854775807", SYNC_LIMITED, 3600 },
		{ 403, ISSUE, "", NULL, "0", "soon", SYNC_LIMITED, -1 },
		{ 403, ISSUE, "", NULL, "0", NULL, SYNC_LIMITED, -1 },
		/* The secondary ones. */
		{ 403, ISSUE, SECONDARY, "7", "4000", NULL, SYNC_LIMITED, 7 },
		{ 403, ISSUE, SECONDARY, "0", NULL, NULL, SYNC_LIMITED, 1 },
		{ 403, ISSUE, SECONDARY, "Fri, 15 Jan 2027 08:01:00 GMT", NULL, NULL, SYNC_LIMITED,
		    60 },
		{ 429, ISSUE, SECONDARY, "99999999", NULL, NULL, SYNC_LIMITED, 86400 },
		{ 403, ISSUE, SECONDARY, NULL, "4000", "1800000100", SYNC_LIMITED, -1 },
		{ 403, NOTIFICATION, SECONDARY, NULL, "4000", NULL, SYNC_LIMITED, -1 },
		{ 429, NOTIFICATION, "", NULL, NULL, NULL, SYNC_LIMITED, -1 },
		{ 403, ISSUE, "{\"message\":\"You have triggered an abuse detection mechanism.\"}",
		    NULL, NULL, NULL, SYNC_LIMITED, -1 },
		/* No limits. */
		{ 403, ISSUE, "{\"message\":\"Resource not accessible by integration\"}", NULL,
		    "4999", NULL, SYNC_REFUSED, -1 },
		{ 403, NOTIFICATION, "{\"message\":\"Resource not accessible by integration\"}",
		    NULL, "4999", "1800000100", SYNC_SKIP, -1 },
		{ 403, REPOSITORY, "<html>", NULL, NULL, NULL, SYNC_REFUSED, -1 },
		{ 404, NOTIFICATION, "{\"message\":\"Not Found\"}", NULL, NULL, NULL, SYNC_SKIP,
		    -1 },
		{ 404, ISSUE, "{\"message\":\"Not Found\"}", NULL, NULL, NULL, SYNC_REFUSED, -1 },
		{ 401, ISSUE, "{\"message\":\"Bad credentials\"}", NULL, NULL, NULL, SYNC_EXPIRED,
		    -1 },
		{ 422, ISSUE, "{\"message\":\"Validation Failed\"}", NULL, NULL, NULL, SYNC_REFUSED,
		    -1 },
		{ 500, ISSUE, "", NULL, NULL, NULL, SYNC_FAILED, -1 },
		{ 502, ISSUE, "<html>", "5", NULL, NULL, SYNC_FAILED, 5 },
		{ 0, ISSUE, "", NULL, NULL, NULL, SYNC_FAILED, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct sync_ask ask = ask_for(answers[i].stream);
		struct http_reply reply = reply_of(answers[i].status, answers[i].body);
		struct sync_answer answer;

		reply.retry_after = answers[i].retry_after;
		reply.kept[KEPT_LEFT] = answers[i].left;
		reply.kept[KEPT_RESET] = answers[i].reset;
		answer = read_reply(&ask, reply);
		if (answer.outcome != answers[i].outcome || answer.wait_s != answers[i].wait_s)
			fail_msg("answer %zu: outcome %d, wait %d", i, answer.outcome,
			    (int)answer.wait_s);
		assert_false(answer.is_everybodys);
	}
}

static void
a_since_that_is_not_taken_is_forgotten(void **state)
{
	struct sync_ask ask = ask_for(ISSUE);
	struct http_reply reply = reply_of(422, "{\"message\":\"Validation Failed\"}");

	(void)state;
	ask.since = "yesterday";
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_RESTART);
	ask.page = "/issues?page=2";
	assert_int_equal(read_reply(&ask, reply).outcome, SYNC_REFUSED);
}

static void
no_token_is_repeated(void **state)
{
	const struct sync_ask ask = ask_for(ISSUE);

	(void)state;
	assert_string_equal(
	    read_reply(&ask, reply_of(500, "{\"message\":\"you sent ghu_0123456789\"}")).says,
	    "HTTP 500: you sent **************");
	assert_string_equal(read_reply(&ask, reply_of(500, "Bearer ghu%5F0123456789")).says,
	    "HTTP 500: Bearer ghu%5F**********");
}

static void
tokens_are_refreshed_by_a_form(void **state)
{
	struct oauth who;
	struct http_reply reply = reply_of(
	    200, "{\"access_token\":\"ghu_2\",\"expires_in\":28800,\"refresh_token\":\"ghr_2\"}");
	struct sync_tokens tokens;
	struct http_request q;

	(void)state;
	who = sync_github.oauth(arena, &conf);
	assert_false(oauth_is_known(&who));
	conf.secrets[SECRET_GITHUB_CLIENT].current = (struct secret_source){
		.value = client_secret,
		.len = strlen(client_secret),
		.len_min = SECRET_LENGTH_LEAST,
	};
	who = sync_github.oauth(arena, &conf);
	assert_true(oauth_is_known(&who));
	http_request_reset(&q);
	oauth_ask(arena, &who, "ghr_1", &q);
	assert_null(q.refused);
	assert_string_equal(q.url, "https://github.example/login/oauth/access_token");
	assert_string_equal(q.body, "grant_type=refresh_token&refresh_token=ghr_1"
				    "&client_id=Iv1.client&client_secret=client-secret");
	assert_string_equal(q.headers[0], "accept: application/json");
	oauth_read(arena, &who, "ghr_1", &reply, NOW, &tokens);
	assert_int_equal(tokens.outcome, SYNC_REFRESHED);
	assert_string_equal(tokens.refresh, "ghr_2");
	reply = reply_of(200, "{\"error\":\"bad_refresh_token\"}");
	oauth_read(arena, &who, "ghr_1", &reply, NOW, &tokens);
	assert_int_equal(tokens.outcome, SYNC_REFRESH_DEAD);
	conf.github_client_id = NULL;
	who = sync_github.oauth(arena, &conf);
	assert_false(oauth_is_known(&who));
}

#define WITH_ARENA(fn) cmocka_unit_test_setup_teardown(fn, make_arena, free_arena)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ARENA(asks_for_each_of_its_lists),
		WITH_ARENA(a_page_is_nowhere_else),
		WITH_ARENA(a_page_says_where_to_go_on),
		WITH_ARENA(what_is_no_list_is_not_taken_for_an_empty_one),
		WITH_ARENA(nothing_leads_elsewhere),
		WITH_ARENA(a_link_that_cannot_be_followed_is_no_end),
		WITH_ARENA(what_has_not_changed_has_no_body),
		WITH_ARENA(an_etag_goes_back_as_it_came),
		WITH_ARENA(what_was_moved_is_asked_for_there),
		WITH_ARENA(limits_are_told_from_permissions),
		WITH_ARENA(a_since_that_is_not_taken_is_forgotten),
		WITH_ARENA(no_token_is_repeated),
		WITH_ARENA(tokens_are_refreshed_by_a_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
