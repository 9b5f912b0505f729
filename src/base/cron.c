/*
 * cron - the five fields of a crontab, as sets of numbers.
 */
#include "base/cron.h"

#include <string.h>
#include <strings.h>

enum {
	CRON_NAME_LEN = 3,
	CRON_QUOTE_MAX = 40, /* the longest part of an expression that an error repeats */
	CRON_WDAY_MAX = 7,   /* Sunday again */
};

#define CRON_BLANKS " \t"
#define CRON_PRINTABLE                                                                             \
	"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"                       \
	"abcdefghijklmnopqrstuvwxyz{|}~"

/* A part of an expression. */
struct cron_part {
	const char *at;
	size_t len;
};

/* What an item says before it is a set. */
struct cron_item {
	unsigned from, to, step;
};

static enum cron_field cron_starred_day(const struct cron *);
static const char *cron_macro(const struct cron_part *word);
static size_t cron_split(const char *text, struct cron_part words[static CRON__MAX]);
static bool cron_parse_field(
    const struct cron_part *word, enum cron_field, uint64_t *ret_set, struct err *);
static bool cron_parse_item(
    const struct cron_part *part, enum cron_field, struct cron_item *ret_item);
static bool cron_parse_value(
    const char **at, const char *end, enum cron_field, unsigned *ret_value);
static bool cron_parse_number(const char **at, const char *end, unsigned max, unsigned *ret_number);
static bool cron_wrong(const struct cron_part *part, enum cron_field, struct err *);
static void cron_note_flags(struct cron *, const struct cron_part words[static CRON__MAX]);
static unsigned cron_max(enum cron_field);
static uint64_t cron_steps(unsigned from, unsigned to, unsigned step);
static void cron_add_starred(uint64_t set, enum cron_field, struct text *to);
static void cron_add_plain(uint64_t set, enum cron_field, bool may_step, struct text *to);
static unsigned cron_even_step(uint64_t set, enum cron_field);
static void cron_add_list(uint64_t set, enum cron_field, bool is_first, struct text *to);

const struct cron_range cron_ranges[CRON__MAX] = {
	[CRON_MINUTES] = { 0, 59 },
	[CRON_HOURS] = { 0, 23 },
	[CRON_MDAYS] = { 1, 31 },
	[CRON_MONTHS] = { 1, 12 },
	[CRON_WDAYS] = { 0, 6 },
};

static const struct {
	const char *name, *allowed;
} cron_words[CRON__MAX] = {
	[CRON_MINUTES] = { "minute", "0-59" },
	[CRON_HOURS] = { "hour", "0-23" },
	[CRON_MDAYS] = { "day-of-month", "1-31" },
	[CRON_MONTHS] = { "month", "1-12 or JAN-DEC" },
	[CRON_WDAYS] = { "day-of-week", "0-7 or SUN-SAT" },
};

/* From the field's least number on. */
static const char cron_names[CRON__MAX][12 * CRON_NAME_LEN + 1] = {
	[CRON_MONTHS] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
	[CRON_WDAYS] = "SUNMONTUEWEDTHUFRISAT",
};

