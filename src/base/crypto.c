/*
 * crypto - digests, signatures, random ids; OpenSSL underneath.
 *
 * OpenSSL 3 looks an algorithm up at each use of it unless it was fetched before, which costs
 * more than the HMAC of a short text.  So what is fetched stays, one context of each kind per
 * process.  Whatever fails here fails for want of memory or of OpenSSL itself: the process ends.
 */
#include "base/crypto.h"

#include "base/log.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	CRYPTO_UUID_BYTES = 16,
};

static EVP_MD *crypto_sha256_md;
static EVP_MD_CTX *crypto_sha256_ctx;
static EVP_MAC_CTX *crypto_hmac_ctx;

static void crypto_sha256_prepare(void);
static void crypto_hmac_prepare(void);
static int crypto_base64_value(char c);

void
crypto_sha256(const void *data, size_t len, unsigned char ret_digest[static CRYPTO_SHA256_BYTES])
{
	unsigned digest_len = 0;

	crypto_sha256_prepare();
	crypto_must(EVP_DigestInit_ex2(crypto_sha256_ctx, crypto_sha256_md, NULL) == 1 &&
			EVP_DigestUpdate(crypto_sha256_ctx, data, len) == 1 &&
			EVP_DigestFinal_ex(crypto_sha256_ctx, ret_digest, &digest_len) == 1 &&
			digest_len == CRYPTO_SHA256_BYTES,
	    "SHA-256");
}

void
crypto_sha256_hex(
    const void *data, size_t len, char ret_hex[static CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)])
{
	unsigned char digest[CRYPTO_SHA256_BYTES];

	crypto_sha256(data, len, digest);
	crypto_hex_encode(ret_hex, digest, sizeof(digest));
}

void
crypto_hmac_sha256(const void *key, size_t key_len, const struct crypto_part *parts,
    size_t parts_count, unsigned char ret_mac[static CRYPTO_SHA256_BYTES])
{
	size_t i, mac_len = 0;
	bool ok;

	crypto_hmac_prepare();
	/* Without a key at all OpenSSL would take the one of the call before. */
	ok = EVP_MAC_init(crypto_hmac_ctx, key_len ? key : "", key_len, NULL) == 1;
	for (i = 0; i < parts_count; i++)
		ok = ok && EVP_MAC_update(crypto_hmac_ctx, parts[i].at, parts[i].len) == 1;
	ok = ok && EVP_MAC_final(crypto_hmac_ctx, ret_mac, &mac_len, CRYPTO_SHA256_BYTES) == 1;
	crypto_must(ok && mac_len == CRYPTO_SHA256_BYTES, "HMAC-SHA-256");
}

bool
crypto_secret_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned char a_digest[CRYPTO_SHA256_BYTES], b_digest[CRYPTO_SHA256_BYTES];

	crypto_sha256(a, a_len, a_digest);
	crypto_sha256(b, b_len, b_digest);
	return CRYPTO_memcmp(a_digest, b_digest, sizeof(a_digest)) == 0;
}

void
crypto_secret_hide(char *text, size_t len, size_t starts_max, const char *secret, size_t secret_len)
{
	size_t at;

	if (secret_len == 0)
		return;
	for (at = 0; at <= starts_max && at + secret_len <= len; at++)
		if (CRYPTO_memcmp(text + at, secret, secret_len) == 0)
			memset(text + at, '*', secret_len);
}

void
crypto_hex_encode(char *to, const void *from, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = from;

	for (size_t i = 0; i < len; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 0x0f];
	}
	*to = '\0';
}

size_t
crypto_base64_encode(char *to, const void *from, size_t len)
{
	crypto_must(len < INT_MAX / 2, "base64");
	if (len == 0) {
		*to = '\0';
		return 0;
	}
	return (size_t)EVP_EncodeBlock((unsigned char *)to, from, (int)len);
}

size_t
crypto_base64url_encode(char *to, const void *from, size_t len)
{
	size_t coded = crypto_base64_encode(to, from, len);

	while (coded > 0 && to[coded - 1] == '=')
		to[--coded] = '\0';
	for (char *at = to; *at; at++)
		*at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
	return coded;
}

long
crypto_base64_decode(unsigned char *to, size_t room, const char *from, size_t len)
{
	uint32_t bits = 0;
	size_t done = 0, i;

	/* Padding may be missing; where it is there, it is right. */
	if (len > 0 && len % 4 == 0 && from[len - 1] == '=')
		len -= from[len - 2] == '=' ? 2 : 1;
	if (len % 4 == 1 || len / 4 * 3 > LONG_MAX - 3)
		return -1;
	for (i = 0; i < len; i++) {
		int value = crypto_base64_value(from[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 == 0)
			continue;
		if (done == room)
			return -1;
		to[done++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	return (long)done;
}

char *
crypto_uuid(char to[static CRYPTO_UUID_TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[CRYPTO_UUID_BYTES];
	size_t at = 0, i;

	crypto_random(bytes, sizeof(bytes));
	bytes[6] = (unsigned char)(0x40 | (bytes[6] & 0x0f)); /* version 4 */
	bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f)); /* RFC 4122's variant */
	for (i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			to[at++] = '-';
		to[at++] = hex[bytes[i] >> 4];
		to[at++] = hex[bytes[i] & 0x0f];
	}
	to[at] = '\0';
	return to;
}

uint32_t
crypto_random_below(uint32_t below)
{
	/* 2^32 modulo below: what lies under it would make small results likelier. */
	uint32_t unfair = (0 - below) % below;
	uint32_t value;

	do {
		crypto_random(&value, sizeof(value));
	} while (value < unfair);
	return value % below;
}

void
crypto_random(void *to, size_t len)
{
	crypto_must(len <= INT_MAX && RAND_bytes(to, (int)len) == 1, "random bytes");
}

void
crypto_must(bool ok, const char *what)
{
	if (ok)
		return;
	log_message(LOG_ERROR, "crypto_failed", "OpenSSL could not do %s", what);
	_exit(EX_SOFTWARE);
}

void
crypto_wipe(void *at, size_t len)
{
	OPENSSL_cleanse(at, len);
}

static void
crypto_sha256_prepare(void)
{
	if (crypto_sha256_ctx)
		return;
	crypto_sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
	crypto_sha256_ctx = EVP_MD_CTX_new();
	crypto_must(crypto_sha256_md && crypto_sha256_ctx, "SHA-256");
}

static void
crypto_hmac_prepare(void)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac;

	if (crypto_hmac_ctx)
		return;
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	crypto_hmac_ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac); /* the context holds it */
	crypto_must(crypto_hmac_ctx && EVP_MAC_CTX_set_params(crypto_hmac_ctx, params) == 1,
	    "HMAC-SHA-256");
}

static int
crypto_base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}
