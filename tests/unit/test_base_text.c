/*
 * Growing text, array literals, and the parsers of small things.
 */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
text_grows(void **state)
{
	struct text t = { 0 };
	size_t i;

	(void)state;
	text_reset(&t);
	text_add(&t, NULL, 0);
	assert_string_equal(t.at, "");
	for (i = 0; i < 10000; i++)
		text_add_text(&t, "abc");
	assert_int_equal(t.len, 30000);
	assert_int_equal(strlen(t.at), 30000);
	for (i = 0; i < 10000; i++)
		if (memcmp(t.at + 3 * i, "abc", 3) != 0)
			fail_msg("piece %zu is wrong", i);
	text_reset(&t);
	assert_int_equal(t.len, 0);
	assert_string_equal(t.at, "");
	text_add(&t, "a\0b", 3);
	text_add_char(&t, '!');
	assert_int_equal(t.len, 4);
	assert_memory_equal(t.at, "a\0b!", 5);
	text_finish(&t);
	assert_null(t.at);
	text_finish(&t);
}

static void
numbers_and_formats_are_added(void **state)
{
	struct text t = { 0 };

	(void)state;
	text_add_number(&t, 0);
	text_add_char(&t, ' ');
	text_add_number(&t, INT64_MIN);
	text_add_char(&t, ' ');
	text_add_number(&t, INT64_MAX);
	text_add_format(&t, " %s=%d", "x", -7);
	assert_string_equal(t.at, "0 -9223372036854775808 9223372036854775807 x=-7");
	text_reset(&t);
	text_add_format(&t, "%0999d", 1);
	assert_int_equal(t.len, 999);
	assert_int_equal(strlen(t.at), 999);
	text_finish(&t);
}

/* Exactly full and one more: where a missing byte for the NUL would show. */
static void
no_length_is_off_by_one(void **state)
{
	char value[600];
	size_t len;

	(void)state;
	memset(value, '"', sizeof(value));
	for (len = 0; len < sizeof(value) - 1; len++) {
		struct text added = { 0 }, formatted = { 0 }, array = { 0 };

		value[len] = '\0';
		text_add_text(&added, value);
		text_add_format(&formatted, "%s", value);
		text_array_begin(&array);
		text_array_add(&array, value);
		assert_int_equal(strlen(added.at), len);
		assert_int_equal(strlen(formatted.at), len);
		assert_int_equal(strlen(array.at), 2 * len + 3);
		value[len] = '"';
		text_finish(&added);
		text_finish(&formatted);
		text_finish(&array);
	}
}

static void
arrays_are_literals(void **state)
{
	struct text t = { 0 };

	(void)state;
	text_array_begin(&t);
	text_array_end(&t);
	assert_string_equal(t.at, "{}");
	text_reset(&t);
	text_array_begin(&t);
	text_array_add_number(&t, 1);
	text_array_add(&t, NULL);
	text_array_add(&t, "a \"b\"");
	text_array_add(&t, "");
	text_array_add(&t, "NULL");
	text_array_add(&t, "c:\\d,{e}");
	text_array_add(&t, "{");
	text_array_add_plain(&t, "pending");
	text_array_add_plain(&t, NULL);
	text_array_add_number(&t, -5);
	text_array_end(&t);
	assert_string_equal(
	    t.at, "{1,NULL,\"a \\\"b\\\"\",\"\",\"NULL\",\"c:\\\\d,{e}\",\"{\",pending,NULL,-5}");
	text_finish(&t);
}

