/*
 * Resend: what is asked, byte for byte, and what answers mean.
 */
#include "arena_fixture.h"
#include "http/http.h"
#include "vendors/resend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ${count} mails, the first of which has everything. */
static struct resend_request
request_of(size_t count, bool is_batch, const json_t *headers)
{
	static struct resend_mail mails[RESEND_BATCH_MAX];

	for (size_t i = 0; i < count; i++)
		mails[i] = (struct resend_mail){
			.from = "Shop <shop@example.com>",
			.to = "b@example.net",
			.subject = "Later",
			.text = "plain",
		};
	mails[0] = (struct resend_mail){
		.from = "Shop <shop@example.com>",
		.to = "\"A, B\" <a@example.net>",
		.reply_to = "help@example.com",
		.subject = "\xc3\xbc \"1\"",
		.html = "<p>1</p>",
		.text = "1\n",
		.headers = headers,
	};
	return (struct resend_request){
		.base_url = "https://api.example",
		.api_key = "re_12345678_secret",
		.idempotency_key = "cronward-1",
		.mails = mails,
		.count = count,
		.is_batch = is_batch,
	};
}

#define FIRST                                                                                      \
	"{\"from\":\"Shop <shop@example.com>\",\"to\":[\"\\\"A, B\\\" <a@example.net>\"],"         \
	"\"subject\":\"\xc3\xbc \\\"1\\\"\",\"html\":\"<p>1</p>\",\"text\":\"1\\n\","              \
	"\"reply_to\":\"help@example.com\",\"headers\":{\"X-B\":\"2\",\"X-A\":\"1\"}}"
#define OTHER                                                                                      \
	"{\"from\":\"Shop <shop@example.com>\",\"to\":[\"b@example.net\"],\"subject\":\"Later\","  \
	"\"text\":\"plain\"}"

static void
a_mail_has_always_the_same_bytes(void **state)
{
	static const char *const headers[] = { "accept: application/json",
		"content-type: application/json", "idempotency-key: cronward-1",
		"authorization: Bearer re_12345678_secret" };
	struct http_request q;

	(void)state;
	for (int i = 0; i < 2; i++) {
		json_auto_t *own = json_loads("{\"X-B\": \"2\", \"X-A\": \"1\"}", 0, NULL);
		struct resend_request request = request_of(1, false, own);

		http_request_reset(&q);
		resend_ask(arena, &request, &q);
		assert_null(q.refused);
		assert_string_equal(q.url, "https://api.example/emails");
		assert_string_equal(q.body, FIRST);
		assert_int_equal(q.body_len, strlen(q.body));
		assert_int_equal(q.headers_count, 4);
		for (size_t h = 0; h < 4; h++)
			assert_string_equal(q.headers[h], headers[h]);
		assert_string_equal(q.keep[1], "ratelimit-remaining:");
	}
}

static void
a_batch_is_a_list_even_of_one(void **state)
{
	json_auto_t *own = json_loads("{\"X-B\": \"2\", \"X-A\": \"1\"}", 0, NULL);
	struct resend_request request = request_of(2, true, own);
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	resend_ask(arena, &request, &q);
	assert_string_equal(q.url, "https://api.example/emails/batch");
	assert_string_equal(q.body, "[" FIRST "," OTHER "]");
	request.count = 1;
	resend_ask(arena, &request, &q);
	assert_string_equal(q.body, "[" FIRST "]");
}

static void
what_cannot_be_written_is_not_sent(void **state)
{
	struct resend_request request = request_of(2, true, NULL);
	struct resend_mail bad = request.mails[0];
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	bad.to = "a\xff@example.com";
	request.mails = &bad;
	request.count = 1;
	resend_ask(arena, &request, &q);
	assert_string_equal(q.refused, "a text of the mail is not UTF-8");
	bad.to = "a@example.com";
	bad.html = "\xc3";
	http_request_reset(&q);
	resend_ask(arena, &request, &q);
	assert_string_equal(q.refused, "a text of the mail is not UTF-8");
	bad.html = NULL;
	request.api_key = "k\r\nx: y";
	http_request_reset(&q);
	resend_ask(arena, &request, &q);
	assert_string_equal(q.refused, "a header value holds a control character");
}

