/*
 * Sealed secrets: what was sealed opens, at its place alone, and nothing else opens at all.
 */
#include "base/seal.h"

#include "base/arena.h"
#include "base/keyring.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 00 01 .. 1f, and 32 times ff. */
#define A_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define B_KEY "//////////////////////////////////////////8="
#define ID_32 "abcdefghijklmnopqrstuvwxyz_-0123"
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define DOES_NOT_OPEN                                                                              \
	"app_webhooks.secret of row 7 does not open: it was sealed with another key of that id, "  \
	"or for another row, or was changed since"

static const struct seal_place here = { "app_webhooks", "secret", "7" };
static struct arena *a;

static int
setup(void **state)
{
	(void)state;
	a = arena_create();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_destroy(a);
	return 0;
}

static struct keyring
ring_of(const char *text)
{
	struct keyring ring = { .count = 0 };

	if (*text)
		assert_int_equal(keyring_parse(&ring, text, strlen(text), NULL), 0);
	return ring;
}

static char *
closed(const struct keyring *ring, const char *plain)
{
	struct err e = { .code = ERR_OK };
	char *sealed = seal_close(a, ring, &here, plain, &e);

	assert_non_null(sealed);
	assert_int_equal(e.code, ERR_OK);
	return sealed;
}

static void
opens(
    const struct keyring *ring, const struct seal_place *at, const char *sealed, const char *plain)
{
	struct err e = { .code = ERR_OK };
	const char *opened = seal_open(a, ring, at, sealed, &e);

	assert_string_equal(e.message, "");
	assert_non_null(opened);
	assert_string_equal(opened, plain);
}

/* With this message, or with any when it is NULL; and OpenSSL's queue of errors stays empty. */
static void
refused(const struct keyring *ring, const struct seal_place *at, const char *sealed,
    enum err_code code, const char *message)
{
	struct err e = { .code = ERR_OK };

	if (seal_open(a, ring, at, sealed, &e))
		fail_msg("opened: %.200s", sealed);
	assert_int_equal(e.code, code);
	if (message)
		assert_string_equal(e.message, message);
	assert_string_not_equal(e.message, "");
	assert_int_equal(ERR_peek_error(), 0);
}

static void
what_is_sealed_opens(void **state)
{
	static const size_t lens[] = { 1, 2, 3, 4, 15, 16, 17, 38, 4096, SEAL_PLAIN_MAX - 2,
		SEAL_PLAIN_MAX - 1, SEAL_PLAIN_MAX };
	struct keyring ring = ring_of("k1:" A_KEY);
	char *plain = malloc(SEAL_PLAIN_MAX + 1);

	(void)state;
	assert_non_null(plain);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		const char *sealed;

		memset(plain, 'a' + (int)i, lens[i]);
		plain[lens[i]] = '\0';
		sealed = closed(&ring, plain);
		assert_int_equal(strlen(sealed), 7 + (12 + lens[i] + 16 + 2) / 3 * 4);
		opens(&ring, &here, sealed, plain);
		arena_reset(a);
	}
	free(plain);
	opens(
	    &ring, &here, closed(&ring, "Zürich €😀\n\t\x01\x7f\xff"), "Zürich €😀\n\t\x01\x7f\xff");
	opens(&ring, &here, closed(&ring, "cw1.k1."), "cw1.k1.");
}

static void
the_form_is_the_one_that_is_written_down(void **state)
{
	struct keyring ring = ring_of(ID_32 ":" A_KEY ",k1:" B_KEY);
	const char *one = closed(&ring, SECRET), *two = closed(&ring, SECRET);

	(void)state;
	assert_true(seal_is_sealed(one));
	assert_int_equal(seal_key_id_len(one), 32);
	assert_memory_equal(one, "cw1." ID_32 ".", 37);
	assert_int_equal(strlen(one), 37 + (12 + strlen(SECRET) + 16 + 2) / 3 * 4);
	/* Another nonce each time, so nothing tells that they are the same secret. */
	assert_memory_not_equal(one + 37, two + 37, 16);
	assert_memory_not_equal(one + 37 + 16, two + 37 + 16, 16);
	assert_null(strstr(one, SECRET));
}

