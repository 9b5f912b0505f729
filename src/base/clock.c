/*
 * clock - what this host's clocks say.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

enum {
	CLOCK_MS_PER_S = 1000,
	CLOCK_NS_PER_MS = 1000000,
};

static int64_t clock_ms(clockid_t which);

int64_t
clock_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t
clock_unix_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

char *
clock_text(int64_t unix_ms, char to[static CLOCK_TEXT_MAX])
{
	int64_t ms = unix_ms % CLOCK_MS_PER_S;
	time_t s = (time_t)(unix_ms / CLOCK_MS_PER_S);
	struct tm tm;
	size_t len;

	if (ms < 0) {
		ms += CLOCK_MS_PER_S;
		s--;
	}
	if (!gmtime_r(&s, &tm) || !(len = strftime(to, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm)))
		len = 0;
	snprintf(to + len, CLOCK_TEXT_MAX - len, ".%03dZ", (int)ms);
	return to;
}

static int64_t
clock_ms(clockid_t which)
{
	struct timespec t;

	/* Fails for clocks that do not exist; these two do. */
	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * CLOCK_MS_PER_S + t.tv_nsec / CLOCK_NS_PER_MS;
}
