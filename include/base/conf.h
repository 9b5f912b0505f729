/*
 * conf - the settings: one table is the one source of names, defaults, ranges and help.
 *
 * `cronward config` prints the table, README's table is checked against it, and a value that
 * does not parse stops the program with its name, its fault and what is allowed.
 */
#ifndef CRONWARD_BASE_CONF_H
#define CRONWARD_BASE_CONF_H

#include "base/err.h"
#include "base/keyring.h"
#include "base/log.h"
#include "base/provider.h"
#include "base/secret.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What callers prove that they know, of which each route names one; then what no caller does. */
enum conf_secret {
	SECRET_CRON_JOB_API_KEY, /* falls back to CRON_SECRET when unset */
	SECRET_WORKER_TOKEN,     /* likewise */
	SECRET_CRON_SECRET,
	SECRET_CRON_JOB_ORG,    /* what we prove to cron-job.org's API */
	SECRET_RESEND,          /* what we prove to Resend's; may have SECRET_LENGTH_LEAST alone */
	SECRET_META_APP,        /* what Meta signs its events with */
	SECRET_WHATSAPP_VERIFY, /* what Meta proves when it asks whether this address is ours */
	/* What we prove when tokens are refreshed; these may have SECRET_LENGTH_LEAST, too. */
	SECRET_GITHUB_CLIENT,
	SECRET_NOTION_CLIENT,
	SECRET_SLACK_CLIENT,
	SECRET_GOOGLE_CLIENT,
	SECRET__MAX
};

/* The settings that hold them. */
extern const char *const conf_secret_name[SECRET__MAX];

enum {
	CONF_SCHEDULE_MAX = 32,
	CONF_EGRESS_MAX = 32,
};

enum archive_mode { ARCHIVE_ARCHIVE, ARCHIVE_DELETE, ARCHIVE__MAX };

/* An address range; IPv4 ranges stand in their IPv4-mapped form, so there is one comparison. */
struct conf_cidr {
	struct in6_addr address;
	unsigned prefix_bits; /* 0-128 */
};

struct conf {
	char *database_url;
	char *app_url;          /* "https://host" without a slash at its end; NULL: not known */
	char *cron_job_org_url; /* of its API, in the same form */
	char *apollo_url;       /* likewise */
	char *resend_url;       /* likewise */
	char *meta_url, *github_url, *notion_url, *slack_url, *google_url; /* likewise */
	char *github_oauth_url, *google_oauth_url; /* where their tokens are refreshed */
	/* Of the applications whose tokens we hold; NULL: not known. */
	char *meta_app_id, *github_client_id, *notion_client_id, *slack_client_id,
	    *google_client_id;
	char *email_from;   /* "a@b.example" or "Name <a@b.example>"; NULL: none */
	char *region, *env; /* where this runs, as GET /api/jobs/worker tells; NULL: not said */
	char *database_password_file; /* NULL: there is none */
	struct secret secrets[SECRET__MAX];
	struct provider providers[PROVIDERS_MAX];
	size_t providers_count; /* the presets, then the others by their names */
	struct keyring keyring; /* of sealed secrets */

	int64_t run_budget_s;
	int64_t async_budget_s;
	int64_t process_requests_max; /* a pool process ends after that many calls; 0: never */
	enum log_level log_level;

	int64_t webhook_retries_max;
	int64_t webhook_backoff_base;
	int64_t webhook_schedule_s[CONF_SCHEDULE_MAX];
	int64_t webhook_schedule_count; /* 0: the base decides */
	int64_t webhook_timeout_s;
	int64_t webhook_batch_size;
	int64_t webhook_concurrent_max;
	int64_t webhook_host_concurrent_max;
	int64_t webhook_disable_after_h;
	int64_t webhook_run_max; /* 0: no cap; so are the other _run_max */

	int64_t job_concurrent_max;
	int64_t job_poll_interval_s; /* 0: a run ends when all is drained */
	int64_t job_timeout_s;       /* of a try, where neither job nor type says one */
	int64_t job_callback_s;      /* after a 202, and after each sign of progress */
	int64_t job_run_max;
	char *processor_dir; /* of plug-ins; NULL: there are none */
	int64_t vendor_timeout_s;

	int64_t event_retries_max;
	int64_t event_retry_first_min, event_retry_max_min; /* minutes */
	int64_t event_batch_size;
	int64_t event_concurrent_max;
	int64_t event_run_max;

	int64_t email_batch_size; /* mails of one request, too */
	int64_t email_run_max;

	int64_t health_concurrent_max;
	int64_t health_slow_ms;
	int64_t sync_concurrent_max;
	int64_t sync_whole_h; /* 0: never again */

	int64_t expiry_batch_size;
	int64_t expiry_run_max;

	int64_t archival_batch_size;
	int64_t archival_run_max;
	enum archive_mode archive_mode;
	int64_t retention_d;
	int64_t delivery_retention_d;
	int64_t archive_retention_d; /* 0: for ever; so are those down to reservations' */
	int64_t job_retention_d;
	int64_t job_log_retention_d;
	int64_t email_retention_d;
	int64_t event_retention_d;
	int64_t whatsapp_log_retention_d;
	int64_t whatsapp_health_retention_d;
	int64_t reservation_retention_d;
	int64_t execution_retention_d;
	int64_t audit_retention_d;

	struct conf_cidr egress_allow[CONF_EGRESS_MAX];
	size_t egress_allow_count;
	char *egress_ca_file; /* NULL: the system's certificates */

	/* For the scripts that start the pools; parsed here so that a typo is found. */
	int64_t pool_workers;
	int64_t pool_api;
	int64_t pool_inbound;
	int64_t pool_async;
};

/*
 * Reads every setting from the environment and wipes the secrets there.
 * 0, or -1 with ${e} set to one line: name, what is wrong with the value (never a secret's
 * value), what is allowed.  conf_finish() is to be called either way.
 */
int conf_load(struct conf *c, struct err *e);
void conf_finish(struct conf *c);

/* The requests that any worker may have in the air at once. */
unsigned conf_requests_max(const struct conf *c);

/* The secret that ${which} falls back to where it is unset, else itself; files read again. */
struct secret *conf_secret(struct conf *c, enum conf_secret which);
/* The same, as it was last read. */
const struct secret *conf_secret_as_read(const struct conf *c, enum conf_secret which);

/*
 * The provider ${name}, its secret's files read again; NULL: there is none.  One that is always
 * there has a secret that is unset until somebody sets it.
 */
struct provider *conf_provider(struct conf *c, const char *name);

/* The key ring, its file read again where it changed. */
const struct keyring *conf_keyring(struct conf *c);

/*
 * The password for DATABASE_URL from its file, read anew: "" where there is none.
 * In ${text}, which is to be wiped; or NULL with ${e}.
 */
const char *conf_database_password(const struct conf *c, struct secret_text *text, struct err *e);

/* One row of the table as text, for `cronward config` and for the check of README. */
struct conf_row {
	char name[PROVIDER_SETTING_MAX];
	const char *fallback; /* the default as text, "" for none */
	const char *allowed;  /* "1-3600", "archive or delete", … */
	const char *help;
	bool secret;
};
/*
 * Row ${i}, or false past the end.  Where ${c} is not NULL, the settings of providers that are not
 * in the table and have one in the environment are behind it.
 */
bool conf_row(const struct conf *c, size_t i, struct conf_row *ret_row);
/* The value in force of such a row; a secret's is "set", "unset" or "too short".  Returns ${to}. */
char *conf_value(const struct conf *c, size_t i, char *to, size_t room);

#endif
