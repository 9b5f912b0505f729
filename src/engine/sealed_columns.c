/*
 * sealed_columns - the list; the one place of the engine that names tables.
 */
#include "engine/sealed_columns.h"

#include "base/keyring.h"
#include "base/log.h"
#include "engine/run.h"

static bool sealed_columns_may_close(void *);

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
	[SEALED_EVENT_HANDLER_SECRET] = {
		.table = "event_handlers",
		.column = "secret",
		.is_named = true,
		.plain = SQL_SEALED_EVENT_HANDLER_SECRET_PLAIN,
		.stale = SQL_SEALED_EVENT_HANDLER_SECRET_STALE,
		.put = SQL_SEALED_EVENT_HANDLER_SECRET_PUT,
		.keys = SQL_SEALED_EVENT_HANDLER_SECRET_KEYS,
	},
	[SEALED_WHATSAPP_TOKEN] = {
		.table = "whatsapp_configs",
		.column = "accesstoken",
		.plain = SQL_SEALED_WHATSAPP_TOKEN_PLAIN,
		.stale = SQL_SEALED_WHATSAPP_TOKEN_STALE,
		.put = SQL_SEALED_WHATSAPP_TOKEN_PUT,
		.keys = SQL_SEALED_WHATSAPP_TOKEN_KEYS,
	},
	[SEALED_INTEGRATION_ACCESS] = {
		.table = "user_integrations",
		.column = "access_token",
		.plain = SQL_SEALED_INTEGRATION_ACCESS_PLAIN,
		.stale = SQL_SEALED_INTEGRATION_ACCESS_STALE,
		.put = SQL_SEALED_INTEGRATION_ACCESS_PUT,
		.keys = SQL_SEALED_INTEGRATION_ACCESS_KEYS,
	},
	[SEALED_INTEGRATION_REFRESH] = {
		.table = "user_integrations",
		.column = "refresh_token",
		.plain = SQL_SEALED_INTEGRATION_REFRESH_PLAIN,
		.stale = SQL_SEALED_INTEGRATION_REFRESH_STALE,
		.put = SQL_SEALED_INTEGRATION_REFRESH_PUT,
		.keys = SQL_SEALED_INTEGRATION_REFRESH_KEYS,
	},
};

void
sealed_columns_close(struct run *r, enum sealed_column_id first, enum sealed_column_id last)
{
	struct sealed_job job = {
		.db = r->db,
		.ring = r->keyring,
		.may_go_on = sealed_columns_may_close,
		.owner = r,
	};
	struct err e = { .code = ERR_OK };

	for (int i = (int)first; r->keyring->count > 0 && i <= (int)last; i++) {
		if (sealed_close_plain(&job, &sealed_columns[i], &e) == 0)
			continue;
		log_message(LOG_WARN, "unsealed", "worker=%s run=%s plain secrets stay plain: %s",
		    r->worker->name, r->id, e.message);
		return;
	}
}

static bool
sealed_columns_may_close(void *owner)
{
	struct run *r = owner;

	return run_renew(r) == 0 && run_may_start(r, run_statement_ms(r));
}
