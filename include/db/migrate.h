/*
 * migrate - brings the schema to the version that this program knows.
 */
#ifndef CRONWARD_DB_MIGRATE_H
#define CRONWARD_DB_MIGRATE_H

#include "base/err.h"

#include <stdbool.h>

struct db;

enum migrate_news {
	MIGRATE_CONFLICT, /* why a table that is there cannot be cronward's, too */
	MIGRATE_COLUMN, /* a statement that adds what it lacks; about to be executed if it may be */
	MIGRATE_STEP,   /* "0003 application_tables": was applied, or would be */
};

struct migrate {
	bool adopt;        /* may add columns to tables of an application's */
	bool dry_run;      /* changes nothing, whatever adopt says */
	const char *actor; /* for audit_log */
	void (*tell)(const struct migrate *, enum migrate_news, const char *text);
};

/* The newest version among the embedded migrations. */
int migrate_version_wanted(void);

/*
 * The version that the database has; 0 where cronward was never there.
 * -1 with ${e} set when the database cannot be asked.
 */
int migrate_version_found(struct db *db, struct err *e);

/*
 * Applies what is missing, each step in a transaction of its own under a lock, so that two that
 * start at once do each step once.  Where a table that a step would create is there already, it is
 * compared first: nothing at all changes unless it fits, or lacks no more than columns and
 * ${m}->adopt is set; then columns and steps are one transaction.
 * 0, or -1 with ${e} set; a schema newer than the program is refused.
 */
int migrate_run(struct db *db, const struct migrate *m, struct err *e);

#endif
