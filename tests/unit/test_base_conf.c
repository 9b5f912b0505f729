/*
 * Settings: their defaults, their ranges, and the one line that a wrong one gives.
 */
#include "conf_settings.h"

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
	{ "MAX_RETRY_ATTEMPTS", "5", "0", "100", "-1", "101" },
	{ "INITIAL_RETRY_DELAY_MINUTES", "1", "1", "1440", "0", "1441" },
	{ "MAX_RETRY_DELAY_MINUTES", "60", "1", "10080", "0", "10081" },
	{ "EVENT_RETRY_BATCH_SIZE", "10", "1", "1000", "0", "1001" },
	{ "EVENT_MAX_CONCURRENT", "5", "1", "100", "0", "101" },
	{ "EVENT_RETRY_RUN_MAX", "0", "0", "1000000000", "-1", "1000000001" },
	{ "EMAIL_BATCH_SIZE", "20", "1", "100", "0", "101" },
	{ "EMAIL_RUN_MAX", "0", "0", "1000000000", "-1", "1000000001" },
	{ "EVENT_RETENTION_DAYS", "30", "0", "36500", "-1", "36501" },
	{ "WHATSAPP_LOG_RETENTION_DAYS", "30", "0", "36500", "-1", "36501" },
	{ "WHATSAPP_HEALTH_RETENTION_DAYS", "90", "0", "36500", "-1", "36501" },
	{ "WHATSAPP_HEALTH_MAX_CONCURRENT", "64", "1", "256", "0", "257" },
	{ "WHATSAPP_HEALTH_SLOW_MS", "3000", "1", "30000", "0", "30001" },
	{ "SYNC_MAX_CONCURRENT", "32", "1", "256", "0", "257" },
	{ "SYNC_WHOLE_HOURS", "24", "0", "8760", "-1", "8761" },
	{ "RESERVATION_RETENTION_DAYS", "0", "0", "36500", "-1", "36501" },
	{ "EMAIL_RETENTION_DAYS", "30", "0", "36500", "-1", "36501" },
	{ "EXECUTION_RETENTION_DAYS", "30", "1", "36500", "0", "36501" },
	{ "AUDIT_RETENTION_DAYS", "365", "1", "36500", "0", "36501" },
	{ "POOL_WORKERS", "14", "1", "256", "0", "257" },
	{ "POOL_API", "4", "1", "256", "0", "257" },
	{ "POOL_INBOUND", "4", "1", "256", "0", "257" },
	{ "POOL_ASYNC", "2", "1", "256", "0", "257" },
};

static const char *const others[] = { "DATABASE_URL", "DATABASE_PASSWORD_FILE", "ENCRYPTION_KEYS",
	"ENCRYPTION_KEYS_FILE", "APP_URL", "CRON_JOB_ORG_BASE_URL", "APOLLO_BASE_URL",
	"RESEND_BASE_URL", "EMAIL_FROM", "PROCESSOR_DIR", "CRONWARD_REGION", "CRONWARD_ENV",
	"LOG_LEVEL", "WEBHOOK_RETRY_SCHEDULE", "ARCHIVE_MODE", "EGRESS_ALLOW", "EGRESS_CA_FILE",
	"PAYMENT_WEBHOOK_SCHEME", "PAYMENT_WEBHOOK_HEADER", "TELEBIRR_WEBHOOK_SCHEME",
	"TELEBIRR_WEBHOOK_HEADER", "CBE_WEBHOOK_SCHEME", "CBE_WEBHOOK_HEADER",
	"AWASH_WEBHOOK_SCHEME", "AWASH_WEBHOOK_HEADER", "META_APP_ID", "META_BASE_URL",
	"GITHUB_CLIENT_ID", "GITHUB_BASE_URL", "GITHUB_OAUTH_BASE_URL", "NOTION_CLIENT_ID",
	"NOTION_BASE_URL", "SLACK_CLIENT_ID", "SLACK_BASE_URL", "GOOGLE_CLIENT_ID",
	"GOOGLE_BASE_URL", "GOOGLE_OAUTH_BASE_URL" };

/* Each may be in a file; those that others prove may have a predecessor, as well. */
static const char *const keys[] = { "CRON_JOB_ORG_API_KEY", "RESEND_API_KEY",
	"GITHUB_CLIENT_SECRET", "NOTION_CLIENT_SECRET", "SLACK_CLIENT_SECRET",
	"GOOGLE_CLIENT_SECRET" };
