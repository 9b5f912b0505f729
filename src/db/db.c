/*
 * db - the connection, and units on their way through it.
 *
 * Each unit is three messages: the settings it needs (settings.c), its statement, a Sync.  The
 * server runs the first two as one transaction and commits at the Sync, so answers are kept back
 * until then: a statement that was reported as done can still be rolled back before its Sync.
 *
 * Behind a pooler one unit is in the air at a time.  PgBouncer before 1.21 lets a server go at the
 * first Sync that it answers; if we die then with another one under way, its answer goes to
 * whichever client gets that server next.
 */
#include "db_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/text.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DB_CONNECT_MS = 3000, /* as connect_timeout */
};

static int db_open(struct db *, struct err *);
static int db_open_with(struct db *, const char *password, struct err *);
static int db_look_for_pooler(struct db *, struct err *);
static int db_post_next(struct db *);
static void db_unit_take(struct db *, PGresult *);
static void db_unit_end(struct db *);
static void db_lose(struct db *, struct err *, const char *why);
static int db_unit_post(struct db *, const struct db_unit *);
static int db_err_take(struct err *, const PGresult *);
static void db_notice_take(void *, const PGresult *);
static int db_column(const PGresult *, const char *);

struct db *
db_create(const struct conf *conf)
{
	struct db *db = mem_zero(1, sizeof *db);

	db->conf = conf;
	return db;
}

void
db_destroy(struct db *db)
{
	if (!db)
		return;
	db_disconnect(db);
	free(db);
}

int
db_connect(struct db *db, struct err *e)
{
	if (db->conn && db->count == 0) {
		struct pollfd idle = { .fd = PQsocket(db->conn), .events = POLLIN };

		/* Nothing is asked, so whatever is there to read is a notice, a farewell or the
		 * end. */
		while (db->conn && poll(&idle, 1, 0) != 0)
			if (!PQconsumeInput(db->conn))
				db_disconnect(db);
	}
	if (db_is_connected(db))
		return 0;
	return db_open(db, e);
}

bool
db_is_connected(const struct db *db)
{
	return db->conn && PQstatus(db->conn) == CONNECTION_OK;
}

bool
db_link(const struct db *db, struct db_link *ret_link)
{
	const char *address;

	if (!db_is_connected(db))
		return false;
	address = PQhostaddr(db->conn);
	*ret_link = (struct db_link){
		.host = PQhost(db->conn),
		.is_tls = PQsslInUse(db->conn),
		.is_pooled = db->is_pooled,
	};
	ret_link->is_local = ret_link->host[0] == '/' || ret_link->host[0] == '@' ||
			     strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
	return true;
}

void
db_disconnect(struct db *db)
{
	db_lose(db, NULL, "the connection was closed");
}

int
db_send(struct db *db, struct db_unit *unit, struct err *e)
{
	assert(unit->state != DB_UNIT_SENT && db->count < DB_UNITS_MAX);
	assert(unit->args_count == sql_table[unit->sql].params);
	unit->result = NULL;
	err_clear(&unit->err);
	unit->state = DB_UNIT_SENT;
	db->units[(db->head + db->count++) % DB_UNITS_MAX] = unit;
	if (db_is_connected(db) && db_post_next(db) == 0)
		return 0;
	db_lose(db, NULL, "while sending");
	return err_pass(e, &unit->err);
}

int
db_pump(struct db *db, struct err *e)
{
	if (!db->conn)
		return err_set(e, ERR_DATABASE, DB_ERR_PREFIX " connection lost");
	if (PQflush(db->conn) < 0 || !PQconsumeInput(db->conn)) {
		db_lose(db, e, PQerrorMessage(db->conn));
		return -1;
	}
	while (db->posted > 0 && !PQisBusy(db->conn)) {
		PGresult *result = PQgetResult(db->conn);

		if (result)
			db_unit_take(db, result);
		else if (PQstatus(db->conn) != CONNECTION_OK)
			break;
	}
	if (PQstatus(db->conn) != CONNECTION_OK || db_post_next(db) != 0) {
		db_lose(db, e, PQerrorMessage(db->conn));
		return -1;
	}
	if (db->posted > 0) {
		const struct db_unit *oldest = db->units[db->head];
		int limit_ms =
		    (oldest->timeout_ms ? oldest->timeout_ms : DB_QUERY_TIMEOUT_MS) + DB_GRACE_MS;

		if (clock_mono_ms() - oldest->sent_ms > limit_ms) {
			db_lose(db, e, "no answer in time");
			return -1;
		}
	}
	return 0;
}

int
db_wait(struct db *db, struct db_unit *unit, struct err *e)
{
	while (unit->state == DB_UNIT_SENT) {
		struct pollfd ready = { .fd = db_socket(db), .events = db_events(db) };

		poll(&ready, 1, 250);
		db_pump(db, NULL);
	}
	return unit->state == DB_UNIT_DONE ? 0 : err_pass(e, &unit->err);
}

