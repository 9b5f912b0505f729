/*
 * Refreshing tokens: what is asked, and what the answers of the vendors mean.
 */
#include "arena_fixture.h"
#include "http/http.h"
#include "vendors/oauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char refresh_token[] = "1//refresh+token=";
static const struct oauth in_form = {
	.url = "https://id.example/token",
	.client_id = "app.example",
	.client_secret = "client&secret",
};

static void
a_form_proves_who_asks(void **state)
{
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	oauth_ask(arena, &in_form, refresh_token, &q);
	assert_null(q.refused);
	assert_string_equal(q.url, "https://id.example/token");
	assert_string_equal(q.body,
	    "grant_type=refresh_token&refresh_token=1%2F%2Frefresh%2Btoken%3D"
	    "&client_id=app.example&client_secret=client%26secret");
	assert_int_equal(q.body_len, strlen(q.body));
	assert_int_equal(q.headers_count, 2);
	assert_string_equal(q.headers[0], "accept: application/json");
	assert_string_equal(q.headers[1], "content-type: application/x-www-form-urlencoded");
}

static void
or_http_basic_does(void **state)
{
	struct oauth basic = in_form;
	struct http_request q;

	(void)state;
	basic.is_basic = true;
	http_request_reset(&q);
	oauth_ask(arena, &basic, refresh_token, &q);
	assert_null(q.refused);
	assert_string_equal(
	    q.body, "grant_type=refresh_token&refresh_token=1%2F%2Frefresh%2Btoken%3D");
	assert_int_equal(q.headers_count, 3);
	/* app.example:client%26secret */
	assert_string_equal(
	    q.headers[2], "authorization: Basic YXBwLmV4YW1wbGU6Y2xpZW50JTI2c2VjcmV0");
}

static void
nobody_is_asked_in_no_name(void **state)
{
	struct oauth nobody = in_form;
	struct http_request q;

	(void)state;
	http_request_reset(&q);
	nobody.client_secret = NULL;
	oauth_ask(arena, &nobody, refresh_token, &q);
	assert_string_equal(q.refused, "the client's id or secret is not set");
}

static struct sync_tokens
read_tokens(int status, const char *body)
{
	const struct http_reply reply = {
		.status = status,
		.error = "timed out",
		.retry_after = status == 429 || status == 503 ? "17" : NULL,
		.body = body,
		.body_len = strlen(body),
	};
	struct sync_tokens tokens;

	oauth_read(arena, &in_form, refresh_token, &reply, 0, &tokens);
	return tokens;
}

static void
tokens_are_read(void **state)
{
	struct sync_tokens tokens =
	    read_tokens(200, "{\"access_token\": \"ghu_2\", \"expires_in\": 28800, \"scope\": \"\","
			     " \"refresh_token\": \"1\\/\\/r2\", \"token_type\": \"bearer\"}");

	(void)state;
	assert_int_equal(tokens.outcome, SYNC_REFRESHED);
	assert_string_equal(tokens.access, "ghu_2");
	assert_string_equal(tokens.refresh, "1//r2");
	assert_int_equal(tokens.expires_in_s, 28800);
	assert_string_equal(tokens.says, "");
	/* As Google answers, and with what others leave out or write otherwise. */
	tokens = read_tokens(200, "{\"access_token\":\"ya29.a\",\"expires_in\":\"3599\"}");
	assert_int_equal(tokens.outcome, SYNC_REFRESHED);
	assert_null(tokens.refresh);
	assert_int_equal(tokens.expires_in_s, 3599);
	tokens = read_tokens(200, "{\"ok\":true,\"error\":null,\"access_token\":\"a\",\"refresh_"
				  "token\":null,\"expires_in\":1e9}");
	assert_int_equal(tokens.outcome, SYNC_REFRESHED);
	assert_null(tokens.refresh);
	assert_int_equal(tokens.expires_in_s, 0);
}

