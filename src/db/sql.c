/*
 * sql - the table behind enum sql_id; the build makes both of the same list.
 */
#include "db/sql.h"

const struct sql sql_table[SQL__MAX] = {
#define SQL(id, name, params, text) [SQL_##id] = { name, params, text },
#include "sql_list.h"
#undef SQL
};
