/*
 * migrate - the embedded migrations, applied in order, each once.
 *
 * The table cronward_schema holds one row per step, written in the step's own transaction, under
 * a lock.  Tables that an application has already are compared with twins of theirs: all steps are
 * tried in a scratch schema, which a savepoint takes away again, so nobody else ever sees it.
 */
#include "db/migrate.h"

#include "base/text.h"
#include "db/db.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	MIGRATE_NAME_MAX = 128,
};

struct migration {
	int version;
	const char *name, *script;
};

struct migration_table {
	const char *name;
	int version;
	bool is_theirs; /* its rows are the application's: cronward inserts none */
};

/* What one transaction is about. */
struct turn {
	const struct migrate *m;
	struct db *db;
	int found;          /* the database's version */
	size_t from, to;    /* the steps that it applies */
	bool is_whole;      /* all there are, because tables of an application's come with them */
	PGresult *place;    /* where tables go and which are there */
	PGresult *findings; /* what the comparison found; NULL: there was nothing to compare */
};

/* For tables, how long nobody else can use them while we wait for those who do. */
static const char migrate_patience[] = "60s", migrate_patience_for_tables[] = "5s";

static const struct migration migrations[] = {
#define MIGRATION(version, name, script) { version, name, script },
#define MIGRATION_TABLE(version, name, is_theirs)
#define MIGRATION_SCRATCH(begin, end)
#include "migration_list.h"
#undef MIGRATION
#undef MIGRATION_TABLE
#undef MIGRATION_SCRATCH
};

static const struct migration_table migration_tables[] = {
#define MIGRATION(version, name, script)
#define MIGRATION_TABLE(version, name, is_theirs) { name, version, is_theirs },
#define MIGRATION_SCRATCH(begin, end)
#include "migration_list.h"
#undef MIGRATION
#undef MIGRATION_TABLE
#undef MIGRATION_SCRATCH
};

static const struct {
	const char *begin, *end;
} migration_scratch = {
#define MIGRATION(version, name, script)
#define MIGRATION_TABLE(version, name, is_theirs)
#define MIGRATION_SCRATCH(begin, end) begin, end,
#include "migration_list.h"
#undef MIGRATION
#undef MIGRATION_TABLE
#undef MIGRATION_SCRATCH
};

enum {
	MIGRATIONS_COUNT = sizeof migrations / sizeof *migrations,
	MIGRATION_TABLES_COUNT = sizeof migration_tables / sizeof *migration_tables,
};

static int migrate_version(struct db *,
    PGresult *(*ask)(struct db *, enum sql_id, const char *const *, int, struct err *),
    struct err *);
static int migrate_turn(struct turn *, struct err *);
static int migrate_work(struct turn *, struct err *);
static int migrate_begin(struct turn *, struct err *);
static int migrate_look(struct turn *, struct err *);
static void migrate_names(struct text *, int found, bool only_theirs);
static bool migrate_is_new(const struct migration_table *, int found);
static int migrate_place(const struct turn *, struct err *);
static int migrate_compare(struct turn *, const char *theirs, struct err *);
static int migrate_judge(const struct turn *, struct err *);
static int migrate_hurry(const struct turn *, struct err *);
static int migrate_adopt(const struct turn *, struct err *);
static int migrate_step(const struct turn *, const struct migration *, struct err *);
static int migrate_script(struct db *, const struct migration *, struct err *);
static int migrate_record_adoption(const struct turn *, struct err *);

int
migrate_version_wanted(void)
{
	return migrations[MIGRATIONS_COUNT - 1].version;
}

int
migrate_version_found(struct db *db, struct err *e)
{
	return migrate_version(db, db_query, e);
}

int
migrate_run(struct db *db, const struct migrate *m, struct err *e)
{
	int more;

	do {
		struct turn turn = { .m = m, .db = db };

		more = migrate_turn(&turn, e);
		PQclear(turn.place);
		PQclear(turn.findings);
	} while (more > 0);
	return more;
}

/* ${ask} is db_query or, inside of a transaction, db_ask. */
static int
migrate_version(struct db *db,
    PGresult *(*ask)(struct db *, enum sql_id, const char *const *, int, struct err *),
    struct err *e)
{
	AUTO(PQclear) PGresult *there = ask(db, SQL_MIGRATE_TABLE, DB_NONE, e);

	if (!there)
		return -1;
	if (strcmp(db_text(there, 0, "encoding"), "UTF8") != 0)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "the database's encoding is %s, which cannot hold every text; cronward needs "
		    "UTF8",
		    db_text(there, 0, "encoding"));
	if (!db_bool(there, 0, "is_there"))
		return 0;

	AUTO(PQclear) PGresult *rows = ask(db, SQL_MIGRATE_VERSION, DB_NONE, e);

	return rows ? (int)db_number(rows, 0, "version") : -1;
}

