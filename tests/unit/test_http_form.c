/*
 * Percent-encoding.
 */
#include "arena_fixture.h"
#include "http/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
only_the_unreserved_stand_as_they_are(void **state)
{
	static const char unreserved[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char text[2] = "";

	(void)state;
	assert_string_equal(form_escape(arena, unreserved), unreserved);
	assert_string_equal(form_escape(arena, ""), "");
	assert_string_equal(
	    form_escape(arena, "1//a=b&c d+e%\xc3\xbc\n"), "1%2F%2Fa%3Db%26c%20d%2Be%25%C3%BC%0A");
	for (int c = 1; c <= 255; c++) {
		text[0] = (char)c;
		assert_int_equal(
		    strlen(form_escape(arena, text)), strchr(unreserved, c) != NULL ? 1 : 3);
	}
}

static void
a_form_leaves_out_what_is_not_there(void **state)
{
	const struct form_field fields[] = { { "no", NULL }, { "a", "&" }, { "empty", "" },
		{ "none", NULL }, { "z", "=" } };

	(void)state;
	assert_string_equal(form_of(arena, fields, 5), "a=%26&empty=&z=%3D");
	assert_string_equal(form_of(arena, fields, 1), "");
	assert_string_equal(form_of(arena, NULL, 0), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    only_the_unreserved_stand_as_they_are, make_arena, free_arena),
		cmocka_unit_test_setup_teardown(
		    a_form_leaves_out_what_is_not_there, make_arena, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
