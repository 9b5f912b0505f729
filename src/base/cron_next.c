/*
 * cron_next - walks over spans of one offset, and in each over the calendar, month by month.
 *
 * Local time that nothing was left out of or repeated in has the slots that the calendar has; so
 * the search looks for the next one there, and only then whether a change of the clocks comes
 * before it.
 */
#include "base/cron_next.h"

#include "base/civil.h"
#include "base/cron.h"
#include "base/zone.h"

#include <stdbool.h>
#include <string.h>

enum {
	CRON_MINUTE_S = 60,
	CRON_HOUR_S = 3600,
	CRON_WEEK = 7,
	CRON_MONTHS_MAX = 12,
	CRON_LEAP_YEAR = 2000,
	CRON_AHEAD_S = 2 * CIVIL_DAY_S, /* more than local times can lie apart */
	CRON_WINDOW_S = CRON_HOUR_S,    /* of cron_latest(), before it doubles */
};

/* The year 1, where time begins here. */
static const int64_t CRON_FROM_S = -62135596800;

static bool cron_ever_comes(const struct cron *);
static int64_t cron_next_in(
    const struct cron *, const struct zone *, int64_t at_s, struct zone_span *ret_span);
static int64_t cron_next_local(const struct cron *, int64_t local_s);
static int64_t cron_next_day(const struct cron *, int64_t day);
static int cron_next_minute(const struct cron *, int minute);
static uint64_t cron_days_of(const struct cron *, int64_t year, int month);

int64_t
cron_next(const struct cron *cron, const struct zone *zone, int64_t after_s)
{
	int64_t at_s = after_s < CRON_FROM_S ? CRON_FROM_S : after_s;
	int64_t end_s = civil_to_days((struct civil){ CRON_YEAR_MAX + 1, 1, 1 }) * CIVIL_DAY_S;

	if (at_s >= end_s || !cron_ever_comes(cron))
		return CRON_NEVER;
	for (at_s++; at_s < end_s;) {
		struct zone_span span = zone_span_at(zone, at_s);
		int64_t next_s = cron_next_in(cron, zone, at_s, &span);

		if (next_s == CRON_NEVER || next_s < span.to_s)
			return next_s;
		/* No local time before that comes up, so the spans until then need not be seen:
		 * all but one that begins so soon that times which are over come again in it. */
		if (at_s + CRON_AHEAD_S < span.to_s && next_s - CRON_AHEAD_S > span.to_s)
			at_s = next_s - CRON_AHEAD_S;
		else
			at_s = span.to_s;
	}
	return CRON_NEVER;
}

size_t
cron_latest(const struct cron *cron, const struct zone *zone, const struct cron_window *window,
    int64_t *ret_slots)
{
	size_t seen = 0, kept;

	if (window->max == 0 || window->to_s < window->from_s)
		return 0;
	for (int64_t back_s = CRON_WINDOW_S;; back_s *= 2) {
		bool is_all = window->to_s - window->from_s < back_s;
		int64_t slot = (is_all ? window->from_s : window->to_s - back_s) - 1;

		/* The oldest is overwritten by the newest. */
		for (seen = 0; (slot = cron_next(cron, zone, slot)) <= window->to_s; seen++)
			ret_slots[seen % window->max] = slot;
		if (is_all || seen >= window->max)
			break;
	}
	kept = seen < window->max ? seen : window->max;
	/* In order again: what lies before the oldest goes behind the rest, one at a time. */
	for (size_t turns = seen > window->max ? seen % window->max : 0; turns > 0; turns--) {
		int64_t first = ret_slots[0];

		memmove(ret_slots, ret_slots + 1, (kept - 1) * sizeof(*ret_slots));
		ret_slots[kept - 1] = first;
	}
	return kept;
}

/* Whether any year has such a day: the 30th of February does not come. */
static bool
cron_ever_comes(const struct cron *cron)
{
	if (cron->flags & CRON_EITHER_DAY)
		return true;
	for (int month = 1; month <= CRON_MONTHS_MAX; month++) {
		uint64_t days = (UINT64_C(2) << civil_month_days(CRON_LEAP_YEAR, month)) - 1;

		if (cron->fields[CRON_MONTHS] & UINT64_C(1) << month &&
		    cron->fields[CRON_MDAYS] & days)
			return true;
	}
	return false;
}

