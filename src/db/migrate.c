/*
 * migrate - the embedded migrations, applied in order, each once.
 *
 * The table cronward_schema holds one row per step.  A step is one transaction, framed by
 * sql/embed_migrations.awk: it takes a lock, writes its version, and then changes the schema.
 */
#include "db/migrate.h"

#include "db/db.h"

#include <stdbool.h>
#include <stddef.h>
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
	if (strcmp(db_text(there, 0, "encoding"), "UTF8") != 0)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "the database's encoding is %s, which cannot hold every text; cronward needs "
		    "UTF8",
		    db_text(there, 0, "encoding"));
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
	struct err step = { .code = ERR_OK };

	if (db_script(db, m->script, &step) == 0)
		return 1;
	if (strcmp(step.sqlstate, "23505") == 0 && migrate_version_found(db, e) >= m->version)
		return 0;
	return err_set(e, step.code, "migration %04d_%s: %s", m->version, m->name, step.message);
}