static struct resend_answer
read_reply(const struct resend_request *request, int status, const char *body)
{
	const struct http_reply reply = {
		.status = status,
		.body = body,
		.body_len = strlen(body),
	};
	struct resend_answer answer;

	resend_read(arena, request, &reply, 0, &answer);
	return answer;
}

static void
the_ids_come_in_the_order_of_the_mails(void **state)
{
	struct resend_request batch = request_of(2, true, NULL),
			      single = request_of(1, false, NULL);
	struct resend_answer answer =
	    read_reply(&batch, 200, "{\"data\": [{\"id\": \"a-1\", \"x\": 1}, {\"id\": \"b-2\"}]}");

	(void)state;
	assert_int_equal(answer.outcome, RESEND_SENT);
	assert_string_equal(answer.ids[0], "a-1");
	assert_string_equal(answer.ids[1], "b-2");
	assert_string_equal(answer.says, "");
	answer = read_reply(&single, 201, "{\"id\": \"c-3\", \"data\": null}");
	assert_int_equal(answer.outcome, RESEND_SENT);
	assert_string_equal(answer.ids[0], "c-3");
}

static void
an_answer_of_another_form_is_garbled(void **state)
{
	static const struct {
		const char *body, *says;
	} all[] = {
		{ "", "HTTP 200, and the answer is empty" },
		{ "<html>", "HTTP 200, and the answer is no JSON object" },
		{ "[{\"id\":\"a\"},{\"id\":\"b\"}]", "HTTP 200, and the answer is no JSON object" },
		{ "{\"id\":\"a\"}",
		    "HTTP 200, and the answer is a list of another length than the request's" },
		{ "{\"data\":[{\"id\":\"a\"}]}",
		    "HTTP 200, and the answer is a list of another length than the request's" },
		{ "{\"data\":[{\"id\":\"a\"},{}]}",
		    "HTTP 200, and the answer is without the id of a mail" },
		{ "{\"data\":[{\"id\":\"a\"},{\"id\":7}]}",
		    "HTTP 200, and the answer is without the id of a mail" },
		{ "{\"data\":[{\"id\":\"\"},{\"id\":\"b\"}]}",
		    "HTTP 200, and the answer is without the id of a mail" },
		{ "{\"data\":[{\"id\":\"a\\nb\"},{\"id\":\"b\"}]}",
		    "HTTP 200, and the answer is without the id of a mail" },
	};
	const struct http_reply cut = {
		.status = 200, .truncated = true, .body = "{}", .body_len = 2
	};
	struct resend_request batch = request_of(2, true, NULL);
	struct resend_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		answer = read_reply(&batch, 200, all[i].body);
		assert_int_equal(answer.outcome, RESEND_GARBLED);
		assert_string_equal(answer.says, all[i].says);
		assert_null(answer.ids);
	}
	resend_read(arena, &batch, &cut, 0, &answer);
	assert_int_equal(answer.outcome, RESEND_GARBLED);
	assert_string_equal(answer.says, "HTTP 200, and the answer is longer than 64 KB");
}

#define ERROR(name) "{\"statusCode\":1,\"name\":\"" name "\",\"message\":\"Words.\"}"

