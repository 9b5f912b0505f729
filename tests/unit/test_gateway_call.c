/*
 * A call from its parameters to its reply, with a real database and without a socket.
 *
 * DATABASE_URL names a migrated database.
 */
#include "gateway/call.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "db/db.h"
#include "fake_fcgi.h"
#include "gateway/route.h"
#include "http/http.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "a-secret-that-is-long-enough"
#define WITH_SECRET "HTTP_AUTHORIZATION=Bearer " SECRET
#define RETRY "/api/workers/webhookRetry"

enum {
	PARAMS_MAX = 8,
};

static struct conf conf;
static struct gateway g;
static struct call call;
static PGconn *side; /* what the database looks like from outside */

static int
open_gateway(void **state)
{
	struct err e = { .code = ERR_OK };

	(void)state;
	side = PQconnectdb(getenv("DATABASE_URL"));
	setenv("CRON_SECRET", SECRET, 1);
	if (PQstatus(side) != CONNECTION_OK || conf_load(&conf, &e) != 0)
		return -1;
	g = (struct gateway){ .conf = &conf, .db = db_create(&conf), .arena = arena_create() };
	return 0;
}

static int
close_gateway(void **state)
{
	(void)state;
	http_destroy(g.http);
	db_destroy(g.db);
	arena_destroy(g.arena);
	conf_finish(&conf);
	PQfinish(side);
	return 0;
}

static int
forget(void **state)
{
	(void)state;
	arena_reset(g.arena);
	g.denied = (struct denied){ .count = 0 };
	PQclear(PQexec(side, "DELETE FROM cron_locks; DELETE FROM cron_job_executions"));
	return 0;
}

/* Answers ${method} ${url} with up to two more parameters; the reply's body, to be freed. */
static json_t *
answer(const char *method, const char *url, const char *a, const char *b)
{
	char texts[3][REQUEST_QUERY_MAX * 2],
	    *params[PARAMS_MAX] = { texts[0], texts[1], texts[2] };
	const char *mark = strchr(url, '?');
	char none[1] = "";
	struct fake_body body;
	FCGX_Request q = { .in = fake_body(&body, none, 0, 1), .envp = params };

	snprintf(texts[0], sizeof(texts[0]), "REQUEST_METHOD=%s", method);
	snprintf(texts[1], sizeof(texts[1]), "DOCUMENT_URI=%.*s",
	    (int)(mark ? mark - url : (long)strlen(url)), url);
	snprintf(texts[2], sizeof(texts[2]), "QUERY_STRING=%s", mark ? mark + 1 : "");
	params[3] = (char *)a;
	params[4] = (char *)(a ? b : NULL);
	call_answer(&call, &g, &q);
	return json_loadb(call.reply.body, call.reply.body_len, 0, NULL);
}

static const char *
text_of(const json_t *body, const char *key)
{
	const char *text = json_string_value(json_object_get(body, key));

	return text ? text : "";
}

static void
assert_error(json_t *body, int status, const char *code)
{
	assert_int_equal(call.reply.status, status);
	assert_string_equal(text_of(body, "code"), code);
	assert_true(json_is_false(json_object_get(body, "success")));
	json_decref(body);
}

/* The route's refused calls with ${code}. */
static int64_t
denied(const char *route, const char *code)
{
	for (size_t i = 0; i < g.denied.count; i++)
		if (strcmp(g.denied.counts[i].route, route) == 0 &&
		    strcmp(g.denied.counts[i].code, code) == 0)
			return g.denied.counts[i].calls;
	return 0;
}

static void
checks_come_in_their_order(void **state)
{
	(void)state;
	assert_error(answer("DELETE", "/nowhere", NULL, NULL), 404, "not_found");
	assert_null(call.route);
	assert_error(answer("DELETE", RETRY "?busy=1", NULL, NULL), 405, "method_not_allowed");
	assert_non_null(strstr(call.reply.headers, "Allow: GET, POST\r\n"));
	assert_error(answer("POST", RETRY "?busy=1", NULL, NULL), 401, "unauthorized");
	assert_error(answer("POST", RETRY "?busy=1", WITH_SECRET, NULL), 400, "bad_request");
	assert_error(answer("POST", RETRY, WITH_SECRET, "CONTENT_LENGTH=65537"), 413, "too_large");
	assert_error(answer("POST", RETRY, WITH_SECRET, "CONTENT_LENGTH=6"), 400, "bad_request");
	assert_false(db_is_connected(g.db));
}

