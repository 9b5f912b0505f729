/*
 * Who gets in: forms, rotation, and that a route without a secret is closed.
 */
#include "gateway/auth.h"

#include "base/arena.h"
#include "base/conf.h"
#include "gateway/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "the-key-of-the-workers"
#define OLD "the-key-of-last-month!"
#define CRON "the-secret-of-the-rest"

static struct conf conf;
static unsigned matched;
static struct err e;

/* Settings with these secrets; NULL: unset. */
static void
settings(const char *key, const char *previous, const char *cron)
{
	struct err why = { .code = ERR_OK };

	unsetenv("CRON_JOB_API_KEY");
	if (key)
		setenv("CRON_JOB_API_KEY", key, 1);
	if (previous)
		setenv("CRON_JOB_API_KEY_PREVIOUS", previous, 1);
	if (cron)
		setenv("CRON_SECRET", cron, 1);
	conf_finish(&conf);
	if (conf_load(&conf, &why) != 0)
		fail_msg("%s", why.message);
}

/* Asks for the workers' secret with up to three parameters. */
static int
ask(const char *a, const char *b, const char *c)
{
	char *params[] = { (char *)a, (char *)b, (char *)c, NULL };
	struct request q;

	err_clear(&e);
	matched = 0;
	request_read(&q, params);
	return auth_check(&conf, &q, AUTH_SECRET(SECRET_CRON_JOB_API_KEY), &matched, &e);
}

static void
assert_refused(const char *a, const char *b, const char *c)
{
	if (ask(a, b, c) == 0)
		fail_msg("let in with %s", a ? a : "nothing");
	assert_int_equal(e.code, ERR_UNAUTHORIZED);
	assert_string_equal(e.message, "Unauthorized");
	assert_int_equal(matched, 0);
}

static void
both_forms_open(void **state)
{
	(void)state;
	settings(KEY, NULL, NULL);
	assert_int_equal(ask("HTTP_AUTHORIZATION=Bearer " KEY, NULL, NULL), 0);
	assert_int_equal(matched, AUTH_SECRET(SECRET_CRON_JOB_API_KEY));
	assert_int_equal(ask("HTTP_AUTHORIZATION=bEARER   " KEY " ", NULL, NULL), 0);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=" KEY, NULL, NULL), 0);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=" KEY, "HTTP_AUTHORIZATION=Bearer " KEY, NULL), 0);
	/* Another scheme is none of the forms. */
	assert_int_equal(ask("HTTP_AUTHORIZATION=Basic eDp5", "HTTP_X_CRON_SECRET=" KEY, NULL), 0);
}

static void
everything_else_is_refused(void **state)
{
	char overlong[20000];

	(void)state;
	settings(KEY, NULL, NULL);
	assert_refused(NULL, NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=" KEY, NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer" KEY, NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer", NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer ", NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Basic " KEY, NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer " KEY "x", NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer the-key-of-the-worker", NULL, NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer \xff\xfe\x80", NULL, NULL);
	assert_refused("HTTP_X_CRON_SECRET=", NULL, NULL);
	snprintf(overlong, sizeof(overlong), "HTTP_X_CRON_SECRET=%s%019900d", KEY, 0);
	assert_refused(overlong, NULL, NULL);
}

static void
several_forms_must_agree(void **state)
{
	const char *many[] = { "HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=" KEY,
		"HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=" KEY,
		"HTTP_AUTHORIZATION=Bearer " KEY, NULL };
	struct request q;

	(void)state;
	settings(KEY, OLD, NULL);
	assert_refused("HTTP_X_CRON_SECRET=" KEY, "HTTP_AUTHORIZATION=Bearer x", NULL);
	assert_refused("HTTP_X_CRON_SECRET=x", "HTTP_AUTHORIZATION=Bearer " KEY, NULL);
	assert_refused("HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=x", NULL);
	assert_refused("HTTP_AUTHORIZATION=Bearer " KEY, "HTTP_AUTHORIZATION=Bearer x", NULL);
	assert_refused(
	    "HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=" OLD);
	/* Each is right on its own. */
	assert_refused("HTTP_X_CRON_SECRET=" KEY, "HTTP_AUTHORIZATION=Bearer " OLD, NULL);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=" KEY, "HTTP_X_CRON_SECRET=" KEY, NULL), 0);
	/* However often. */
	err_clear(&e);
	request_read(&q, (char *const *)many);
	assert_int_equal(
	    auth_check(&conf, &q, AUTH_SECRET(SECRET_CRON_JOB_API_KEY), &matched, &e), 0);
	many[4] = "HTTP_X_CRON_SECRET=x";
	assert_int_equal(
	    auth_check(&conf, &q, AUTH_SECRET(SECRET_CRON_JOB_API_KEY), &matched, &e), -1);
}

/* Asks with a query that the route takes secrets from, or not, and a header. */
static int
ask_by_query(const char *query, bool proves, const char *header)
{
	char *params[] = { (char *)query, (char *)header, NULL };
	struct arena *arena = arena_create();
	struct request q;
	int rc;

	err_clear(&e);
	request_read(&q, params);
	assert_int_equal(request_query(&q, arena, NULL), 0);
	q.proves_by_query = proves;
	rc = auth_check(&conf, &q, AUTH_SECRET(SECRET_CRON_JOB_API_KEY), &matched, &e);
	arena_destroy(arena);
	return rc;
}

