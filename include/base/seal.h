/*
 * seal - secrets at rest: AES-256-GCM (NIST SP 800-38D), bound to the place where they are kept.
 *
 *	cw1.KEYID.BASE64
 *
 * BASE64 (RFC 4648 4, padded) holds nonce (12 random bytes), ciphertext and tag (16 bytes), one
 * behind the other.  The associated data is the text
 *
 *	cw1 LF KEYID LF TABLE LF COLUMN LF ROW
 *
 * with ROW the row's key as PostgreSQL prints it, so a sealed value that was copied to another
 * row, column or table does not open.  ROW stands last, so it may be any text.  Random nonces want
 *a new key before 2^32 values were sealed with one (SP 800-38D 8.3).
 */
#ifndef CRONWARD_BASE_SEAL_H
#define CRONWARD_BASE_SEAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct keyring;

#define SEAL_PREFIX "cw1."

enum {
	SEAL_PLAIN_MAX = 64 * 1024, /* bytes of a secret */
};

struct seal_place {
	const char *table, *column; /* without line ends */
	const char *row;
};

/* Whether ${text} claims to be sealed; anything else is a plain secret. */
bool seal_is_sealed(const char *text);
/* The length of the key's id, which begins behind SEAL_PREFIX; 0 where the form is wrong. */
size_t seal_key_id_len(const char *sealed);

/*
 * ${plain} sealed with the ring's newest key.  In ${a}; or NULL with ${e}: no keys
 * (ERR_NOT_CONFIGURED), empty or too long (ERR_BAD_REQUEST).
 */
char *seal_close(struct arena *a, const struct keyring *ring, const struct seal_place *at,
    const char *plain, struct err *e);

/*
 * What ${sealed} holds.  In ${a}, never empty; or NULL with ${e}: its key is not in the ring
 * (ERR_NOT_CONFIGURED, with the key's id), or it is damaged, was sealed with another key of that
 * id or for another place (ERR_BAD_REQUEST).
 */
char *seal_open(struct arena *a, const struct keyring *ring, const struct seal_place *at,
    const char *sealed, struct err *e);

#endif
