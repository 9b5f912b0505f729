/*
 * cron - the five fields of a crontab, as sets of numbers.
 */
#ifndef CRONWARD_BASE_CRON_H
#define CRONWARD_BASE_CRON_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum cron_field {
	CRON_MINUTES,
	CRON_HOURS,
	CRON_MDAYS,
	CRON_MONTHS,
	CRON_WDAYS, /* 0 is Sunday */
	CRON__MAX
};

/* What a field may hold. */
struct cron_range {
	unsigned min, max;
};
extern const struct cron_range cron_ranges[CRON__MAX];

struct cron {
	uint64_t fields[CRON__MAX]; /* bit n stands for n */
};

/*
 * Reads "minute hour day-of-month month day-of-week": numbers, lists, ranges, steps and '*', with
 * 7 for Sunday as well; no names, no @daily.  False when ${text} is something else.
 */
bool cron_parse(const char *text, struct cron *ret_cron);
/* All numbers of a field. */
uint64_t cron_every(enum cron_field field);
/* Adds ${cron} in the shortest form that cron_parse() reads. */
void cron_add(const struct cron *cron, struct text *to);

#endif