/*
 * The first slot from ${at_s} on, as if the span that holds it never ended: beyond its end, it is
 * one at which nothing comes before.
 */
static int64_t
cron_next_in(const struct cron *cron, const struct zone *zone, int64_t at_s, struct zone_span *span)
{
	bool by_real_time = cron->flags & CRON_STAR_HOUR;
	bool is_repeated = by_real_time || cron->flags & CRON_STAR_MINUTE;
	int64_t local_s = at_s + span->offset_s, next_s;

	if (span->from_s >= CRON_FROM_S) {
		int64_t before_s = span->from_s + zone_span_at(zone, span->from_s - 1).offset_s;
		int64_t after_s = span->from_s + span->offset_s;

		/* From before to after was left out, or from after to before comes again. */
		if (before_s < after_s && at_s == span->from_s && !by_real_time &&
		    cron_next_local(cron, before_s) < after_s)
			return at_s;
		if (before_s > local_s && !is_repeated)
			local_s = before_s;
	}
	next_s = cron_next_local(cron, local_s);
	return next_s == CRON_NEVER ? CRON_NEVER : next_s - span->offset_s;
}

/* The first minute from ${local_s} on that the calendar has. */
static int64_t
cron_next_local(const struct cron *cron, int64_t local_s)
{
	int s_of_day, minute;
	int64_t from = civil_day_of(local_s + CRON_MINUTE_S - 1, &s_of_day);
	int64_t day = cron_next_day(cron, from);

	minute = day == from ? cron_next_minute(cron, s_of_day / CRON_MINUTE_S) : -1;
	if (minute < 0 && day == from)
		day = cron_next_day(cron, from + 1);
	if (minute < 0)
		minute = cron_next_minute(cron, 0);
	return day == CRON_NEVER ? CRON_NEVER : day * CIVIL_DAY_S + (int64_t)minute * CRON_MINUTE_S;
}

/* The first such day from ${day} on. */
static int64_t
cron_next_day(const struct cron *cron, int64_t day)
{
	struct civil from = civil_of_days(day);
	uint64_t left = ~UINT64_C(0) << from.mday;

	for (; from.year <= CRON_YEAR_MAX; from.year++, from.month = 1)
		for (; from.month <= CRON_MONTHS_MAX; from.month++, left = ~UINT64_C(0)) {
			uint64_t days = cron_days_of(cron, from.year, from.month) & left;

			if (days == 0)
				continue;
			from.mday = __builtin_ctzll(days);
			return civil_to_days(from);
		}
	return CRON_NEVER;
}

/* The first such minute of a day from ${minute} on; -1: none. */
static int
cron_next_minute(const struct cron *cron, int minute)
{
	int hour = minute / CRON_MINUTE_S;
	uint64_t hours = cron->fields[CRON_HOURS] & ~UINT64_C(0) << hour;
	uint64_t minutes = cron->fields[CRON_MINUTES] & ~UINT64_C(0)
							    << (minute - hour * CRON_MINUTE_S);

	if (hours & UINT64_C(1) << hour && minutes)
		return hour * CRON_MINUTE_S + __builtin_ctzll(minutes);
	hours &= ~UINT64_C(0) << hour << 1;
	if (!hours)
		return -1;
	return __builtin_ctzll(hours) * CRON_MINUTE_S + __builtin_ctzll(cron->fields[CRON_MINUTES]);
}

/* The days of a month, bit n for the n-th. */
static uint64_t
cron_days_of(const struct cron *cron, int64_t year, int month)
{
	uint64_t all = (UINT64_C(2) << civil_month_days(year, month)) - 2, week, weeks;
	int first = civil_wday(civil_to_days((struct civil){ year, month, 1 }));

	if (!(cron->fields[CRON_MONTHS] & UINT64_C(1) << month))
		return 0;
	/* The week, beginning with the day of the month's first, five times. */
	week = cron->fields[CRON_WDAYS];
	week = (week >> first | week << (CRON_WEEK - first)) & ((UINT64_C(1) << CRON_WEEK) - 1);
	weeks = week * (UINT64_C(1) | UINT64_C(1) << 7 | UINT64_C(1) << 14 | UINT64_C(1) << 21 |
			   UINT64_C(1) << 28)
		<< 1;
	if (cron->flags & CRON_EITHER_DAY)
		return all & (cron->fields[CRON_MDAYS] | weeks);
	return all & cron->fields[CRON_MDAYS] & weeks;
}
