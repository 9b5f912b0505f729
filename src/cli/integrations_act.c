/*
 * integrations_act - `integrations list`, `resync` and `disconnect`.  What changes something goes
 * batch after batch, in the order of ids; audit_log says before the first that it was asked for,
 * and counts with each.
 */
#include "base/stop.h"
#include "base/text.h"
#include "cli/integrations.h"
#include "cli/print.h"
#include "db/db.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	INTEGRATIONS_NUMBER_MAX = 24,
	INTEGRATIONS_ID_MAX = 40,
};
#define INTEGRATIONS_BATCH "1000"
#define INTEGRATIONS_PURGE_BATCH "10" /* each may have many thousands of items */

/* One act, from its command line to its end. */
struct integrations_run {
	const struct integrations_wish *wish;
	const char *action, *done; /* in audit_log; for people */
	const char *status;        /* only these; NULL: any */
	const char *size;          /* of a batch */
	enum sql_id batch;
	bool thoroughly; /* --whole, --purge */
	char audit[INTEGRATIONS_NUMBER_MAX], last_id[INTEGRATIONS_ID_MAX];
	int64_t found, refused;
};

static int integrations_work(struct cli_session *, struct integrations_run *);
static int integrations_audit(struct cli_session *, struct integrations_run *, struct err *);
static char *integrations_filter(const struct integrations_run *);
static int integrations_batches(struct cli_session *, struct integrations_run *, struct err *);
static int integrations_purge(
    struct cli_session *, const struct integrations_run *, const PGresult *rows, struct err *);
static void integrations_step(struct integrations_run *, const PGresult *rows);
static int integrations_report(const struct integrations_run *, const struct err *);

int
integrations_list(struct cli_session *s, const struct integrations_wish *wish)
{
	const char *const *given = wish->given;
	struct err e = { .code = ERR_OK };
	char limit[INTEGRATIONS_NUMBER_MAX];
	PGresult *rows;

	snprintf(limit, sizeof(limit), "%" PRId64, wish->limit);
	rows = db_query(s->db, SQL_INTEGRATIONS_CLI_LIST,
	    DB_ARGS(given[INTEGRATIONS_PROVIDER], given[INTEGRATIONS_STATUS],
		given[INTEGRATIONS_USER], limit),
	    &e);
	if (!rows)
		return cli_fail(&e);
	print_list(rows, given[INTEGRATIONS_JSON] != NULL);
	PQclear(rows);
	return CLI_DONE;
}

int
integrations_resync(struct cli_session *s, const struct integrations_wish *wish)
{
	struct integrations_run run = {
		.wish = wish,
		.action = "integrations.resync",
		.done = "made due",
		.status = wish->given[INTEGRATIONS_STATUS],
		.size = INTEGRATIONS_BATCH,
		.batch = SQL_INTEGRATIONS_CLI_RESYNC,
		.thoroughly = wish->given[INTEGRATIONS_WHOLE] != NULL,
	};

	/* A vendor has refused the others, and is asked about them again only when that is said. */
	if (!run.status && wish->ids_count == 0)
		run.status = "active";
	return integrations_work(s, &run);
}

int
integrations_disconnect(struct cli_session *s, const struct integrations_wish *wish)
{
	struct integrations_run run = {
		.wish = wish,
		.action = "integrations.disconnect",
		.done = "disconnected",
		.size =
		    wish->given[INTEGRATIONS_PURGE] ? INTEGRATIONS_PURGE_BATCH : INTEGRATIONS_BATCH,
		.batch = SQL_INTEGRATIONS_CLI_DISCONNECT,
		.thoroughly = wish->given[INTEGRATIONS_PURGE] != NULL,
	};

	return integrations_work(s, &run);
}

static int
integrations_work(struct cli_session *s, struct integrations_run *run)
{
	struct err e = { .code = ERR_OK };

	snprintf(run->last_id, sizeof(run->last_id), "00000000-0000-0000-0000-000000000000");
	/* Between two batches is a good place to stop; within one there is none. */
	stop_setup();
	if (integrations_audit(s, run, &e) != 0)
		return cli_fail(&e);
	integrations_batches(s, run, &e);
	return integrations_report(run, &e);
}

