/*
 * cron - the five fields of a crontab, as sets of numbers.
 */
#include "base/cron.h"

static bool cron_parse_field(const char **at, enum cron_field, uint64_t *ret_set);
static bool cron_parse_item(const char **at, enum cron_field, uint64_t *set);
static bool cron_parse_number(const char **at, unsigned max, unsigned *ret_number);
static uint64_t cron_steps(unsigned from, unsigned to, unsigned step);
static void cron_add_field(uint64_t set, enum cron_field, struct text *to);

const struct cron_range cron_ranges[CRON__MAX] = {
	[CRON_MINUTES] = { 0, 59 },
	[CRON_HOURS] = { 0, 23 },
	[CRON_MDAYS] = { 1, 31 },
	[CRON_MONTHS] = { 1, 12 },
	[CRON_WDAYS] = { 0, 6 },
};

bool
cron_parse(const char *text, struct cron *ret_cron)
{
	const char *at = text;

	for (enum cron_field field = 0; field < CRON__MAX; field++) {
		while (*at == ' ' || *at == '\t')
			at++;
		if (!cron_parse_field(&at, field, &ret_cron->fields[field]))
			return false;
		if (*at != (field + 1 < CRON__MAX ? ' ' : '\0') && *at != '\t')
			return false;
	}
	return *at == '\0';
}

uint64_t
cron_every(enum cron_field field)
{
	return cron_steps(cron_ranges[field].min, cron_ranges[field].max, 1);
}

void
cron_add(const struct cron *cron, struct text *to)
{
	for (enum cron_field field = 0; field < CRON__MAX; field++) {
		if (field > 0)
			text_add_char(to, ' ');
		cron_add_field(cron->fields[field], field, to);
	}
}

static bool
cron_parse_field(const char **at, enum cron_field field, uint64_t *ret_set)
{
	uint64_t set = 0;

	for (;;) {
		if (!cron_parse_item(at, field, &set))
			return false;
		if (**at != ',')
			break;
		++*at;
	}
	/* The seventh day of the week is the one that was counted as 0. */
	if (field == CRON_WDAYS && (set & UINT64_C(1) << 7))
		set = (set | 1) & cron_every(CRON_WDAYS);
	*ret_set = set;
	return true;
}

/* A number, a range or '*', and a step behind the latter two. */
static bool
cron_parse_item(const char **at, enum cron_field field, uint64_t *set)
{
	const unsigned min = cron_ranges[field].min;
	const unsigned max = field == CRON_WDAYS ? 7 : cron_ranges[field].max;
	unsigned from = min, to = cron_ranges[field].max, step = 1;
	bool single = false;

	if (**at == '*') {
		++*at;
	} else {
		if (!cron_parse_number(at, max, &from))
			return false;
		to = from;
		single = **at != '-';
		if (!single) {
			++*at;
			if (!cron_parse_number(at, max, &to))
				return false;
		}
	}
	if (**at == '/') {
		++*at;
		if (single || !cron_parse_number(at, max, &step) || step == 0)
			return false;
	}
	if (from < min || to < from)
		return false;
	*set |= cron_steps(from, to, step);
	return true;
}

static bool
cron_parse_number(const char **at, unsigned max, unsigned *ret_number)
{
	unsigned number = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		number = number * 10 + (unsigned)(**at - '0');
		if (number > max)
			return false;
	}
	*ret_number = number;
	return true;
}

static uint64_t
cron_steps(unsigned from, unsigned to, unsigned step)
{
	uint64_t set = 0;

	for (unsigned n = from; n <= to; n += step)
		set |= UINT64_C(1) << n;
	return set;
}

static void
cron_add_field(uint64_t set, enum cron_field field, struct text *to)
{
	const unsigned min = cron_ranges[field].min, max = cron_ranges[field].max;
	bool first = true;

	if (set == cron_every(field)) {
		text_add_char(to, '*');
		return;
	}
	for (unsigned step = 2; step <= (max + 1) / 2; step++) {
		if (set != cron_steps(min, max, step))
			continue;
		text_add_format(to, "*/%u", step);
		return;
	}
	for (unsigned n = min; n <= max; n++) {
		if (!(set & UINT64_C(1) << n))
			continue;
		text_add_format(to, first ? "%u" : ",%u", n);
		first = false;
	}
}
