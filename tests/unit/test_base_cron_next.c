/*
 * Slots: the latest ones of any length of time, and where the search ends.  Changes of clocks are
 * tested in tests/fault/cron_differential.test.mjs.
 */
#include "base/cron_next.h"

#include "base/cron.h"
#include "base/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	SLOTS_MAX = 1000,
	MINUTE = 60,
	DAY = 86400,
};

#define NOW INT64_C(1800000000)
#define YEAR INT64_C(31556952)

static struct zones *zones;

static struct cron
cron_of(const char *text)
{
	struct cron cron;

	assert_true(cron_parse(text, &cron, NULL));
	return cron;
}

static void
the_latest_are_those_that_come_last(void **state)
{
	static const char *const texts[] = { "* * * * *", "*/7 * * * *", "0 0 29 2 *", "* * 1 1 *",
		"30 2 * * *", "0 0 30 2 *", "59 23 31 12 MON" };
	static const int64_t lengths_s[] = { 0, 59, 3600, 86400 * 3, YEAR, 20 * YEAR };
	static const size_t rooms[] = { 1, 2, 3, 7, SLOTS_MAX };
	const struct zone *zone = zones_find(zones, "Europe/Berlin", NULL);
	int64_t latest[SLOTS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t j = 0; j < sizeof(lengths_s) / sizeof(*lengths_s); j++)
			for (size_t k = 0; k < sizeof(rooms) / sizeof(*rooms); k++) {
				const struct cron cron = cron_of(texts[i]);
				struct cron_window window = { NOW - lengths_s[j], NOW, rooms[k] };
				size_t kept = cron_latest(&cron, zone, &window, latest);

				/* Each is followed by the next, and nothing is left out at either
				 * end. */
				assert_true(kept <= rooms[k]);
				for (size_t n = 0; n < kept; n++)
					assert_int_equal(cron_next(&cron, zone, latest[n]) <= NOW
							     ? cron_next(&cron, zone, latest[n])
							     : NOW,
					    n + 1 < kept ? latest[n + 1] : NOW);
				if (kept == 0)
					assert_true(
					    cron_next(&cron, zone, window.from_s - 1) > NOW);
				else if (kept < rooms[k])
					assert_int_equal(
					    cron_next(&cron, zone, window.from_s - 1), latest[0]);
				else
					assert_true(latest[0] >= window.from_s);
			}
}

/* From Friday, the 15th of January 2027 on; the 13th of February is a Saturday. */
static void
a_day_of_the_month_or_of_the_week_will_do(void **state)
{
	static const struct {
		const char *text;
		int days[5]; /* after the 15th of January */
	} either[] = {
		{ "0 0 13 * FRI", { 7, 14, 21, 28, 29 } },
		{ "0 0 * * FRI", { 7, 14, 21, 28, 35 } },
		{ "0 0 */2 * FRI", { 14, 21, 35, 49, 63 } },
		{ "0 0 13 * *", { 29, 57, 88, 118, 149 } },
	};
	const struct zone *utc = zones_find(zones, "UTC", NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(either) / sizeof(*either); i++) {
		const struct cron cron = cron_of(either[i].text);
		int64_t slot = NOW;

		for (size_t n = 0; n < sizeof(either[i].days) / sizeof(*either[i].days); n++) {
			slot = cron_next(&cron, utc, slot);
			assert_int_equal((slot - NOW / DAY * DAY) / DAY, either[i].days[n]);
		}
	}
}

static void
a_window_holds_both_its_ends(void **state)
{
	const struct cron cron = cron_of("* * * * *");
	const struct zone *utc = zones_find(zones, "UTC", NULL);
	int64_t latest[3];

	(void)state;
	assert_int_equal(cron_latest(&cron, utc, &(struct cron_window){ NOW, NOW, 3 }, latest), 1);
	assert_int_equal(latest[0], NOW);
	assert_int_equal(
	    cron_latest(&cron, utc, &(struct cron_window){ NOW + 1, NOW + 59, 3 }, latest), 0);
	assert_int_equal(
	    cron_latest(&cron, utc, &(struct cron_window){ NOW + 1, NOW, 3 }, latest), 0);
	assert_int_equal(
	    cron_latest(&cron, utc, &(struct cron_window){ NOW - 90, NOW, 0 }, latest), 0);
	assert_int_equal(
	    cron_latest(&cron, utc, &(struct cron_window){ NOW - 90, NOW + 59, 3 }, latest), 2);
	assert_int_equal(latest[0], NOW - MINUTE);
}

static void
time_ends_somewhere(void **state)
{
	const struct cron often = cron_of("* * * * *"), leap = cron_of("0 0 29 2 *");
	const struct zone *zone = zones_find(zones, "America/New_York", NULL);

	(void)state;
	assert_int_equal(cron_next(&often, zone, INT64_MAX), CRON_NEVER);
	assert_int_equal(cron_next(&often, zone, INT64_C(7289654400)), CRON_NEVER);
	assert_int_equal(cron_next(&leap, zone, INT64_C(7226582400)), CRON_NEVER);
	/* The year 1 is as early as it gets. */
	assert_true(cron_next(&often, zone, INT64_MIN) < INT64_C(-62135000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_are_those_that_come_last),
		cmocka_unit_test(a_day_of_the_month_or_of_the_week_will_do),
		cmocka_unit_test(a_window_holds_both_its_ends),
		cmocka_unit_test(time_ends_somewhere),
	};
	int failed;

	zones = zones_create();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	zones_destroy(zones);
	return failed;
}
