/*
 * workers - the lists.  A new worker is a line here, and a route in src/gateway/route.c; a column
 * for its secrets is four statements in sql/sealed.sql and an entry here.
 */
#include "workers/workers.h"

#include <stddef.h>
#include <string.h>

const struct worker *const workers[] = {
	&worker_webhook_retry,
	&worker_notification_expiry,
	&worker_data_archival,
	NULL,
};

const struct sealed_column sealed_columns[SEALED__MAX] = {
	[SEALED_WEBHOOK_SECRET] = {
		.table = "app_webhooks",
		.column = "secret",
		.moved_from = "previous_secret",
		.plain = SQL_SEALED_WEBHOOK_SECRET_PLAIN,
		.stale = SQL_SEALED_WEBHOOK_SECRET_STALE,
		.put = SQL_SEALED_WEBHOOK_SECRET_PUT,
		.keys = SQL_SEALED_WEBHOOK_SECRET_KEYS,
	},
	[SEALED_WEBHOOK_PREVIOUS] = {
		.table = "app_webhooks",
		.column = "previous_secret",
		.moved_from = "secret",
		.plain = SQL_SEALED_WEBHOOK_PREVIOUS_PLAIN,
		.stale = SQL_SEALED_WEBHOOK_PREVIOUS_STALE,
		.put = SQL_SEALED_WEBHOOK_PREVIOUS_PUT,
		.keys = SQL_SEALED_WEBHOOK_PREVIOUS_KEYS,
	},
};

const struct worker *
worker_by_name(const char *name)
{
	for (size_t i = 0; workers[i]; i++)
		if (strcmp(workers[i]->name, name) == 0)
			return workers[i];
	return NULL;
}
