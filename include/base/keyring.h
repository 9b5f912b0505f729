/*
 * keyring - the keys that secrets in the database are sealed with.
 *
 * ENCRYPTION_KEYS, or the file that ENCRYPTION_KEYS_FILE names: `id:base64-of-32-bytes` once or
 * more, separated by commas, spaces or line ends, the newest first.  Whatever is sealed is sealed
 * with the newest; the others still open what they sealed.
 */
#ifndef CRONWARD_BASE_KEYRING_H
#define CRONWARD_BASE_KEYRING_H

#include "base/err.h"
#include "base/secret_file.h"

#include <stddef.h>

enum {
	KEYRING_KEYS_MAX = 16,
	KEYRING_ID_MAX = 32, /* letters, digits, '_' and '-' */
	KEYRING_KEY_BYTES = 32,
};

struct keyring_key {
	char id[KEYRING_ID_MAX + 1];
	unsigned char bytes[KEYRING_KEY_BYTES];
};

struct keyring {
	struct secret_file file; /* its path is NULL when the keys came from the environment */
	size_t count;            /* 0: there are no keys, and nothing is sealed */
	struct keyring_key keys[KEYRING_KEYS_MAX];
};

/*
 * Takes the ring from the environment and wipes it there.
 * 0, or -1 with ${e} saying what is wrong, never with a key.
 */
int keyring_load(struct keyring *ring, struct err *e);
void keyring_finish(struct keyring *ring);

/*
 * Reads the file again if it changed.  A ring that cannot be read or does not parse changes
 * nothing: the keys in force stay.
 */
void keyring_refresh(struct keyring *ring);

/*
 * Replaces the keys by those in ${text}, which has ${len} bytes and a NUL behind them.
 * 0, or -1 with ${e} and the keys as they were; a text without any key is wrong, too.
 */
int keyring_parse(struct keyring *ring, const char *text, size_t len, struct err *e);

/* How many of the characters that ${text} begins with may stand in an id. */
size_t keyring_id_len(const char *text);
/* The key called ${id} (${len} bytes), or NULL. */
const struct keyring_key *keyring_find(const struct keyring *ring, const char *id, size_t len);

#endif
