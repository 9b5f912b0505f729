/*
 * What goes back: shape, headers, and nothing that the outside has no business knowing.
 */
#include "gateway/reply.h"

#include "arena_fixture.h"
#include "engine/run.h"
#include "fake_fcgi.h"
#include "workers/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
a_reply_is_written_whole(void **state)
{
	struct reply p = { .status = 0 };
	struct fake_out out;

	(void)state;
	reply_header(&p, "X-A", "%d", 1);
	reply_text(&p, 200, "{}");
	reply_send(&p, fake_out(&out));
	assert_string_equal((char *)out.text,
	    "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
	    "Cache-Control: no-store\r\nX-A: 1\r\n\r\n{}");
}

static void
a_reply_may_be_of_another_type(void **state)
{
	struct reply p = { .type = "text/plain; charset=utf-8" };
	struct fake_out out;

	(void)state;
	reply_text(&p, 200, "1158201444");
	reply_send(&p, fake_out(&out));
	assert_string_equal((char *)out.text,
	    "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n"
	    "Cache-Control: no-store\r\n\r\n1158201444");
}

static void
every_error_has_its_shape(void **state)
{
	(void)state;
	for (int code = ERR_OK + 1; code < ERR__MAX; code++) {
		struct err e = { .code = ERR_OK };
		struct reply p = { .status = 0 };
		struct run none = { .begun = false };
		json_auto_t *body = NULL;

		err_set(&e, (enum err_code)code, "a sentence");
		reply_err(&p, arena, &e, &none);
		assert_int_equal(p.status, err_info[code].status);
		body = json_loadb(p.body, p.body_len, 0, NULL);
		assert_true(json_is_false(json_object_get(body, "success")));
		assert_string_equal(
		    json_string_value(json_object_get(body, "code")), err_info[code].name);
		assert_true(json_string_length(json_object_get(body, "error")) > 0);
		assert_true(json_is_null(json_object_get(body, "run")));
		assert_int_equal(
		    strstr(p.headers, "Retry-After:") != NULL, err_info[code].retry_s > 0);
		assert_int_equal(strstr(p.headers, "WWW-Authenticate: Bearer\r\n") != NULL,
		    code == ERR_UNAUTHORIZED);
	}
}

static void
unauthorized_is_written_as_all_others(void **state)
{
	struct err e = { .code = ERR_OK };
	struct reply p = { .status = 0 };
	json_auto_t *others = NULL, *body = NULL;

	(void)state;
	err_set(&e, ERR_UNAUTHORIZED, "Unauthorized");
	reply_err(&p, arena, &e, NULL);
	others = reply_err_body(&e, NULL);
	body = json_loadb(p.body, p.body_len, 0, NULL);
	assert_true(json_equal(body, others));
}

static void
inner_errors_stay_inside(void **state)
{
	static const enum err_code inner[] = { ERR_DATABASE, ERR_INTERNAL };

	(void)state;
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		struct err e = { .code = ERR_OK };
		struct reply p = { .status = 0 };

		err_set(&e, inner[i], "host db7.example, user app, password x");
		reply_err(&p, arena, &e, NULL);
		assert_null(strstr(p.body, "db7"));
	}
}

static void
a_run_that_failed_is_named(void **state)
{
	struct err e = { .code = ERR_OK };
	struct reply p = { .status = 0 };
	struct run r = { .begun = true, .worker = &worker_webhook_retry, .id = "the-id" };
	json_auto_t *body = NULL;

	(void)state;
	err_set(&e, ERR_INTERNAL, "x");
	reply_err(&p, arena, &e, &r);
	body = json_loadb(p.body, p.body_len, 0, NULL);
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(body, "run"), "id")), "the-id");
}

static void
busy_says_since_when_and_how_long(void **state)
{
	struct err e = { .code = ERR_OK };
	struct reply p = { .status = 0 };
	struct run r = { .busy_since = "2026-11-22T04:53:12Z", .busy_retry_s = 7 };
	json_auto_t *body = NULL;

	(void)state;
	err_set(&e, ERR_BUSY, "Job already running, skipping");
	reply_err(&p, arena, &e, &r);
	assert_int_equal(p.status, 429);
	assert_non_null(strstr(p.headers, "Retry-After: 7\r\n"));
	body = json_loadb(p.body, p.body_len, 0, NULL);
	assert_string_equal(
	    json_string_value(json_object_get(body, "startedAt")), "2026-11-22T04:53:12Z");
	assert_true(json_is_null(json_object_get(body, "run")));
}

static void
what_cannot_be_json_is_an_error_all_the_same(void **state)
{
	struct reply p = { .status = 0 };
	json_auto_t *body = NULL;

	(void)state;
	/* jansson refuses the text, so there is no body. */
	reply_json(&p, arena, 200, json_string("\xff"));
	assert_int_equal(p.status, 500);
	body = json_loadb(p.body, p.body_len, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(body, "code")), "internal");
}

static void
the_longest_error_stays_small(void **state)
{
	char message[2 * ERR_MESSAGE_MAX];
	struct err e = { .code = ERR_OK };
	struct reply p = { .status = 0 };

	(void)state;
	memset(message, '"', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	err_set(&e, ERR_BAD_REQUEST, "%s", message);
	reply_err(&p, arena, &e, NULL);
	assert_true(p.body_len + p.headers_len < REPLY_WORKER_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_written_whole),
		cmocka_unit_test(a_reply_may_be_of_another_type),
		cmocka_unit_test(every_error_has_its_shape),
		cmocka_unit_test(unauthorized_is_written_as_all_others),
		cmocka_unit_test(inner_errors_stay_inside),
		cmocka_unit_test(a_run_that_failed_is_named),
		cmocka_unit_test(busy_says_since_when_and_how_long),
		cmocka_unit_test(what_cannot_be_json_is_an_error_all_the_same),
		cmocka_unit_test(the_longest_error_stays_small),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