static void
refusals_are_counted(void **state)
{
	(void)state;
	json_decref(answer("POST", RETRY, NULL, NULL));
	json_decref(answer("POST", RETRY "/", "HTTP_X_CRON_SECRET=wrong", NULL));
	json_decref(answer("PUT", RETRY, NULL, NULL));
	json_decref(answer("GET", "/nowhere", NULL, NULL));
	json_decref(answer("GET", "/healthz", NULL, NULL));
	assert_int_equal(denied(RETRY, "unauthorized"), 2);
	assert_int_equal(denied(RETRY, "method_not_allowed"), 1);
	assert_int_equal(g.denied.count, 2);
}

static void
refusals_tell_nothing_apart(void **state)
{
	static const char *const wrong[] = { NULL, "HTTP_AUTHORIZATION=Bearer x",
		"HTTP_AUTHORIZATION=Basic x", "HTTP_X_CRON_SECRET=", "HTTP_AUTHORIZATION=" SECRET };
	char first_body[256] = "", first_headers[REPLY_HEADERS_MAX] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_decref(answer("POST", RETRY, wrong[i], NULL));
		if (i == 0) {
			snprintf(first_body, sizeof(first_body), "%s", call.reply.body);
			snprintf(first_headers, sizeof(first_headers), "%s", call.reply.headers);
		}
		assert_int_equal(call.reply.status, 401);
		assert_string_equal(call.reply.body, first_body);
		assert_string_equal(call.reply.headers, first_headers);
	}
	assert_non_null(strstr(first_headers, "X-Cron-Outcome: denied\r\n"));
}

static void
a_worker_runs(void **state)
{
	json_t *body = answer("GET", "/api/workers/notificationExpiry/", WITH_SECRET, NULL);

	(void)state;
	assert_int_equal(call.reply.status, 200);
	assert_true(json_is_integer(json_object_get(body, "expired")));
	assert_string_equal(text_of(json_object_get(body, "run"), "worker"), "notification-expiry");
	assert_string_equal(text_of(json_object_get(body, "run"), "id"), call.run.id);
	assert_non_null(strstr(call.reply.headers, "X-Cron-Worker: notification-expiry\r\n"));
	assert_non_null(strstr(call.reply.headers, "X-Cron-Outcome: success\r\n"));
	assert_non_null(strstr(call.reply.headers, "X-Cron-Items: 0\r\n"));
	assert_non_null(strstr(call.reply.headers, call.run.id));
	assert_null(call.afterwards);
	json_decref(body);
}

static void
busy_is_said_or_skipped(void **state)
{
	json_t *body;

	(void)state;
	PQclear(PQexec(side,
	    "INSERT INTO cron_locks (name, holder, fence, acquired_at, expires_at) VALUES "
	    "('webhook-retry', gen_random_uuid(), 7, now(), now() + interval '15 s')"));
	body = answer("POST", RETRY, WITH_SECRET, NULL);
	assert_true(strlen(text_of(body, "startedAt")) > 0);
	assert_string_equal(text_of(body, "error"), "Job already running, skipping");
	assert_non_null(strstr(call.reply.headers, "Retry-After: "));
	assert_non_null(strstr(call.reply.headers, "X-Cron-Outcome: busy\r\n"));
	assert_error(body, 429, "busy");

	body = answer("POST", RETRY "?busy=200", WITH_SECRET, NULL);
	assert_int_equal(call.reply.status, 200);
	assert_int_equal(call.err.code, ERR_OK);
	assert_true(json_is_true(json_object_get(body, "skipped")));
	assert_int_equal(json_integer_value(json_object_get(body, "retried")), 0);
	assert_true(json_is_null(json_object_get(body, "run")));
	assert_non_null(strstr(call.reply.headers, "X-Cron-Outcome: busy\r\n"));
	json_decref(body);
	assert_int_equal(g.denied.count, 0);
}

static void
async_begins_then_answers_then_works(void **state)
{
	char path[128];
	json_t *body = answer("POST", RETRY, WITH_SECRET, "HTTP_PREFER=respond-async");

	(void)state;
	assert_int_equal(call.reply.status, 202);
	assert_non_null(call.afterwards);
	assert_non_null(strstr(call.reply.headers, "Preference-Applied: respond-async\r\n"));
	snprintf(path, sizeof(path), "/api/cron/executions/%s", call.run.id);
	assert_non_null(strstr(call.reply.headers, path));
	json_decref(body);

	struct call first = call;

	body = answer("GET", path, WITH_SECRET, NULL);
	assert_string_equal(text_of(body, "status"), "running");
	assert_non_null(strstr(call.reply.headers, "Retry-After: 2\r\n"));
	json_decref(body);
	first.afterwards(&first);
	assert_string_equal(first.outcome, "success");
	body = answer("GET", path, WITH_SECRET, NULL);
	assert_string_equal(text_of(body, "status"), "success");
	assert_string_equal(text_of(body, "worker"), "webhook-retry");
	assert_string_equal(text_of(body, "caller"), "-");
	assert_true(json_is_integer(json_object_get(body, "durationMs")));
	assert_true(json_is_object(json_object_get(body, "counts")));
	assert_true(json_is_null(json_object_get(body, "error")));
	assert_null(strstr(call.reply.headers, "Retry-After"));
	json_decref(body);
	assert_int_equal(g.denied.count, 0);
}

