/*
 * Sealed values as they stand in rows.  Nothing that was not sealed opens; what opens is never
 * empty, and the same text sealed anew opens again.  The input is taken for a sealed value, for a
 * secret, and for a change to a value that was sealed.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/keyring.h"
#include "base/seal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUZZ_ID_LEN = 2,
};

static void fuzz_open(struct arena *a, const char *text);
static void fuzz_close(struct arena *a, const char *plain);
static void fuzz_change(struct arena *a, const uint8_t *data, size_t size);

static const struct seal_place place = { "app_webhooks", "secret", "7" };
static const struct keyring ring = {
	.count = 2,
	.keys = { { .id = "k2", .bytes = { 2 } }, { .id = "k1", .bytes = { 1 } } },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_create();
	const char *text = arena_copy(a, (const char *)data, size);

	fuzz_open(a, text);
	fuzz_close(a, text);
	fuzz_change(a, data, size);
	arena_destroy(a);
	return 0;
}

/* The corpus has values that open: they were sealed with these very keys. */
static void
fuzz_open(struct arena *a, const char *text)
{
	struct err e = { .code = ERR_OK };
	const char *plain = seal_open(a, &ring, &place, text, &e);
	size_t id_len = seal_key_id_len(text);

	must(id_len <= KEYRING_ID_MAX && (id_len == 0 || seal_is_sealed(text)));
	must(!plain == (e.code != ERR_OK));
	if (!plain) {
		must(e.code == ERR_BAD_REQUEST || e.code == ERR_NOT_CONFIGURED);
		must(strncmp(e.message, "app_webhooks.secret ", 20) == 0);
		return;
	}
	must(*plain && id_len == FUZZ_ID_LEN && strlen(plain) <= SEAL_PLAIN_MAX);
}

static void
fuzz_close(struct arena *a, const char *plain)
{
	struct err e = { .code = ERR_OK };
	const char *sealed = seal_close(a, &ring, &place, plain, &e);
	size_t len = strlen(plain);

	must(!sealed == (len == 0 || len > SEAL_PLAIN_MAX));
	must(!sealed == (e.code == ERR_BAD_REQUEST));
	if (!sealed)
		return;
	must(seal_is_sealed(sealed) && seal_key_id_len(sealed) == FUZZ_ID_LEN);
	must(strcmp(seal_open(a, &ring, &place, sealed, &e), plain) == 0);
}

/* The first two bytes say where it is changed, the others are what it is changed by. */
static void
fuzz_change(struct arena *a, const uint8_t *data, size_t size)
{
	char *sealed = seal_close(a, &ring, &place, "a secret of some length", NULL);
	size_t len = strlen(sealed), at;
	bool changed = false;

	if (size < 3)
		return;
	at = (size_t)(data[0] << 8 | data[1]) % len;
	for (size_t i = 2; i < size && at < len; i++, at++) {
		changed = changed || data[i] != 0;
		sealed[at] = (char)((unsigned char)sealed[at] ^ data[i]);
	}
	must(!seal_open(a, &ring, &place, sealed, NULL) == changed);
}
