/*
 * whatsapp-webhook-retry - tries inbound events of WhatsApp again, as retry-webhooks does those of
 * payment providers.
 *
 * The work is that of all events: workers/events.h.
 * Tests: tests/integration/whatsapp_webhook_retry.test.mjs.
 */
#include "engine/run.h"
#include "workers/events.h"
#include "workers/workers.h"

static int whatsapp_webhook_retry_work(struct run *);
static void whatsapp_webhook_retry_reply(const struct run *, json_t *);

const struct worker worker_whatsapp_webhook_retry = {
	.name = "whatsapp-webhook-retry",
	.summary = "try WhatsApp's events again that failed, or that nobody processed",
	.schedule = "*/5 * * * *",
	.work = whatsapp_webhook_retry_work,
	.reply = whatsapp_webhook_retry_reply,
};

static int
whatsapp_webhook_retry_work(struct run *r)
{
	return events_work(r, EVENTS_WHATSAPP);
}

static void
whatsapp_webhook_retry_reply(const struct run *r, json_t *body)
{
	run_reply_job(r, body);
	json_object_set_new(body, "message",
	    json_sprintf(
		"%lld event%s processed", (long long)r->processed, r->processed == 1 ? "" : "s"));
	json_object_set_new(body, "processed", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
}
