/*
 * conf_table - the rows of the table of settings, in the order in which they are shown.
 *
 * A new setting is a row here and a field in include/base/conf.h.
 */
#include "base/conf.h"
#include "base/conf_kind.h"

static const char *const conf_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const conf_modes[] = { "archive", "delete", NULL };

const char *const conf_secret_name[SECRET__MAX] = {
	[SECRET_CRON_JOB_API_KEY] = "CRON_JOB_API_KEY",
	[SECRET_WORKER_TOKEN] = "WORKER_SECRET_TOKEN",
	[SECRET_CRON_SECRET] = "CRON_SECRET",
	[SECRET_CRON_JOB_ORG] = "CRON_JOB_ORG_API_KEY",
	[SECRET_RESEND] = "RESEND_API_KEY",
	[SECRET_META_APP] = "META_APP_SECRET",
	[SECRET_WHATSAPP_VERIFY] = "WHATSAPP_VERIFY_TOKEN",
	[SECRET_GITHUB_CLIENT] = "GITHUB_CLIENT_SECRET",
	[SECRET_NOTION_CLIENT] = "NOTION_CLIENT_SECRET",
	[SECRET_SLACK_CLIENT] = "SLACK_CLIENT_SECRET",
	[SECRET_GOOGLE_CLIENT] = "GOOGLE_CLIENT_SECRET",
};

#define CONF_NUMBER(name_, field_, fallback_, min_, max_, help_)                                   \
	{                                                                                          \
		.name = (name_), .kind = &conf_number, .fallback = (fallback_),                    \
		.allowed = #min_ "-" #max_, .help = (help_),                                       \
		.offset = offsetof(struct conf, field_), .min = (min_), .max = (max_)              \
	}

#define CONF_WORD(name_, field_, fallback_, words_, allowed_, help_)                               \
	{                                                                                          \
		.name = (name_), .kind = &conf_word, .fallback = (fallback_),                      \
		.allowed = (allowed_), .help = (help_), .offset = offsetof(struct conf, field_),   \
		.words = (words_)                                                                  \
	}

#define CONF_OTHER(name_, kind_, field_, allowed_, help_)                                          \
	{                                                                                          \
		.name = (name_), .kind = &(kind_), .fallback = "", .allowed = (allowed_),          \
		.help = (help_), .offset = offsetof(struct conf, field_)                           \
	}

#define CONF_ADDRESS(name_, field_, fallback_, help_)                                              \
	{                                                                                          \
		.name = (name_), .kind = &conf_address, .fallback = (fallback_),                   \
		.allowed = "scheme and host such as https://api.example.com", .help = (help_),     \
		.offset = offsetof(struct conf, field_)                                            \
	}

#define CONF_LABEL(name_, field_, fallback_, help_)                                                \
	{                                                                                          \
		.name = (name_), .kind = &conf_label, .fallback = (fallback_),                     \
		.allowed = "up to 64 letters, digits and ._-", .help = (help_),                    \
		.offset = offsetof(struct conf, field_), .max = 64                                 \
	}

#define CONF_CLIENT(name_, field_, help_)                                                          \
	{                                                                                          \
		.name = (name_), .kind = &conf_label, .fallback = "",                              \
		.allowed = "up to 256 letters, digits and ._-", .help = (help_),                   \
		.offset = offsetof(struct conf, field_), .max = 256                                \
	}

#define CONF_HIDDEN(name_, kind_, field_, allowed_, help_)                                         \
	{                                                                                          \
		.name = (name_), .kind = &(kind_), .fallback = "", .allowed = (allowed_),          \
		.help = (help_), .offset = offsetof(struct conf, field_), .secret = true           \
	}

#define CONF_SECRET_ALLOWED "16-4096 characters"

#define CONF_KEY(name_, field_, allowed_, help_)                                                   \
	CONF_HIDDEN(name_, conf_secret_text, field_, allowed_, help_),                             \
	    CONF_HIDDEN(name_ "_FILE", conf_secret_file, field_, "a readable file",                \
		"file with " name_ ", read again when it changes")

#define CONF_ROTATED(name_, current_, previous_, help_)                                            \
	CONF_KEY(name_, current_, CONF_SECRET_ALLOWED, help_),                                     \
	    CONF_HIDDEN(name_ "_PREVIOUS", conf_secret_text, previous_, CONF_SECRET_ALLOWED,       \
		"accepted as well while " name_ " is rotated"),                                    \
	    CONF_HIDDEN(name_ "_PREVIOUS_FILE", conf_secret_file, previous_, "a readable file",    \
		"file with " name_ "_PREVIOUS, read again when it changes")

