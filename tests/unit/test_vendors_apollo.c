/*
 * Apollo.io: what is asked, what answers mean, and how limits are kept.
 */
#include "arena_fixture.h"
#include "http/http.h"
#include "vendors/apollo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
a_domain_is_found_in_what_people_write(void **state)
{
	static const struct {
		const char *text, *domain;
	} all[] = {
		{ "example.com", "example.com" },
		{ " WWW.Example.COM. ", "example.com" },
		{ "https://www.example.com/a?b=http://c.example#d", "example.com" },
		{ "http://user:pass@example.com:8080/", "example.com" },
		{ "somebody@mail.example.com", "mail.example.com" },
		{ "a@b@example.com", "example.com" },
		{ "example.com/?u=https://other.example/", "example.com" },
		{ "www.com", "www.com" },
		{ "m\xc3\xbcller.example", "m\xc3\xbcller.example" },
		{ "example", NULL },
		{ "", NULL },
		{ "https://", NULL },
		{ "//example.com", NULL },
		{ "exa mple.com", NULL },
		{ "a..example.com", NULL },
		{ ".com", NULL },
		{ "a&b.example", NULL },
		{ "@", NULL },
	};
	char long_one[300];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *domain = apollo_domain(arena, all[i].text);

		if (all[i].domain)
			assert_string_equal(domain, all[i].domain);
		else
			assert_null(domain);
	}
	memset(long_one, 'a', sizeof(long_one));
	memcpy(long_one + 290, ".example", 9);
	assert_null(apollo_domain(arena, long_one));
}

static void
an_organization_is_asked_for_by_its_url(void **state)
{
	const struct apollo_question question = {
		.subject = APOLLO_ORGANIZATION,
		.fields = {
			[APOLLO_DOMAIN] = "example.com",
			[APOLLO_NAME] = "A & B/\xc3\xbc \"=",
			[APOLLO_EMAIL] = "not@asked.example",
			[APOLLO_WEBSITE] = "",
		},
	};
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	apollo_ask(arena, "https://api.example", "the-key", &question, &q);
	assert_string_equal(q.url,
	    "https://api.example/api/v1/organizations/enrich?domain=example.com"
	    "&name=A%20%26%20B%2F%C3%BC%20%22%3D");
	assert_null(q.body);
	assert_null(q.refused);
	assert_string_equal(q.headers[q.headers_count - 1], "x-api-key: the-key");
}

static void
a_person_is_asked_for_by_a_body(void **state)
{
	const struct apollo_question question = {
		.subject = APOLLO_PERSON,
		.fields = {
			[APOLLO_EMAIL] = "a@example.com",
			[APOLLO_FIRST_NAME] = "\"A\"",
			[APOLLO_LAST_NAME] = "",
			[APOLLO_WEBSITE] = "not.asked.example",
		},
		.reveal_personal_emails = true,
	};
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	apollo_ask(arena, "http://127.0.0.2:1", "k\r\nx: y", &question, &q);
	assert_string_equal(q.url, "http://127.0.0.2:1/api/v1/people/match");
	assert_string_equal(q.body, "{\"email\":\"a@example.com\",\"first_name\":\"\\\"A\\\"\","
				    "\"reveal_personal_emails\":true}");
	assert_int_equal(q.body_len, strlen(q.body));
	assert_string_equal(q.refused, "a header value holds a control character");
}

static void
a_question_must_be_worth_a_credit(void **state)
{
	struct apollo_question q = { .subject = APOLLO_PERSON };

	(void)state;
	assert_non_null(apollo_question_lacks(&q));
	q.fields[APOLLO_FIRST_NAME] = "A";
	q.fields[APOLLO_DOMAIN] = "example.com";
	assert_non_null(apollo_question_lacks(&q));
	q.fields[APOLLO_LAST_NAME] = "B";
	assert_null(apollo_question_lacks(&q));
	q.fields[APOLLO_DOMAIN] = "";
	assert_non_null(apollo_question_lacks(&q));
	q.fields[APOLLO_EMAIL] = "a@example.com";
	assert_null(apollo_question_lacks(&q));
	q = (struct apollo_question){ .subject = APOLLO_ORGANIZATION };
	assert_non_null(apollo_question_lacks(&q));
	q.fields[APOLLO_EMAIL] = "a@example.com";
	assert_non_null(apollo_question_lacks(&q));
	q.fields[APOLLO_NAME] = "Example";
	assert_null(apollo_question_lacks(&q));
}

static struct apollo_answer
read_reply(int status, const char *body)
{
	const struct http_reply reply = {
		.status = status,
		.body = body,
		.body_len = strlen(body),
	};
	struct apollo_answer answer;

	apollo_read(arena, APOLLO_ORGANIZATION, &reply, 0, &answer);
	return answer;
}

