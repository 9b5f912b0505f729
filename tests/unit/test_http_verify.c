/*
 * Verifying what providers send: against the vectors of GitHub's and Standard Webhooks' pages and
 * values that `openssl dgst -mac HMAC` gave, and all that must not pass for them.
 */
#include "http/verify.h"

#include "http/sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "It's a Secret to Everybody"
#define BEFORE "another secret, before"
#define BODY "Hello, World!"
#define NOW 1700000000

#define HEX "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
#define HEX_BEFORE "7062bf70830022765a98116f185b2617bc3a167c80630a51f6d0e092d486f2fe"
#define BASE64 "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc"
#define TIMED "76c83fd0acdf22faed320674fe8e04d528cfe8a17905e720a9611e40677c03b7"
#define TIMED_BEFORE "28fce6a4647dafd15abe3dbf06c41ff1b7dec25a17361d78cc11b222f4c2597b"
#define STANDARD "v1,quAPC8IoekzpzamzEhmkevIu2nLQeQaFAIIEaYw3C/A="
#define STANDARD_BEFORE "v1,2KVjN4UVzJ450S3HdGQDEPNzYk9VTYRplwcHO9pIRwY="

#define NO_SIGNATURE "has no signature"
#define WRONG "has a signature that does not match"
#define NO_SECONDS "has a timestamp that is no number of seconds"
#define BAD_ID "has an id that is empty, or holds a dot"

enum {
	HEADERS_MAX = 6,
};

/* "name: value", as many as there are. */
struct headers {
	const char *all[HEADERS_MAX];
};

static const char *
header_next(const void *from, const char *name, size_t *position)
{
	const struct headers *headers = from;
	size_t len = strlen(name);

	while (*position < HEADERS_MAX && headers->all[*position]) {
		const char *header = headers->all[(*position)++];

		if (strncmp(header, name, len) == 0 && strncmp(header + len, ": ", 2) == 0)
			return header + len + 2;
	}
	return NULL;
}

static struct provider
provider(enum provider_scheme scheme, const char *secret, const char *previous)
{
	struct provider p = { .name = "x", .scheme = scheme };
	struct err e = { .code = ERR_OK };

	snprintf(p.header, sizeof(p.header), "%s", provider_scheme_header[scheme]);
	setenv("S", secret, 1);
	setenv("S_PREVIOUS", previous, 1);
	assert_int_equal(secret_load(&p.secret, "S", &e), 0);
	return p;
}

/* What is wrong with a body and headers at ${now}; "" for nothing. */
static const char *
fault_at(const struct provider *p, int64_t now, const char *body, struct headers headers)
{
	const struct verify_message message = { header_next, &headers, body, strlen(body), now };
	const char *fault = verify_fault(p, &message);

	return fault ? fault : "";
}

