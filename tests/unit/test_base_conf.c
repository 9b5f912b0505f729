/*
 * Settings: their defaults, their ranges, and the one line that a wrong one gives.
 */
#include "base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/cronward-conf-XXXXXX";

/* Names, defaults and ranges as they were asked for; written down a second time on purpose. */
static const struct {
	const char *name, *fallback;
	const char *min, *max, *below, *above;
} numbers[] = {
	{ "RUN_BUDGET_S", "20", "1", "3600", "0", "3601" },
	{ "ASYNC_BUDGET_S", "300", "1", "3600", "0", "3601" },
	{ "PROCESS_REQUESTS_MAX", "10000", "0", "1000000000", "-1", "1000000001" },
	{ "MAX_WEBHOOK_RETRIES", "5", "0", "100", "-1", "101" },
	{ "WEBHOOK_RETRY_BACKOFF_BASE", "2", "1", "3600", "0", "3601" },
	{ "WEBHOOK_TIMEOUT_S", "10", "1", "30", "0", "31" },
	{ "WEBHOOK_BATCH_SIZE", "500", "1", "10000", "0", "10001" },
	{ "WEBHOOK_MAX_CONCURRENT", "64", "1", "1000", "0", "1001" },
	{ "WEBHOOK_HOST_CONCURRENT", "16", "1", "1000", "0", "1001" },
	{ "WEBHOOK_DISABLE_AFTER_HOURS", "120", "0", "8760", "-1", "8761" },
	{ "WEBHOOK_RUN_MAX", "0", "0", "1000000000", "-1", "1000000001" },
	{ "NOTIFICATION_EXPIRY_BATCH_SIZE", "1000", "1", "100000", "0", "100001" },
	{ "NOTIFICATION_EXPIRY_RUN_MAX", "0", "0", "1000000000", "-1", "1000000001" },
	{ "DATA_ARCHIVAL_BATCH_SIZE", "10000", "1", "100000", "0", "100001" },
	{ "DATA_ARCHIVAL_RUN_MAX", "0", "0", "1000000000", "-1", "1000000001" },
	{ "RETENTION_DAYS", "90", "1", "36500", "0", "36501" },
	{ "DELIVERY_RETENTION_DAYS", "90", "1", "36500", "0", "36501" },
	{ "ARCHIVE_RETENTION_DAYS", "0", "0", "36500", "-1", "36501" },
	{ "JOB_RETENTION_DAYS", "30", "0", "36500", "-1", "36501" },
	{ "JOB_LOG_RETENTION_DAYS", "30", "0", "36500", "-1", "36501" },
	{ "JOB_MAX_CONCURRENT", "5", "1", "1000", "0", "1001" },
	{ "JOB_POLL_INTERVAL_S", "0", "0", "3600", "-1", "3601" },
	{ "JOB_TIMEOUT_S", "10", "1", "3600", "0", "3601" },
	{ "JOB_CALLBACK_S", "900", "10", "86400", "9", "86401" },
	{ "JOB_RUN_MAX", "0", "0", "1000000000", "-1", "1000000001" },
	{ "VENDOR_TIMEOUT_S", "10", "1", "30", "0", "31" },
	{ "EMAIL_RETENTION_DAYS", "30", "0", "36500", "-1", "36501" },
	{ "EXECUTION_RETENTION_DAYS", "30", "1", "36500", "0", "36501" },
	{ "AUDIT_RETENTION_DAYS", "365", "1", "36500", "0", "36501" },
	{ "POOL_WORKERS", "12", "1", "256", "0", "257" },
	{ "POOL_API", "4", "1", "256", "0", "257" },
	{ "POOL_INBOUND", "4", "1", "256", "0", "257" },
	{ "POOL_ASYNC", "2", "1", "256", "0", "257" },
};

static const char *const others[] = { "DATABASE_URL", "DATABASE_PASSWORD_FILE", "ENCRYPTION_KEYS",
	"ENCRYPTION_KEYS_FILE", "APP_URL", "CRON_JOB_ORG_API_KEY", "CRON_JOB_ORG_API_KEY_FILE",
	"CRON_JOB_ORG_BASE_URL", "CRON_SECRET", "CRON_SECRET_FILE", "CRON_SECRET_PREVIOUS",
	"CRON_SECRET_PREVIOUS_FILE", "CRON_JOB_API_KEY", "CRON_JOB_API_KEY_FILE",
	"CRON_JOB_API_KEY_PREVIOUS", "CRON_JOB_API_KEY_PREVIOUS_FILE", "WORKER_SECRET_TOKEN",
	"WORKER_SECRET_TOKEN_FILE", "WORKER_SECRET_TOKEN_PREVIOUS",
	"WORKER_SECRET_TOKEN_PREVIOUS_FILE", "APOLLO_BASE_URL", "PROCESSOR_DIR", "CRONWARD_REGION",
	"CRONWARD_ENV", "LOG_LEVEL", "WEBHOOK_RETRY_SCHEDULE", "ARCHIVE_MODE", "EGRESS_ALLOW",
	"EGRESS_CA_FILE" };