static int
integrations_audit(struct cli_session *s, struct integrations_run *run, struct err *e)
{
	char actor[CLI_ACTOR_MAX], *filter = integrations_filter(run);
	AUTO(PQclear)
	PGresult *rows = db_query(s->db, SQL_AUDIT_BEGIN,
	    DB_ARGS(cli_actor(actor), run->action, "user_integrations", filter), e);

	free(filter);
	if (!rows)
		return -1;
	snprintf(run->audit, sizeof(run->audit), "%s", db_text(rows, 0, "id"));
	return 0;
}

/* What was asked for.  The caller frees it. */
static char *
integrations_filter(const struct integrations_run *run)
{
	const struct integrations_wish *wish = run->wish;
	json_auto_t *filter = json_object();

	for (int i = 0; i < wish->ids_count; i++) {
		if (i == 0)
			json_object_set_new(filter, "ids", json_array());
		json_array_append_new(json_object_get(filter, "ids"), json_string(wish->ids[i]));
	}
	for (int i = 0; i < INTEGRATIONS__MAX; i++)
		if (wish->given[i])
			json_object_set_new(filter, integrations_option_name[i],
			    *wish->given[i] ? json_string(wish->given[i]) : json_true());
	return json_dumps(filter, JSON_COMPACT);
}

static int
integrations_batches(struct cli_session *s, struct integrations_run *run, struct err *e)
{
	const struct integrations_wish *wish = run->wish;
	struct text ids = { .at = NULL };
	PGresult *rows;
	int found, rc;

	if (wish->ids_count > 0) {
		text_array_begin(&ids);
		for (int i = 0; i < wish->ids_count; i++)
			text_array_add_plain(&ids, wish->ids[i]);
		text_array_end(&ids);
	}
	do {
		rows = db_query(s->db, run->batch,
		    DB_ARGS(run->audit, wish->given[INTEGRATIONS_PROVIDER], run->status,
			wish->given[INTEGRATIONS_USER], ids.at, run->last_id, run->size,
			run->thoroughly ? "true" : "false"),
		    e);
		rc = rows ? 0 : -1;
		found = rows ? PQntuples(rows) : 0;
		if (found > 0)
			integrations_step(run, rows);
		if (found > 0 && wish->given[INTEGRATIONS_PURGE])
			rc = integrations_purge(s, run, rows, e);
		PQclear(rows);
	} while (rc == 0 && found > 0 && !stop_requested());
	text_finish(&ids);
	return rc;
}

/* The items of a batch, once nobody can add to them any more. */
static int
integrations_purge(
    struct cli_session *s, const struct integrations_run *run, const PGresult *rows, struct err *e)
{
	struct text ids = { .at = NULL };
	PGresult *done;

	text_array_begin(&ids);
	for (int row = 0; row < PQntuples(rows); row++)
		text_array_add_plain(&ids, db_text(rows, row, "id"));
	text_array_end(&ids);
	done = db_query(s->db, SQL_INTEGRATIONS_CLI_PURGE, DB_ARGS(run->audit, ids.at), e);
	text_finish(&ids);
	PQclear(done);
	return done ? 0 : -1;
}

static void
integrations_step(struct integrations_run *run, const PGresult *rows)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		const char *id = db_text(rows, row, "id"), *refused = db_text(rows, row, "refused");

		run->found++;
		run->refused += refused != NULL;
		if (refused && run->wish->ids_count > 0)
			fprintf(
			    stderr, "cronward integrations: %s is not synced: %s\n", id, refused);
		snprintf(run->last_id, sizeof(run->last_id), "%s", id);
	}
}

static int
integrations_report(const struct integrations_run *run, const struct err *e)
{
	const struct integrations_wish *wish = run->wish;
	bool is_stopped = stop_requested();

	printf("%s %" PRId64, run->done, run->found - run->refused);
	if (run->refused > 0)
		printf(", skipped %" PRId64, run->refused);
	putchar('\n');
	if (e->code != ERR_OK)
		return cli_fail(e);
	if (is_stopped)
		fputs("cronward integrations: stopped before the end\n", stderr);
	else if (wish->ids_count > run->found)
		fprintf(stderr,
		    "cronward integrations: %" PRId64 " of the %d ids are no integration's\n",
		    wish->ids_count - run->found, wish->ids_count);
	else if (wish->ids_count == 0 || run->refused == 0)
		return CLI_DONE;
	return CLI_FAILED;
}
