/*
 * Secrets: where they come from, how they rotate, and that a broken file closes nothing and
 * opens nothing.
 */
#include "base/secret.h"

#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "secret_files.h"

#define A_TEXT "0123456789abcdef"
#define B_TEXT "fedcba9876543210"

static int
setup(void **state)
{
	(void)state;
	unsetenv("S");
	unsetenv("S_FILE");
	unsetenv("S_PREVIOUS");
	unsetenv("S_PREVIOUS_FILE");
	unlink(path);
	rmdir(path);
	return 0;
}

static bool
matches(const struct secret *s, const char *given)
{
	return secret_matches(s, given, strlen(given));
}

static void
nothing_set_is_unset(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret s;

	(void)state;
	setenv("S", "", 1);
	setenv("S_FILE", "", 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_int_equal(secret_state(&s), SECRET_UNSET);
	assert_false(matches(&s, ""));
	secret_refresh(&s);
	secret_finish(&s);
}

static void
the_environment_gives_and_is_wiped(void **state)
{
	static char current[] = "S=" A_TEXT, previous[] = "S_PREVIOUS=" B_TEXT;
	struct err e = { .code = ERR_OK };
	struct secret s;
	size_t i;

	(void)state;
	putenv(current);
	putenv(previous);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_int_equal(secret_state(&s), SECRET_USABLE);
	assert_true(matches(&s, A_TEXT));
	assert_true(matches(&s, B_TEXT));
	assert_false(matches(&s, A_TEXT "x"));
	assert_false(matches(&s, ""));
	assert_null(getenv("S"));
	assert_null(getenv("S_PREVIOUS"));
	for (i = 0; i < strlen(A_TEXT); i++) {
		assert_int_equal(current[strlen("S=") + i], 0);
		assert_int_equal(previous[strlen("S_PREVIOUS=") + i], 0);
	}
	secret_finish(&s);
	assert_int_equal(secret_state(&s), SECRET_UNSET);
}

static void
short_ones_match_nothing(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret s;

	(void)state;
	setenv("S", "0123456789abcde", 1);
	setenv("S_PREVIOUS", A_TEXT, 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_int_equal(secret_state(&s), SECRET_SHORT);
	assert_false(matches(&s, "0123456789abcde"));
	assert_false(matches(&s, A_TEXT));
	secret_finish(&s);

	setenv("S", A_TEXT, 1);
	setenv("S_PREVIOUS", "short", 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_true(matches(&s, A_TEXT));
	assert_false(matches(&s, "short"));
	secret_finish(&s);
}

static void
some_may_be_shorter(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret s;

	(void)state;
	setenv("S", "12345678", 1);
	setenv("S_PREVIOUS", "87654321", 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_int_equal(secret_state(&s), SECRET_SHORT);
	secret_allow(&s, SECRET_LENGTH_LEAST);
	assert_int_equal(secret_state(&s), SECRET_USABLE);
	assert_true(matches(&s, "12345678"));
	assert_true(matches(&s, "87654321"));
	assert_false(matches(&s, "1234567"));
	secret_allow(&s, SECRET_LENGTH_LEAST + 1);
	assert_false(matches(&s, "12345678"));
	assert_false(matches(&s, "87654321"));
	secret_finish(&s);
}

/* Loads S and wants it refused with exactly this message. */
static void
refused(const char *message)
{
	struct err e = { .code = ERR_OK };
	struct secret s;

	assert_int_equal(secret_load(&s, "S", &e), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	assert_string_equal(e.message, message);
	assert_null(getenv("S"));
	assert_null(getenv("S_PREVIOUS"));
	secret_finish(&s);
}

static void
wrong_settings_are_refused(void **state)
{
	char message[256], *big = malloc(SECRET_LENGTH_MAX + 2);

	(void)state;
	write_text(A_TEXT);
	setenv("S", A_TEXT, 1);
	setenv("S_FILE", path, 1);
	refused("S and S_FILE are both set; set one");

	unsetenv("S_FILE");
	setenv("S_PREVIOUS", A_TEXT, 1);
	setenv("S_PREVIOUS_FILE", path, 1);
	refused("S_PREVIOUS and S_PREVIOUS_FILE are both set; set one");
	unsetenv("S_PREVIOUS_FILE");

	assert_non_null(big);
	memset(big, 'x', SECRET_LENGTH_MAX + 1);
	big[SECRET_LENGTH_MAX + 1] = '\0';
	setenv("S", big, 1);
	refused("S: holds more than 4096 bytes");
	free(big);

	setenv("S", "0123456789\n0123456789", 1);
	refused("S: holds a line end, NUL or another control character");

	unlink(path);
	setenv("S_FILE", path, 1);
	snprintf(message, sizeof(message), "S_FILE: \"%s\": No such file or directory", path);
	refused(message);
	mkdir(path, 0700);
	snprintf(message, sizeof(message), "S_FILE: \"%s\": is not a regular file", path);
	refused(message);
	rmdir(path);
	mkfifo(path, 0600);
	refused(message);
	unlink(path);
	write_file(path, A_TEXT "\0" A_TEXT, 33);
	snprintf(message, sizeof(message),
	    "S_FILE: \"%s\": holds a line end, NUL or another control character", path);
	refused(message);
}

static void
files_may_hold_space_around(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret s;

	(void)state;
	write_text(" \t" A_TEXT "\r\n\n");
	setenv("S_FILE", path, 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_int_equal(secret_state(&s), SECRET_USABLE);
	assert_true(matches(&s, A_TEXT));
	secret_finish(&s);

	write_text(" \n ");
	assert_int_equal(secret_load(&s, "S", &e), 0);
	/* No fallback may stand in for it; filled later, it counts. */
	assert_int_equal(secret_state(&s), SECRET_SHORT);
	write_text(A_TEXT);
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	secret_finish(&s);
}

static void
a_long_file_is_taken_or_refused_whole(void **state)
{
	struct err e = { .code = ERR_OK };
	char *big = malloc(SECRET_LENGTH_MAX + 1000);
	struct secret s;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', SECRET_LENGTH_MAX + 1000);
	setenv("S_FILE", path, 1);
	write_file(path, big, SECRET_LENGTH_MAX);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_true(secret_matches(&s, big, SECRET_LENGTH_MAX));
	write_file(path, big, SECRET_LENGTH_MAX + 1);
	secret_refresh(&s);
	assert_true(secret_matches(&s, big, SECRET_LENGTH_MAX));
	write_file(path, big, SECRET_LENGTH_MAX + 1000);
	secret_refresh(&s);
	assert_true(secret_matches(&s, big, SECRET_LENGTH_MAX));
	secret_finish(&s);
	assert_int_equal(secret_load(&s, "S", &e), -1);
	secret_finish(&s);
	free(big);
}

static void
a_rotation_needs_no_restart(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret s;
	int i;

	(void)state;
	write_text(A_TEXT);
	setenv("S_FILE", path, 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	/* The same length each time, and faster than the file system's clock ticks. */
	for (i = 0; i < 50; i++) {
		write_text(i % 2 ? A_TEXT : B_TEXT);
		secret_refresh(&s);
		assert_true(matches(&s, i % 2 ? A_TEXT : B_TEXT));
		assert_false(matches(&s, i % 2 ? B_TEXT : A_TEXT));
	}
	write_file(path_next, B_TEXT, strlen(B_TEXT));
	assert_int_equal(rename(path_next, path), 0);
	secret_refresh(&s);
	assert_true(matches(&s, B_TEXT));
	write_text("short now");
	secret_refresh(&s);
	assert_int_equal(secret_state(&s), SECRET_SHORT);
	secret_finish(&s);
}

static void
a_broken_file_keeps_the_value(void **state)
{
	struct err e = { .code = ERR_OK };
	struct secret s;

	(void)state;
	write_text(A_TEXT);
	setenv("S_FILE", path, 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	write_text("");
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	write_text("\n \n");
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	write_file(path, "0123456789\0abcdef", 17);
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	unlink(path);
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	mkdir(path, 0700);
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	rmdir(path);
	assert_int_equal(symlink(path, path), 0);
	secret_refresh(&s);
	assert_true(matches(&s, A_TEXT));
	unlink(path);
	write_text("fresh 0123456789");
	secret_refresh(&s);
	assert_false(matches(&s, A_TEXT));
	assert_true(matches(&s, "fresh 0123456789"));
	secret_finish(&s);
}

/* What the writer below tells of itself, in memory that it shares. */
struct pace {
	volatile int64_t half_ms_max; /* for how long a file was half written, at most */
	volatile int rounds;
};

enum {
	HALVES_LEN = 3000,
	HALVES_PATIENCE_MS = 90, /* a file that lies half written for longer is taken */
};

static void
write_halves_without_end(struct pace *pace)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	enum { HALF = HALVES_LEN / 2 };
	char bytes[HALF];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;; pace->rounds++) {
		int64_t began_ms = clock_mono_ms(), half_ms;

		memset(bytes, 'a' + pace->rounds % 26, HALF);
		if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, HALF, 0) != HALF)
			_exit(1);
		poll(NULL, 0, 20);
		if (pwrite(fd, bytes, HALF, HALF) != HALF)
			_exit(1);
		half_ms = clock_mono_ms() - began_ms;
		if (half_ms > pace->half_ms_max)
			pace->half_ms_max = half_ms;
		/* Now and then it rests for longer than a reader waits. */
		poll(NULL, 0, pace->rounds % 4 ? 20 : 200);
	}
}

/* Whether it is one that was written; not so only where the writer was kept from writing on. */
static bool
is_whole(const struct secret *s, const struct pace *pace)
{
	const char *value = s->current.value;
	int rounds = pace->rounds;
	size_t same = 0;

	while (same < s->current.len && value[same] == value[0])
		same++;
	if (same == HALVES_LEN)
		return true;
	while (pace->rounds == rounds)
		poll(NULL, 0, 5);
	if (pace->half_ms_max < HALVES_PATIENCE_MS)
		fail_msg("%zu equal bytes of %zu", same, s->current.len);
	return false;
}

/* Somebody writes without end; each value that we take is one that was written. */
static void
no_value_is_half_of_two(void **state)
{
	int64_t give_up_ms = clock_mono_ms() + 60000;
	struct err e = { .code = ERR_OK };
	struct pace *pace =
	    mmap(NULL, sizeof(*pace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char bytes[HALVES_LEN], before;
	struct secret s;
	int changes = 0;
	pid_t pid;

	(void)state;
	assert_true(pace != MAP_FAILED);
	memset(bytes, 'a', HALVES_LEN);
	write_file(path, bytes, HALVES_LEN);
	setenv("S_FILE", path, 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	before = s.current.value[0];
	pid = fork();
	if (pid == 0)
		write_halves_without_end(pace);
	while (changes < 3 && clock_mono_ms() < give_up_ms) {
		secret_refresh(&s);
		if (is_whole(&s, pace) && s.current.value[0] != before) {
			before = s.current.value[0];
			changes++;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(changes, 3);
	secret_finish(&s);
	munmap(pace, sizeof(*pace));
}

static void
test_a_previous_secret_is_retired_by_its_empty_or_deleted_file(void **state)
{
	struct secret s;
	struct err e = { .code = ERR_OK };

	(void)state;
	setenv("S", A_TEXT, 1);
	setenv("S_PREVIOUS_FILE", path, 1);
	write_text(B_TEXT "\n");
	assert_int_equal(secret_load(&s, "S", &e), 0);
	assert_true(matches(&s, B_TEXT));
	write_text("\n");
	secret_refresh(&s);
	assert_false(matches(&s, B_TEXT));
	assert_true(matches(&s, A_TEXT));
	write_text(B_TEXT "\n");
	secret_refresh(&s);
	assert_true(matches(&s, B_TEXT));
	unlink(path);
	secret_refresh(&s);
	assert_false(matches(&s, B_TEXT));
	assert_true(matches(&s, A_TEXT));
	secret_finish(&s);
	/* So it is for a process that starts then; a path without a folder is a mistake. */
	setenv("S", A_TEXT, 1);
	assert_int_equal(secret_load(&s, "S", &e), 0);
	write_text(B_TEXT);
	secret_refresh(&s);
	assert_true(matches(&s, B_TEXT));
	secret_finish(&s);
	setenv("S_PREVIOUS_FILE", "/nonexistent/file", 1);
	assert_int_equal(secret_load(&s, "S", &e), -1);
	secret_finish(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_a_previous_secret_is_retired_by_its_empty_or_deleted_file, setup),
		cmocka_unit_test_setup(nothing_set_is_unset, setup),
		cmocka_unit_test_setup(the_environment_gives_and_is_wiped, setup),
		cmocka_unit_test_setup(short_ones_match_nothing, setup),
		cmocka_unit_test_setup(some_may_be_shorter, setup),
		cmocka_unit_test_setup(wrong_settings_are_refused, setup),
		cmocka_unit_test_setup(files_may_hold_space_around, setup),
		cmocka_unit_test_setup(a_long_file_is_taken_or_refused_whole, setup),
		cmocka_unit_test_setup(a_rotation_needs_no_restart, setup),
		cmocka_unit_test_setup(a_broken_file_keeps_the_value, setup),
		cmocka_unit_test_setup(no_value_is_half_of_two, setup),
	};

	return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
