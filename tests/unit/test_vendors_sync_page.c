/*
 * What the answers of all vendors have in common: status, JSON, words.
 */
#include "arena_fixture.h"
#include "http/http.h"
#include "vendors/sync_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct sync_ask ask = { .token = "token_12345678", .stream = sync_github.streams };
static struct json_span root;

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
open_page(struct http_reply reply)
{
	struct sync_answer answer;
	bool is_page = sync_page_open(arena, &ask, &reply, 1800000000, &answer, &root);

	assert_int_equal(is_page, answer.outcome == SYNC_PAGE);
	return answer;
}

static void
sound_json_is_a_page(void **state)
{
	struct http_reply reply = reply_of(200, " [{\"id\": 1}] ");
	struct sync_answer answer = open_page(reply);

	(void)state;
	assert_int_equal(answer.outcome, SYNC_PAGE);
	assert_ptr_equal(root.at, reply.body);
	assert_int_equal(root.len, reply.body_len);
	assert_null(answer.items.at);
	assert_string_equal(answer.says, "");
}

static void
what_is_no_json_may_be_asked_for_again(void **state)
{
	static const char *const bodies[] = { "{", "<html>", "[1,]", "[\"\\x\"]", "\xff", "[] []" };
	struct sync_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		answer = open_page(reply_of(200, bodies[i]));
		assert_int_equal(answer.outcome, SYNC_FAILED);
		assert_int_equal(answer.wait_s, -1);
		assert_string_equal(answer.says, "HTTP 200, and the answer is no sound JSON");
		assert_null(root.at);
	}
	answer = open_page(reply_of(200, ""));
	assert_string_equal(answer.says, "HTTP 200, and the answer is empty");
}

static void
what_only_the_database_refuses_is_replaced(void **state)
{
	static const char body[] = "[\"\\u0000\\ud83d\"]";
	struct http_reply reply = reply_of(200, body);

	(void)state;
	assert_int_equal(open_page(reply).outcome, SYNC_PAGE);
	assert_int_equal(root.len, strlen(body));
	assert_memory_equal(root.at, "[\"\\ufffd\\ufffd\"]", root.len);
	assert_string_equal(reply.body, body);
}

static void
a_page_that_is_too_long_is_asked_for_in_smaller_ones(void **state)
{
	struct http_reply reply = reply_of(200, "[]");
	struct sync_answer answer;

	(void)state;
	reply.truncated = true;
	answer = open_page(reply);
	assert_int_equal(answer.outcome, SYNC_SMALLER);
	assert_string_equal(answer.says, "HTTP 200, and the answer is longer than a page may be");
	/* Of an error it is the status that counts. */
	reply.status = 500;
	assert_int_equal(open_page(reply).outcome, SYNC_FAILED);
	assert_null(root.at);
}

static void
a_status_means_the_same_everywhere(void **state)
{
	static const struct {
		int status;
		enum sync_outcome outcome;
	} statuses[] = {
		{ 0, SYNC_FAILED },
		{ 301, SYNC_REFUSED },
		{ 304, SYNC_REFUSED },
		{ 400, SYNC_REFUSED },
		{ 401, SYNC_EXPIRED },
		{ 403, SYNC_REFUSED },
		{ 404, SYNC_REFUSED },
		{ 408, SYNC_FAILED },
		{ 410, SYNC_REFUSED },
		{ 429, SYNC_LIMITED },
		{ 500, SYNC_FAILED },
		{ 529, SYNC_FAILED },
		{ 999, SYNC_FAILED },
		{ 101, SYNC_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct sync_answer answer = open_page(reply_of(statuses[i].status, "{}"));

		assert_int_equal(answer.outcome, statuses[i].outcome);
		assert_int_equal(answer.wait_s, -1);
		assert_true(*answer.says);
	}
}

/* Some gateways say so, too; for theirs no refresh token is to be burnt. */
static void
a_token_is_refused_in_json(void **state)
{
	(void)state;
	assert_int_equal(open_page(reply_of(401, "<html>")).outcome, SYNC_FAILED);
	assert_int_equal(open_page(reply_of(401, "")).outcome, SYNC_FAILED);
	assert_int_equal(
	    open_page(reply_of(401, "{\"message\":\"Bad credentials\"}")).outcome, SYNC_EXPIRED);
}

static void
a_wait_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *after;
		int64_t wait_s;
	} waits[] = {
		{ NULL, -1 },
		{ "soon", -1 },
		{ "", -1 },
		{ "0", 1 },
		{ "30", 30 },
		{ "99999999999999999999", SYNC_WAIT_MAX_S },
		{ "Fri, 15 Jan 2027 08:00:20 GMT", 20 },
		{ "Fri, 15 Jan 2027 07:00:00 GMT", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct http_reply reply = reply_of(i % 2 ? 429 : 503, "");

		reply.retry_after = waits[i].after;
		assert_int_equal(open_page(reply).wait_s, waits[i].wait_s);
	}
}

