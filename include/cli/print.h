/*
 * print - rows for people, on standard output.
 *
 * Values come from receivers and events: control characters, which could drive a terminal, are
 * taken out.
 */
#ifndef CRONWARD_CLI_PRINT_H
#define CRONWARD_CLI_PRINT_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	PRINT_COLUMNS_MAX = 16,
};

/* A table that is measured first and printed then; all zero is an empty one. */
struct print_table {
	size_t columns, count, room;
	char **cells; /* count rows of columns each */
};

/* Adds a row of t->columns cells; NULL and "" show as "-". */
void print_add(struct print_table *t, const char *const *cells);
/* Prints the rows with their columns below each other, the first one as it stands. */
void print_table(const struct print_table *t);
void print_table_to(const struct print_table *t, FILE *to);
/* Of its longest line, but for its end. */
size_t print_table_width(const struct print_table *t);
void print_finish(struct print_table *t);

/* The first ${columns} columns of a result as a table, their names on top. */
void print_rows(const PGresult *rows, int columns);
/* JSON on one line; an array with a line for each element.  What jansson and PostgreSQL let
 * through, DEL and U+0080 to U+009F, is escaped, too. */
void print_json(const json_t *value);
void print_json_text(const char *json);
/*
 * A list, whose last column is json: the others as a table, or that of each row, as one array with
 * a line for each.
 */
void print_list(const PGresult *rows, bool as_json);
/* One row of a result, a line for each column that is not NULL. */
void print_record(const PGresult *rows, int row);
/* Such a line: a name in a column of ${width}, and its value. */
void print_named(int width, const char *name, const char *value);

#endif
