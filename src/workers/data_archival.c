/*
 * data-archival - moves old events and notifications into their archives, and prunes histories.
 *
 * Every table that grows is swept here, each by its own retention, a batch in turn.  With
 * ARCHIVE_MODE=delete events and notifications are deleted instead.
 *
 * Tables: platform_events, platform_notifications and their archives, webhook_deliveries,
 * webhook_attempts, jobs, job_logs, job_dependencies, job_requests, email_queue,
 * webhook_events, whatsapp_webhook_logs, whatsapp_health, inventory_reservations,
 * cron_job_executions, cron_denied, audit_log.  integration_items are not pruned: they are what a
 * vendor lists, and go with it.
 * SQL: sql/data_archival.sql.  Tests: tests/integration/data_archival.test.mjs, retention.test.mjs.
 */
#include "base/conf.h"
#include "engine/run.h"
#include "engine/sweep.h"
#include "workers/workers.h"

#define UUID_MIN "00000000-0000-0000-0000-000000000000"

enum {
	ARCHIVAL_REQUEST_DAYS = 1, /* an Idempotency-Key is good for so long at least */
	ARCHIVAL_ORPHAN_DAYS = 1,  /* of any age; 0 days would be never */
};

enum {
	ARCHIVAL_EVENTS,
	ARCHIVAL_NOTIFICATIONS,
	ARCHIVAL_DELIVERIES,
	ARCHIVAL_ATTEMPT_WEEKS,
	ARCHIVAL_ATTEMPTS,
	ARCHIVAL_EVENTS_ARCHIVE,
	ARCHIVAL_NOTIFICATIONS_ARCHIVE,
	ARCHIVAL_JOBS,
	ARCHIVAL_JOB_LOGS,
	ARCHIVAL_JOB_DEPENDENCIES,
	ARCHIVAL_JOB_REQUESTS,
	ARCHIVAL_EMAIL,
	ARCHIVAL_WEBHOOK_EVENTS,
	ARCHIVAL_WHATSAPP_LOGS,
	ARCHIVAL_RESERVATIONS,
	ARCHIVAL_EXECUTIONS,
	ARCHIVAL_AUDIT,
	ARCHIVAL_DENIED,
	ARCHIVAL_HEALTH,
	ARCHIVAL__MAX
};

static int data_archival_work(struct run *);
static void data_archival_reply(const struct run *, json_t *);

const struct worker worker_data_archival = {
	.name = "data-archival",
	.summary = "archive old events and notifications, prune histories",
	.schedule = "0 0 * * *",
	.tallies = {
		[ARCHIVAL_EVENTS] = "archived_events",
		[ARCHIVAL_NOTIFICATIONS] = "archived_notifications",
		[ARCHIVAL_DELIVERIES] = "pruned_deliveries",
		[ARCHIVAL_ATTEMPT_WEEKS] = "dropped_attempt_weeks",
		[ARCHIVAL_ATTEMPTS] = "pruned_attempts",
		[ARCHIVAL_EVENTS_ARCHIVE] = "pruned_events_archive",
		[ARCHIVAL_NOTIFICATIONS_ARCHIVE] = "pruned_notifications_archive",
		[ARCHIVAL_JOBS] = "pruned_jobs",
		[ARCHIVAL_JOB_LOGS] = "pruned_job_logs",
		[ARCHIVAL_JOB_DEPENDENCIES] = "pruned_job_dependencies",
		[ARCHIVAL_JOB_REQUESTS] = "pruned_job_requests",
		[ARCHIVAL_EMAIL] = "pruned_email",
		[ARCHIVAL_WEBHOOK_EVENTS] = "pruned_webhook_events",
		[ARCHIVAL_WHATSAPP_LOGS] = "pruned_whatsapp_logs",
		[ARCHIVAL_RESERVATIONS] = "pruned_reservations",
		[ARCHIVAL_EXECUTIONS] = "pruned_executions",
		[ARCHIVAL_AUDIT] = "pruned_audit",
		[ARCHIVAL_DENIED] = "pruned_denied",
		[ARCHIVAL_HEALTH] = "pruned_whatsapp_health",
	},
	.work = data_archival_work,
	.reply = data_archival_reply,
};

