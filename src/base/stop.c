/*
 * stop - signals that wait until somebody asks.
 */
#include "base/stop.h"

#include <stddef.h>

static const int stop_signals[] = { SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGHUP };

static volatile sig_atomic_t stop_seen;
static sigset_t stop_set;  /* stop_signals */
static sigset_t stop_mask; /* what was blocked before, without them */

static void stop_handle(int signal_number);

void
stop_setup(void)
{
	struct sigaction end = { .sa_handler = stop_handle }, ignore = { .sa_handler = SIG_IGN };
	const size_t count = sizeof(stop_signals) / sizeof(stop_signals[0]);
	size_t i;

	sigemptyset(&stop_set);
	for (i = 0; i < count; i++)
		sigaddset(&stop_set, stop_signals[i]);
	sigprocmask(SIG_BLOCK, &stop_set, &stop_mask);
	/* Had whoever started us blocked them, a wait with that mask would never end. */
	for (i = 0; i < count; i++)
		sigdelset(&stop_mask, stop_signals[i]);
	end.sa_mask = stop_set;
	for (i = 0; i < count; i++)
		sigaction(stop_signals[i], &end, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

const sigset_t *
stop_wait_mask(void)
{
	return &stop_mask;
}

bool
stop_requested(void)
{
	sigset_t pending;
	size_t i;

	if (stop_seen)
		return true;
	if (sigpending(&pending) != 0)
		return false;
	for (i = 0; i < sizeof(stop_signals) / sizeof(stop_signals[0]); i++)
		if (sigismember(&pending, stop_signals[i]) == 1)
			return true;
	return false;
}

static void
stop_handle(int signal_number)
{
	(void)signal_number;
	stop_seen = 1;
}