#define HEADERS(...)                                                                               \
	(struct headers)                                                                           \
	{                                                                                          \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define passes(p, ...) assert_string_equal(fault_at(p, NOW, BODY, HEADERS(__VA_ARGS__)), "")
#define refused(p, fault, ...)                                                                     \
	assert_string_equal(fault_at(p, NOW, BODY, HEADERS(__VA_ARGS__)), fault)

static void
hex_is_taken_in_either_case(void **state)
{
	static const char upper[] =
	    "x-webhook-signature: 757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17";
	struct provider p = provider(PROVIDER_HMAC_HEX, SECRET, BEFORE);

	(void)state;
	passes(&p, "x-webhook-signature: " HEX);
	passes(&p, "x-webhook-signature: sha256=" HEX);
	passes(&p, upper);
	passes(&p, "x-webhook-signature: " HEX_BEFORE, "content-type: text/plain");
	refused(&p, NO_SIGNATURE, "x-signature: " HEX);
	refused(&p, WRONG, "x-webhook-signature: ");
	refused(&p, WRONG, "x-webhook-signature: sha256=");
	refused(&p, WRONG, "x-webhook-signature: sha256=sha256=" HEX);
	refused(&p, WRONG, "x-webhook-signature: SHA256=" HEX);
	refused(&p, WRONG, "x-webhook-signature: " HEX "0");
	refused(&p, WRONG, "x-webhook-signature: 0" HEX);
	refused(&p, WRONG, "x-webhook-signature: " HEX ", " HEX);
	refused(&p, WRONG, "x-webhook-signature: " BASE64);
	secret_finish(&p.secret);
}

static void
another_header_is_asked_for(void **state)
{
	struct provider p = provider(PROVIDER_HMAC_HEX, SECRET, "");

	(void)state;
	snprintf(p.header, sizeof(p.header), "x-bank-sign");
	passes(&p, "x-bank-sign: " HEX);
	refused(&p, NO_SIGNATURE, "x-webhook-signature: " HEX);
	refused(&p, WRONG, "x-bank-sign: " HEX_BEFORE);
	secret_finish(&p.secret);
}

static void
base64_is_taken_with_padding_and_without(void **state)
{
	struct provider p = provider(PROVIDER_HMAC_BASE64, SECRET, "");

	(void)state;
	passes(&p, "x-webhook-signature: " BASE64 "=");
	passes(&p, "x-webhook-signature: " BASE64);
	refused(&p, WRONG, "x-webhook-signature: " BASE64 "==");
	refused(&p, WRONG, "x-webhook-signature: " BASE64 "A");
	/* The same bytes to a lenient decoder: 'c' and 'd' differ in bits that stand for nothing.
	 */
	refused(&p, WRONG, "x-webhook-signature: dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhd=");
	refused(&p, WRONG, "x-webhook-signature: dXEH6g6yUJ_CESIczphLijdXC211hsIsRvQ3nIsEPhc=");
	refused(&p, WRONG, "x-webhook-signature: " HEX);
	secret_finish(&p.secret);
}

static void
meta_and_github_have_a_prefix(void **state)
{
	struct provider p = provider(PROVIDER_META, SECRET, "");

	(void)state;
	passes(&p, "x-hub-signature-256: sha256=" HEX);
	refused(&p, WRONG, "x-hub-signature-256: " HEX);
	refused(&p, WRONG, "x-hub-signature-256: sha1=" HEX);
	refused(&p, NO_SIGNATURE, "x-hub-signature: sha256=" HEX);
	assert_string_equal(
	    fault_at(&p, NOW, BODY " ", HEADERS("x-hub-signature-256: sha256=" HEX)), WRONG);
	secret_finish(&p.secret);
}

#define ID "webhook-id: msg_1"
#define TIME "webhook-timestamp: 1700000000"
#define SIGNED "webhook-signature: "

static void
standard_webhooks_are_verified(void **state)
{
	struct provider p = provider(PROVIDER_STANDARD, SECRET, BEFORE);

	(void)state;
	passes(&p, ID, TIME, SIGNED STANDARD);
	passes(&p, ID, TIME, SIGNED STANDARD_BEFORE);
	passes(&p, ID, TIME, SIGNED "v1,AAAA v1a," BASE64 " " STANDARD);
	passes(&p, ID, TIME, SIGNED STANDARD " v2,x ");
	refused(&p, WRONG, ID, TIME, SIGNED "v1a,quAPC8IoekzpzamzEhmkevIu2nLQeQaFAIIEaYw3C/A=");
	refused(&p, WRONG, ID, TIME, SIGNED "quAPC8IoekzpzamzEhmkevIu2nLQeQaFAIIEaYw3C/A=");
	refused(&p, WRONG, ID, TIME, SIGNED "v1,");
	refused(&p, WRONG, ID, TIME, SIGNED " ");
	refused(&p, WRONG, "webhook-id: msg_2", TIME, SIGNED STANDARD);
	refused(&p, WRONG, ID, "webhook-timestamp: 1700000001", SIGNED STANDARD);
	refused(&p, WRONG, ID, "webhook-timestamp: 01700000000", SIGNED STANDARD);
	refused(&p, "has no id", TIME, SIGNED STANDARD);
	refused(&p, "has no timestamp", ID, SIGNED STANDARD);
	refused(&p, NO_SIGNATURE, ID, TIME);
	secret_finish(&p.secret);
}

static void
the_vector_of_the_specification_holds(void **state)
{
	static const char body[] = "{\"test\": 2432232314}";
	const struct headers headers = { { "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
	    "webhook-timestamp: 1614265330",
	    "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" } };
	struct provider p =
	    provider(PROVIDER_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "");

	(void)state;
	assert_string_equal(fault_at(&p, 1614265330, body, headers), "");
	assert_string_equal(fault_at(&p, 1614265330 + VERIFY_AGE_MAX_S, body, headers), "");
	assert_string_equal(fault_at(&p, 1614265330 - VERIFY_AGE_MAX_S, body, headers), "");
	assert_string_equal(fault_at(&p, 1614265330 + VERIFY_AGE_MAX_S + 1, body, headers),
	    "was signed more than 300 s ago");
	assert_string_equal(fault_at(&p, 1614265330 - VERIFY_AGE_MAX_S - 1, body, headers),
	    "was signed more than 300 s in the future");
	secret_finish(&p.secret);
}

/* What stands behind a dot could be passed off for the timestamp, and the rest for the body. */
static void
ids_have_no_dot(void **state)
{
	struct provider p = provider(PROVIDER_STANDARD, SECRET, "");
	const struct sign_message sent = { "msg_1", 1600000000, "1700000000.evil", 15 };
	char signature[VERIFY_SIGNATURE_MAX], header[sizeof(SIGNED) + VERIFY_SIGNATURE_MAX];

	(void)state;
	assert_int_equal(verify_sign(&p, &sent, signature), 0);
	snprintf(header, sizeof(header), SIGNED "%s", signature);
	assert_string_equal(
	    fault_at(&p, NOW, "evil", HEADERS("webhook-id: msg_1.1600000000", TIME, header)),
	    BAD_ID);
	refused(&p, BAD_ID, "webhook-id: ", TIME, SIGNED STANDARD);
	secret_finish(&p.secret);
}

static void
the_family_of_headers_may_have_another_name(void **state)
{
	struct provider p = provider(PROVIDER_STANDARD, SECRET, "");

	(void)state;
	snprintf(p.header, sizeof(p.header), "svix-signature");
	passes(&p, "svix-id: msg_1", "svix-timestamp: 1700000000", "svix-signature: " STANDARD);
	refused(&p, NO_SIGNATURE, ID, TIME, SIGNED STANDARD);
	refused(&p, "has no id", ID, TIME, "svix-signature: " STANDARD);
	secret_finish(&p.secret);
}

static void
stripe_signs_with_a_time(void **state)
{
	struct provider p = provider(PROVIDER_STRIPE, SECRET, BEFORE);

	(void)state;
	passes(&p, "stripe-signature: t=1700000000,v1=" TIMED);
	passes(&p, "stripe-signature: v0=x,v1=" HEX ",v1=" TIMED ",t=1700000000,,a,b=c=d");
	passes(&p, "stripe-signature: t=1700000000,v1=" TIMED_BEFORE);
	refused(&p, WRONG, "stripe-signature: t=1700000000,v1=" HEX);
	refused(&p, WRONG, "stripe-signature: t=1700000000,v0=" TIMED);
	refused(&p, WRONG, "stripe-signature: t=1700000000");
	refused(&p, WRONG, "stripe-signature: t=1700000001,v1=" TIMED);
	refused(&p, "has no timestamp", "stripe-signature: v1=" TIMED);
	refused(&p, "has no timestamp", "stripe-signature: ");
	refused(&p, "has two timestamps", "stripe-signature: t=1700000000,t=1700000000,v1=" TIMED);
	refused(&p, NO_SIGNATURE, "x-stripe-signature: t=1700000000,v1=" TIMED);
	assert_string_equal(
	    fault_at(&p, NOW + 301, BODY, HEADERS("stripe-signature: t=1700000000,v1=" TIMED)),
	    "was signed more than 300 s ago");
	secret_finish(&p.secret);
}

static void
timestamps_are_digits(void **state)
{
	static const char *const wrong[] = { "", " ", "-1", "+1700000000", " 1700000000",
		"1700000000 ", "1700000000.0", "1.7e9", "0x6553f100", "now", "17000000000000000000",
		"99999999999999999999", "000000000000000000000000001700000000" };
	struct provider standard = provider(PROVIDER_STANDARD, SECRET, "");
	struct provider stripe = provider(PROVIDER_STRIPE, SECRET, "");

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char time[80], field[160];

		snprintf(time, sizeof(time), "webhook-timestamp: %s", wrong[i]);
		snprintf(field, sizeof(field), "stripe-signature: t=%s,v1=%s", wrong[i], TIMED);
		refused(&standard, NO_SECONDS, ID, time, SIGNED STANDARD);
		refused(&stripe, NO_SECONDS, field);
	}
	secret_finish(&standard.secret);
	secret_finish(&stripe.secret);
}