static void
executions_that_are_not_there(void **state)
{
	(void)state;
	assert_error(answer("GET", "/api/cron/executions/x", WITH_SECRET, NULL), 404, "not_found");
	assert_error(answer("GET", "/api/cron/executions/00000000-0000-4000-8000-000000000000",
			 WITH_SECRET, NULL),
	    404, "not_found");
	assert_error(answer("GET", "/api/cron/executions/x", NULL, NULL), 401, "unauthorized");
}

static void
a_call_that_waited_too_long_is_refused(void **state)
{
	char msec[64];
	int64_t then_ms = clock_unix_ms() - 6000;

	(void)state;
	snprintf(msec, sizeof(msec), "REQUEST_MSEC=%" PRId64 ".%03" PRId64, then_ms / 1000,
	    then_ms % 1000);
	assert_error(answer("POST", RETRY, WITH_SECRET, msec), 503, "unavailable");
	assert_non_null(strstr(call.reply.headers, "Retry-After: "));
	assert_false(call.run.begun);
}

static void
health_and_readiness(void **state)
{
	json_t *body = answer("GET", "/healthz", NULL, NULL);

	(void)state;
	assert_int_equal(call.reply.status, 200);
	assert_string_equal(text_of(body, "status"), "ok");
	json_decref(body);
	body = answer("GET", "/readyz", NULL, NULL);
	assert_int_equal(call.reply.status, 200);
	assert_string_equal(text_of(body, "status"), "ready");
	json_decref(body);
	assert_error(answer("HEAD", "/healthz", NULL, NULL), 405, "method_not_allowed");
	assert_error(answer("POST", "/readyz", NULL, NULL), 405, "method_not_allowed");
	assert_non_null(strstr(call.reply.headers, "Allow: GET\r\n"));
}

static void
without_a_database_calls_are_told_to_wait(void **state)
{
	struct db *good = g.db;
	char *url = conf.database_url;
	char nowhere[] = "host=/nonexistent";

	(void)state;
	conf.database_url = nowhere;
	g.db = db_create(&conf);
	assert_error(answer("POST", RETRY, WITH_SECRET, NULL), 503, "database_unavailable");
	assert_non_null(strstr(call.reply.headers, "Retry-After: "));
	assert_non_null(strstr(call.reply.headers, "X-Cron-Outcome: failure\r\n"));
	assert_null(strstr(call.reply.body, "nonexistent"));
	assert_error(answer("GET", "/readyz", NULL, NULL), 503, "database_unavailable");
	assert_null(strstr(call.reply.body, "nonexistent"));
	json_decref(answer("GET", "/healthz", NULL, NULL));
	assert_int_equal(call.reply.status, 200);
	db_destroy(g.db);
	g.db = good;
	conf.database_url = url;
}

static void
without_a_secret_routes_are_closed(void **state)
{
	struct secret kept = conf.secrets[SECRET_CRON_SECRET];

	(void)state;
	conf.secrets[SECRET_CRON_SECRET] = (struct secret){ .name = "CRON_SECRET" };
	assert_error(answer("POST", RETRY, NULL, NULL), 503, "not_configured");
	assert_error(answer("POST", RETRY, "HTTP_X_CRON_SECRET=", NULL), 503, "not_configured");
	assert_error(
	    answer("GET", "/api/cron/executions/x", WITH_SECRET, NULL), 503, "not_configured");
	conf.secrets[SECRET_CRON_SECRET] = kept;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(checks_come_in_their_order, forget),
		cmocka_unit_test_setup(refusals_are_counted, forget),
		cmocka_unit_test_setup(refusals_tell_nothing_apart, forget),
		cmocka_unit_test_setup(a_worker_runs, forget),
		cmocka_unit_test_setup(busy_is_said_or_skipped, forget),
		cmocka_unit_test_setup(async_begins_then_answers_then_works, forget),
		cmocka_unit_test_setup(executions_that_are_not_there, forget),
		cmocka_unit_test_setup(a_call_that_waited_too_long_is_refused, forget),
		cmocka_unit_test_setup(health_and_readiness, forget),
		cmocka_unit_test_setup(without_a_database_calls_are_told_to_wait, forget),
		cmocka_unit_test_setup(without_a_secret_routes_are_closed, forget),
	};

	return cmocka_run_group_tests(tests, open_gateway, close_gateway);
}