int
db_socket(const struct db *db)
{
	return db->conn ? PQsocket(db->conn) : -1;
}

short
db_events(const struct db *db)
{
	/* PQflush is asked again at each pump; it says 1 while a rest waits for the socket. */
	return db->conn && PQflush(db->conn) == 1 ? POLLIN | POLLOUT : POLLIN;
}

PGresult *
db_query(struct db *db, enum sql_id sql, const char *const *args, int args_count, struct err *e)
{
	return db_query_within(
	    db, &(struct db_unit){ .sql = sql, .args = args, .args_count = args_count }, e);
}

PGresult *
db_query_within(struct db *db, struct db_unit *unit, struct err *e)
{
	if (db_connect(db, e) != 0 || db_send(db, unit, e) != 0 || db_wait(db, unit, e) != 0)
		return NULL;
	return unit->result;
}

const char *
db_text(const PGresult *rows, int row, const char *column)
{
	int number = db_column(rows, column);

	return PQgetisnull(rows, row, number) ? NULL : PQgetvalue(rows, row, number);
}

int64_t
db_number(const PGresult *rows, int row, const char *column)
{
	const char *text = db_text(rows, row, column);

	return text ? strtoll(text, NULL, 10) : 0;
}

bool
db_bool(const PGresult *rows, int row, const char *column)
{
	const char *text = db_text(rows, row, column);

	return text && *text == 't';
}

bool
db_err_is_transient(const struct err *e)
{
	static const char *const states[] = {
		"40P01", /* deadlock_detected */
		"40001", /* serialization_failure */
		"55P03", /* lock_not_available */
		"57014", /* query_canceled: statement_timeout */
	};

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(e->sqlstate, states[i]) == 0)
			return true;
	return false;
}

enum err_code
db_err_code(const char *sqlstate)
{
	static const struct {
		const char *state;
		enum err_code code;
	} raised[] = {
		{ "CW400", ERR_BAD_REQUEST },
		{ "CW404", ERR_NOT_FOUND },
		{ "CW409", ERR_CONFLICT },
	};
	static const char *const ours[] = { "08", "53", "57", "40", "55", "25" };

	if (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "42703") == 0 ||
	    strcmp(sqlstate, "42883") == 0)
		return ERR_NOT_CONFIGURED;
	for (size_t i = 0; i < sizeof raised / sizeof *raised; i++)
		if (strcmp(sqlstate, raised[i].state) == 0)
			return raised[i].code;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strncmp(sqlstate, ours[i], 2) == 0)
			return ERR_DATABASE;
	return ERR_INTERNAL;
}

static int
db_open(struct db *db, struct err *e)
{
	struct secret_text text;
	const char *password;
	int rc = -1;

	db_disconnect(db);
	if (!db->conf->database_url)
		return err_set(e, ERR_NOT_CONFIGURED, "DATABASE_URL is not set");
	password = conf_database_password(db->conf, &text, e);
	if (password)
		rc = db_open_with(db, *password ? password : NULL, e);
	secret_text_wipe(&text);
	return rc;
}

/* ${password} NULL: what DATABASE_URL or libpq's own files say. */
static int
db_open_with(struct db *db, const char *password, struct err *e)
{
	/* What stands before dbname yields to DATABASE_URL, what stands behind it does not. */
	const char *const keys[] = { "connect_timeout", "keepalives_idle", "keepalives_interval",
		"keepalives_count", "tcp_user_timeout", "target_session_attrs", "gssencmode",
		"fallback_application_name", "dbname", "client_encoding", "password", NULL };
	const char *const values[] = { "3", "2", "1", "3", "5000", "read-write", "disable",
		"cronward", db->conf->database_url, "UTF8", password, NULL };

	db->conn = PQconnectdbParams(keys, values, 1);
	if (!db->conn)
		return err_set(e, ERR_INTERNAL, "out of memory");
	if (PQstatus(db->conn) != CONNECTION_OK || PQsetnonblocking(db->conn, 1) != 0 ||
	    !PQenterPipelineMode(db->conn)) {
		char why[ERR_MESSAGE_MAX - 64];
		const char *said = PQerrorMessage(db->conn);

		text_clean(why, sizeof why, said, strlen(said));
		PQfinish(db->conn);
		db->conn = NULL;
		return err_set(e, ERR_DATABASE, DB_ERR_PREFIX " cannot be reached: %s", why);
	}
	PQsetNoticeReceiver(db->conn, db_notice_take, db);
	return db_look_for_pooler(db, e);
}

