/*
 * job_list - which statement lists which jobs, and where a page ends.
 */
#include "gateway/job_list.h"

#include <string.h>

/*
 * Those that have not ended, and those that failed, are few among many, as a rule, and have an
 * index of their own.  Where they are not few they are soon met on the way through the ages.
 */
enum sql_id
job_list_sql(const char *const args[static JOB_LIST__MAX])
{
	const char *status = args[JOB_LIST_STATUS];

	if (!status || strcmp(status, "completed") == 0 || strcmp(status, "cancelled") == 0)
		return job_list_sql_crowded(args);
	return SQL_JOBS_LIST_FEW;
}

enum sql_id
job_list_sql_crowded(const char *const args[static JOB_LIST__MAX])
{
	return args[JOB_LIST_WORKSPACE] ? SQL_JOBS_LIST_WORKSPACE : SQL_JOBS_LIST_AGE;
}

bool
job_list_is_crowded(enum sql_id sql, const PGresult *ids)
{
	return sql == SQL_JOBS_LIST_FEW && PQntuples(ids) > 0 && !db_bool(ids, 0, "is_hit");
}

void
job_list_hits(const PGresult *ids, int64_t size, struct text *to)
{
	text_array_begin(to);
	for (int i = 0; i < PQntuples(ids) && i < size; i++)
		if (db_bool(ids, i, "is_hit"))
			text_array_add_plain(to, db_text(ids, i, "id"));
	text_array_end(to);
}

int
job_list_last(const PGresult *ids, int64_t size)
{
	int count = PQntuples(ids);

	if (count > size)
		return (int)size - 1;
	return count == 0 || db_bool(ids, count - 1, "is_hit") ? -1 : count - 1;
}