/* Made by Node's crypto, which knows nothing of the code here. */
static void
what_others_sealed_opens(void **state)
{
	static const struct seal_place webhook = { "app_webhooks", "secret",
		"11111111-2222-4333-8444-555555555555" };
	static const struct seal_place nowhere = { "t", "c", "" }, small = { "t", "c", "1" };
	struct keyring ring = ring_of("k1:" A_KEY "\n2026-11_b:" A_KEY "\n");

	(void)state;
	opens(&ring, &webhook,
	    "cw1.k1.yv66vvrO263eyviI/cvTQ8klAn0NWmSvQ1rCZnxSlCa1TDowdpZIIeTACs3hMY0nkqMBfCH3J/"
	    "kGZyLHvcoTkAgH",
	    SECRET);
	opens(&ring, &nowhere,
	    "cw1.2026-11_b.AAECAwQFBgcICQoLHcFqaayGqjtvwzt7LnH4TYn09kGfDzoYGrVHajmS4wKSvGp/"
	    "a2ux3jU=",
	    "Zürich €😀 \n\"quoted\"");
	/* "a\0b" would be taken for "a", and an empty secret for none. */
	refused(&ring, &small,
	    "cw1.k1.BwcHBwcHBwcHBwcHbmrES6FBkOYqO8MyrH9WZSUeZg==", ERR_BAD_REQUEST, NULL);
	refused(&ring, &small, "cw1.k1.BwcHBwcHBwcHBwcH3M1OzHYJI2RyTrzybL/69A==", ERR_BAD_REQUEST,
	    "t.c of row 1 is cut short or is no base64");
}

static void
only_a_secret_can_be_sealed(void **state)
{
	struct keyring none = ring_of(""), ring = ring_of("k1:" A_KEY);
	struct err e = { .code = ERR_OK };
	char *plain = malloc(SEAL_PLAIN_MAX + 2);

	(void)state;
	assert_non_null(plain);
	memset(plain, 'x', SEAL_PLAIN_MAX + 1);
	plain[SEAL_PLAIN_MAX + 1] = '\0';
	assert_null(seal_close(a, &none, &here, SECRET, &e));
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	assert_string_equal(
	    e.message, "there is no key to seal with: set ENCRYPTION_KEYS_FILE or ENCRYPTION_KEYS");
	err_clear(&e);
	assert_null(seal_close(a, &ring, &here, "", &e));
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_string_equal(e.message, "a secret to seal has 1-65536 bytes, not 0");
	err_clear(&e);
	assert_null(seal_close(a, &ring, &here, plain, &e));
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_string_equal(e.message, "a secret to seal has 1-65536 bytes, not 65537");
	assert_null(seal_close(a, &ring, &here, plain, NULL));
	free(plain);
}

static void
the_newest_key_seals_and_each_opens_its_own(void **state)
{
	struct keyring old = ring_of("k1:" A_KEY), both = ring_of("k2:" B_KEY ",k1:" A_KEY);
	struct keyring fresh = ring_of("k2:" B_KEY), none = ring_of("");
	const char *first = closed(&old, SECRET), *second = closed(&both, SECRET);

	(void)state;
	assert_memory_equal(first, "cw1.k1.", 7);
	assert_memory_equal(second, "cw1.k2.", 7);
	opens(&both, &here, first, SECRET);
	opens(&both, &here, second, SECRET);
	opens(&fresh, &here, second, SECRET);
	refused(&fresh, &here, first, ERR_NOT_CONFIGURED,
	    "app_webhooks.secret is sealed with the key k1, which is not in ENCRYPTION_KEYS");
	refused(&none, &here, first, ERR_NOT_CONFIGURED,
	    "app_webhooks.secret is sealed with the key k1, which is not in ENCRYPTION_KEYS");
	assert_null(seal_open(a, &none, &here, first, NULL));
}

