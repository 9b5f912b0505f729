/*
 * Time zones: the spans of known ones, what a file must not make us believe, and names.
 */
#include "base/zone.h"

#include "../../src/base/zone_parts.h"
#include "base/civil.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	HOUR = 3600,
	FILE_MAX = 1024,
};

static int64_t
utc(int year, int month, int mday, int hour)
{
	return civil_to_days((struct civil){ year, month, mday }) * CIVIL_DAY_S +
	       hour * INT64_C(3600);
}

static void
days_and_dates_agree(void **state)
{
	int64_t first = civil_to_days((struct civil){ -400, 3, 1 });
	struct civil was = civil_of_days(first);

	(void)state;
	assert_int_equal(civil_to_days((struct civil){ 1970, 1, 1 }), 0);
	assert_int_equal(civil_wday(0), 4);
	assert_int_equal(civil_wday(-5), 6);
	for (int64_t day = first; day < first + 3000 * 366; day++) {
		struct civil date = civil_of_days(day);
		bool is_next = date.mday == was.mday + 1 && date.month == was.month;

		if (civil_to_days(date) != day ||
		    date.mday > civil_month_days(date.year, date.month) ||
		    !(day == first || is_next || (date.mday == 1 && was.mday >= 28)))
			fail_msg("%lld", (long long)day);
		was = date;
	}
	assert_int_equal(civil_month_days(2000, 2), 29);
	assert_int_equal(civil_month_days(2100, 2), 28);
}

static void
known_zones_have_their_offsets(void **state)
{
	static const struct {
		const char *name;
		int year, month, mday, hour, offset_s;
	} known[] = {
		{ "UTC", 2026, 7, 1, 0, 0 },
		{ "Europe/Berlin", 2026, 3, 29, 0, HOUR },
		{ "Europe/Berlin", 2026, 3, 29, 1, 2 * HOUR },
		{ "Europe/Berlin", 2026, 10, 25, 1, HOUR },
		{ "Europe/Berlin", 2099, 7, 1, 0, 2 * HOUR },
		{ "Europe/Berlin", 2099, 12, 31, 23, HOUR },
		{ "America/New_York", 1999, 7, 1, 0, -4 * HOUR },
		{ "America/New_York", 2060, 1, 1, 0, -5 * HOUR },
		{ "Australia/Lord_Howe", 2050, 1, 1, 0, 11 * HOUR },
		{ "Australia/Lord_Howe", 2050, 7, 1, 0, 10 * HOUR + HOUR / 2 },
		{ "Asia/Kathmandu", 2026, 1, 1, 0, 5 * HOUR + 45 * 60 },
		{ "Pacific/Apia", 2011, 12, 30, 9, -10 * HOUR },
		{ "Pacific/Apia", 2011, 12, 30, 10, 14 * HOUR },
		{ "Europe/Dublin", 2070, 7, 1, 0, HOUR },
		{ "Europe/Dublin", 2070, 1, 1, 0, 0 },
		{ "Etc/GMT+12", 2026, 1, 1, 0, -12 * HOUR },
	};
	struct zones *zones = zones_create();

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct err e = { .code = ERR_OK };
		const struct zone *zone = zones_find(zones, known[i].name, &e);
		int64_t at_s = utc(known[i].year, known[i].month, known[i].mday, known[i].hour);
		struct zone_span span;

		if (!zone)
			fail_msg("%s: %s", known[i].name, e.message);
		assert_ptr_equal(zone, zones_find(zones, known[i].name, NULL));
		span = zone_span_at(zone, at_s);
		if (span.offset_s != known[i].offset_s || span.from_s > at_s || span.to_s <= at_s)
			fail_msg("%s in %d: %d", known[i].name, known[i].year, span.offset_s);
	}
	zones_destroy(zones);
	zones_destroy(NULL);
}