/* One transaction.  1: there may be more to do; 0: done; -1: ${e}, and nothing has changed. */
static int
migrate_turn(struct turn *t, struct err *e)
{
	char name[MIGRATE_NAME_MAX];

	if (db_begin(t->db, e) != 0)
		return -1;
	if (migrate_work(t, e) != 0) {
		db_rollback(t->db);
		return -1;
	}
	if (t->m->dry_run || t->from == t->to)
		db_rollback(t->db);
	else if (db_commit(t->db, e) != 0)
		return -1;
	for (size_t i = t->from; i < t->to; i++) {
		snprintf(name, sizeof name, "%04d %s", migrations[i].version, migrations[i].name);
		t->m->tell(t->m, MIGRATE_STEP, name);
	}
	return t->to < MIGRATIONS_COUNT;
}

static int
migrate_work(struct turn *t, struct err *e)
{
	if (migrate_begin(t, e) != 0)
		return -1;
	if (t->from == MIGRATIONS_COUNT)
		return 0;
	if (migrate_look(t, e) != 0)
		return -1;
	t->to = t->is_whole || t->m->dry_run ? MIGRATIONS_COUNT : t->from + 1;
	if (t->m->dry_run)
		return 0;
	if (migrate_hurry(t, e) != 0 || (t->findings && migrate_adopt(t, e) != 0))
		return -1;
	for (size_t i = t->from; i < t->to; i++)
		if (migrate_step(t, &migrations[i], e) != 0)
			return -1;
	return t->findings ? migrate_record_adoption(t, e) : 0;
}

/* Waits for its turn, and finds the first step that is to be done. */
static int
migrate_begin(struct turn *t, struct err *e)
{
	AUTO(PQclear)
	PGresult *patience = db_ask(t->db, SQL_MIGRATE_PATIENCE, DB_ARGS(migrate_patience), e);
	struct err why = { .code = ERR_OK };
	AUTO(PQclear)
	PGresult *lock = patience ? db_ask(t->db, SQL_MIGRATE_LOCK, DB_NONE, &why) : NULL;

	if (strcmp(why.sqlstate, "55P03") == 0)
		return err_set(e, ERR_BUSY,
		    "another migration has been under way for %s; nothing was changed",
		    migrate_patience);
	err_pass(e, &why);
	t->found = lock ? migrate_version(t->db, db_ask, e) : -1;
	if (t->found < 0)
		return -1;
	if (t->found > migrate_version_wanted())
		return err_set(e, ERR_NOT_CONFIGURED,
		    "the database has schema %d, this program knows up to %d: install a newer "
		    "cronward",
		    t->found, migrate_version_wanted());
	while (t->from < MIGRATIONS_COUNT && migrations[t->from].version <= t->found)
		t->from++;
	t->to = t->from;
	return 0;
}

/* Whether tables that the steps would create are there already, and if they fit. */
static int
migrate_look(struct turn *t, struct err *e)
{
	struct text names = { 0 }, theirs = { 0 };
	int rc = -1;

	migrate_names(&names, t->found, false);
	migrate_names(&theirs, t->found, true);
	t->place = db_ask(t->db, SQL_MIGRATE_PLACE, DB_ARGS(names.at), e);
	if (t->place && migrate_place(t, e) == 0) {
		t->is_whole = db_bool(t->place, 0, "is_taken");
		rc = t->is_whole ? migrate_compare(t, theirs.at, e) : 0;
	}
	text_finish(&names);
	text_finish(&theirs);
	return rc;
}

/* The tables that are new behind version ${found}, as an array. */
static void
migrate_names(struct text *names, int found, bool only_theirs)
{
	text_array_begin(names);
	for (size_t i = 0; i < MIGRATION_TABLES_COUNT; i++)
		if (migrate_is_new(&migration_tables[i], found) &&
		    (!only_theirs || migration_tables[i].is_theirs))
			text_array_add(names, migration_tables[i].name);
	text_array_end(names);
}

/* A table that an earlier step has made is ours, also when a later one makes it anew. */
static bool
migrate_is_new(const struct migration_table *table, int found)
{
	for (size_t i = 0; i < MIGRATION_TABLES_COUNT; i++)
		if (migration_tables[i].version <= found &&
		    strcmp(migration_tables[i].name, table->name) == 0)
			return false;
	return true;
}

static int
migrate_place(const struct turn *t, struct err *e)
{
	if (!db_text(t->place, 0, "schema"))
		return err_set(e, ERR_NOT_CONFIGURED,
		    "no schema of the search_path (%s) exists: create one, or set another path",
		    db_text(t->place, 0, "path"));
	if (!db_bool(t->place, 0, "is_same"))
		return err_set(e, ERR_NOT_CONFIGURED,
		    "cronward's tables are in schema %s, new ones would go to %s: put %s first in "
		    "the "
		    "search_path",
		    db_text(t->place, 0, "home"), db_text(t->place, 0, "schema"),
		    db_text(t->place, 0, "home"));
	if (db_bool(t->place, 0, "is_taken") && !db_bool(t->place, 0, "may_compare"))
		return err_set(e, ERR_NOT_CONFIGURED,
		    "there are tables of these names already: %s; to compare them, cronward makes "
		    "a "
		    "schema and takes it away again: %s",
		    db_text(t->place, 0, "taken_text"), db_text(t->place, 0, "grant_text"));
	return 0;
}

