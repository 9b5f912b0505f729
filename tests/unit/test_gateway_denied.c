/*
 * Counting refused calls: bounded in memory, summed up in the database.
 *
 * DATABASE_URL names a migrated database.
 */
#include "gateway/denied.h"

#include "base/clock.h"
#include "base/conf.h"
#include "db/db.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char route_a[] = "/a", route_b[] = "/b";
static const char code_x[] = "unauthorized", code_y[] = "bad_request";
static const char *url;

static int
remember_url(void **state)
{
	(void)state;
	url = strdup(getenv("DATABASE_URL"));
	return 0;
}

static int
forget_url(void **state)
{
	(void)state;
	free((char *)url);
	return 0;
}

/* A database at ${where}; the settings are the caller's to finish. */
static struct db *
open_db(struct conf *conf, const char *where)
{
	struct err e = { .code = ERR_OK };

	setenv("DATABASE_URL", where, 1);
	assert_int_equal(conf_load(conf, &e), 0);
	return db_create(conf);
}

static int64_t
number(const char *statement)
{
	PGconn *db = PQconnectdb(url);
	PGresult *rows = PQexec(db, statement);
	int64_t n = PQntuples(rows) == 1 ? strtoll(PQgetvalue(rows, 0, 0), NULL, 10) : -1;

	PQclear(rows);
	PQfinish(db);
	return n;
}

static void
calls_of_a_minute_are_one_count(void **state)
{
	struct denied d = { .count = 0 };

	(void)state;
	assert_int_equal(denied_wait_ms(&d), -1);
	denied_note(&d, route_a, code_x);
	denied_note(&d, route_a, code_x);
	denied_note(&d, route_a, code_y);
	denied_note(&d, route_b, code_x);
	assert_int_equal(d.count, 3);
	assert_int_equal(d.counts[0].calls, 2);
	assert_in_range(denied_wait_ms(&d), DENIED_FLUSH_MS - 1000, DENIED_FLUSH_MS);
	/* A minute later it is another count. */
	d.counts[0].began_ms -= 60 * 1000;
	denied_note(&d, route_a, code_x);
	assert_int_equal(d.count, 4);
}

static void
memory_is_bounded(void **state)
{
	struct denied d = { .count = 0 };

	(void)state;
	for (int i = 0; i < 2 * DENIED_MAX; i++) {
		denied_note(&d, route_a, code_x);
		d.counts[d.count - 1].began_ms -= 60 * 1000;
	}
	assert_int_equal(d.count, DENIED_MAX);
	/* None is forgotten as long as its route and code have a place. */
	assert_int_equal(d.counts[DENIED_MAX - 1].calls, DENIED_MAX + 1);
	denied_note(&d, route_b, code_y);
	assert_int_equal(d.count, DENIED_MAX);
}

static void
flushes_add_up(void **state)
{
	struct denied d = { .count = 0 };
	struct err e = { .code = ERR_OK };
	struct conf conf;
	struct db *db = open_db(&conf, url);

	(void)state;
	assert_int_equal(denied_flush(&d, db, &e), 0);
	assert_false(db_is_connected(db));
	for (int round = 0; round < 2; round++) {
		denied_note(&d, route_a, code_x);
		denied_note(&d, route_a, code_x);
		denied_note(&d, route_b, code_y);
		assert_int_equal(denied_flush(&d, db, &e), 0);
		assert_int_equal(d.count, 0);
		assert_int_equal(denied_wait_ms(&d), -1);
	}
	assert_int_equal(number("SELECT sum(calls) FROM cron_denied WHERE route = '/a'"), 4);
	assert_int_equal(number("SELECT sum(calls) FROM cron_denied WHERE route = '/b'"), 2);
	/* The next one waits its time. */
	denied_note(&d, route_a, code_x);
	assert_in_range(denied_wait_ms(&d), DENIED_FLUSH_MS - 1000, DENIED_FLUSH_MS);
	db_destroy(db);
	conf_finish(&conf);
}

static void
a_count_keeps_its_minute(void **state)
{
	struct denied d = { .count = 0 };
	struct err e = { .code = ERR_OK };
	struct conf conf;
	struct db *db = open_db(&conf, url);

	(void)state;
	denied_note(&d, "/old", code_x);
	d.counts[0].began_ms -= 30 * 60 * 1000;
	assert_int_equal(denied_flush(&d, db, &e), 0);
	assert_in_range(number("SELECT extract(epoch FROM now() - minute)::bigint FROM cron_denied "
			       "WHERE route = '/old'"),
	    29 * 60, 32 * 60);
	db_destroy(db);
	conf_finish(&conf);
}

static void
without_a_database_counts_are_kept(void **state)
{
	struct denied d = { .count = 0 };
	struct err e = { .code = ERR_OK };
	struct conf conf;
	struct db *db = open_db(&conf, "host=/nonexistent");

	(void)state;
	denied_note(&d, route_a, code_x);
	assert_int_equal(denied_flush(&d, db, &e), -1);
	assert_int_equal(e.code, ERR_DATABASE);
	assert_int_equal(d.count, 1);
	denied_note(&d, route_a, code_x);
	assert_int_equal(d.counts[0].calls, 2);
	assert_in_range(denied_wait_ms(&d), DENIED_RETRY_MS - 1000, DENIED_RETRY_MS);
	db_destroy(db);
	conf_finish(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_a_minute_are_one_count),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(flushes_add_up),
		cmocka_unit_test(a_count_keeps_its_minute),
		cmocka_unit_test(without_a_database_counts_are_kept),
	};

	return cmocka_run_group_tests(tests, remember_url, forget_url);
}
