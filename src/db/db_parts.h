/*
 * db_parts - what the files of the database connection share, and nobody else sees.
 */
#ifndef CRONWARD_DB_DB_PARTS_H
#define CRONWARD_DB_DB_PARTS_H

#include "db/db.h"

#include <stdbool.h>

struct conf;

struct db {
	const struct conf *conf;
	PGconn *conn;
	struct db_unit *units[DB_UNITS_MAX]; /* in the air, a ring, oldest at head */
	int head, count;
	int posted;             /* so many of them are on their way, the rest waits here */
	bool is_pooled;         /* what answers is not the backend that we are connected to */
	bool settings_answered; /* of the oldest unit: the next result is its statement's */
	void (*hear)(void *cookie, const PGresult *notice); /* NULL: nobody */
	void *hear_cookie;
};

/* How the SQLSTATEs begin that our own functions raise, with words for whoever asked. */
#define DB_RAISED "CW4"

/* What kind of error an SQLSTATE is. */
enum err_code db_err_code(const char *sqlstate);

/* Sends what ${unit} is to have set, in front of its statement.  Whether that could be done. */
bool db_settings_post(struct db *db, const struct db_unit *unit);

#endif
