/*
 * Meta's Graph API: what is asked, and what answers mean.
 */
#include "arena_fixture.h"
#include "http/http.h"
#include "vendors/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1800000000 };

static const struct meta_request of_token = {
	.base_url = "https://graph.example",
	.subject = META_TOKEN,
	.token = "EAA|the+token 0123456789",
};
static const struct meta_request of_token_by_app = {
	.base_url = "https://graph.example",
	.subject = META_TOKEN,
	.token = "EAA|the+token 0123456789",
	.app_token = "123456789012|the-app-secret",
};
static const struct meta_request of_number = {
	.base_url = "https://graph.example",
	.subject = META_PHONE_NUMBER,
	.token = "EAA|the+token 0123456789",
	.id = "106",
};

static struct meta_answer
read_with(const struct meta_request *request, int status, const char *body, const char *app_usage,
    const char *business_usage)
{
	const struct http_reply reply = {
		.status = status,
		.error = status == 0 ? body : NULL,
		.kept = { app_usage, business_usage },
		.body = body,
		.body_len = strlen(body),
	};
	struct meta_answer answer;

	meta_read(request, &reply, NOW_S, &answer);
	return answer;
}

static struct meta_answer
read_body(const struct meta_request *request, int status, const char *body)
{
	return read_with(request, status, body, NULL, NULL);
}

static void
ids_are_digits(void **state)
{
	(void)state;
	assert_true(meta_is_id("106853218861309"));
	assert_false(meta_is_id(""));
	assert_false(meta_is_id("1/2"));
	assert_false(meta_is_id("-1"));
	assert_false(
	    meta_is_id("11111111112222222222333333333344444444445555555555666666666677777"));
}

static void
a_token_is_asked_about_by_itself_or_by_its_application(void **state)
{
	static const char url[] = "https://graph.example/v23.0/"
				  "debug_token?input_token=EAA%7Cthe%2Btoken%200123456789";
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	meta_ask(arena, &of_token, &q);
	assert_string_equal(q.url, url);
	assert_string_equal(
	    q.headers[q.headers_count - 1], "authorization: Bearer EAA|the+token 0123456789");
	http_request_reset(&q);
	meta_ask(arena, &of_token_by_app, &q);
	assert_string_equal(q.url, url);
	assert_string_equal(
	    q.headers[q.headers_count - 1], "authorization: Bearer 123456789012|the-app-secret");
	assert_null(q.refused);
}

static void
a_number_is_asked_for_without_the_token_in_its_address(void **state)
{
	const struct meta_request account = {
		.base_url = "https://graph.example",
		.subject = META_ACCOUNT,
		.token = "EAA",
		.id = "77",
	};
	const struct meta_request broken = {
		.base_url = "https://graph.example",
		.subject = META_ACCOUNT,
		.token = "EAA\r\nx: y",
		.id = "77",
	};
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	meta_ask(arena, &of_number, &q);
	assert_string_equal(
	    q.url, "https://graph.example/v23.0/106?fields=id,verified_name,quality_rating");
	http_request_reset(&q);
	meta_ask(arena, &account, &q);
	assert_string_equal(q.url, "https://graph.example/v23.0/77?fields=id,name");
	http_request_reset(&q);
	meta_ask(arena, &broken, &q);
	assert_non_null(q.refused);
}

static void
a_token_that_no_address_holds_is_refused(void **state)
{
	char token[HTTP_URL_MAX + 1];
	const struct meta_request request = {
		.base_url = "https://graph.example",
		.subject = META_TOKEN,
		.token = token,
	};
	struct http_request q;

	(void)state;
	memset(token, 'x', sizeof token - 1);
	token[sizeof token - 1] = '\0';
	http_request_reset(&q);
	meta_ask(arena, &request, &q);
	assert_non_null(q.refused);
}

