/*
 * settings - what a unit has set for its own transaction, in front of its statement.
 */
#include "db_parts.h"

#include <stdio.h>

enum {
	DB_LOCK_WAIT_MS = 500, /* for a row that somebody else holds */
	DB_NUMBER_MAX = 16,
};

static bool db_settings_ours(struct db *, const struct db_unit *, const char *statement_ms);
static bool db_settings_send(struct db *, enum sql_id, const char *const *values);

bool
db_settings_post(struct db *db, const struct db_unit *unit)
{
	char statement_ms[DB_NUMBER_MAX];

	snprintf(statement_ms, sizeof statement_ms, "%d",
	    unit->timeout_ms ? unit->timeout_ms : DB_QUERY_TIMEOUT_MS);
	if (unit->is_foreign)
		return db_settings_send(
		    db, SQL_DB_SETTINGS_FOREIGN, (const char *const[]){ statement_ms });
	return db_settings_ours(db, unit, statement_ms);
}

static bool
db_settings_ours(struct db *db, const struct db_unit *unit, const char *statement_ms)
{
	int timeout_ms = unit->timeout_ms ? unit->timeout_ms : DB_QUERY_TIMEOUT_MS;
	char wait_ms[DB_NUMBER_MAX];

	/* A row that somebody else holds is not worth the whole time-out. */
	snprintf(wait_ms, sizeof wait_ms, "%d",
	    timeout_ms < 2 * DB_LOCK_WAIT_MS ? timeout_ms / 2 + 1 : DB_LOCK_WAIT_MS);
	return db_settings_send(db, SQL_DB_SETTINGS,
	    (const char *const[]){ statement_ms, wait_ms, unit->async_commit ? "off" : NULL,
		unit->by_index ? "off" : "on" });
}

static bool
db_settings_send(struct db *db, enum sql_id id, const char *const *values)
{
	const struct sql *sql = &sql_table[id];

	return PQsendQueryParams(db->conn, sql->text, sql->params, NULL, values, NULL, NULL, 0);
}
