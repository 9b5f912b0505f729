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
	[SEALED_JOB_TYPE_SECRET] = {
		.table = "job_types",
		.column = "secret",
		.is_named = true,
		.plain = SQL_SEALED_JOB_TYPE_SECRET_PLAIN,
		.stale = SQL_SEALED_JOB_TYPE_SECRET_STALE,
		.put = SQL_SEALED_JOB_TYPE_SECRET_PUT,
		.keys = SQL_SEALED_JOB_TYPE_SECRET_KEYS,
	},
	[SEALED_APOLLO_KEY] = {
		.table = "workspace_settings",
		.column = "apollo_api_key_encrypted",
		.plain = SQL_SEALED_APOLLO_KEY_PLAIN,
		.stale = SQL_SEALED_APOLLO_KEY_STALE,
		.put = SQL_SEALED_APOLLO_KEY_PUT,
		.keys = SQL_SEALED_APOLLO_KEY_KEYS,
	},
};
