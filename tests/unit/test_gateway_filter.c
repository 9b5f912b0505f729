/*
 * What a caller asks jobs to be, and which queues a run is to serve.
 */
#include "gateway/filter.h"

#include "arena_fixture.h"
#include "gateway/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct request q;
static struct err e;

static void
read_query(const char *query)
{
	static char param[REQUEST_QUERY_MAX + 32];
	static char *params[] = { param, NULL };

	snprintf(param, sizeof(param), "QUERY_STRING=%s", query);
	err_clear(&e);
	request_read(&q, params);
	assert_int_equal(request_query(&q, arena, &e), 0);
}

static bool
takes(enum filter_kind kind, const char *value)
{
	struct filter f = { .name = "it", .kind = kind };

	err_clear(&e);
	if (filter_take(&f, value, &e) == 0) {
		assert_ptr_equal(f.value, value);
		return true;
	}
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_non_null(strstr(e.message, "it"));
	assert_null(f.value);
	return false;
}

static void
each_kind_has_its_judge(void **state)
{
	char longest[FILTER_NAME_MAX + 2];

	(void)state;
	assert_true(takes(FILTER_STATUS, "failed") && takes(FILTER_STATUS, "pending"));
	assert_false(takes(FILTER_STATUS, "Failed") || takes(FILTER_STATUS, ""));
	memset(longest, 'x', sizeof(longest));
	longest[FILTER_NAME_MAX + 1] = '\0';
	assert_false(takes(FILTER_NAME, longest));
	longest[FILTER_NAME_MAX] = '\0';
	assert_true(takes(FILTER_NAME, longest) && takes(FILTER_NAME, "\xc3\xa9 '\"{}\\"));
	assert_false(takes(FILTER_NAME, "") || takes(FILTER_NAME, "a\nb") ||
		     takes(FILTER_NAME, "\xff") || takes(FILTER_NAME, "\x7f"));
	assert_true(takes(FILTER_UUID, "0198A0F3-c5d7-7e9f-8b0a-1c2d3e4f5061"));
	assert_false(takes(FILTER_UUID, "0198a0f3c5d77e9f8b0a1c2d3e4f5061"));
}

static void
times_are_rfc_3339(void **state)
{
	static const char *const right[] = { "2026-11-22", "2026-11-22T04:53:12Z",
		"2026-11-22t04:53:12z", "2026-11-22 04:53:12.123456789-11:30",
		"2026-11-22T04:53:12+00:00" };
	static const char *const wrong[] = { "", "now", "infinity", "2026-11-22T04:53:12",
		"2026-11-22T04:53Z", "2026-11-22T04:53:12.Z", "2026-11-22T04:53:12.1234567890Z",
		"2026-11-22T04:53:12 02:00", "2026-11-22T04:53:12Zx", "22.11.2026", "2026-1-2",
		"2026-11-22x", "2026-11-22T04:53:12+02", "2026-11-22T04:53:12+02:00x" };

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		if (!takes(FILTER_TIME, right[i]))
			fail_msg("%s", right[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (takes(FILTER_TIME, wrong[i]))
			fail_msg("%s", wrong[i]);
}

static void
a_query_knows_its_names(void **state)
{
	static const char *const others[] = { "limit", NULL };
	struct filter f[] = { { .name = "type", .kind = FILTER_NAME },
		{ .name = "status", .kind = FILTER_STATUS } };

	(void)state;
	read_query("type=a%2Cb&limit=7&limit=8");
	assert_int_equal(filter_take_query(f, 2, others, &q, &e), 0);
	assert_string_equal(f[0].value, "a,b");
	assert_null(f[1].value);
	assert_int_equal(filter_take_query(f, 2, others, &q, &e), -1);
	assert_non_null(strstr(e.message, "type is given more than once"));
	f[0].value = NULL;
	read_query("limit=1&typ=a");
	assert_int_equal(filter_take_query(f, 2, others, &q, &e), -1);
	/* By its number: the name may be a secret that went astray. */
	assert_non_null(strstr(
	    e.message, "parameter 2 is none that this route knows; allowed: type, status, limit"));
	read_query("");
	assert_int_equal(filter_take_query(NULL, 0, others, &q, &e), 0);
}

static void
queues_are_named_once_or_often(void **state)
{
	static const struct {
		const char *query, *queues;
	} cases[] = {
		{ "", NULL },
		{ "busy=200", NULL },
		{ "queue=a", "{\"a\"}" },
		{ "queue=a,b&busy=200&queue=c", "{\"a\",\"b\",\"c\"}" },
		{ "queue=%22%5c%7B%7D", "{\"\\\"\\\\{}\"}" },
		{ "queue=NULL,+", "{\"NULL\",\" \"}" },
	};
	static const char *const wrong[] = { "queue=", "queue=,", "queue=a,", "queue=,a",
		"queue=a&queue=", "queue=%0a", "queue=%ff" };
	const char *queues;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		read_query(cases[i].query);
		assert_int_equal(filter_queues(&q, arena, &queues, &e), 0);
		if (cases[i].queues)
			assert_string_equal(queues, cases[i].queues);
		else
			assert_null(queues);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		read_query(wrong[i]);
		assert_int_equal(filter_queues(&q, arena, &queues, &e), -1);
		assert_null(queues);
		assert_int_equal(e.code, ERR_BAD_REQUEST);
	}
}

static void
so_many_queues_and_no_more(void **state)
{
	char query[REQUEST_QUERY_MAX] = "queue=q";
	const char *queues;

	(void)state;
	for (int i = 1; i < FILTER_QUEUES_MAX; i++)
		memcpy(query + strlen(query), ",q", 3);
	read_query(query);
	assert_int_equal(filter_queues(&q, arena, &queues, &e), 0);
	memcpy(query + strlen(query), ",q", 3);
	read_query(query);
	assert_int_equal(filter_queues(&q, arena, &queues, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_judge),
		cmocka_unit_test(times_are_rfc_3339),
		cmocka_unit_test(a_query_knows_its_names),
		cmocka_unit_test(queues_are_named_once_or_often),
		cmocka_unit_test(so_many_queues_and_no_more),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
