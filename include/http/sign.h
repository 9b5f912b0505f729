/*
 * sign - Standard Webhooks signatures (standardwebhooks.com, spec 1.0.0, symmetric).
 */
#ifndef CRONWARD_HTTP_SIGN_H
#define CRONWARD_HTTP_SIGN_H

#include <stddef.h>
#include <stdint.h>

enum {
	SIGN_KEY_BYTES_MAX = 128,
	SIGN_KEYS_MAX = 2, /* the current secret and, while it is rotated, the previous one */
	SIGN_HEADER_MAX = SIGN_KEYS_MAX * 48 + 1,
	SIGN_TIMESTAMP_MAX = 24,
};

struct http_request;

struct sign_key {
	size_t len;
	unsigned char bytes[SIGN_KEY_BYTES_MAX];
};

/* What a message is signed with: the current key, and the previous one while it is rotated. */
struct sign_keys {
	size_t count;
	struct sign_key keys[SIGN_KEYS_MAX];
};

struct sign_message {
	const char *id;
	int64_t unix_s;
	const char *body;
	size_t body_len;
};

/*
 * The key of a secret: the base64 behind "whsec_" decoded; a secret without the prefix is taken
 * as it stands.  0, or -1: empty, does not decode, or longer than SIGN_KEY_BYTES_MAX.
 */
int sign_key_parse(struct sign_key *ret_key, const char *secret);

/*
 * The value of webhook-signature: "v1,<base64>" per key, separated by a space, each over
 * `id.timestamp.body`.
 */
void sign_webhook(const struct sign_keys *keys, const struct sign_message *message,
    char ret_header[static SIGN_HEADER_MAX]);

/* Adds webhook-id, webhook-timestamp and webhook-signature over the body of ${q}, which is set. */
void sign_request(
    const struct sign_keys *keys, const char *id, int64_t unix_s, struct http_request *q);

#endif
