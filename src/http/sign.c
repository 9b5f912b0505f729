/*
 * sign - Standard Webhooks signatures (standardwebhooks.com, spec 1.0.0, symmetric).
 */
#include "http/sign.h"

#include "base/crypto.h"
#include "http/http.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char sign_prefix[] = "whsec_";
static const char sign_version[] = "v1,";

int
sign_key_parse(struct sign_key *ret_key, const char *secret)
{
	const size_t prefix_len = sizeof(sign_prefix) - 1;
	size_t len = strlen(secret);

	if (strncmp(secret, sign_prefix, prefix_len) == 0) {
		long bytes = crypto_base64_decode(
		    ret_key->bytes, sizeof(ret_key->bytes), secret + prefix_len, len - prefix_len);
		if (bytes <= 0)
			return -1;
		ret_key->len = (size_t)bytes;
		return 0;
	}
	if (len == 0 || len > sizeof(ret_key->bytes))
		return -1;
	memcpy(ret_key->bytes, secret, len);
	ret_key->len = len;
	return 0;
}

void
sign_webhook(const struct sign_keys *keys, const struct sign_message *message,
    char ret_header[static SIGN_HEADER_MAX])
{
	char timestamp[SIGN_TIMESTAMP_MAX + 2];
	unsigned char mac[CRYPTO_SHA256_BYTES];
	struct crypto_part parts[3];
	char *to = ret_header;
	size_t i;

	assert(keys->count <= SIGN_KEYS_MAX);
	/* The dots around the timestamp go with it: three parts, three updates. */
	parts[0] = (struct crypto_part){ message->id, strlen(message->id) };
	parts[1] = (struct crypto_part){ timestamp,
		(size_t)snprintf(timestamp, sizeof(timestamp), ".%" PRId64 ".", message->unix_s) };
	parts[2] = (struct crypto_part){ message->body, message->body_len };
	for (i = 0; i < keys->count; i++) {
		if (i > 0)
			*to++ = ' ';
		memcpy(to, sign_version, sizeof(sign_version) - 1);
		to += sizeof(sign_version) - 1;
		crypto_hmac_sha256(keys->keys[i].bytes, keys->keys[i].len, parts, 3, mac);
		to += crypto_base64_encode(to, mac, sizeof(mac));
	}
	*to = '\0';
}

void
sign_request(const struct sign_keys *keys, const char *id, int64_t unix_s, struct http_request *q)
{
	const struct sign_message message = {
		.id = id,
		.unix_s = unix_s,
		.body = q->body,
		.body_len = q->body_len,
	};
	char timestamp[SIGN_TIMESTAMP_MAX], signature[SIGN_HEADER_MAX];

	snprintf(timestamp, sizeof(timestamp), "%" PRId64, unix_s);
	sign_webhook(keys, &message, signature);
	http_header(q, "webhook-id", id);
	http_header(q, "webhook-timestamp", timestamp);
	http_header(q, "webhook-signature", signature);
}
