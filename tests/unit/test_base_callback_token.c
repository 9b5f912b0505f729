/*
 * Callback tokens: the form that the header promises, and good for one claim of one job alone.
 */
#include "base/callback_token.h"
#include "base/crypto.h"
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JOB "0198a000-0000-7000-8000-00000000000a"
#define CLAIM "6f1c1cf4-6b1c-4f0e-9c39-5f3c1d1f8a10"
#define OTHER "6f1c1cf4-6b1c-4f0e-9c39-5f3c1d1f8a11"

static struct secret
secret_of(char *current, char *previous)
{
	return (struct secret){
		.name = "T",
		.current = { .value = current, .len = current ? strlen(current) : 0 },
		.previous = { .value = previous, .len = previous ? strlen(previous) : 0 },
	};
}

static bool
matches(const struct secret *s, const char *job, const char *claim, const char *given)
{
	return callback_token_matches(s, job, claim, given, strlen(given));
}

/* Made by hand, with openssl's command. */
static void
a_token_is_what_the_header_promises(void **state)
{
	const struct secret s = secret_of((char[]){ "a secret of 16 or more" }, NULL);
	char token[CALLBACK_TOKEN_MAX];

	(void)state;
	assert_true(callback_token_make(&s, JOB, CLAIM, token));
	assert_string_equal(token, CLAIM ".UmPFJ4EaJaiB7f3kxlxvzQ7Dmfo_WMDaOApIbxe_RPg");
}

static void
a_token_is_good_for_its_job_and_claim_alone(void **state)
{
	const struct secret s = secret_of((char[]){ "a secret of 16 or more" }, NULL);
	char token[CALLBACK_TOKEN_MAX], changed[CALLBACK_TOKEN_MAX], claim[CRYPTO_UUID_TEXT_MAX];

	(void)state;
	assert_true(callback_token_make(&s, JOB, CLAIM, token));
	assert_int_equal(strlen(token), 36 + 1 + 43);
	assert_true(matches(&s, JOB, CLAIM, token));
	assert_false(matches(&s, JOB, OTHER, token));
	assert_false(matches(&s, OTHER, CLAIM, token));
	assert_false(matches(&s, CLAIM, JOB, token));
	assert_false(matches(&s, JOB, CLAIM, ""));
	assert_false(matches(&s, JOB, CLAIM, CLAIM));
	assert_true(callback_token_claim(&s, JOB, token, strlen(token), claim));
	assert_string_equal(claim, CLAIM);
	assert_false(callback_token_claim(&s, OTHER, token, strlen(token), claim));
	assert_false(callback_token_claim(&s, JOB, CLAIM, strlen(CLAIM), claim));
	assert_false(callback_token_claim(&s, JOB, token + 37, strlen(token + 37), claim));
	for (size_t i = 0; i <= strlen(token); i++)
		assert_int_equal(callback_token_claim(&s, JOB, token, i, claim), token[i] == '\0');
	for (size_t i = 0; i < strlen(token); i++) {
		memcpy(changed, token, sizeof(changed));
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_false(matches(&s, JOB, CLAIM, changed));
		assert_false(callback_token_claim(&s, JOB, changed, strlen(changed), claim));
	}
	assert_false(callback_token_matches(&s, JOB, CLAIM, token, strlen(token) - 1));
}

static void
a_rotation_leaves_the_tokens_that_are_out_there(void **state)
{
	const struct secret before = secret_of((char[]){ "the old secret, long" }, NULL);
	const struct secret during =
	    secret_of((char[]){ "the new secret, long" }, (char[]){ "the old secret, long" });
	const struct secret after = secret_of((char[]){ "the new secret, long" }, NULL);
	char old[CALLBACK_TOKEN_MAX], new[CALLBACK_TOKEN_MAX];

	(void)state;
	assert_true(callback_token_make(&before, JOB, CLAIM, old));
	assert_true(callback_token_make(&during, JOB, CLAIM, new));
	assert_string_not_equal(old, new);
	assert_true(matches(&during, JOB, CLAIM, old));
	assert_true(matches(&during, JOB, CLAIM, new));
	assert_false(matches(&after, JOB, CLAIM, old));
	assert_true(matches(&after, JOB, CLAIM, new));
}

static void
without_a_secret_there_is_no_token(void **state)
{
	const struct secret none = secret_of(NULL, NULL);
	const struct secret brief = secret_of((char[]){ "fifteen charact" }, NULL);
	const struct secret retired = secret_of(NULL, (char[]){ "a secret of 16 or more" });
	char token[CALLBACK_TOKEN_MAX];

	(void)state;
	assert_false(callback_token_make(&none, JOB, CLAIM, token));
	assert_string_equal(token, "");
	assert_false(callback_token_make(&brief, JOB, CLAIM, token));
	assert_false(callback_token_make(&retired, JOB, CLAIM, token));
	assert_false(matches(&none, JOB, CLAIM, ""));
	assert_false(matches(&brief, JOB, CLAIM, ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_what_the_header_promises),
		cmocka_unit_test(a_token_is_good_for_its_job_and_claim_alone),
		cmocka_unit_test(a_rotation_leaves_the_tokens_that_are_out_there),
		cmocka_unit_test(without_a_secret_there_is_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
