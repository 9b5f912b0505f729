/*
 * handle_jobs_read - jobs as lists, one by one with what keeps them, and with their logs.
 */
#include "gateway/handle.h"

#include "base/arena.h"
#include "base/text.h"
#include "gateway/call.h"
#include "gateway/cursor.h"
#include "gateway/filter.h"
#include "gateway/job_list.h"
#include "gateway/jobs.h"

#include <stdio.h>
#include <string.h>

enum {
	LIST_FILTERS = JOB_LIST_BEFORE + 1,
	LIST_LIMIT = 50,
	LIST_LIMIT_MAX = 200,
	LOGS_LIMIT = 200,
	LOGS_LIMIT_MAX = 1000,
	NUMBER_TEXT_MAX = 24,
};

/* A list on its way. */
struct list {
	struct filter filters[LIST_FILTERS]; /* by enum job_list_arg */
	int64_t limit;
	bool has_cursor;
	struct cursor cursor;
};

static int list_read(struct call *, struct list *);
static int list_number(struct call *, const char *name, int64_t max, int64_t *ret_value);
static PGresult *list_ids(struct call *, const struct list *);
static void list_reply(struct call *, const struct list *, const PGresult *ids);
static bool list_goes_on(const struct list *, const PGresult *ids, char to[static CURSOR_TEXT_MAX]);

void
handle_jobs_list(struct call *c)
{
	struct list list = {
		.filters = {
			[JOB_LIST_STATUS] = { .name = "status", .kind = FILTER_STATUS },
			[JOB_LIST_TYPE] = { .name = "type", .kind = FILTER_NAME },
			[JOB_LIST_QUEUE] = { .name = "queue", .kind = FILTER_NAME },
			[JOB_LIST_WORKSPACE] = { .name = "workspace", .kind = FILTER_UUID },
			[JOB_LIST_UNIQUE_KEY] = { .name = "unique_key", .kind = FILTER_NAME },
			[JOB_LIST_AFTER] = { .name = "created_after", .kind = FILTER_TIME },
			[JOB_LIST_BEFORE] = { .name = "created_before", .kind = FILTER_TIME },
		},
		.limit = LIST_LIMIT,
	};
	PGresult *ids;

	if (list_read(c, &list) != 0) {
		call_deny(c);
		return;
	}
	ids = list_ids(c, &list);
	if (ids)
		list_reply(c, &list, ids);
	PQclear(ids);
}

void
handle_job_show(struct call *c)
{
	const char *id = jobs_id(c);

	if (id)
		jobs_reply_one(c, id, jobs_query(c, SQL_JOBS_SHOW, DB_ARGS(id)));
}

void
handle_job_logs(struct call *c)
{
	static const char *const known[] = { "limit", "cursor", NULL };
	struct request *q = &c->request;
	char behind[NUMBER_TEXT_MAX], size[NUMBER_TEXT_MAX];
	int64_t cursor = 0, limit = LOGS_LIMIT;
	const char *id = jobs_id(c);

	if (!id || request_query(q, c->gateway->arena, &c->err) != 0 ||
	    filter_take_query(NULL, 0, known, q, &c->err) != 0 ||
	    list_number(c, "limit", LOGS_LIMIT_MAX, &limit) != 0 ||
	    list_number(c, "cursor", INT64_MAX, &cursor) != 0)
		return;
	snprintf(behind, sizeof(behind), "%lld", (long long)cursor);
	snprintf(size, sizeof(size), "%lld", (long long)limit);
	jobs_reply_one(c, id, jobs_query(c, SQL_JOBS_LOGS, DB_ARGS(id, behind, size)));
}

static int
list_read(struct call *c, struct list *list)
{
	static const char *const known[] = { "limit", "cursor", NULL };
	struct request *q = &c->request;
	const char *cursor = NULL;

	if (request_query(q, c->gateway->arena, &c->err) != 0 ||
	    filter_take_query(list->filters, LIST_FILTERS, known, q, &c->err) != 0 ||
	    list_number(c, "limit", LIST_LIMIT_MAX, &list->limit) != 0 ||
	    request_parameter(q, "cursor", &cursor, &c->err) != 0)
		return -1;
	list->has_cursor = cursor != NULL;
	if (cursor && !cursor_read(&list->cursor, cursor))
		return err_set(&c->err, ERR_BAD_REQUEST,
		    "The parameter cursor is none that a page ended with (nextCursor)");
	return 0;
}

/* The query parameter ${name}, 1 to ${max}; what it was where it is not given. */
static int
list_number(struct call *c, const char *name, int64_t max, int64_t *ret_value)
{
	const char *text = NULL;

	if (request_parameter(&c->request, name, &text, &c->err) != 0)
		return -1;
	if (text && !text_to_int64(text, 1, max, ret_value))
		return err_set(&c->err, ERR_BAD_REQUEST, "The parameter %s may be 1-%lld", name,
		    (long long)max);
	return 0;
}

static PGresult *
list_ids(struct call *c, const struct list *list)
{
	char at[NUMBER_TEXT_MAX], size[NUMBER_TEXT_MAX];
	const char *args[JOB_LIST__MAX] = {
		[JOB_LIST_SIZE] = size, [JOB_LIST_LOOK] = JOB_LIST_LOOKED_AT
	};
	enum sql_id sql;
	PGresult *ids;

	snprintf(at, sizeof(at), "%lld", (long long)list->cursor.at_us);
	snprintf(size, sizeof(size), "%lld", (long long)list->limit);
	for (int i = 0; i < LIST_FILTERS; i++)
		args[i] = list->filters[i].value;
	args[JOB_LIST_AT] = list->has_cursor ? at : NULL;
	args[JOB_LIST_ID] = list->has_cursor ? list->cursor.id : NULL;
	sql = job_list_sql(args);
	ids = jobs_query(c, sql, args, JOB_LIST__MAX);
	if (!job_list_is_crowded(sql, ids))
		return ids;
	PQclear(ids);
	return jobs_query(c, job_list_sql_crowded(args), args, JOB_LIST__MAX);
}

static void
list_reply(struct call *c, const struct list *list, const PGresult *ids)
{
	struct text t = { .at = NULL };
	char next[CURSOR_TEXT_MAX];
	PGresult *rows;

	job_list_hits(ids, list->limit, &t);
	rows = jobs_query(c, SQL_JOBS_ROWS, DB_ARGS(t.at));
	if (rows) {
		text_reset(&t);
		text_add_text(&t, "{\"success\":true,\"jobs\":[");
		for (int i = 0; i < PQntuples(rows); i++) {
			text_add_text(&t, i > 0 ? "," : "");
			text_add_text(&t, db_text(rows, i, "json"));
		}
		if (list_goes_on(list, ids, next))
			text_add_format(&t, "],\"nextCursor\":\"%s\"}", next);
		else
			text_add_text(&t, "],\"nextCursor\":null}");
		jobs_reply(c, t.at);
	}
	PQclear(rows);
	text_finish(&t);
}

/* Whether another page follows, and its cursor. */
static bool
list_goes_on(const struct list *list, const PGresult *ids, char to[static CURSOR_TEXT_MAX])
{
	int last = job_list_last(ids, list->limit);
	struct cursor c;

	if (last < 0)
		return false;
	c.at_us = db_number(ids, last, "at");
	snprintf(c.id, sizeof(c.id), "%s", db_text(ids, last, "id"));
	cursor_write(&c, to);
	return true;
}
