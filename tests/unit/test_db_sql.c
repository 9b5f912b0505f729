/*
 * Every statement of the program, prepared against the migrated schema: a column that was renamed,
 * a type that does not fit or a parameter that is not counted fails here and not in production.
 *
 * DATABASE_URL names a migrated database; tests/unit.mjs makes one.
 */
#include "db/sql.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int
connect_to_database(void **state)
{
	PGconn *db = PQconnectdb(getenv("DATABASE_URL"));

	*state = db;
	return PQstatus(db) == CONNECTION_OK ? 0 : -1;
}

static int
disconnect_from_database(void **state)
{
	PQfinish(*state);
	return 0;
}

static void
every_statement_prepares(void **state)
{
	for (int i = 0; i < SQL__MAX; i++) {
		const struct sql *sql = &sql_table[i];
		PGresult *done = PQprepare(*state, sql->name, sql->text, 0, NULL);

		if (PQresultStatus(done) != PGRES_COMMAND_OK)
			fail_msg("%s: %s", sql->name, PQresultErrorMessage(done));
		PQclear(done);
	}
}

static void
every_parameter_is_counted(void **state)
{
	for (int i = 0; i < SQL__MAX; i++) {
		const struct sql *sql = &sql_table[i];
		PGresult *described = PQdescribePrepared(*state, sql->name);

		assert_int_equal(PQresultStatus(described), PGRES_COMMAND_OK);
		if (PQnparams(described) != sql->params)
			fail_msg("%s takes %d parameters, the table says %d", sql->name,
			    PQnparams(described), sql->params);
		PQclear(described);
	}
}

/* For pg_stat_activity and the server's log. */
static void
every_statement_names_itself(void **state)
{
	(void)state;
	for (int i = 0; i < SQL__MAX; i++) {
		const struct sql *sql = &sql_table[i];
		size_t len = strlen(sql->name);

		assert_int_equal(strncmp(sql->text, "/* ", 3), 0);
		assert_int_equal(strncmp(sql->text + 3, sql->name, len), 0);
		assert_int_equal(strncmp(sql->text + 3 + len, " */", 3), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_statement_prepares),
		cmocka_unit_test(every_parameter_is_counted),
		cmocka_unit_test(every_statement_names_itself),
	};

	return cmocka_run_group_tests(tests, connect_to_database, disconnect_from_database);
}
