/*
 * Secrets as they stand in rows: what is taken for a key has the length that it says, and signs.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "http/sign.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_sign(const struct sign_key *key, const char *body, size_t body_len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *secret = fuzz_string(data, size);
	struct sign_key *key = mem_zero(1, sizeof(*key));

	if (sign_key_parse(key, secret) == 0) {
		must(key->len > 0 && key->len <= SIGN_KEY_BYTES_MAX);
		if (strncmp(secret, "whsec_", 6) != 0)
			must(key->len == strlen(secret) &&
			     memcmp(key->bytes, secret, key->len) == 0);
		else
			must(CRYPTO_BASE64_MAX(key->len) >= strlen(secret + 6));
		fuzz_sign(key, secret, size);
	}
	free(secret);
	free(key);
	return 0;
}

static void
fuzz_sign(const struct sign_key *key, const char *body, size_t body_len)
{
	char *header = mem_alloc(SIGN_HEADER_MAX);
	const struct sign_keys keys = { 2, { *key, *key } };
	const struct sign_message message = { "id", 1, body, body_len };
	unsigned char mac[CRYPTO_SHA256_BYTES];
	const char *second;

	sign_webhook(&keys, &message, header);
	must(strlen(header) == SIGN_HEADER_MAX - 2);
	second = strchr(header, ' ') + 1;
	must(strncmp(header, "v1,", 3) == 0 && strcmp(second, strrchr(header, ' ') + 1) == 0);
	must(strncmp(header, second, strlen(second)) == 0);
	must(crypto_base64_decode(mac, sizeof(mac), second + 3, strlen(second + 3)) ==
	     CRYPTO_SHA256_BYTES);
	free(header);
}
