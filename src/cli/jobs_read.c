/*
 * jobs_read - `jobs list`, `show`, `logs`, `queues`, `types` and `schedules`.
 */
#include "base/text.h"
#include "cli/jobs.h"
#include "cli/print.h"
#include "db/db.h"
#include "gateway/job_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOBS_NUMBER_MAX = 24,
	JOBS_ID_MAX = 40,
	JOBS_PAGE = 1000,
	JOBS_LIST_COLUMNS = 8,
	JOBS_LOG_COLUMNS = 3,
};
#define JOBS_LAST_LOGS "20"
#define JOBS_COUNT_MAX "10000"

/* A list on its way. */
struct jobs_list {
	const struct jobs_wish *wish;
	bool is_crowded; /* the statement to ask first finds too many */
	/* Where the last page ended; "": there is none. */
	char at[JOBS_NUMBER_MAX], id[JOBS_ID_MAX];
	int64_t left;
	int printed;
	struct print_table table;
};

static void jobs_list_begin(struct jobs_list *, const struct jobs_wish *);
static PGresult *jobs_list_ids(struct cli_session *, struct jobs_list *, int page, struct err *);
static int jobs_list_rows(
    struct cli_session *, struct jobs_list *, const PGresult *ids, int page, struct err *);
static bool jobs_list_goes_on(struct jobs_list *, const PGresult *ids, int page);
static void jobs_list_add(struct jobs_list *, const PGresult *rows, int row);
static void jobs_show_json(const char *reply, const char *logs);
static json_t *jobs_read_json(const char *text);
static void jobs_print_job(json_t *job);
static int jobs_logs_read(
    struct cli_session *, const struct jobs_wish *, json_t *logs, struct err *);
static void jobs_print_logs(const json_t *logs);
static int jobs_print_rows(const struct jobs_wish *, PGresult *rows, const struct err *);
static int jobs_missing(const char *id);

int
jobs_list(struct cli_session *s, const struct jobs_wish *wish)
{
	struct jobs_list list;
	struct err e = { .code = ERR_OK };
	bool json = wish->given[JOBS_JSON], goes_on = true;

	jobs_list_begin(&list, wish);
	while (goes_on && list.left > 0 && e.code == ERR_OK) {
		int page = list.left < JOBS_PAGE ? (int)list.left : JOBS_PAGE;
		PGresult *ids = jobs_list_ids(s, &list, page, &e);

		goes_on = ids && jobs_list_rows(s, &list, ids, page, &e) == 0 &&
			  jobs_list_goes_on(&list, ids, page);
		PQclear(ids);
	}
	if (e.code == ERR_OK && json)
		puts(list.printed > 0 ? "\n]" : "[]");
	else if (e.code == ERR_OK)
		print_table(&list.table);
	print_finish(&list.table);
	return e.code == ERR_OK ? CLI_DONE : jobs_fail(&e);
}

int
jobs_show(struct cli_session *s, const struct jobs_wish *wish)
{
	const char *id = wish->args[0];
	struct err e = { .code = ERR_OK };
	AUTO(PQclear) PGresult *rows = db_query(s->db, SQL_JOBS_SHOW, DB_ARGS(id), &e);

	if (!rows)
		return jobs_fail(&e);
	if (PQntuples(rows) == 0)
		return jobs_missing(id);

	AUTO(PQclear)
	PGresult *last = db_query(s->db, SQL_JOBS_CLI_LAST_LOGS, DB_ARGS(id, JOBS_LAST_LOGS), &e);

	if (!last)
		return jobs_fail(&e);

	if (wish->given[JOBS_JSON]) {
		jobs_show_json(db_text(rows, 0, "json"), db_text(last, 0, "json"));
		return CLI_DONE;
	}

	json_auto_t *reply = jobs_read_json(db_text(rows, 0, "json"));
	json_auto_t *logs = jobs_read_json(db_text(last, 0, "json"));

	jobs_print_job(json_object_get(reply, "job"));
	if (json_array_size(logs) > 0) {
		putchar('\n');
		jobs_print_logs(logs);
	}
	return CLI_DONE;
}

int
jobs_logs(struct cli_session *s, const struct jobs_wish *wish)
{
	struct err e = { .code = ERR_OK };
	json_auto_t *logs = json_array();
	int found = jobs_logs_read(s, wish, logs, &e);

	if (found < 0)
		return jobs_fail(&e);
	if (found == 0)
		return jobs_missing(wish->args[0]);
	if (wish->given[JOBS_JSON])
		print_json(logs);
	else
		jobs_print_logs(logs);
	return CLI_DONE;
}

