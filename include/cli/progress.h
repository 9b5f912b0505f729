/*
 * progress - shows on a terminal how far a run is.
 */
#ifndef CRONWARD_CLI_PROGRESS_H
#define CRONWARD_CLI_PROGRESS_H

struct run;

/* Starts to show ${r} on standard error, if that is a terminal. */
void progress_start(const struct run *r);
/* Stops, and clears the line.  Fine without a start. */
void progress_stop(void);

#endif
