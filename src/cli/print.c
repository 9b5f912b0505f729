/*
 * print - columns are as wide as their widest cell, and no cell gets wider than a line.
 */
#include "cli/print.h"

#include "base/arena.h"
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PRINT_CELL_MAX = 256, /* bytes of one cell of a table */
	PRINT_ROOM_FIRST = 64,
	PRINT_GAP = 2, /* between columns */
};

static void print_measure(const struct print_table *, size_t widths[static PRINT_COLUMNS_MAX]);
static char *print_clean(const char *value, size_t most);

void
print_add(struct print_table *t, const char *const *cells)
{
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : PRINT_ROOM_FIRST;
		t->cells = mem_grow(t->cells, t->room * t->columns * sizeof(*t->cells));
	}
	for (size_t i = 0; i < t->columns; i++)
		t->cells[t->count * t->columns + i] =
		    print_clean(cells[i] && *cells[i] ? cells[i] : "-", PRINT_CELL_MAX);
	t->count++;
}

void
print_table(const struct print_table *t)
{
	print_table_to(t, stdout);
}

void
print_table_to(const struct print_table *t, FILE *to)
{
	size_t widths[PRINT_COLUMNS_MAX];

	print_measure(t, widths);
	for (size_t i = 0; i < t->count * t->columns; i++) {
		size_t column = i % t->columns;

		fputs(t->cells[i], to);
		if (column + 1 == t->columns)
			fputc('\n', to);
		else
			fprintf(to, "%*s",
			    (int)(widths[column] - text_characters(t->cells[i]) + PRINT_GAP), "");
	}
}

size_t
print_table_width(const struct print_table *t)
{
	size_t widths[PRINT_COLUMNS_MAX], width = 0;

	print_measure(t, widths);
	for (size_t column = 0; column < t->columns; column++)
		width += widths[column] + (column > 0 ? PRINT_GAP : 0);
	return width;
}

void
print_finish(struct print_table *t)
{
	for (size_t i = 0; i < t->count * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct print_table){ .columns = t->columns };
}

void
print_rows(const PGresult *rows, int columns)
{
	struct print_table t = { .columns = (size_t)columns };
	const char *cells[PRINT_COLUMNS_MAX];

	assert(columns <= PRINT_COLUMNS_MAX);

	for (size_t i = 0; i < t.columns; i++)
		cells[i] = PQfname(rows, (int)i);
	print_add(&t, cells);
	for (int row = 0; row < PQntuples(rows); row++) {
		for (size_t i = 0; i < t.columns; i++)
			cells[i] = PQgetvalue(rows, row, (int)i);
		print_add(&t, cells);
	}
	print_table(&t);
	print_finish(&t);
}

void
print_record(const PGresult *rows, int row)
{
	size_t widest = 0;

	for (int i = 0; i < PQnfields(rows); i++)
		if (widest < strlen(PQfname(rows, i)))
			widest = strlen(PQfname(rows, i));
	for (int i = 0; i < PQnfields(rows); i++)
		if (!PQgetisnull(rows, row, i))
			print_named((int)widest, PQfname(rows, i), PQgetvalue(rows, row, i));
}

void
print_named(int width, const char *name, const char *value)
{
	char *clean = print_clean(value, strlen(value));

	printf("%-*s  %s\n", width, name, clean);
	free(clean);
}

void
print_json(const json_t *value)
{
	char *text;

	if (!json_is_array(value)) {
		text = json_dumps(value, JSON_COMPACT);
		print_json_text(text);
		free(text);
		putchar('\n');
		return;
	}
	putchar('[');
	for (size_t i = 0; i < json_array_size(value); i++) {
		text = json_dumps(json_array_get(value, i), JSON_COMPACT);
		fputs(i > 0 ? ",\n" : "\n", stdout);
		print_json_text(text);
		free(text);
	}
	puts(json_array_size(value) > 0 ? "\n]" : "]");
}

void
print_json_text(const char *json)
{
	for (const unsigned char *at = (const unsigned char *)json; *at; at++) {
		if (*at == 0x7f)
			fputs("\\u007f", stdout);
		else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
			printf("\\u%04x", *++at);
		else
			putchar(*at);
	}
}

void
print_list(const PGresult *rows, bool as_json)
{
	if (!as_json) {
		print_rows(rows, PQnfields(rows) - 1);
		return;
	}
	putchar('[');
	for (int row = 0; row < PQntuples(rows); row++) {
		fputs(row > 0 ? ",\n" : "\n", stdout);
		print_json_text(PQgetvalue(rows, row, PQfnumber(rows, "json")));
	}
	puts(PQntuples(rows) > 0 ? "\n]" : "]");
}

static void
print_measure(const struct print_table *t, size_t widths[static PRINT_COLUMNS_MAX])
{
	memset(widths, 0, PRINT_COLUMNS_MAX * sizeof(*widths));
	for (size_t i = 0; i < t->count * t->columns; i++) {
		size_t width = text_characters(t->cells[i]);

		if (widths[i % t->columns] < width)
			widths[i % t->columns] = width;
	}
}

static char *
print_clean(const char *value, size_t most)
{
	char *clean = mem_alloc(most + 1);

	text_clean(clean, most + 1, value, strlen(value));
	return clean;
}
