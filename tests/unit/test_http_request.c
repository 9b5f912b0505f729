/*
 * Filling in requests, judging them, and reading Retry-After: no network here.
 */
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
	NOW_S = 1800000000, /* 2027-01-15T08:00:00Z */
};

static struct http_request q;

static int
reset(void **state)
{
	(void)state;
	memset(&q, 0xff, sizeof(q));
	http_request_reset(&q);
	return 0;
}

static void
headers_stand_one_after_the_other(void **state)
{
	(void)state;
	http_header(&q, "content-type", "application/json");
	http_header(&q, "X-A", " b ");
	http_header(&q, "X-Empty", "");
	http_header(&q, "X-Blank", "   ");
	assert_null(q.refused);
	assert_int_equal(q.headers_count, 4);
	assert_string_equal(q.headers[0], "content-type: application/json");
	assert_string_equal(q.headers[1], "X-A: b");
	/* curl's spelling of a header without a value. */
	assert_string_equal(q.headers[2], "X-Empty;");
	assert_string_equal(q.headers[3], "X-Blank;");
	http_request_reset(&q);
	assert_int_equal(q.headers_count, 0);
	assert_null(q.url);
	assert_null(q.body);
	assert_null(q.refused);
}

static void
only_tokens_are_names(void **state)
{
	static const char good[] = "!#$%&'*+-.^_`|~0123456789"
				   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[] = "x?y";
	int c;

	for (c = 1; c < 256; c++) {
		reset(state);
		name[1] = (char)c;
		http_header(&q, name, "v");
		assert_int_equal(q.refused == NULL, strchr(good, c) != NULL);
		assert_int_equal(q.headers_count, q.refused ? 0 : 1);
	}
	reset(state);
	http_header(&q, "", "v");
	assert_non_null(q.refused);
}

static void
no_control_character_gets_into_a_value(void **state)
{
	char value[] = "x?y";
	int c;

	for (c = 1; c < 256; c++) {
		reset(state);
		value[1] = (char)c;
		http_header(&q, "n", value);
		assert_int_equal(q.refused != NULL, c < ' ' || c == 0x7f);
	}
	reset(state);
	http_header(&q, "x", "a\r\nX-Injected: 1");
	assert_non_null(q.refused);
	/* It stays refused, whatever comes after it. */
	http_header(&q, "y", "fine");
	assert_non_null(q.refused);
	assert_int_equal(q.headers_count, 0);
}

static void
framing_is_not_for_the_caller(void **state)
{
	static const char *const names[] = { "Content-Length", "content-length",
		"TRANSFER-ENCODING", "Expect" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		reset(state);
		http_header(&q, names[i], "1");
		assert_non_null(q.refused);
	}
	reset(state);
	http_header(&q, "Content-Length-Of-Rope", "1");
	http_header(&q, "Content", "1");
	assert_null(q.refused);
}

static void
headers_have_a_limit(void **state)
{
	char value[HTTP_HEADER_BYTES_MAX];
	int i;

	(void)state;
	for (i = 0; i < HTTP_HEADERS_MAX; i++)
		http_header(&q, "x", "y");
	assert_null(q.refused);
	http_header(&q, "x", "y");
	assert_non_null(q.refused);

	/* "x: ", the value and NUL just fit; a byte more does not. */
	reset(state);
	memset(value, 'v', sizeof(value));
	value[HTTP_HEADER_BYTES_MAX - 4] = '\0';
	http_header(&q, "x", value);
	assert_null(q.refused);
	assert_int_equal(q.headers_len, HTTP_HEADER_BYTES_MAX);
	http_header(&q, "x", "");
	assert_non_null(q.refused);
	reset(state);
	value[HTTP_HEADER_BYTES_MAX - 4] = 'v';
	value[HTTP_HEADER_BYTES_MAX - 3] = '\0';
	http_header(&q, "x", value);
	assert_non_null(q.refused);
}

