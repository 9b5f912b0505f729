/*
 * Units that run an application's own code: what they have set, what is heard of them, how they
 * fail, and how they are ended.
 *
 * DATABASE_URL names a migrated database; tests/unit.mjs makes one.
 */
#include "base/clock.h"
#include "base/conf.h"
#include "db/db.h"

#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A job that is claimed, and where cronward_job_perform() takes its function from. */
#define JOB "11111111-1111-4111-8111-111111111111"
#define TOKEN "22222222-2222-4222-8222-222222222222"

struct stand {
	struct conf conf;
	struct db *db;
	char heard[256];
	int64_t heard_ms;
};

static void
execute(const char *text)
{
	PGconn *other = PQconnectdb(getenv("DATABASE_URL"));
	PGresult *done = PQexec(other, text);

	if (PQresultStatus(done) != PGRES_COMMAND_OK && PQresultStatus(done) != PGRES_TUPLES_OK)
		fail_msg("%s", PQresultErrorMessage(done));
	PQclear(done);
	PQfinish(other);
}

static int
set_up(void **state)
{
	struct stand *stand = calloc(1, sizeof *stand);

	stand->conf.database_url = getenv("DATABASE_URL");
	stand->db = db_create(&stand->conf);
	*state = stand;
	execute("INSERT INTO jobs (id, job_type, status, claim_token, lease_until) VALUES ('" JOB
		"', 't', 'processing', '" TOKEN "', now() + interval '1 hour')");
	return 0;
}

static int
tear_down(void **state)
{
	struct stand *stand = *state;

	db_destroy(stand->db);
	free(stand);
	execute("DELETE FROM jobs");
	return 0;
}

static void
hear(void *cookie, const PGresult *notice)
{
	struct stand *stand = cookie;

	snprintf(stand->heard, sizeof stand->heard, "%s %s %s",
	    PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED),
	    PQresultErrorField(notice, PG_DIAG_SQLSTATE),
	    PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
	stand->heard_ms = clock_mono_ms();
}

static void
call(struct stand *stand, struct db_unit *unit, const char *function, int timeout_ms)
{
	static const char *args[4];
	struct err e = { .code = ERR_OK };

	args[0] = JOB;
	args[1] = TOKEN;
	args[2] = function;
	args[3] = "{\"payload\": 1}";
	*unit = (struct db_unit){
		.sql = SQL_JOB_PERFORM_CALL,
		.args = args,
		.args_count = 4,
		.timeout_ms = timeout_ms,
		.is_foreign = true,
	};
	if (db_connect(stand->db, &e) != 0 || db_send(stand->db, unit, &e) != 0)
		fail_msg("%s", e.message);
}

static void
must_be_done(struct stand *stand, struct db_unit *unit)
{
	struct err e = { .code = ERR_OK };

	if (db_wait(stand->db, unit, &e) != 0)
		fail_msg("%s", e.message);
	PQclear(unit->result);
}

static const char *
field(const struct db_unit *unit, int code)
{
	return PQresultErrorField(unit->result, code);
}

static void
only_the_time_out_is_set(void **state)
{
	struct stand *stand = *state;
	struct db_unit unit;
	PGconn *other;
	PGresult *result;

	execute("CREATE FUNCTION f_settings(job jsonb) RETURNS jsonb LANGUAGE sql AS $$"
		" SELECT jsonb_build_array(current_setting('statement_timeout'),"
		" current_setting('lock_timeout'), current_setting('enable_sort'),"
		" current_setting('enable_seqscan')) $$");
	call(stand, &unit, "f_settings", 7000);
	must_be_done(stand, &unit);
	other = PQconnectdb(getenv("DATABASE_URL"));
	result = PQexec(other, "SELECT result::text FROM jobs WHERE performed_at IS NOT NULL");
	assert_string_equal(PQgetvalue(result, 0, 0), "[\"7s\", \"0\", \"on\", \"on\"]");
	PQclear(result);
	PQfinish(other);
}

static void
a_notice_is_heard_while_the_function_runs(void **state)
{
	struct stand *stand = *state;
	struct db_unit unit;

	execute("CREATE FUNCTION f_speaks(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN"
		" RAISE WARNING 'half'; PERFORM pg_sleep(0.5); RETURN '1'; END $$");
	db_on_notice(stand->db, hear, stand);
	call(stand, &unit, "f_speaks", 5000);
	must_be_done(stand, &unit);
	assert_string_equal(stand->heard, "WARNING 01000 half");
	assert_true(clock_mono_ms() - stand->heard_ms >= 400);
}

static void
a_refusal_has_all_its_fields(void **state)
{
	struct stand *stand = *state;
	struct db_unit unit;

	execute("CREATE FUNCTION f_fails(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN"
		" RAISE EXCEPTION 'no' USING DETAIL = 'd', HINT = 'h', ERRCODE = 'AB123';"
		" END $$");
	call(stand, &unit, "f_fails", 5000);
	assert_int_equal(db_wait(stand->db, &unit, NULL), -1);
	assert_int_equal(unit.state, DB_UNIT_FAILED);
	assert_string_equal(field(&unit, PG_DIAG_MESSAGE_PRIMARY), "no");
	assert_string_equal(field(&unit, PG_DIAG_MESSAGE_DETAIL), "d");
	assert_string_equal(field(&unit, PG_DIAG_MESSAGE_HINT), "h");
	assert_non_null(strstr(field(&unit, PG_DIAG_CONTEXT), "function f_fails(jsonb) line 1"));
	PQclear(unit.result);
}

static void
cancelling_ends_it_and_waits_for_nothing(void **state)
{
	struct stand *stand = *state;
	struct db_unit unit;
	int64_t began_ms = 0;

	execute("CREATE FUNCTION f_sleeps(job jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN"
		" RAISE NOTICE 'begun'; PERFORM pg_sleep(60); RETURN '1'; END $$");
	db_on_notice(stand->db, hear, stand);
	call(stand, &unit, "f_sleeps", 70000);
	while (!stand->heard[0]) {
		struct pollfd ready = { .fd = db_socket(stand->db), .events = POLLIN };

		poll(&ready, 1, 1000);
		assert_int_equal(db_pump(stand->db, NULL), 0);
	}
	began_ms = clock_mono_ms();
	assert_int_equal(db_cancel(stand->db, NULL), 0);
	assert_true(clock_mono_ms() - began_ms < 500);
	assert_int_equal(db_wait(stand->db, &unit, NULL), -1);
	assert_int_equal(unit.state, DB_UNIT_FAILED);
	assert_string_equal(field(&unit, PG_DIAG_SQLSTATE), "57014");
	assert_true(clock_mono_ms() - began_ms < 30000);
	PQclear(unit.result);
}

static void
without_a_connection_there_is_nothing_to_cancel(void **state)
{
	struct stand *stand = *state;
	struct err e = { .code = ERR_OK };

	assert_int_equal(db_cancel(stand->db, &e), -1);
	assert_int_equal(e.code, ERR_DATABASE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_the_time_out_is_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_notice_is_heard_while_the_function_runs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refusal_has_all_its_fields, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    cancelling_ends_it_and_waits_for_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    without_a_connection_there_is_nothing_to_cancel, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
