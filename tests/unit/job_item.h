/*
 * An item as a claim of jobs brings it, for tests of processors: no database has seen it.
 */
#ifndef TESTS_UNIT_JOB_ITEM_H
#define TESTS_UNIT_JOB_ITEM_H

#include "base/arena.h"
#include "processors/processor.h"

#include <libpq-fe.h>
#include <string.h>

struct job_item {
	struct item item;
	PGresult *rows;
	int columns[JOB__MAX];
};

/* ${values} has JOB__MAX of them, NULL for NULL. */
static inline void
job_item_make(struct job_item *j, const char *const *values)
{
	static char name[] = "column";
	PGresAttDesc attributes[JOB__MAX];

	memset(j, 0, sizeof(*j));
	memset(attributes, 0, sizeof(attributes));
	j->rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	for (int i = 0; i < JOB__MAX; i++) {
		attributes[i].name = name;
		j->columns[i] = i;
	}
	PQsetResultAttrs(j->rows, JOB__MAX, attributes);
	for (int i = 0; i < JOB__MAX; i++)
		PQsetvalue(
		    j->rows, 0, i, (char *)values[i], values[i] ? (int)strlen(values[i]) : -1);
	j->item.rows = j->rows;
	j->item.columns = j->columns;
	j->item.memory = arena_create();
}

static inline void
job_item_end(struct job_item *j)
{
	arena_destroy(j->item.memory);
	PQclear(j->rows);
}

#endif
