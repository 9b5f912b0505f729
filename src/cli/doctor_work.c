/*
 * doctor_work - what makes the queues slow, and what dead runs left behind.
 */
#include "cli/doctor.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	WORK_DEAD_MIN = 10000,
	WORK_DEAD_SHARE = 5, /* dead rows are many when they are a fifth of the living */
};

static void transactions_open(struct doctor *, const PGresult *);
static void transactions_prepared(struct doctor *, const PGresult *);

/* One old snapshot keeps every dead row of the queues, and claims walk over them. */
void
doctor_transactions(struct doctor *d)
{
	unsigned warned = d->counts[DOCTOR_WARN];
	AUTO(PQclear) PGresult *open = doctor_query(d, SQL_DOCTOR_TRANSACTIONS);
	AUTO(PQclear) PGresult *prepared = doctor_query(d, SQL_DOCTOR_PREPARED);
	AUTO(PQclear) PGresult *rights = doctor_query(d, SQL_DOCTOR_SEES_ALL);

	if (!open || !prepared || !rights)
		return;
	transactions_open(d, open);
	transactions_prepared(d, prepared);
	if (d->counts[DOCTOR_WARN] == warned)
		doctor_ok(d, "none has been open for a minute%s",
		    db_bool(rights, 0, "sees_all")
			? ""
			: ", as far as this role sees (it is no member of pg_read_all_stats)");
}

void
doctor_vacuum(struct doctor *d)
{
	unsigned warned = d->counts[DOCTOR_WARN];
	AUTO(PQclear) PGresult *tables = d->has_schema ? doctor_query(d, SQL_DOCTOR_VACUUM) : NULL;
	AUTO(PQclear) PGresult *server = tables ? doctor_query(d, SQL_DOCTOR_SERVER) : NULL;

	if (!server)
		return;
	if (strcmp(db_text(server, 0, "autovacuum"), "off") == 0)
		doctor_warn(d, "autovacuum = on", "autovacuum is off: dead rows are never removed");
	for (int row = 0; row < PQntuples(tables); row++) {
		const char *name = db_text(tables, row, "name");
		int64_t live = db_number(tables, row, "live"),
			dead = db_number(tables, row, "dead");
		char todo[DOCTOR_FOUND_MAX];

		snprintf(todo, sizeof(todo), "ALTER TABLE %s RESET (autovacuum_enabled)", name);
		if (db_bool(tables, row, "is_off"))
			doctor_warn(d, todo, "autovacuum of %s is off", name);
		snprintf(todo, sizeof(todo),
		    "end old transactions (check \"transactions\"), then VACUUM %s", name);
		if (dead > WORK_DEAD_MIN && dead > live / WORK_DEAD_SHARE)
			doctor_warn(d, todo,
			    "%s has %" PRId64 " dead rows beside %" PRId64
			    " living ones: claims walk over them",
			    name, dead, live);
	}
	if (d->counts[DOCTOR_WARN] == warned)
		doctor_ok(d, "few dead rows in the queues");
}

void
doctor_locks(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = d->has_schema ? doctor_query(d, SQL_DOCTOR_LOCKS) : NULL;

	if (!rows)
		return;
	for (int row = 0; row < PQntuples(rows); row++) {
		char todo[DOCTOR_FOUND_MAX];

		snprintf(todo, sizeof(todo),
		    "call the worker: its next run takes the lock; or cronward locks clear %s",
		    db_text(rows, row, "name"));
		doctor_warn(d, todo,
		    "%s is held by run %s, silent since its lock expired %" PRId64 " s ago",
		    db_text(rows, row, "name"), db_text(rows, row, "holder"),
		    db_number(rows, row, "late_s"));
	}
	if (PQntuples(rows) == 0)
		doctor_ok(d, "none is held beyond its expiry");
}

void
doctor_runs(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = d->has_schema ? doctor_query(d, SQL_DOCTOR_RUNS) : NULL;

	if (!rows)
		return;
	for (int row = 0; row < PQntuples(rows); row++) {
		char todo[DOCTOR_FOUND_MAX];

		snprintf(todo, sizeof(todo), "cronward run %s: the next run calls it abandoned",
		    db_text(rows, row, "job_name"));
		doctor_warn(d, todo,
		    "run %s of %s began %" PRId64 " s ago, and nobody does it any more",
		    db_text(rows, row, "id"), db_text(rows, row, "job_name"),
		    db_number(rows, row, "age_s"));
	}
	if (PQntuples(rows) == 0)
		doctor_ok(d, "none is left behind as running");
}

static void
transactions_open(struct doctor *d, const PGresult *rows)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		char todo[DOCTOR_FOUND_MAX];

		snprintf(todo, sizeof(todo), "end it: SELECT pg_terminate_backend(%s)",
		    db_text(rows, row, "pid"));
		doctor_warn(d, todo,
		    "one of \"%s\" has been open for %" PRId64
		    " s (%s): no dead row can be removed meanwhile",
		    db_text(rows, row, "who"), db_number(rows, row, "age_s"),
		    db_text(rows, row, "state"));
	}
}

static void
transactions_prepared(struct doctor *d, const PGresult *rows)
{
	for (int row = 0; row < PQntuples(rows); row++)
		doctor_warn(d, "COMMIT PREPARED or ROLLBACK PREPARED it",
		    "\"%s\" of %s was prepared %" PRId64
		    " s ago: no dead row can be removed meanwhile",
		    db_text(rows, row, "gid"), db_text(rows, row, "owner"),
		    db_number(rows, row, "age_s"));
}