static void
names_are_those_of_the_database(void **state)
{
	static const char *const fit[] = { "UTC", "Europe/Berlin", "America/Port-au-Prince",
		"America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT", "W-SU" };
	static const char *const wrong[] = { "", "/", "europe/berlin", "Europe/", "/Europe",
		"Europe//Berlin", "../UTC", "Europe/../UTC", ".", "A/B/C/D", "Europe/Berlin ",
		"UTC\n", "<+03>-3", "right/UTC", "+03:00", "A\xcc\x88",
		"Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct zones *zones = zones_create();

	(void)state;
	for (size_t i = 0; i < sizeof(fit) / sizeof(*fit); i++)
		assert_true(zone_name_is_fit(fit[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct err e = { .code = ERR_OK };

		if (zone_name_is_fit(wrong[i]))
			fail_msg("\"%s\"", wrong[i]);
		assert_null(zones_find(zones, wrong[i], &e));
		assert_string_equal(e.message,
		    "time zone: allowed are names of IANA's such as UTC or Europe/Berlin");
	}
	struct err e = { .code = ERR_OK };
	assert_null(zones_find(zones, "Mars/Olympus", &e));
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	err_clear(&e);
	/* A folder. */
	assert_null(zones_find(zones, "Europe", &e));
	zones_destroy(zones);
}

/* A file whose first data is cut short says so, wherever it ends. */
static void
a_file_is_whole_or_refused(void **state)
{
	unsigned char bytes[FILE_MAX * 8];
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	size_t len, whole = 0;

	(void)state;
	assert_non_null(file);
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_true(len > 500 && len < sizeof(bytes));
	for (size_t n = 0; n <= len; n++) {
		struct err e = { .code = ERR_OK };
		struct zone *zone = zone_read(bytes, n, &e);

		assert_int_equal(!zone, e.code != ERR_OK);
		whole += zone != NULL;
		zone_destroy(zone);
	}
	assert_int_equal(whole, 1);
	bytes[0] = 't';
	assert_null(zone_read(bytes, len, NULL));
}

static void
rules_are_read_whole(void **state)
{
	static const char *const right[] = { "UTC0", "<-00>0", "CET-1CEST,M3.5.0,M10.5.0/3",
		"<+0330>-3:30<+0430>,J79/24,J263/24", "XXX3EDT4,0/0,J365/23",
		"IST-1GMT0,M10.5.0,M3.5.0/1", "AAA+3:10:20BBB,J1/-167,365/167" };
	static const char *const wrong[] = { "", "UT0", "UTC", "UTC25", "UTC0 ", "<UTC0",
		"CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.1.0,M1.1.0",
		"CET-1CEST,M3.6.0,M1.1.0", "CET-1CEST,M3.1.7,M1.1.0", "CET-1CEST,J0,J2",
		"CET-1CEST,J366,J2", "CET-1CEST,366,2", "CET-1CEST,1/168,2", "CET-1:60",
		"CET-1CEST,M3.5.0,M10.5.0/3x", "99999999999999999999" };
	struct zone_rule rule;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		if (!zone_rule_read(right[i], &rule))
			fail_msg("%s", right[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (zone_rule_read(wrong[i], &rule))
			fail_msg("%s", wrong[i]);
}

static void
a_rule_gives_every_second_one_span(void **state)
{
	struct zone_rule rule;
	int64_t at_s = utc(2038, 1, 1, 0);

	(void)state;
	assert_true(zone_rule_read("CET-1CEST,M3.5.0,M10.5.0/3", &rule));
	for (int year = 2038; year < 2140; year++) {
		struct zone_span winter = zone_rule_span(&rule, utc(year, 2, 1, 0));
		struct zone_span summer = zone_rule_span(&rule, winter.to_s);

		assert_int_equal(winter.offset_s, HOUR);
		assert_int_equal(summer.offset_s, 2 * HOUR);
		assert_int_equal(summer.from_s, winter.to_s);
		assert_int_equal(civil_wday(winter.to_s / CIVIL_DAY_S), 0);
		assert_int_equal(winter.to_s % CIVIL_DAY_S, HOUR);
		assert_true(winter.from_s < at_s && winter.to_s > at_s);
		at_s = utc(year + 1, 1, 1, 0);
	}
	/* Summer all the year: one that ends when the next begins. */
	assert_true(zone_rule_read("XXX3EDT4,0/0,J365/23", &rule));
	assert_int_equal(zone_rule_span(&rule, utc(2050, 1, 1, 4)).offset_s, -4 * HOUR);
	assert_int_equal(zone_rule_span(&rule, utc(2050, 7, 1, 0)).offset_s, -4 * HOUR);
	assert_int_equal(zone_rule_span(&rule, utc(2050, 12, 31, 23)).offset_s, -4 * HOUR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_and_dates_agree),
		cmocka_unit_test(known_zones_have_their_offsets),
		cmocka_unit_test(names_are_those_of_the_database),
		cmocka_unit_test(a_file_is_whole_or_refused),
		cmocka_unit_test(rules_are_read_whole),
		cmocka_unit_test(a_rule_gives_every_second_one_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
