/*
 * civil - days of the Gregorian calendar, before and after its beginning alike.
 */
#ifndef CRONWARD_BASE_CIVIL_H
#define CRONWARD_BASE_CIVIL_H

#include <stdint.h>

enum {
	CIVIL_DAY_S = 86400,
};

struct civil {
	int64_t year;
	int month; /* 1 to 12 */
	int mday;  /* 1 to 31 */
};

/* Days since 1970-01-01; years within ten million, months and days as they are. */
int64_t civil_to_days(struct civil date);
struct civil civil_of_days(int64_t days);
/* 0 is Sunday. */
int civil_wday(int64_t days);
/* Of the month, 28 to 31. */
int civil_month_days(int64_t year, int month);
/* The day that ${s} seconds since 1970 fall on, and what is left of them. */
int64_t civil_day_of(int64_t s, int *ret_s_of_day);

#endif
