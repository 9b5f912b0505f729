/*
 * JSON text: what PostgreSQL stores as jsonb is taken, and nothing else.
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *
fault(const char *text)
{
	return json_fault(text, strlen(text), NULL);
}

static void
takes_json(void **state)
{
	static const char *const taken[] = { "null", "true", "false", "0", "-0", "12", "-1.50",
		"1e5", "1E+1000", "2.5e-7", "\"\"", "\"a \\\"b\\\" \\u00e9 \\ud83d\\ude00 é\"",
		"[]", "{}", " [ ] ", "\t{ }\r\n", "[1,[2,[]],{\"a\":{}}]",
		"{\"a\":1,\"b\":[true,null]}", "{ \"a\" : [ { \"b\" : \"c\" } , 1 ] }",
		"{\"\":\"\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (fault(taken[i]))
			fail_msg("%s: %s", taken[i], fault(taken[i]));
}

static void
refuses_the_rest(void **state)
{
	static const char *const refused[] = { "", " ", "nul", "nulll", "True", "'a'", "01", "-",
		"-a", "+1", ".5", "1.", "1.e5", "1e", "1e+", "1e1001", "1e99999999999999999999",
		"\"", "\"a", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u0000\"",
		"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\xff\"",
		"\"\xc0\x80\"", "\"\xed\xa0\x80\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
		"{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[}", "{]", "[1}",
		"{\"a\":1]", "1 2", "{} []", "[] ]", "NaN", "Infinity", "\xef\xbb\xbf{}" };

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (!fault(refused[i]))
			fail_msg("taken: %s", refused[i]);
	assert_non_null(json_fault("1\0", 2, NULL));
	assert_non_null(json_fault("\"a\0b\"", 5, NULL));
	assert_non_null(json_fault("\"\\\0\"", 4, NULL));
	assert_non_null(json_fault("\"\\u00\0\0\"", 8, NULL));
}

static void
says_where(void **state)
{
	size_t at = 0;

	(void)state;
	assert_non_null(json_fault("{\"a\": nope}", 11, &at));
	assert_int_equal(at, 6);
	assert_null(json_fault("[1]", 3, &at));
	assert_int_equal(at, 3);
}

static void
bounds_depth_and_numbers(void **state)
{
	char text[4 * JSON_DIGITS_MAX];

	(void)state;
	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_null(json_fault(text, (size_t)2 * JSON_DEPTH_MAX, NULL));
	memset(text, '[', JSON_DEPTH_MAX + 2);
	assert_string_equal(json_fault(text, JSON_DEPTH_MAX + 2, NULL), "it is nested too deep");
	memset(text, '7', sizeof(text));
	assert_null(json_fault(text, JSON_DIGITS_MAX, NULL));
	assert_non_null(json_fault(text, JSON_DIGITS_MAX + 1, NULL));
	text[1] = '.';
	assert_non_null(json_fault(text, sizeof(text), NULL));
}

static void
mends_what_only_postgresql_refuses(void **state)
{
	static const char *const mended[][2] = {
		{ "[\"\\u0000a\\uD83D\"]", "[\"\\ufffda\\ufffd\"]" },
		{ "\"\\ude00\\ud83d\\ud83d\\ude00\"", "\"\\ufffd\\ufffd\\ud83d\\ude00\"" },
		{ "\"\\ud83d\\u0000\\ud83d\\n\"", "\"\\ufffd\\ufffd\\ufffd\\n\"" },
		/* A backslash, and no escape. */
		{ "\"\\\\u0000\"", "\"\\\\u0000\"" },
		{ "\"\\u00\"", "\"\\u00\"" },
		{ "\"\\x\\ud800\"", "\"\\x\\ufffd\"" },
		{ "\\", "\\" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(mended) / sizeof(mended[0]); i++) {
		char text[64] = "";

		memcpy(text, mended[i][0], strlen(mended[i][0]));
		json_mend(text, strlen(text));
		assert_string_equal(text, mended[i][1]);
	}
}

/* Each byte at each place of a string, which is read in pieces of several. */
static void
looks_at_every_byte_of_a_string(void **state)
{
	char text[24];

	(void)state;
	for (size_t at = 1; at < sizeof(text) - 1; at++) {
		for (int c = 0; c <= 255; c++) {
			bool is_plain = c >= ' ' && c < 0x80 && c != '"' && c != '\\';
			size_t fault_at;

			memset(text, 'a', sizeof(text));
			text[0] = text[sizeof(text) - 1] = '"';
			text[at] = (char)c;
			assert_int_equal(
			    json_fault(text, sizeof(text), &fault_at) == NULL, is_plain);
			if (c == '\0')
				assert_int_equal(fault_at, at);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_json),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(says_where),
		cmocka_unit_test(bounds_depth_and_numbers),
		cmocka_unit_test(mends_what_only_postgresql_refuses),
		cmocka_unit_test(looks_at_every_byte_of_a_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
