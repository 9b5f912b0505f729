/*
 * verify - whether a message comes from who says so.
 *
 * What was sent is compared as text with the one text that it should be: no second text passes for
 * a signature but for the letter case of hex and the padding of base64.
 */
#include "http/verify.h"

#include "base/crypto.h"
#include "base/text.h"
#include "http/sign.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	VERIFY_PARTS_MAX = 5, /* id, dot, timestamp, dot, body */
	VERIFY_HEX_LEN = CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES) - 1,
	VERIFY_BASE64_LEN = CRYPTO_BASE64_MAX(CRYPTO_SHA256_BYTES) - 1,
};

/* What the headers of a message say. */
struct verify_claim {
	const char *signatures;           /* the whole header */
	struct crypto_part id, timestamp; /* at is NULL: neither is signed */
};

/* The signature that there should be. */
struct verify_expected {
	char hex[VERIFY_HEX_LEN + 1];
	char base64[VERIFY_BASE64_LEN + 1];
};

/* Each reads what else it needs of the headers: NULL, or what is wrong with them. */
static const char *verify_read_standard(
    const struct provider *, const struct verify_message *, struct verify_claim *);
static const char *verify_read_stripe(
    const struct provider *, const struct verify_message *, struct verify_claim *);
/* Whether the expected signature is among those of the header. */
static bool verify_has_hex(const char *signatures, const struct verify_expected *);
static bool verify_has_base64(const char *signatures, const struct verify_expected *);
static bool verify_has_standard(const char *signatures, const struct verify_expected *);
static bool verify_has_stripe(const char *signatures, const struct verify_expected *);
static bool verify_has_meta(const char *signatures, const struct verify_expected *);

static const struct {
	const char *(*read)(
	    const struct provider *, const struct verify_message *, struct verify_claim *);
	bool (*has)(const char *signatures, const struct verify_expected *);
} verify_schemes[PROVIDER_SCHEME__MAX] = {
	[PROVIDER_HMAC_HEX] = { NULL, verify_has_hex },
	[PROVIDER_HMAC_BASE64] = { NULL, verify_has_base64 },
	[PROVIDER_STANDARD] = { verify_read_standard, verify_has_standard },
	[PROVIDER_STRIPE] = { verify_read_stripe, verify_has_stripe },
	[PROVIDER_META] = { NULL, verify_has_meta },
};

enum verify_header { VERIFY_SIGNATURE, VERIFY_ID, VERIFY_TIMESTAMP, VERIFY_HEADER__MAX };

static const struct {
	const char *missing, *twice;
} verify_words[VERIFY_HEADER__MAX] = {
	[VERIFY_SIGNATURE] = { "has no signature", "has two headers with a signature" },
	[VERIFY_ID] = { "has no id", "has two ids" },
	[VERIFY_TIMESTAMP] = { "has no timestamp", "has two timestamps" },
};

static const char verify_prefix[] = "sha256=";

static const char *verify_read(
    const struct provider *p, const struct verify_message *message, struct verify_claim *claim);
static const char *verify_header_read(const struct verify_message *message, const char *name,
    enum verify_header which, const char **ret_value);
static const char *verify_age_fault(const char *timestamp, size_t len, int64_t now_s);
static bool verify_expect(const struct provider *p, const struct secret_source *from,
    const struct verify_claim *claim, struct crypto_part body, struct verify_expected *ret);
static const char *verify_next(const char **at, char separator, size_t *ret_len);
static bool verify_is_hex(const char *at, size_t len, const struct verify_expected *expected);
static bool verify_is_base64(const char *at, size_t len, const struct verify_expected *expected);

const char *
verify_fault(const struct provider *p, const struct verify_message *message)
{
	const struct secret_source *from[] = { &p->secret.current, &p->secret.previous };
	const struct crypto_part body = { message->body, message->body_len };
	struct verify_claim claim = { .signatures = NULL };
	bool has_key = false, is_signed = false;
	const char *fault = verify_read(p, message, &claim);

	if (fault)
		return fault;
	/* With both in any case: the time must not tell which of the two it was. */
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		struct verify_expected expected;

		if (!verify_expect(p, from[i], &claim, body, &expected))
			continue;
		has_key = true;
		is_signed |= verify_schemes[p->scheme].has(claim.signatures, &expected);
	}
	if (!has_key)
		return "cannot be verified: there is no secret that is a key of this scheme";
	return is_signed ? NULL : "has a signature that does not match";
}