static void
what_is_there_twice_is_refused(void **state)
{
	static const char *const signature[PROVIDER_SCHEME__MAX] = {
		"x-webhook-signature: " HEX,
		"x-webhook-signature: " BASE64,
		SIGNED STANDARD,
		"stripe-signature: t=1700000000,v1=" TIMED,
		"x-hub-signature-256: sha256=" HEX,
	};

	(void)state;
	for (int scheme = 0; scheme < PROVIDER_SCHEME__MAX; scheme++) {
		struct provider p = provider((enum provider_scheme)scheme, SECRET, "");

		passes(&p, ID, TIME, signature[scheme]);
		refused(&p, "has two headers with a signature", ID, TIME, signature[scheme],
		    signature[scheme]);
		if (scheme == PROVIDER_STANDARD) {
			refused(&p, "has two ids", ID, ID, TIME, signature[scheme]);
			refused(&p, "has two timestamps", ID, TIME, TIME, signature[scheme]);
		}
		secret_finish(&p.secret);
	}
}

static void
without_a_key_nothing_passes(void **state)
{
	static const char no_key[] =
	    "cannot be verified: there is no secret that is a key of this scheme";
	/* HMAC with an empty key: what an unset secret would have to be. */
	static const char empty_key[] =
	    "x-webhook-signature: "
	    "2bbcfa9524f3218c7a34b30e6936f8b1a4516cb097f1a85a1c7d98b5977ec769";
	struct provider unset = provider(PROVIDER_HMAC_HEX, "", "");
	struct provider tiny = provider(PROVIDER_HMAC_HEX, "fifteen letters", "");
	struct provider broken = provider(PROVIDER_STANDARD, "whsec_not+base64!!!", "");
	const struct sign_message message = { "msg_1", NOW, BODY, strlen(BODY) };
	char signature[VERIFY_SIGNATURE_MAX];

	(void)state;
	refused(&unset, no_key, empty_key);
	refused(&tiny, no_key, "x-webhook-signature: " HEX);
	refused(&broken, no_key, ID, TIME, SIGNED STANDARD);
	assert_int_equal(verify_sign(&unset, &message, signature), -1);
	assert_int_equal(verify_sign(&tiny, &message, signature), -1);
	assert_int_equal(verify_sign(&broken, &message, signature), -1);
	secret_finish(&unset.secret);
	secret_finish(&tiny.secret);
	secret_finish(&broken.secret);
}

