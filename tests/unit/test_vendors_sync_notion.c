/*
 * Notion: what is asked, and what answers mean.
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

enum { PAGE, DATABASE };

#define NOW_S 1800000000 /* 2027-01-15T08:00:00Z */
#define TOKEN "ntn_abcdefghij12"
#define UUID "0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f"

static char notion_url[] = "https://notion.example", client_id[] = "app";
static char client_secret[] = "secret_0123456789";
static struct conf conf;

static int
set_up(void **state)
{
	conf.notion_url = notion_url;
	conf.notion_client_id = client_id;
	conf.secrets[SECRET_NOTION_CLIENT].current.value = client_secret;
	conf.secrets[SECRET_NOTION_CLIENT].current.len = strlen(client_secret);
	return make_arena(state);
}

static struct sync_ask
ask_of(int stream)
{
	return (struct sync_ask){
		.conf = &conf,
		.stream = &sync_notion.streams[stream],
		.token = TOKEN,
		.size = 100,
	};
}

static const char *
body_of(struct sync_ask ask)
{
	static struct http_request q;

	http_request_reset(&q);
	sync_notion.ask(arena, &ask, &q);
	assert_null(q.refused);
	assert_string_equal(q.url, "https://notion.example/v1/search");
	assert_int_equal(q.body_len, strlen(q.body));
	assert_int_equal(q.reply_max, SYNC_REPLY_MAX);
	assert_int_equal(q.headers_count, 4);
	assert_string_equal(q.headers[1], "content-type: application/json");
	assert_string_equal(q.headers[2], "notion-version: 2025-09-03");
	assert_string_equal(q.headers[3], "authorization: Bearer " TOKEN);
	return q.body;
}

static struct sync_answer
read_answer(const struct sync_ask *ask, int status, const char *body)
{
	const struct http_reply reply = {
		.status = status,
		.error = "timed out",
		.retry_after = status >= 429 && status != 500 ? "7" : NULL,
		.body = body,
		.body_len = strlen(body),
	};
	struct sync_answer answer;

	sync_notion.read(arena, ask, &reply, NOW_S, &answer);
	if (answer.outcome != SYNC_PAGE)
		assert_true(*answer.says);
	return answer;
}

static void
each_stream_is_a_search(void **state)
{
	struct sync_ask ask = ask_of(PAGE);

	(void)state;
	assert_string_equal(body_of(ask),
	    "{\"filter\":{\"property\":\"object\",\"value\":\"page\"},"
	    "\"sort\":{\"timestamp\":\"last_edited_time\",\"direction\":\"descending\"},"
	    "\"page_size\":100}");
	ask = ask_of(DATABASE);
	ask.size = 5;
	ask.page = UUID;
	ask.since = "2026-01-01T00:00:00.000Z";
	assert_string_equal(body_of(ask),
	    "{\"filter\":{\"property\":\"object\",\"value\":\"data_source\"},"
	    "\"sort\":{\"timestamp\":\"last_edited_time\",\"direction\":\"descending\"},"
	    "\"page_size\":5,\"start_cursor\":\"" UUID "\"}");
	ask.page = "\",\"page_size\":\"1";
	assert_null(strstr(body_of(ask), "start_cursor"));
	ask.page = "\\";
	assert_null(strstr(body_of(ask), "start_cursor"));
}

static void
a_page_has_things_and_maybe_another_one(void **state)
{
	static const struct {
		const char *body, *next;
	} all[] = {
		{ "{\"results\":[],\"has_more\":true,\"next_cursor\":\"" UUID "\"}", UUID },
		{ "{\"results\":[],\"has_more\":false,\"next_cursor\":\"" UUID "\"}", NULL },
		{ "{\"results\":[],\"has_more\":false,\"next_cursor\":null}", NULL },
		{ "{\"object\":\"list\",\"results\":[],\"has_more\":null}", NULL },
		{ "{\"results\":[]}", NULL },
	};
	const struct sync_ask ask = ask_of(PAGE);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct sync_answer answer = read_answer(&ask, 200, all[i].body);

		assert_int_equal(answer.outcome, SYNC_PAGE);
		assert_int_equal(answer.items.len, 2);
		assert_null(answer.since);
		assert_false(answer.is_known);
		assert_int_equal(answer.parts_count, 0);
		if (all[i].next)
			assert_string_equal(answer.next, all[i].next);
		else
			assert_null(answer.next);
	}
}

/* A page with something edited at ${first}, and at its end at ${last}. */
static struct sync_answer
read_times(const char *since, const char *first, const char *last)
{
	struct sync_ask ask = ask_of(PAGE);
	char body[512];

	ask.since = since;
	snprintf(body, sizeof(body),
	    "{\"results\":[{\"last_edited_time\":%s},{\"last_edited_time\":\"x\"},"
	    "{\"id\":\"1\",\"last_edited_time\":%s}],\"has_more\":true,\"next_cursor\":\"" UUID
	    "\"}",
	    first, last);
	return read_answer(&ask, 200, body);
}

