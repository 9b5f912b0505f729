/*
 * notification-expiry - dismisses notifications whose time is over.
 *
 * Tables: platform_notifications.  SQL: sql/notification_expiry.sql.
 * Tests: tests/integration/notification_expiry.test.mjs.
 */
#include "base/conf.h"
#include "engine/run.h"
#include "engine/sweep.h"
#include "workers/workers.h"

enum {
	EXPIRY_EXPIRED,
};

static int notification_expiry_work(struct run *);
static void notification_expiry_reply(const struct run *, json_t *);

const struct worker worker_notification_expiry = {
	.name = "notification-expiry",
	.summary = "dismiss notifications that have expired",
	.schedule = "*/5 * * * *",
	.tallies = { [EXPIRY_EXPIRED] = "expired" },
	.work = notification_expiry_work,
	.reply = notification_expiry_reply,
};

static int
notification_expiry_work(struct run *r)
{
	const struct sweep expire = {
		.sql = SQL_NOTIFICATION_EXPIRY_EXPIRE,
		.batch_size = r->conf->expiry_batch_size,
		.tally = EXPIRY_EXPIRED,
		.is_item = true,
		.id_min = "00000000-0000-0000-0000-000000000000",
	};

	return sweep_run(r, &expire, 1, r->conf->expiry_run_max);
}

static void
notification_expiry_reply(const struct run *r, json_t *body)
{
	int64_t expired = r->tally[EXPIRY_EXPIRED];

	json_object_set_new(body, "expired", json_integer(expired));
	json_object_set_new(body, "message",
	    json_sprintf(
		"%lld notification%s expired", (long long)expired, expired == 1 ? "" : "s"));
}
