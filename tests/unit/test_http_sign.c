/*
 * Signatures against the vector that the libraries of Standard Webhooks share, and against values
 * that `openssl dgst -mac HMAC` gave.
 */
#include "http/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ZEROS_63                                                                                   \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct sign_key
key(const char *secret)
{
	struct sign_key k;

	if (sign_key_parse(&k, secret) != 0)
		fail_msg("%s is no key", secret);
	return k;
}

static const char *
signature(const char *secret, const char *id, int64_t unix_s, const char *body, size_t body_len)
{
	static char header[SIGN_HEADER_MAX];
	const struct sign_keys keys = { 1, { key(secret) } };
	const struct sign_message message = { id, unix_s, body, body_len };

	memset(header, '#', sizeof(header));
	sign_webhook(&keys, &message, header);
	return header;
}

static void
the_vector_of_the_specification_holds(void **state)
{
	static const char body[] = "{\"test\": 2432232314}";

	(void)state;
	assert_string_equal(signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				"msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body)),
	    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void
signatures_are_those_of_openssl(void **state)
{
	/* 64 bytes of 0x00, 64 of 0xff: as long as keys may be. */
	static const char longest[] =
	    "whsec_" ZEROS_63 "AP//////////////////////////////////////////////////////////"
	    "//////////////////////////8=";

	(void)state;
	assert_string_equal(signature("plain secret", "17", 1700000000, "{\"type\":\"a\"}", 12),
	    "v1,6lYudDwZu/8y6HF3tan5LCCFvtJPmCsZo8pEn5b0m38=");
	assert_string_equal(signature("plain secret", "17", 1700000000, "", 0),
	    "v1,ZLfLW9IUvIhM9qk/wWLP9qhFDYcw2cZ0cS8fY+fp3Js=");
	assert_string_equal(signature("plain secret", "17", 1700000000, "a\0b\nc", 5),
	    "v1,UK8hyF8FCX3WtbnWsKCdyL6LHoIg/B1OhcN15O3WcxU=");
	assert_string_equal(signature("plain secret", "17", -1, "x", 1),
	    "v1,3SGfuWza6vkFIyHzJUxKfpd93EzuVHR2CbBmyWiMQcI=");
	assert_string_equal(signature("plain secret", "17", INT64_MAX, "x", 1),
	    "v1,cpuGSKiZscVqeDRrOpqwRusklurtPXo3FBRsHGFyWY4=");
	assert_string_equal(
	    signature(longest, "0192f3a4-0000-7000-8000-000000000000", 0, "gr\xc3\xbc\xc3\x9f", 6),
	    "v1,VVanEELWI0flVdJJaLAx5ycOthaX4lCVrFPYw0aZf3w=");
}

static void
each_key_gives_a_signature_of_its_own(void **state)
{
	const struct sign_keys both_keys = { 2,
		{ key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key("plain secret") } };
	const struct sign_keys one_key = { 1, { both_keys.keys[0] } };
	const struct sign_keys other_key = { 1, { both_keys.keys[1] } };
	const struct sign_keys no_key = { .count = 0 };
	const struct sign_message message = { "id", 1, "body", 4 };
	char header[SIGN_HEADER_MAX], one[SIGN_HEADER_MAX], other[SIGN_HEADER_MAX];
	char both[2 * SIGN_HEADER_MAX];

	(void)state;
	sign_webhook(&both_keys, &message, header);
	sign_webhook(&one_key, &message, one);
	sign_webhook(&other_key, &message, other);
	snprintf(both, sizeof(both), "%s %s", one, other);
	assert_string_equal(header, both);
	assert_string_not_equal(one, other);
	assert_in_range(strlen(header), 0, SIGN_HEADER_MAX - 1);
	sign_webhook(&no_key, &message, header);
	assert_string_equal(header, "");
}

static void
every_part_of_the_message_counts(void **state)
{
	char first[SIGN_HEADER_MAX];

	(void)state;
	snprintf(first, sizeof(first), "%s", signature("whsec_AAAA", "id", 1, "body", 4));
	assert_string_not_equal(first, signature("whsec_AAAB", "id", 1, "body", 4));
	assert_string_not_equal(first, signature("whsec_AAAA", "iD", 1, "body", 4));
	assert_string_not_equal(first, signature("whsec_AAAA", "id", 2, "body", 4));
	assert_string_not_equal(first, signature("whsec_AAAA", "id", 1, "bodx", 4));
	assert_string_not_equal(first, signature("whsec_AAAA", "id", 1, "body", 3));
	assert_string_equal(first, signature("whsec_AAAA", "id", 1, "body", 4));
}

static void
keys_are_read_from_both_forms(void **state)
{
	struct sign_key k = key("whsec_AAEC/w==");

	(void)state;
	assert_int_equal(k.len, 4);
	assert_memory_equal(k.bytes, "\0\1\2\xff", 4);
	k = key("whsec_AAEC/w");
	assert_int_equal(k.len, 4);
	k = key("AAEC/w==");
	assert_int_equal(k.len, 8);
	assert_memory_equal(k.bytes, "AAEC/w==", 8);
	k = key("WHSEC_AAEC/w==");
	assert_int_equal(k.len, 14);
}

static void
what_is_no_key_is_refused(void **state)
{
	char plain[SIGN_KEY_BYTES_MAX + 2];
	struct sign_key k;

	(void)state;
	assert_int_equal(sign_key_parse(&k, ""), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_"), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_===="), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_A"), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_AA EC"), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_AA-_"), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_whsec_AAAA"), -1);
	memset(plain, 'x', sizeof(plain));
	plain[SIGN_KEY_BYTES_MAX + 1] = '\0';
	assert_int_equal(sign_key_parse(&k, plain), -1);
	plain[SIGN_KEY_BYTES_MAX] = '\0';
	assert_int_equal(sign_key_parse(&k, plain), 0);
	assert_int_equal(k.len, SIGN_KEY_BYTES_MAX);
	/* 129 bytes, and 128. */
	assert_int_equal(sign_key_parse(&k, "whsec_" ZEROS_63 ZEROS_63 "AAAA"), -1);
	assert_int_equal(sign_key_parse(&k, "whsec_" ZEROS_63 ZEROS_63 "AAA"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_of_the_specification_holds),
		cmocka_unit_test(signatures_are_those_of_openssl),
		cmocka_unit_test(each_key_gives_a_signature_of_its_own),
		cmocka_unit_test(every_part_of_the_message_counts),
		cmocka_unit_test(keys_are_read_from_both_forms),
		cmocka_unit_test(what_is_no_key_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
