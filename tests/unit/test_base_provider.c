/*
 * Providers: whom the environment names, how each is said to sign, and that no secret stays there.
 */
#include "base/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define A_TEXT "0123456789abcdef"
#define B_TEXT "fedcba9876543210"
#define LONGEST "A234567890123456789012345678901"

static struct provider all[PROVIDERS_MAX];
static size_t count;

static int
setup(void **state)
{
	(void)state;
	return clearenv();
}

static void
loads(void)
{
	struct err e = { .code = ERR_OK };

	if (provider_load(all, &count, &e) != 0)
		fail_msg("%s", e.message);
}

static void
refused(const char *message)
{
	struct err e = { .code = ERR_OK };

	assert_int_equal(provider_load(all, &count, &e), -1);
	assert_string_equal(e.message, message);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	provider_finish(all, count);
}

static const struct provider *
found(const char *name)
{
	const struct provider *p = provider_find(all, count, name);

	if (!p)
		fail_msg("there is no %s", name);
	return p;
}

static void
some_are_always_there(void **state)
{
	static const struct {
		const char *name;
		enum provider_scheme scheme;
		const char *header, *setting;
	} wanted[PRESET__MAX] = {
		{ "payment", PROVIDER_HMAC_HEX, "x-webhook-signature", "PAYMENT_WEBHOOK_SECRET" },
		{ "telebirr", PROVIDER_HMAC_HEX, "x-webhook-signature", "TELEBIRR_WEBHOOK_SECRET" },
		{ "cbe", PROVIDER_HMAC_HEX, "x-webhook-signature", "CBE_WEBHOOK_SECRET" },
		{ "awash", PROVIDER_HMAC_HEX, "x-webhook-signature", "AWASH_WEBHOOK_SECRET" },
		{ "stripe", PROVIDER_STRIPE, "stripe-signature", "STRIPE_WEBHOOK_SECRET" },
		{ "github", PROVIDER_META, "x-hub-signature-256", "GITHUB_WEBHOOK_SECRET" },
	};

	(void)state;
	loads();
	assert_int_equal(count, PRESET__MAX);
	for (size_t i = 0; i < PRESET__MAX; i++) {
		assert_string_equal(all[i].name, wanted[i].name);
		assert_int_equal(all[i].scheme, wanted[i].scheme);
		assert_string_equal(all[i].header, wanted[i].header);
		assert_string_equal(all[i].setting, wanted[i].setting);
		assert_string_equal(all[i].secret.name, wanted[i].setting);
		assert_int_equal(secret_state(&all[i].secret), SECRET_UNSET);
		assert_false(all[i].is_given);
	}
	provider_finish(all, count);
}

static void
whoever_has_a_setting_is_one(void **state)
{
	(void)state;
	setenv("ZED_WEBHOOK_SECRET", A_TEXT, 1);
	setenv("ZED_WEBHOOK_SECRET_PREVIOUS", B_TEXT, 1);
	setenv("MY_BANK_2_WEBHOOK_SCHEME", "hmac-sha256-base64", 1);
	setenv("MY_BANK_2_WEBHOOK_HEADER", "X-Bank-Sign", 1);
	setenv("SVIX_WEBHOOK_SCHEME", "standard", 1);
	setenv("SVIX_WEBHOOK_HEADER", "Svix-Signature", 1);
	setenv("TELEBIRR_WEBHOOK_SCHEME", "standard", 1);
	setenv(LONGEST "_WEBHOOK_SECRET", A_TEXT, 1);
	loads();
	assert_int_equal(count, PRESET__MAX + 4);
	assert_string_equal(all[PRESET__MAX].name, "a234567890123456789012345678901");
	assert_string_equal(all[PRESET__MAX + 1].name, "my_bank_2");
	assert_string_equal(all[PRESET__MAX + 3].name, "zed");
	assert_int_equal(found("zed")->scheme, PROVIDER_HMAC_HEX);
	assert_string_equal(found("zed")->header, "x-webhook-signature");
	assert_true(secret_matches(&found("zed")->secret, A_TEXT, 16));
	assert_true(secret_matches(&found("zed")->secret, B_TEXT, 16));
	assert_int_equal(found("my_bank_2")->scheme, PROVIDER_HMAC_BASE64);
	assert_string_equal(found("my_bank_2")->header, "x-bank-sign");
	assert_int_equal(secret_state(&found("my_bank_2")->secret), SECRET_UNSET);
	assert_string_equal(found("svix")->header, "svix-signature");
	assert_string_equal(found("telebirr")->header, "webhook-signature");
	assert_true(found("telebirr")->is_given);
	assert_false(found("cbe")->is_given);
	assert_null(provider_find(all, count, "ZED"));
	provider_finish(all, count);
}