/* A pooler answers the start of a connection itself, so the backend that it names is not there. */
static int
db_look_for_pooler(struct db *db, struct err *e)
{
	struct db_unit unit = { .sql = SQL_DB_BACKEND, .timeout_ms = DB_CONNECT_MS };

	db->is_pooled = true;
	if (db_send(db, &unit, e) != 0 || db_wait(db, &unit, e) != 0)
		return -1;
	db->is_pooled = db_number(unit.result, 0, "pid") != PQbackendPID(db->conn);
	PQclear(unit.result);
	return 0;
}

/* Sends what waits here, as far as it may. */
static int
db_post_next(struct db *db)
{
	int posted_max = db->is_pooled ? 1 : DB_UNITS_MAX;

	while (db->posted < db->count && db->posted < posted_max) {
		struct db_unit *unit = db->units[(db->head + db->posted) % DB_UNITS_MAX];

		if (db_unit_post(db, unit) != 0)
			return -1;
		unit->sent_ms = clock_mono_ms();
		db->posted++;
	}
	return 0;
}

/* Gives ${result} to the oldest unit and ends it with its Sync. */
static void
db_unit_take(struct db *db, PGresult *result)
{
	struct db_unit *unit = db->units[db->head];

	switch (PQresultStatus(result)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(result);
		db_unit_end(db);
		return;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (db->settings_answered) {
			PQclear(unit->result);
			unit->result = result;
			return;
		}
		db->settings_answered = true;
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		db_err_take(&unit->err, result);
		if (unit->is_foreign) {
			PQclear(unit->result);
			unit->result = result;
			return;
		}
		break;
	}
	PQclear(result);
}

static void
db_unit_end(struct db *db)
{
	struct db_unit *unit = db->units[db->head];

	db->head = (db->head + 1) % DB_UNITS_MAX;
	db->count--;
	db->posted--;
	db->settings_answered = false;
	if (unit->err.code == ERR_OK) {
		unit->state = DB_UNIT_DONE;
		return;
	}
	unit->state = DB_UNIT_FAILED;
	if (unit->is_foreign)
		return;
	PQclear(unit->result);
	unit->result = NULL;
}

/* Ends the connection; what was in the air is LOST, with what the server last said about it. */
static void
db_lose(struct db *db, struct err *e, const char *why)
{
	char text[ERR_MESSAGE_MAX - 64];

	text_clean(text, sizeof text, why, strlen(why));
	if (e)
		err_set(e, ERR_DATABASE, DB_ERR_PREFIX " connection lost: %s", text);
	for (; db->count > 0; db->count--, db->head = (db->head + 1) % DB_UNITS_MAX) {
		struct db_unit *unit = db->units[db->head];

		unit->state = DB_UNIT_LOST;
		PQclear(unit->result);
		unit->result = NULL;
		err_clear(&unit->err);
		err_set(&unit->err, ERR_DATABASE, DB_ERR_PREFIX " connection lost: %s", text);
	}
	db->posted = 0;
	db->settings_answered = false;
	PQfinish(db->conn);
	db->conn = NULL;
}

static int
db_unit_post(struct db *db, const struct db_unit *unit)
{
	const struct sql *sql = &sql_table[unit->sql];

	if (!db_settings_post(db, unit) ||
	    !PQsendQueryParams(
		db->conn, sql->text, unit->args_count, NULL, unit->args, NULL, NULL, 0) ||
	    !PQpipelineSync(db->conn))
		return -1;
	return PQflush(db->conn) < 0 ? -1 : 0;
}

/*
 * Turns the error that ${result} carries into ${e}.  Is -1.  What our own functions raise is meant
 * for whoever asked, and stands alone; all else may name what is nobody's business.
 */
static int
db_err_take(struct err *e, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char text[ERR_MESSAGE_MAX];
	enum err_code code = db_err_code(state ? state : "08");

	if (!e || e->code != ERR_OK)
		return -1;
	said = said ? said : PQresultErrorMessage(result);
	text_clean(text, sizeof text, said, strlen(said));
	if (code == ERR_NOT_CONFIGURED)
		err_set(e, code,
		    "the schema is missing or older than this program, run `cronward migrate`: %s",
		    text);
	else if (state && strncmp(state, DB_RAISED, sizeof DB_RAISED - 1) == 0)
		err_set(e, code, "%s", text);
	else
		err_set(e, code, DB_ERR_PREFIX ": %s", text);
	if (state)
		snprintf(e->sqlstate, sizeof e->sqlstate, "%.5s", state);
	return -1;
}

static void
db_notice_take(void *cookie, const PGresult *notice)
{
	const struct db *db = cookie;

	if (db->hear)
		db->hear(db->hear_cookie, notice);
}

static int
db_column(const PGresult *rows, const char *column)
{
	int number = PQfnumber(rows, column);

	assert(number >= 0);
	return number;
}
