/*
 * The route table, and what must be true of every row of it.
 */
#include "gateway/route.h"

#include "gateway/auth.h"
#include "gateway/handle.h"
#include "workers/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
paths_are_matched_whole(void **state)
{
	static const char *const none[] = { "", "/", "/healthz2", "/health", "/Healthz", "healthz",
		"/api/workers", "/api/workers/webhookRetry2", "/api/workers/webhookRetry/x",
		"/api/cron/executions", "/api/cron/executions/" };
	char rest[REQUEST_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (route_find(none[i], rest))
			fail_msg("there is a route for %s", none[i]);
	assert_string_equal(route_find("/healthz", rest)->path, "/healthz");
	assert_string_equal(
	    route_find("/api/workers/webhookRetry", rest)->worker->name, "webhook-retry");
}

static void
prefixes_hand_on_the_rest(void **state)
{
	char rest[REQUEST_PATH_MAX];
	const struct route *route = route_find("/api/cron/executions/some-id", rest);

	(void)state;
	assert_non_null(route);
	assert_string_equal(rest, "some-id");
}

static void
a_placeholder_is_one_whole_segment(void **state)
{
	static const struct {
		const char *pattern, *path, *rest; /* NULL: does not fit */
	} cases[] = {
		{ "/api/jobs/{id}", "/api/jobs/7", "7" },
		{ "/api/jobs/{id}", "/api/jobs/{id}", "{id}" },
		{ "/api/jobs/{id}", "/api/jobs/", NULL },
		{ "/api/jobs/{id}", "/api/jobs", NULL },
		{ "/api/jobs/{id}", "/api/jobs/7/logs", NULL },
		{ "/api/jobs/{id}", "/api/jobs/7/", NULL },
		{ "/api/jobs/{id}/logs", "/api/jobs/7/logs", "7" },
		{ "/api/jobs/{id}/logs", "/api/jobs/%2f/logs", "%2f" },
		{ "/api/jobs/{id}/logs", "/api/jobs/ \x01\xff/logs", " \x01\xff" },
		{ "/api/jobs/{id}/logs", "/api/jobs//logs", NULL },
		{ "/api/jobs/{id}/logs", "/api/jobs/7/log", NULL },
		{ "/api/jobs/{id}/logs", "/api/jobs/7/logs2", NULL },
		{ "/api/jobs/{id}/logs", "/api/jobs/7/8/logs", NULL },
		{ "/api/jobs/{id}/logs", "/api/jobs/logs", NULL },
		{ "/api/cron/executions/", "/api/cron/executions/a/b", "a/b" },
		{ "/healthz", "/healthz", "" },
		{ "/healthz", "/healthz/", NULL },
		{ "/healthz", "", NULL },
	};
	char rest[REQUEST_PATH_MAX], longest[REQUEST_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool fits = route_fits(cases[i].pattern, cases[i].path, rest);

		if (fits != (cases[i].rest != NULL))
			fail_msg("%s and %s", cases[i].pattern, cases[i].path);
		if (fits)
			assert_string_equal(rest, cases[i].rest);
	}
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "/a/", 3);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(route_fits("/a/{x}", longest, rest));
	assert_string_equal(rest, longest + 3);
}

static void
a_fixed_path_beats_a_placeholder(void **state)
{
	char rest[REQUEST_PATH_MAX];

	(void)state;
	assert_string_equal(route_find("/api/jobs/worker", rest)->path, "/api/jobs/worker");
	assert_string_equal(route_find("/api/jobs/retry", rest)->path, "/api/jobs/retry");
	assert_string_equal(route_find("/api/jobs/worker/logs", rest)->path, "/api/jobs/{id}/logs");
	assert_string_equal(rest, "worker");
	assert_string_equal(
	    route_find("/api/queues/a b/pause", rest)->path, "/api/queues/{name}/pause");
	assert_string_equal(rest, "a b");
	for (const struct route *route = routes; route->path; route++)
		if (!strchr(route->path, '{') && route->path[strlen(route->path) - 1] != '/')
			assert_ptr_equal(route_find(route->path, rest), route);
}

