/*
 * db - one PostgreSQL connection of a process, always in pipeline mode.
 *
 * What is sent is a unit: one statement with all that it needs (time-outs, and whether its commit
 * may be asynchronous), a transaction of its own that ends with its Sync.  Nothing of a session
 * is used, so every unit may meet another backend: it works through PgBouncer in transaction
 * mode.  Units sent one after the other travel together and are answered in order; a result
 * counts only once its Sync has come.
 *
 * PQ...exec and PQ...send appear in src/db alone.
 */
#ifndef CRONWARD_DB_DB_H
#define CRONWARD_DB_DB_H

#include "base/auto.h"
#include "base/err.h"
#include "db/sql.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

AUTO_DEFINE(PGresult *, PQclear);

struct conf;
struct db;

/*
 * How a message begins that ends in words of PostgreSQL's own, which may name hosts, accounts and
 * values.  (That the schema is missing or too old begins otherwise, and names a table at most; what
 * functions of ours refuse, SQLSTATE CW400, CW404 or CW409, is told in their words alone.)
 */
#define DB_ERR_PREFIX "database"

enum {
	DB_UNITS_MAX = 8,            /* in the air at once */
	DB_QUERY_TIMEOUT_MS = 10000, /* for statements that have no reason for another */
	DB_GRACE_MS = 1000,          /* the server gives up first; when it cannot, we do */
};

enum db_unit_state {
	DB_UNIT_IDLE,   /* never sent, or taken back by its owner */
	DB_UNIT_SENT,   /* waiting for its Sync */
	DB_UNIT_DONE,   /* committed; result is the caller's to PQclear */
	DB_UNIT_FAILED, /* the server refused it and rolled it back; err says why */
	DB_UNIT_LOST,   /* the connection went away: it may have been committed, or not */
};

/* Values are text, NULL for NULL; they must live until the unit is no longer SENT. */
struct db_unit {
	enum sql_id sql;
	const char *const *args;
	int args_count;
	int timeout_ms;  /* statement_timeout; 0 is DB_QUERY_TIMEOUT_MS */
	bool by_index;   /* no sequential scan: for statements that look rows up one by one */
	bool is_foreign; /* runs an application's own code: its time-out and nothing else is set */
	bool async_commit; /* a crash of the server may undo it: for claims, which then are due
			      again */
	/* Filled in by db. */
	int64_t sent_ms;
	enum db_unit_state state;
	PGresult
	    *result; /* FAILED and foreign: the refusal, for its fields; the caller's as well */
	struct err err;
};

/* Nothing is connected yet.  ${conf} must outlive the db. */
struct db *db_create(const struct conf *conf);
void db_destroy(struct db *db); /* NULL is fine */

/*
 * Connects unless a good connection is there; one that died while it was idle is noticed before
 * anything is sent on it.  Blocks for connect_timeout (3 s) a host at most.
 * 0, or -1 with ERR_DATABASE.  Call after fork only.
 */
int db_connect(struct db *db, struct err *e);
/* Whether the connection was good when it was last used. */
bool db_is_connected(const struct db *db);
/* The connection that is there, as far as this end can tell. */
struct db_link {
	const char *host; /* a name, an address, or the folder of a socket */
	bool is_local;    /* a socket or a loopback address */
	bool is_tls;
	bool is_pooled; /* what answers is not the backend that we are connected to */
};
/* False: there is none. */
bool db_link(const struct db *db, struct db_link *ret_link);
/* Drops the connection; units in the air are LOST. */
void db_disconnect(struct db *db);

/*
 * Hands every notice of the server's to ${hear} when it comes, also while the statement that it is
 * about goes on; without one they are dropped.
 */
void db_on_notice(struct db *db, void (*hear)(void *cookie, const PGresult *notice), void *cookie);
/*
 * Asks the server to end the statement that it is at, without waiting for anything; it may come
 * too late.  It may also come after the statement and hit the next one, so none is to follow: when
 * the unit has ended, db_disconnect().  0, or -1 with ${e}.
 */
int db_cancel(struct db *db, struct err *e);

/*
 * Sends ${unit} behind those in the air, without waiting.  0, or -1 with ${e} set and the unit
 * LOST when the connection is gone.  The unit must stay where it is until it is no longer SENT.
 */
int db_send(struct db *db, struct db_unit *unit, struct err *e);
/*
 * Reads and writes what can be without waiting, and ends units.  0, or -1 with ${e} set:
 * connection lost, or given up because a unit took longer than its timeout and DB_GRACE_MS.
 */
int db_pump(struct db *db, struct err *e);
/* Pumps and waits until ${unit} is no longer SENT.  0, or -1 with ${e} set unless it is DONE. */
int db_wait(struct db *db, struct db_unit *unit, struct err *e);
/* For a poll of the caller's: the socket (-1: none), and POLLIN, with POLLOUT where there is a
 * rest. */
int db_socket(const struct db *db);
short db_events(const struct db *db);

/*
 * One statement, waited for; connects where needed (see db_connect).  The result (the caller's,
 * PQclear), or NULL with ${e} set.  With ERR_DATABASE it may have been committed, or not.
 * DB_ARGS("a", b) gives the values and their number; DB_NONE is for statements without any.
 */
PGresult *db_query(
    struct db *db, enum sql_id sql, const char *const *args, int args_count, struct err *e);
/* The same for a unit that says more than statement and values. */
PGresult *db_query_within(struct db *db, struct db_unit *unit, struct err *e);
#define DB_ARGS(...)                                                                               \
	(const char *const[]){ __VA_ARGS__ },                                                      \
	    (int)(sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))
#define DB_NONE NULL, 0

/*
 * A transaction of several statements, each waited for, outside of the pipeline; for migrations.
 * After db_begin() come any number of db_script() and db_ask(), then db_commit() or db_rollback(),
 * and nothing else.  What fails ends the transaction: all of it is rolled back.
 */
int db_begin(struct db *db, struct err *e);
/* Statements as they stand in a file, by the simple protocol. */
int db_script(struct db *db, const char *script, struct err *e);
/* The result (the caller's, PQclear), or NULL with ${e} set. */
PGresult *db_ask(
    struct db *db, enum sql_id sql, const char *const *args, int args_count, struct err *e);
int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db); /* also when it is over already */

/* By column name; a name that is not there is a defect and ends the process. */
const char *db_text(const PGresult *rows, int row, const char *column); /* NULL for NULL */
int64_t db_number(const PGresult *rows, int row, const char *column);   /* 0 for NULL */
bool db_bool(const PGresult *rows, int row, const char *column);

/* Whether the server asks to try again: deadlock, serialisation, lock or statement time-out. */
bool db_err_is_transient(const struct err *e);

#endif
