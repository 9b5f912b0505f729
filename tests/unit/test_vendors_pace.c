/*
 * The pace of requests: what answers tell of a limit is kept to.
 */
#include "vendors/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
learn(struct pace *pace, int64_t left, int64_t wait_s, int64_t now_ms)
{
	const struct pace_told told = { .left = left, .window_s = 60, .wait_s = wait_s };

	pace_learn(pace, &told, now_ms);
}

static void
what_was_not_told_limits_nothing(void **state)
{
	struct pace pace = { .left = -1 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pace_wait_ms(&pace, 1000), 0);
		pace_sent(&pace);
	}
	learn(&pace, -1, 0, 1000);
	assert_int_equal(pace_wait_ms(&pace, 1000), 0);
}

/* A failure, say, lifts no limit. */
static void
what_is_not_told_again_stays(void **state)
{
	struct pace pace = { .left = 2, .window_s = 1 };

	(void)state;
	pace_sent(&pace);
	pace_sent(&pace);
	assert_int_equal(pace_wait_ms(&pace, 0), 1000);
	pace_sent(&pace);
	learn(&pace, -1, 0, 0);
	assert_int_equal(pace_wait_ms(&pace, 0), 1000);
	learn(&pace, -1, 0, 0);
	assert_int_equal(pace_wait_ms(&pace, 0), 0);
}

static void
a_new_window_has_what_its_limit_says(void **state)
{
	const struct pace_told told = { .left = 0, .window_s = 1, .limit = 5 };
	struct pace pace = { .left = -1 };

	(void)state;
	pace_sent(&pace);
	pace_learn(&pace, &told, 1000);
	assert_int_equal(pace_wait_ms(&pace, 1000), 1000);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(pace_wait_ms(&pace, 2000), 0);
		pace_sent(&pace);
	}
	assert_int_equal(pace_wait_ms(&pace, 2000), 1000);
}

static void
nobody_asks_once_too_often(void **state)
{
	struct pace pace = { .left = -1 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pace_wait_ms(&pace, 1000), 0);
		pace_sent(&pace);
	}
	/* Three in the air, and of what is left two take all. */
	learn(&pace, 2, 0, 1000);
	assert_int_equal(pace_wait_ms(&pace, 1000), 60000);
	learn(&pace, 2, 0, 1000);
	assert_int_equal(pace_wait_ms(&pace, 1000), 0);
	learn(&pace, 0, 0, 2000);
	assert_int_equal(pace_wait_ms(&pace, 2000), 60000);
	assert_int_equal(pace_wait_ms(&pace, 62000), 0);
}

static void
a_wait_is_kept_to_whatever_others_tell(void **state)
{
	struct pace pace = { .left = -1 };

	(void)state;
	pace_sent(&pace);
	pace_sent(&pace);
	learn(&pace, -1, 5, 62000);
	assert_int_equal(pace_wait_ms(&pace, 62500), 4500);
	/* One that was in the air at the time. */
	learn(&pace, 900, 0, 62500);
	assert_int_equal(pace_wait_ms(&pace, 62500), 4500);
	assert_int_equal(pace_wait_ms(&pace, 67000), 0);
	/* A shorter one does not end a longer one. */
	learn(&pace, 0, 9, 67000);
	learn(&pace, 0, 2, 67000);
	assert_int_equal(pace_wait_ms(&pace, 67000), 9000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_not_told_limits_nothing),
		cmocka_unit_test(what_is_not_told_again_stays),
		cmocka_unit_test(a_new_window_has_what_its_limit_says),
		cmocka_unit_test(nobody_asks_once_too_often),
		cmocka_unit_test(a_wait_is_kept_to_whatever_others_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
