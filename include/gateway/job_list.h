/*
 * job_list - a list of jobs page by page, as the API and the command line make it.
 *
 * A page takes two steps: ids by the index that fits what is asked for, then their rows
 * (SQL_JOBS_ROWS).
 */
#ifndef CRONWARD_GATEWAY_JOB_LIST_H
#define CRONWARD_GATEWAY_JOB_LIST_H

#include "base/text.h"
#include "db/db.h"

#include <stdbool.h>
#include <stdint.h>

#define JOB_LIST_LOOKED_AT "20000" /* rows, for one page */

/* What the statements for ids are given, in their order; NULL: not asked for. */
enum job_list_arg {
	JOB_LIST_STATUS,
	JOB_LIST_TYPE,
	JOB_LIST_QUEUE,
	JOB_LIST_WORKSPACE,
	JOB_LIST_UNIQUE_KEY,
	JOB_LIST_AFTER,
	JOB_LIST_BEFORE,
	/* Behind which row, in microseconds since 1970 and as a uuid. */
	JOB_LIST_AT,
	JOB_LIST_ID,
	JOB_LIST_SIZE, /* of the page */
	JOB_LIST_LOOK, /* JOB_LIST_LOOKED_AT */
	JOB_LIST__MAX
};

/* The statement to ask first. */
enum sql_id job_list_sql(const char *const args[static JOB_LIST__MAX]);
/* The one to ask where ${sql} has answered that it finds too many. */
enum sql_id job_list_sql_crowded(const char *const args[static JOB_LIST__MAX]);
/* Whether ${sql} has answered that; ${ids} may be NULL. */
bool job_list_is_crowded(enum sql_id sql, const PGresult *ids);

/* Writes the ids of a page of ${size} that fit into ${to}, an array literal. */
void job_list_hits(const PGresult *ids, int64_t size, struct text *to);
/* The row of ${ids} behind which the next page begins: the last of this one, or of those looked at.
 * -1: there is none. */
int job_list_last(const PGresult *ids, int64_t size);

#endif
