/*
 * inbound - processes events that have just come, behind the reply to who sent them.
 */
#include "engine/run.h"
#include "workers/workers.h"

static int inbound_work(struct run *);
static void inbound_reply(const struct run *, json_t *);

const struct worker worker_inbound_payments = {
	.name = "inbound-payments",
	.summary = "process events of payment providers as they come",
	.has_bell = true,
	.work = inbound_work,
	.reply = inbound_reply,
};

const struct worker worker_inbound_whatsapp = {
	.name = "inbound-whatsapp",
	.summary = "process events of WhatsApp as they come",
	.has_bell = true,
	.work = inbound_work,
	.reply = inbound_reply,
};

static int
inbound_work(struct run *r)
{
	(void)r;
	return 0;
}

static void
inbound_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "processed", json_integer(r->processed));
}
