/*
 * cron-job.org: how fast requests may go out, and what of a job counts as a difference.
 */
#include "vendors/cron_job_org.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	TOLD_MAX = 1024,
};

static char told[TOLD_MAX];

static void
tell(void *owner, const char *name, const char *from, const char *to)
{
	size_t len = strlen(told);

	assert_ptr_equal(owner, told);
	snprintf(told + len, sizeof(told) - len, from ? "%s:%s>%s " : "%s ", name, from, to);
}

static const struct cjo_note note = { tell, told };

static struct cjo_wish
wish(void)
{
	struct cjo_wish w = {
		.url = "https://a.example/b?busy=200", .title = "t", .secret = "0123456789abcdef"
	};

	assert_true(cron_parse("*/30 2 * * *", &w.schedule, NULL));
	return w;
}

/* Sends at once as often as it may from ${from_ms} on; the time of the ${n}th. */
static int64_t
send_all(struct cjo_pace *pace, bool creates, int n, int64_t from_ms)
{
	int64_t now_ms = from_ms;

	for (int i = 0; i < n; i++) {
		now_ms += cjo_pace_wait_ms(pace, creates, now_ms);
		assert_int_equal(cjo_pace_wait_ms(pace, creates, now_ms), 0);
		cjo_pace_sent(pace, creates, now_ms);
	}
	return now_ms;
}

static void
a_flag_is_a_number_where_it_was_patched(void **state)
{
	static const struct {
		const char *job;
		bool is_enabled;
	} all[] = { { "{\"enabled\": true}", true }, { "{\"enabled\": 1}", true },
		{ "{\"enabled\": false}", false }, { "{\"enabled\": 0}", false }, { "{}", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		json_t *job = json_loads(all[i].job, 0, NULL);

		assert_int_equal(cjo_is_enabled(job), all[i].is_enabled);
		json_decref(job);
	}
}

static void
no_more_than_five_requests_go_out_in_a_second(void **state)
{
	struct cjo_pace pace = { .requests = 0 };
	int64_t times[40];

	(void)state;
	for (int i = 0; i < 40; i++)
		times[i] = send_all(&pace, false, 1, i ? times[i - 1] : 5000);
	assert_int_equal(times[3], 5000);
	for (int i = 5; i < 40; i++)
		assert_true(times[i] - times[i - 5] > 1000);
	/* And not much fewer. */
	assert_true(times[39] - times[0] < 12000);
}

static void
no_more_than_five_jobs_are_made_in_a_minute_and_one_in_a_second(void **state)
{
	struct cjo_pace pace = { .requests = 0 };
	int64_t times[12];

	(void)state;
	for (int i = 0; i < 12; i++)
		times[i] = send_all(&pace, true, 1, i ? times[i - 1] : 5000);
	for (int i = 1; i < 12; i++)
		assert_true(times[i] - times[i - 1] > 1000);
	for (int i = 5; i < 12; i++)
		assert_true(times[i] - times[i - 5] > 60000);
	assert_true(times[11] < 5000 + 2 * 61000 + 12 * 1100);
	/* What is no creation need not wait for them. */
	assert_int_equal(cjo_pace_wait_ms(&pace, false, times[11]), 0);
}

static void
a_job_as_it_was_made_needs_no_change(void **state)
{
	struct cjo_wish w = wish();
	json_auto_t *job = cjo_wanted(&w);
	json_auto_t *change = cjo_change(&w, job, &note);

	(void)state;
	assert_non_null(job);
	assert_null(change);
	assert_string_equal(told, "");
}

static void
each_difference_is_told_and_sent(void **state)
{
	static const struct {
		const char *group, *name, *value, *told, *sent;
	} cases[] = {
		{ NULL, "url", "\"https://a.example/b?secret=hush\"",
		    "url:(another query)>https://a.example/b?busy=200 ", "url" },
		{ NULL, "url", "\"https://a.example/0123456789abcdef\"",
		    "url:(hidden)>https://a.example/b?busy=200 ", "url" },
		{ NULL, "enabled", "0", "enabled:0>true ", "enabled" },
		{ NULL, "enabled", "1", "", NULL },
		{ NULL, "enabled", "null", "enabled:nothing>true ", "enabled" },
		{ NULL, "requestMethod", "0", "requestMethod:0>1 ", "requestMethod" },
		{ NULL, "requestTimeout", "\"30\"", "requestTimeout:30>30 ", "requestTimeout" },
		{ NULL, "title", "\"x\"", "", NULL },
		{ "schedule", "minutes", "[30,0]", "", NULL },
		{ "schedule", "hours", "[-1]", "schedule:*/30 * * * * UTC>*/30 2 * * * UTC ",
		    "schedule" },
		{ "schedule", "wdays", "[0,1,2,3,4,5,6]", "", NULL },
		{ "schedule", "months", "[]", "schedule:*/30 2 *  * UTC>*/30 2 * * * UTC ",
		    "schedule" },
		{ "schedule", "mdays", "[99, -7, \"1\", 2.5, {}]",
		    "schedule:*/30 2  * * UTC>*/30 2 * * * UTC ", "schedule" },
		{ "schedule", "timezone", "\"Europe/Berlin\\u001b\"",
		    "schedule:*/30 2 * * * Europe/Berlin >*/30 2 * * * UTC ", "schedule" },
		{ "schedule", "expiresAt", "20260101000000",
		    "schedule:*/30 2 * * * UTC until 20260101000000>*/30 2 * * * UTC ",
		    "schedule" },
		{ "notification", "onFailure", "false", "onFailure:false>true ", "notification" },
		{ "auth", "enable", "true", "enable:true>false ", "auth" },
		{ "auth", "user", "\"x\"", "", NULL },
		{ "extendedData", "body", "\"{}\"", "body ", "extendedData" },
		{ "extendedData", "headers", "[]", "secret ", "extendedData" },
		{ "extendedData", "headers", "{\"authorization\": \"Bearer 0123456789abcdef\"}", "",
		    NULL },
		{ "extendedData", "headers",
		    "{\"Authorization\": \"Bearer 0123456789abcdef\", \"X-CRON-SECRET\": \"x\"}",
		    "secret ", "extendedData" },
	};
	struct cjo_wish w = wish();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_auto_t *job = cjo_wanted(&w);
		json_t *in = cases[i].group ? json_object_get(job, cases[i].group) : job;
		json_auto_t *change = NULL;

		json_object_set_new(
		    in, cases[i].name, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		told[0] = '\0';
		change = cjo_change(&w, job, &note);
		assert_string_equal(told, cases[i].told);
		assert_int_equal(json_object_size(change), cases[i].sent ? 1 : 0);
		if (cases[i].sent)
			assert_non_null(json_object_get(change, cases[i].sent));
	}
}

static void
an_empty_job_becomes_the_one_that_is_made(void **state)
{
	struct cjo_wish w = wish();
	json_auto_t *job = json_pack("{s:i, s:s}", "jobId", 7, "url", "https://a.example/b");
	json_auto_t *wanted = cjo_wanted(&w);
	json_auto_t *change = cjo_change(&w, job, &note);

	(void)state;
	json_object_del(wanted, "title");
	assert_true(json_equal(change, wanted));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flag_is_a_number_where_it_was_patched),
		cmocka_unit_test(no_more_than_five_requests_go_out_in_a_second),
		cmocka_unit_test(no_more_than_five_jobs_are_made_in_a_minute_and_one_in_a_second),
		cmocka_unit_test(a_job_as_it_was_made_needs_no_change),
		cmocka_unit_test(each_difference_is_told_and_sent),
		cmocka_unit_test(an_empty_job_becomes_the_one_that_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
