/*
 * Digests against their published test vectors; the rest against what it promises.
 */
#include "base/crypto.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *
hex(const unsigned char digest[CRYPTO_SHA256_BYTES])
{
	static char to[2 * CRYPTO_SHA256_BYTES + 1];
	size_t i;

	for (i = 0; i < CRYPTO_SHA256_BYTES; i++)
		snprintf(to + 2 * i, 3, "%02x", digest[i]);
	return to;
}

static const char *
hmac_hex(const void *key, size_t key_len, const void *data, size_t len)
{
	const struct crypto_part part = { data, len };
	unsigned char mac[CRYPTO_SHA256_BYTES];

	crypto_hmac_sha256(key, key_len, &part, 1, mac);
	return hex(mac);
}

/* FIPS 180-4. */
static void
sha256_matches_its_vectors(void **state)
{
	unsigned char digest[CRYPTO_SHA256_BYTES];
	char text[CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)];

	(void)state;
	crypto_sha256("abc", 3, digest);
	assert_string_equal(
	    hex(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256_hex("abc", 3, text);
	assert_string_equal(text, hex(digest));
	crypto_hex_encode(text, digest, 0);
	assert_string_equal(text, "");
	crypto_sha256("", 0, digest);
	assert_string_equal(
	    hex(digest), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, digest);
	assert_string_equal(
	    hex(digest), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 4231, cases 1, 2, 3 and 6. */
static void
hmac_matches_its_vectors(void **state)
{
	unsigned char key[131], data[50];

	(void)state;
	memset(key, 0x0b, 20);
	assert_string_equal(hmac_hex(key, 20, "Hi There", 8),
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	assert_string_equal(hmac_hex("Jefe", 4, "what do ya want for nothing?", 28),
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	assert_string_equal(hmac_hex(key, 20, data, 50),
	    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	assert_string_equal(
	    hmac_hex(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54),
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
an_empty_key_is_not_the_last_one(void **state)
{
	(void)state;
	hmac_hex("Jefe", 4, "x", 1);
	assert_string_equal(hmac_hex("", 0, "", 0),
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	hmac_hex("Jefe", 4, "x", 1);
	assert_string_equal(hmac_hex(NULL, 0, NULL, 0),
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
parts_make_one_message(void **state)
{
	const struct crypto_part parts[] = { { "what do ", 8 }, { "", 0 }, { NULL, 0 },
		{ "ya want ", 8 }, { "for nothing?", 12 } };
	unsigned char mac[CRYPTO_SHA256_BYTES];

	(void)state;
	crypto_hmac_sha256("Jefe", 4, parts, 5, mac);
	assert_string_equal(
	    hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void
secrets_are_equal_or_not(void **state)
{
	(void)state;
	assert_true(crypto_secret_equal("abc", 3, "abc", 3));
	assert_true(crypto_secret_equal("", 0, NULL, 0));
	assert_false(crypto_secret_equal("abc", 3, "abd", 3));
	assert_false(crypto_secret_equal("abc", 3, "abcd", 4));
	assert_false(crypto_secret_equal("abc", 3, "", 0));
	assert_false(crypto_secret_equal("a\0b", 3, "a\0c", 3));
}

/* RFC 4648. */
static void
base64_matches_its_vectors(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" } };
	unsigned char bytes[16];
	char text[CRYPTO_BASE64_MAX(6)];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *plain = pairs[i][0], *coded = pairs[i][1];

		assert_int_equal(crypto_base64_encode(text, plain, strlen(plain)), strlen(coded));
		assert_string_equal(text, coded);
		assert_int_equal(crypto_base64_decode(bytes, strlen(plain), coded, strlen(coded)),
		    strlen(plain));
		assert_memory_equal(bytes, plain, strlen(plain));
		/* Padding may be missing. */
		assert_int_equal(
		    crypto_base64_decode(bytes, sizeof(bytes), coded, strcspn(coded, "=")),
		    strlen(plain));
	}
}

static void
base64_refuses_what_it_is_not(void **state)
{
	static const char *const wrong[] = { "Z", "Zg=", "Zm9vY", "=",
		"==", "===", "====", "Z===", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-_", "Zm9\xc3",
		"Zg===", "Zm8==" };
	unsigned char bytes[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (crypto_base64_decode(bytes, sizeof(bytes), wrong[i], strlen(wrong[i])) != -1)
			fail_msg("\"%s\" was taken", wrong[i]);
	assert_int_equal(crypto_base64_decode(bytes, 2, "Zm9v", 4), -1);
	assert_int_equal(crypto_base64_decode(bytes, 0, "Zg==", 4), -1);
	assert_int_equal(crypto_base64_decode(NULL, 0, "", 0), 0);
}

static void
base64_round_trips(void **state)
{
	unsigned char from[300], back[300];
	char text[CRYPTO_BASE64_MAX(sizeof(from))];
	size_t len, i;

	(void)state;
	for (len = 0; len <= sizeof(from); len++) {
		for (i = 0; i < len; i++)
			from[i] = (unsigned char)crypto_random_below(256);
		i = crypto_base64_encode(text, from, len);
		assert_int_equal(strlen(text), i);
		assert_true(i < CRYPTO_BASE64_MAX(len));
		assert_int_equal(crypto_base64_decode(back, len, text, i), len);
		assert_memory_equal(back, from, len);
	}
}

static void
uuids_are_random_and_version_4(void **state)
{
	enum { UUIDS = 200 };
	char ids[UUIDS][CRYPTO_UUID_TEXT_MAX];
	size_t i, j;

	(void)state;
	for (i = 0; i < UUIDS; i++) {
		assert_ptr_equal(crypto_uuid(ids[i]), ids[i]);
		assert_true(text_is_uuid(ids[i]));
		assert_int_equal(ids[i][14], '4');
		assert_non_null(strchr("89ab", ids[i][19]));
		for (j = 0; j < i; j++)
			assert_string_not_equal(ids[i], ids[j]);
	}
}

static void
random_numbers_reach_all_and_stay_below(void **state)
{
	unsigned seen[10] = { 0 };
	uint32_t value;
	int i, high = 0;

	(void)state;
	for (i = 0; i < 10000; i++) {
		value = crypto_random_below(10);
		assert_in_range(value, 0, 9);
		seen[value]++;
	}
	/* 1,000 expected; 250 off is 8 standard deviations. */
	for (i = 0; i < 10; i++)
		assert_in_range(seen[i], 750, 1250);
	for (i = 0; i < 10; i++)
		assert_int_equal(crypto_random_below(1), 0);
	for (i = 0; i < 1000; i++) {
		value = crypto_random_below(0xc0000000u);
		assert_true(value < 0xc0000000u);
		high += value >= 0x80000000u;
	}
	/* A plain modulo would give 250 here, an even spread 333. */
	assert_in_range(high, 290, 380);
}

static void
secrets_are_hidden_where_they_begin_early_enough(void **state)
{
	static const char secret[] = "0123456789abcdef";
	static const char *const cases[][2] = {
		{ "", "" },
		{ "0123456789abcde", "0123456789abcde" },
		{ "0123456789abcdef", "****************" },
		{ "x0123456789abcdefy", "x****************y" },
		{ "0123456789abcdef0123456789abcdef", "********************************" },
		{ "01230123456789abcdef", "0123****************" },
		{ "0123456789abcdeF", "0123456789abcdeF" },
		{ "four 0123456789abcdef", "four ****************" },
		{ "twenty and more to go 0123456789abcdef",
		    "twenty and more to go 0123456789abcdef" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s", cases[i][0]);
		crypto_secret_hide(text, strlen(text), 20, secret, sizeof(secret) - 1);
		assert_string_equal(text, cases[i][1]);
	}
	/* No secret is nowhere. */
	crypto_secret_hide(text, strlen(text), 20, "", 0);
	assert_null(strchr(text, '*'));
}

static void
wiped_memory_is_zero(void **state)
{
	char secret[] = "0123456789abcdef";
	static const char zero[sizeof(secret)];

	(void)state;
	crypto_wipe(secret, sizeof(secret));
	assert_memory_equal(secret, zero, sizeof(secret));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_matches_its_vectors),
		cmocka_unit_test(hmac_matches_its_vectors),
		cmocka_unit_test(an_empty_key_is_not_the_last_one),
		cmocka_unit_test(parts_make_one_message),
		cmocka_unit_test(secrets_are_equal_or_not),
		cmocka_unit_test(base64_matches_its_vectors),
		cmocka_unit_test(base64_refuses_what_it_is_not),
		cmocka_unit_test(base64_round_trips),
		cmocka_unit_test(uuids_are_random_and_version_4),
		cmocka_unit_test(random_numbers_reach_all_and_stay_below),
		cmocka_unit_test(secrets_are_hidden_where_they_begin_early_enough),
		cmocka_unit_test(wiped_memory_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
