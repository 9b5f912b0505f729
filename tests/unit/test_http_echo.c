/*
 * What receivers repeat of what they were sent is not kept.
 */
#include "http/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct one {
	const char *known, *text, *left;
};

static void
known_texts_are_hidden_however_they_are_escaped(void **state)
{
	static const struct one all[] = {
		{ "Bearer abcdefgh12", "got Bearer abcdefgh12.", "got *****************." },
		{ "Bearer abcdefgh12", "got abcdefgh12, abcdefgh12", "got **********, **********" },
		{ "aaaabbbb/ccccdddd+ee", "{\"s\": \"aaaabbbb\\/ccccdddd+ee\"}",
		    "{\"s\": \"********\\/********+ee\"}" },
		{ "aaaabbbb/ccccdddd", "aaaabbbb%2Fccccdddd", "********%2F********" },
		{ "my-own-words", "it is my-own-words, I said", "it is ************, I said" },
		{ "short", "short is no secret", "short is no secret" },
		{ "", "nothing", "nothing" },
		{ "abcdefgh", "", "" },
		{ "aaaaaaaa", "aaaaaaaaaaaaaaaaaaaa", "****************aaaa" },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(text, sizeof(text), "%s", all[i].text);
		echo_hide(text, all[i].known);
		assert_string_equal(text, all[i].left);
	}
}

#define SIGNATURE "K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="
#define STARS "********************************************"

static void
signatures_and_secrets_are_known_by_their_form(void **state)
{
	static const struct one all[] = {
		{ "", "webhook-signature: v1," SIGNATURE, "webhook-signature: v1," STARS },
		{ "", "v1," SIGNATURE " v1," SIGNATURE, "v1," STARS " v1," STARS },
		{ "", "v1%2C" SIGNATURE "&x", "v1%2C" STARS "**" },
		{ "", "<b>v1," SIGNATURE "</b>", "<b>v1," STARS "</b>" },
		{ "", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!",
		    "whsec_********************************!" },
		{ "", "use v1,v2 or v1, not whsec_", "use v1,v2 or v1, not whsec_" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(text, sizeof(text), "%s", all[i].text);
		echo_hide_signatures(text);
		assert_string_equal(text, all[i].left);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts_are_hidden_however_they_are_escaped),
		cmocka_unit_test(signatures_and_secrets_are_known_by_their_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
