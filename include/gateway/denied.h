/*
 * denied - counts refused calls, in memory first, in the table cron_denied at most every 10 s.
 *
 * Never on the way of a reply: whoever guesses secrets must not be able to slow anybody down, nor
 * to make the database work.
 */
#ifndef CRONWARD_GATEWAY_DENIED_H
#define CRONWARD_GATEWAY_DENIED_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

enum {
	DENIED_MAX = 64,
	DENIED_FLUSH_MS = 10 * 1000,
	DENIED_RETRY_MS = 60 * 1000, /* after a flush that failed: connecting may take seconds */
};

/* Calls of one route with one code in about one minute. */
struct denied_count {
	const char *route, *code; /* both live as long as the program */
	int64_t began_ms;         /* the first of them, CLOCK_MONOTONIC */
	int64_t calls;
};

/* All zero is a valid, empty one. */
struct denied {
	int64_t due_ms; /* not flushed before; CLOCK_MONOTONIC */
	bool failing;   /* the last flush did */
	size_t count;
	struct denied_count counts[DENIED_MAX];
};

/* Counts one call.  With all places taken it joins the newest count of its route and code. */
void denied_note(struct denied *d, const char *route, const char *code);

/* Milliseconds until a flush is due: 0 when it is, -1 when there is nothing to flush. */
int denied_wait_ms(const struct denied *d);

/* Writes what was counted, in one statement.  0, or -1 with ${e}: it is kept and tried again. */
int denied_flush(struct denied *d, struct db *db, struct err *e);

#endif
