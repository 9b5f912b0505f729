/*
 * sql - every statement of the program by name.
 *
 * The text lives in the files of sql/ in blocks "-- name: x"; the build makes one list of it, so
 * enum, text and parameter count cannot drift.
 */
#ifndef CRONWARD_DB_SQL_H
#define CRONWARD_DB_SQL_H

enum sql_id {
#define SQL(id, name, params, text) SQL_##id,
#include "sql_list.h"
#undef SQL
	SQL__MAX
};

struct sql {
	const char *name; /* file and block: webhook_retry_claim */
	int params;
	const char *text; /* starts with the name in a comment, for pg_stat_activity */
};

extern const struct sql sql_table[SQL__MAX];

#endif