enum {
	NUMBERS = sizeof(numbers) / sizeof(numbers[0]),
	OTHERS = sizeof(others) / sizeof(others[0]),
};

static int
group_setup(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int
group_teardown(void **state)
{
	(void)state;
	return unlink(file);
}

static int
setup(void **state)
{
	struct conf_row row;
	size_t i;

	(void)state;
	for (i = 0; conf_row(NULL, i, &row); i++)
		unsetenv(row.name);
	return 0;
}

static void
write_file(const char *bytes, size_t len)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static size_t
row_of(const char *name)
{
	struct conf_row row;
	size_t i;

	for (i = 0; conf_row(NULL, i, &row); i++)
		if (strcmp(row.name, name) == 0)
			return i;
	fail_msg("there is no setting %s", name);
	return 0;
}

/* The value in force after ${name} was set to ${value}; must load. */
static const char *
value_of(const char *name, const char *value)
{
	static char shown[2048];
	struct err e = { .code = ERR_OK };
	struct conf c;

	if (value)
		setenv(name, value, 1);
	if (conf_load(&c, &e) != 0)
		fail_msg("%s=%s: %s", name, value ? value : "(unset)", e.message);
	conf_value(&c, row_of(name), shown, sizeof(shown));
	conf_finish(&c);
	unsetenv(name);
	return shown;
}

/* Sets ${name} to ${value} and wants exactly ${message}. */
static void
refused(const char *name, const char *value, const char *message)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	setenv(name, value, 1);
	if (conf_load(&c, &e) != -1)
		fail_msg("%s=%s was taken", name, value);
	conf_finish(&c);
	unsetenv(name);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	if (message)
		assert_string_equal(e.message, message);
	else /* the name, then the fault */
		assert_int_equal(strncmp(e.message, name, strlen(name)), 0);
}

static void
the_table_is_complete(void **state)
{
	struct conf_row row;
	size_t i;

	(void)state;
	for (i = 0; i < NUMBERS; i++) {
		assert_true(conf_row(NULL, row_of(numbers[i].name), &row));
		assert_string_equal(row.fallback, numbers[i].fallback);
		assert_false(row.secret);
	}
	for (i = 0; i < OTHERS; i++)
		row_of(others[i]);
	for (i = 0; conf_row(NULL, i, &row); i++) {
		assert_true(row.help[0] != '\0');
		assert_true(row.allowed[0] != '\0');
	}
	assert_int_equal(i, NUMBERS + OTHERS);
	assert_false(conf_row(NULL, i, &row));
	assert_false(conf_row(NULL, SIZE_MAX, &row));
}

static void
numbers_keep_their_ranges(void **state)
{
	char message[200];
	size_t i;

	(void)state;
	for (i = 0; i < NUMBERS; i++) {
		const char *name = numbers[i].name;

		assert_string_equal(value_of(name, NULL), numbers[i].fallback);
		assert_string_equal(value_of(name, ""), numbers[i].fallback);
		assert_string_equal(value_of(name, numbers[i].min), numbers[i].min);
		assert_string_equal(value_of(name, numbers[i].max), numbers[i].max);
		refused(name, numbers[i].below, NULL);
		snprintf(message, sizeof(message), "%s: \"%s\" is out of range; allowed: %s-%s",
		    name, numbers[i].above, numbers[i].min, numbers[i].max);
		refused(name, numbers[i].above, message);
	}
}

static void
wrong_numbers_are_named(void **state)
{
	(void)state;
	refused("WEBHOOK_TIMEOUT_S", "ten",
	    "WEBHOOK_TIMEOUT_S: \"ten\" is not a whole number; allowed: 1-30");
	refused(
	    "RUN_BUDGET_S", "20s", "RUN_BUDGET_S: \"20s\" is not a whole number; allowed: 1-3600");
	refused(
	    "RUN_BUDGET_S", " 20", "RUN_BUDGET_S: \" 20\" is not a whole number; allowed: 1-3600");
	refused("RUN_BUDGET_S", "99999999999999999999",
	    "RUN_BUDGET_S: \"99999999999999999999\" is out of range; allowed: 1-3600");
	refused("RUN_BUDGET_S", "\x1b[31m\n",
	    "RUN_BUDGET_S: \" [31m \" is not a whole number; allowed: 1-3600");
}

