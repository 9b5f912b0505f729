/*
 * Link: where a list goes on.
 */
#include "arena_fixture.h"
#include "http/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
finds_the_link_of_a_relation(void **state)
{
	static const struct {
		const char *value, *target;
	} links[] = {
		{ "<https://a.example/x?page=2>; rel=\"next\", <https://a.example/x?page=9>; "
		  "rel=\"last\"",
		    "https://a.example/x?page=2" },
		{ "<a>; rel=\"prev\", <b?a=1,2;3>; rel=\"next\"", "b?a=1,2;3" },
		{ " <b> ; title=\"a, <c>; rel=\\\"; rel = next ,<d>;rel=prev", "b" },
		{ "<b>;rel=\"last  NEXT\"", "b" },
		{ "<>; Rel=Next", "" },
		{ "<a>; rel; rel=next", "a" },
		{ "<a>; rel=\"next\", <b>; rel=\"next\"", "a" },
		{ ",, <a>; rel=next ,", "a" },
		{ "<a>; rel=\"nextly\", <b>; rel=\"pre next2\", <c>; rev=next", NULL },
		{ "<a>", NULL },
		{ "<a>;", NULL },
		{ "", NULL },
		{ " , ", NULL },
	};
	const char *target;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		assert_true(link_target(arena, links[i].value, "next", &target));
		if (links[i].target)
			assert_string_equal(target, links[i].target);
		else
			assert_null(target);
	}
}

static void
knows_what_is_no_link(void **state)
{
	static const char *const values[] = { "next", "<a", "<a> rel=next", "<a>; rel=prev b",
		"<a>x", "<a>; rel=prev; <b>; rel=next", "https://a.example; rel=next" };
	const char *target;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_false(link_target(arena, values[i], "next", &target));
		assert_null(target);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    finds_the_link_of_a_relation, make_arena, free_arena),
		cmocka_unit_test_setup_teardown(knows_what_is_no_link, make_arena, free_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
