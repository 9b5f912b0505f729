/*
 * status_show - reads the status and puts it into words, or into JSON.
 */
#include "base/text.h"
#include "cli/print.h"
#include "cli/status.h"
#include "db/db.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <string.h>

enum {
	STATUS_CELL_MAX = 256,
	STATUS_AGE_MAX = 32,
	STATUS_MIN_S = 60,
	STATUS_HOUR_S = 3600,
	STATUS_DAY_S = 86400,
	STATUS_COUNT_MAX = 10000,
};
#define STATUS_COUNT_MAX_TEXT "10000"
_Static_assert(STATUS_COUNT_MAX == 10000, "the text is the number");

/* Of each queue. */
static const char *const status_counts[] = { "due", "waiting", "leased", "parked", "dead" };
enum {
	STATUS_COUNTS = sizeof(status_counts) / sizeof(*status_counts),
};

static void status_print_workers(const PGresult *, FILE *);
static void status_describe_last(const PGresult *, int row, char to[static STATUS_CELL_MAX]);
static void status_describe_counts(const PGresult *, int row, char to[static STATUS_CELL_MAX]);
static void status_describe_lock(const PGresult *, int row, char to[static STATUS_CELL_MAX]);
static PGresult *status_read_queues(struct cli_session *, enum sql_id, struct err *);
static void status_print_queues(const struct status *, FILE *);
static void status_add_queue(struct print_table *, const PGresult *, int row);
static void status_print_rest(const PGresult *, FILE *);
static void status_print_paused(const json_t *names, FILE *);
static char *status_age(int64_t seconds, char to[static STATUS_AGE_MAX]);
static char *status_count(
    const PGresult *, int row, const char *column, char to[static STATUS_CELL_MAX]);
static json_t *status_json_worker(const PGresult *, int row);
static json_t *status_json_queue(const PGresult *, int row);
static json_t *status_json_count(const PGresult *, int row, const char *column);
static json_t *status_json_number(const PGresult *, int row, const char *column);
static json_t *status_json_parsed(const PGresult *, int row, const char *column);

/* Each gives rows of the same columns. */
static const enum sql_id status_queues[STATUS_QUEUES] = { SQL_STATUS_QUEUES,
	SQL_STATUS_LANES_EVENTS_QUEUE, SQL_STATUS_LANES_WHATSAPP_QUEUE, SQL_STATUS_LANES_MAIL_QUEUE,
	SQL_STATUS_INTEGRATIONS };

int
status_read(struct cli_session *s, struct status *ret_status, struct err *e)
{
	struct text names = { .at = NULL };
	bool goes_on;

	*ret_status = (struct status){ .workers = NULL };
	text_array_begin(&names);
	for (size_t i = 0; workers[i]; i++)
		text_array_add(&names, workers[i]->name);
	text_array_end(&names);
	ret_status->workers = db_query(s->db, SQL_STATUS_WORKERS, DB_ARGS(names.at), e);
	text_finish(&names);
	goes_on = ret_status->workers != NULL;
	for (int i = 0; i < STATUS_QUEUES && goes_on; i++) {
		ret_status->queues[i] = status_read_queues(s, status_queues[i], e);
		goes_on = ret_status->queues[i] != NULL;
	}
	if (goes_on)
		ret_status->rest =
		    db_query(s->db, SQL_STATUS_REST, DB_ARGS(STATUS_COUNT_MAX_TEXT), e);
	return ret_status->rest ? 0 : -1;
}

void
status_finish(struct status *status)
{
	PQclear(status->workers);
	for (int i = 0; i < STATUS_QUEUES; i++)
		PQclear(status->queues[i]);
	PQclear(status->rest);
	*status = (struct status){ .workers = NULL };
}

void
status_print(const struct status *status, FILE *to)
{
	fprintf(to, "%s\n\n", db_text(status->rest, 0, "at"));
	status_print_workers(status->workers, to);
	fputc('\n', to);
	status_print_queues(status, to);
	fputc('\n', to);
	status_print_rest(status->rest, to);
}

json_t *
status_json(const struct status *status)
{
	json_t *workers_list = json_array(), *queues = json_array();

	for (int row = 0; row < PQntuples(status->workers); row++)
		json_array_append_new(workers_list, status_json_worker(status->workers, row));
	for (int i = 0; i < STATUS_QUEUES; i++)
		for (int row = 0; row < PQntuples(status->queues[i]); row++)
			json_array_append_new(queues, status_json_queue(status->queues[i], row));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "at", db_text(status->rest, 0, "at"),
	    "workers", workers_list, "queues", queues, "queuesPaused",
	    status_json_parsed(status->rest, 0, "paused"), "endpointsDisabled",
	    status_json_count(status->rest, 0, "disabled"), "deniedInLastHour",
	    status_json_parsed(status->rest, 0, "denied"));
}

