/*
 * Reading what nginx hands over, and what it never would.
 */
#include "gateway/request.h"

#include "arena_fixture.h"
#include "base/clock.h"
#include "fake_fcgi.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct request q;
static struct err e;

/* Reads a request of one parameter. */
static void
read_one(const char *param)
{
	static char *params[2];

	params[0] = (char *)param;
	err_clear(&e);
	request_read(&q, params);
}

static int
query(const char *text)
{
	static char param[4096];

	snprintf(param, sizeof(param), "QUERY_STRING=%s", text);
	read_one(param);
	return request_query(&q, arena, &e);
}

static int
body(const char *declared, void *bytes, size_t len, size_t step)
{
	static char param[64];
	struct fake_body from;

	snprintf(param, sizeof(param), "CONTENT_LENGTH=%s", declared);
	read_one(param);
	return request_body(&q, fake_body(&from, bytes, len, step), arena, &e);
}

static void
an_empty_request_is_read(void **state)
{
	char *none[] = { NULL };

	(void)state;
	request_read(&q, none);
	assert_int_equal(q.method, METHOD_OTHER);
	assert_string_equal(q.path, "");
	assert_string_equal(q.caller, "-");
	assert_int_equal(q.wait_ms, 0);
	assert_int_equal(request_query(&q, arena, &e), 0);
	assert_false(request_prefers(&q, "respond-async"));
}

static void
methods_are_told_apart(void **state)
{
	(void)state;
	read_one("REQUEST_METHOD=GET");
	assert_int_equal(q.method, METHOD_GET);
	read_one("REQUEST_METHOD=POST");
	assert_int_equal(q.method, METHOD_POST);
	read_one("REQUEST_METHOD=get");
	assert_int_equal(q.method, METHOD_OTHER);
	read_one("REQUEST_METHOD=DELETE\nAND SO ON AND ON AND ON");
	assert_int_equal(q.method, METHOD_OTHER);
	assert_string_equal(q.method_text, "DELETE AND SO O");
}

static void
a_trailing_slash_is_no_difference(void **state)
{
	char long_path[REQUEST_PATH_MAX + 32];

	(void)state;
	read_one("DOCUMENT_URI=/a/b/");
	assert_string_equal(q.path, "/a/b");
	read_one("DOCUMENT_URI=/a/b///");
	assert_string_equal(q.path, "/a/b");
	read_one("DOCUMENT_URI=/");
	assert_string_equal(q.path, "/");
	read_one("SCRIPT_NAME=/s");
	assert_string_equal(q.path, "/s");
	read_one("REQUEST_URI=/r/?a=/b");
	assert_string_equal(q.path, "/r");
	snprintf(long_path, sizeof(long_path), "DOCUMENT_URI=/%0*d", REQUEST_PATH_MAX - 2, 0);
	read_one(long_path);
	assert_int_equal(strlen(q.path), REQUEST_PATH_MAX - 1);
	snprintf(long_path, sizeof(long_path), "DOCUMENT_URI=/%0*d", REQUEST_PATH_MAX - 1, 0);
	read_one(long_path);
	assert_string_equal(q.path, "");
}

static void
the_wait_in_the_queue_is_known(void **state)
{
	char param[64];
	int64_t then_ms = clock_unix_ms() - 7000;

	(void)state;
	snprintf(param, sizeof(param), "REQUEST_MSEC=%" PRId64 ".%03" PRId64, then_ms / 1000,
	    then_ms % 1000);
	read_one(param);
	assert_in_range(q.wait_ms, 7000, 7500);
	assert_in_range(clock_mono_ms() - q.arrived_ms, 7000, 7500);
}

static void
absurd_times_are_not_believed(void **state)
{
	static const char *const absurd[] = { "", ".", "1", "1.2", "1.234", "99999999999.000",
		"9223372036854775807.999", "-1.000", "1e9.000", "0x1.000", " 1.000",
		"99999999999999999999999999999999999999999.000" };
	char param[128];

	(void)state;
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		snprintf(param, sizeof(param), "REQUEST_MSEC=%s", absurd[i]);
		read_one(param);
		assert_int_equal(q.wait_ms, 0);
		assert_in_range(clock_mono_ms() - q.arrived_ms, 0, 500);
	}
}

static void
the_caller_is_fit_to_be_shown(void **state)
{
	char agent[512];
	const char *params[] = { "REMOTE_ADDR=192.0.2.7", agent, NULL };

	(void)state;
	snprintf(agent, sizeof(agent), "HTTP_USER_AGENT=curl\t\x1b[31m \xff bot");
	request_read(&q, (char *const *)params);
	assert_string_equal(q.caller, "192.0.2.7 curl  [31m ? bot");
	snprintf(agent, sizeof(agent), "HTTP_USER_AGENT=%0400d", 0);
	request_read(&q, (char *const *)params);
	assert_int_equal(strlen(q.caller), RUN_CALLER_MAX - 1);
	snprintf(agent, sizeof(agent), "HTTP_USER_AGENT=");
	request_read(&q, (char *const *)params);
	assert_string_equal(q.caller, "192.0.2.7");
}

