/*
 * flow_table - a table for the flow, in memory, that does what sql/README.md asks of a flow's
 * statements.  No row may be in two settlements at once.
 */
#ifndef CRONWARD_TESTS_UNIT_FLOW_TABLE_H
#define CRONWARD_TESTS_UNIT_FLOW_TABLE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/flow.h"
#include "engine/run.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	TABLE_ROWS_MAX = 64,
	TABLE_UNITS_MAX = 8, /* of one connection */
	TABLE_LINKS_MAX = 16,
	TABLE_WAITS_MAX = 100000, /* more of them: the flow does not end */
	TABLE_TIMEOUT_S = 5,
	TABLE_STATEMENT_MIN_MS = 500, /* as run.c has it */
	TABLE_ID_MAX = 40,
};

struct table_row {
	const char *name; /* a letter */
	int turns;        /* that it takes */
	int64_t rest_ms;  /* after each of them */
	size_t bulk_len;  /* of each; 0: the shortest that says which turn it is */
	const char *url;  /* NULL: the same as others */
	bool is_bare;     /* without bulk */
	bool is_stolen;   /* somebody else claims it once its first turn is written */
	/* What the table knows. */
	char id[TABLE_ID_MAX], token[TABLE_ID_MAX];
	bool is_over, is_in_the_air;
	int64_t lease_ends_ms;
	int written, released;
	/* What the worker has seen. */
	int began, forgotten;
};

/* A connection to it. */
struct db {
	bool is_open;
	struct db_unit *units[TABLE_UNITS_MAX];
	int units_count;
};

static struct table {
	int64_t now_ms;
	struct table_row rows[TABLE_ROWS_MAX];
	int rows_count;
	struct db *links[TABLE_LINKS_MAX];
	int links_count;
	struct {
		void *owner;
		int64_t at_ms;
	} replies[TABLE_ROWS_MAX];
	int replies_count, waits;
	int64_t reply_ms;  /* that the vendor takes */
	int64_t settle_ms; /* that a settlement takes ... */
	int64_t large_ms;  /* ... and one of more than a MB besides */
	int64_t look_ms;   /* that other statements take */
	/* Faults. */
	int loses_settlement;           /* this one is committed, and its connection lost; from 1 */
	const char *refused;            /* settlements that hold this text are */
	int links_limit;                /* connections that may be open; 0: any number */
	int64_t gone_ms, back_again_ms; /* nothing is committed, and no connection is there */
	/* What was seen. */
	struct text steps;   /* "A1 B1 A2 " */
	struct text settled; /* "AB C ": which rows travelled together, as they were sent */
	int settlements, lost_leases;
	int links_made;             /* connections that were wanted ... */
	int links_after_loss;       /* ... by the time one was lost with a settlement ... */
	const struct db *lost_link; /* ... this one */
	int links_open, links_most, links_asked; /* connections: now, at once, tried for */
	int in_the_air, in_the_air_most;         /* settlements */
	size_t bulk_most;
} table;

static const struct worker table_worker = { .name = "table", .tallies = { "pages" } };

static struct table_row *
table_find(const char *id)
{
	for (int i = 0; i < table.rows_count; i++)
		if (strcmp(table.rows[i].id, id) == 0)
			return &table.rows[i];
	fail_msg("there is no row %s", id);
	return NULL;
}

/* The next value of an array literal that needs no quotes; false at its end. */
static bool
table_next(const char **at, char to[static TABLE_ID_MAX])
{
	size_t len = 0;

	(*at)++;
	len = strcspn(*at, ",}");
	if (len == 0)
		return false;
	snprintf(to, TABLE_ID_MAX, "%.*s", (int)len, *at);
	*at += len;
	return true;
}

static PGresult *
table_answer(const char *const *columns, int count)
{
	PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[16] = { 0 };

	for (int i = 0; i < count; i++)
		attributes[i].name = (char *)(uintptr_t)columns[i];
	assert_true(PQsetResultAttrs(rows, count, attributes));
	return rows;
}

static void
table_set(PGresult *rows, int row, int column, const char *value)
{
	char copy[64 * TABLE_ROWS_MAX];

	snprintf(copy, sizeof copy, "%s", value ? value : "");
	assert_true(PQsetvalue(rows, row, column, copy, value ? (int)strlen(copy) : -1));
}

static PGresult *
table_look(void)
{
	static const char *const columns[] = { "queue", "priority", "due_at", "behind_queue",
		"behind_priority" };
	PGresult *rows = table_answer(columns, 5);
	bool is_due = false;

	for (int i = 0; i < table.rows_count; i++)
		is_due |= !table.rows[i].is_over && !table.rows[i].token[0];
	table_set(rows, 0, 0, is_due ? "q" : NULL);
	table_set(rows, 0, 1, "0");
	table_set(rows, 0, 2, "2026-11-22");
	table_set(rows, 0, 3, NULL);
	table_set(rows, 0, 4, NULL);
	return rows;
}

static void
table_lease(struct table_row *row, const char *more_s)
{
	row->lease_ends_ms =
	    table.now_ms + (strtoll(more_s, NULL, 10) + (int64_t)TABLE_TIMEOUT_S) * 1000;
}