int
jobs_queues(struct cli_session *s, const struct jobs_wish *wish)
{
	struct err e = { .code = ERR_OK };

	return jobs_print_rows(
	    wish, db_query(s->db, SQL_JOBS_CLI_QUEUES, DB_ARGS(JOBS_COUNT_MAX), &e), &e);
}

int
jobs_types(struct cli_session *s, const struct jobs_wish *wish)
{
	struct err e = { .code = ERR_OK };

	return jobs_print_rows(wish, db_query(s->db, SQL_JOBS_CLI_TYPES, DB_NONE, &e), &e);
}

int
jobs_schedules(struct cli_session *s, const struct jobs_wish *wish)
{
	struct err e = { .code = ERR_OK };

	return jobs_print_rows(wish, db_query(s->db, SQL_JOBS_CLI_SCHEDULES, DB_NONE, &e), &e);
}

static void
jobs_list_begin(struct jobs_list *list, const struct jobs_wish *wish)
{
	static const char *const names[JOBS_LIST_COLUMNS] = { "id", "status", "type", "queue",
		"priority", "tries", "at", "error" };

	*list = (struct jobs_list){
		.wish = wish,
		.left = wish->limit,
		.table = { .columns = JOBS_LIST_COLUMNS },
	};
	print_add(&list->table, names);
}

static PGresult *
jobs_list_ids(struct cli_session *s, struct jobs_list *list, int page, struct err *e)
{
	const char *const *given = list->wish->given;
	char size[JOBS_NUMBER_MAX];
	const char *const args[JOB_LIST__MAX] = {
		[JOB_LIST_STATUS] = given[JOBS_STATUS],
		[JOB_LIST_TYPE] = given[JOBS_TYPE],
		[JOB_LIST_QUEUE] = given[JOBS_QUEUE],
		[JOB_LIST_WORKSPACE] = given[JOBS_WORKSPACE],
		[JOB_LIST_UNIQUE_KEY] = given[JOBS_UNIQUE_KEY],
		[JOB_LIST_AFTER] = given[JOBS_CREATED_AFTER],
		[JOB_LIST_BEFORE] = given[JOBS_CREATED_BEFORE],
		[JOB_LIST_AT] = list->at[0] ? list->at : NULL,
		[JOB_LIST_ID] = list->at[0] ? list->id : NULL,
		[JOB_LIST_SIZE] = size,
		[JOB_LIST_LOOK] = JOB_LIST_LOOKED_AT,
	};
	enum sql_id sql = list->is_crowded ? job_list_sql_crowded(args) : job_list_sql(args);
	PGresult *ids;

	snprintf(size, sizeof(size), "%d", page);
	ids = db_query(s->db, sql, args, JOB_LIST__MAX, e);
	if (!job_list_is_crowded(sql, ids))
		return ids;
	PQclear(ids);
	list->is_crowded = true;
	return db_query(s->db, job_list_sql_crowded(args), args, JOB_LIST__MAX, e);
}

static int
jobs_list_rows(
    struct cli_session *s, struct jobs_list *list, const PGresult *ids, int page, struct err *e)
{
	struct text wanted = { .at = NULL };
	PGresult *rows;

	job_list_hits(ids, page, &wanted);
	rows = db_query(s->db, SQL_JOBS_ROWS, DB_ARGS(wanted.at), e);
	text_finish(&wanted);
	for (int row = 0; rows && row < PQntuples(rows); row++)
		jobs_list_add(list, rows, row);
	PQclear(rows);
	return rows ? 0 : -1;
}

/* Whether another page follows, and where it begins. */
static bool
jobs_list_goes_on(struct jobs_list *list, const PGresult *ids, int page)
{
	int last = job_list_last(ids, page);

	if (last < 0)
		return false;
	snprintf(list->at, sizeof(list->at), "%s", db_text(ids, last, "at"));
	snprintf(list->id, sizeof(list->id), "%s", db_text(ids, last, "id"));
	return true;
}

static void
jobs_list_add(struct jobs_list *list, const PGresult *rows, int row)
{
	char tries[2 * JOBS_NUMBER_MAX];

	list->left--;
	if (list->wish->given[JOBS_JSON]) {
		fputs(list->printed++ > 0 ? ",\n" : "[\n", stdout);
		print_json_text(db_text(rows, row, "json"));
		return;
	}
	snprintf(tries, sizeof(tries), "%" PRId64 "/%" PRId64, db_number(rows, row, "attempts"),
	    db_number(rows, row, "max_attempts"));
	print_add(
	    &list->table, (const char *[]){ db_text(rows, row, "id"), db_text(rows, row, "status"),
			      db_text(rows, row, "job_type"), db_text(rows, row, "queue"),
			      db_text(rows, row, "priority"), tries, db_text(rows, row, "at"),
			      db_text(rows, row, "error_message") });
}

