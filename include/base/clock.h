/*
 * clock - monotonic time for deadlines, wall time for log lines.
 *
 * What is stored or compared in the database never comes from here: see
 * run_db_now_s() in engine/run.h.
 */
#ifndef CRONWARD_BASE_CLOCK_H
#define CRONWARD_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_ms(void);
/* Milliseconds since 1970 of this host's clock. */
int64_t clock_unix_ms(void);

enum {
	CLOCK_TEXT_MAX = 32,
};
/* RFC 3339 in UTC with milliseconds, e.g. 2026-11-22T04:53:12.123Z.  Returns ${to}. */
char *clock_text(int64_t unix_ms, char to[static CLOCK_TEXT_MAX]);

#endif
