/*
 * Headers that rows bring along: added as they stand, or refused with a word about which.
 */
#include "http/http.h"
#include "http/row_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const reserved[] = { "Idempotency-Key", NULL };

static int
add(struct http_request *q, const char *json, struct err *e)
{
	http_request_reset(q);
	err_clear(e);
	return row_headers_add(q, json, reserved, e);
}

static void
headers_are_added_as_they_stand(void **state)
{
	struct http_request q;
	struct err e = { .code = ERR_OK };

	(void)state;
	assert_int_equal(add(&q, NULL, &e), 0);
	assert_int_equal(q.headers_count, 0);
	assert_int_equal(add(&q, "{}", &e), 0);
	assert_int_equal(add(&q, "{\"Authorization\": \"Bearer x\", \"x-empty\": \"\"}", &e), 0);
	assert_int_equal(q.headers_count, 2);
	assert_string_equal(q.headers[0], "Authorization: Bearer x");
	assert_string_equal(q.headers[1], "x-empty;");
}

static void
what_is_not_a_rows_to_set_is_refused_by_name(void **state)
{
	static const struct {
		const char *json, *message;
	} all[] = {
		{ "{\"Webhook-Signature\": \"v1,x\"}",
		    "header \"Webhook-Signature\" is not its to set" },
		{ "{\"HOST\": \"x\"}", "header \"HOST\" is not its to set" },
		{ "{\"content-length\": \"1\"}", "header \"content-length\" is not its to set" },
		{ "{\"idempotency-key\": \"1\"}", "header \"idempotency-key\" is not its to set" },
		{ "{\"x\": 1}", "header \"x\" is no text" },
		{ "{\"x\": \"a\\r\\nb: c\"}", "headers: a header value holds a control character" },
		{ "{\"a b\": \"x\"}", "headers: the name of a header is not valid" },
		{ "{", "headers are too long, or hold a number or a depth that cannot be read" },
	};
	struct http_request q;
	struct err e = { .code = ERR_OK };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(add(&q, all[i].json, &e), -1);
		assert_string_equal(e.message, all[i].message);
	}
}

static void
values_are_hidden_where_they_are_repeated(void **state)
{
	char text[] = "you sent Bearer abcdefgh12 and 5";

	(void)state;
	row_headers_hide(text, "{\"authorization\": \"Bearer abcdefgh12\", \"n\": 5}");
	assert_string_equal(text, "you sent ***************** and 5");
	row_headers_hide(text, NULL);
	row_headers_hide(text, "no JSON");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_added_as_they_stand),
		cmocka_unit_test(what_is_not_a_rows_to_set_is_refused_by_name),
		cmocka_unit_test(values_are_hidden_where_they_are_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
