/*
 * row_headers - headers that a row brings along for its requests: a JSON object of texts.
 */
#ifndef CRONWARD_HTTP_ROW_HEADERS_H
#define CRONWARD_HTTP_ROW_HEADERS_H

#include "base/err.h"

struct http_request;

/*
 * Adds the headers of ${json} (NULL: none) to ${q}.  What frames the message or signs it is not a
 * row's to set, and neither is what ${reserved} names, ended by NULL (NULL: nothing more).
 * 0, or -1 with ${e}: "header \"x\" is no text"; say whose before it.
 */
int row_headers_add(
    struct http_request *q, const char *json, const char *const *reserved, struct err *e);

/* Overwrites by '*' what ${text} repeats of their values; see echo_hide(). */
void row_headers_hide(char *text, const char *json);

#endif