int
verify_sign(const struct provider *p, const struct sign_message *message,
    char ret_signature[static VERIFY_SIGNATURE_MAX])
{
	const struct crypto_part body = { message->body, message->body_len };
	struct verify_claim claim = { .signatures = NULL };
	struct verify_expected expected;
	char timestamp[SIGN_TIMESTAMP_MAX], *to = ret_signature;
	int len = snprintf(timestamp, sizeof(timestamp), "%" PRId64, message->unix_s);

	if (p->scheme == PROVIDER_STANDARD)
		claim.id = (struct crypto_part){ message->id, strlen(message->id) };
	if (p->scheme == PROVIDER_STANDARD || p->scheme == PROVIDER_STRIPE)
		claim.timestamp = (struct crypto_part){ timestamp, (size_t)len };
	if (!verify_expect(p, &p->secret.current, &claim, body, &expected))
		return -1;
	switch (p->scheme) {
	case PROVIDER_HMAC_BASE64:
		snprintf(to, VERIFY_SIGNATURE_MAX, "%s", expected.base64);
		break;
	case PROVIDER_STANDARD:
		snprintf(to, VERIFY_SIGNATURE_MAX, "v1,%s", expected.base64);
		break;
	case PROVIDER_STRIPE:
		snprintf(to, VERIFY_SIGNATURE_MAX, "t=%s,v1=%s", timestamp, expected.hex);
		break;
	case PROVIDER_META:
		snprintf(to, VERIFY_SIGNATURE_MAX, "%s%s", verify_prefix, expected.hex);
		break;
	case PROVIDER_HMAC_HEX:
	case PROVIDER_SCHEME__MAX:
		snprintf(to, VERIFY_SIGNATURE_MAX, "%s", expected.hex);
		break;
	}
	return 0;
}

/* NULL, or what is wrong with the headers. */
static const char *
verify_read(
    const struct provider *p, const struct verify_message *message, struct verify_claim *claim)
{
	const char *fault =
	    verify_header_read(message, p->header, VERIFY_SIGNATURE, &claim->signatures);

	if (fault || !verify_schemes[p->scheme].read)
		return fault;
	return verify_schemes[p->scheme].read(p, message, claim);
}

/* The one header ${name}.  Of two nobody knows which one others have looked at. */
static const char *
verify_header_read(const struct verify_message *message, const char *name, enum verify_header which,
    const char **ret_value)
{
	size_t position = 0;

	*ret_value = message->header(message->from, name, &position);
	if (!*ret_value)
		return verify_words[which].missing;
	return message->header(message->from, name, &position) ? verify_words[which].twice : NULL;
}

static const char *
verify_age_fault(const char *timestamp, size_t len, int64_t now_s)
{
	char digits[SIGN_TIMESTAMP_MAX];
	int64_t then_s;

	if (len == 0 || len >= sizeof(digits) || strspn(timestamp, "0123456789") < len)
		return "has a timestamp that is no number of seconds";
	memcpy(digits, timestamp, len);
	digits[len] = '\0';
	if (!text_to_int64(digits, 0, INT64_MAX, &then_s))
		return "has a timestamp that is no number of seconds";
	if (now_s - then_s > VERIFY_AGE_MAX_S)
		return "was signed more than 300 s ago";
	return then_s - now_s > VERIFY_AGE_MAX_S ? "was signed more than 300 s in the future"
						 : NULL;
}

/*
 * Of an id with a dot nobody could tell where it ends: part of a body that was signed would pass
 * for the timestamp (spec, "Signature scheme").
 */
static const char *
verify_read_standard(
    const struct provider *p, const struct verify_message *message, struct verify_claim *claim)
{
	const char *id, *timestamp, *fault;
	char name[PROVIDER_HEADER_MAX];

	fault = verify_header_read(message, provider_header_beside(name, p, "id"), VERIFY_ID, &id);
	if (fault)
		return fault;
	if (id[0] == '\0' || strchr(id, '.'))
		return "has an id that is empty, or holds a dot";
	fault = verify_header_read(
	    message, provider_header_beside(name, p, "timestamp"), VERIFY_TIMESTAMP, &timestamp);
	if (fault)
		return fault;
	claim->id = (struct crypto_part){ id, strlen(id) };
	claim->timestamp = (struct crypto_part){ timestamp, strlen(timestamp) };
	return verify_age_fault(timestamp, claim->timestamp.len, message->unix_s);
}

