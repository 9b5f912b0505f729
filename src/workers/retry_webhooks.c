/*
 * retry-webhooks - tries inbound events of payment providers again: those that failed, when their
 * wait is over; those that nobody processed within a minute; those whose lease ran out.
 *
 * The work is that of all events: workers/events.h.
 * Tests: tests/integration/retry_webhooks.test.mjs.
 */
#include "engine/run.h"
#include "workers/events.h"
#include "workers/workers.h"

static int retry_webhooks_work(struct run *);

const struct worker worker_retry_webhooks = {
	.name = "retry-webhooks",
	.summary = "try inbound events again that failed, or that nobody processed",
	.schedule = "*/10 * * * *",
	.work = retry_webhooks_work,
	.reply = run_reply_counts,
};

static int
retry_webhooks_work(struct run *r)
{
	return events_work(r, EVENTS_WEBHOOK);
}