static void
what_is_made_is_what_is_sent(void **state)
{
	static const char *const wanted[PROVIDER_SCHEME__MAX] = { HEX, BASE64 "=", STANDARD,
		"t=1700000000,v1=" TIMED, "sha256=" HEX };
	const struct sign_message message = { "msg_1", NOW, BODY, strlen(BODY) };
	const struct sign_message longest = { "msg_1", INT64_MIN, BODY, strlen(BODY) };
	char signature[VERIFY_SIGNATURE_MAX];

	(void)state;
	for (int scheme = 0; scheme < PROVIDER_SCHEME__MAX; scheme++) {
		struct provider p = provider((enum provider_scheme)scheme, SECRET, BEFORE);

		assert_int_equal(verify_sign(&p, &message, signature), 0);
		assert_string_equal(signature, wanted[scheme]);
		assert_int_equal(verify_sign(&p, &longest, signature), 0);
		assert_in_range(strlen(signature), 40, VERIFY_SIGNATURE_MAX - 2);
		secret_finish(&p.secret);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_is_taken_in_either_case),
		cmocka_unit_test(another_header_is_asked_for),
		cmocka_unit_test(base64_is_taken_with_padding_and_without),
		cmocka_unit_test(meta_and_github_have_a_prefix),
		cmocka_unit_test(standard_webhooks_are_verified),
		cmocka_unit_test(the_vector_of_the_specification_holds),
		cmocka_unit_test(ids_have_no_dot),
		cmocka_unit_test(the_family_of_headers_may_have_another_name),
		cmocka_unit_test(stripe_signs_with_a_time),
		cmocka_unit_test(timestamps_are_digits),
		cmocka_unit_test(what_is_there_twice_is_refused),
		cmocka_unit_test(without_a_key_nothing_passes),
		cmocka_unit_test(what_is_made_is_what_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
