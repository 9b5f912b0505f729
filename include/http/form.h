/*
 * form - percent-encoding: parts of URLs, queries, and the bodies of forms
 * (application/x-www-form-urlencoded).
 */
#ifndef CRONWARD_HTTP_FORM_H
#define CRONWARD_HTTP_FORM_H

#include <stddef.h>

struct arena;

struct form_field {
	const char *name;  /* one of ours: stands as it is */
	const char *value; /* NULL: the field is left out */
};

/* ${text} with all encoded but what RFC 3986, 2.3 calls unreserved.  In ${a}. */
char *form_escape(struct arena *a, const char *text);
/*
 * "name=value&name=value".  In ${a}, and nowhere else: a caller that wipes it leaves nothing of
 * its values behind.
 */
char *form_of(struct arena *a, const struct form_field *fields, size_t count);

#endif