static void
every_error_has_its_outcome(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum resend_outcome outcome;
		const char *says;
	} all[] = {
		{ 302, "", RESEND_MISCONFIGURED, "HTTP 302" },
		{ 400, ERROR("validation_error"), RESEND_REFUSED,
		    "HTTP 400 validation_error: Words." },
		{ 400, ERROR("invalid_idempotency_key"), RESEND_MISCONFIGURED,
		    "HTTP 400 invalid_idempotency_key: Words." },
		{ 400, ERROR("invalid_api_key"), RESEND_MISCONFIGURED,
		    "HTTP 400 invalid_api_key: Words." },
		{ 401, ERROR("missing_api_key"), RESEND_MISCONFIGURED,
		    "HTTP 401 missing_api_key: Words." },
		{ 403, ERROR("validation_error"), RESEND_MISCONFIGURED,
		    "HTTP 403 validation_error: Words." },
		{ 404, "{}", RESEND_MISCONFIGURED, "HTTP 404" },
		{ 405, "No.", RESEND_MISCONFIGURED, "HTTP 405: No." },
		{ 408, "", RESEND_FAILED, "HTTP 408" },
		{ 409, ERROR("invalid_idempotent_request"), RESEND_CONFLICT,
		    "HTTP 409 invalid_idempotent_request: Words." },
		{ 409, ERROR("concurrent_idempotent_requests"), RESEND_CONCURRENT,
		    "HTTP 409 concurrent_idempotent_requests: Words." },
		{ 409, "", RESEND_CONCURRENT, "HTTP 409" },
		{ 413, "<html>", RESEND_REFUSED, "HTTP 413" },
		{ 418, "", RESEND_MISCONFIGURED, "HTTP 418" },
		{ 422, ERROR("missing_required_field"), RESEND_REFUSED,
		    "HTTP 422 missing_required_field: Words." },
		{ 422, ERROR("invalid_from_address"), RESEND_MISCONFIGURED,
		    "HTTP 422 invalid_from_address: Words." },
		{ 429, ERROR("rate_limit_exceeded"), RESEND_LIMITED,
		    "HTTP 429 rate_limit_exceeded: Words." },
		{ 429, ERROR("daily_quota_exceeded"), RESEND_QUOTA,
		    "HTTP 429 daily_quota_exceeded: Words." },
		{ 429, ERROR("monthly_quota_exceeded"), RESEND_QUOTA,
		    "HTTP 429 monthly_quota_exceeded: Words." },
		{ 451, ERROR("security_error"), RESEND_REFUSED, "HTTP 451 security_error: Words." },
		{ 500, ERROR("invalid_api_key"), RESEND_FAILED,
		    "HTTP 500 invalid_api_key: Words." },
		{ 503, "<html>a page</html>", RESEND_FAILED, "HTTP 503" },
	};
	struct resend_request request = request_of(1, false, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct resend_answer answer =
		    read_reply(&request, all[i].status, all[i].body);

		assert_int_equal(answer.outcome, all[i].outcome);
		assert_string_equal(answer.says, all[i].says);
		assert_null(answer.ids);
	}
}

static void
what_it_says_is_fit_for_a_row(void **state)
{
	static const struct {
		const char *body, *says;
	} all[] = {
		{ "{\"name\":\"a b\",\"message\":\"x\\r\\n\\u0007y\"}", "HTTP 422: x   y" },
		{ "{\"name\":7,\"message\":{}}", "HTTP 422" },
		{ "[1]", "HTTP 422" },
		{ "x\xff", "HTTP 422: x?" },
		{ "{\"message\":\"not re_12345678_secret, 12345678\"}",
		    "HTTP 422: not ******************, ********" },
	};
	struct resend_request request = request_of(1, false, NULL);
	char body[1024] = "{\"message\":\"";
	struct resend_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(read_reply(&request, 422, all[i].body).says, all[i].says);
	/* Also where its end is cut off. */
	memset(body + strlen(body), '.', 295);
	strncat(body, "re_12345678_secret\"}", sizeof(body) - strlen(body) - 1);
	answer = read_reply(&request, 422, body);
	assert_int_equal(strlen(answer.says), RESEND_SAYS_MAX - 1);
	assert_string_equal(answer.says + RESEND_SAYS_MAX - 1 - 15, ".**************");
}

