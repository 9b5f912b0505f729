/*
 * inbound - processes events that have just come, behind the reply to who sent them.
 *
 * One worker for each table, with a lock of its own: at most two processes of their pool work, and
 * the others read.  What they do not get done is retry-webhooks' and whatsapp-webhook-retry's a
 * minute later.
 *
 * The work is that of all events: workers/events.h.
 * Tests: tests/integration/inbound.test.mjs.
 */
#include "workers/inbound.h"

#include "engine/run.h"
#include "workers/events.h"

static int inbound_payments_work(struct run *);
static int inbound_whatsapp_work(struct run *);
static void inbound_reply(const struct run *, json_t *);

const struct worker worker_inbound_payments = {
	.name = "inbound-payments",
	.summary = "process events of payment providers as they come",
	.has_bell = true,
	.work = inbound_payments_work,
	.reply = inbound_reply,
};

const struct worker worker_inbound_whatsapp = {
	.name = "inbound-whatsapp",
	.summary = "process events of WhatsApp as they come",
	.has_bell = true,
	.work = inbound_whatsapp_work,
	.reply = inbound_reply,
};

static int
inbound_payments_work(struct run *r)
{
	return events_work(r, EVENTS_WEBHOOK_NEW);
}

static int
inbound_whatsapp_work(struct run *r)
{
	return events_work(r, EVENTS_WHATSAPP_NEW);
}

static void
inbound_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "processed", json_integer(r->processed));
}