static void
codes_decide_and_not_the_status(void **state)
{
	static const struct {
		const char *error;
		int status;
		enum meta_outcome outcome;
		bool is_everybodys;
	} all[] = {
		{ "\"code\":190", 400, META_DEAD, false },
		{ "\"code\":190", 500, META_DEAD, false },
		{ "\"code\":102", 401, META_DEAD, false },
		{ "\"code\":10", 403, META_DENIED, false },
		{ "\"code\":3", 400, META_DENIED, false },
		{ "\"code\":200", 403, META_DENIED, false },
		{ "\"code\":299", 400, META_DENIED, false },
		{ "\"code\":300", 400, META_REFUSED, false },
		{ "\"code\":100", 400, META_REFUSED, false },
		{ "\"code\":100,\"error_subcode\":33", 400, META_GONE, false },
		{ "\"code\":803", 404, META_GONE, false },
		{ "\"code\":1", 400, META_FAILED, false },
		{ "\"code\":2", 503, META_FAILED, false },
		{ "\"code\":368", 400, META_REFUSED, false },
		{ "\"code\":368,\"is_transient\":true", 400, META_FAILED, false },
		{ "\"code\":368", 502, META_FAILED, false },
		{ "\"code\":4", 400, META_LIMITED, true },
		{ "\"code\":4,\"is_transient\":true", 403, META_LIMITED, true },
		{ "\"code\":613", 400, META_LIMITED, true },
		{ "\"code\":17", 400, META_LIMITED, false },
		{ "\"code\":32", 400, META_LIMITED, false },
		{ "\"code\":80007", 400, META_LIMITED, false },
		{ "\"code\":80000", 400, META_LIMITED, false },
		{ "\"code\":80015", 400, META_REFUSED, false },
		{ "\"code\":130429", 429, META_LIMITED, false },
		{ "\"code\":99999", 429, META_LIMITED, true },
		{ "\"code\":null", 400, META_FAILED, false },
		{ "\"code\":\"190\"", 400, META_FAILED, false },
		{ "\"code\":-190", 400, META_FAILED, false },
		{ "\"code\":1e300", 400, META_REFUSED, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char body[128];
		struct meta_answer answer;

		snprintf(body, sizeof body, "{\"error\":{\"message\":\"m\",%s}}", all[i].error);
		answer = read_body(&of_number, all[i].status, body);
		assert_int_equal(answer.outcome, all[i].outcome);
		assert_int_equal(answer.is_everybodys, all[i].is_everybodys);
		assert_int_equal(answer.wait_s, all[i].outcome == META_LIMITED ? 60 : 0);
		assert_true(*answer.says);
	}
}

static void
what_meta_did_not_say_says_nothing_of_the_token(void **state)
{
	static const struct {
		int status;
		const char *body;
	} all[] = {
		{ 0, "timed out after 10 s" },
		{ 200, "" },
		{ 200, "{" },
		{ 200, "[]" },
		{ 200, "{\"error\":\"no\"}" },
		{ 200, "{\"id\":7}" },
		{ 401, "<html>" },
		{ 404, "{}" },
		{ 302, "{\"error\":{\"code\":190,\"message\":\"m\"}}" },
		{ 503, "Service Unavailable" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct meta_answer answer = read_body(&of_number, all[i].status, all[i].body);

		assert_int_equal(answer.outcome, META_FAILED);
		assert_int_equal(answer.code, 0);
		assert_true(*answer.says);
	}
	assert_int_equal(read_body(&of_number, 429, "<html>").outcome, META_LIMITED);
	assert_int_equal(read_body(&of_token, 200, "{\"data\":{}}").outcome, META_FAILED);
	assert_int_equal(
	    read_body(&of_token, 200, "{\"data\":{\"is_valid\":1}}").outcome, META_FAILED);
}

static void
what_is_said_of_a_token(void **state)
{
	struct meta_answer answer = read_body(&of_token, 200,
	    "{\"data\":{\"is_valid\":true,\"expires_at\":1800000001,\"data_access_expires_at\":0}"
	    "}");

	(void)state;
	assert_int_equal(answer.outcome, META_FINE);
	assert_int_equal(answer.expires_at_s, 1800000001);
	assert_int_equal(answer.data_access_expires_at_s, 0);
	assert_string_equal(answer.says, "");

	answer = read_body(&of_token, 200,
	    "{\"data\":{\"is_valid\":true,\"expires_at\":99999999999999999,"
	    "\"data_access_expires_at\":-5}}");
	assert_int_equal(answer.outcome, META_FINE);
	assert_int_equal(answer.expires_at_s, 253402300799);
	assert_int_equal(answer.data_access_expires_at_s, 0);

	answer = read_body(&of_token, 200,
	    "{\"data\":{\"is_valid\":false,\"error\":{\"code\":190,\"subcode\":463,"
	    "\"message\":\"It is over\"}}}");
	assert_int_equal(answer.outcome, META_DEAD);
	assert_int_equal(answer.subcode, 463);
	assert_string_equal(
	    answer.says, "the token has expired (code 190, subcode 463): It is over");
	assert_false(answer.is_of_asker);

	answer = read_body(&of_token, 200, "{\"data\":{\"is_valid\":false}}");
	assert_int_equal(answer.outcome, META_DEAD);
	assert_string_equal(answer.says, "the token is not valid (code 190)");
	answer = read_body(&of_token, 200,
	    "{\"data\":{\"is_valid\":false,\"error\":{\"code\":2,\"message\":\"m\"}}}");
	assert_int_equal(answer.outcome, META_FAILED);
}

static void
who_asks_is_told_from_who_is_asked_about(void **state)
{
	static const char refused[] = "{\"error\":{\"code\":190,\"message\":\"m\"}}";
	static const char limited[] = "{\"error\":{\"code\":4,\"message\":\"m\"}}";

	(void)state;
	assert_true(read_body(&of_token_by_app, 401, refused).is_of_asker);
	assert_false(read_body(&of_token_by_app, 400, limited).is_of_asker);
	assert_false(
	    read_body(&of_token_by_app, 200, "{\"data\":{\"is_valid\":false}}").is_of_asker);
	assert_false(read_body(&of_token, 401, refused).is_of_asker);
	assert_false(read_body(&of_number, 401, refused).is_of_asker);
}

static void
the_quality_of_a_number(void **state)
{
	(void)state;
	assert_int_equal(
	    read_body(&of_number, 200, "{\"id\":\"1\",\"quality_rating\":\"GREEN\"}").quality,
	    META_GREEN);
	assert_int_equal(
	    read_body(&of_number, 200, "{\"id\":\"1\",\"quality_rating\":\"YELLOW\"}").quality,
	    META_YELLOW);
	assert_int_equal(
	    read_body(&of_number, 200, "{\"id\":\"1\",\"quality_rating\":\"RED\"}").quality,
	    META_RED);
	assert_int_equal(
	    read_body(&of_number, 200, "{\"id\":\"1\",\"quality_rating\":null}").quality,
	    META_QUALITY_UNKNOWN);
	assert_int_equal(read_body(&of_number, 200, "{\"id\":\"1\"}").outcome, META_FINE);
}

static void
usage_is_read_from_headers(void **state)
{
	static const char fine[] = "{\"id\":\"1\"}";
	static const char limited[] = "{\"error\":{\"code\":80007,\"message\":\"m\"}}";
	struct meta_answer answer = read_with(&of_number, 200, fine,
	    "{\"call_count\":3,\"total_time\":101,\"total_cputime\":7.5}",
	    "{\"1\":[{\"type\":\"a\",\"call_count\":12}],\"2\":[{\"total_cputime\":80},{}]}");

	(void)state;
	assert_int_equal(answer.app_usage, 101);
	assert_int_equal(answer.account_usage, 80);
	assert_int_equal(answer.wait_s, 0);

	answer = read_with(&of_number, 400, limited, NULL,
	    "{\"1\":[{\"call_count\":100,\"estimated_time_to_regain_access\":7}]}");
	assert_int_equal(answer.outcome, META_LIMITED);
	assert_int_equal(answer.app_usage, -1);
	assert_int_equal(answer.wait_s, 7 * 60);
	answer = read_with(
	    &of_number, 400, limited, NULL, "{\"1\":[{\"estimated_time_to_regain_access\":1e18}]}");
	assert_int_equal(answer.wait_s, 24 * 3600);

	answer = read_with(&of_number, 200, fine, "no JSON", "[[[]]]");
	assert_int_equal(answer.outcome, META_FINE);
	assert_int_equal(answer.app_usage, -1);
	assert_int_equal(answer.account_usage, -1);
	answer =
	    read_with(&of_number, 200, fine, "{\"call_count\":-4}", "{\"1\":{\"call_count\":5}}");
	assert_int_equal(answer.app_usage, -1);
	assert_int_equal(answer.account_usage, -1);
}

static void
no_token_is_repeated(void **state)
{
	struct meta_answer answer = read_body(&of_token_by_app, 400,
	    "{\"error\":{\"code\":100,\"message\":\"you sent EAA|the+token 0123456789 by "
	    "123456789012|the-app-secret\\u0007\"}}");

	(void)state;
	assert_null(strstr(answer.says, "0123456789"));
	assert_null(strstr(answer.says, "the-app-secret"));
	assert_non_null(strstr(answer.says, "you sent ***"));
	assert_null(strchr(answer.says, 7));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_digits),
		cmocka_unit_test(a_token_is_asked_about_by_itself_or_by_its_application),
		cmocka_unit_test(a_number_is_asked_for_without_the_token_in_its_address),
		cmocka_unit_test(a_token_that_no_address_holds_is_refused),
		cmocka_unit_test(codes_decide_and_not_the_status),
		cmocka_unit_test(what_meta_did_not_say_says_nothing_of_the_token),
		cmocka_unit_test(what_is_said_of_a_token),
		cmocka_unit_test(who_asks_is_told_from_who_is_asked_about),
		cmocka_unit_test(the_quality_of_a_number),
		cmocka_unit_test(usage_is_read_from_headers),
		cmocka_unit_test(no_token_is_repeated),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