static void
every_answer_has_its_outcome(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum apollo_outcome outcome;
		const char *text; /* of the object, or what is said */
	} all[] = {
		{ 200, "{\"organization\": {\"id\": null, \"n\": 1, \"x\": [1.5]}}", APOLLO_FOUND,
		    "{\"id\":null,\"n\":1,\"x\":[1.5]}" },
		{ 200, "{\"organization\": {\"n\": 123456789012345678901}}", APOLLO_FOUND,
		    "{\"n\":1.2345678901234568e20}" },
		{ 200, "{\"organization\": null}", APOLLO_UNKNOWN, "" },
		{ 200, "{\"organization\": {}}", APOLLO_UNKNOWN, "" },
		{ 200, "{}", APOLLO_UNKNOWN, "" },
		{ 200, "{\"organization\": \"x\"}", APOLLO_GARBLED,
		    "the answer is of another form than the documented one" },
		{ 200, "", APOLLO_GARBLED, "the answer is empty" },
		{ 200, "<html>", APOLLO_GARBLED, "the answer is no JSON object" },
		{ 200, "[{\"organization\": {}}]", APOLLO_GARBLED, "the answer is no JSON object" },
		{ 200, "{\"organization\": {\"a\": \"\\u0000\"}}", APOLLO_GARBLED,
		    "the answer is no JSON object" },
		{ 302, "", APOLLO_REFUSED, "HTTP 302" },
		{ 401, "Invalid API key. See x.", APOLLO_REFUSED,
		    "HTTP 401: Invalid API key. See x." },
		{ 403, "{\"error\": \"No.\", \"error_code\": \"API_INACCESSIBLE\"}", APOLLO_REFUSED,
		    "HTTP 403: No." },
		{ 404, "{\"error\": {\"a\": 1}}", APOLLO_REFUSED, "HTTP 404" },
		{ 422, "{\"error\": \"Required parameter\\n'domain' missing\"}", APOLLO_REFUSED,
		    "HTTP 422: Required parameter 'domain' missing" },
		{ 429, "{\"message\": \"Slower.\"}", APOLLO_LIMITED, "HTTP 429: Slower." },
		{ 500, "{\"error\": null}", APOLLO_FAILED, "HTTP 500" },
		{ 503, "<html>a page</html>", APOLLO_FAILED, "HTTP 503" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct apollo_answer answer = read_reply(all[i].status, all[i].body);

		assert_int_equal(answer.outcome, all[i].outcome);
		assert_string_equal(
		    answer.outcome == APOLLO_FOUND ? answer.object : answer.says, all[i].text);
	}
}

static void
what_had_begun_may_have_been_paid_for(void **state)
{
	struct http_reply reply = {
		.error = "timed out", .body = "", .timing = { .first_byte_ms = -1 }
	};
	struct apollo_answer answer;

	(void)state;
	apollo_read(arena, APOLLO_PERSON, &reply, 0, &answer);
	assert_int_equal(answer.outcome, APOLLO_FAILED);
	assert_string_equal(answer.says, "timed out");
	reply.timing.first_byte_ms = 5;
	apollo_read(arena, APOLLO_PERSON, &reply, 0, &answer);
	assert_int_equal(answer.outcome, APOLLO_GARBLED);
	reply =
	    (struct http_reply){ .status = 200, .truncated = true, .body = "{}", .body_len = 2 };
	apollo_read(arena, APOLLO_PERSON, &reply, 0, &answer);
	assert_int_equal(answer.outcome, APOLLO_GARBLED);
	assert_string_equal(answer.says, "the answer is longer than 512 KB");
}

static struct apollo_answer
read_limits(int status, const char *retry_after, const char *minute, const char *hour)
{
	const struct http_reply reply = {
		.status = status,
		.retry_after = retry_after,
		.kept = { minute, hour },
		.body = status == 200 ? "{\"person\": {\"id\": \"1\"}}" : "{}",
		.body_len = status == 200 ? 23 : 2,
	};
	struct apollo_answer answer;

	apollo_read(arena, APOLLO_PERSON, &reply, 0, &answer);
	return answer;
}

static void
limits_are_read(void **state)
{
	(void)state;
	assert_int_equal(read_limits(429, "7", "0", NULL).wait_s, 7);
	assert_int_equal(read_limits(429, "0", NULL, NULL).wait_s, 1);
	assert_int_equal(read_limits(429, "9999999", NULL, NULL).wait_s, 86400);
	assert_int_equal(read_limits(429, NULL, NULL, NULL).wait_s, 60);
	assert_int_equal(read_limits(429, NULL, "5", "0").wait_s, 600);
	assert_int_equal(read_limits(200, NULL, NULL, NULL).left, -1);
	assert_int_equal(read_limits(200, NULL, "", "x").left, -1);
	assert_int_equal(read_limits(200, NULL, "5", "3").left, 3);
	assert_int_equal(read_limits(200, NULL, "0", "0").window_s, 600);
}

/* Only a limit that was met is to be waited for; what a failure asks for is its own matter. */
static void
what_an_answer_tells_sets_the_pace(void **state)
{
	static const struct {
		int status;
		const char *retry_after, *minute, *hour;
		struct pace_told told;
	} all[] = {
		{ 200, NULL, "2", NULL, { .left = 2, .window_s = 60 } },
		{ 200, NULL, "5", "0", { .left = 0, .window_s = 600 } },
		{ 200, NULL, NULL, NULL, { .left = -1 } },
		{ 429, "5", NULL, NULL, { .left = -1, .wait_s = 5 } },
		{ 503, "7", NULL, NULL, { .left = -1 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct apollo_answer answer =
		    read_limits(all[i].status, all[i].retry_after, all[i].minute, all[i].hour);
		const struct pace_told told = apollo_told(&answer);

		assert_int_equal(told.left, all[i].told.left);
		assert_int_equal(told.window_s, all[i].told.window_s);
		assert_int_equal(told.wait_s, all[i].told.wait_s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_is_found_in_what_people_write),
		cmocka_unit_test(an_organization_is_asked_for_by_its_url),
		cmocka_unit_test(a_person_is_asked_for_by_a_body),
		cmocka_unit_test(a_question_must_be_worth_a_credit),
		cmocka_unit_test(every_answer_has_its_outcome),
		cmocka_unit_test(what_had_begun_may_have_been_paid_for),
		cmocka_unit_test(limits_are_read),
		cmocka_unit_test(what_an_answer_tells_sets_the_pace),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