/* Tries all steps in a schema of their own, and compares what they make with what is there. */
static int
migrate_compare(struct turn *t, const char *theirs, struct err *e)
{
	if (db_script(t->db, migration_scratch.begin, e) != 0)
		return -1;
	for (size_t i = 0; i < MIGRATIONS_COUNT; i++)
		if (migrate_script(t->db, &migrations[i], e) != 0)
			return -1;
	t->findings = db_ask(t->db, SQL_MIGRATE_COMPARE,
	    DB_ARGS(db_text(t->place, 0, "schema"), db_text(t->place, 0, "taken"), theirs), e);
	if (!t->findings || db_script(t->db, migration_scratch.end, e) != 0)
		return -1;
	return migrate_judge(t, e);
}

/* Tells what was found.  0 if we may go on. */
static int
migrate_judge(const struct turn *t, struct err *e)
{
	int all = PQntuples(t->findings), conflicts = 0;

	for (int i = 0; i < all; i++) {
		if (!db_bool(t->findings, i, "is_conflict"))
			continue;
		conflicts++;
		t->m->tell(t->m, MIGRATE_CONFLICT, db_text(t->findings, i, "text"));
	}
	if (conflicts > 0)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "nothing was changed: tables that are there already cannot be cronward's as "
		    "well "
		    "(%s)",
		    db_text(t->place, 0, "taken_text"));
	for (int i = 0; i < all; i++)
		t->m->tell(t->m, MIGRATE_COLUMN, db_text(t->findings, i, "text"));
	if (all > 0 && !t->m->adopt)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "nothing was changed: tables that are there already lack %d columns; `cronward "
		    "migrate --adopt` executes these statements (%s)",
		    all, db_text(t->place, 0, "taken_text"));
	return 0;
}

/* From here on others wait for what we wait for. */
static int
migrate_hurry(const struct turn *t, struct err *e)
{
	AUTO(PQclear)
	PGresult *patience =
	    db_ask(t->db, SQL_MIGRATE_PATIENCE, DB_ARGS(migrate_patience_for_tables), e);

	return patience ? 0 : -1;
}

static int
migrate_adopt(const struct turn *t, struct err *e)
{
	AUTO(PQclear)
	PGresult *told =
	    db_ask(t->db, SQL_MIGRATE_ADOPTING, DB_ARGS(db_text(t->place, 0, "taken")), e);

	if (!told)
		return -1;
	for (int i = 0; i < PQntuples(t->findings); i++) {
		const char *statement = db_text(t->findings, i, "text");
		struct err why = { .code = ERR_OK };

		if (db_script(t->db, statement, &why) != 0)
			return err_set(
			    e, why.code, "%s: %s; nothing was changed", why.message, statement);
	}
	return 0;
}

static int
migrate_step(const struct turn *t, const struct migration *step, struct err *e)
{
	char name[MIGRATE_NAME_MAX];

	if (migrate_script(t->db, step, e) != 0)
		return -1;
	snprintf(name, sizeof name, "%04d %s", step->version, step->name);

	AUTO(PQclear)
	PGresult *audit =
	    db_ask(t->db, SQL_MIGRATE_AUDIT, DB_ARGS(t->m->actor, "migrate", name, NULL), e);

	return audit ? 0 : -1;
}

static int
migrate_script(struct db *db, const struct migration *step, struct err *e)
{
	struct err why = { .code = ERR_OK };

	if (db_script(db, step->script, &why) == 0)
		return 0;
	return err_set(
	    e, why.code, "migration %04d_%s: %s", step->version, step->name, why.message);
}

/* For data-archival, which leaves their rows alone, and for people. */
static int
migrate_record_adoption(const struct turn *t, struct err *e)
{
	PGresult *adopted =
	    db_ask(t->db, SQL_MIGRATE_ADOPTED, DB_ARGS(db_text(t->place, 0, "taken")), e);
	struct text statements = { 0 };
	PGresult *audit;

	PQclear(adopted);
	if (!adopted)
		return -1;
	text_array_begin(&statements);
	for (int i = 0; i < PQntuples(t->findings); i++)
		text_array_add(&statements, db_text(t->findings, i, "text"));
	text_array_end(&statements);
	audit = db_ask(t->db, SQL_MIGRATE_AUDIT,
	    DB_ARGS(
		t->m->actor, "migrate.adopt", db_text(t->place, 0, "taken_text"), statements.at),
	    e);
	text_finish(&statements);
	PQclear(audit);
	return audit ? 0 : -1;
}