static const struct {
	const char *name, *text;
} cron_macros[] = {
	{ "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
	{ "@monthly", "0 0 1 * *" },
	{ "@weekly", "0 0 * * 0" },
	{ "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" },
	{ "@hourly", "0 * * * *" },
};

bool
cron_parse(const char *text, struct cron *ret_cron, struct err *e)
{
	struct cron_part words[CRON__MAX];
	size_t count;

	if (strnlen(text, CRON_TEXT_MAX + 1) > CRON_TEXT_MAX) {
		err_set(e, ERR_BAD_REQUEST, "cron: longer than %d bytes", CRON_TEXT_MAX);
		return false;
	}
	count = cron_split(text, words);
	if (count == 1 && cron_macro(&words[0]))
		count = cron_split(cron_macro(&words[0]), words);
	if (count != CRON__MAX) {
		err_set(e, ERR_BAD_REQUEST,
		    "cron: found %zu of 5 fields (minute hour day-of-month month day-of-week); "
		    "@yearly @annually @monthly @weekly @daily @midnight @hourly are allowed as "
		    "well",
		    count);
		return false;
	}
	for (enum cron_field field = 0; field < CRON__MAX; field++)
		if (!cron_parse_field(&words[field], field, &ret_cron->fields[field], e))
			return false;
	cron_note_flags(ret_cron, words);
	return true;
}

void
cron_flag_steps(struct cron *cron)
{
	cron->flags = 0;
	if (cron_even_step(cron->fields[CRON_MINUTES], CRON_MINUTES) > 0)
		cron->flags |= CRON_STAR_MINUTE;
	if (cron_even_step(cron->fields[CRON_HOURS], CRON_HOURS) > 0)
		cron->flags |= CRON_STAR_HOUR;
}

uint64_t
cron_every(enum cron_field field)
{
	return cron_steps(cron_ranges[field].min, cron_ranges[field].max, 1);
}

void
cron_add(const struct cron *cron, struct text *to)
{
	enum cron_field day = cron_starred_day(cron);
	bool is_starred[CRON__MAX] = {
		[CRON_MINUTES] = cron->flags & CRON_STAR_MINUTE,
		[CRON_HOURS] = cron->flags & CRON_STAR_HOUR,
	};
	bool may_step[CRON__MAX] = {
		[CRON_MONTHS] = true,
		[CRON_MDAYS] = !(cron->flags & CRON_EITHER_DAY),
		[CRON_WDAYS] = !(cron->flags & CRON_EITHER_DAY),
	};

	if (day < CRON__MAX)
		is_starred[day] = true;
	for (enum cron_field field = 0; field < CRON__MAX; field++) {
		if (field > 0)
			text_add_char(to, ' ');
		if (is_starred[field])
			cron_add_starred(cron->fields[field], field, to);
		else
			cron_add_plain(cron->fields[field], field, may_step[field], to);
	}
}

/* Of two days that both count, the one that is to begin with '*'; CRON__MAX: none has to. */
static enum cron_field
cron_starred_day(const struct cron *cron)
{
	uint64_t mdays = cron->fields[CRON_MDAYS], wdays = cron->fields[CRON_WDAYS];

	if (cron->flags & CRON_EITHER_DAY || cron_even_step(mdays, CRON_MDAYS) > 0 ||
	    cron_even_step(wdays, CRON_WDAYS) > 0)
		return CRON__MAX;
	/* Whichever field began with it has its least number. */
	return mdays & UINT64_C(1) << cron_ranges[CRON_MDAYS].min ? CRON_MDAYS : CRON_WDAYS;
}

/* NULL: it is none. */
static const char *
cron_macro(const struct cron_part *word)
{
	for (size_t i = 0; i < sizeof(cron_macros) / sizeof(*cron_macros); i++)
		if (strlen(cron_macros[i].name) == word->len &&
		    strncasecmp(cron_macros[i].name, word->at, word->len) == 0)
			return cron_macros[i].text;
	return NULL;
}

/* The words between blanks: how many there are, and the first ones. */
static size_t
cron_split(const char *text, struct cron_part words[static CRON__MAX])
{
	size_t count = 0;

	for (;;) {
		struct cron_part word;

		text += strspn(text, CRON_BLANKS);
		if (*text == '\0')
			return count;
		word = (struct cron_part){ text, strcspn(text, CRON_BLANKS) };
		if (count < CRON__MAX)
			words[count] = word;
		count++;
		text += word.len;
	}
}

static bool
cron_parse_field(
    const struct cron_part *word, enum cron_field field, uint64_t *ret_set, struct err *e)
{
	struct cron_part part = { word->at, 0 };
	const char *end = word->at + word->len;
	uint64_t set = 0;

	for (;; part.at += part.len + 1) {
		const char *comma = memchr(part.at, ',', (size_t)(end - part.at));
		struct cron_item item;

		part.len = (size_t)((comma ? comma : end) - part.at);
		if (!cron_parse_item(&part, field, &item))
			return cron_wrong(&part, field, e);
		set |= cron_steps(item.from, item.to, item.step);
		if (!comma)
			break;
	}
	/* The seventh day of the week is the one that was counted as 0. */
	if (field == CRON_WDAYS && (set & UINT64_C(1) << CRON_WDAY_MAX))
		set = (set | 1) & cron_every(CRON_WDAYS);
	*ret_set = set;
	return true;
}

/* A value, a range or '*', and a step behind any of them. */
static bool
cron_parse_item(const struct cron_part *part, enum cron_field field, struct cron_item *ret_item)
{
	const char *at = part->at, *end = part->at + part->len;
	struct cron_item item = { cron_ranges[field].min, cron_ranges[field].max, 1 };
	bool is_single = false;

	if (at < end && *at == '*') {
		at++;
	} else {
		if (!cron_parse_value(&at, end, field, &item.from))
			return false;
		item.to = item.from;
		is_single = at == end || *at != '-';
		if (!is_single) {
			at++;
			if (!cron_parse_value(&at, end, field, &item.to))
				return false;
		}
	}
	if (at < end && *at == '/') {
		at++;
		if (!cron_parse_number(&at, end, cron_max(field), &item.step) || item.step == 0)
			return false;
		if (is_single)
			item.to = cron_max(field);
	}
	*ret_item = item;
	return at == end && item.from >= cron_ranges[field].min && item.from <= item.to;
}

static bool
cron_parse_value(const char **at, const char *end, enum cron_field field, unsigned *ret_value)
{
	const char *names = cron_names[field];

	if (cron_parse_number(at, end, cron_max(field), ret_value))
		return true;
	if (end - *at < CRON_NAME_LEN)
		return false;
	for (unsigned value = cron_ranges[field].min; *names; value++, names += CRON_NAME_LEN)
		if (strncasecmp(*at, names, CRON_NAME_LEN) == 0) {
			*at += CRON_NAME_LEN;
			*ret_value = value;
			return true;
		}
	return false;
}

static bool
cron_parse_number(const char **at, const char *end, unsigned max, unsigned *ret_number)
{
	unsigned number = 0;

	if (*at == end || **at < '0' || **at > '9')
		return false;
	for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
		number = number * 10 + (unsigned)(**at - '0');
		if (number > max)
			return false;
	}
	*ret_number = number;
	return true;
}