/* As the API replies, with the last lines of the log besides. */
static void
jobs_show_json(const char *reply, const char *logs)
{
	struct text t = { .at = NULL };

	text_add(&t, reply, strlen(reply) - 1);
	text_add_format(&t, ", \"logs\" : %s}", logs);
	print_json_text(t.at);
	putchar('\n');
	text_finish(&t);
}

/* A payload may have numbers that are too large for integers of ours: for people, nearly will do.
 */
static json_t *
jobs_read_json(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	return json ? json : json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
}

/* A line for each thing that is known, why it is where it is in the end. */
static void
jobs_print_job(json_t *job)
{
	const json_t *explain = json_object_get(job, "explain"), *value;
	int width = (int)strlen("on_dependency_failure");
	const char *name;

	json_object_foreach(job, name, value)
	{
		char *dumped = NULL;

		if (json_is_null(value) || value == explain)
			continue;
		if (!json_is_string(value))
			dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		print_named(width, name, dumped ? dumped : json_string_value(value));
		free(dumped);
	}
	print_named(width, "state", json_string_value(json_object_get(explain, "state")));
	print_named(width, "reason", json_string_value(json_object_get(explain, "reason")));
	value = json_object_get(explain, "detail");
	if (value) {
		char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

		print_named(width, "detail", dumped);
		free(dumped);
	}
}

/* 1, 0 where there is no such job, or -1 with ${e}. */
static int
jobs_logs_read(struct cli_session *s, const struct jobs_wish *wish, json_t *logs, struct err *e)
{
	char behind[JOBS_NUMBER_MAX] = "0", size[JOBS_NUMBER_MAX];
	bool goes_on = true;

	while (goes_on) {
		int64_t left = wish->limit - (int64_t)json_array_size(logs);
		const char *next;

		snprintf(size, sizeof(size), "%" PRId64, left < JOBS_PAGE ? left : JOBS_PAGE);
		AUTO(PQclear)
		PGresult *rows =
		    db_query(s->db, SQL_JOBS_LOGS, DB_ARGS(wish->args[0], behind, size), e);

		if (!rows)
			return -1;
		if (PQntuples(rows) == 0)
			return 0;

		json_auto_t *page = jobs_read_json(db_text(rows, 0, "json"));

		json_array_extend(logs, json_object_get(page, "logs"));
		next = json_string_value(json_object_get(page, "nextCursor"));
		goes_on = next && (int64_t)json_array_size(logs) < wish->limit;
		if (next)
			snprintf(behind, sizeof(behind), "%s", next);
	}
	return 1;
}

/* What a line has as data stands behind its message: most have none, or little. */
static void
jobs_print_logs(const json_t *logs)
{
	struct print_table t = { .columns = JOBS_LOG_COLUMNS };

	print_add(&t, (const char *[]){ "at", "level", "message" });
	for (size_t i = 0; i < json_array_size(logs); i++) {
		const json_t *line = json_array_get(logs, i);
		const json_t *data = json_object_get(line, "data");
		struct text said = { .at = NULL };
		char *dumped;

		text_add_text(&said, json_string_value(json_object_get(line, "message")));
		if (data && !json_is_null(data)) {
			dumped = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
			text_add_format(&said, "  %s", dumped);
			free(dumped);
		}
		print_add(
		    &t, (const char *[]){ json_string_value(json_object_get(line, "created_at")),
			    json_string_value(json_object_get(line, "level")), said.at });
		text_finish(&said);
	}
	print_table(&t);
	print_finish(&t);
}

/* What stands in front of "json" as a table, or that as an array; NULL: why not.  Takes ${rows}. */
static int
jobs_print_rows(const struct jobs_wish *wish, PGresult *rows, const struct err *e)
{
	if (!rows)
		return jobs_fail(e);
	if (!wish->given[JOBS_JSON]) {
		print_rows(rows, PQfnumber(rows, "json"));
		PQclear(rows);
		return CLI_DONE;
	}
	putchar('[');
	for (int row = 0; row < PQntuples(rows); row++) {
		fputs(row > 0 ? ",\n" : "\n", stdout);
		print_json_text(db_text(rows, row, "json"));
	}
	puts(PQntuples(rows) > 0 ? "\n]" : "]");
	PQclear(rows);
	return CLI_DONE;
}

static int
jobs_missing(const char *id)
{
	fprintf(stderr, "cronward jobs: there is no job %s\n", id);
	return CLI_FAILED;
}