/* Of rows that were lost twice there is none. */
static PGresult *
table_claim(const char *const *args)
{
	static const char *const columns[] = { "id", "lane", "cursor_at", "timeout_s", "is_parked",
		"frees" };
	PGresult *rows = table_answer(columns, 6);
	long limit = strtol(args[0], NULL, 10), count = 0;
	char cursor_at[24];

	for (int i = 0; i < table.rows_count && count < limit && args[9][0] == 'f'; i++) {
		struct table_row *row = &table.rows[i];

		if (row->is_over || row->token[0])
			continue;
		snprintf(row->token, sizeof row->token, "%s", args[2]);
		table_lease(row, args[1]);
		table_set(rows, (int)count, 0, row->id);
		table_set(rows, (int)count, 1, "1");
		snprintf(cursor_at, sizeof cursor_at, "%d", i);
		table_set(rows, (int)count, 2, cursor_at);
		table_set(rows, (int)count, 3, "5");
		table_set(rows, (int)count, 4, "f");
		table_set(rows, (int)count, 5, "f");
		count++;
	}
	return rows;
}

/* Which turn of its row the bulk is; 0: it has none. */
static int
table_turn(const json_t *bulk, const struct table_row *row)
{
	if (row->is_bare) {
		assert_true(json_is_null(bulk));
		return row->written + 1;
	}
	assert_string_equal(json_string_value(json_array_get(bulk, 0)), row->name);
	return (int)json_integer_value(json_array_get(bulk, 1));
}

static PGresult *
table_settle(const char *const *args)
{
	static const char *const columns[] = { "done", "go_on", "going", "pages" };
	const char *ids = args[0], *tokens = args[1], *verdicts = args[2];
	char id[TABLE_ID_MAX], token[TABLE_ID_MAX], verdict[TABLE_ID_MAX], number[24];
	json_auto_t *bulks = json_loads(args[3], 0, NULL);
	PGresult *rows = table_answer(columns, 4);
	struct text going = { .at = NULL };
	int done = 0, go_on = 0, count = 0;

	text_array_begin(&going);
	for (; table_next(&ids, id); count++) {
		struct table_row *row = table_find(id);

		assert_true(table_next(&tokens, token) && table_next(&verdicts, verdict));
		if (strcmp(row->token, token) != 0)
			continue;
		row->written = table_turn(json_array_get(bulks, (size_t)count), row);
		if (strcmp(verdict, "go_on") == 0) {
			text_array_add_plain(&going, id);
			table_lease(row, args[4]);
			go_on++;
		} else {
			assert_string_equal(verdict, "done");
			row->is_over = true;
			row->token[0] = '\0';
			done++;
		}
		if (row->is_stolen)
			snprintf(row->token, sizeof row->token, "somebody else's");
	}
	assert_int_equal(json_array_size(bulks), count);
	text_array_end(&going);
	snprintf(number, sizeof number, "%d", done);
	table_set(rows, 0, 0, number);
	snprintf(number, sizeof number, "%d", go_on);
	table_set(rows, 0, 1, number);
	table_set(rows, 0, 2, go_on > 0 ? going.at : NULL);
	snprintf(number, sizeof number, "%d", done + go_on);
	table_set(rows, 0, 3, number);
	text_finish(&going);
	return rows;
}

/* What is handed back is due again in another run alone. */
static PGresult *
table_release(const char *const *args)
{
	const char *ids = args[0], *tokens = args[1];
	char id[TABLE_ID_MAX], token[TABLE_ID_MAX];

	while (table_next(&ids, id) && table_next(&tokens, token)) {
		struct table_row *row = table_find(id);

		if (strcmp(row->token, token) != 0)
			continue;
		row->released++;
		row->is_over = true;
	}
	return table_answer(NULL, 0);
}

/* Answers ${unit}, which may be refused. */
static void
table_take(struct db_unit *unit)
{
	unit->state = DB_UNIT_DONE;
	if (unit->sql == SQL_JOB_QUEUE_LOOK) {
		unit->result = table_look();
	} else if (unit->sql == SQL_JOB_QUEUE_CLAIM) {
		unit->result = table_claim(unit->args);
	} else if (unit->sql == SQL_JOB_QUEUE_RELEASE) {
		unit->result = table_release(unit->args);
	} else if (table.refused && strstr(unit->args[3], table.refused)) {
		unit->state = DB_UNIT_FAILED;
		err_set(&unit->err, ERR_DATABASE, "it is refused");
	} else {
		assert_int_equal(unit->sql, SQL_JOB_QUEUE_SETTLE);
		unit->result = table_settle(unit->args);
		table.settlements++;
		if (strlen(unit->args[3]) > table.bulk_most)
			table.bulk_most = strlen(unit->args[3]);
	}
}

/* A settlement is sent, or ends. */
static void
table_lift(const struct db_unit *unit, bool is_sent)
{
	const char *ids = unit->args[0];
	char id[TABLE_ID_MAX];

	while (table_next(&ids, id)) {
		struct table_row *row = table_find(id);

		assert_true(row->is_in_the_air != is_sent);
		row->is_in_the_air = is_sent;
		if (is_sent)
			text_add_text(&table.settled, row->name);
	}
	if (is_sent)
		text_add_char(&table.settled, ' ');
	table.in_the_air += is_sent ? 1 : -1;
	if (table.in_the_air > table.in_the_air_most)
		table.in_the_air_most = table.in_the_air;
}

#endif
