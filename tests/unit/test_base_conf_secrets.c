/*
 * Settings that are secrets, and those that are in files: what is read, shown and wiped.
 */
#include "conf_settings.h"

static void
the_database_url_is_checked_and_wiped(void **state)
{
	static char entry[] = "DATABASE_URL=postgresql://u:hunter2@h/db";
	struct err e = { .code = ERR_OK };
	struct conf c;
	size_t i;

	(void)state;
	putenv(entry);
	assert_int_equal(conf_load(&c, &e), 0);
	assert_string_equal(c.database_url, "postgresql://u:hunter2@h/db");
	assert_null(getenv("DATABASE_URL"));
	for (i = strlen("DATABASE_URL="); i < sizeof(entry); i++)
		assert_int_equal(entry[i], '\0');
	conf_finish(&c);
	assert_null(c.database_url);
	assert_string_equal(value_of("DATABASE_URL", "host=/run/postgresql dbname=x"), "set");
	assert_string_equal(value_of("DATABASE_URL", ""), "unset");
	refused("DATABASE_URL", "postgresql://u:hunter2@h/db?nonsense=1",
	    "DATABASE_URL: is not a libpq connection string or URI");
	refused("DATABASE_URL", "password=hunter2 hunter3",
	    "DATABASE_URL: is not a libpq connection string or URI");
}

static void
files_are_read_or_named(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret_text text;
	char message[200];
	struct conf c;

	(void)state;
	write_file(" pass word \r\n\n", 14);
	setenv("DATABASE_PASSWORD_FILE", file, 1);
	setenv("EGRESS_CA_FILE", file, 1);
	assert_int_equal(conf_load(&c, &e), 0);
	assert_string_equal(conf_database_password(&c, &text, &e), " pass word ");
	assert_string_equal(c.egress_ca_file, file);
	write_file("another", 7);
	assert_string_equal(conf_database_password(&c, &text, &e), "another");
	write_file("", 0);
	assert_string_equal(conf_database_password(&c, &text, &e), "");
	unlink(file);
	assert_null(conf_database_password(&c, &text, &e));
	snprintf(message, sizeof(message),
	    "DATABASE_PASSWORD_FILE: \"%s\": No such file or directory", file);
	assert_string_equal(e.message, message);
	conf_finish(&c);
	write_file("password", 8);
	assert_string_equal(value_of("DATABASE_PASSWORD_FILE", file), "set");
	assert_string_equal(value_of("EGRESS_CA_FILE", file), file);
	refused("DATABASE_PASSWORD_FILE", "/no/such",
	    "DATABASE_PASSWORD_FILE: \"/no/such\": No such file or directory");
	refused("EGRESS_CA_FILE", "/no/such",
	    "EGRESS_CA_FILE: \"/no/such\": No such file or directory");
	refused("EGRESS_CA_FILE", "/tmp", "EGRESS_CA_FILE: \"/tmp\": Is a directory");
	write_file("a\0b", 3);
	snprintf(message, sizeof(message), "DATABASE_PASSWORD_FILE: \"%s\": holds a NUL", file);
	refused("DATABASE_PASSWORD_FILE", file, message);
}

static void
keys_show_their_ids_alone(void **state)
{
	static const char ring[] = "k2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"
				   "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

	(void)state;
	assert_string_equal(value_of("ENCRYPTION_KEYS", ring), "set: k2 k1");
	assert_string_equal(value_of("ENCRYPTION_KEYS", ""), "unset");
	write_file(ring, sizeof(ring) - 1);
	assert_string_equal(value_of("ENCRYPTION_KEYS_FILE", file), "set: k2 k1");
	refused("ENCRYPTION_KEYS", "k1:short",
	    "ENCRYPTION_KEYS: key 1 is not 32 bytes in base64 (make one with `openssl rand -base64 "
	    "32`); allowed: id:base64-of-32-bytes, newest first");
}

static void
secrets_show_their_state_alone(void **state)
{
	(void)state;
	assert_string_equal(value_of("CRON_SECRET", "0123456789abcdef"), "set");
	assert_string_equal(value_of("CRON_SECRET", "0123456789abcde"), "too short");
	assert_string_equal(value_of("CRON_SECRET", NULL), "unset");
	write_file("0123456789abcdef", 16);
	assert_string_equal(value_of("CRON_JOB_API_KEY_PREVIOUS_FILE", file), "set");
	setenv("CRON_SECRET_FILE", file, 1);
	assert_string_equal(value_of("CRON_SECRET", NULL), "unset");
	refused("CRON_SECRET", "0123456789abcdef",
	    "CRON_SECRET and CRON_SECRET_FILE are both set; set one");
}

static void
a_key_of_an_issuer_may_be_shorter(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	assert_string_equal(value_of("RESEND_API_KEY", "re_mock_key"), "set");
	assert_string_equal(value_of("RESEND_API_KEY", "12345678"), "set");
	assert_string_equal(value_of("RESEND_API_KEY", "1234567"), "too short");
	assert_string_equal(value_of("CRON_JOB_ORG_API_KEY", "0123456789abcde"), "too short");
	assert_string_equal(value_of("META_APP_SECRET", "0123456789abcde"), "too short");
	write_file("re_mock_key\n", 12);
	assert_string_equal(value_of("RESEND_API_KEY_FILE", file), "set");
	setenv("RESEND_API_KEY", "re_mock_key", 1);
	assert_int_equal(conf_load(&c, &e), 0);
	assert_true(secret_matches(conf_secret(&c, SECRET_RESEND), "re_mock_key", 11));
	conf_finish(&c);
}

