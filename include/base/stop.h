/*
 * stop - the wish to end, kept out of the way of everything that reads.
 *
 * SIGTERM, SIGINT, SIGUSR1 (multiwatch sends it to drain) and SIGUSR2 (multiwatch passes it on to
 * restart its processes) stay blocked from stop_setup() on, but for the wait of a process for its
 * next call: a signal in the middle of a read shortens a body in silence.  Whoever works asks
 * stop_requested() between two items.
 */
#ifndef CRONWARD_BASE_STOP_H
#define CRONWARD_BASE_STOP_H

#include <signal.h>
#include <stdbool.h>

/* Blocks the signals and installs their handler; SIGPIPE is ignored, SIGHUP ends like SIGTERM. */
void stop_setup(void);
/* The mask to give ppoll(): what was blocked before stop_setup(). */
const sigset_t *stop_wait_mask(void);
/* Whether one of the signals has arrived, delivered or still pending. */
bool stop_requested(void);

#endif
