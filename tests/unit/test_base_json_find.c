/*
 * What stands where in JSON text.
 */
#include "base/json_find.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json_span
span(const char *text)
{
	return (struct json_span){ .at = text, .len = strlen(text) };
}

static void
assert_span(struct json_span got, const char *wanted)
{
	if (!wanted) {
		assert_null(got.at);
		return;
	}
	assert_non_null(got.at);
	assert_int_equal(got.len, strlen(wanted));
	assert_memory_equal(got.at, wanted, got.len);
}

static void
finds_members(void **state)
{
	static const char text[] =
	    " { \"a\" : 1 , \"b\":{\"a\":[2,\"}\",{}]},\"c\":\"x\\\"y\",\"\":null,\"\\u0064\":true,"
	    "\"e\":[ ] , \"f\":-1.5e3}";
	static const char *const names[] = { "a", "b", "c", "", "d", "e", "f", "g" };
	static const char *const values[] = { "1", "{\"a\":[2,\"}\",{}]}", "\"x\\\"y\"", "null",
		"true", "[ ]", "-1.5e3", NULL };
	struct json_span found[8];

	(void)state;
	assert_null(json_fault(text, strlen(text), NULL));
	json_members(span(text), names, 8, found);
	for (size_t i = 0; i < 8; i++) {
		assert_span(found[i], values[i]);
		assert_span(json_member(span(text), names[i]), values[i]);
	}
}

static void
the_last_of_a_name_counts(void **state)
{
	(void)state;
	assert_span(json_member(span("{\"id\":1,\"id\":2,\"\\u0069d\":3}"), "id"), "3");
}

static void
nothing_is_found_in_what_is_no_object(void **state)
{
	static const char *const none[] = { "{}", " { } ", "[]", "[\"a\",1]", "\"a\"", "1", "null",
		"" };
	const struct json_span nothing = { .at = NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_span(json_member(span(none[i]), "a"), NULL);
	assert_span(json_member(nothing, "a"), NULL);
	assert_span(json_first(nothing), NULL);
}

static void
finds_first_elements(void **state)
{
	(void)state;
	assert_span(json_first(span(" [ {\"a\":[1]} , 2]")), "{\"a\":[1]}");
	assert_span(json_first(span("[1]")), "1");
	assert_span(json_first(span("[\"]\"]")), "\"]\"");
	assert_span(json_first(span("[\"\\\\\",1]")), "\"\\\\\"");
	assert_span(json_first(span("[\"\\\\\\\",\\\"\",1]")), "\"\\\\\\\",\\\"\"");
	assert_span(json_first(span("[ ]")), NULL);
	assert_span(json_first(span("{\"a\":1}")), NULL);
}

static void
goes_from_element_to_element(void **state)
{
	static const char *const elements[] = { "{\"a\":[1,2]}", "\"],\"", "[ 3 ]", "-4.5e1",
		"null", "{}" };
	static const char *const none[] = { "[]", " [ ] ", "{\"a\":1}", "\"[1]\"", "1", "" };
	struct json_span list = span(" [ {\"a\":[1,2]} ,\"],\",[ 3 ],\n-4.5e1,null\t, {}\n] , 5]");
	struct json_span element = { .at = NULL };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_true(json_next(list, &element));
		assert_span(element, elements[i]);
	}
	assert_false(json_next(list, &element));
	assert_span(element, NULL);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_false(json_next(span(none[i]), &element));
		assert_span(element, NULL);
	}
	assert_false(json_next((struct json_span){ .at = NULL }, &element));
}

static void
knows_null(void **state)
{
	(void)state;
	assert_true(json_span_is_null(span("null")));
	assert_true(json_span_is_null((struct json_span){ .at = NULL }));
	assert_false(json_span_is_null(span("0")));
	assert_false(json_span_is_null(span("\"null\"")));
	assert_false(json_span_is_null(span("true")));
}

static void
decodes_strings(void **state)
{
	char to[8];

	(void)state;
	assert_true(json_string_of(span("\"\\u00e9\\n\\\"\""), to, sizeof(to)));
	assert_string_equal(to, "\xc3\xa9\n\"");
	assert_true(json_string_of(span("\"1234567\""), to, sizeof(to)));
	assert_string_equal(to, "1234567");
	assert_false(json_string_of(span("\"12345678\""), to, sizeof(to)));
	assert_string_equal(to, "");
	assert_true(json_string_of(span("\"12345\\u0036\\/\""), to, sizeof(to)));
	assert_string_equal(to, "123456/");
	assert_false(json_string_of(span("\"12345\\u0036\\/8\""), to, sizeof(to)));
	assert_true(json_string_of(span("\"\""), to, sizeof(to)));
	assert_false(json_string_of(span("1"), to, sizeof(to)));
	assert_false(json_string_of((struct json_span){ .at = NULL }, to, sizeof(to)));
}

/* Every beginning of a text: nothing outside of it is read (the sanitizer sees it). */
static void
survives_what_is_no_json(void **state)
{
	static const char text[] = "{\"a\":[{\"b\":\"\\\"\"}],\"c\":\"d\\\\\"}";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len + 1), to[8];
		struct json_span element = { .at = NULL };
		struct json_span cut = { .at = copy + 1, .len = len };

		memcpy(copy + 1, text, len);
		json_member(cut, "c");
		json_first(json_member(cut, "a"));
		json_string_of(json_member(cut, "c"), to, sizeof(to));
		cut = json_member(cut, "a");
		while (json_next(cut, &element))
			assert_true(element.len > 0);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_members),
		cmocka_unit_test(the_last_of_a_name_counts),
		cmocka_unit_test(nothing_is_found_in_what_is_no_object),
		cmocka_unit_test(finds_first_elements),
		cmocka_unit_test(goes_from_element_to_element),
		cmocka_unit_test(knows_null),
		cmocka_unit_test(decodes_strings),
		cmocka_unit_test(survives_what_is_no_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