static void
status_print_workers(const PGresult *rows, FILE *to)
{
	struct print_table table = { .columns = 4 };
	char last[STATUS_CELL_MAX], counts[STATUS_CELL_MAX], lock[STATUS_CELL_MAX];

	print_add(&table, (const char *const[]){ "worker", "last run", "now", "counts" });
	for (int row = 0; row < PQntuples(rows); row++) {
		status_describe_last(rows, row, last);
		status_describe_counts(rows, row, counts);
		status_describe_lock(rows, row, lock);
		print_add(&table,
		    (const char *const[]){ db_text(rows, row, "name"), last, lock, counts });
	}
	print_table_to(&table, to);
	print_finish(&table);
}

/* "success 12 s ago in 412 ms". */
static void
status_describe_last(const PGresult *rows, int row, char to[static STATUS_CELL_MAX])
{
	const char *error = db_text(rows, row, "error_message");
	char age[STATUS_AGE_MAX];

	if (!db_text(rows, row, "id")) {
		snprintf(to, STATUS_CELL_MAX, "never");
		return;
	}
	snprintf(to, STATUS_CELL_MAX, "%s %s ago in %" PRId64 " ms%s%s",
	    db_text(rows, row, "status"), status_age(db_number(rows, row, "ago_s"), age),
	    db_number(rows, row, "duration_ms"), error ? ": " : "", error ? error : "");
}

/* The run's counts in their own words, but for what it did not do: "processed 12, succeeded 12". */
static void
status_describe_counts(const PGresult *rows, int row, char to[static STATUS_CELL_MAX])
{
	json_auto_t *counts = status_json_parsed(rows, row, "counts");
	struct text all = { .at = NULL };

	for (void *at = json_object_iter(counts); at; at = json_object_iter_next(counts, at))
		if (json_integer_value(json_object_iter_value(at)) != 0)
			text_add_format(&all, "%s%s %lld", all.len > 0 ? ", " : "",
			    json_object_iter_key(at),
			    (long long)json_integer_value(json_object_iter_value(at)));
	snprintf(to, STATUS_CELL_MAX, "%s", all.at ? all.at : "");
	text_finish(&all);
}

static void
status_describe_lock(const PGresult *rows, int row, char to[static STATUS_CELL_MAX])
{
	const char *by = db_text(rows, row, "held_by");
	char age[STATUS_AGE_MAX];

	if (!db_text(rows, row, "holder")) {
		to[0] = '\0';
		return;
	}
	status_age(db_number(rows, row, "held_s"), age);
	if (db_bool(rows, row, "holder_is_live"))
		snprintf(to, STATUS_CELL_MAX, "running for %s, run %s of %s", age,
		    db_text(rows, row, "holder"), by ? by : "?");
	else
		snprintf(to, STATUS_CELL_MAX, "silent run %s of %s holds an expired lock, %s old",
		    db_text(rows, row, "holder"), by ? by : "?", age);
}

static PGresult *
status_read_queues(struct cli_session *s, enum sql_id sql, struct err *e)
{
	struct db_unit unit = {
		.sql = sql,
		.args = (const char *const[]){ STATUS_COUNT_MAX_TEXT },
		.args_count = 1,
		.by_index = true,
	};

	return db_query_within(s->db, &unit, e);
}

static void
status_print_queues(const struct status *status, FILE *to)
{
	struct print_table table = { .columns = STATUS_COUNTS + 2 };
	const char *line[STATUS_COUNTS + 2] = { "queue" };

	for (int i = 0; i < STATUS_COUNTS; i++)
		line[i + 1] = status_counts[i];
	line[STATUS_COUNTS + 1] = "oldest due";
	print_add(&table, line);
	for (int i = 0; i < STATUS_QUEUES; i++)
		for (int row = 0; row < PQntuples(status->queues[i]); row++)
			status_add_queue(&table, status->queues[i], row);
	print_table_to(&table, to);
	print_finish(&table);
}

static void
status_add_queue(struct print_table *table, const PGresult *rows, int row)
{
	char cells[STATUS_COUNTS + 1][STATUS_CELL_MAX];
	const char *line[STATUS_COUNTS + 2] = { db_text(rows, row, "name") };

	for (int i = 0; i < STATUS_COUNTS; i++)
		line[i + 1] = status_count(rows, row, status_counts[i], cells[i]);
	if (db_text(rows, row, "oldest_s"))
		line[STATUS_COUNTS + 1] =
		    status_age(db_number(rows, row, "oldest_s"), cells[STATUS_COUNTS]);
	print_add(table, line);
}

static void
status_print_rest(const PGresult *rows, FILE *to)
{
	json_auto_t *denied = status_json_parsed(rows, 0, "denied");
	json_auto_t *paused = status_json_parsed(rows, 0, "paused");
	char count[STATUS_CELL_MAX];
	const char *separator = "";

	status_print_paused(paused, to);
	fprintf(to, "endpoints disabled: %s\n", status_count(rows, 0, "disabled", count));
	fputs("calls denied in the last hour:", to);
	for (void *at = json_object_iter(denied); at; at = json_object_iter_next(denied, at)) {
		fprintf(to, "%s %lld %s", separator,
		    (long long)json_integer_value(json_object_iter_value(at)),
		    json_object_iter_key(at));
		separator = ",";
	}
	fputs(*separator ? "\n" : " none\n", to);
}