static void
the_first_is_the_latest_edited(void **state)
{
	static const struct {
		const char *first, *since;
	} all[] = {
		{ "\"2026-01-31T23:59:00.000Z\"", "2026-01-31T23:59:00.000Z" },
		{ "\"2027-01-15T08:00:00.000Z\"", "2027-01-15T08:00:00.000Z" },
		{ "\"2027-01-15T08:01:00.000Z\"", "2027-01-15T08:00:00.000Z" },
		{ "\"9999-12-31T23:59:59.999Z\"", "2027-01-15T08:00:00.000Z" },
		{ "\"2026-01-31T23:59:00Z\"", NULL },
		{ "\"2026-01-31T23:59:00.000+02\"", NULL },
		{ "\"2026-01-31 23:59:00.000Z\"", NULL },
		{ "\"2026-13-31T23:59:00.000Z\"", NULL },
		{ "\"2026-01-31T25:59:00.000Z\"", NULL },
		{ "\"+026-01-31T23:59:00.000Z\"", NULL },
		{ "1769903940000", NULL },
		{ "null", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct sync_answer answer = read_times(NULL, all[i].first, "null");

		assert_int_equal(answer.outcome, SYNC_PAGE);
		assert_false(answer.is_known);
		if (all[i].since)
			assert_string_equal(answer.since, all[i].since);
		else
			assert_null(answer.since);
	}
	assert_null(read_answer(
	    &(struct sync_ask){ .conf = &conf, .stream = &sync_notion.streams[0], .token = TOKEN },
	    200, "{\"results\":[7,\"x\"]}")
			.since);
}

static void
what_is_older_than_before_was_read_before(void **state)
{
	static const struct {
		const char *since, *last;
		bool is_known;
	} all[] = {
		{ "2026-03-01T00:01:00.000Z", "\"2026-02-28T23:58:59.999Z\"", true },
		{ "2026-03-01T00:01:00.000Z", "\"2026-02-28T23:59:00.000Z\"", false },
		{ "2026-03-01T00:01:00.000Z", "\"2026-03-01T00:00:00.000Z\"", false },
		{ "2026-03-01T00:01:00.000Z", "\"2026-04-01T00:00:00.000Z\"", false },
		{ "2026-03-01T00:01:00.000Z", "\"1970-01-01T00:00:00.000Z\"", true },
		{ "2026-03-01T00:01:00.000Z", "\"2026-02-01T00:00:00Z\"", false },
		{ "2026-03-01T00:01:00.000Z", "null", false },
		{ "2026-03-01", "\"2026-02-01T00:00:00.000Z\"", false },
		{ "", "\"2026-02-01T00:00:00.000Z\"", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_int_equal(
		    read_times(all[i].since, "\"2026-05-01T00:00:00.000Z\"", all[i].last).is_known,
		    all[i].is_known);
}

static void
answers_of_another_form_may_be_asked_for_again(void **state)
{
	static const char *const bodies[] = { "", "<html>", "[]", "null", "{}",
		"{\"results\":null}", "{\"results\":{}}", "{\"results\":[\"\\x\"]}",
		"{\"results\":[", "{\"results\":[],\"has_more\":true}",
		"{\"results\":[],\"has_more\":true,\"next_cursor\":null}",
		"{\"results\":[],\"has_more\":true,\"next_cursor\":\"\"}",
		"{\"results\":[],\"has_more\":true,\"next_cursor\":\"a\\\"b\"}",
		"{\"results\":[],\"has_more\":true,\"next_cursor\":\"a\\\\b\"}",
		"{\"results\":[],\"has_more\":true,\"next_cursor\":\"" UUID "\"}" };
	struct sync_ask ask = ask_of(PAGE);

	(void)state;
	ask.page = UUID;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		assert_int_equal(read_answer(&ask, 200, bodies[i]).outcome, SYNC_FAILED);
}

#define ERROR(code, message)                                                                       \
	"{\"object\":\"error\",\"code\":\"" code "\",\"message\":\"" message "\"}"

static void
every_error_has_its_outcome(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum sync_outcome outcome;
		int64_t wait_s;
	} all[] = {
		{ 0, "", SYNC_FAILED, -1 },
		{ 400, ERROR("validation_error", "The start_cursor provided is invalid."),
		    SYNC_RESTART, -1 },
		{ 400, ERROR("validation_error", "body.page_size should be"), SYNC_REFUSED, -1 },
		{ 400, ERROR("invalid_json", "cursor"), SYNC_REFUSED, -1 },
		{ 400, ERROR("missing_version", ""), SYNC_REFUSED, -1 },
		{ 401, ERROR("unauthorized", "API token is invalid."), SYNC_EXPIRED, -1 },
		{ 401, "<html>", SYNC_FAILED, -1 },
		{ 403, ERROR("restricted_resource", ""), SYNC_REFUSED, -1 },
		{ 404, ERROR("object_not_found", ""), SYNC_REFUSED, -1 },
		{ 409, ERROR("conflict_error", ""), SYNC_FAILED, -1 },
		{ 429, ERROR("rate_limited", ""), SYNC_LIMITED, 7 },
		{ 500, ERROR("internal_server_error", ""), SYNC_FAILED, -1 },
		{ 503, ERROR("service_unavailable", ""), SYNC_FAILED, 7 },
		{ 504, ERROR("gateway_timeout", ""), SYNC_FAILED, 7 },
		{ 529, ERROR("service_overload", ""), SYNC_LIMITED, 7 },
		{ 529, "", SYNC_LIMITED, 7 },
	};
	struct sync_ask ask = ask_of(PAGE);

	(void)state;
	ask.page = UUID;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct sync_answer answer = read_answer(&ask, all[i].status, all[i].body);

		assert_int_equal(answer.outcome, all[i].outcome);
		assert_int_equal(answer.wait_s, all[i].wait_s);
		assert_int_equal(answer.is_everybodys, all[i].status == 529);
	}
	ask.page = NULL;
	assert_int_equal(read_answer(&ask, 400, all[1].body).outcome, SYNC_REFUSED);
	assert_string_equal(read_answer(&ask, 401, all[5].body).says,
	    "HTTP 401 unauthorized: API token is invalid.");
	assert_null(strstr(read_answer(&ask, 403, ERROR("x", "for " TOKEN)).says, "abcdefghij"));
}

static void
tokens_are_refreshed_with_json(void **state)
{
	struct oauth who = sync_notion.oauth(arena, &conf);
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	oauth_ask(arena, &who, "nrt_1/2+3=", &q);
	assert_null(q.refused);
	assert_string_equal(q.url, "https://notion.example/v1/oauth/token");
	assert_string_equal(
	    q.body, "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"nrt_1/2+3=\"}");
	assert_int_equal(q.body_len, strlen(q.body));
	assert_int_equal(q.headers_count, 4);
	assert_string_equal(q.headers[2], "notion-version: 2025-09-03");
	/* app:secret_0123456789 */
	assert_string_equal(q.headers[3], "authorization: Basic YXBwOnNlY3JldF8wMTIzNDU2Nzg5");
	oauth_ask(arena, &who, "\"", &q);
	assert_non_null(q.refused);
	assert_true(oauth_is_known(&who));
	conf.notion_client_id = NULL;
	who = sync_notion.oauth(arena, &conf);
	assert_false(oauth_is_known(&who));
	http_request_reset(&q);
	oauth_ask(arena, &who, "x", &q);
	assert_non_null(q.refused);
	conf.notion_client_id = client_id;
	assert_string_equal(sync_notion.base_url(&conf), notion_url);
}

static void
an_answer_to_a_refresh_has_tokens_or_an_error(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum sync_refresh_outcome outcome;
		const char *refresh;
	} all[] = {
		{ 200, "{\"access_token\":\"ntn_2\",\"refresh_token\":\"nrt_2\",\"owner\":{}}",
		    SYNC_REFRESHED, "nrt_2" },
		{ 200, "{\"access_token\":\"ntn_2\",\"refresh_token\":null}", SYNC_REFRESHED,
		    NULL },
		{ 400, ERROR("invalid_grant", "Invalid refresh token."), SYNC_REFRESH_DEAD, NULL },
		{ 400, "{\"error\":\"invalid_grant\"}", SYNC_REFRESH_DEAD, NULL },
		{ 401, ERROR("unauthorized", ""), SYNC_REFRESH_OURS, NULL },
		{ 401, "{\"error\":\"invalid_client\"}", SYNC_REFRESH_OURS, NULL },
		{ 400, ERROR("validation_error", ""), SYNC_REFRESH_FAILED, NULL },
		{ 429, ERROR("rate_limited", ""), SYNC_REFRESH_FAILED, NULL },
		{ 500, ERROR("internal_server_error", ""), SYNC_REFRESH_FAILED, NULL },
		{ 200, "{}", SYNC_REFRESH_LOST, NULL },
	};
	const struct oauth who = sync_notion.oauth(arena, &conf);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const struct http_reply reply = {
			.status = all[i].status,
			.body = all[i].body,
			.body_len = strlen(all[i].body),
		};
		struct sync_tokens tokens;

		oauth_read(arena, &who, "nrt_1", &reply, NOW_S, &tokens);
		assert_int_equal(tokens.outcome, all[i].outcome);
		assert_int_equal(tokens.expires_in_s, 0);
		if (all[i].refresh)
			assert_string_equal(tokens.refresh, all[i].refresh);
		else
			assert_null(tokens.refresh);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stream_is_a_search),
		cmocka_unit_test(a_page_has_things_and_maybe_another_one),
		cmocka_unit_test(the_first_is_the_latest_edited),
		cmocka_unit_test(what_is_older_than_before_was_read_before),
		cmocka_unit_test(answers_of_another_form_may_be_asked_for_again),
		cmocka_unit_test(every_error_has_its_outcome),
		cmocka_unit_test(tokens_are_refreshed_with_json),
		cmocka_unit_test(an_answer_to_a_refresh_has_tokens_or_an_error),
	};

	return cmocka_run_group_tests(tests, set_up, free_arena);
}
