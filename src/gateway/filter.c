/*
 * filter - each kind of value has one judge, whether it stands in a query or in a body.
 */
#include "gateway/filter.h"

#include "base/arena.h"
#include "base/text.h"
#include "gateway/request.h"

#include <string.h>

static int filter_refuse_name(
    const struct filter *, size_t count, const char *const *others, size_t i, struct err *);
static bool filter_is_time(const char *);
static const char *filter_digits(const char *at, const char *form);
static int filter_add_queues(struct text *, char *names, int *count, struct err *);

int
filter_take(struct filter *f, const char *value, struct err *e)
{
	switch (f->kind) {
	case FILTER_STATUS:
		if (!filter_is_status(value))
			return err_set(e, ERR_BAD_REQUEST,
			    "%s may be pending, blocked, processing, completed, failed or "
			    "cancelled",
			    f->name);
		break;
	case FILTER_NAME:
		if (!filter_is_text(value, FILTER_NAME_MAX))
			return err_set(e, ERR_BAD_REQUEST,
			    "%s may have 1 to %d characters, and no control characters", f->name,
			    FILTER_NAME_MAX);
		break;
	case FILTER_UUID:
		if (!text_is_uuid(value))
			return err_set(e, ERR_BAD_REQUEST, "%s is not a uuid", f->name);
		break;
	case FILTER_TIME:
		if (!filter_is_time(value))
			return err_set(e, ERR_BAD_REQUEST,
			    "%s is not a time such as 2026-11-22T04:53:12Z (in a URL, write a '+' "
			    "as "
			    "%%2B)",
			    f->name);
		break;
	}
	f->value = value;
	return 0;
}

int
filter_take_query(struct filter *filters, size_t count, const char *const *others,
    const struct request *q, struct err *e)
{
	for (size_t i = 0; i < q->parameters_count; i++) {
		const struct request_parameter *given = &q->parameters[i];
		size_t f = 0;
		int o = 0;

		while (f < count && strcmp(filters[f].name, given->name) != 0)
			f++;
		while (others[o] && strcmp(others[o], given->name) != 0)
			o++;
		if (f == count && !others[o])
			return filter_refuse_name(filters, count, others, i, e);
		if (f == count)
			continue;
		if (filters[f].value)
			return err_set(
			    e, ERR_BAD_REQUEST, "%s is given more than once", filters[f].name);
		if (filter_take(&filters[f], given->value, e) != 0)
			return -1;
	}
	return 0;
}

bool
filter_is_status(const char *s)
{
	static const char *const statuses[] = { "pending", "blocked", "processing", "completed",
		"failed", "cancelled" };

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(s, statuses[i]) == 0)
			return true;
	return false;
}

bool
filter_is_text(const char *s, size_t max)
{
	size_t characters = text_characters(s);

	for (const char *at = s; *at; at++)
		if ((unsigned char)*at < ' ' || *at == '\x7f')
			return false;
	return characters > 0 && characters <= max && text_is_utf8(s, strlen(s));
}

int
filter_queues(const struct request *q, struct arena *a, const char **ret_queues, struct err *e)
{
	struct text t = { .at = NULL };
	int count = 0, rc = 0;

	*ret_queues = NULL;
	text_array_begin(&t);
	for (size_t i = 0; rc == 0 && i < q->parameters_count; i++)
		if (strcmp(q->parameters[i].name, "queue") == 0)
			rc =
			    filter_add_queues(&t, arena_text(a, q->parameters[i].value), &count, e);
	text_array_end(&t);
	if (rc == 0 && count > 0)
		*ret_queues = arena_copy(a, t.at, t.len);
	text_finish(&t);
	return rc;
}

/* Parameter ${i}; what it is called stays unsaid, as it may be a secret. */
static int
filter_refuse_name(
    const struct filter *filters, size_t count, const char *const *others, size_t i, struct err *e)
{
	struct text names = { .at = NULL };

	for (size_t f = 0; f < count; f++)
		text_add_format(&names, "%s%s", names.len > 0 ? ", " : "", filters[f].name);
	for (int o = 0; others[o]; o++)
		text_add_format(&names, "%s%s", names.len > 0 ? ", " : "", others[o]);
	err_set(e, ERR_BAD_REQUEST,
	    "Query parameter %zu is none that this route knows; allowed: %s", i + 1,
	    names.at ? names.at : "none");
	text_finish(&names);
	return -1;
}

/* RFC 3339, and its date alone.  Whether the day is there at all is PostgreSQL's to say. */
static bool
filter_is_time(const char *s)
{
	s = filter_digits(s, "dddd-dd-dd");
	if (!s || !*s)
		return s != NULL;
	if (*s != 'T' && *s != 't' && *s != ' ')
		return false;
	s = filter_digits(s + 1, "dd:dd:dd");
	if (!s)
		return false;
	if (*s == '.') {
		size_t digits = strspn(s + 1, "0123456789");

		if (digits == 0 || digits > 9)
			return false;
		s += 1 + digits;
	}
	if (*s == 'Z' || *s == 'z')
		return s[1] == '\0';
	if (*s != '+' && *s != '-')
		return false;
	s = filter_digits(s + 1, "dd:dd");
	return s && *s == '\0';
}

/* Where ${at} goes on behind ${form}, in which d is a digit; NULL: it does not fit. */
static const char *
filter_digits(const char *at, const char *form)
{
	for (; *form; at++, form++)
		if (*form == 'd' ? *at < '0' || *at > '9' : *at != *form)
			return NULL;
	return at;
}

/* ${names} are separated by commas, and are cut apart. */
static int
filter_add_queues(struct text *t, char *names, int *count, struct err *e)
{
	char *name;

	while ((name = strsep(&names, ","))) {
		if (!filter_is_text(name, FILTER_NAME_MAX))
			return err_set(e, ERR_BAD_REQUEST,
			    "The parameter queue names queues, separated by commas; a name has 1 "
			    "to "
			    "%d characters, and no control characters",
			    FILTER_NAME_MAX);
		if (++*count > FILTER_QUEUES_MAX)
			return err_set(e, ERR_BAD_REQUEST,
			    "The parameter queue names more than %d queues", FILTER_QUEUES_MAX);
		text_array_add(t, name);
	}
	return 0;
}
