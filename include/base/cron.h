/*
 * cron - the five fields of a crontab, as sets of numbers.
 */
#ifndef CRONWARD_BASE_CRON_H
#define CRONWARD_BASE_CRON_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CRON_TEXT_MAX = 256, /* bytes of an expression */
};

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

/* What the sets alone do not say. */
enum cron_flag {
	CRON_STAR_MINUTE = 1, /* the field begins with '*', or names all there are */
	CRON_STAR_HOUR = 2,
	CRON_EITHER_DAY = 4, /* a day of the month or a day of the week will do, not both at once */
};

struct cron {
	uint64_t fields[CRON__MAX]; /* bit n stands for n */
	uint64_t flags;             /* of enum cron_flag */
};

/*
 * Reads "minute hour day-of-month month day-of-week", with blanks between and around:
 *
 *	all, as an asterisk        a-b      from a to b
 *	a        one number        a-b/n    every n-th from a to b; of an asterisk likewise
 *	a,b-c    a list of these   a/n      every n-th from a to the field's end
 *
 * Months may be JAN to DEC, days of the week SUN to SAT, in any case; Sunday is 0 and 7.  Also
 * @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly.
 *
 * As in Vixie cron, a day has to be in both day fields when one of them begins with '*', and in
 * either of them when neither does.
 *
 * False, with ${e} (NULL: nobody asks) saying which field is wrong and what is allowed there;
 * cronward_cron_problem() of migration 0010 says the same in the same words.
 */
bool cron_parse(const char *text, struct cron *ret_cron, struct err *e);
/* Sets that came without a text: the flags are those of the form that cron_add() will choose. */
void cron_flag_steps(struct cron *cron);
/* All numbers of a field. */
uint64_t cron_every(enum cron_field field);
/* Adds ${cron} in a short form, which cron_parse() reads as the same. */
void cron_add(const struct cron *cron, struct text *to);

#endif