static void
defaults_reach_their_fields(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	assert_int_equal(conf_load(&c, &e), 0);
	assert_int_equal(c.run_budget_s, 20);
	assert_int_equal(c.async_budget_s, 300);
	assert_int_equal(c.process_requests_max, 10000);
	assert_int_equal(c.webhook_retries_max, 5);
	assert_int_equal(c.webhook_backoff_base, 2);
	assert_int_equal(c.webhook_timeout_s, 10);
	assert_int_equal(c.webhook_batch_size, 500);
	assert_int_equal(c.webhook_concurrent_max, 64);
	assert_int_equal(c.webhook_host_concurrent_max, 16);
	assert_int_equal(c.webhook_disable_after_h, 120);
	assert_int_equal(c.expiry_batch_size, 1000);
	assert_int_equal(c.archival_batch_size, 10000);
	assert_int_equal(c.retention_d, 90);
	assert_int_equal(
	    c.delivery_retention_d + c.execution_retention_d + c.audit_retention_d, 90 + 30 + 365);
	assert_int_equal(c.archive_retention_d, 0);
	assert_int_equal(c.job_retention_d + c.email_retention_d, 30 + 30);
	assert_int_equal(
	    c.pool_workers * 1000 + c.pool_api * 100 + c.pool_inbound * 10 + c.pool_async, 12442);
	assert_int_equal(c.webhook_run_max + c.expiry_run_max + c.archival_run_max, 0);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(c.archive_mode, ARCHIVE_ARCHIVE);
	assert_int_equal(c.webhook_schedule_count + (int64_t)c.egress_allow_count, 0);
	assert_null(c.egress_ca_file);
	assert_null(c.database_url);
	assert_null(c.database_password_file);
	assert_null(c.app_url);
	assert_int_equal(c.keyring.count, 0);
	conf_finish(&c);
}

static void
words_are_their_enums(void **state)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	struct err e = { .code = ERR_OK };
	struct conf c;
	size_t i;

	(void)state;
	for (i = 0; i < LOG__MAX; i++) {
		setenv("LOG_LEVEL", levels[i], 1);
		setenv("ARCHIVE_MODE", "delete", 1);
		assert_int_equal(conf_load(&c, &e), 0);
		assert_int_equal(c.log_level, i);
		assert_int_equal(c.archive_mode, ARCHIVE_DELETE);
		conf_finish(&c);
		assert_string_equal(value_of("LOG_LEVEL", levels[i]), levels[i]);
	}
	refused("LOG_LEVEL", "Info",
	    "LOG_LEVEL: \"Info\" is unknown; allowed: error, warn, info or debug");
	refused("ARCHIVE_MODE", "both",
	    "ARCHIVE_MODE: \"both\" is unknown; allowed: archive or delete");
}

static void
a_schedule_says_how_many_retries(void **state)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	setenv("WEBHOOK_RETRY_SCHEDULE", "5s,5m,30m,2h,5h,10h,10h", 1);
	assert_int_equal(conf_load(&c, &e), 0);
	assert_int_equal(c.webhook_retries_max, 7);
	conf_finish(&c);
	assert_string_equal(value_of("MAX_WEBHOOK_RETRIES", "3"), "3");
}

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
an_address_is_scheme_and_host(void **state)
{
	static const char *const wrong[] = { "example.com", "ftp://example.com", "https://",
		"https:///", "https://h/path", "https://me@h", "https://h?x", "https://h h" };

	(void)state;
	assert_string_equal(
	    value_of("APP_URL", "https://cron.example.com:8443/"), "https://cron.example.com:8443");
	assert_string_equal(value_of("APP_URL", "http://127.0.0.1:3000"), "http://127.0.0.1:3000");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char message[200];

		snprintf(message, sizeof(message),
		    "APP_URL: \"%s\" is not scheme and host; allowed: scheme and host such as "
		    "https://cron.example.com",
		    wrong[i]);
		refused("APP_URL", wrong[i], message);
	}
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
	setenv("RUN_BUDGET_S", "never", 1);
	assert_int_equal(conf_load(&c, &e), -1);
	assert_string_equal(
	    e.message, "CRON_JOB_API_KEY_FILE: \"/no/such\": No such file or directory");
	assert_null(getenv("CRON_SECRET"));
	assert_null(getenv("DATABASE_URL"));
	conf_finish(&c);
}

static void
shown_values_keep_to_their_room(void **state)
{
	struct err e = { .code = ERR_OK };
	char to[4] = "xyz";
	struct conf c;

	(void)state;
	assert_int_equal(conf_load(&c, &e), 0);
	assert_string_equal(conf_value(&c, row_of("PROCESS_REQUESTS_MAX"), to, 3), "10");
	assert_string_equal(conf_value(&c, row_of("PROCESS_REQUESTS_MAX"), to, 0), "10");
	assert_string_equal(conf_value(&c, SIZE_MAX, to, sizeof(to)), "");
	conf_finish(&c);
}

#define CONF_TEST(fn) cmocka_unit_test_setup(fn, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONF_TEST(the_table_is_complete),
		CONF_TEST(numbers_keep_their_ranges),
		CONF_TEST(wrong_numbers_are_named),
		CONF_TEST(defaults_reach_their_fields),
		CONF_TEST(words_are_their_enums),
		CONF_TEST(a_schedule_says_how_many_retries),
		CONF_TEST(the_database_url_is_checked_and_wiped),
		CONF_TEST(files_are_read_or_named),
		CONF_TEST(an_address_is_scheme_and_host),
		CONF_TEST(keys_show_their_ids_alone),
		CONF_TEST(secrets_show_their_state_alone),
		CONF_TEST(the_api_key_falls_back),
		CONF_TEST(one_fault_wipes_the_rest_all_the_same),
		CONF_TEST(shown_values_keep_to_their_room),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