static void
secrets_are_wiped(void **state)
{
	static char one[] = "ZED_WEBHOOK_SECRET=" A_TEXT, two[] = "CBE_WEBHOOK_SECRET=" A_TEXT;

	(void)state;
	putenv(one);
	putenv(two);
	loads();
	assert_null(getenv("ZED_WEBHOOK_SECRET"));
	assert_null(getenv("CBE_WEBHOOK_SECRET"));
	assert_string_equal(one + sizeof("ZED_WEBHOOK_SECRET"), "");
	assert_string_equal(two + sizeof("CBE_WEBHOOK_SECRET"), "");
	provider_finish(all, count);
}

static void
what_is_no_setting_of_a_provider_makes_none(void **state)
{
	static const char *const others[] = { "WEBHOOK_SECRET", "_WEBHOOK_SECRET",
		"9_WEBHOOK_SECRET", "zed_WEBHOOK_SECRET", "ZeD_WEBHOOK_SECRET",
		"WEBHOOK_BATCH_SIZE", "WEBHOOK_RETRY_SCHEDULE", "MAX_WEBHOOK_RETRIES",
		"ZED_WEBHOOK_SECRETS", "ZED_WEBHOOK", "ZED_WEBHOOK_SECRET_",
		"ZED_WEBHOOK_SCHEME_FILE", "ZED_WEBHOOK_HEADER_FILE", "ZED-BANK_WEBHOOK_SECRET",
		"ZEDWEBHOOK_SECRET", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(provider_is_setting(others[i]));
		if (*others[i])
			setenv(others[i], A_TEXT, 1);
	}
	setenv("ZED_WEBHOOK_SECRET", "", 1);
	setenv("ZED_WEBHOOK_SCHEME", "", 1);
	loads();
	assert_int_equal(count, PRESET__MAX);
	assert_string_equal(getenv("WEBHOOK_SECRET"), A_TEXT);
	assert_true(provider_is_setting("ZED_WEBHOOK_SECRET_PREVIOUS_FILE"));
	assert_true(provider_is_setting("Z_WEBHOOK_HEADER"));
	provider_finish(all, count);
}

static void
names_are_lower_case(void **state)
{
	(void)state;
	assert_true(provider_is_name("payment"));
	assert_true(provider_is_name("my_bank_2"));
	assert_true(provider_is_name("a234567890123456789012345678901"));
	assert_false(provider_is_name("a2345678901234567890123456789012"));
	assert_false(provider_is_name(""));
	assert_false(provider_is_name("Payment"));
	assert_false(provider_is_name("2pay"));
	assert_false(provider_is_name("_pay"));
	assert_false(provider_is_name("my-bank"));
	assert_false(provider_is_name("pay/ment"));
}

