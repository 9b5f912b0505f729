/*
 * Jobs over HTTP: what a request that had no reply means for its job.
 */
#include "job_item.h"

#include "engine/run.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct job_type type = { .name = "post", .target = "http://192.0.2.1/" };

/* What becomes of a job of ${attempts} tries; its error in ${ret_error}, to be freed. */
static enum verdict
judge(const struct http_reply *reply, const char *attempts, char **ret_error)
{
	const char *const values[JOB__MAX] = {
		[JOB_ATTEMPTS] = attempts, [JOB_MAX_ATTEMPTS] = "5"
	};
	struct run r = { .db_began_ms = 0 };
	struct http_request q;
	struct job_item j;
	enum verdict verdict;

	job_item_make(&j, values);
	verdict = processor_http.step(&r, &type, &j.item, reply, &q);
	*ret_error = strdup(j.item.error);
	if (verdict == VERDICT_HOLD || verdict == VERDICT_RETRY)
		assert_true(j.item.retry_ms >= 60000);
	job_item_end(&j);
	return verdict;
}

static void
want_of_descriptors_is_not_the_jobs_failure(void **state)
{
	const struct http_reply reply = {
		.error = "too many open files", .is_ours = true, .body = ""
	};
	char *error = NULL;

	(void)state;
	assert_int_equal(judge(&reply, "4", &error), VERDICT_HOLD);
	assert_string_equal(error, "too many open files");
	free(error);
}

static void
what_may_not_be_sent_fails_for_good(void **state)
{
	const struct http_reply reply = { .error = "not public", .refused = true, .body = "" };
	char *error = NULL;

	(void)state;
	assert_int_equal(judge(&reply, "0", &error), VERDICT_DEAD);
	assert_string_equal(error, "not public");
	free(error);
}

static void
no_reply_is_tried_again_while_there_are_tries(void **state)
{
	const struct http_reply reply = { .error = "timed out", .body = "" };
	char *error = NULL;

	(void)state;
	assert_int_equal(judge(&reply, "3", &error), VERDICT_RETRY);
	free(error);
	assert_int_equal(judge(&reply, "4", &error), VERDICT_DEAD);
	assert_string_equal(error, "timed out");
	free(error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(want_of_descriptors_is_not_the_jobs_failure),
		cmocka_unit_test(what_may_not_be_sent_fails_for_good),
		cmocka_unit_test(no_reply_is_tried_again_while_there_are_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
