/*
 * workers - the list.  A new worker is a line here, and a route in src/gateway/route.c.
 */
#include "workers/workers.h"

#include <stddef.h>
#include <string.h>

const struct worker *const workers[] = {
	&worker_webhook_retry,
	&worker_notification_expiry,
	&worker_data_archival,
	&worker_job_queue,
	&worker_whatsapp_webhook_retry,
	&worker_retry_webhooks,
	&worker_process_email_queue,
	&worker_cleanup_reservations,
	&worker_whatsapp_health_check,
	&worker_sync_integrations,
	NULL,
};

const struct worker *
worker_by_name(const char *name)
{
	for (size_t i = 0; workers[i]; i++)
		if (strcmp(workers[i]->name, name) == 0)
			return workers[i];
	return NULL;
}