static void
whole_numbers_are_parsed_whole(void **state)
{
	static const char *const wrong[] = { "", "-", " 1", "1 ", "+1", "1.0", "1e3", "0x10", "--1",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999999", "1\n",
		"\xd9\xa1" };
	int64_t value = 77;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (text_to_int64(wrong[i], INT64_MIN, INT64_MAX, &value))
			fail_msg("\"%s\" was taken as %lld", wrong[i], (long long)value);
	assert_int_equal(value, 77);
	assert_true(text_to_int64("9223372036854775807", 0, INT64_MAX, &value));
	assert_true(value == INT64_MAX);
	assert_true(text_to_int64("-9223372036854775808", INT64_MIN, 0, &value));
	assert_true(value == INT64_MIN);
	assert_true(text_to_int64("007", 7, 7, &value));
	assert_int_equal(value, 7);
	assert_true(text_to_int64("-0", 0, 0, &value));
	assert_int_equal(value, 0);
	assert_false(text_to_int64("6", 7, 9, &value));
	assert_false(text_to_int64("10", 7, 9, &value));
}

static void
durations_have_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} right[] = {
		{ "0s", 0 },
		{ "5ms", 5 },
		{ "5s", 5000 },
		{ "30m", 1800000 },
		{ "2h", 7200000 },
		{ "30d", 2592000000 },
		{ "00000000000000000001s", 1000 },
		{ "9223372036854775807ms", INT64_MAX },
	};
	static const char *const wrong[] = { "", "s", "5", "5 s", " 5s", "5S", "-5s", "+5s", "5.5s",
		"5s ", "5ss", "5w", "9223372036854775807s", "9223372036854775808ms",
		"000000000000000000001s", "1d2h" };
	int64_t ms = 77;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (text_to_duration_ms(wrong[i], &ms))
			fail_msg("\"%s\" was taken as %lld ms", wrong[i], (long long)ms);
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_true(text_to_duration_ms(right[i].text, &ms));
		assert_true(ms == right[i].ms);
	}
}

static void
uuids_have_one_form(void **state)
{
	static const char *const wrong[] = { "", "123e4567-e89b-42d3-a456-42661417400",
		"123e4567-e89b-42d3-a456-4266141740000", "123e4567xe89b-42d3-a456-426614174000",
		"123e4567-e89b-42d3-a456-42661417400g", "{123e4567-e89b-42d3-a456-426614174000}",
		"123e4567e89b42d3a456426614174000", "123e4567-e89b-42d3-a456-42661417400\xff" };
	size_t i;

	(void)state;
	assert_true(text_is_uuid("123e4567-e89b-42d3-a456-426614174000"));
	assert_true(text_is_uuid("123E4567-E89B-42D3-A456-42661417400F"));
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (text_is_uuid(wrong[i]))
			fail_msg("\"%s\" was taken", wrong[i]);
}

