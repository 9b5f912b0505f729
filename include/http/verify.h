/*
 * verify - whether a message comes from who says so.
 */
#ifndef CRONWARD_HTTP_VERIFY_H
#define CRONWARD_HTTP_VERIFY_H

#include "base/provider.h"

#include <stddef.h>
#include <stdint.h>

enum {
	VERIFY_AGE_MAX_S = 300, /* of a timestamp, into the past and into the future */
};

struct verify_message {
	/* The value of the next header ${name} (lower case) of ${from}, as request_each() has it. */
	const char *(*header)(const void *from, const char *name, size_t *position);
	const void *from;
	const char *body;
	size_t body_len;
	int64_t unix_s; /* now */
};

/*
 * NULL where ${message} is signed as ${p} signs, with its secret or the one before it; else what is
 * wrong, for the log: no secret and nothing that was sent is in it.  Signatures are compared in
 * constant time.
 */
const char *verify_fault(const struct provider *p, const struct verify_message *message);

#endif
