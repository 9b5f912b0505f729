/*
 * A cursor is a place and nothing else, and every place has one text.
 */
#include "gateway/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "0198a0f3-c5d7-7e9f-8b0a-1c2d3e4f5061"

static void
what_is_written_is_read(void **state)
{
	static const int64_t times[] = { 0, 1, -1, 1790000000123456, INT64_MAX, INT64_MIN };
	static const char *const ids[] = { ID, "00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff" };
	char text[CURSOR_TEXT_MAX];
	struct cursor c, back;

	(void)state;
	for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++)
		for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
			c.at_us = times[t];
			memcpy(c.id, ids[i], sizeof(c.id));
			cursor_write(&c, text);
			assert_int_equal(strlen(text), CURSOR_TEXT_MAX - 1);
			assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
						      "stuvwxyz0123456789-_"),
			    CURSOR_TEXT_MAX - 1);
			assert_true(cursor_read(&back, text));
			assert_true(back.at_us == times[t]);
			assert_string_equal(back.id, ids[i]);
		}
}

static void
an_id_in_capitals_is_the_same_place(void **state)
{
	const struct cursor low = { .at_us = 7, .id = ID };
	const struct cursor high = { .at_us = 7, .id = "0198A0F3-C5D7-7E9F-8B0A-1C2D3E4F5061" };
	char a[CURSOR_TEXT_MAX], b[CURSOR_TEXT_MAX];

	(void)state;
	cursor_write(&low, a);
	cursor_write(&high, b);
	assert_string_equal(a, b);
}

static void
anything_else_is_none(void **state)
{
	static const char *const wrong[] = { "", "A", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\xc3\xa9" };
	struct cursor c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(cursor_read(&c, wrong[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(an_id_in_capitals_is_the_same_place),
		cmocka_unit_test(anything_else_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