static void
no_answer_is_a_failure(void **state)
{
	const struct http_reply reply = { .error = "timed out\n", .body = "" };
	struct resend_request request = request_of(1, false, NULL);
	struct resend_answer answer;

	(void)state;
	resend_read(arena, &request, &reply, 0, &answer);
	assert_int_equal(answer.outcome, RESEND_FAILED);
	assert_string_equal(answer.says, "timed out ");
	assert_int_equal(answer.wait_s, -1);
	assert_int_equal(answer.told.left, -1);
}

struct limits {
	int status;
	const char *body, *retry_after, *limit, *left, *reset;
	int64_t wait_s;
	struct pace_told told;
};

static void
limits_are_read(void **state)
{
	static const struct limits all[] = {
		{ 200, "{\"id\":\"1\"}", NULL, "5", "3", "1", -1, { 3, 1, 5, 0 } },
		{ 200, "{\"id\":\"1\"}", "9", NULL, NULL, NULL, -1, { -1, 1, 0, 0 } },
		{ 200, "{\"id\":\"1\"}", NULL, "x", "-1", "0", -1, { -1, 1, 0, 0 } },
		{ 429, "", "7", "5", "0", "2", 7, { 0, 2, 5, 7 } },
		{ 429, "", NULL, NULL, NULL, "2", 2, { -1, 2, 0, 2 } },
		{ 429, "", "0", NULL, NULL, NULL, 1, { -1, 1, 0, 1 } },
		{ 429, "", NULL, NULL, NULL, NULL, 5, { -1, 1, 0, 5 } },
		{ 429, "", "99999999", NULL, NULL, NULL, 3600, { -1, 1, 0, 3600 } },
		{ 429, "", "Thu, 01 Jan 1970 00:01:00 GMT", NULL, NULL, NULL, 60,
		    { -1, 1, 0, 60 } },
		{ 429, ERROR("daily_quota_exceeded"), "1", NULL, NULL, NULL, 3600,
		    { -1, 1, 0, 3600 } },
		{ 409, "", NULL, NULL, NULL, "1", 5, { -1, 1, 0, 0 } },
		{ 409, "", "2", NULL, NULL, NULL, 2, { -1, 1, 0, 0 } },
		{ 503, "", "30", NULL, NULL, NULL, 30, { -1, 1, 0, 0 } },
		{ 503, "", NULL, NULL, "0", "1", -1, { 0, 1, 0, 0 } },
		{ 422, "", "30", NULL, NULL, NULL, -1, { -1, 1, 0, 0 } },
	};
	struct resend_request request = request_of(1, false, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct http_reply reply = {
			.status = all[i].status,
			.retry_after = all[i].retry_after,
			.kept = { all[i].limit, all[i].left, all[i].reset },
			.body = all[i].body,
			.body_len = strlen(all[i].body),
		};
		struct resend_answer answer;

		resend_read(arena, &request, &reply, 0, &answer);
		assert_int_equal(answer.wait_s, all[i].wait_s);
		assert_int_equal(answer.told.left, all[i].told.left);
		assert_int_equal(answer.told.window_s, all[i].told.window_s);
		assert_int_equal(answer.told.limit, all[i].told.limit);
		assert_int_equal(answer.told.wait_s, all[i].told.wait_s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_has_always_the_same_bytes),
		cmocka_unit_test(a_batch_is_a_list_even_of_one),
		cmocka_unit_test(what_cannot_be_written_is_not_sent),
		cmocka_unit_test(the_ids_come_in_the_order_of_the_mails),
		cmocka_unit_test(an_answer_of_another_form_is_garbled),
		cmocka_unit_test(every_error_has_its_outcome),
		cmocka_unit_test(what_it_says_is_fit_for_a_row),
		cmocka_unit_test(no_answer_is_a_failure),
		cmocka_unit_test(limits_are_read),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