static const char *const secrets[] = { "CRON_SECRET", "CRON_JOB_API_KEY", "WORKER_SECRET_TOKEN",
	"META_APP_SECRET", "WHATSAPP_VERIFY_TOKEN", "PAYMENT_WEBHOOK_SECRET",
	"TELEBIRR_WEBHOOK_SECRET", "CBE_WEBHOOK_SECRET", "AWASH_WEBHOOK_SECRET" };

enum {
	NUMBERS = sizeof(numbers) / sizeof(numbers[0]),
	OTHERS = sizeof(others) / sizeof(others[0]),
	KEYS = sizeof(keys) / sizeof(keys[0]),
	SECRETS = sizeof(secrets) / sizeof(secrets[0]),
};

static void
secret_has(const char *name, const char *tail)
{
	char setting[80];
	struct conf_row row;

	snprintf(setting, sizeof(setting), "%s%s", name, tail);
	assert_true(conf_row(NULL, row_of(setting), &row));
	assert_true(row.secret);
	assert_string_equal(row.fallback, "");
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
	for (i = 0; i < KEYS + SECRETS; i++) {
		secret_has(i < KEYS ? keys[i] : secrets[i - KEYS], "");
		secret_has(i < KEYS ? keys[i] : secrets[i - KEYS], "_FILE");
	}
	for (i = 0; i < SECRETS; i++) {
		secret_has(secrets[i], "_PREVIOUS");
		secret_has(secrets[i], "_PREVIOUS_FILE");
	}
	for (i = 0; conf_row(NULL, i, &row); i++) {
		assert_true(row.help[0] != '\0');
		assert_true(row.allowed[0] != '\0');
	}
	assert_int_equal(i, NUMBERS + OTHERS + 2 * KEYS + 4 * SECRETS);
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
	    c.pool_workers * 1000 + c.pool_api * 100 + c.pool_inbound * 10 + c.pool_async, 14442);
	assert_int_equal(
	    c.event_retries_max * 1000 + c.event_retry_first_min * 100 + c.event_retry_max_min,
	    5160);
	assert_int_equal(
	    c.event_batch_size * 1000 + c.event_concurrent_max * 100 + c.email_batch_size, 10520);
	assert_int_equal(c.event_retention_d + c.whatsapp_log_retention_d +
			     c.reservation_retention_d + c.event_run_max + c.email_run_max,
	    30 + 30);
	assert_string_equal(c.resend_url, "https://api.resend.com");
	assert_null(c.email_from);
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
the_most_that_any_worker_asks_for_counts(void **state)
{
	static const char *const names[] = { "WEBHOOK_MAX_CONCURRENT", "JOB_MAX_CONCURRENT",
		"EVENT_MAX_CONCURRENT" };
	struct err e = { .code = ERR_OK };
	struct conf c;

	(void)state;
	assert_int_equal(conf_load(&c, &e), 0);
	assert_int_equal(conf_requests_max(&c), 64);
	conf_finish(&c);
	for (size_t i = 0; i < 3; i++) {
		for (size_t other = 0; other < 3; other++)
			setenv(names[other], other == i ? "77" : "3", 1);
		assert_int_equal(conf_load(&c, &e), 0);
		assert_int_equal(conf_requests_max(&c), 77);
		conf_finish(&c);
	}
}

static void
mail_comes_from_a_mailbox(void **state)
{
	(void)state;
	assert_string_equal(value_of("EMAIL_FROM", "shop@example.com"), "shop@example.com");
	assert_string_equal(
	    value_of("EMAIL_FROM", "Shop <shop@example.com>"), "Shop <shop@example.com>");
	assert_string_equal(value_of("EMAIL_FROM", ""), "");
	refused("EMAIL_FROM", "shop.example.com",
	    "EMAIL_FROM: \"shop.example.com\" has no @; allowed: an address such as "
	    "shop@example.com or Shop <shop@example.com>");
	refused("EMAIL_FROM", "Shop <shop@example.com>\r\nBcc: all@example.com", NULL);
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
		CONF_TEST(the_most_that_any_worker_asks_for_counts),
		CONF_TEST(mail_comes_from_a_mailbox),
		CONF_TEST(an_address_is_scheme_and_host),
		CONF_TEST(shown_values_keep_to_their_room),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
