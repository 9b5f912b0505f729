/*
 * workers - the list of all workers.
 */
#ifndef CRONWARD_WORKERS_WORKERS_H
#define CRONWARD_WORKERS_WORKERS_H

#include "engine/worker.h"
#include "workers/inbound.h"

enum {
	/* Connections that a run of sync-integrations writes over: two keep two cores of the server
	 * busy while a third waits for its commit. */
	SYNC_WRITERS_MAX = 3,
};

extern const struct worker worker_webhook_retry;
extern const struct worker worker_notification_expiry;
extern const struct worker worker_data_archival;
extern const struct worker worker_job_queue;
extern const struct worker worker_whatsapp_webhook_retry;
extern const struct worker worker_retry_webhooks;
extern const struct worker worker_process_email_queue;
extern const struct worker worker_cleanup_reservations;
extern const struct worker worker_whatsapp_health_check;
extern const struct worker worker_sync_integrations;

/* Those that cron services ring, ended by NULL. */
extern const struct worker *const workers[];

/* The worker called ${name}, or NULL. */
const struct worker *worker_by_name(const char *name);

#endif
