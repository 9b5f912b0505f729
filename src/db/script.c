/*
 * script - transactions of several statements, for migrations.
 *
 * The connection leaves pipeline mode while one lasts.  Nothing here connects anew: what is left
 * of a transaction whose connection was lost must not run outside of it.
 */
#include "db_parts.h"

#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static PGresult *script_take(struct db *, PGresult *, struct err *);
static int script_end(struct db *, const char *how, struct err *);

int
db_begin(struct db *db, struct err *e)
{
	if (db_connect(db, e) != 0)
		return -1;
	assert(db->count == 0);
	PQexitPipelineMode(db->conn);

	AUTO(PQclear) PGresult *done = script_take(db, PQexec(db->conn, "BEGIN"), e);

	return done ? 0 : -1;
}

int
db_script(struct db *db, const char *script, struct err *e)
{
	if (!db->conn || PQtransactionStatus(db->conn) != PQTRANS_INTRANS)
		return err_set(e, ERR_DATABASE, "the transaction is over");

	AUTO(PQclear) PGresult *done = script_take(db, PQexec(db->conn, script), e);

	return done ? 0 : -1;
}

PGresult *
db_ask(struct db *db, enum sql_id sql, const char *const *args, int args_count, struct err *e)
{
	assert(args_count == sql_table[sql].params);
	if (!db->conn || PQtransactionStatus(db->conn) != PQTRANS_INTRANS) {
		err_set(e, ERR_DATABASE, "the transaction is over");
		return NULL;
	}
	return script_take(db,
	    PQexecParams(db->conn, sql_table[sql].text, args_count, NULL, args, NULL, NULL, 0), e);
}

int
db_commit(struct db *db, struct err *e)
{
	if (!db->conn || PQtransactionStatus(db->conn) != PQTRANS_INTRANS)
		return err_set(e, ERR_DATABASE, "the transaction is over");
	return script_end(db, "COMMIT", e);
}

void
db_rollback(struct db *db)
{
	if (db->conn && PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF)
		script_end(db, "ROLLBACK", NULL);
}

/* ${result} if it is a good one; else NULL with ${e}, and the transaction goes with its connection.
 */
static PGresult *
script_take(struct db *db, PGresult *result, struct err *e)
{
	const char *state, *said;
	char text[ERR_MESSAGE_MAX - 96];

	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		return result;
	default:
		break;
	}
	state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	said = said ? said : PQerrorMessage(db->conn);
	text_clean(text, sizeof text, said, strlen(said));
	err_set(e, db_err_code(state ? state : "08"), "%s", text);
	if (e && state)
		snprintf(e->sqlstate, sizeof e->sqlstate, "%.5s", state);
	PQclear(result);
	db_disconnect(db);
	return NULL;
}

static int
script_end(struct db *db, const char *how, struct err *e)
{
	AUTO(PQclear) PGresult *done = script_take(db, PQexec(db->conn, how), e);

	if (!done)
		return -1;
	PQenterPipelineMode(db->conn);
	return 0;
}
