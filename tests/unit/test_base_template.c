/*
 * Templates: what fields become, and what is no template or no data for one.
 */
#include "arena_fixture.h"
#include "base/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sample {
	enum template_form form;
	const char *source, *data;
	const char *result; /* or what is wrong */
};

/* The result, or what is wrong with it. */
static const char *
rendered(const struct sample *s)
{
	json_auto_t *data = json_loads(s->data, JSON_DECODE_ANY, NULL);
	struct err e = { .code = ERR_OK };
	const char *result;

	assert_non_null(data);
	result = template_render(arena, s->source, s->form, data, &e);
	assert_int_equal(e.code, result ? ERR_OK : ERR_BAD_REQUEST);
	return result ? result : arena_text(arena, e.message);
}

static void
expect(const struct sample *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_string_equal(rendered(&all[i]), all[i].result);
}

#define EXPECT(all) expect((all), sizeof(all) / sizeof((all)[0]))

static void
fields_are_filled_in(void **state)
{
	static const struct sample all[] = {
		{ TEMPLATE_TEXT, "", "{}", "" },
		{ TEMPLATE_TEXT, "no field } }} { {", "{}", "no field } }} { {" },
		{ TEMPLATE_TEXT, "{{a}}{{ a }}\n{{\ta\r\n}}", "{\"a\": \"x\"}", "xx\nx" },
		{ TEMPLATE_TEXT, "{{a.b}} {{ a.c_1.d-2 }}",
		    "{\"a\": {\"b\": 1, \"c_1\": {\"d-2\": \"y\"}}}", "1 y" },
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": \"\"}", "" },
		{ TEMPLATE_TEXT, "{{a}} {{b}}", "{\"a\": true, \"b\": false}", "true false" },
		{ TEMPLATE_TEXT, "{{a}}, {{b}}",
		    "{\"a\": -9223372036854775808, \"b\": 9007199254740993}",
		    "-9223372036854775808, 9007199254740993" },
		{ TEMPLATE_TEXT, "{{a}}, {{b}}, {{c}}",
		    "{\"a\": 19.90, \"b\": 0.1, \"c\": 1.7976931348623157e308}",
		    "19.9, 0.1, 1.7976931348623157e+308" },
		/* What a value holds is not looked through again. */
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": \"{{b}} {{\"}", "{{b}} {{" },
		{ TEMPLATE_TEXT, "}}{{a}}}}", "{\"a\": 1}", "}}1}}" },
	};

	(void)state;
	EXPECT(all);
}

static void
html_is_escaped_in_values_alone(void **state)
{
	static const struct sample all[] = {
		{ TEMPLATE_HTML, "<a href=\"{{u}}\">&amp;</a>", "{\"u\": \"/?a=1&b='\\\"<>\"}",
		    "<a href=\"/?a=1&amp;b=&#39;&quot;&lt;&gt;\">&amp;</a>" },
		{ TEMPLATE_HTML, "{{a}}", "{\"a\": \"<b>\\n\xc3\xbc&&\"}",
		    "&lt;b&gt;\n\xc3\xbc&amp;&amp;" },
		{ TEMPLATE_HTML, "{{a}}", "{\"a\": \"\"}", "" },
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": \"<b> & 'c'\"}", "<b> & 'c'" },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"<b> & 'c'\"}", "<b> & 'c'" },
	};

	(void)state;
	EXPECT(all);
}

static void
an_error_names_the_line_and_the_field(void **state)
{
	static const char no_field[] = "between {{ and }} stands no field: letters, digits, _ and "
				       "-, with dots between parts";
	const struct sample all[] = {
		{ TEMPLATE_TEXT, "a\n\n{{b}}", "{}", "line 3: {{b}} is not in the data" },
		{ TEMPLATE_TEXT, "{{a.b}}", "{\"a\": 1}", "line 1: {{a.b}} is not in the data" },
		{ TEMPLATE_TEXT, "{{a.}}", "{\"a\": {}}", "line 1: {{a.}} is not in the data" },
		{ TEMPLATE_TEXT, "{{a}}", "[1]", "line 1: {{a}} is not in the data" },
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": null}", "line 1: {{a}} is null in the data" },
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": {\"b\": 1}}",
		    "line 1: {{a}} is an object in the data: name a field of it" },
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": []}",
		    "line 1: {{a}} is a list in the data, which cannot be shown" },
		{ TEMPLATE_TEXT, "{{a}}\n {{b", "{\"a\": 1}", "line 2: a {{ has no }} behind it" },
		{ TEMPLATE_TEXT, "{{", "{}", "line 1: a {{ has no }} behind it" },
		{ TEMPLATE_TEXT, "{{}}", "{}", arena_format(arena, "line 1: %s", no_field) },
		{ TEMPLATE_HTML, "{{{a}}}", "{\"a\": 1}",
		    arena_format(arena, "line 1: %s", no_field) },
		{ TEMPLATE_TEXT, "\n{{a b}}", "{\"a\": 1}",
		    arena_format(arena, "line 2: %s", no_field) },
		{ TEMPLATE_TEXT, "{{#each a}}", "{}", arena_format(arena, "line 1: %s", no_field) },
		{ TEMPLATE_TEXT, "{{a {{b}}", "{\"a\": 1, \"b\": 2}",
		    arena_format(arena, "line 1: %s", no_field) },
	};

	(void)state;
	EXPECT(all);
}

