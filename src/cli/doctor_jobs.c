/*
 * doctor_jobs - whether what jobs need is here: time zones, functions, plug-ins.
 */
#include "base/zone.h"
#include "cli/doctor.h"
#include "db/db.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	JOBS_PATH_MAX = 4096,
};

#define JOBS_ZONE "Europe/Berlin" /* one that every collection has */

static void jobs_zones(struct doctor *);
static void jobs_type(struct doctor *, const PGresult *, int row);

void
doctor_jobs(struct doctor *d)
{
	unsigned failed = d->counts[DOCTOR_FAIL];
	AUTO(PQclear)
	PGresult *types = d->is_current ? doctor_query(d, SQL_DOCTOR_JOB_TYPES) : NULL;

	jobs_zones(d);
	for (int row = 0; row < PQntuples(types); row++)
		jobs_type(d, types, row);
	if (types && d->counts[DOCTOR_FAIL] == failed)
		doctor_ok(d, "every type has what carries it out, and there are time zones");
}

static void
jobs_zones(struct doctor *d)
{
	struct err e = { .code = ERR_OK };
	struct zones *all = zones_create();

	if (!zones_find(all, JOBS_ZONE, &e))
		doctor_fail(
		    d, "apt install tzdata", "%s: schedules make no jobs but in UTC", e.message);
	zones_destroy(all);
}

/* A type whose function or plug-in is missing, or whose target is none: its jobs fail, or wait. */
static void
jobs_type(struct doctor *d, const PGresult *rows, int row)
{
	const char *type = db_text(rows, row, "job_type"), *target = db_text(rows, row, "target");
	const char *folder = d->conf.processor_dir;
	char path[JOBS_PATH_MAX], todo[DOCTOR_FOUND_MAX];

	if (db_text(rows, row, "fault")) {
		doctor_fail(d, "correct job_types.target",
		    "the target of the type %s is %s, which is %s", type, target,
		    db_text(rows, row, "fault"));
		return;
	}
	if (!db_bool(rows, row, "is_plugin")) {
		snprintf(
		    todo, sizeof(todo), "CREATE FUNCTION %s(job jsonb) RETURNS jsonb …", target);
		doctor_fail(d, todo, "the type %s names the function %s(jsonb), which is not there",
		    type, target);
		return;
	}
	if (!folder) {
		doctor_fail(d, "PROCESSOR_DIR=…, the folder of plug-ins",
		    "the type %s names the plug-in %s, and PROCESSOR_DIR is unset", type, target);
		return;
	}
	snprintf(path, sizeof(path), "%s/%s.so", folder, target);
	if (access(path, R_OK) != 0)
		doctor_fail(d, "put it there, readable for the service's account",
		    "the type %s names the plug-in %s, and %s cannot be read", type, target, path);
}