/* Names are whatever somebody gave to a queue. */
static void
status_print_paused(const json_t *names, FILE *to)
{
	const json_t *name;
	size_t i;

	if (json_array_size(names) == 0)
		return;
	fputs("queues of jobs that are paused:", to);
	json_array_foreach(names, i, name)
	{
		char clean[STATUS_CELL_MAX];

		text_clean(clean, sizeof(clean), json_string_value(name), json_string_length(name));
		fprintf(to, "%s %s", i > 0 ? "," : "", clean);
	}
	fputc('\n', to);
}

/* As people say it, in the largest unit that leaves something to tell.  Returns ${to}. */
static char *
status_age(int64_t seconds, char to[static STATUS_AGE_MAX])
{
	if (seconds < 2LL * STATUS_MIN_S)
		snprintf(to, STATUS_AGE_MAX, "%" PRId64 " s", seconds < 0 ? 0 : seconds);
	else if (seconds < 2LL * STATUS_HOUR_S)
		snprintf(to, STATUS_AGE_MAX, "%" PRId64 " min", seconds / STATUS_MIN_S);
	else if (seconds < 2LL * STATUS_DAY_S)
		snprintf(to, STATUS_AGE_MAX, "%" PRId64 " h", seconds / STATUS_HOUR_S);
	else
		snprintf(to, STATUS_AGE_MAX, "%" PRId64 " days", seconds / STATUS_DAY_S);
	return to;
}

/* The number, or "10000+"; rows with a lease stand among the due ones and share their limit. */
static char *
status_count(const PGresult *rows, int row, const char *column, char to[static STATUS_CELL_MAX])
{
	int64_t count = db_number(rows, row, column);
	bool is_more = count > STATUS_COUNT_MAX;

	if (!db_text(rows, row, column)) {
		to[0] = '\0';
		return to;
	}
	if (strcmp(column, "due") == 0)
		is_more = db_bool(rows, row, "due_is_more");
	if (count > STATUS_COUNT_MAX)
		count = STATUS_COUNT_MAX;
	snprintf(to, STATUS_CELL_MAX, "%" PRId64 "%s", count, is_more ? "+" : "");
	return to;
}

static json_t *
status_json_worker(const PGresult *rows, int row)
{
	json_t *last = json_null(), *lock = json_null();

	if (db_text(rows, row, "id"))
		last = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s?, s:s?}", "id",
		    db_text(rows, row, "id"), "outcome", db_text(rows, row, "status"), "startedAt",
		    db_text(rows, row, "started_at"), "durationMs",
		    status_json_number(rows, row, "duration_ms"), "counts",
		    status_json_parsed(rows, row, "counts"), "error",
		    db_text(rows, row, "error_message"), "caller", db_text(rows, row, "caller"));
	if (db_text(rows, row, "holder"))
		lock = json_pack("{s:s, s:s?, s:I, s:s, s:b}", "holder",
		    db_text(rows, row, "holder"), "caller", db_text(rows, row, "held_by"), "fence",
		    (json_int_t)db_number(rows, row, "fence"), "since",
		    db_text(rows, row, "held_since"), "live", db_bool(rows, row, "holder_is_live"));
	return json_pack("{s:s, s:o, s:b, s:o}", "worker", db_text(rows, row, "name"), "lastRun",
	    last, "running", !json_is_null(lock) && db_bool(rows, row, "holder_is_live"), "lock",
	    lock);
}

static json_t *
status_json_queue(const PGresult *rows, int row)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "queue", db_text(rows, row, "name"),
	    "due", status_json_count(rows, row, "due"), "waiting",
	    status_json_count(rows, row, "waiting"), "leased",
	    status_json_count(rows, row, "leased"), "parked",
	    status_json_count(rows, row, "parked"), "dead", status_json_count(rows, row, "dead"),
	    "oldestDueS", status_json_number(rows, row, "oldest_s"));
}

/* A number, or the text "10000+" where there are more. */
static json_t *
status_json_count(const PGresult *rows, int row, const char *column)
{
	char count[STATUS_CELL_MAX];

	if (strchr(status_count(rows, row, column, count), '+'))
		return json_string(count);
	return status_json_number(rows, row, column);
}

static json_t *
status_json_number(const PGresult *rows, int row, const char *column)
{
	return db_text(rows, row, column) ? json_integer(db_number(rows, row, column))
					  : json_null();
}

static json_t *
status_json_parsed(const PGresult *rows, int row, const char *column)
{
	const char *text = db_text(rows, row, column);
	json_t *parsed = text ? json_loads(text, 0, NULL) : NULL;

	return parsed ? parsed : json_null();
}
