/*
 * seal - secrets at rest: AES-256-GCM (NIST SP 800-38D), bound to the place where they are kept.
 *
 * As in crypto.c, the cipher is fetched once and one context serves the process.  What fails
 * besides the tag fails for want of memory or of OpenSSL itself: the process ends.
 */
#include "base/seal.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/keyring.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
	SEAL_NONCE_BYTES = 12,
	SEAL_TAG_BYTES = 16,
	SEAL_PREFIX_LEN = sizeof(SEAL_PREFIX) - 1,
	SEAL_BYTES_MAX = SEAL_NONCE_BYTES + SEAL_PLAIN_MAX + SEAL_TAG_BYTES,
	SEAL_BASE64_LEN_MAX = CRYPTO_BASE64_MAX(SEAL_BYTES_MAX) - 1,
};

static EVP_CIPHER *seal_cipher;
static EVP_CIPHER_CTX *seal_ctx;

static void seal_start(const struct keyring_key *key, const struct seal_place *at,
    const unsigned char *nonce, int enc);
static void seal_add_place(const struct keyring_key *key, const struct seal_place *at);
static void seal_add_text(const char *text);
static unsigned char *seal_decode(struct arena *a, const char *text, size_t *ret_len);
static bool seal_open_bytes(
    unsigned char *bytes, size_t len, const struct keyring_key *key, const struct seal_place *at);
static char *seal_refuse(const struct seal_place *at, const char *why, struct err *e);

bool
seal_is_sealed(const char *text)
{
	return strncmp(text, SEAL_PREFIX, SEAL_PREFIX_LEN) == 0;
}

size_t
seal_key_id_len(const char *sealed)
{
	size_t len = seal_is_sealed(sealed) ? keyring_id_len(sealed + SEAL_PREFIX_LEN) : 0;

	if (len == 0 || len > KEYRING_ID_MAX || sealed[SEAL_PREFIX_LEN + len] != '.')
		return 0;
	return len;
}

char *
seal_close(struct arena *a, const struct keyring *ring, const struct seal_place *at,
    const char *plain, struct err *e)
{
	const struct keyring_key *key = &ring->keys[0];
	size_t len = strlen(plain), head, room;
	unsigned char *bytes;
	char *sealed;
	int done = 0;

	if (ring->count == 0) {
		err_set(e, ERR_NOT_CONFIGURED,
		    "there is no key to seal with: set "
		    "ENCRYPTION_KEYS_FILE or ENCRYPTION_KEYS");
		return NULL;
	}
	if (len == 0 || len > SEAL_PLAIN_MAX) {
		err_set(e, ERR_BAD_REQUEST, "a secret to seal has 1-%d bytes, not %zu",
		    SEAL_PLAIN_MAX, len);
		return NULL;
	}
	bytes = arena_alloc(a, SEAL_NONCE_BYTES + len + SEAL_TAG_BYTES);
	crypto_random(bytes, SEAL_NONCE_BYTES);
	seal_start(key, at, bytes, 1);
	crypto_must(
	    EVP_EncryptUpdate(seal_ctx, bytes + SEAL_NONCE_BYTES, &done,
		(const unsigned char *)plain, (int)len) == 1 &&
		EVP_EncryptFinal_ex(seal_ctx, bytes + SEAL_NONCE_BYTES + done, &done) == 1 &&
		EVP_CIPHER_CTX_ctrl(seal_ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_BYTES,
		    bytes + SEAL_NONCE_BYTES + len) == 1,
	    "AES-256-GCM");
	len += SEAL_NONCE_BYTES + SEAL_TAG_BYTES;
	head = SEAL_PREFIX_LEN + strlen(key->id) + 1;
	room = head + CRYPTO_BASE64_MAX(len);
	sealed = arena_alloc(a, room);
	snprintf(sealed, room, SEAL_PREFIX "%s.", key->id);
	crypto_base64_encode(sealed + head, bytes, len);
	return sealed;
}

