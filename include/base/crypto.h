/*
 * crypto - digests, signatures, random ids; OpenSSL underneath.
 *
 * Call only after fork (OpenSSL reseeds, but what is cached here is not shared).
 */
#ifndef CRONWARD_BASE_CRYPTO_H
#define CRONWARD_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CRYPTO_SHA256_BYTES = 32,
	CRYPTO_UUID_TEXT_MAX = 37,
};

/* Characters and NUL of the hex form of ${n} bytes. */
#define CRYPTO_HEX_MAX(n) (2 * (n) + 1)
/* Characters and NUL of the base64 form of ${n} bytes. */
#define CRYPTO_BASE64_MAX(n) (((n) + 2) / 3 * 4 + 1)

void crypto_sha256(
    const void *data, size_t len, unsigned char ret_digest[static CRYPTO_SHA256_BYTES]);
/* The same as text, see crypto_hex_encode(). */
void crypto_sha256_hex(
    const void *data, size_t len, char ret_hex[static CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)]);

/* A part of a message that lies in several places. */
struct crypto_part {
	const void *at;
	size_t len;
};

/* HMAC-SHA256 (RFC 2104) of the parts in order. */
void crypto_hmac_sha256(const void *key, size_t key_len, const struct crypto_part *parts,
    size_t parts_count, unsigned char ret_mac[static CRYPTO_SHA256_BYTES]);

/*
 * Whether two secrets are equal, in a time that depends on neither their bytes nor on whether
 * their lengths agree: both go through SHA-256, the digests through CRYPTO_memcmp.
 */
bool crypto_secret_equal(const char *a, size_t a_len, const char *b, size_t b_len);

/*
 * Overwrites by '*' every place where ${text} holds ${secret}, up to those that begin at
 * text[starts_max], in a time that depends on the two lengths alone.
 */
void crypto_secret_hide(
    char *text, size_t len, size_t starts_max, const char *secret, size_t secret_len);

/* Lower-case hex with a NUL; ${to} has CRYPTO_HEX_MAX(len). */
void crypto_hex_encode(char *to, const void *from, size_t len);
/* Standard base64 with padding and a NUL; ${to} has CRYPTO_BASE64_MAX(len).  Returns the length. */
size_t crypto_base64_encode(char *to, const void *from, size_t len);
/* Likewise with the alphabet of RFC 4648, 5, for URLs, and without padding. */
size_t crypto_base64url_encode(char *to, const void *from, size_t len);
/*
 * The bytes of a base64 text (standard alphabet; padding may be missing).
 * Returns their number, or -1 when it does not parse or is longer than ${room}.
 */
long crypto_base64_decode(unsigned char *to, size_t room, const char *from, size_t len);

/* A random (version 4) uuid as text.  Returns ${to}. */
char *crypto_uuid(char to[static CRYPTO_UUID_TEXT_MAX]);
/* Uniform in [0, below); ${below} > 0.  For jitter, not for keys. */
uint32_t crypto_random_below(uint32_t below);
/* Random bytes fit for keys and nonces. */
void crypto_random(void *to, size_t len);
/*
 * Ends the process, with a log line, unless ${ok}: OpenSSL could not do ${what} for want of
 * memory, or is broken.
 */
void crypto_must(bool ok, const char *what);
/* Overwrites memory that held a secret; not optimised away. */
void crypto_wipe(void *at, size_t len);

#endif
