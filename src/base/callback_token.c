/*
 * callback_token - made from a secret, a job and a claim; nothing of it is stored.
 */
#include "base/callback_token.h"

#include "base/crypto.h"
#include "base/secret.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char callback_key_of[] = "cronward-callback-key";
static const char callback_word[] = "cronward-callback\n";

static bool callback_token_of(const struct secret_source *, const char *job, const char *claim,
    char ret_token[static CALLBACK_TOKEN_MAX]);

bool
callback_token_make(const struct secret *s, const char *job, const char *claim,
    char ret_token[static CALLBACK_TOKEN_MAX])
{
	return callback_token_of(&s->current, job, claim, ret_token);
}

bool
callback_token_matches(
    const struct secret *s, const char *job, const char *claim, const char *given, size_t given_len)
{
	const struct secret_source *sources[] = { &s->current, &s->previous };
	char wanted[CALLBACK_TOKEN_MAX];
	bool matches = false;

	if (secret_state(s) != SECRET_USABLE)
		return false;
	/* Both in any case: the time must not tell which of the two it was made with. */
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (callback_token_of(sources[i], job, claim, wanted))
			matches |= crypto_secret_equal(wanted, strlen(wanted), given, given_len);
	crypto_wipe(wanted, sizeof(wanted));
	return matches;
}

bool
callback_token_claim(const struct secret *s, const char *job, const char *given, size_t given_len,
    char ret_claim[static CRYPTO_UUID_TEXT_MAX])
{
	if (given_len < CRYPTO_UUID_TEXT_MAX)
		return false;
	memcpy(ret_claim, given, CRYPTO_UUID_TEXT_MAX - 1);
	ret_claim[CRYPTO_UUID_TEXT_MAX - 1] = '\0';
	return text_is_uuid(ret_claim) &&
	       callback_token_matches(s, job, ret_claim, given, given_len);
}

static bool
callback_token_of(const struct secret_source *from, const char *job, const char *claim,
    char ret_token[static CALLBACK_TOKEN_MAX])
{
	const struct crypto_part word = { callback_key_of, sizeof(callback_key_of) - 1 };
	const struct crypto_part parts[] = {
		{ callback_word, sizeof(callback_word) - 1 },
		{ job, strlen(job) },
		{ "\n", 1 },
		{ claim, strlen(claim) },
	};
	unsigned char key[CRYPTO_SHA256_BYTES], mac[CRYPTO_SHA256_BYTES];
	int len;

	ret_token[0] = '\0';
	if (!secret_source_is_usable(from) || strlen(claim) != CRYPTO_UUID_TEXT_MAX - 1)
		return false;
	crypto_hmac_sha256(from->value, from->len, &word, 1, key);
	crypto_hmac_sha256(key, sizeof(key), parts, sizeof(parts) / sizeof(parts[0]), mac);
	len = snprintf(ret_token, CRYPTO_UUID_TEXT_MAX + 1, "%s.", claim);
	crypto_base64url_encode(ret_token + len, mac, sizeof(mac));
	crypto_wipe(key, sizeof(key));
	crypto_wipe(mac, sizeof(mac));
	return true;
}
