/*
 * Signals wait until somebody asks; each case has a process of its own.
 */
#include "base/stop.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const int stop_numbers[] = { SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGHUP };

/* Runs ${fn} in a child; its result, or -1 when a signal ended it. */
static int
in_child(int (*fn)(int), int number)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(number));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Waits as a process waits for its next call.  True: a signal came. */
static bool
interrupted(void)
{
	const struct timespec wait = { .tv_nsec = 50000000 };

	return ppoll(NULL, 0, &wait, stop_wait_mask()) < 0 && errno == EINTR;
}

static int
signal_waits(int number)
{
	if (stop_requested())
		return 1;
	stop_setup();
	if (stop_requested())
		return 2;
	raise(number);
	/* Still pending: nothing was interrupted, and yet it is known. */
	if (!stop_requested())
		return 3;
	if (!interrupted())
		return 4;
	/* Delivered. */
	if (!stop_requested())
		return 5;
	return interrupted() ? 6 : 0;
}

static int
others_do_not_count(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop_setup();
	raise(number);
	/* What was blocked before stays blocked in the wait. */
	return stop_requested() || interrupted();
}

static int
blocked_before(int number)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	stop_setup();
	raise(number);
	return interrupted() && stop_requested() ? 0 : 1;
}

static int
broken_pipe(int number)
{
	int fds[2];

	(void)number;
	stop_setup();
	if (pipe(fds) != 0)
		return 1;
	close(fds[0]);
	return write(fds[1], "x", 1) == -1 && errno == EPIPE ? 0 : 2;
}

static void
signals_wait_until_asked(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(stop_numbers) / sizeof(stop_numbers[0]); i++)
		assert_int_equal(in_child(signal_waits, stop_numbers[i]), 0);
}

static void
other_signals_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(in_child(others_do_not_count, SIGVTALRM), 0);
}

static void
an_inherited_mask_keeps_nobody_alive(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(stop_numbers) / sizeof(stop_numbers[0]); i++)
		assert_int_equal(in_child(blocked_before, stop_numbers[i]), 0);
}

static void
a_broken_pipe_is_an_error_only(void **state)
{
	(void)state;
	assert_int_equal(in_child(broken_pipe, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_wait_until_asked),
		cmocka_unit_test(other_signals_are_left_alone),
		cmocka_unit_test(an_inherited_mask_keeps_nobody_alive),
		cmocka_unit_test(a_broken_pipe_is_an_error_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
