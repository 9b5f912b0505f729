/*
 * filter - what a caller asks jobs to be: values from outside, judged before a statement sees them.
 */
#ifndef CRONWARD_GATEWAY_FILTER_H
#define CRONWARD_GATEWAY_FILTER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct request;

enum {
	FILTER_NAME_MAX = 200, /* characters of a type, a queue, a key */
	FILTER_QUEUES_MAX = 100,
};

enum filter_kind {
	FILTER_STATUS, /* a job's */
	FILTER_NAME,   /* 1 to FILTER_NAME_MAX characters */
	FILTER_UUID,
	FILTER_TIME, /* RFC 3339 */
};

/* One value that may be given. */
struct filter {
	const char *name;
	enum filter_kind kind;
	const char *value; /* NULL: not given.  Lent by whoever had it. */
};

/* Takes ${value} for ${f}.  0, or -1 with ERR_BAD_REQUEST that says what is allowed. */
int filter_take(struct filter *f, const char *value, struct err *e);

/*
 * Takes the query of ${q}, which request_query() has read, for ${filters}; ${others} (ended by
 * NULL) are names that somebody else reads.  A name that nobody knows is an error: a filter with a
 * typing error in its name would let through what it was to keep out.
 */
int filter_take_query(struct filter *filters, size_t count, const char *const *others,
    const struct request *q, struct err *e);

/* Whether ${s} is a job's status. */
bool filter_is_status(const char *s);

/* Whether ${s} has 1 to ${max} characters of UTF-8, none of them a control character. */
bool filter_is_text(const char *s, size_t max);

/*
 * The queues of `?queue=a&queue=b` or `?queue=a,b` as an array literal in ${a}; *ret_queues is NULL
 * where there is none.  0, or -1 with ERR_BAD_REQUEST.
 */
int filter_queues(const struct request *q, struct arena *a, const char **ret_queues, struct err *e);

#endif