static void
headers_that_come_twice_are_both_seen(void **state)
{
	const char *params[] = { "HTTP_A=1", "HTTP_AB=2", "HTTP_A=3", NULL };
	size_t position = 0;

	(void)state;
	request_read(&q, (char *const *)params);
	assert_string_equal(request_each(&q, "HTTP_A", &position), "1");
	assert_string_equal(request_each(&q, "HTTP_A", &position), "3");
	assert_null(request_each(&q, "HTTP_A", &position));
	assert_string_equal(request_first(&q, "HTTP_AB"), "2");
	assert_null(request_first(&q, "HTTP_"));
}

static void
preferences_are_found_in_their_list(void **state)
{
	static const char *const yes[] = { "respond-async", "Respond-Async", " respond-async ",
		"wait=10, respond-async", "respond-async;x=1", "respond-async, wait=10",
		"a=\"b,c\", respond-async", ",,respond-async", "a=\"\\\"\",respond-async",
		"a;b=\"x\" , respond-async=1" };
	static const char *const no[] = { "", ",", "respond", "respond-asynchronous",
		"x=respond-async", "x=\",respond-async\"", "\"respond-async\"", "x=\"", "x=\"\\",
		"wait=10;respond-async" };
	char param[128];

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		snprintf(param, sizeof(param), "HTTP_PREFER=%s", yes[i]);
		read_one(param);
		if (!request_prefers(&q, "respond-async"))
			fail_msg("not found in: %s", yes[i]);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		snprintf(param, sizeof(param), "HTTP_PREFER=%s", no[i]);
		read_one(param);
		if (request_prefers(&q, "respond-async"))
			fail_msg("found in: %s", no[i]);
	}
}

static void
queries_are_decoded(void **state)
{
	const char *value = NULL;

	(void)state;
	assert_int_equal(query("a=1&b=x+y%2bz%C3%a9&&c&d=&=e&f=g=h"), 0);
	assert_int_equal(q.parameters_count, 6);
	assert_int_equal(request_parameter(&q, "b", &value, &e), 0);
	assert_string_equal(value, "x y+z\xc3\xa9");
	assert_int_equal(request_parameter(&q, "c", &value, &e), 0);
	assert_string_equal(value, "");
	assert_int_equal(request_parameter(&q, "f", &value, &e), 0);
	assert_string_equal(value, "g=h");
	assert_int_equal(request_parameter(&q, "none", &value, &e), 0);
	assert_null(value);
}

static void
a_parameter_given_twice_is_refused_when_asked_for(void **state)
{
	const char *value = NULL;

	(void)state;
	assert_int_equal(query("a=1&b=1&a=1"), 0);
	assert_int_equal(request_parameter(&q, "b", &value, &e), 0);
	assert_int_equal(request_parameter(&q, "a", &value, &e), -1);
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_non_null(strstr(e.message, "parameter a "));
}