static void
a_header_stays_one_line(void **state)
{
	static const char says[] = "line 1: {{a}} holds a line break or another control character";
	static const struct sample all[] = {
		{ TEMPLATE_HEADER, "Order {{a}}", "{\"a\": 7}", "Order 7" },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"\xc2\xa0\xe2\x80\xa7\xc3\xbc\"}",
		    "\xc2\xa0\xe2\x80\xa7\xc3\xbc" },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"x\\r\\nBcc: y\"}", says },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"\\t\"}", says },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"\\u007f\"}", says },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"\\u0085\"}", says },
		{ TEMPLATE_HEADER, "{{a}}", "{\"a\": \"\\u2028\"}", says },
		{ TEMPLATE_HEADER, "{{a}}\n", "{\"a\": 1}",
		    "line 1: holds a line break or another control character" },
		{ TEMPLATE_TEXT, "{{a}}", "{\"a\": \"\\r\\n\\u0085\"}", "\r\n\xc2\x85" },
	};

	(void)state;
	EXPECT(all);
}

/* ${source} with a = ${len} times ${c}. */
static const char *
rendered_long(enum template_form form, const char *source, char c, size_t len)
{
	char *data = arena_alloc(arena, len + 9);
	struct sample sample = { .form = form, .source = source, .data = data };

	memcpy(data, "{\"a\":\"", 6);
	memset(data + 6, c, len);
	memcpy(data + 6 + len, "\"}", 3);
	return rendered(&sample);
}

static void
a_result_is_bounded(void **state)
{
	char name[TEMPLATE_FIELD_MAX + 10];
	struct sample sample = { .source = name, .data = "{}" };

	(void)state;
	assert_int_equal(strlen(rendered_long(TEMPLATE_TEXT, "{{a}}", 'x', TEMPLATE_RESULT_MAX)),
	    TEMPLATE_RESULT_MAX);
	assert_string_equal(rendered_long(TEMPLATE_TEXT, "y{{a}}", 'x', TEMPLATE_RESULT_MAX),
	    "line 1: {{a}} makes the result longer than 1 MB");
	assert_string_equal(rendered_long(TEMPLATE_TEXT, "{{a}}\ny", 'x', TEMPLATE_RESULT_MAX),
	    "line 1: makes the result longer than 1 MB");
	assert_string_equal(rendered_long(TEMPLATE_HTML, "{{a}}", '&', TEMPLATE_RESULT_MAX / 4),
	    "line 1: {{a}} makes the result longer than 1 MB");
	assert_int_equal(strlen(rendered_long(TEMPLATE_HEADER, "{{a}}", 'x', TEMPLATE_HEADER_MAX)),
	    TEMPLATE_HEADER_MAX);
	assert_string_equal(rendered_long(TEMPLATE_HEADER, "{{a}}y", 'x', TEMPLATE_HEADER_MAX),
	    "line 1: makes the result longer than 900 bytes");
	memset(name, 'n', sizeof(name));
	memcpy(name, "{{", 2);
	memcpy(name + 2 + TEMPLATE_FIELD_MAX + 1, "}}", 3);
	assert_string_equal(
	    rendered(&sample), "line 1: the name of a field is longer than 128 characters");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_filled_in),
		cmocka_unit_test(html_is_escaped_in_values_alone),
		cmocka_unit_test(an_error_names_the_line_and_the_field),
		cmocka_unit_test(a_header_stays_one_line),
		cmocka_unit_test(a_result_is_bounded),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
