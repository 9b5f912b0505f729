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
	assert_true(cron_parse("*/15 0-3,5 1 1-12/6 7", &c, NULL));
	assert_int_equal(c.fields[CRON_MINUTES], BIT(0) | BIT(15) | BIT(30) | BIT(45));
	assert_int_equal(c.fields[CRON_HOURS], BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5));
	assert_int_equal(c.fields[CRON_MDAYS], BIT(1));
	assert_int_equal(c.fields[CRON_MONTHS], BIT(1) | BIT(7));
	assert_int_equal(c.fields[CRON_WDAYS], BIT(0));
	assert_true(cron_parse("  *\t* * *   *", &c, NULL));
	for (enum cron_field f = 0; f < CRON__MAX; f++)
		assert_int_equal(c.fields[f], cron_every(f));
	assert_true(cron_parse("0 0 * * 5-7", &c, NULL));
	assert_int_equal(c.fields[CRON_WDAYS], BIT(0) | BIT(5) | BIT(6));
	assert_true(cron_parse("59 23 31 12 6", &c, NULL));
}

static void
what_is_no_schedule_is_refused(void **state)
{
	static const char *const wrong[] = { "", "*", "* * * *", "* * * * * *", "60 * * * *",
		"* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8",
		"-1 * * * *", "1- * * * *", "5-1 * * * *", "*/0 * * * *", "*/ * * * *",
		"*/60 * * * *", ", * * * *", "1,,2 * * * *", "1, * * * *", "@reboot", "@daily *",
		"* * jan * *", "* * * sun *", "* * * * FRI-MON", "* * * janu *", "* * * * *x",
		"5/0 * * * *", "1-5/60 * * * *", "0 0 ? * *", "0 0 L * *", "0 0 * * 5#2",
		"99999999999 * * * *", "** * * * *", "* * * *\n*", "*\v* * * * *" };

	struct cron c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (cron_parse(wrong[i], &c, NULL))
			fail_msg("\"%s\" was taken", wrong[i]);
}

static void
names_steps_and_words_are_read(void **state)
{
	static const char *const same[][2] = {
		{ "0 0 1 JAN,mar-May sUn-TuE", "0 0 1 1,3-5 0-2" },
		{ "5/20 20/2 28/2 10/1 1/2", "5,25,45 20,22 28,30 10-12 1,3,5,7" },
		{ "10-30/10 * * * 7/3", "10,20,30 * * * 0" },
		{ "@yearly", "0 0 1 1 *" },
		{ "@Annually", "0 0 1 1 *" },
		{ "@monthly", "0 0 1 * *" },
		{ "@weekly", "0 0 * * 0" },
		{ " @daily\t", "0 0 * * *" },
		{ "@MIDNIGHT", "0 0 * * *" },
		{ "@hourly", "0 * * * *" },
		{ " 1 2 3 4 5 ", "01 002 3 4 5" },
		{ "0-59 0-23 1-31 1-12 0-7", "* * * * *" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		struct cron a, b;

		assert_true(cron_parse(same[i][0], &a, NULL));
		assert_true(cron_parse(same[i][1], &b, NULL));
		if (memcmp(&a, &b, sizeof(a)) != 0)
			fail_msg("\"%s\" is not \"%s\"", same[i][0], same[i][1]);
	}
}

static void
days_are_in_both_fields_or_in_either(void **state)
{
	static const struct {
		const char *text;
		bool is_either;
	} days[] = { { "0 0 1 * 1", true }, { "0 0 */2 * 1", false }, { "0 0 1 * */2", false },
		{ "0 0 1 * *", false }, { "0 0 * * 1", false }, { "0 0 1-31 * 1", false },
		{ "0 0 2,*/3 * 1", true }, { "0 0 */3,2 * 1", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(days) / sizeof(*days); i++) {
		struct cron c;

		assert_true(cron_parse(days[i].text, &c, NULL));
		if ((c.flags & CRON_EITHER_DAY) != (days[i].is_either ? CRON_EITHER_DAY : 0))
			fail_msg("\"%s\"", days[i].text);
	}
}

static void
errors_say_where_and_what_is_allowed(void **state)
{
	static const char tail[] = ", ranges (a-b), lists (a,b) and steps (*/n, a-b/n, a/n; n from "
				   "1 to ";
	static const struct {
		const char *text, *head, *steps;
	} wrong[] = {
		{ "1,60 * * * *", "cron: minute \"60\": allowed are * and 0-59", "59)" },
		{ "0 x * * *", "cron: hour \"x\": allowed are * and 0-23", "23)" },
		{ "0 0 0 * *", "cron: day-of-month \"0\": allowed are * and 1-31", "31)" },
		{ "0 0 * j\xc3\xa4n *", "cron: month: allowed are * and 1-12 or JAN-DEC", "12)" },
		{ "0 0 * * 8", "cron: day-of-week \"8\": allowed are * and 0-7 or SUN-SAT", "7)" },
		{ "0 0 * * 1,", "cron: day-of-week: allowed are * and 0-7 or SUN-SAT", "7)" },
	};
	char long_text[CRON_TEXT_MAX + 2];
	struct cron c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct err e = { .code = ERR_OK };
		size_t head = strlen(wrong[i].head);

		assert_false(cron_parse(wrong[i].text, &c, &e));
		assert_int_equal(e.code, ERR_BAD_REQUEST);
		if (strncmp(e.message, wrong[i].head, head) != 0 ||
		    strncmp(e.message + head, tail, strlen(tail)) != 0 ||
		    strcmp(e.message + head + strlen(tail), wrong[i].steps) != 0)
			fail_msg("%s", e.message);
	}
	struct err e = { .code = ERR_OK };
	assert_false(cron_parse("* * *", &c, &e));
	assert_non_null(strstr(e.message, "cron: found 3 of 5 fields (minute hour day-of-month "));
	assert_non_null(strstr(e.message, " @hourly are allowed as well"));
	memset(long_text, '1', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	err_clear(&e);
	assert_false(cron_parse(long_text, &c, &e));
	assert_string_equal(e.message, "cron: longer than 256 bytes");
}

static void
what_is_written_is_the_same_again(void **state)
{
	static const char *const texts[] = { "*/5 * * * *", "0 0 * * *", "* * * * *",
		"*/30 */2 */3 */6 0", "1,2,4 5 6 7 1,3,5", "0,30 0,12 1 * *", "*/20,7 */23 * * *",
		"0 0 */3,2 * 1", "0 0 1,3,5 * 0,2,4,6", "0 0 2,4 * */2" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct text written = { .at = NULL };
		struct cron c, again;

		assert_true(cron_parse(texts[i], &c, NULL));
		cron_add(&c, &written);
		assert_string_equal(written.at, texts[i]);
		assert_true(cron_parse(written.at, &again, NULL));
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
		if (!cron_parse(workers[i]->schedule, &c, NULL))
			fail_msg("%s: \"%s\"", workers[i]->name, workers[i]->schedule);
		/* Every cron service reads the plain form, and not every one reads more. */
		assert_int_equal(
		    strspn(workers[i]->schedule, "0123456789*/,- "), strlen(workers[i]->schedule));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_sets),
		cmocka_unit_test(what_is_no_schedule_is_refused),
		cmocka_unit_test(names_steps_and_words_are_read),
		cmocka_unit_test(days_are_in_both_fields_or_in_either),
		cmocka_unit_test(errors_say_where_and_what_is_allowed),
		cmocka_unit_test(what_is_written_is_the_same_again),
		cmocka_unit_test(every_worker_has_a_schedule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
