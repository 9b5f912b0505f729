/*
 * What reaches libfcgi, and what must not.
 */
#include "gateway/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	BEGIN = 1,
	ABORT = 2,
	PARAMS = 4,
	STDIN = 5,
	GET_VALUES = 9,
};

static unsigned char wire[2 * HEAD_MAX];
static size_t wire_len;

static void
add_record(int type, int id, const void *content, size_t len)
{
	const unsigned char head[8] = { 1, (unsigned char)type, (unsigned char)(id >> 8),
		(unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len, 0, 0 };

	memcpy(wire + wire_len, head, sizeof(head));
	if (len > 0)
		memcpy(wire + wire_len + sizeof(head), content, len);
	wire_len += sizeof(head) + len;
}

static void
begin(void)
{
	wire_len = 0;
	add_record(BEGIN, 1, "\0\1\0\0\0\0\0\0", 8);
}

static void
begin_with_params(const void *params, size_t len)
{
	begin();
	if (len > 0)
		add_record(PARAMS, 1, params, len);
	add_record(PARAMS, 1, NULL, 0);
}

static enum head_verdict
verdict(void)
{
	/* A copy of exactly that size: what is read behind it is seen by AddressSanitizer. */
	unsigned char *exact = malloc(wire_len + 1);
	enum head_verdict v;

	memcpy(exact, wire, wire_len);
	v = head_check(exact, wire_len);
	free(exact);
	return v;
}

static void
a_sound_head_passes(void **state)
{
	(void)state;
	begin_with_params("\1\3AGET\1\0B", 9);
	assert_int_equal(verdict(), HEAD_WHOLE);
	add_record(STDIN, 1, "body", 4);
	add_record(STDIN, 1, NULL, 0);
	assert_int_equal(verdict(), HEAD_WHOLE);
	begin_with_params(NULL, 0);
	assert_int_equal(verdict(), HEAD_WHOLE);
}

static void
every_beginning_of_it_wants_more(void **state)
{
	size_t whole;

	(void)state;
	begin_with_params("\1\200\0\0\3AGET\1\0B", 12);
	whole = wire_len;
	for (wire_len = 0; wire_len < whole; wire_len++)
		assert_int_equal(verdict(), HEAD_MORE);
	assert_int_equal(verdict(), HEAD_WHOLE);
}

static void
pairs_may_lie_across_records(void **state)
{
	static const char pairs[] = "\1\200\0\0\3AGET\2\1BBx";

	(void)state;
	begin();
	for (size_t i = 0; i < sizeof(pairs) - 1; i++)
		add_record(PARAMS, 1, pairs + i, 1);
	add_record(PARAMS, 1, NULL, 0);
	assert_int_equal(verdict(), HEAD_WHOLE);
}

static void
lengths_that_lie_are_refused(void **state)
{
	(void)state;
	/* 4 GB: what ends a process in libfcgi. */
	begin_with_params("\377\377\377\376\377\377\377\376", 8);
	assert_int_equal(verdict(), HEAD_BAD);
	begin_with_params("\200\1\0\1\0", 5);
	assert_int_equal(verdict(), HEAD_BAD);
	/* Longer than what follows. */
	begin_with_params("\1\4AGET", 6);
	assert_int_equal(verdict(), HEAD_BAD);
	/* A length without its name, a long length without its end. */
	begin_with_params("\1", 1);
	assert_int_equal(verdict(), HEAD_BAD);
	begin_with_params("\1\200\0", 3);
	assert_int_equal(verdict(), HEAD_BAD);
}

static void
other_records_are_refused(void **state)
{
	(void)state;
	wire_len = 0;
	add_record(GET_VALUES, 0, "\16\0FCGI_MAX_CONNS", 16);
	assert_int_equal(verdict(), HEAD_BAD);
	wire_len = 0;
	add_record(PARAMS, 1, NULL, 0);
	assert_int_equal(verdict(), HEAD_BAD);
	begin();
	add_record(GET_VALUES, 0, NULL, 0);
	assert_int_equal(verdict(), HEAD_BAD);
	begin();
	add_record(PARAMS, 2, NULL, 0);
	assert_int_equal(verdict(), HEAD_BAD);
	begin();
	add_record(BEGIN, 1, "\0\1\0\0\0\0\0\0", 8);
	assert_int_equal(verdict(), HEAD_BAD);
	begin_with_params(NULL, 0);
	add_record(ABORT, 1, NULL, 0);
	assert_int_equal(verdict(), HEAD_BAD);
	begin_with_params(NULL, 0);
	add_record(STDIN, 0, NULL, 0);
	assert_int_equal(verdict(), HEAD_BAD);
}

static void
other_beginnings_are_refused(void **state)
{
	(void)state;
	wire_len = 0;
	add_record(BEGIN, 1, "\0\2\0\0\0\0\0\0", 8); /* an authorizer */
	assert_int_equal(verdict(), HEAD_BAD);
	wire_len = 0;
	add_record(BEGIN, 0, "\0\1\0\0\0\0\0\0", 8);
	assert_int_equal(verdict(), HEAD_BAD);
	wire_len = 0;
	add_record(BEGIN, 1, "\0\1\0\0\0\0\0", 7);
	assert_int_equal(verdict(), HEAD_BAD);
	memcpy(wire, "GET / HTTP/1.1", 14);
	wire_len = 14;
	assert_int_equal(verdict(), HEAD_BAD);
	wire_len = 1;
	assert_int_equal(verdict(), HEAD_BAD);
}

static void
the_rest_is_judged_as_far_as_it_is_there(void **state)
{
	size_t whole;

	(void)state;
	begin_with_params(NULL, 0);
	add_record(STDIN, 1, "a longer body", 13);
	whole = wire_len;
	for (wire_len = whole - 20; wire_len <= whole; wire_len++)
		assert_int_equal(verdict(), HEAD_WHOLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_head_passes),
		cmocka_unit_test(every_beginning_of_it_wants_more),
		cmocka_unit_test(pairs_may_lie_across_records),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(other_records_are_refused),
		cmocka_unit_test(other_beginnings_are_refused),
		cmocka_unit_test(the_rest_is_judged_as_far_as_it_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
