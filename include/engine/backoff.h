/*
 * backoff - when to try again.
 */
#ifndef CRONWARD_ENGINE_BACKOFF_H
#define CRONWARD_ENGINE_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

enum {
	BACKOFF_RETRY_AFTER_MAX_S = 24 * 3600,
};

struct backoff {
	int64_t first_s; /* the wait after the first failure */
	int64_t factor;  /* each next wait is so many times the one before */
	int64_t cap_s;
	const int64_t *schedule_s; /* when set: wait number n of this list, its last one for more */
	size_t schedule_count;
};

/*
 * Milliseconds to wait after failure number ${failures} (1 is the first): the schedule, plus
 * 0-10 % jitter.  Where the receiver asked for more (${retry_after_s} >= 0), that much, up to
 * BACKOFF_RETRY_AFTER_MAX_S, plus the same jitter.
 */
int64_t backoff_ms(const struct backoff *b, int64_t failures, int64_t retry_after_s);

#endif
