/*
 * sealed_columns - the list; the one place of the engine that names tables.
 */
#include "engine/sealed_columns.h"

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
