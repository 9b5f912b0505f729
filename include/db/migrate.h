/*
 * migrate - brings the schema to the version that this program knows.
 */
#ifndef CRONWARD_DB_MIGRATE_H
#define CRONWARD_DB_MIGRATE_H

#include "base/err.h"

#include <stdint.h>

struct db;

/* The newest version among the embedded migrations. */
int migrate_version_wanted(void);

/*
 * The version that the database has; 0 where cronward was never there.
 * -1 with ${e} set when the database cannot be asked.
 */
int migrate_version_found(struct db *db, struct err *e);

/*
 * Applies what is missing, each migration in a transaction of its own under a lock, so that two
 * that start at once do each step once.  ${tell} is called with each step that this call applied.
 * 0, or -1 with ${e} set; a schema newer than the program is refused.
 */
int migrate_run(struct db *db, void (*tell)(int version, const char *name), struct err *e);

#endif
