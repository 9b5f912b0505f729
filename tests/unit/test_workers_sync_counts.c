/*
 * Users and integrations, each counted once.
 */
#include "workers/sync_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MANY = 5000 };

static void
each_is_counted_once(void **unused)
{
	struct sync_counts c = { 0 };

	(void)unused;
	assert_int_equal(sync_counts_of(&c, 0, false), 0);
	sync_counts_add(&c, "01234567-89ab-cdef-0123-456789abcdef", 1, true);
	sync_counts_add(&c, "01234567-89AB-CDEF-0123-456789ABCDEF", 1, true);
	sync_counts_add(&c, "01234567-89ab-cdef-0123-456789abcdee", 1, false);
	sync_counts_add(&c, "00000000-0000-0000-0000-000000000000", 2, false);
	assert_int_equal(sync_counts_of(&c, 1, false), 2);
	assert_int_equal(sync_counts_of(&c, 1, true), 1);
	assert_int_equal(sync_counts_of(&c, 2, false), 1);
	/* An application may call an integration what it calls its user. */
	sync_counts_add(&c, "01234567-89ab-cdef-0123-456789abcdef", 2, false);
	assert_int_equal(sync_counts_of(&c, 1, true), 1);
	assert_int_equal(sync_counts_of(&c, 2, false), 2);
	/* It succeeded when it was tried again. */
	sync_counts_add(&c, "01234567-89ab-cdef-0123-456789abcdef", 1, false);
	assert_int_equal(sync_counts_of(&c, 1, true), 0);
	sync_counts_finish(&c);
	assert_int_equal(sync_counts_of(&c, 1, false), 0);
}

static void
many_are_counted(void **unused)
{
	struct sync_counts c = { 0 };

	(void)unused;
	for (int n = 0; n < 2 * MANY; n++) {
		char id[40];

		snprintf(id, sizeof id, "00000000-0000-7000-8000-%012d", n % MANY);
		sync_counts_add(&c, id, n % MANY % 3, n % 2 == 0);
	}
	assert_int_equal(sync_counts_of(&c, 0, false) + sync_counts_of(&c, 1, false) +
			     sync_counts_of(&c, 2, false),
	    MANY);
	sync_counts_finish(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_counted_once),
		cmocka_unit_test(many_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