static void
every_worker_is_found_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; workers[i]; i++) {
		const struct route *route = route_of_worker(workers[i]->name);

		assert_non_null(route);
		assert_ptr_equal(route->worker, workers[i]);
	}
	assert_null(route_of_worker("no-such-worker"));
}

/* What a parameter may say is a list of its own, and each choice says when to ring with it. */
static void
choices_are_chosen_by_their_values(void **state)
{
	const struct route *route = route_of_worker("sync-integrations");
	struct err e = { .code = ERR_OK };

	(void)state;
	assert_string_equal(route->parameter, "interval");
	assert_string_equal(route_choose(route, "15min", &e)->queues, "{github}");
	assert_string_equal(
	    route_choose(route, "30min", &e)->queues, "{notion,slack,google_calendar}");
	assert_int_equal(e.code, ERR_OK);
	assert_null(route_choose(route, "1h", &e));
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_string_equal(
	    e.message, "The parameter interval may only be 15min or 30min, or be left out");
	for (route = routes; route->path; route++) {
		assert_true(!route->parameter == !route->choices);
		/* Calls of different choices are refused as busy, and ring. */
		assert_true(!route->choices || route->worker->has_bell);
	}
}

static void
no_worker_is_open(void **state)
{
	(void)state;
	for (const struct route *route = routes; route->path; route++) {
		if (!route->worker)
			continue;
		assert_true(route->secrets != 0);
		assert_ptr_equal(route->handle[METHOD_POST], handle_worker);
		assert_true(route->handle[METHOD_GET] == handle_worker ||
			    route->handle[METHOD_GET] == handle_job_worker ||
			    route->handle[METHOD_GET] == handle_status);
		/* A secret in a query opens what tells a state and nothing else. */
		assert_true(
		    !route->takes_query_secret || route->handle[METHOD_GET] == handle_status);
		assert_null(route->handle[METHOD_OTHER]);
	}
}

static void
events_come_by_routes_of_their_own(void **state)
{
	char rest[REQUEST_PATH_MAX];

	(void)state;
	assert_ptr_equal(
	    route_find("/api/payments/webhook", rest)->handle[METHOD_POST], handle_inbound_payment);
	assert_string_equal(rest, "");
	assert_ptr_equal(route_find("/api/payments/webhook/telebirr", rest)->handle[METHOD_POST],
	    handle_inbound_payment);
	assert_string_equal(rest, "telebirr");
	assert_null(route_find("/api/payments/webhook/a/b", rest));
	assert_null(route_find("/api/whatsapp/webhook/a", rest));
	assert_null(route_find("/api/payments/webhook", rest)->handle[METHOD_GET]);
	for (const struct route *route = routes; route->path; route++)
		if (route->handle[METHOD_POST] == handle_inbound_payment ||
		    route->handle[METHOD_POST] == handle_inbound_whatsapp)
			assert_int_equal(route->body_max, 4 * 1024 * 1024);
}

static void
executions_open_to_every_workers_secret(void **state)
{
	char rest[REQUEST_PATH_MAX];
	const struct route *executions = route_find("/api/cron/executions/x", rest);
	unsigned all = 0;

	(void)state;
	for (const struct route *route = routes; route->path; route++)
		if (route->worker)
			all |= route->secrets;
	assert_int_equal(executions->secrets, all);
}

static void
no_path_is_there_twice(void **state)
{
	(void)state;
	for (const struct route *a = routes; a->path; a++)
		for (const struct route *b = a + 1; b->path; b++)
			assert_string_not_equal(a->path, b->path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_matched_whole),
		cmocka_unit_test(prefixes_hand_on_the_rest),
		cmocka_unit_test(a_placeholder_is_one_whole_segment),
		cmocka_unit_test(a_fixed_path_beats_a_placeholder),
		cmocka_unit_test(every_worker_is_found_by_name),
		cmocka_unit_test(choices_are_chosen_by_their_values),
		cmocka_unit_test(no_worker_is_open),
		cmocka_unit_test(events_come_by_routes_of_their_own),
		cmocka_unit_test(executions_open_to_every_workers_secret),
		cmocka_unit_test(no_path_is_there_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