/* "t=SECONDS,v1=HEX,...": other fields, of which there may be any, mean nothing. */
static const char *
verify_read_stripe(
    const struct provider *p, const struct verify_message *message, struct verify_claim *claim)
{
	const char *at = claim->signatures, *field;
	size_t len;

	(void)p;
	while ((field = verify_next(&at, ',', &len))) {
		if (len < 2 || strncmp(field, "t=", 2) != 0)
			continue;
		if (claim->timestamp.at)
			return verify_words[VERIFY_TIMESTAMP].twice;
		claim->timestamp = (struct crypto_part){ field + 2, len - 2 };
	}
	if (!claim->timestamp.at)
		return verify_words[VERIFY_TIMESTAMP].missing;
	return verify_age_fault(claim->timestamp.at, claim->timestamp.len, message->unix_s);
}

/* False: ${from} holds no key of this scheme. */
static bool
verify_expect(const struct provider *p, const struct secret_source *from,
    const struct verify_claim *claim, struct crypto_part body, struct verify_expected *ret)
{
	const struct crypto_part dot = { ".", 1 };
	struct crypto_part parts[VERIFY_PARTS_MAX], key;
	unsigned char mac[CRYPTO_SHA256_BYTES];
	struct sign_key decoded;
	size_t count = 0;

	if (!secret_source_is_usable(from))
		return false;
	key = (struct crypto_part){ from->value, from->len };
	if (p->scheme == PROVIDER_STANDARD) {
		if (sign_key_parse(&decoded, from->value) != 0)
			return false;
		key = (struct crypto_part){ decoded.bytes, decoded.len };
	}
	if (claim->id.at) {
		parts[count++] = claim->id;
		parts[count++] = dot;
	}
	if (claim->timestamp.at) {
		parts[count++] = claim->timestamp;
		parts[count++] = dot;
	}
	parts[count++] = body;
	crypto_hmac_sha256(key.at, key.len, parts, count, mac);
	if (p->scheme == PROVIDER_STANDARD)
		crypto_wipe(&decoded, sizeof(decoded));
	crypto_base64_encode(ret->base64, mac, sizeof(mac));
	crypto_hex_encode(ret->hex, mac, sizeof(mac));
	return true;
}

static bool
verify_has_hex(const char *signatures, const struct verify_expected *expected)
{
	const size_t prefix_len = sizeof(verify_prefix) - 1;

	if (strncmp(signatures, verify_prefix, prefix_len) == 0)
		signatures += prefix_len;
	return verify_is_hex(signatures, strlen(signatures), expected);
}

static bool
verify_has_base64(const char *signatures, const struct verify_expected *expected)
{
	return verify_is_base64(signatures, strlen(signatures), expected);
}

/* "v1,BASE64 v1,BASE64 v1a,...": one per secret of the sender, of versions that may be others. */
static bool
verify_has_standard(const char *signatures, const struct verify_expected *expected)
{
	const char *one;
	bool has = false;
	size_t len;

	while ((one = verify_next(&signatures, ' ', &len)))
		if (len > 3 && strncmp(one, "v1,", 3) == 0)
			has |= verify_is_base64(one + 3, len - 3, expected);
	return has;
}

static bool
verify_has_stripe(const char *signatures, const struct verify_expected *expected)
{
	const char *field;
	bool has = false;
	size_t len;

	while ((field = verify_next(&signatures, ',', &len)))
		if (len > 3 && strncmp(field, "v1=", 3) == 0)
			has |= verify_is_hex(field + 3, len - 3, expected);
	return has;
}

static bool
verify_has_meta(const char *signatures, const struct verify_expected *expected)
{
	return strncmp(signatures, verify_prefix, sizeof(verify_prefix) - 1) == 0 &&
	       verify_has_hex(signatures, expected);
}

/* The next of what ${separator} separates at *at, which moves on; NULL at its end. */
static const char *
verify_next(const char **at, char separator, size_t *ret_len)
{
	const char *one = *at, *end = one ? strchr(one, separator) : NULL;

	if (!one)
		return NULL;
	*ret_len = end ? (size_t)(end - one) : strlen(one);
	*at = end ? end + 1 : NULL;
	return one;
}

static bool
verify_is_hex(const char *at, size_t len, const struct verify_expected *expected)
{
	char lower[VERIFY_HEX_LEN];

	if (len != sizeof(lower))
		return false;
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)(at[i] >= 'A' && at[i] <= 'F' ? at[i] - 'A' + 'a' : at[i]);
	return crypto_secret_equal(lower, len, expected->hex, len);
}

/* With its padding or without. */
static bool
verify_is_base64(const char *at, size_t len, const struct verify_expected *expected)
{
	return (len == VERIFY_BASE64_LEN || len == VERIFY_BASE64_LEN - 1) &&
	       crypto_secret_equal(at, len, expected->base64, len);
}
