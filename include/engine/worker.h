/*
 * worker - what a worker is: one const struct, one .c, one .sql, one test.
 */
#ifndef CRONWARD_ENGINE_WORKER_H
#define CRONWARD_ENGINE_WORKER_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

struct conf;
struct run;

enum {
	WORKER_TALLIES_MAX = 24,
};

struct worker {
	const char *name;    /* in locks, executions, headers, logs */
	const char *summary; /* one line for people */
	/* When a cron service is to ring, as five fields of a crontab, in UTC. */
	const char *schedule;
	/* What it counts besides run->processed, succeeded and failed; NULL ends the list. */
	const char *tallies[WORKER_TALLIES_MAX];
	/* Whether work may be brought while it runs, by run_ring() ... */
	bool has_bell;
	/* ... or none is, and who rings wants what a run that was narrowed leaves undone. */
	bool bell_widens;
	/*
	 * Whether the settings let it work at all, asked before a run begins and anything is
	 * touched.  0, or -1 with ERR_NOT_CONFIGURED.  NULL: they always do.
	 */
	int (*ready)(struct conf *, struct err *);
	/* Does the work inside the run's deadline.  0, or -1 with run->err set. */
	int (*work)(struct run *);
	/* Adds the worker's own keys to ${body}, in order; all 0 in a run that never began. */
	void (*reply)(const struct run *, json_t *body);
};

#endif
