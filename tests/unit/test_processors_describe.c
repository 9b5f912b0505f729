/*
 * What processors have in common: a job in words, when to try again, and what was answered as a
 * value that PostgreSQL takes.
 */
#include "job_item.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "0198a000-0000-7000-8000-00000000000a"

static void
a_job_is_described_in_full(void **state)
{
	const char *const values[JOB__MAX] = {
		[JOB_ID] = ID,
		[JOB_TYPE] = "a \"type\"\\\n\x01 \xc3\xbc",
		[JOB_QUEUE] = "default",
		[JOB_PAYLOAD] = "{\"n\": 12345678901234567890.5}",
		[JOB_ATTEMPTS] = "2",
		[JOB_MAX_ATTEMPTS] = "5",
		[JOB_RUN_AT] = "1795341600123",
		[JOB_CREATED_AT] = "Infinity",
	};
	struct job_item j;
	const char *text;
	size_t len = 0;

	(void)state;
	job_item_make(&j, values);
	text = job_describe(&j.item, &len);
	assert_int_equal(len, strlen(text));
	assert_string_equal(text,
	    "{\"id\":\"" ID "\",\"type\":\"a \\\"type\\\"\\\\\\u000a\\u0001 \xc3\xbc\","
	    "\"queue\":\"default\",\"attempt\":3,\"max_attempts\":5,\"workspace_id\":null,"
	    "\"run_at\":\"2026-11-22T10:00:00.123Z\",\"created_at\":null,"
	    "\"payload\":{\"n\": 12345678901234567890.5}}");
	job_item_end(&j);
}

static enum verdict
again(const char *attempts, const char *max, int64_t retry_after_s, int64_t *ret_ms)
{
	const char *const values[JOB__MAX] = {
		[JOB_ATTEMPTS] = attempts, [JOB_MAX_ATTEMPTS] = max
	};
	struct job_item j;
	enum verdict verdict;

	job_item_make(&j, values);
	verdict = job_again(&j.item, retry_after_s);
	*ret_ms = j.item.retry_ms;
	job_item_end(&j);
	return verdict;
}

static void
tries_are_60_120_240_480_s_apart(void **state)
{
	static const int64_t waits_ms[] = { 60000, 120000, 240000, 480000 };
	char attempts[16];
	int64_t ms = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(attempts, sizeof(attempts), "%d", i);
		assert_int_equal(again(attempts, "5", -1, &ms), VERDICT_RETRY);
		assert_in_range(ms, waits_ms[i], waits_ms[i] * 11 / 10);
	}
	assert_int_equal(again("4", "5", -1, &ms), VERDICT_DEAD);
	assert_int_equal(again("0", "1", 5, &ms), VERDICT_DEAD);
	assert_int_equal(again("7", "5", -1, &ms), VERDICT_DEAD);
	assert_int_equal(again("0", "5", 1000, &ms), VERDICT_RETRY);
	assert_in_range(ms, 1000000, 1100000);
	assert_int_equal(again("0", "5", 1000000, &ms), VERDICT_RETRY);
	assert_in_range(ms, 86400000, 86400000LL * 11 / 10);
	assert_int_equal(again("0", "5", 0, &ms), VERDICT_RETRY);
	assert_in_range(ms, 60000, 66000);
}

static const char *
result(struct job_item *j, const char *body)
{
	return job_result(&j->item, body, strlen(body));
}

static void
json_stays_as_it_is(void **state)
{
	static const char *const all[] = { "{}", "[1, 2]", "null", "true", "\"a\"", "5",
		"123456789012345678901234567890", "{\"a\" : 1.50,\n\"b\": 1e-300}",
		" {\"\\\"e99999\": \"1e99999\"} " };
	const char *const values[JOB__MAX] = { NULL };
	struct job_item j;

	(void)state;
	job_item_make(&j, values);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(result(&j, all[i]), all[i]);
	job_item_end(&j);
}

static void
all_else_becomes_a_text(void **state)
{
	static const struct {
		const char *body, *result;
	} all[] = {
		{ "ok", "\"ok\"" },
		{ "a \"b\"\n", "\"a \\\"b\\\"\\n\"" },
		{ "{\"a\": 1e-9999}", "\"{\\\"a\\\": 1e-9999}\"" },
		{ "1e9999", "\"1e9999\"" },
		{ "\"\\u0000\"", "\"\\\"\\\\u0000\\\"\"" },
		{ "\xff\xfe\xc3", "\"???\"" },
		{ "[1,", "\"[1,\"" },
	};
	const char *const values[JOB__MAX] = { NULL };
	struct job_item j;
	char *deep = malloc(20001), *digits = malloc(2002);

	(void)state;
	job_item_make(&j, values);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(result(&j, all[i].body), all[i].result);
	assert_string_equal(job_result(&j.item, "a\0b", 3), "\"a?b\"");
	assert_string_equal(job_result(&j.item, "1\0", 2), "\"1?\"");
	memset(deep, '[', 10000);
	memset(deep + 10000, ']', 10000);
	deep[20000] = '\0';
	assert_int_equal(result(&j, deep)[0], '"');
	memset(digits, '1', 2001);
	memcpy(digits, "0.", 2);
	digits[2001] = '\0';
	assert_int_equal(result(&j, digits)[0], '"');
	job_item_end(&j);
	free(deep);
	free(digits);
}

static void
nothing_is_no_result_and_much_is_cut(void **state)
{
	const char *const values[JOB__MAX] = { NULL };
	char *body = malloc(100001);
	struct job_item j;

	(void)state;
	job_item_make(&j, values);
	assert_null(result(&j, ""));
	assert_null(result(&j, " \r\n\t"));
	memset(body, 'x', 100000);
	body[100000] = '\0';
	assert_int_equal(strlen(result(&j, body)), 64 * 1024 + 2);
	/* A character of two bytes at the cut. */
	memcpy(body + 64 * 1024 - 1, "\xc3\xbc", 2);
	assert_int_equal(strlen(result(&j, body)), 64 * 1024 + 2);
	assert_string_equal(result(&j, body) + 64 * 1024 - 1, "x?\"");
	job_item_end(&j);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_described_in_full),
		cmocka_unit_test(tries_are_60_120_240_480_s_apart),
		cmocka_unit_test(json_stays_as_it_is),
		cmocka_unit_test(all_else_becomes_a_text),
		cmocka_unit_test(nothing_is_no_result_and_much_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