static void
wrong_values_are_named(void **state)
{
	char header[PROVIDER_HEADER_MAX + 1];

	(void)state;
	setenv("ZED_WEBHOOK_SCHEME", "HMAC-SHA256-HEX", 1);
	refused("ZED_WEBHOOK_SCHEME: \"HMAC-SHA256-HEX\" is unknown; allowed: hmac-sha256-hex, "
		"hmac-sha256-base64, standard, stripe or meta");
	unsetenv("ZED_WEBHOOK_SCHEME");
	setenv("ZED_WEBHOOK_HEADER", "X_Sign:\n", 1);
	refused("ZED_WEBHOOK_HEADER: \"X_Sign: \" is no header's name; allowed: up to 63 letters, "
		"digits and hyphens");
	memset(header, 'x', PROVIDER_HEADER_MAX);
	header[PROVIDER_HEADER_MAX] = '\0';
	setenv("ZED_WEBHOOK_HEADER", header, 1);
	refused(
	    "ZED_WEBHOOK_HEADER: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "x\" is too long for a header's name; allowed: up to 63 letters, digits and "
	    "hyphens");
	header[PROVIDER_HEADER_MAX - 1] = '\0';
	setenv("ZED_WEBHOOK_HEADER", header, 1);
	loads();
	assert_string_equal(found("zed")->header, header);
	provider_finish(all, count);
	setenv("ZED_WEBHOOK_SCHEME", "standard", 1);
	setenv("ZED_WEBHOOK_HEADER", "-signature", 1);
	refused("ZED_WEBHOOK_HEADER: \"-signature\" has no -id and -timestamp beside it; allowed "
		"with the scheme standard: a name that ends in -signature");
	setenv("ZED_WEBHOOK_HEADER", "x-signature", 1);
	loads();
	provider_finish(all, count);
}

static void
wrong_files_are_named(void **state)
{
	(void)state;
	setenv("ZED_WEBHOOK_SECRET_FILE", "/no/such", 1);
	refused("ZED_WEBHOOK_SECRET_FILE: \"/no/such\": No such file or directory");
	setenv("ZED_WEBHOOK_SECRET", A_TEXT, 1);
	refused("ZED_WEBHOOK_SECRET and ZED_WEBHOOK_SECRET_FILE are both set; set one");
}

static void
there_are_not_too_many(void **state)
{
	static char last[] = "Z_WEBHOOK_SECRET=" A_TEXT;
	char name[PROVIDER_SETTING_MAX];

	(void)state;
	for (int i = PRESET__MAX; i < PROVIDERS_MAX; i++) {
		snprintf(name, sizeof(name), "P%d_WEBHOOK_SECRET", i);
		setenv(name, A_TEXT, 1);
	}
	loads();
	assert_int_equal(count, PROVIDERS_MAX);
	provider_finish(all, count);
	for (int i = PRESET__MAX; i < PROVIDERS_MAX; i++) {
		snprintf(name, sizeof(name), "P%d_WEBHOOK_SCHEME", i);
		setenv(name, "meta", 1);
	}
	putenv(last);
	refused("Z_WEBHOOK_SECRET: is of one provider too many; allowed: up to 32, with the 6 that "
		"are always there");
	assert_string_equal(last + sizeof("Z_WEBHOOK_SECRET"), "");
}

static void
names_are_not_too_long(void **state)
{
	static char entry[] = LONGEST "B_WEBHOOK_SECRET=" A_TEXT;

	(void)state;
	putenv(entry);
	refused(LONGEST "B_WEBHOOK_SECRET: names a provider by 32 characters; allowed: up to 31");
	assert_string_equal(entry + sizeof(LONGEST "B_WEBHOOK_SECRET"), "");
}

#define PROVIDER_TEST(fn) cmocka_unit_test_setup(fn, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PROVIDER_TEST(some_are_always_there),
		PROVIDER_TEST(whoever_has_a_setting_is_one),
		PROVIDER_TEST(secrets_are_wiped),
		PROVIDER_TEST(what_is_no_setting_of_a_provider_makes_none),
		PROVIDER_TEST(names_are_lower_case),
		PROVIDER_TEST(wrong_values_are_named),
		PROVIDER_TEST(wrong_files_are_named),
		PROVIDER_TEST(there_are_not_too_many),
		PROVIDER_TEST(names_are_not_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
