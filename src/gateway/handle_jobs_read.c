/*
 * handle_jobs_read - jobs as lists, one by one with what keeps them, and with their logs.
 *
 * A list is made in two steps: ids by the index that fits what is asked for, then their rows.
 */
#include "gateway/handle.h"

#include "base/arena.h"
#include "base/text.h"
#include "gateway/call.h"
#include "gateway/cursor.h"
#include "gateway/filter.h"
#include "gateway/jobs.h"

#include <stdio.h>
#include <string.h>

enum {
	LIST_LIMIT = 50,
	LIST_LIMIT_MAX = 200,
	LIST_LOOK = 20000, /* rows that one page looks at */
	LIST_ARGS = 11,
	LOGS_LIMIT = 200,
	LOGS_LIMIT_MAX = 1000,
	NUMBER_TEXT_MAX = 24,
};

/* In the order of the statements' parameters. */
enum list_filter {
	LIST_STATUS,
	LIST_TYPE,
	LIST_QUEUE,
	LIST_WORKSPACE,
	LIST_UNIQUE_KEY,
	LIST_AFTER,
	LIST_BEFORE,
	LIST__MAX
};

/* A list on its way. */
struct list {
	struct filter filters[LIST__MAX];
	int64_t limit;
	bool has_cursor;
	struct cursor cursor;
	char at[NUMBER_TEXT_MAX], size[NUMBER_TEXT_MAX], look[NUMBER_TEXT_MAX];
	const char *args[LIST_ARGS];
};

static int list_read(struct call *, struct list *);
static int list_number(struct call *, const char *name, int64_t max, int64_t *ret_value);
static PGresult *list_ids(struct call *, struct list *);
static void list_reply(struct call *, const struct list *, const PGresult *ids);
static bool list_goes_on(const struct list *, const PGresult *ids, char to[static CURSOR_TEXT_MAX]);

void
handle_jobs_list(struct call *c)
{
	struct list list = {
		.filters = {
			[LIST_STATUS] = { .name = "status", .kind = FILTER_STATUS },
			[LIST_TYPE] = { .name = "type", .kind = FILTER_NAME },
			[LIST_QUEUE] = { .name = "queue", .kind = FILTER_NAME },
			[LIST_WORKSPACE] = { .name = "workspace", .kind = FILTER_UUID },
			[LIST_UNIQUE_KEY] = { .name = "unique_key", .kind = FILTER_NAME },
			[LIST_AFTER] = { .name = "created_after", .kind = FILTER_TIME },
			[LIST_BEFORE] = { .name = "created_before", .kind = FILTER_TIME },
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
	    filter_take_query(list->filters, LIST__MAX, known, q, &c->err) != 0 ||
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

/*
 * Those that have not ended, and those that failed, are few among many, as a rule, and have an
 * index of their own.  Where they are not few they are soon met on the way through the ages.
 */
static PGresult *
list_ids(struct call *c, struct list *list)
{
	const char *status = list->filters[LIST_STATUS].value;
	enum sql_id sql =
	    list->filters[LIST_WORKSPACE].value ? SQL_JOBS_LIST_WORKSPACE : SQL_JOBS_LIST_AGE;
	PGresult *ids;
	int n;

	snprintf(list->at, sizeof(list->at), "%lld", (long long)list->cursor.at_us);
	snprintf(list->size, sizeof(list->size), "%lld", (long long)list->limit);
	snprintf(list->look, sizeof(list->look), "%d", LIST_LOOK);
	for (n = 0; n < LIST__MAX; n++)
		list->args[n] = list->filters[n].value;
	list->args[n++] = list->has_cursor ? list->at : NULL;
	list->args[n++] = list->has_cursor ? list->cursor.id : NULL;
	list->args[n++] = list->size;
	list->args[n++] = list->look;
	if (!status || strcmp(status, "completed") == 0 || strcmp(status, "cancelled") == 0)
		return jobs_query(c, sql, list->args, n);
	ids = jobs_query(c, SQL_JOBS_LIST_FEW, list->args, n);
	if (!ids || PQntuples(ids) == 0 || db_bool(ids, 0, "is_hit"))
		return ids;
	PQclear(ids);
	return jobs_query(c, sql, list->args, n);
}

static void
list_reply(struct call *c, const struct list *list, const PGresult *ids)
{
	struct text t = { .at = NULL };
	char next[CURSOR_TEXT_MAX];
	PGresult *rows;

	text_array_begin(&t);
	for (int i = 0; i < PQntuples(ids) && i < list->limit; i++)
		if (db_bool(ids, i, "is_hit"))
			text_array_add_plain(&t, db_text(ids, i, "id"));
	text_array_end(&t);
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

/* Whether another page follows, and behind which row: the last of this one, or of those looked at.
 */
static bool
list_goes_on(const struct list *list, const PGresult *ids, char to[static CURSOR_TEXT_MAX])
{
	int count = PQntuples(ids), last = count - 1;
	struct cursor c;

	if (count > list->limit)
		last = (int)list->limit - 1;
	else if (count == 0 || db_bool(ids, last, "is_hit"))
		return false;
	c.at_us = db_number(ids, last, "at");
	snprintf(c.id, sizeof(c.id), "%s", db_text(ids, last, "id"));
	cursor_write(&c, to);
	return true;
}