char *
seal_open(struct arena *a, const struct keyring *ring, const struct seal_place *at,
    const char *sealed, struct err *e)
{
	size_t id_len = seal_key_id_len(sealed), len;
	const char *id = sealed + SEAL_PREFIX_LEN;
	const struct keyring_key *key;
	unsigned char *bytes;

	if (id_len == 0)
		return seal_refuse(at, "has not the form cw1.KEYID.BASE64", e);
	key = keyring_find(ring, id, id_len);
	if (!key) {
		err_set(e, ERR_NOT_CONFIGURED,
		    "%s.%s is sealed with the key %.*s, which is not in ENCRYPTION_KEYS", at->table,
		    at->column, (int)id_len, id);
		return NULL;
	}
	if (strlen(id + id_len + 1) > SEAL_BASE64_LEN_MAX)
		return seal_refuse(at, "is longer than any sealed secret", e);
	bytes = seal_decode(a, id + id_len + 1, &len);
	if (!bytes)
		return seal_refuse(at, "is cut short or is no base64", e);
	if (!seal_open_bytes(bytes, len, key, at))
		return seal_refuse(at,
		    "does not open: it was sealed with another key of that id, or for another "
		    "row, or was changed since",
		    e);
	bytes[len - SEAL_TAG_BYTES] = '\0';
	return (char *)bytes + SEAL_NONCE_BYTES;
}

/*
 * The bytes of ${text}, more than nonce and tag, with a NUL behind them; or NULL.  A value has one
 * form alone: what encodes differently is refused, though the same bytes may be had from it.
 */
static unsigned char *
seal_decode(struct arena *a, const char *text, size_t *ret_len)
{
	size_t text_len = strlen(text), room = text_len / 4 * 3;
	unsigned char *bytes = arena_alloc(a, room + 1);
	char *again = arena_alloc(a, CRYPTO_BASE64_MAX(room));
	long len = crypto_base64_decode(bytes, room, text, text_len);

	if (len <= SEAL_NONCE_BYTES + SEAL_TAG_BYTES || len > SEAL_BYTES_MAX)
		return NULL;
	crypto_base64_encode(again, bytes, (size_t)len);
	*ret_len = (size_t)len;
	return strcmp(again, text) == 0 ? bytes : NULL;
}

/* Puts the plain bytes where the ciphertext was, behind the nonce; false when they are not ours. */
static bool
seal_open_bytes(
    unsigned char *bytes, size_t len, const struct keyring_key *key, const struct seal_place *at)
{
	unsigned char *text = bytes + SEAL_NONCE_BYTES;
	size_t text_len = len - SEAL_NONCE_BYTES - SEAL_TAG_BYTES;
	int done = 0, rest = 0;
	bool ok;

	seal_start(key, at, bytes, 0);
	crypto_must(EVP_DecryptUpdate(seal_ctx, text, &done, text, (int)text_len) == 1 &&
			EVP_CIPHER_CTX_ctrl(
			    seal_ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_BYTES, text + text_len) == 1,
	    "AES-256-GCM");
	ok = EVP_DecryptFinal_ex(seal_ctx, text + done, &rest) == 1;
	/* A text with a NUL was never sealed here, and would be taken for a shorter one. */
	ok = ok && !memchr(text, '\0', text_len);
	if (!ok)
		crypto_wipe(text, text_len);
	return ok;
}

static void
seal_start(
    const struct keyring_key *key, const struct seal_place *at, const unsigned char *nonce, int enc)
{
	if (!seal_ctx) {
		seal_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
		seal_ctx = EVP_CIPHER_CTX_new();
	}
	/* 12 bytes are the mode's own length of a nonce. */
	crypto_must(
	    seal_cipher && seal_ctx &&
		EVP_CipherInit_ex2(seal_ctx, seal_cipher, key->bytes, nonce, enc, NULL) == 1,
	    "AES-256-GCM");
	seal_add_place(key, at);
}

static void
seal_add_place(const struct keyring_key *key, const struct seal_place *at)
{
	seal_add_text("cw1\n");
	seal_add_text(key->id);
	seal_add_text("\n");
	seal_add_text(at->table);
	seal_add_text("\n");
	seal_add_text(at->column);
	seal_add_text("\n");
	seal_add_text(at->row);
}

/* Into the associated data. */
static void
seal_add_text(const char *text)
{
	int done = 0;

	crypto_must(EVP_CipherUpdate(
			seal_ctx, NULL, &done, (const unsigned char *)text, (int)strlen(text)) == 1,
	    "AES-256-GCM");
}

static char *
seal_refuse(const struct seal_place *at, const char *why, struct err *e)
{
	err_set(e, ERR_BAD_REQUEST, "%s.%s of row %.64s %s", at->table, at->column, at->row, why);
	return NULL;
}