static void
another_key_opens_nothing(void **state)
{
	struct keyring ring = ring_of("k1:" A_KEY), other = ring_of("k1:" B_KEY);
	struct keyring renamed = ring_of("k1:" A_KEY ",k2:" A_KEY ",K1:" A_KEY ",k:" A_KEY);
	char *sealed = closed(&ring, SECRET);

	(void)state;
	refused(&other, &here, sealed, ERR_BAD_REQUEST, DOES_NOT_OPEN);
	/* The id is sealed, too: the right key under another name is a wrong one. */
	sealed[5] = '2';
	refused(&renamed, &here, sealed, ERR_BAD_REQUEST, DOES_NOT_OPEN);
	sealed[4] = 'K', sealed[5] = '1';
	refused(&renamed, &here, sealed, ERR_BAD_REQUEST, DOES_NOT_OPEN);
	/* Each single bit of the key counts. */
	for (size_t bit = 0; bit < 8 * KEYRING_KEY_BYTES; bit++) {
		struct keyring bent = ring;

		sealed = closed(&ring, SECRET);
		bent.keys[0].bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		refused(&bent, &here, sealed, ERR_BAD_REQUEST, DOES_NOT_OPEN);
	}
}

static void
another_place_opens_nothing(void **state)
{
	static const struct seal_place others[] = {
		{ "app_webhook", "secret", "7" },
		{ "app_webhookss", "ecret", "7" },
		{ "app_webhooks", "previous_secret", "7" },
		{ "App_webhooks", "secret", "7" },
		{ "app_webhooks", "secret", "8" },
		{ "app_webhooks", "secret", "" },
		{ "app_webhooks", "secret", "77" },
		{ "app_webhooks", "secret", "7 " },
		{ "app_webhooks", "secret", "7\n" },
		{ "app_webhooks", "", "secret7" },
		{ "app_webhooks", "", "secret\n7" },
		{ "", "", "" },
	};
	struct keyring ring = ring_of("k1:" A_KEY);
	const char *sealed = closed(&ring, SECRET);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		refused(&ring, &others[i], sealed, ERR_BAD_REQUEST, NULL);
	opens(&ring, &here, sealed, SECRET);
}

static void
a_value_with_one_bit_changed_opens_nothing(void **state)
{
	/* One length for each padding. */
	static const char *const plains[] = { "0123456789abcdef", "0123456789abcdef0",
		"0123456789abcdef01" };
	struct keyring ring = ring_of("k1:" A_KEY ",k0:" A_KEY ",k3:" B_KEY);

	(void)state;
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		char *sealed = closed(&ring, plains[i]);

		for (size_t bit = 0; bit < 8 * strlen(sealed); bit++) {
			struct err e = { .code = ERR_OK };
			char *bent = arena_text(a, sealed);

			bent[bit / 8] ^= (char)(1 << bit % 8);
			if (seal_open(a, &ring, &here, bent, &e))
				fail_msg("bit %zu of %s", bit, sealed);
			assert_int_not_equal(e.code, ERR_OK);
		}
		opens(&ring, &here, sealed, plains[i]);
		arena_reset(a);
	}
}

/* The last character holds bits that are no part of any byte, where there is padding. */
static void
a_value_has_one_form_alone(void **state)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_";
	static const char *const plains[] = { "01", "012", "0" };
	struct keyring ring = ring_of("k1:" A_KEY);

	(void)state;
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		const char *sealed = closed(&ring, plains[i]);
		size_t len = strlen(sealed), last = len - 1;

		while (sealed[last] == '=')
			last--;
		for (const char *c = alphabet; *c; c++) {
			char *other = arena_text(a, sealed);

			other[last] = *c;
			if (*c == sealed[last])
				opens(&ring, &here, other, plains[i]);
			else
				refused(&ring, &here, other, ERR_BAD_REQUEST, NULL);
		}
		if (last + 1 < len)
			refused(
			    &ring, &here, arena_copy(a, sealed, last + 1), ERR_BAD_REQUEST, NULL);
	}
}

