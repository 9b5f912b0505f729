/*
 * civil - days of the Gregorian calendar.
 *
 * Years are taken to begin in March, so that the leap day is their last; 400 of them have as many
 * days as any other 400.
 */
#include "base/civil.h"

#include <stdbool.h>

enum {
	CIVIL_ERA_YEARS = 400,
	CIVIL_ERA_DAYS = 146097,
	CIVIL_EPOCH_DAYS = 719468, /* from 0000-03-01 to 1970-01-01 */
	CIVIL_EPOCH_WDAY = 4,      /* a Thursday */
	CIVIL_WEEK = 7,
};

static int64_t civil_floor(int64_t n, int64_t by);

int64_t
civil_to_days(struct civil date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = civil_floor(year, CIVIL_ERA_YEARS);
	int64_t year_of_era = year - era * CIVIL_ERA_YEARS;
	int64_t month = (date.month + 9) % 12; /* March is 0 */
	int64_t day_of_year = (153 * month + 2) / 5 + date.mday - 1;

	return era * CIVIL_ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - CIVIL_EPOCH_DAYS;
}

struct civil
civil_of_days(int64_t days)
{
	int64_t era = civil_floor(days + CIVIL_EPOCH_DAYS, CIVIL_ERA_DAYS);
	int64_t day = days + CIVIL_EPOCH_DAYS - era * CIVIL_ERA_DAYS;
	int64_t year = (day - day / 1460 + day / 36524 - day / (CIVIL_ERA_DAYS - 1)) / 365;
	int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	return (struct civil){
		.year = year + era * CIVIL_ERA_YEARS + (month >= 10),
		.month = (int)(month < 10 ? month + 3 : month - 9),
		.mday = (int)(day_of_year - (153 * month + 2) / 5 + 1),
	};
}

int
civil_wday(int64_t days)
{
	int64_t day = days + CIVIL_EPOCH_WDAY;

	return (int)(day - civil_floor(day, CIVIL_WEEK) * CIVIL_WEEK);
}

int
civil_month_days(int64_t year, int month)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % CIVIL_ERA_YEARS == 0);

	return lengths[month - 1] + (month == 2 && is_leap);
}

int64_t
civil_day_of(int64_t s, int *ret_s_of_day)
{
	int64_t day = civil_floor(s, CIVIL_DAY_S);

	*ret_s_of_day = (int)(s - day * CIVIL_DAY_S);
	return day;
}

static int64_t
civil_floor(int64_t n, int64_t by)
{
	return n / by - (n % by < 0);
}
