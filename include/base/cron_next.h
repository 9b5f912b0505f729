/*
 * cron_next - when a schedule comes round next, in a time zone.
 *
 * A slot is an instant at which the zone's clocks show a minute that the schedule names.  Where
 * clocks are set forward or back:
 *
 *	the hour field       a time that is left out     a time that comes twice
 *	names hours          once, right after the gap   once, the first time
 *	  and minutes are *  once, right after the gap   each time
 *	begins with '*'      passed over                 each time
 *
 * A minute field counts as '*' when it begins with it.  Times that one gap leaves out are one slot
 * together, and a slot that the schedule has there anyway is that one.  So what runs at fixed times
 * runs once a day, and what runs every few minutes or hours goes by real time, as in Vixie cron;
 * only that there, "*" minutes of an hour that is left out are lost.
 */
#ifndef CRONWARD_BASE_CRON_NEXT_H
#define CRONWARD_BASE_CRON_NEXT_H

#include <stddef.h>
#include <stdint.h>

struct cron;
struct zone;

enum {
	CRON_YEAR_MAX = 2199, /* later slots are never looked for */
};
#define CRON_NEVER INT64_MAX

/* The first slot after ${after_s} (seconds since 1970), or CRON_NEVER. */
int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_s);

/* What time to look at, both ends included, and how many slots are wanted at most. */
struct cron_window {
	int64_t from_s, to_s;
	size_t max;
};
/*
 * The latest slots in ${window}, in order: how many are in ${ret_slots}, which has room for
 * window->max.  What it costs does not grow with the window.
 */
size_t cron_latest(const struct cron *cron, const struct zone *zone,
    const struct cron_window *window, int64_t *ret_slots);

#endif