static void
what_is_no_token_is_not_taken(void **state)
{
	static const char *const bodies[] = {
		"{\"access_token\":\"\"}",
		"{\"access_token\":17}",
		"{\"access_token\":\"a\\nb: c\"}",
		"{\"access_token\":\"a b\"}",
		"{\"access_token\":\"\xc3\xbc\"}",
		"{\"access_token\":\"a\",\"refresh_token\":\"\"}",
		"{\"access_token\":\"a\",\"refresh_token\":{}}",
		"{\"access_token\":\"a\",\"refresh_token\":\"\\u0001\"}",
	};
	char *longer = calloc(1, OAUTH_TOKEN_MAX + 64), *end;
	struct sync_tokens tokens;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		tokens = read_tokens(200, bodies[i]);
		assert_int_equal(tokens.outcome, SYNC_REFRESH_LOST);
		assert_string_equal(
		    tokens.says, "HTTP 200, and the answer is without tokens that can be used");
		assert_null(tokens.access);
		assert_null(tokens.refresh);
	}
	end = stpcpy(longer, "{\"access_token\":\"");
	memset(end, 'a', OAUTH_TOKEN_MAX + 1);
	stpcpy(end + OAUTH_TOKEN_MAX + 1, "\"}");
	assert_int_equal(read_tokens(200, longer).outcome, SYNC_REFRESH_LOST);
	stpcpy(end + OAUTH_TOKEN_MAX, "\"}");
	assert_int_equal(read_tokens(200, longer).outcome, SYNC_REFRESHED);
	free(longer);
}

static void
answers_of_another_form_leave_it_open(void **state)
{
	static const char *const bodies[] = { "", "{}", "[]", "null", "<html>", "access_token=a",
		"{\"access_token\":\"a\"", "{\"access_token\":\"a\"}{}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct sync_tokens tokens = read_tokens(200, bodies[i]);

		assert_int_equal(tokens.outcome, SYNC_REFRESH_LOST);
		assert_int_equal(tokens.wait_s, -1);
		assert_null(tokens.access);
		assert_memory_equal(tokens.says, "HTTP 200, and the answer is ", 28);
	}
}

static void
errors_are_told_apart_by_their_names(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum sync_refresh_outcome outcome;
		const char *says;
	} errors[] = {
		{ 200,
		    "{\"error\":\"bad_refresh_token\",\"error_description\":\"The refresh token "
		    "passed "
		    "is incorrect or expired.\",\"error_uri\":\"https://docs\"}",
		    SYNC_REFRESH_DEAD,
		    "HTTP 200 bad_refresh_token: The refresh token passed is incorrect or "
		    "expired." },
		{ 200, "{\"error\":\"incorrect_client_credentials\"}", SYNC_REFRESH_OURS,
		    "HTTP 200 incorrect_client_credentials" },
		{ 200, "{\"ok\":false,\"error\":\"invalid_refresh_token\"}", SYNC_REFRESH_DEAD,
		    "HTTP 200 invalid_refresh_token" },
		{ 200, "{\"ok\":false,\"error\":\"bad_client_secret\"}", SYNC_REFRESH_OURS,
		    "HTTP 200 bad_client_secret" },
		{ 200, "{\"ok\":false,\"error\":\"fatal_error\"}", SYNC_REFRESH_FAILED,
		    "HTTP 200 fatal_error" },
		{ 400,
		    "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been expired "
		    "or "
		    "revoked.\"}",
		    SYNC_REFRESH_DEAD,
		    "HTTP 400 invalid_grant: Token has been expired or revoked." },
		{ 401, "{\"error\":\"invalid_client\",\"error_description\":\"Unauthorized\"}",
		    SYNC_REFRESH_OURS, "HTTP 401 invalid_client: Unauthorized" },
		{ 400, "{\"object\":\"error\",\"code\":\"invalid_grant\",\"message\":\"No.\"}",
		    SYNC_REFRESH_DEAD, "HTTP 400 invalid_grant: No." },
		{ 400, "{\"error\":\"invalid_request\"}", SYNC_REFRESH_FAILED,
		    "HTTP 400 invalid_request" },
		{ 404, "<html>", SYNC_REFRESH_FAILED, "HTTP 404" },
		{ 302, "", SYNC_REFRESH_FAILED, "HTTP 302" },
		{ 0, "", SYNC_REFRESH_LOST, "timed out" },
		/* Something in between, and the vendor itself. */
		{ 502, "<html>", SYNC_REFRESH_LOST, "HTTP 502" },
		{ 504, "[]", SYNC_REFRESH_LOST, "HTTP 504" },
		{ 500, " {\"message\":\"Oh.\"}", SYNC_REFRESH_FAILED, "HTTP 500: Oh." },
		/* Neither is the user's fault, whatever is said besides. */
		{ 503, "{\"error\":\"invalid_grant\"}", SYNC_REFRESH_FAILED,
		    "HTTP 503 invalid_grant" },
		{ 429, "{\"error\":\"invalid_grant\"}", SYNC_REFRESH_FAILED,
		    "HTTP 429 invalid_grant" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct sync_tokens tokens = read_tokens(errors[i].status, errors[i].body);

		assert_int_equal(tokens.outcome, errors[i].outcome);
		assert_string_equal(tokens.says, errors[i].says);
		assert_null(tokens.access);
		if (errors[i].status == 503 || errors[i].status == 429)
			assert_int_equal(tokens.wait_s, 17);
	}
}

