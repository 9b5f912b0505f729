/*
 * Schedules: what is read, what is refused, and that what is written is read as the same.
 */
#include "base/cron.h"

#include "workers/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIT(n) (UINT64_C(1) << (n))

static void
fields_are_sets(void **state)
{
	struct cron c;

	(void)state;
	assert_true(cron_parse("*/15 0-3,5 1 1-12/6 7", &c));
	assert_int_equal(c.fields[CRON_MINUTES], BIT(0) | BIT(15) | BIT(30) | BIT(45));
	assert_int_equal(c.fields[CRON_HOURS], BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5));
	assert_int_equal(c.fields[CRON_MDAYS], BIT(1));
	assert_int_equal(c.fields[CRON_MONTHS], BIT(1) | BIT(7));
	assert_int_equal(c.fields[CRON_WDAYS], BIT(0));
	assert_true(cron_parse("  *\t* * *   *", &c));
	for (enum cron_field f = 0; f < CRON__MAX; f++)
		assert_int_equal(c.fields[f], cron_every(f));
	assert_true(cron_parse("0 0 * * 5-7", &c));
	assert_int_equal(c.fields[CRON_WDAYS], BIT(0) | BIT(5) | BIT(6));
	assert_true(cron_parse("59 23 31 12 6", &c));
}

static void
what_is_no_schedule_is_refused(void **state)
{
	static const char *const wrong[] = { "", "*", "* * * *", "* * * * * *", "60 * * * *",
		"* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8",
		"-1 * * * *", "1- * * * *", "5-1 * * * *", "*/0 * * * *", "*/ * * * *",
		"*/60 * * * *", "5/2 * * * *", ", * * * *", "1,,2 * * * *", "1, * * * *", "@daily",
		"* * * jan *", "* * * * sun", "* * * * *x", "99999999999 * * * *", "** * * * *",
		"* * * * * " };

	struct cron c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (cron_parse(wrong[i], &c))
			fail_msg("\"%s\" was taken", wrong[i]);
}

static void
what_is_written_is_the_same_again(void **state)
{
	static const char *const texts[] = { "*/5 * * * *", "0 0 * * *", "* * * * *",
		"*/30 */2 */3 */6 0", "1,2,4 5 6 7 1,3,5" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct text written = { .at = NULL };
		struct cron c, again;

		assert_true(cron_parse(texts[i], &c));
		cron_add(&c, &written);
		assert_string_equal(written.at, texts[i]);
		assert_true(cron_parse(written.at, &again));
		assert_memory_equal(&c, &again, sizeof(c));
		text_finish(&written);
	}
}

static void
every_worker_has_a_schedule(void **state)
{
	struct cron c;

	(void)state;
	for (size_t i = 0; workers[i]; i++) {
		assert_non_null(workers[i]->schedule);
		if (!cron_parse(workers[i]->schedule, &c))
			fail_msg("%s: \"%s\"", workers[i]->name, workers[i]->schedule);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_sets),
		cmocka_unit_test(what_is_no_schedule_is_refused),
		cmocka_unit_test(what_is_written_is_the_same_again),
		cmocka_unit_test(every_worker_has_a_schedule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