static void
utf8_is_that_of_the_rfc(void **state)
{
	static const char *const right[] = { "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf" };
	static const char *const wrong[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
		"\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80\x7f", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf1\x80\x80", "\xf1\x80\x80\xc0",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		if (!text_is_utf8(right[i], strlen(right[i])))
			fail_msg("right case %zu was refused", i);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (text_is_utf8(wrong[i], strlen(wrong[i])))
			fail_msg("wrong case %zu was taken", i);
	assert_true(text_is_utf8("a\0b", 3));
	/* Bytes behind the length do not count. */
	assert_false(text_is_utf8("\xe2\x82\xac", 2));
}

static void
clean_text_can_be_stored_and_shown(void **state)
{
	char to[16];

	(void)state;
	assert_int_equal(text_clean(to, sizeof(to), "a\nb\0c\x7f\x1b", 7), 7);
	assert_string_equal(to, "a b c  ");
	assert_int_equal(text_clean(to, sizeof(to), "h\xff\xc3/\xc2\x9bx", 7), 6);
	assert_string_equal(to, "h??"
				"/ x");
	assert_int_equal(text_clean(to, sizeof(to), "€", 3), 3);
	assert_string_equal(to, "€");
	assert_int_equal(text_clean(to, sizeof(to), "abc", 2), 2);
	assert_string_equal(to, "ab");
	assert_int_equal(text_clean(to, sizeof(to), "", 0), 0);
	assert_string_equal(to, "");
}

static void
control_characters_are_those_of_unicode(void **state)
{
	static const char *const with[] = { "a\nb", "\x7f", "a\xc2\x80", "\xc2\x9f", "\xe2\x80\xa8",
		"a\xe2\x80\xa9z" };
	static const char *const without[] = { "", "Grüße", "\xc2\xa0", "\xc2", "\xe2\x80",
		"\xe2\x80\xa7", "\xe2\x81\xa8", "\xc3\x80" };

	(void)state;
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		assert_true(text_has_control(with[i], strlen(with[i])));
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		assert_false(text_has_control(without[i], strlen(without[i])));
	assert_true(text_has_control("a\0b", 3));
	/* What lies behind the end has no say. */
	assert_false(text_has_control("\xc2\x80", 1));
	assert_false(text_has_control("\xe2\x80\xa8", 2));
}

static void
a_cut_never_splits_a_character(void **state)
{
	char to[8];

	(void)state;
	assert_int_equal(text_clean(to, 4, "€uro", 6), 3);
	assert_string_equal(to, "€");
	assert_int_equal(text_clean(to, 3, "€uro", 6), 0);
	assert_string_equal(to, "");
	assert_int_equal(text_clean(to, 5, "x€uro", 7), 4);
	assert_int_equal(text_clean(to, 4, "x€uro", 7), 1);
	assert_string_equal(to, "x");
	memcpy(to, "same", 5);
	assert_int_equal(text_clean(to, 0, "x", 1), 0);
	assert_string_equal(to, "same");
	assert_int_equal(text_clean(to, 1, "x", 1), 0);
	assert_string_equal(to, "");
}

static void
prefixes_ignore_letter_case(void **state)
{
	(void)state;
	assert_true(text_has_prefix_nocase("BEARER x", "Bearer "));
	assert_true(text_has_prefix_nocase("x", ""));
	assert_false(text_has_prefix_nocase("Bear", "Bearer"));
	assert_false(text_has_prefix_nocase("", "B"));
}

static void
words_are_looked_up(void **state)
{
	static const char *const words[] = { "host", "te", NULL };

	(void)state;
	assert_true(text_is_among_nocase("Host", words));
	assert_true(text_is_among_nocase("te", words));
	assert_false(text_is_among_nocase("t", words));
	assert_false(text_is_among_nocase("tea", words));
	assert_false(text_is_among_nocase("", words));
	assert_false(text_is_among_nocase("te", NULL));
}

static void
forms_are_told(void **state)
{
	(void)state;
	assert_true(text_has_form("2026-11-22T20:00:00Z", "0000-00-00T00:00:00Z"));
	assert_true(text_has_form("", ""));
	assert_false(text_has_form("2026-11-22T20:00:00", "0000-00-00T00:00:00Z"));
	assert_false(text_has_form("2026-11-22T20:00:00Zz", "0000-00-00T00:00:00Z"));
	assert_false(text_has_form("12/4", "00.0"));
	assert_false(text_has_form("12.:", "00.0"));
	assert_true(text_is_visible("!a~"));
	assert_true(text_is_visible(""));
	assert_false(text_is_visible("a b"));
	assert_false(text_is_visible("a\x7f"));
	assert_false(text_is_visible("\xc3\xa9"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows),
		cmocka_unit_test(numbers_and_formats_are_added),
		cmocka_unit_test(no_length_is_off_by_one),
		cmocka_unit_test(arrays_are_literals),
		cmocka_unit_test(whole_numbers_are_parsed_whole),
		cmocka_unit_test(durations_have_a_unit),
		cmocka_unit_test(uuids_have_one_form),
		cmocka_unit_test(utf8_is_that_of_the_rfc),
		cmocka_unit_test(clean_text_can_be_stored_and_shown),
		cmocka_unit_test(control_characters_are_those_of_unicode),
		cmocka_unit_test(a_cut_never_splits_a_character),
		cmocka_unit_test(prefixes_ignore_letter_case),
		cmocka_unit_test(words_are_looked_up),
		cmocka_unit_test(forms_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