static int
data_archival_work(struct run *r)
{
	const struct conf *c = r->conf;
	bool archive = c->archive_mode == ARCHIVE_ARCHIVE;
	int64_t batch = c->archival_batch_size;
	const struct sweep weeks = { SQL_DATA_ARCHIVAL_ATTEMPTS_DROP, batch,
		c->delivery_retention_d, ARCHIVAL_ATTEMPT_WEEKS, false, "" };
	const struct sweep all[] = {
		{ SQL_DATA_ARCHIVAL_ATTEMPTS_PRUNE, batch, c->delivery_retention_d,
		    ARCHIVAL_ATTEMPTS, false, "" },
		{ SQL_DATA_ARCHIVAL_ATTEMPTS_OVERDUE, batch, c->delivery_retention_d,
		    ARCHIVAL_ATTEMPTS, false, "" },
		/* Deliveries before events: their end frees these. */
		{ SQL_DATA_ARCHIVAL_DELIVERIES_PRUNE, batch, c->delivery_retention_d,
		    ARCHIVAL_DELIVERIES, false, "0" },
		{ archive ? SQL_DATA_ARCHIVAL_EVENTS_ARCHIVE : SQL_DATA_ARCHIVAL_EVENTS_DELETE,
		    batch, c->retention_d, ARCHIVAL_EVENTS, true, UUID_MIN },
		{ archive ? SQL_DATA_ARCHIVAL_NOTIFICATIONS_ARCHIVE
			  : SQL_DATA_ARCHIVAL_NOTIFICATIONS_DELETE,
		    batch, c->retention_d, ARCHIVAL_NOTIFICATIONS, true, UUID_MIN },
		{ SQL_DATA_ARCHIVAL_EVENTS_ARCHIVE_PRUNE, batch, c->archive_retention_d,
		    ARCHIVAL_EVENTS_ARCHIVE, false, UUID_MIN },
		{ SQL_DATA_ARCHIVAL_NOTIFICATIONS_ARCHIVE_PRUNE, batch, c->archive_retention_d,
		    ARCHIVAL_NOTIFICATIONS_ARCHIVE, false, UUID_MIN },
		{ SQL_DATA_ARCHIVAL_JOBS_PRUNE, batch, c->job_retention_d, ARCHIVAL_JOBS, false,
		    UUID_MIN },
		{ SQL_DATA_ARCHIVAL_JOB_LOGS_PRUNE, batch, c->job_log_retention_d,
		    ARCHIVAL_JOB_LOGS, false, "0" },
		{ SQL_DATA_ARCHIVAL_JOB_DEPENDENCIES_PRUNE, batch, ARCHIVAL_ORPHAN_DAYS,
		    ARCHIVAL_JOB_DEPENDENCIES, false, UUID_MIN " " UUID_MIN },
		{ SQL_DATA_ARCHIVAL_JOB_REQUESTS_PRUNE, batch, ARCHIVAL_REQUEST_DAYS,
		    ARCHIVAL_JOB_REQUESTS, false, "" },
		{ SQL_DATA_ARCHIVAL_EMAIL_PRUNE, batch, c->email_retention_d, ARCHIVAL_EMAIL, false,
		    UUID_MIN },
		{ SQL_DATA_ARCHIVAL_EXECUTIONS_PRUNE, batch, c->execution_retention_d,
		    ARCHIVAL_EXECUTIONS, false, UUID_MIN },
		{ SQL_DATA_ARCHIVAL_AUDIT_PRUNE, batch, c->audit_retention_d, ARCHIVAL_AUDIT, false,
		    "0" },
		{ SQL_DATA_ARCHIVAL_DENIED_PRUNE, batch, c->execution_retention_d, ARCHIVAL_DENIED,
		    false, "" },
		{ SQL_DATA_ARCHIVAL_WEBHOOK_EVENTS_PRUNE, batch, c->event_retention_d,
		    ARCHIVAL_WEBHOOK_EVENTS, false, UUID_MIN },
		{ SQL_DATA_ARCHIVAL_WHATSAPP_LOGS_PRUNE, batch, c->whatsapp_log_retention_d,
		    ARCHIVAL_WHATSAPP_LOGS, false, UUID_MIN },
		{ SQL_DATA_ARCHIVAL_HEALTH_PRUNE, batch, c->whatsapp_health_retention_d,
		    ARCHIVAL_HEALTH, false, "0" },
		{ SQL_DATA_ARCHIVAL_RESERVATIONS_PRUNE, batch, c->reservation_retention_d,
		    ARCHIVAL_RESERVATIONS, false, UUID_MIN },
	};
	struct sweep wanted[sizeof all / sizeof *all];
	size_t count = 0;

	/* What is dropped need not be deleted. */
	if (sweep_run(r, &weeks, 1, 0) != 0)
		return -1;
	/* No days: for ever. */
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].days > 0)
			wanted[count++] = all[i];
	return sweep_run(r, wanted, count, c->archival_run_max);
}

static void
data_archival_reply(const struct run *r, json_t *body)
{
	int64_t events = r->tally[ARCHIVAL_EVENTS],
		notifications = r->tally[ARCHIVAL_NOTIFICATIONS];

	json_object_set_new(body, "archived_events", json_integer(events));
	json_object_set_new(body, "archived_notifications", json_integer(notifications));
	json_object_set_new(body, "retention_days", json_integer(r->conf->retention_d));
	json_object_set_new(body, "message",
	    json_sprintf("%lld event%s and %lld notification%s archived", (long long)events,
		events == 1 ? "" : "s", (long long)notifications, notifications == 1 ? "" : "s"));
}
