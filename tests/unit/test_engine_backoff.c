/* backoff: the schedule, its jitter, and what a receiver may ask for. */
#include "engine/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	DAY_S = 24 * 3600,
	SAMPLES = 200, /* jitter is random: enough of them to leave the range if it could */
};

static void
assert_wait_s(const struct backoff *b, int64_t failures, int64_t retry_after_s, int64_t wait_s)
{
	for (int i = 0; i < SAMPLES; i++)
		assert_in_range(
		    backoff_ms(b, failures, retry_after_s), wait_s * 1000, wait_s * 1100);
}

static void
test_each_wait_is_the_factor_times_the_last(void **state)
{
	const struct backoff b = { .first_s = 2, .factor = 2, .cap_s = DAY_S };

	(void)state;
	assert_wait_s(&b, 1, -1, 2);
	assert_wait_s(&b, 2, -1, 4);
	assert_wait_s(&b, 5, -1, 32);
}

static void
test_the_cap_holds_however_many_failures(void **state)
{
	const struct backoff b = { .first_s = 60, .factor = 3600, .cap_s = DAY_S };

	(void)state;
	assert_wait_s(&b, 3, -1, DAY_S);
	assert_wait_s(&b, 1000000, -1, DAY_S);
}

static void
test_a_factor_of_one_never_grows(void **state)
{
	const struct backoff b = { .first_s = 7, .factor = 1, .cap_s = DAY_S };

	(void)state;
	assert_wait_s(&b, 1, -1, 7);
	assert_wait_s(&b, 100, -1, 7);
}

static void
test_a_schedule_is_followed_and_its_last_wait_repeated(void **state)
{
	static const int64_t schedule_s[] = { 5, 300, 1800 };
	const struct backoff b = { .schedule_s = schedule_s, .schedule_count = 3 };

	(void)state;
	assert_wait_s(&b, 1, -1, 5);
	assert_wait_s(&b, 2, -1, 300);
	assert_wait_s(&b, 3, -1, 1800);
	assert_wait_s(&b, 9, -1, 1800);
}

static void
test_retry_after_counts_when_it_asks_for_more(void **state)
{
	const struct backoff b = { .first_s = 60, .factor = 2, .cap_s = DAY_S };

	(void)state;
	assert_wait_s(&b, 1, 0, 60);
	assert_wait_s(&b, 1, 59, 60);
	assert_wait_s(&b, 1, 600, 600);
	assert_wait_s(&b, 1, 10 * DAY_S, DAY_S);
	assert_wait_s(&b, 1, INT64_MAX, DAY_S);
}

static void
test_jitter_spreads_over_the_whole_tenth(void **state)
{
	const struct backoff b = { .first_s = 1000, .factor = 1, .cap_s = DAY_S };
	int64_t low = INT64_MAX, high = 0;

	(void)state;
	for (int i = 0; i < 10 * SAMPLES; i++) {
		int64_t ms = backoff_ms(&b, 1, -1);

		low = ms < low ? ms : low;
		high = ms > high ? ms : high;
	}
	assert_in_range(low, 1000000, 1010000);
	assert_in_range(high, 1090000, 1100000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_wait_is_the_factor_times_the_last),
		cmocka_unit_test(test_the_cap_holds_however_many_failures),
		cmocka_unit_test(test_a_factor_of_one_never_grows),
		cmocka_unit_test(test_a_schedule_is_followed_and_its_last_wait_repeated),
		cmocka_unit_test(test_retry_after_counts_when_it_asks_for_more),
		cmocka_unit_test(test_jitter_spreads_over_the_whole_tenth),
	};

	return cmocka_run_group_tests_name("engine/backoff", tests, NULL, NULL);
}