/* Says what is allowed in the field instead of ${part}.  Is false. */
static bool
cron_wrong(const struct cron_part *part, enum cron_field field, struct err *e)
{
	bool is_fit = part->len > 0 && part->len <= CRON_QUOTE_MAX &&
		      strspn(part->at, CRON_PRINTABLE) >= part->len;

	err_set(e, ERR_BAD_REQUEST,
	    "cron: %s%s%.*s%s: allowed are * and %s, ranges (a-b), lists (a,b) and steps (*/n, "
	    "a-b/n, a/n; n from 1 to %u)",
	    cron_words[field].name, is_fit ? " \"" : "", is_fit ? (int)part->len : 0, part->at,
	    is_fit ? "\"" : "", cron_words[field].allowed, cron_max(field));
	return false;
}

static void
cron_note_flags(struct cron *cron, const struct cron_part words[static CRON__MAX])
{
	bool is_full[CRON__MAX];

	for (enum cron_field field = 0; field < CRON__MAX; field++)
		is_full[field] = cron->fields[field] == cron_every(field);
	cron->flags = 0;
	if (*words[CRON_MINUTES].at == '*' || is_full[CRON_MINUTES])
		cron->flags |= CRON_STAR_MINUTE;
	if (*words[CRON_HOURS].at == '*' || is_full[CRON_HOURS])
		cron->flags |= CRON_STAR_HOUR;
	if (*words[CRON_MDAYS].at == '*' || *words[CRON_WDAYS].at == '*')
		return;
	if (is_full[CRON_MDAYS] || is_full[CRON_WDAYS]) {
		/* Any day will do, in whichever of the two it was said. */
		cron->fields[CRON_MDAYS] = cron_every(CRON_MDAYS);
		cron->fields[CRON_WDAYS] = cron_every(CRON_WDAYS);
	} else {
		cron->flags |= CRON_EITHER_DAY;
	}
}

/* The highest number that may be written. */
static unsigned
cron_max(enum cron_field field)
{
	return field == CRON_WDAYS ? CRON_WDAY_MAX : cron_ranges[field].max;
}

static uint64_t
cron_steps(unsigned from, unsigned to, unsigned step)
{
	uint64_t set = 0;

	for (unsigned n = from; n <= to; n += step)
		set |= UINT64_C(1) << n;
	return set;
}

/* Begins with '*' where any steps are in the set, as they are in all sets that were read so. */
static void
cron_add_starred(uint64_t set, enum cron_field field, struct text *to)
{
	const unsigned min = cron_ranges[field].min, max = cron_ranges[field].max;

	for (unsigned step = 1; step <= cron_max(field); step++) {
		uint64_t steps = cron_steps(min, max, step);

		if ((set & steps) != steps)
			continue;
		text_add_char(to, '*');
		if (step > 1)
			text_add_format(to, "/%u", step);
		cron_add_list(set & ~steps, field, false, to);
		return;
	}
	cron_add_list(set, field, true, to);
}

/* All of them as '*', steps as such where they may be, else a list. */
static void
cron_add_plain(uint64_t set, enum cron_field field, bool may_step, struct text *to)
{
	unsigned step = cron_even_step(set, field);

	if (step == 1)
		text_add_char(to, '*');
	else if (step > 1 && may_step)
		text_add_format(to, "*/%u", step);
	else
		cron_add_list(set, field, true, to);
}

/* The n of the steps that the set is, with at least two of them; 0: it is none. */
static unsigned
cron_even_step(uint64_t set, enum cron_field field)
{
	const unsigned min = cron_ranges[field].min, max = cron_ranges[field].max;

	for (unsigned step = 1; step <= (max + 1) / 2; step++)
		if (set == cron_steps(min, max, step))
			return step;
	return 0;
}

static void
cron_add_list(uint64_t set, enum cron_field field, bool is_first, struct text *to)
{
	for (unsigned n = cron_ranges[field].min; n <= cron_ranges[field].max; n++) {
		if (!(set & UINT64_C(1) << n))
			continue;
		text_add_format(to, is_first ? "%u" : ",%u", n);
		is_first = false;
	}
}