static void
a_value_cut_or_stretched_opens_nothing(void **state)
{
	static const char *const tails[] = { "=", "==", "A", "AAAA", "\n", " ", "." };
	/* Lengths that pad with nothing, == and =. */
	static const char *const plains[] = { "01", "012", "0" };
	struct keyring ring = ring_of("k1:" A_KEY);

	(void)state;
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		const char *sealed = closed(&ring, plains[i]);
		size_t len = strlen(sealed);

		for (size_t cut = 0; cut < len; cut++)
			refused(&ring, &here, arena_copy(a, sealed, cut), ERR_BAD_REQUEST, NULL);
		for (size_t cut = 1; cut < len; cut++)
			refused(&ring, &here, sealed + cut, ERR_BAD_REQUEST, NULL);
		for (size_t t = 0; t < sizeof(tails) / sizeof(tails[0]); t++)
			refused(&ring, &here, arena_format(a, "%s%s", sealed, tails[t]),
			    ERR_BAD_REQUEST, NULL);
		refused(
		    &ring, &here, arena_format(a, "%.7s%s", sealed, sealed), ERR_BAD_REQUEST, NULL);
		refused(&ring, &here, arena_format(a, " %s", sealed), ERR_BAD_REQUEST,
		    "app_webhooks.secret of row 7 has not the form cw1.KEYID.BASE64");
	}
}

static void
what_has_not_the_form_is_refused(void **state)
{
	static const char *const wrong[] = { "", "plain", "cw", "cw1", "cw1.", "cw1..AAAA",
		"cw1.k1", "cw1." ID_32 "x.AAAA", "cw1.k 1.AAAA", "cw1.k\n1.AAAA", "cw1.é.AAAA",
		"cw1.k1:AAAA", "cw2.k1.AAAA", "CW1.k1.AAAA", "cw1k1.AAAA", " cw1.k1.AAAA" };
	static const char *const short_ones[] = { "cw1.k1.",
		"cw1.k1.=", "cw1.k1.====", "cw1.k1.AAAA",
		"cw1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
		"cw1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-AAA=",
		"cw1.k1.AAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAAA",
		"cw1.k1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAA" };
	struct keyring ring = ring_of("k1:" A_KEY);
	size_t len = (12 + SEAL_PLAIN_MAX + 16 + 2) / 3 * 4;
	char *big = malloc(7 + len + 2);

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(seal_key_id_len(wrong[i]), 0);
		refused(&ring, &here, wrong[i], ERR_BAD_REQUEST,
		    "app_webhooks.secret of row 7 has not the form cw1.KEYID.BASE64");
	}
	for (size_t i = 0; i < sizeof(short_ones) / sizeof(short_ones[0]); i++)
		refused(&ring, &here, short_ones[i], ERR_BAD_REQUEST,
		    "app_webhooks.secret of row 7 is cut short or is no base64");
	assert_non_null(big);
	snprintf(big, 8, "cw1.k1.");
	memset(big + 7, 'A', len + 1);
	big[7 + len + 1] = '\0';
	refused(&ring, &here, big, ERR_BAD_REQUEST,
	    "app_webhooks.secret of row 7 is longer than any sealed secret");
	/* As many characters as the longest, and a byte more in them. */
	big[7 + len] = '\0';
	refused(&ring, &here, big, ERR_BAD_REQUEST,
	    "app_webhooks.secret of row 7 is cut short or is no base64");
	free(big);
}

static void
only_a_value_that_claims_to_be_sealed_is(void **state)
{
	(void)state;
	assert_true(seal_is_sealed("cw1."));
	assert_true(seal_is_sealed("cw1.anything"));
	assert_false(seal_is_sealed(""));
	assert_false(seal_is_sealed("cw1"));
	assert_false(seal_is_sealed(SECRET));
	assert_false(seal_is_sealed(" cw1.k1.AAAA"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_sealed_opens, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_form_is_the_one_that_is_written_down, setup, teardown),
		cmocka_unit_test_setup_teardown(what_others_sealed_opens, setup, teardown),
		cmocka_unit_test_setup_teardown(only_a_secret_can_be_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    the_newest_key_seals_and_each_opens_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_opens_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(another_place_opens_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_value_with_one_bit_changed_opens_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_value_has_one_form_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_value_cut_or_stretched_opens_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_not_the_form_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    only_a_value_that_claims_to_be_sealed_is, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
