/*
 * cleanup-reservations - gives back what expired holds kept.
 *
 * Tables: inventory_reservations, inventory_items.  SQL: sql/holds.sql.
 * Tests: tests/integration/cleanup_reservations.test.mjs, tests/fault/holds.test.mjs.
 */
#include "engine/run.h"
#include "engine/sweep.h"
#include "workers/workers.h"

enum {
	RESERVATIONS_BATCH = 500,
};

enum {
	RESERVATIONS_EXPIRED,
};

static int cleanup_reservations_work(struct run *);

const struct worker worker_cleanup_reservations = {
	.name = "cleanup-reservations",
	.summary = "give back stock whose holds have expired",
	.schedule = "*/5 * * * *",
	.tallies = { [RESERVATIONS_EXPIRED] = "expired" },
	.work = cleanup_reservations_work,
	.reply = run_reply_counts,
};

static int
cleanup_reservations_work(struct run *r)
{
	const struct sweep expire = {
		.sql = SQL_HOLDS_EXPIRE,
		.batch_size = RESERVATIONS_BATCH,
		.tally = RESERVATIONS_EXPIRED,
		.is_item = true,
		.id_min = "00000000-0000-0000-0000-000000000000",
	};

	return sweep_run(r, &expire, 1, 0);
}
