/*
 * The first error stays, and a message is always one line of valid UTF-8.
 */
#include "base/err.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
set_records_code_place_and_message(void **state)
{
	struct err e = { .code = ERR_OK };
	int line;

	(void)state;
	line = __LINE__ + 1;
	assert_int_equal(err_set(&e, ERR_BAD_REQUEST, "limit is %d", 7), -1);
	assert_int_equal(e.code, ERR_BAD_REQUEST);
	assert_string_equal(e.message, "limit is 7");
	assert_string_equal(e.sqlstate, "");
	assert_non_null(strstr(e.file, "test_base_err.c"));
	assert_int_equal(e.line, line);
}

static void
the_first_error_stays(void **state)
{
	struct err e = { .code = ERR_OK }, other = { .code = ERR_OK };

	(void)state;
	err_set(&e, ERR_BUSY, "first");
	assert_int_equal(err_set(&e, ERR_INTERNAL, "second"), -1);
	err_set(&other, ERR_DATABASE, "third");
	assert_int_equal(err_pass(&e, &other), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_string_equal(e.message, "first");
}

static void
clear_makes_room_for_the_next(void **state)
{
	struct err e = { .code = ERR_OK }, from = { .code = ERR_OK };

	(void)state;
	err_set(&e, ERR_BUSY, "first");
	err_clear(&e);
	assert_int_equal(e.code, ERR_OK);
	assert_string_equal(e.message, "");
	err_set(&from, ERR_DATABASE, "gone");
	memcpy(from.sqlstate, "57P01", 6);
	err_pass(&e, &from);
	assert_int_equal(e.code, ERR_DATABASE);
	assert_string_equal(e.message, "gone");
	assert_string_equal(e.sqlstate, "57P01");
}

static void
messages_are_one_clean_line(void **state)
{
	struct err e = { .code = ERR_OK };

	(void)state;
	err_set(&e, ERR_DATABASE, "%s", "server closed\n\tthe connection\xff\r\n");
	assert_string_equal(e.message, "server closed  the connection?");
}

static void
long_messages_are_cut(void **state)
{
	struct err e = { .code = ERR_OK };
	char *longer = malloc((size_t)4 * ERR_MESSAGE_MAX);
	size_t i;

	(void)state;
	assert_non_null(longer);
	/* One byte off, so that the cut falls into a character. */
	longer[0] = 'x';
	for (i = 0; i < ERR_MESSAGE_MAX; i++)
		memcpy(longer + 1 + 2 * i, "é", 3);
	err_set(&e, ERR_INTERNAL, "%s", longer);
	free(longer);
	assert_in_range(strlen(e.message), ERR_MESSAGE_MAX - 3, ERR_MESSAGE_MAX - 1);
	assert_true(text_is_utf8(e.message, strlen(e.message)));
}

static void
every_code_has_a_name_and_a_status(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
		int status;
	} wanted[] = {
		{ "bad_request", ERR_BAD_REQUEST, 400 },
		{ "unauthorized", ERR_UNAUTHORIZED, 401 },
		{ "not_found", ERR_NOT_FOUND, 404 },
		{ "method_not_allowed", ERR_METHOD_NOT_ALLOWED, 405 },
		{ "conflict", ERR_CONFLICT, 409 },
		{ "too_large", ERR_TOO_LARGE, 413 },
		{ "busy", ERR_BUSY, 429 },
		{ "not_configured", ERR_NOT_CONFIGURED, 503 },
		{ "database_unavailable", ERR_DATABASE, 503 },
		{ "unavailable", ERR_UNAVAILABLE, 503 },
		{ "internal", ERR_INTERNAL, 500 },
	};
	size_t i;

	(void)state;
	assert_int_equal(sizeof(wanted) / sizeof(wanted[0]), ERR__MAX - 1);
	for (i = 0; i < ERR__MAX - 1; i++) {
		const struct err_info *info = &err_info[wanted[i].code];

		assert_string_equal(info->name, wanted[i].name);
		assert_int_equal(info->status, wanted[i].status);
	}
	assert_true(err_info[ERR_BUSY].retry_s > 0);
	assert_true(err_info[ERR_DATABASE].retry_s > 0);
	assert_int_equal(err_info[ERR_NOT_CONFIGURED].retry_s, 0);
	assert_int_equal(err_info[ERR_UNAUTHORIZED].retry_s, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_records_code_place_and_message),
		cmocka_unit_test(the_first_error_stays),
		cmocka_unit_test(clear_makes_room_for_the_next),
		cmocka_unit_test(messages_are_one_clean_line),
		cmocka_unit_test(long_messages_are_cut),
		cmocka_unit_test(every_code_has_a_name_and_a_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
