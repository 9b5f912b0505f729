/*
 * handle_read - what can be asked without changing anything.
 */
#include "gateway/handle.h"

#include "base/text.h"
#include "db/db.h"
#include "db/migrate.h"
#include "gateway/call.h"
#include "gateway/route.h"

#include <stdbool.h>
#include <string.h>

enum {
	READ_RUNNING_RETRY_S = 2,
	READ_ERROR_MAX = 1024, /* of an execution's error text, so that the reply stays small */
};

static bool execution_is_callers(const struct call *, const char *worker);
static json_t *execution_body(const PGresult *rows);
static json_t *execution_error(const PGresult *rows);
static json_t *execution_text(const PGresult *rows, const char *column);
static json_t *execution_number(const PGresult *rows, const char *column);

void
handle_healthz(struct call *c)
{
	reply_text(&c->reply, 200, "{\"status\":\"ok\"}");
}

/*
 * A schema newer than the program is ready: migrations only add, and while a release is rolled
 * out the old processes still serve.
 */
void
handle_readyz(struct call *c)
{
	struct err e = { .code = ERR_OK };
	int found = migrate_version_found(c->gateway->db, &e);

	if (found < 0) {
		err_pass(&c->err, &e);
		return;
	}
	if (found < migrate_version_wanted()) {
		err_set(&c->err, ERR_NOT_CONFIGURED,
		    "The schema is at version %d, this program needs %d: run `cronward migrate`",
		    found, migrate_version_wanted());
		return;
	}
	reply_text(&c->reply, 200, "{\"status\":\"ready\"}");
}

void
handle_execution(struct call *c)
{
	PGresult *rows;

	if (!text_is_uuid(c->rest)) {
		err_set(&c->err, ERR_NOT_FOUND, "There is no such execution");
		return;
	}
	rows = db_query(c->gateway->db, SQL_GATEWAY_EXECUTION, DB_ARGS(c->rest), &c->err);
	if (!rows)
		return;
	if (PQntuples(rows) == 0) {
		err_set(&c->err, ERR_NOT_FOUND, "There is no such execution");
	} else if (!execution_is_callers(c, db_text(rows, 0, "worker"))) {
		err_set(&c->err, ERR_UNAUTHORIZED, "Unauthorized");
		call_deny(c);
	} else {
		if (strcmp(db_text(rows, 0, "status"), "running") == 0)
			reply_header(&c->reply, "Retry-After", "%d", READ_RUNNING_RETRY_S);
		reply_json(&c->reply, c->gateway->arena, 200, execution_body(rows));
	}
	PQclear(rows);
}

/* The GET of seed 002: whether the worker is running, by its lock. */
void
handle_status(struct call *c)
{
	const char *name = c->route->worker->name;
	PGresult *rows;

	if (worker_takes_over(c))
		return;
	rows = db_query(c->gateway->db, SQL_GATEWAY_IS_RUNNING, DB_ARGS(name), &c->err);
	if (rows)
		reply_json(&c->reply, c->gateway->arena, 200,
		    json_pack("{sbsbss}", "success", 1, "isRunning", db_bool(rows, 0, "is_running"),
			"jobType", name));
	PQclear(rows);
}

/* Whether one of the secrets that the caller knows opens the worker. */
static bool
execution_is_callers(const struct call *c, const char *worker)
{
	const struct route *route = route_of_worker(worker);

	return route && (route->secrets & c->secrets) != 0;
}

static json_t *
execution_body(const PGresult *rows)
{
	const char *counts = db_text(rows, 0, "counts");

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
	    execution_text(rows, "id"), "worker", execution_text(rows, "worker"), "status",
	    execution_text(rows, "status"), "startedAt", execution_text(rows, "started_at"),
	    "completedAt", execution_text(rows, "completed_at"), "durationMs",
	    execution_number(rows, "duration_ms"), "counts", json_loads(counts, 0, NULL), "error",
	    execution_error(rows), "caller", execution_text(rows, "caller"));
}

/* What PostgreSQL says may name hosts, accounts and values: it is the row's and the log's. */
static json_t *
execution_error(const PGresult *rows)
{
	const char *said = db_text(rows, 0, "error_message");

	if (said && strncmp(said, DB_ERR_PREFIX, sizeof(DB_ERR_PREFIX) - 1) == 0)
		return json_string("The database failed the run; the log has the details");
	return execution_text(rows, "error_message");
}

static json_t *
execution_text(const PGresult *rows, const char *column)
{
	const char *value = db_text(rows, 0, column);
	char clean[READ_ERROR_MAX];

	if (!value)
		return json_null();
	return json_stringn(clean, text_clean(clean, sizeof(clean), value, strlen(value)));
}

static json_t *
execution_number(const PGresult *rows, const char *column)
{
	return db_text(rows, 0, column) ? json_integer(db_number(rows, 0, column)) : json_null();
}