#define CONF_SECRET(name_, which_, help_)                                                          \
	CONF_ROTATED(name_, secrets[which_].current, secrets[which_].previous, help_)

/* Who we are to a vendor that refreshes tokens. */
#define CONF_OAUTH(name_, field_, which_, vendor_)                                                 \
	CONF_CLIENT(name_ "_CLIENT_ID", field_,                                                    \
	    "what " vendor_ " calls your application; without it and its secret tokens of "        \
	    "" vendor_ " are not refreshed"),                                                      \
	    CONF_KEY(name_ "_CLIENT_SECRET", secrets[which_].current, "8-4096 characters",         \
		"what your application proves to " vendor_ " when it refreshes tokens")

/* provider_load() reads these, and has the defaults; those here are for people. */
#define CONF_PROVIDED(name_, kind_, field_, fallback_, allowed_, help_)                            \
	{                                                                                          \
		.name = (name_), .kind = &(kind_), .fallback = (fallback_), .allowed = (allowed_), \
		.help = (help_), .offset = offsetof(struct conf, field_),                          \
		.words = provider_scheme_name                                                      \
	}

#define CONF_PROVIDER(name_, which_, scheme_, header_, route_)                                     \
	CONF_ROTATED(name_ "_WEBHOOK_SECRET", providers[which_].secret.current,                    \
	    providers[which_].secret.previous, "what events of " route_ " are signed with"),       \
	    CONF_PROVIDED(name_ "_WEBHOOK_SCHEME", conf_scheme, providers[which_].scheme, scheme_, \
		PROVIDER_SCHEMES_ALLOWED, "how events of " route_ " are signed"),                  \
	    CONF_PROVIDED(name_ "_WEBHOOK_HEADER", conf_header, providers[which_].header, header_, \
		PROVIDER_HEADER_ALLOWED,                                                           \
		"header of the signature of events of " route_ "; that of the scheme when unset")

#define CONF_PRESET(name_, which_, route_)                                                         \
	CONF_PROVIDER(name_, which_, "hmac-sha256-hex", "x-webhook-signature", route_)

