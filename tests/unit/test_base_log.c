/*
 * Lines: their form, their quoting, their length, and what happens when nobody reads them.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Standard error is a pipe while a test runs. */
static int log_pipe[2];
static int log_stderr;
static char log_got[65536 * 4];

static int
log_setup(void **state)
{
	(void)state;
	if (pipe2(log_pipe, O_CLOEXEC) != 0 || fcntl(log_pipe[0], F_SETFL, O_NONBLOCK) != 0)
		return -1;
	log_stderr = dup(STDERR_FILENO);
	log_set_level(LOG_INFO);
	return dup2(log_pipe[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int
log_teardown(void **state)
{
	(void)state;
	/* Before the pipe goes: no test must leave a count of lost lines to the next. */
	while (read(log_pipe[0], log_got, sizeof(log_got)) > 0) {
	}
	log_message(LOG_ERROR, "flush", "x");
	dup2(log_stderr, STDERR_FILENO);
	close(log_stderr);
	close(log_pipe[0]);
	close(log_pipe[1]);
	return 0;
}

/* What has arrived since the last call. */
static const char *
log_read(void)
{
	ssize_t n = read(log_pipe[0], log_got, sizeof(log_got) - 1);

	log_got[n > 0 ? n : 0] = '\0';
	return log_got;
}

/* The same without what changes: behind the pid. */
static const char *
log_read_event(void)
{
	const char *event = strstr(log_read(), " event=");

	return event ? event + 1 : "";
}

static void
a_line_has_its_fixed_fields(void **state)
{
	char pid[32], level[16];
	unsigned year;
	char tail = '\0';

	(void)state;
	log_message(LOG_WARN, "start", "ready");
	assert_int_equal(
	    sscanf(log_read(),
		"ts=%4u-%*2u-%*2uT%*2u:%*2u:%*2u.%*3uZ level=%15s pid=%31s event=start "
		"msg=ready%c",
		&year, level, pid, &tail),
	    4);
	assert_in_range(year, 2024, 9999);
	assert_string_equal(level, "warn");
	assert_int_equal(tail, '\n');
	assert_true(strtol(pid, NULL, 10) == getpid());
}

static void
values_are_quoted_where_needed(void **state)
{
	struct log_line l;

	(void)state;
	log_begin(&l, LOG_INFO, "call");
	log_text(&l, "worker", "webhook-retry");
	log_number(&l, "ms", -5);
	log_text(&l, "none", NULL);
	log_text(&l, "empty", "");
	log_text(&l, "space", "a b");
	log_text(&l, "equal", "a=b");
	log_text(&l, "quote", "say \"x\" \\");
	log_text(&l, "lines", "a\nb\r\tc\x01\x7f");
	log_text(&l, "utf8", "héß");
	log_text(&l, "bytes", "h\xe9");
	log_text(&l, "c1", "\xc2\x9b[31m");
	log_end(&l);
	assert_string_equal(log_read_event(),
	    "event=call worker=webhook-retry ms=-5 space=\"a b\" equal=\"a=b\" "
	    "quote=\"say \\\"x\\\" \\\\\" lines=\"a\\nb\\r\\tc\\x01\\x7f\" utf8=héß "
	    "bytes=\"h\\xe9\" c1=\"\\xc2\\x9b[31m\"\n");
}

static void
errors_add_their_fields(void **state)
{
	struct err e = { .code = ERR_OK };
	struct log_line l;

	(void)state;
	log_begin(&l, LOG_ERROR, "run");
	log_err(&l, &e);
	log_end(&l);
	assert_string_equal(log_read_event(), "event=run\n");

	err_set_at(&e, ERR_DATABASE, "src/db/x.c", 12, "it is gone");
	memcpy(e.sqlstate, "57P01", 6);
	log_begin(&l, LOG_ERROR, "run");
	log_err(&l, &e);
	log_end(&l);
	assert_string_equal(log_read_event(),
	    "event=run err=database_unavailable sqlstate=57P01 at=src/db/x.c:12 "
	    "msg=\"it is gone\"\n");
}

static void
levels_drop_what_is_above(void **state)
{
	enum log_level level, line;

	(void)state;
	for (level = LOG_ERROR; level < LOG__MAX; level++) {
		log_set_level(level);
		for (line = LOG_ERROR; line < LOG__MAX; line++) {
			log_message(line, "x", "%s", "y");
			assert_int_equal(log_read()[0] != '\0', line <= level);
		}
	}
}

static void
lines_are_cut_between_characters(void **state)
{
	char value[3 * LOG_LINE_MAX + 4] = " "; /* to be quoted */
	struct log_line l;
	size_t pad, i;

	(void)state;
	for (i = 0; i < LOG_LINE_MAX; i++)
		memcpy(value + 1 + 3 * i, "€", 4);
	for (pad = 0; pad < 8; pad++) {
		const char *line;

		log_begin(&l, LOG_INFO, "cut");
		log_text(&l, "pad", &"xxxxxxxx"[pad]);
		log_text(&l, "long", value);
		log_text(&l, "late", "does not fit");
		log_end(&l);
		line = log_read();
		assert_in_range(strlen(line), LOG_LINE_MAX - 48, LOG_LINE_MAX);
		assert_null(strstr(line, "late="));
		assert_string_equal(line + strlen(line) - 5, "€\"\n");
	}
}

static void
escapes_are_never_cut(void **state)
{
	char value[LOG_LINE_MAX];
	struct log_line l;
	size_t pad;

	(void)state;
	memset(value, '\x01', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (pad = 0; pad < 8; pad++) {
		const char *line;

		log_begin(&l, LOG_INFO, "cut");
		log_text(&l, "pad", &"xxxxxxxx"[pad]);
		log_text(&l, "long", value);
		log_end(&l);
		line = log_read();
		assert_true(strlen(line) <= LOG_LINE_MAX);
		assert_string_equal(line + strlen(line) - 6, "\\x01\"\n");
	}
}

/* Fills the pipe with lines until one is lost; ${lost} more follow. */
static void
log_fill(int lost)
{
	char value[1025];
	int i, room = fcntl(log_pipe[1], F_GETPIPE_SZ) / 1024 + 1;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (i = 0; i < room + lost; i++)
		log_message(LOG_INFO, "fill", "%s", value);
}

static long
log_lost_told(void)
{
	const char *lost;

	while (log_read()[0] != '\0') {
	}
	log_message(LOG_INFO, "after", "x");
	lost = strstr(log_read(), " lost=");
	return lost ? strtol(lost + 6, NULL, 10) : 0;
}

static void
a_full_pipe_blocks_nobody(void **state)
{
	int64_t began = clock_mono_ms();

	(void)state;
	log_fill(100);
	assert_in_range(clock_mono_ms() - began, 0, 2000);
	assert_in_range(log_lost_told(), 100, 200);
	/* Told once. */
	assert_int_equal(log_lost_told(), 0);
}

static void
a_full_nonblocking_pipe_loses_as_well(void **state)
{
	(void)state;
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
	log_fill(50);
	assert_in_range(log_lost_told(), 50, 150);
}

static void
a_closed_standard_error_is_survived(void **state)
{
	(void)state;
	close(STDERR_FILENO);
	log_message(LOG_INFO, "x", "y");
	log_message(LOG_INFO, "x", "y");
	dup2(log_pipe[1], STDERR_FILENO);
	assert_int_equal(log_lost_told(), 2);
}

static void
a_reader_that_left_is_survived(void **state)
{
	int gone[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(gone), 0);
	close(gone[0]);
	dup2(gone[1], STDERR_FILENO);
	close(gone[1]);
	log_message(LOG_INFO, "x", "y");
	dup2(log_pipe[1], STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(log_lost_told(), 1);
}

#define LOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, log_setup, log_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(a_line_has_its_fixed_fields),
		LOG_TEST(values_are_quoted_where_needed),
		LOG_TEST(errors_add_their_fields),
		LOG_TEST(levels_drop_what_is_above),
		LOG_TEST(lines_are_cut_between_characters),
		LOG_TEST(escapes_are_never_cut),
		LOG_TEST(a_full_pipe_blocks_nobody),
		LOG_TEST(a_full_nonblocking_pipe_loses_as_well),
		LOG_TEST(a_closed_standard_error_is_survived),
		LOG_TEST(a_reader_that_left_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
