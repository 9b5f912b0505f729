/*
 * zone_parts - the rule at the end of a zone's file, for the years after those that it lists.
 */
#ifndef CRONWARD_BASE_ZONE_PARTS_H
#define CRONWARD_BASE_ZONE_PARTS_H

#include "base/zone.h"

enum zone_day_form {
	ZONE_DAY_MONTH,  /* the n-th such weekday of a month, the fifth being the last */
	ZONE_DAY_JULIAN, /* 1 to 365, never the leap day */
	ZONE_DAY_YEAR,   /* 0 to 365 */
};

/* When, in each year, an offset begins. */
struct zone_day {
	enum zone_day_form form;
	int month, week, wday;
	int day;
	int32_t time_s; /* local time of before; may lie days away */
};

/* Of POSIX's TZ variable, as RFC 8536 extends it. */
struct zone_rule {
	int32_t standard_s, summer_s;
	bool has_summer;
	struct zone_day begins, ends; /* summer */
};

/* The whole of ${text} as a rule. */
bool zone_rule_read(const char *text, struct zone_rule *ret_rule);
/* As zone_span_at(), as if the rule had always been in force. */
struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t unix_s);

#endif
