/*
 * Rings of keys, as files and environment hold them.  What parses has keys with ids of their own
 * and says the same when it is written anew; what does not parse leaves the ring as it was, and
 * its message has no key in it.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/keyring.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUZZ_KEY_TEXT_MAX = KEYRING_ID_MAX + 2 + CRYPTO_BASE64_MAX(KEYRING_KEY_BYTES),
};

static void fuzz_ring(const struct keyring *ring);
static void fuzz_refused(const struct keyring *ring, const struct err *e);

static const struct keyring before = {
	.count = 1,
	.keys = { { .id = "old", .bytes = { 1, 2, 3 } } },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_OK };
	struct keyring ring = before;
	char *text = fuzz_string(data, size);

	if (keyring_parse(&ring, text, size, &e) == 0)
		fuzz_ring(&ring);
	else
		fuzz_refused(&ring, &e);
	free(text);
	return 0;
}

static void
fuzz_ring(const struct keyring *ring)
{
	struct keyring again = { .count = 0 };
	char text[KEYRING_KEYS_MAX * FUZZ_KEY_TEXT_MAX + 1];
	size_t len = 0;

	must(ring->count > 0 && ring->count <= KEYRING_KEYS_MAX);
	for (size_t i = 0; i < ring->count; i++) {
		const struct keyring_key *key = &ring->keys[i];
		char base64[CRYPTO_BASE64_MAX(KEYRING_KEY_BYTES)];
		size_t id_len = strlen(key->id);

		must(id_len > 0 && id_len <= KEYRING_ID_MAX);
		must(keyring_id_len(key->id) == id_len);
		must(keyring_find(ring, key->id, id_len) == key);
		crypto_base64_encode(base64, key->bytes, KEYRING_KEY_BYTES);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s:%s\n", key->id, base64);
	}
	must(keyring_parse(&again, text, len, NULL) == 0 && again.count == ring->count);
	must(memcmp(again.keys, ring->keys, sizeof(again.keys)) == 0);
}

static void
fuzz_refused(const struct keyring *ring, const struct err *e)
{
	static const char *const messages[] = { "holds a NUL", "holds no key",
		"holds more than 16 keys", "key " };
	const char *rest = e->message + strlen("ENCRYPTION_KEYS: ");
	bool known = false;

	must(ring->count == before.count);
	must(memcmp(ring->keys, before.keys, sizeof(ring->keys)) == 0);
	must(e->code == ERR_NOT_CONFIGURED);
	must(strncmp(e->message, "ENCRYPTION_KEYS: ", strlen("ENCRYPTION_KEYS: ")) == 0);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		known = known || strncmp(rest, messages[i], strlen(messages[i])) == 0;
	must(known && strlen(rest) < 140);
}
