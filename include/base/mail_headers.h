/*
 * mail_headers - headers that a mail brings along: a JSON object of texts.
 */
#ifndef CRONWARD_BASE_MAIL_HEADERS_H
#define CRONWARD_BASE_MAIL_HEADERS_H

#include "base/err.h"

#include <jansson.h>

enum {
	MAIL_HEADERS_MAX = 32,
	MAIL_HEADERS_BYTES_MAX = 8192, /* names and values together */
	MAIL_HEADER_NAME_MAX = 76,
	MAIL_HEADER_VALUE_MAX = 2000,
};

/*
 * Whether ${headers} (NULL or null: none) may go out with a mail.  A sender, a receiver, a subject
 * and whatever frames, signs or traces a message is not a mail's to set.
 * 0, or -1 with ${e}: "header \"x\" is no text".
 */
int mail_headers_check(const json_t *headers, struct err *e);

#endif