static void
what_was_not_sent_is_used_up_by_nobody(void **state)
{
	const struct http_reply reply = { .error = "refused", .body = "", .is_unsent = true };
	struct sync_tokens tokens;

	(void)state;
	oauth_read(arena, &in_form, refresh_token, &reply, 0, &tokens);
	assert_int_equal(tokens.outcome, SYNC_REFRESH_FAILED);
	assert_string_equal(tokens.says, "refused");
}

static void
what_is_said_of_one_account_is_told_from_trouble(void **state)
{
	static const struct {
		int status;
		bool is_of_account;
	} cases[] = { { 0, false }, { 400, true }, { 403, true }, { 404, true }, { 408, false },
		{ 429, false }, { 500, false }, { 503, false } };
	struct sync_tokens tokens;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct http_reply reply = {
			.status = cases[i].status, .error = "timed out", .body = ""
		};

		oauth_read(arena, &in_form, refresh_token, &reply, 0, &tokens);
		assert_int_equal(tokens.is_of_account, cases[i].is_of_account);
	}
}

static void
no_secret_is_repeated(void **state)
{
	static const char body[] =
	    "Basic YXBwLmV4YW1wbGU6Y2xpZW50JTI2c2VjcmV0, client_secret=client&secret";
	const struct http_reply reply = {
		.status = 500, .body = body, .body_len = sizeof body - 1
	};
	struct oauth basic = in_form;
	struct sync_tokens tokens =
	    read_tokens(400, "{\"error\":\"invalid_grant\",\"error_description\":\"refresh_token=1/"
			     "/refresh+token= of "
			     "client&secret\"}");

	(void)state;
	assert_string_equal(tokens.says,
	    "HTTP 400 invalid_grant: refresh_token=***************** of *************");
	basic.is_basic = true;
	oauth_read(arena, &basic, refresh_token, &reply, 0, &tokens);
	assert_string_equal(tokens.says, "HTTP 500: Basic ************************************, "
					 "client_secret=*************");
}

#define WITH_ARENA(fn) cmocka_unit_test_setup_teardown(fn, make_arena, free_arena)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ARENA(a_form_proves_who_asks),
		WITH_ARENA(or_http_basic_does),
		WITH_ARENA(nobody_is_asked_in_no_name),
		WITH_ARENA(tokens_are_read),
		WITH_ARENA(what_is_no_token_is_not_taken),
		WITH_ARENA(answers_of_another_form_leave_it_open),
		WITH_ARENA(errors_are_told_apart_by_their_names),
		WITH_ARENA(what_was_not_sent_is_used_up_by_nobody),
		WITH_ARENA(what_is_said_of_one_account_is_told_from_trouble),
		WITH_ARENA(no_secret_is_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