static void
origin_is_scheme_and_authority(void **state)
{
	static const struct {
		const char *url;
		size_t len;
	} cases[] = {
		{ "http://a", 8 },
		{ "http://a/", 8 },
		{ "https://a.example:8443/x?y#z", 22 },
		{ "HTTP://A?b", 8 },
		{ "http://a#b", 8 },
		{ "http://[::1]:80/", 15 },
		{ "http://u:p@h/", 12 },
		{ "ftp://a/", 7 },
		{ "a+b-c.1://x", 11 },
		{ "", 0 },
		{ "a", 0 },
		{ "http", 0 },
		{ "http:", 0 },
		{ "http:/", 0 },
		{ "http:/a", 0 },
		{ "http://", 0 },
		{ "http:///a", 0 },
		{ "http://?", 0 },
		{ "://a", 0 },
		{ "1http://a", 0 },
		{ "+a://a", 0 },
		{ " http://a", 0 },
		{ "h ttp://a", 0 },
		{ "/a://b", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (http_origin_len(cases[i].url) != cases[i].len)
			fail_msg("%s: %zu", cases[i].url, http_origin_len(cases[i].url));
}

static void
retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *value;
		int64_t s;
	} cases[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "120", 120 },
		{ " \t120\t ", 120 },
		{ "007", 7 },
		{ "2147483647", INT32_MAX },
		{ "2147483648", INT32_MAX },
		{ "99999999999999999999999999999999999999", INT32_MAX },
		{ "Fri, 15 Jan 2027 08:01:40 GMT", 100 },
		{ "fri, 15 jan 2027 08:01:40 GMT", 100 },
		{ "Friday, 15-Jan-27 08:01:40 GMT", 100 },
		{ "Fri Jan 15 08:01:40 2027", 100 },
		{ "Fri Jan  1 00:00:00 2027", 0 },
		{ "Fri, 15 Jan 2027 08:00:00 GMT", 0 },
		{ "Fri, 15 Jan 2027 07:59:59 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 0 },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Sat, 16 Jan 2027 08:00:00 GMT", 86400 },
		/* Two digits that say 1970 to strptime mean 2070 now. */
		{ "Wednesday, 15-Jan-70 08:00:00 GMT", 1356998400 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", INT32_MAX },
		{ "", -1 },
		{ " ", -1 },
		{ "-1", -1 },
		{ "+1", -1 },
		{ "1.5", -1 },
		{ "1 s", -1 },
		{ "1,2", -1 },
		{ "0x10", -1 },
		{ "soon", -1 },
		{ "Fri, 15 Jan 2027 08:01:40", -1 },
		{ "Fri, 15 Jan 2027 08:01:40 CET", -1 },
		{ "Fri, 15 Jan 2027 08:01:40 GMT and more", -1 },
		{ "Fri, 32 Jan 2027 08:01:40 GMT", -1 },
		{ "Fri, 15 Foo 2027 08:01:40 GMT", -1 },
		{ "Fri, 15 Jan 2027 25:01:40 GMT", -1 },
		{ "2027-01-15T08:01:40Z", -1 },
	};
	size_t i;

	(void)state;
	assert_int_equal(http_retry_after_s(NULL, NOW_S), -1);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t s = http_retry_after_s(cases[i].value, NOW_S);

		if (s != cases[i].s)
			fail_msg("%s: %lld", cases[i].value, (long long)s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(headers_stand_one_after_the_other, reset),
		cmocka_unit_test_setup(only_tokens_are_names, reset),
		cmocka_unit_test_setup(no_control_character_gets_into_a_value, reset),
		cmocka_unit_test_setup(framing_is_not_for_the_caller, reset),
		cmocka_unit_test_setup(headers_have_a_limit, reset),
		cmocka_unit_test_setup(origin_is_scheme_and_authority, reset),
		cmocka_unit_test_setup(retry_after_is_seconds_or_a_date, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