static void
a_run_is_asked_for_by_header_or_query(void **state)
{
	static const struct {
		const char *query, *header;
		bool asks;
	} cases[] = {
		{ "QUERY_STRING=", NULL, false },
		{ "QUERY_STRING=running=1&x=run", NULL, false },
		{ "QUERY_STRING=a=b&run=1", NULL, true },
		{ "QUERY_STRING=run", NULL, true },
		{ "QUERY_STRING=", "HTTP_X_VERCEL_CRON_SCHEDULE=* * * * *", true },
		{ "QUERY_STRING=", "HTTP_X_VERCEL_CRON_SCHEDULE=", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *params[] = { cases[i].query, cases[i].header, NULL };
		struct request asked;

		request_read(&asked, (char *const *)params);
		assert_int_equal(request_query(&asked, arena, NULL), 0);
		assert_int_equal(request_asks_to_run(&asked), cases[i].asks);
	}
}

static void
faults_of_a_query_are_named(void **state)
{
	static const char *const faults[][2] = {
		{ "ok=1&bad=%", "value of query parameter 2 " },
		{ "bad=%4", "value of query parameter 1 " },
		{ "bad=%zz", "value of query parameter 1 " },
		{ "bad=a%0g", "value of query parameter 1 " },
		{ "bad=%00", "NUL" },
		{ "ok&%g=1", "name of query parameter 2 " },
		{ "1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17", "more than 16 parameters" },
	};
	char too_long[REQUEST_QUERY_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		assert_int_equal(query(faults[i][0]), -1);
		assert_int_equal(e.code, ERR_BAD_REQUEST);
		if (!strstr(e.message, faults[i][1]))
			fail_msg("%s: %s", faults[i][0], e.message);
		/* What is not known may be a secret. */
		assert_null(strstr(e.message, "bad"));
	}
	snprintf(too_long, sizeof(too_long), "%0*d", REQUEST_QUERY_MAX, 0);
	assert_int_equal(query(too_long), 0);
	snprintf(too_long, sizeof(too_long), "%0*d", REQUEST_QUERY_MAX + 1, 0);
	assert_int_equal(query(too_long), -1);
	assert_non_null(strstr(e.message, "1024 bytes"));
}

static void
bodies_are_read_whole(void **state)
{
	char bytes[] = "hello";

	(void)state;
	for (size_t step = 1; step <= 5; step++) {
		assert_int_equal(body("5", bytes, 5, step), 0);
		assert_int_equal(q.body_len, 5);
		assert_string_equal(q.body, "hello");
	}
	assert_int_equal(body("", bytes, 0, 1), 0);
	assert_int_equal(body("0", bytes, 0, 1), 0);
	assert_int_equal(q.body_len, 0);
	assert_string_equal(q.body, "");
}

static void
bodies_of_another_length_are_refused(void **state)
{
	char bytes[] = "hello!";

	(void)state;
	assert_int_equal(body("6", bytes, 3, 3), -1);
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_non_null(strstr(e.message, "shorter"));
	assert_int_equal(body("3", bytes, 6, 6), -1);
	assert_non_null(strstr(e.message, "longer"));
	assert_int_equal(body("", bytes, 6, 6), -1);
	assert_int_equal(body("six", bytes, 6, 6), -1);
	assert_int_equal(body("-6", bytes, 6, 6), -1);
	assert_int_equal(body("99999999999999999999", bytes, 6, 6), -1);
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_int_equal(q.body_len, 0);
}

static void
a_connection_that_breaks_is_no_end(void **state)
{
	char bytes[] = "hello";
	struct fake_body from;

	(void)state;
	read_one("CONTENT_LENGTH=5");
	fake_body(&from, bytes, 5, 5);
	from.breaks = 1;
	assert_int_equal(request_body(&q, &from.stream, arena, &e), -1);
	assert_int_equal(e.code, ERR_BAD_REQUEST);
}

static void
bodies_have_a_limit(void **state)
{
	char *bytes = calloc(1, REQUEST_BODY_MAX);
	char declared[32];

	(void)state;
	snprintf(declared, sizeof(declared), "%d", REQUEST_BODY_MAX);
	assert_int_equal(body(declared, bytes, REQUEST_BODY_MAX, 8192), 0);
	assert_int_equal(q.body_len, REQUEST_BODY_MAX);
	snprintf(declared, sizeof(declared), "%d", REQUEST_BODY_MAX + 1);
	assert_int_equal(body(declared, bytes, REQUEST_BODY_MAX, 8192), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	free(bytes);
}

static void
a_route_may_take_more_or_less(void **state)
{
	char bytes[] = "123456";
	struct fake_body from;

	(void)state;
	for (size_t most = 5; most <= 6; most++) {
		read_one("CONTENT_LENGTH=6");
		q.body_max = most;
		assert_int_equal(
		    request_body(&q, fake_body(&from, bytes, 6, 6), arena, &e), most < 6 ? -1 : 0);
	}
}

static void
what_is_left_of_a_body_is_read_away(void **state)
{
	char *bytes = calloc(1, 2 * REQUEST_BODY_MAX);
	struct fake_body from;

	(void)state;
	assert_true(request_drain(fake_body(&from, bytes, 0, 1)));
	assert_true(request_drain(fake_body(&from, bytes, REQUEST_BODY_MAX, 8192)));
	assert_false(request_drain(fake_body(&from, bytes, (size_t)2 * REQUEST_BODY_MAX, 8192)));
	fake_body(&from, bytes, 10, 10);
	from.breaks = 1;
	assert_false(request_drain(&from.stream));
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_request_is_read),
		cmocka_unit_test(methods_are_told_apart),
		cmocka_unit_test(a_trailing_slash_is_no_difference),
		cmocka_unit_test(the_wait_in_the_queue_is_known),
		cmocka_unit_test(absurd_times_are_not_believed),
		cmocka_unit_test(the_caller_is_fit_to_be_shown),
		cmocka_unit_test(headers_that_come_twice_are_both_seen),
		cmocka_unit_test(preferences_are_found_in_their_list),
		cmocka_unit_test(queries_are_decoded),
		cmocka_unit_test(a_parameter_given_twice_is_refused_when_asked_for),
		cmocka_unit_test(a_run_is_asked_for_by_header_or_query),
		cmocka_unit_test(faults_of_a_query_are_named),
		cmocka_unit_test(bodies_are_read_whole),
		cmocka_unit_test(bodies_of_another_length_are_refused),
		cmocka_unit_test(a_connection_that_breaks_is_no_end),
		cmocka_unit_test(bodies_have_a_limit),
		cmocka_unit_test(a_route_may_take_more_or_less),
		cmocka_unit_test(what_is_left_of_a_body_is_read_away),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
