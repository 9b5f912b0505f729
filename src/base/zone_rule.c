/*
 * zone_rule - "CET-1CEST,M3.5.0,M10.5.0/3": two offsets, and when each of them begins.
 */
#include "base/civil.h"
#include "zone_parts.h"

#include <string.h>

enum {
	RULE_HOUR_S = 3600,
	RULE_MINUTE_S = 60,
	RULE_OFFSET_MAX_H = 24,
	RULE_TIME_MAX_H = 167,
	RULE_TIME_S = 2 * RULE_HOUR_S, /* unless it says another */
	RULE_WEEK = 7,
	/* A change may be said in hours of the week before or after, so it falls at most so many
	 * years from the one that it is counted in. */
	RULE_YEARS_AROUND = 2,
	RULE_CHANGES = 2 * (2 * RULE_YEARS_AROUND + 1),
};

/* An offset and when it begins. */
struct rule_change {
	int64_t at_s;
	int32_t offset_s;
};

static bool rule_read_name(const char **at);
static bool rule_read_offset(const char **at, int32_t *ret_s);
static bool rule_read_time(const char **at, int hours_max, int32_t *ret_s);
static bool rule_read_day(const char **at, struct zone_day *ret_day);
static bool rule_read_number(const char **at, int min, int max, int *ret_number);
static bool rule_skip(const char **at, char c);
static void rule_changes_of(
    const struct zone_rule *, int64_t year, struct rule_change changes[static 2]);
static int64_t rule_day_of(const struct zone_day *, int64_t year);

bool
zone_rule_read(const char *text, struct zone_rule *ret_rule)
{
	struct zone_rule rule = { .has_summer = false };
	const char *at = text;

	if (!rule_read_name(&at) || !rule_read_offset(&at, &rule.standard_s))
		return false;
	if (*at != '\0') {
		rule.has_summer = true;
		rule.summer_s = rule.standard_s + RULE_HOUR_S;
		if (!rule_read_name(&at) ||
		    (*at != ',' && !rule_read_offset(&at, &rule.summer_s)) ||
		    !rule_skip(&at, ',') || !rule_read_day(&at, &rule.begins) ||
		    !rule_skip(&at, ',') || !rule_read_day(&at, &rule.ends))
			return false;
	}
	*ret_rule = rule;
	return *at == '\0';
}

struct zone_span
zone_rule_span(const struct zone_rule *rule, int64_t unix_s)
{
	struct zone_span span = { INT64_MIN, INT64_MAX, rule->standard_s };
	struct rule_change changes[RULE_CHANGES];
	int64_t year;
	int s_of_day;

	if (!rule->has_summer)
		return span;
	year = civil_of_days(civil_day_of(unix_s, &s_of_day)).year - RULE_YEARS_AROUND;
	for (int i = 0; i < RULE_CHANGES; i += 2)
		rule_changes_of(rule, year++, &changes[i]);
	/* In the order of years: of two that fall on the same second, the later one counts. */
	for (int i = 0; i < RULE_CHANGES; i++) {
		if (changes[i].at_s <= unix_s && changes[i].at_s >= span.from_s) {
			span.from_s = changes[i].at_s;
			span.offset_s = changes[i].offset_s;
		}
		if (changes[i].at_s > unix_s && changes[i].at_s < span.to_s)
			span.to_s = changes[i].at_s;
	}
	return span;
}

/* Letters, or anything of a name's between angles; nobody asks for it. */
static bool
rule_read_name(const char **at)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t len;

	if (**at != '<') {
		len = strspn(*at, letters);
		*at += len;
		return len >= 3;
	}
	len = strcspn(*at, ">");
	if ((*at)[len] == '\0')
		return false;
	*at += len + 1;
	return true;
}

/* What has to be added to local time to get UTC, so the other way round. */
static bool
rule_read_offset(const char **at, int32_t *ret_s)
{
	if (!rule_read_time(at, RULE_OFFSET_MAX_H, ret_s))
		return false;
	*ret_s = -*ret_s;
	return true;
}

/* Hours, minutes and seconds, the latter two at choice, with a sign. */
static bool
rule_read_time(const char **at, int hours_max, int32_t *ret_s)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes = 0, seconds = 0;

	if (**at == '-' || **at == '+')
		++*at;
	if (!rule_read_number(at, 0, hours_max, &hours))
		return false;
	if (rule_skip(at, ':') &&
	    (!rule_read_number(at, 0, 59, &minutes) ||
		(rule_skip(at, ':') && !rule_read_number(at, 0, 59, &seconds))))
		return false;
	*ret_s = sign * (hours * RULE_HOUR_S + minutes * RULE_MINUTE_S + seconds);
	return true;
}

static bool
rule_read_day(const char **at, struct zone_day *ret_day)
{
	struct zone_day day = { .time_s = RULE_TIME_S };

	if (rule_skip(at, 'M')) {
		day.form = ZONE_DAY_MONTH;
		if (!rule_read_number(at, 1, 12, &day.month) || !rule_skip(at, '.') ||
		    !rule_read_number(at, 1, 5, &day.week) || !rule_skip(at, '.') ||
		    !rule_read_number(at, 0, RULE_WEEK - 1, &day.wday))
			return false;
	} else if (rule_skip(at, 'J')) {
		day.form = ZONE_DAY_JULIAN;
		if (!rule_read_number(at, 1, 365, &day.day))
			return false;
	} else {
		day.form = ZONE_DAY_YEAR;
		if (!rule_read_number(at, 0, 365, &day.day))
			return false;
	}
	if (rule_skip(at, '/') && !rule_read_time(at, RULE_TIME_MAX_H, &day.time_s))
		return false;
	*ret_day = day;
	return true;
}

static bool
rule_read_number(const char **at, int min, int max, int *ret_number)
{
	int number = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		number = number * 10 + (**at - '0');
		if (number > max)
			return false;
	}
	*ret_number = number;
	return number >= min;
}

static bool
rule_skip(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

/* Those of a year, the earlier one first: in the south summer ends before it begins. */
static void
rule_changes_of(const struct zone_rule *rule, int64_t year, struct rule_change changes[static 2])
{
	int64_t begins = rule_day_of(&rule->begins, year) * CIVIL_DAY_S + rule->begins.time_s;
	int64_t ends = rule_day_of(&rule->ends, year) * CIVIL_DAY_S + rule->ends.time_s;
	struct rule_change summer = { begins - rule->standard_s, rule->summer_s };
	struct rule_change standard = { ends - rule->summer_s, rule->standard_s };
	bool is_summer_first = summer.at_s <= standard.at_s;

	changes[0] = is_summer_first ? summer : standard;
	changes[1] = is_summer_first ? standard : summer;
}

static int64_t
rule_day_of(const struct zone_day *day, int64_t year)
{
	int64_t first = civil_to_days((struct civil){ year, 1, 1 });
	bool is_leap = civil_month_days(year, 2) == 29;
	int mday;

	if (day->form == ZONE_DAY_YEAR)
		return first + day->day;
	if (day->form == ZONE_DAY_JULIAN)
		return first + day->day - 1 + (is_leap && day->day >= 60);
	first = civil_to_days((struct civil){ year, day->month, 1 });
	mday =
	    (day->wday - civil_wday(first) + RULE_WEEK) % RULE_WEEK + (day->week - 1) * RULE_WEEK;
	return first + (mday < civil_month_days(year, day->month) ? mday : mday - RULE_WEEK);
}