static void
providers_are_settings(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf_row row;
	struct conf c;
	char shown[80];
	size_t last;

	(void)state;
	assert_string_equal(value_of("CBE_WEBHOOK_SECRET", "0123456789abcdef"), "set");
	assert_string_equal(value_of("CBE_WEBHOOK_SCHEME", "stripe"), "stripe");
	assert_string_equal(value_of("CBE_WEBHOOK_HEADER", "X-CBE"), "x-cbe");
	assert_string_equal(value_of("PAYMENT_WEBHOOK_HEADER", NULL), "x-webhook-signature");
	refused("AWASH_WEBHOOK_SCHEME", "hmac",
	    "AWASH_WEBHOOK_SCHEME: \"hmac\" is unknown; allowed: " PROVIDER_SCHEMES_ALLOWED);
	/* Those that the table does not name come behind it, where they have a setting. */
	setenv("ZED_WEBHOOK_SECRET", "0123456789abcdef", 1);
	setenv("STRIPE_WEBHOOK_SECRET", "short", 1);
	assert_int_equal(conf_load(&c, &e), 0);
	for (last = 0; conf_row(NULL, last, &row);)
		last++;
	assert_true(conf_row(&c, last, &row));
	assert_string_equal(row.name, "STRIPE_WEBHOOK_SECRET");
	assert_true(row.secret);
	assert_string_equal(conf_value(&c, last, shown, sizeof(shown)), "too short");
	assert_true(conf_row(&c, last + 4, &row));
	assert_string_equal(row.name, "STRIPE_WEBHOOK_SCHEME");
	assert_string_equal(conf_value(&c, last + 4, shown, sizeof(shown)), "stripe");
	assert_true(conf_row(&c, last + 11, &row));
	assert_string_equal(row.name, "ZED_WEBHOOK_HEADER");
	assert_string_equal(conf_value(&c, last + 11, shown, sizeof(shown)), "x-webhook-signature");
	assert_false(conf_row(&c, last + 12, &row));
	assert_string_equal(conf_value(&c, last + 12, shown, sizeof(shown)), "");
	assert_non_null(conf_provider(&c, "github"));
	assert_null(conf_provider(&c, "zed_"));
	conf_finish(&c);
}

static void
a_providers_file_is_read_again(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	write_file("0123456789abcdef", 16);
	setenv("ZED_WEBHOOK_SECRET_FILE", file, 1);
	assert_int_equal(conf_load(&c, &e), 0);
	unsetenv("ZED_WEBHOOK_SECRET_FILE");
	write_file("fedcba9876543210", 16);
	assert_true(secret_matches(&conf_provider(&c, "zed")->secret, "fedcba9876543210", 16));
	conf_finish(&c);
}

static void
the_api_key_falls_back(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	setenv("CRON_SECRET", "0123456789abcdef", 1);
	assert_int_equal(conf_load(&c, &e), 0);
	assert_ptr_equal(conf_secret(&c, SECRET_CRON_JOB_API_KEY), &c.secrets[SECRET_CRON_SECRET]);
	conf_finish(&c);
	/* A key that is too short closes its routes; it does not open them to another secret. */
	setenv("CRON_SECRET", "0123456789abcdef", 1);
	setenv("CRON_JOB_API_KEY", "short", 1);
	assert_int_equal(conf_load(&c, &e), 0);
	assert_ptr_equal(
	    conf_secret(&c, SECRET_CRON_JOB_API_KEY), &c.secrets[SECRET_CRON_JOB_API_KEY]);
	assert_ptr_equal(conf_secret(&c, SECRET_CRON_SECRET), &c.secrets[SECRET_CRON_SECRET]);
	conf_finish(&c);
	/* Files are read again on the way. */
	write_file("0123456789abcdef", 16);
	setenv("CRON_SECRET_FILE", file, 1);
	assert_int_equal(conf_load(&c, &e), 0);
	write_file("fedcba9876543210", 16);
	assert_true(
	    secret_matches(conf_secret(&c, SECRET_CRON_JOB_API_KEY), "fedcba9876543210", 16));
	conf_finish(&c);
}

static void
one_fault_wipes_the_rest_all_the_same(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	setenv("CRON_JOB_API_KEY_FILE", "/no/such", 1);
	setenv("CRON_SECRET", "0123456789abcdef", 1);
	setenv("DATABASE_URL", "host=h", 1);
	setenv("ZED_WEBHOOK_SECRET", "0123456789abcdef", 1);
	setenv("RUN_BUDGET_S", "never", 1);
	assert_int_equal(conf_load(&c, &e), -1);
	assert_string_equal(
	    e.message, "CRON_JOB_API_KEY_FILE: \"/no/such\": No such file or directory");
	assert_null(getenv("CRON_SECRET"));
	assert_null(getenv("DATABASE_URL"));
	assert_null(getenv("ZED_WEBHOOK_SECRET"));
	conf_finish(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONF_TEST(the_database_url_is_checked_and_wiped),
		CONF_TEST(files_are_read_or_named),
		CONF_TEST(keys_show_their_ids_alone),
		CONF_TEST(secrets_show_their_state_alone),
		CONF_TEST(a_key_of_an_issuer_may_be_shorter),
		CONF_TEST(providers_are_settings),
		CONF_TEST(a_providers_file_is_read_again),
		CONF_TEST(the_api_key_falls_back),
		CONF_TEST(one_fault_wipes_the_rest_all_the_same),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
