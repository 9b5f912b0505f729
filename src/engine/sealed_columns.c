/*
 * sealed_columns - the list; the one place of the engine that names tables.
 */
#include "engine/sealed_columns.h"

#include "base/keyring.h"
#include "base/log.h"
#include "engine/run.h"

static bool sealed_columns_may_close(void *);

/* Of a source in sql/sealed.sql. */
#define SEALED_STATEMENTS(SOURCE)                                                                  \
	.plain = SQL_SEALED_##SOURCE##_PLAIN, .stale = SQL_SEALED_##SOURCE##_STALE,                \
	.put = SQL_SEALED_##SOURCE##_PUT, .keys = SQL_SEALED_##SOURCE##_KEYS

const struct sealed_column sealed_columns[SEALED__MAX] = {
	[SEALED_WEBHOOK_SECRET] = {
		.table = "app_webhooks",
		.column = "secret",
		.moved_from = "previous_secret",
		SEALED_STATEMENTS(WEBHOOK_SECRET),
	},
	[SEALED_WEBHOOK_PREVIOUS] = {
		.table = "app_webhooks",
		.column = "previous_secret",
		.moved_from = "secret",
		SEALED_STATEMENTS(WEBHOOK_PREVIOUS),
	},
	[SEALED_JOB_TYPE_SECRET] = {
		.table = "job_types",
		.column = "secret",
		.is_named = true,
		SEALED_STATEMENTS(JOB_TYPE_SECRET),
	},
	[SEALED_APOLLO_KEY] = {
		.table = "workspace_settings",
		.column = "apollo_api_key_encrypted",
		SEALED_STATEMENTS(APOLLO_KEY),
	},
	[SEALED_EVENT_HANDLER_SECRET] = {
		.table = "event_handlers",
		.column = "secret",
		.is_named = true,
		SEALED_STATEMENTS(EVENT_HANDLER_SECRET),
	},
	[SEALED_WHATSAPP_TOKEN] = {
		.table = "whatsapp_configs",
		.column = "accesstoken",
		SEALED_STATEMENTS(WHATSAPP_TOKEN),
	},
	[SEALED_INTEGRATION_ACCESS] = {
		.table = "user_integrations",
		.column = "access_token",
		SEALED_STATEMENTS(INTEGRATION_ACCESS),
	},
	[SEALED_INTEGRATION_REFRESH] = {
		.table = "user_integrations",
		.column = "refresh_token",
		SEALED_STATEMENTS(INTEGRATION_REFRESH),
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
