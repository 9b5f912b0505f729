/*
 * Times as text, and clocks that go forward.
 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void
text_is_rfc3339_in_utc(void **state)
{
	char to[CLOCK_TEXT_MAX];

	(void)state;
	/* Whatever the host's zone is. */
	setenv("TZ", "America/St_Johns", 1);
	tzset();
	assert_string_equal(clock_text(0, to), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_text(1795322012345, to), "2026-11-22T04:33:32.345Z");
	assert_string_equal(clock_text(1709164800007, to), "2024-02-29T00:00:00.007Z");
	assert_string_equal(clock_text(-1, to), "1969-12-31T23:59:59.999Z");
	assert_string_equal(clock_text(-1000, to), "1969-12-31T23:59:59.000Z");
}

static void
text_never_leaves_its_room(void **state)
{
	char to[CLOCK_TEXT_MAX];

	(void)state;
	assert_ptr_equal(clock_text(INT64_MAX, to), to);
	assert_ptr_equal(clock_text(INT64_MIN, to), to);
}

static void
monotonic_time_is_the_kernels(void **state)
{
	struct timespec now;
	int64_t now_ms;

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	assert_in_range(clock_mono_ms() - now_ms, 0, 5000);
}

static void
unix_time_is_the_hosts(void **state)
{
	int64_t now = (int64_t)time(NULL) * 1000;

	(void)state;
	assert_in_range(clock_unix_ms() - now + 1000, 0, 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_rfc3339_in_utc),
		cmocka_unit_test(text_never_leaves_its_room),
		cmocka_unit_test(monotonic_time_is_the_kernels),
		cmocka_unit_test(unix_time_is_the_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