const struct conf_setting conf_settings[] = {
	CONF_HIDDEN("DATABASE_URL", conf_url, database_url, "a libpq connection string or URI",
	    "where PostgreSQL is; may name several hosts and TLS modes"),
	CONF_HIDDEN("DATABASE_PASSWORD_FILE", conf_password, database_password_file,
	    "a readable file",
	    "file with the password for DATABASE_URL, read with each connection"),
	CONF_SECRET("CRON_SECRET", SECRET_CRON_SECRET, "what callers of the cron routes prove"),
	CONF_SECRET("CRON_JOB_API_KEY", SECRET_CRON_JOB_API_KEY,
	    "what callers of /api/workers prove; CRON_SECRET when unset"),
	CONF_SECRET("WORKER_SECRET_TOKEN", SECRET_WORKER_TOKEN,
	    "what callers of /api/jobs prove; CRON_SECRET when unset"),

	CONF_HIDDEN("ENCRYPTION_KEYS", conf_keys, keyring, "id:base64-of-32-bytes, newest first",
	    "keys of sealed secrets, separated by commas or line ends"),
	CONF_HIDDEN("ENCRYPTION_KEYS_FILE", conf_keys_file, keyring, "a readable file",
	    "file with ENCRYPTION_KEYS, read again when it changes"),
	CONF_OTHER("APP_URL", conf_address, app_url,
	    "scheme and host such as https://cron.example.com",
	    "where callers reach this service; for `cronward doctor`, `cronward callers` and jobs "
	    "that call back"),
	CONF_LABEL("CRONWARD_REGION", region, "local",
	    "where this service runs; GET /api/jobs/worker tells it"),
	CONF_LABEL("CRONWARD_ENV", env, "production",
	    "what this service is for; GET /api/jobs/worker tells it"),
	CONF_KEY("CRON_JOB_ORG_API_KEY", secrets[SECRET_CRON_JOB_ORG].current, CONF_SECRET_ALLOWED,
	    "key of cron-job.org's API; for `cronward callers cron-job.org`"),
	CONF_ADDRESS("CRON_JOB_ORG_BASE_URL", cron_job_org_url, "https://api.cron-job.org",
	    "where cron-job.org's API is"),
	CONF_NUMBER("RUN_BUDGET_S", run_budget_s, "20", 1, 3600,
	    "seconds from a call's arrival until it starts no more items"),
	CONF_NUMBER("ASYNC_BUDGET_S", async_budget_s, "300", 1, 3600,
	    "the same for calls with Prefer: respond-async"),
	CONF_NUMBER("PROCESS_REQUESTS_MAX", process_requests_max, "10000", 0, 1000000000,
	    "calls after which a pool process makes room for a new one; 0: never"),
	CONF_WORD("LOG_LEVEL", log_level, "info", conf_levels, "error, warn, info or debug",
	    "what is logged, and what is worse"),

	CONF_NUMBER("MAX_WEBHOOK_RETRIES", webhook_retries_max, "5", 0, 100,
	    "tries of a delivery after the first one"),
	CONF_NUMBER("WEBHOOK_RETRY_BACKOFF_BASE", webhook_backoff_base, "2", 1, 3600,
	    "retry n waits this to the power of n, in seconds"),
	CONF_OTHER("WEBHOOK_RETRY_SCHEDULE", conf_schedule, webhook_schedule_s,
	    "up to 32 times of 1s-30d such as 5s,5m,30m,2h",
	    "waits between tries, instead of the base; as many retries unless MAX_WEBHOOK_RETRIES "
	    "is set"),
	CONF_NUMBER("WEBHOOK_TIMEOUT_S", webhook_timeout_s, "10", 1, 30,
	    "seconds that a receiver has for its reply"),
	CONF_NUMBER("WEBHOOK_BATCH_SIZE", webhook_batch_size, "500", 1, 10000,
	    "deliveries claimed at once"),
	CONF_NUMBER("WEBHOOK_MAX_CONCURRENT", webhook_concurrent_max, "64", 1, 1000,
	    "deliveries in the air at once, of a run"),
	CONF_NUMBER("WEBHOOK_HOST_CONCURRENT", webhook_host_concurrent_max, "16", 1, 1000,
	    "deliveries in the air at once, to one host"),
	CONF_NUMBER("WEBHOOK_DISABLE_AFTER_HOURS", webhook_disable_after_h, "120", 0, 8760,
	    "hours of nothing but failures that disable an endpoint; 0: never"),
	CONF_NUMBER("WEBHOOK_RUN_MAX", webhook_run_max, "0", 0, 1000000000,
	    "deliveries tried by one run; 0: no cap"),

	CONF_NUMBER("JOB_MAX_CONCURRENT", job_concurrent_max, "5", 1, 1000,
	    "jobs under way at once, of a run"),
	CONF_NUMBER("JOB_POLL_INTERVAL_S", job_poll_interval_s, "0", 0, 3600,
	    "a run that has drained its queues looks again after so many seconds, until its budget "
	    "is used up; 0: it ends"),
	CONF_NUMBER("JOB_TIMEOUT_S", job_timeout_s, "10", 1, 3600,
	    "seconds that a try of a job may take where neither the job nor its type says more"),
	CONF_NUMBER("JOB_CALLBACK_S", job_callback_s, "900", 10, 86400,
	    "seconds that a job's processor has, after a 202 and after each progress, to call "
	    "back"),
	CONF_NUMBER(
	    "JOB_RUN_MAX", job_run_max, "0", 0, 1000000000, "jobs tried by one run; 0: no cap"),
	CONF_OTHER("PROCESSOR_DIR", conf_folder, processor_dir,
	    "an absolute path of a folder that not everybody may write to",
	    "where the plug-ins are that carry out jobs (cronward/processor.h); unset: there are "
	    "none"),
	CONF_NUMBER("VENDOR_TIMEOUT_S", vendor_timeout_s, "10", 1, 30,
	    "seconds that a vendor's API has for its reply"),
	CONF_ADDRESS(
	    "APOLLO_BASE_URL", apollo_url, "https://api.apollo.io", "where Apollo.io's API is"),

	CONF_PRESET("PAYMENT", PRESET_PAYMENT, "/api/payments/webhook"),
	CONF_PRESET("TELEBIRR", PRESET_TELEBIRR, "/api/payments/webhook/telebirr"),
	CONF_PRESET("CBE", PRESET_CBE, "/api/payments/webhook/cbe"),
	CONF_PRESET("AWASH", PRESET_AWASH, "/api/payments/webhook/awash"),
	CONF_SECRET("META_APP_SECRET", SECRET_META_APP,
	    "what Meta signs the events of /api/whatsapp/webhook with, and knows META_APP_ID by"),
	CONF_SECRET("WHATSAPP_VERIFY_TOKEN", SECRET_WHATSAPP_VERIFY,
	    "what Meta proves when it asks whether /api/whatsapp/webhook is yours"),
	CONF_NUMBER("MAX_RETRY_ATTEMPTS", event_retries_max, "5", 0, 100,
	    "tries of an inbound event after the first one"),
	CONF_NUMBER("INITIAL_RETRY_DELAY_MINUTES", event_retry_first_min, "1", 1, 1440,
	    "minutes from an inbound event's first failure to its first retry; each wait is twice "
	    "the last"),
	CONF_NUMBER("MAX_RETRY_DELAY_MINUTES", event_retry_max_min, "60", 1, 10080,
	    "minutes that no wait for an inbound event's next try exceeds"),
	CONF_NUMBER("EVENT_RETRY_BATCH_SIZE", event_batch_size, "10", 1, 1000,
	    "inbound events claimed at once"),
	CONF_NUMBER("EVENT_MAX_CONCURRENT", event_concurrent_max, "5", 1, 100,
	    "inbound events under way at once, of a run"),
	CONF_NUMBER("EVENT_RETRY_RUN_MAX", event_run_max, "0", 0, 1000000000,
	    "inbound events tried by one run; 0: no cap"),

	CONF_KEY("RESEND_API_KEY", secrets[SECRET_RESEND].current, "8-4096 characters",
	    "key of Resend's API, through which mail goes"),
	CONF_OTHER("EMAIL_FROM", conf_mailbox, email_from,
	    "an address such as shop@example.com or Shop <shop@example.com>",
	    "who mail comes from"),
	CONF_NUMBER("EMAIL_BATCH_SIZE", email_batch_size, "20", 1, 100,
	    "mails claimed at once, and sent with one request"),
	CONF_NUMBER("EMAIL_RUN_MAX", email_run_max, "0", 0, 1000000000,
	    "mails tried by one run; 0: no cap"),
	CONF_ADDRESS(
	    "RESEND_BASE_URL", resend_url, "https://api.resend.com", "where Resend's API is"),

	CONF_CLIENT("META_APP_ID", meta_app_id,
	    "what Meta calls your application; with META_APP_SECRET, tokens are asked about in "
	    "its name, else each in its own"),
	CONF_ADDRESS(
	    "META_BASE_URL", meta_url, "https://graph.facebook.com", "where Meta's Graph API is"),
	CONF_NUMBER("WHATSAPP_HEALTH_MAX_CONCURRENT", health_concurrent_max, "64", 1, 256,
	    "WhatsApp connections checked at once"),
	CONF_NUMBER("WHATSAPP_HEALTH_SLOW_MS", health_slow_ms, "3000", 1, 30000,
	    "milliseconds from which on an answer of Meta's is a warning"),

	CONF_NUMBER("SYNC_MAX_CONCURRENT", sync_concurrent_max, "32", 1, 256,
	    "integrations synced at once, each with one request"),
	CONF_NUMBER("SYNC_WHOLE_HOURS", sync_whole_h, "24", 0, 8760,
	    "hours after which what a vendor lists is read as a whole again, which finds what was "
	    "deleted there where the vendor does not say; 0: only on resync"),
	CONF_OAUTH("GITHUB", github_client_id, SECRET_GITHUB_CLIENT, "GitHub"),
	CONF_ADDRESS(
	    "GITHUB_BASE_URL", github_url, "https://api.github.com", "where GitHub's API is"),
	CONF_ADDRESS("GITHUB_OAUTH_BASE_URL", github_oauth_url, "https://github.com",
	    "where GitHub refreshes tokens"),
	CONF_OAUTH("NOTION", notion_client_id, SECRET_NOTION_CLIENT, "Notion"),
	CONF_ADDRESS(
	    "NOTION_BASE_URL", notion_url, "https://api.notion.com", "where Notion's API is"),
	CONF_OAUTH("SLACK", slack_client_id, SECRET_SLACK_CLIENT, "Slack"),
	CONF_ADDRESS("SLACK_BASE_URL", slack_url, "https://slack.com", "where Slack's API is"),
	CONF_OAUTH("GOOGLE", google_client_id, SECRET_GOOGLE_CLIENT, "Google"),
	CONF_ADDRESS("GOOGLE_BASE_URL", google_url, "https://www.googleapis.com",
	    "where Google Calendar's API is"),
	CONF_ADDRESS("GOOGLE_OAUTH_BASE_URL", google_oauth_url, "https://oauth2.googleapis.com",
	    "where Google refreshes tokens"),

	CONF_NUMBER("NOTIFICATION_EXPIRY_BATCH_SIZE", expiry_batch_size, "1000", 1, 100000,
	    "notifications expired by one statement"),
	CONF_NUMBER("NOTIFICATION_EXPIRY_RUN_MAX", expiry_run_max, "0", 0, 1000000000,
	    "notifications expired by one run; 0: no cap"),

	CONF_NUMBER("DATA_ARCHIVAL_BATCH_SIZE", archival_batch_size, "10000", 1, 100000,
	    "rows moved or deleted by one statement"),
	CONF_NUMBER("DATA_ARCHIVAL_RUN_MAX", archival_run_max, "0", 0, 1000000000,
	    "rows moved or deleted by one run; 0: no cap"),
	CONF_WORD("ARCHIVE_MODE", archive_mode, "archive", conf_modes, "archive or delete",
	    "whether old events and notifications are kept in archive tables"),
	CONF_NUMBER("RETENTION_DAYS", retention_d, "90", 1, 36500,
	    "days that events and notifications stay in their tables"),
	CONF_NUMBER("DELIVERY_RETENTION_DAYS", delivery_retention_d, "90", 1, 36500,
	    "days that ended deliveries stay; their attempts go by whole weeks"),
	CONF_NUMBER("ARCHIVE_RETENTION_DAYS", archive_retention_d, "0", 0, 36500,
	    "days that events and notifications stay in their archives; 0: for ever"),
	CONF_NUMBER("JOB_RETENTION_DAYS", job_retention_d, "30", 0, 36500,
	    "days that jobs stay after their end; 0: for ever"),
	CONF_NUMBER("JOB_LOG_RETENTION_DAYS", job_log_retention_d, "30", 0, 36500,
	    "days that the log lines of jobs stay; 0: for ever"),
	CONF_NUMBER("EMAIL_RETENTION_DAYS", email_retention_d, "30", 0, 36500,
	    "days that mail stays in the queue when it was sent or given up; 0: for ever"),
	CONF_NUMBER("EVENT_RETENTION_DAYS", event_retention_d, "30", 0, 36500,
	    "days that inbound events stay when they were processed or given up; 0: for ever"),
	CONF_NUMBER("WHATSAPP_LOG_RETENTION_DAYS", whatsapp_log_retention_d, "30", 0, 36500,
	    "the same for events of WhatsApp"),
	CONF_NUMBER("WHATSAPP_HEALTH_RETENTION_DAYS", whatsapp_health_retention_d, "90", 0, 36500,
	    "days that the results of WhatsApp's health checks stay; 0: for ever"),
	CONF_NUMBER("RESERVATION_RETENTION_DAYS", reservation_retention_d, "0", 0, 36500,
	    "days that holds stay when they were released or expired; 0: for ever"),
	CONF_NUMBER("EXECUTION_RETENTION_DAYS", execution_retention_d, "30", 1, 36500,
	    "days that the executions of runs stay, and the counts of refused calls"),
	CONF_NUMBER("AUDIT_RETENTION_DAYS", audit_retention_d, "365", 1, 36500,
	    "days that the acts of operators stay on record"),

	CONF_OTHER("EGRESS_ALLOW", conf_egress, egress_allow,
	    "up to 32 addresses or CIDRs such as 10.0.0.0/8,::1",
	    "private addresses that outgoing calls may reach all the same"),
	CONF_OTHER("EGRESS_CA_FILE", conf_path, egress_ca_file, "a readable PEM file",
	    "certificates that outgoing calls trust; the system's when unset"),

	CONF_NUMBER("POOL_WORKERS", pool_workers, "14", 1, 256,
	    "processes for worker calls; by default the number of workers and 4 more"),
	CONF_NUMBER("POOL_API", pool_api, "4", 1, 256, "processes for short reads"),
	CONF_NUMBER("POOL_INBOUND", pool_inbound, "4", 1, 256,
	    "processes for inbound events; up to two of them handle what came while the others "
	    "read, so 3 or more"),
	CONF_NUMBER("POOL_ASYNC", pool_async, "2", 1, 256,
	    "processes for calls with Prefer: respond-async"),
};

const size_t conf_settings_count = sizeof(conf_settings) / sizeof(conf_settings[0]);

/* Of a provider that is not in the table: the first one's, under a name that stands for any. */
const struct conf_setting conf_provider_settings[] = {
	CONF_PROVIDER(CONF_NAME, 0, "", "", "this provider"),
};

const size_t conf_provider_settings_count =
    sizeof(conf_provider_settings) / sizeof(conf_provider_settings[0]);

/* What the messages and the table say. */
_Static_assert(SECRET_LENGTH_MIN == 16 && SECRET_LENGTH_LEAST == 8, "say so in the table");
