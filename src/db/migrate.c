/*
 * migrate - the embedded migrations, applied in order, each once.
 *
 * The table cronward_schema holds one row per step.  A step is one transaction that first takes
 * a lock of that transaction (not of a session, which PgBouncer would keep), then looks whether
 * somebody else was faster.
 */
#include "db/migrate.h"

#include "base/text.h"
#include "db/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct migration {
	int version;
	const char *name, *script;
};

static const struct migration migrations[] = {
#define MIGRATION(version, name, script) { version, name, script },
#include "migration_list.h"
#undef MIGRATION
};

enum {
	MIGRATIONS_COUNT = sizeof migrations / sizeof *migrations,
};

static int migrate_step(struct db *, const struct migration *, struct err *);

int
migrate_version_wanted(void)
{
	return migrations[MIGRATIONS_COUNT - 1].version;
}

int
migrate_version_found(struct db *db, struct err *e)
{
	AUTO(PQclear) PGresult *there = db_query(db, SQL_MIGRATE_TABLE, DB_NONE, e);

	if (!there)
		return -1;
	if (!db_bool(there, 0, "is_there"))
		return 0;

	AUTO(PQclear) PGresult *rows = db_query(db, SQL_MIGRATE_VERSION, DB_NONE, e);

	return rows ? (int)db_number(rows, 0, "version") : -1;
}

int
migrate_run(struct db *db, void (*tell)(int version, const char *name), struct err *e)
{
	for (size_t i = 0; i < MIGRATIONS_COUNT; i++) {
		const struct migration *m = &migrations[i];
		int found = migrate_version_found(db, e), applied = 0;

		if (found < 0)
			return -1;
		if (found > migrate_version_wanted())
			return err_set(e, ERR_NOT_CONFIGURED,
			    "the database has schema %d, this program knows up to %d: install a "
			    "newer cronward",
			    found, migrate_version_wanted());
		if (found >= m->version)
			continue;
		applied = migrate_step(db, m, e);
		if (applied < 0)
			return -1;
		if (applied > 0 && tell)
			tell(m->version, m->name);
	}
	return 0;
}

/* 1: applied; 0: another process was faster; -1: ${e}. */
static int
migrate_step(struct db *db, const struct migration *m, struct err *e)
{
	struct text script = { 0 };
	struct err step = { 0 };
	int rc = 0;

	/* 17239 is "CW": our place among the advisory locks of a database that others use, too. */
	text_add_format(&script,
	    "BEGIN; SET LOCAL lock_timeout = '60s';\n"
	    "SELECT pg_advisory_xact_lock(17239, 1);\n"
	    "CREATE TABLE IF NOT EXISTS cronward_schema (version integer PRIMARY KEY, name text "
	    "NOT NULL,\n"
	    "\tapplied_at timestamptz NOT NULL DEFAULT clock_timestamp());\n"
	    "INSERT INTO cronward_schema (version, name) VALUES (%d, '%s');\n",
	    m->version, m->name);
	text_add_text(&script, m->script);
	text_add_text(&script, "\nCOMMIT;");
	if (db_script(db, script.at, &step) == 0)
		rc = 1;
	else if (strcmp(step.sqlstate, "23505") == 0 && migrate_version_found(db, e) >= m->version)
		rc = 0;
	else
		rc = err_set(
		    e, step.code, "migration %04d_%s: %s", m->version, m->name, step.message);
	text_finish(&script);
	return rc;
}
