/*
 * verify - whether a message comes from who says so.
 *
 * All schemes are HMAC-SHA256 with a secret that both sides know.  What is signed is the body, of
 * Standard Webhooks (spec 1.0.0) `id.timestamp.body`, of Stripe `timestamp.body`; the key is the
 * secret as it stands, of Standard Webhooks what sign_key_parse() makes of it.
 */
#ifndef CRONWARD_HTTP_VERIFY_H
#define CRONWARD_HTTP_VERIFY_H

#include "base/provider.h"

#include <stddef.h>
#include <stdint.h>

struct sign_message;

enum {
	VERIFY_AGE_MAX_S = 300, /* of a timestamp, into the past and into the future */
	VERIFY_SIGNATURE_MAX = 128,
};

struct verify_message {
	/*
	 * The value of the next header ${name} (lower case) of ${from}, as request_each() has it.
	 */
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

/*
 * What ${p} would have in its signature's header over ${message}, of which schemes without an id
 * or a timestamp leave these out.  0, or -1: the secret is not usable, or no key of the scheme.
 */
int verify_sign(const struct provider *p, const struct sign_message *message,
    char ret_signature[static VERIFY_SIGNATURE_MAX]);

#endif