static void
a_query_opens_where_it_may(void **state)
{
	(void)state;
	settings(KEY, NULL, NULL);
	assert_int_equal(ask_by_query("QUERY_STRING=secret=" KEY, true, NULL), 0);
	assert_int_equal(
	    ask_by_query("QUERY_STRING=a=1&secret=the%2Dkey%2dof-the-workers", true, NULL), 0);
	assert_int_equal(ask_by_query("QUERY_STRING=secret=" KEY, false, NULL), -1);
	assert_int_equal(e.code, ERR_UNAUTHORIZED);
	assert_int_equal(ask_by_query("QUERY_STRING=secret=x", true, NULL), -1);
	assert_int_equal(ask_by_query("QUERY_STRING=secret=", true, NULL), -1);
	assert_int_equal(ask_by_query("QUERY_STRING=Secret=" KEY, true, NULL), -1);
	/* All that are shown are one. */
	assert_int_equal(
	    ask_by_query("QUERY_STRING=secret=" KEY, true, "HTTP_X_CRON_SECRET=" KEY), 0);
	assert_int_equal(
	    ask_by_query("QUERY_STRING=secret=" KEY, true, "HTTP_X_CRON_SECRET=x"), -1);
	assert_int_equal(
	    ask_by_query("QUERY_STRING=secret=x", true, "HTTP_X_CRON_SECRET=" KEY), -1);
	assert_int_equal(ask_by_query("QUERY_STRING=secret=" KEY "&secret=x", true, NULL), -1);
	assert_int_equal(
	    ask_by_query("QUERY_STRING=secret=x", false, "HTTP_X_CRON_SECRET=" KEY), 0);
}

static void
the_previous_secret_still_opens(void **state)
{
	(void)state;
	settings(KEY, OLD, NULL);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=" OLD, NULL, NULL), 0);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=" KEY, NULL, NULL), 0);
	settings(KEY, NULL, NULL);
	assert_refused("HTTP_X_CRON_SECRET=" OLD, NULL, NULL);
}

static void
unset_falls_back(void **state)
{
	(void)state;
	settings(NULL, NULL, CRON);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=" CRON, NULL, NULL), 0);
	settings(KEY, NULL, CRON);
	assert_refused("HTTP_X_CRON_SECRET=" CRON, NULL, NULL);
}

static void
unset_or_short_is_closed(void **state)
{
	(void)state;
	settings(NULL, NULL, NULL);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=", NULL, NULL), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	settings("short", NULL, NULL);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=short", NULL, NULL), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	settings("", NULL, NULL);
	assert_int_equal(ask("HTTP_X_CRON_SECRET=", NULL, NULL), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
}

static void
a_set_of_secrets_tells_which_matched(void **state)
{
	const unsigned both =
	    AUTH_SECRET(SECRET_CRON_JOB_API_KEY) | AUTH_SECRET(SECRET_CRON_SECRET);
	const char *params[] = { "HTTP_X_CRON_SECRET=" CRON, NULL };
	struct request q;

	(void)state;
	err_clear(&e);
	settings(KEY, NULL, CRON);
	request_read(&q, (char *const *)params);
	assert_int_equal(auth_check(&conf, &q, both, &matched, &e), 0);
	assert_int_equal(matched, AUTH_SECRET(SECRET_CRON_SECRET));
	/* One of them unset: the other still opens. */
	settings("short", NULL, CRON);
	assert_int_equal(auth_check(&conf, &q, both, &matched, &e), 0);
}

static void
every_configured_secret_is_hidden(void **state)
{
	char text[] = "curl/1 " KEY " (" OLD "; " CRON ") " KEY;

	(void)state;
	settings(KEY, OLD, CRON);
	auth_hide(&conf, text, sizeof(text));
	assert_string_equal(text,
	    "curl/1 ********************** (**********************; **********************) "
	    "**********************");
	/* What is too short to open anything is no secret. */
	char word[] = "this is short, and shorter than it should be";

	settings("short", NULL, NULL);
	auth_hide(&conf, word, sizeof(word));
	assert_null(strchr(word, '*'));
}

static void
secrets_that_no_caller_shows_are_hidden_too(void **state)
{
	static const struct {
		const char *name, *value;
	} held[] = {
		{ "RESEND_API_KEY", "re_mock1" },
		{ "META_APP_SECRET", "the-secret-of-meta" },
		{ "WHATSAPP_VERIFY_TOKEN", "the-token-of-meta" },
		{ "CBE_WEBHOOK_SECRET", "the-secret-of-cbe" },
		{ "ZED_WEBHOOK_SECRET", "the-secret-of-zed" },
		{ "ZED_WEBHOOK_SECRET_PREVIOUS", "zed-before-this-one" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		setenv(held[i].name, held[i].value, 1);
	settings(NULL, NULL, NULL);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		char text[40], stars[40] = "";

		memset(stars, '*', strlen(held[i].value));
		snprintf(text, sizeof(text), "%s", held[i].value);
		auth_hide(&conf, text, sizeof(text));
		assert_string_equal(text, stars);
	}
	/* As long as the shortest of them, and none. */
	char word[] = "re_mock2";

	auth_hide(&conf, word, sizeof(word));
	assert_string_equal(word, "re_mock2");
	settings(NULL, NULL, NULL);
}

static int
finish(void **state)
{
	(void)state;
	conf_finish(&conf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_open),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(several_forms_must_agree),
		cmocka_unit_test(a_query_opens_where_it_may),
		cmocka_unit_test(the_previous_secret_still_opens),
		cmocka_unit_test(unset_falls_back),
		cmocka_unit_test(unset_or_short_is_closed),
		cmocka_unit_test(every_configured_secret_is_hidden),
		cmocka_unit_test(secrets_that_no_caller_shows_are_hidden_too),
		cmocka_unit_test(a_set_of_secrets_tells_which_matched),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