static void
says_what_the_vendor_says(void **state)
{
	static const struct {
		const char *body, *says;
	} errors[] = {
		{ "{\"message\":\"Bad credentials\",\"documentation_url\":\"https://d\"}",
		    "HTTP 400: Bad credentials" },
		{ "{\"object\":\"error\",\"status\":400,\"code\":\"validation_error\",\"message\":"
		  "\"body failed\"}",
		    "HTTP 400 validation_error: body failed" },
		{ "{\"ok\":false,\"error\":\"invalid_auth\"}", "HTTP 400 invalid_auth" },
		{ "{\"error\":{\"errors\":[{\"domain\":\"global\",\"reason\":\"notFound\"}],"
		  "\"code\":404,"
		  "\"message\":\"Not Found\"}}",
		    "HTTP 400 notFound: Not Found" },
		{ "{\"error\":\"Do not show as a name!\",\"message\":\"a\\nb\"}", "HTTP 400: a b" },
		{ "{\"message\":\"with token_12345678 in it\"}",
		    "HTTP 400: with ************** in it" },
		{ "[]", "HTTP 400" },
		{ "{\"message\":17}", "HTTP 400" },
		{ " <html>token", "HTTP 400" },
		{ "sent token=12345678 \xff", "HTTP 400: sent token=******** ?" },
		{ "", "HTTP 400" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		assert_string_equal(open_page(reply_of(400, errors[i].body)).says, errors[i].says);
	assert_string_equal(open_page(reply_of(0, "")).says, "the connection failed");
}

/* A token that begins where the line ends is hidden before it is cut. */
static void
hides_what_the_end_cuts(void **state)
{
	char body[SYNC_SAYS_MAX + 32];
	struct sync_answer answer;

	(void)state;
	memset(body, '.', sizeof(body));
	stpcpy(body + SYNC_SAYS_MAX - (int)strlen("HTTP 400: ") - 6, ask.token);
	answer = open_page(reply_of(400, body));
	assert_int_equal(strlen(answer.says), SYNC_SAYS_MAX - 1);
	assert_string_equal(answer.says + SYNC_SAYS_MAX - 1 - 6, ".*****");
}

static struct json_span
span(const char *text)
{
	return (struct json_span){ .at = text, .len = strlen(text) };
}

static void
keeps_only_texts_that_can_be_sent_back(void **state)
{
	static const char *const none[] = { "\"\"", "1", "null", "{}", "\"a b\"", "\"a\\nb\"",
		"\"\xc3\xbc\"", "\"\\u007f\"", "\"123456789\"" };

	(void)state;
	assert_string_equal(sync_text(arena, span("\"dXNlcg==\""), 8), "dXNlcg==");
	assert_string_equal(sync_text(arena, span("\"\\u0031\\/345678\""), 8), "1/345678");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_null(sync_text(arena, span(none[i]), 8));
	assert_null(sync_text(arena, (struct json_span){ .at = NULL }, 8));
}

#define WITH_ARENA(fn) cmocka_unit_test_setup_teardown(fn, make_arena, free_arena)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ARENA(sound_json_is_a_page),
		WITH_ARENA(what_is_no_json_may_be_asked_for_again),
		WITH_ARENA(what_only_the_database_refuses_is_replaced),
		WITH_ARENA(a_page_that_is_too_long_is_asked_for_in_smaller_ones),
		WITH_ARENA(a_status_means_the_same_everywhere),
		WITH_ARENA(a_token_is_refused_in_json),
		WITH_ARENA(a_wait_is_seconds_or_a_date),
		WITH_ARENA(says_what_the_vendor_says),
		WITH_ARENA(hides_what_the_end_cuts),
		WITH_ARENA(keeps_only_texts_that_can_be_sent_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
