/*
 * log - one line per event, key=value, on standard error.
 *
 *	struct log_line l;
 *
 *	log_begin(&l, LOG_INFO, "call");
 *	log_text(&l, "worker", name);
 *	log_number(&l, "ms", ms);
 *	log_end(&l);
 *
 * gives `ts=2026-11-22T04:53:12.123Z level=info pid=17 event=call worker=x ms=5`.
 * A value with a space, quote, '=' or control character is quoted and escaped;
 * a line is at most LOG_LINE_MAX bytes and leaves in one write(2), so lines of
 * the processes of a pool do not mix.  No secret, token or payload goes here.
 * Modules below a worker do not log above debug.
 */
#ifndef CRONWARD_BASE_LOG_H
#define CRONWARD_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG__MAX };

enum {
	LOG_LINE_MAX = 2048,
};

struct log_line {
	size_t len;
	enum log_level level;
	char text[LOG_LINE_MAX];
};

struct err;

/* Lines above ${level} are dropped.  LOG_INFO until called. */
void log_set_level(enum log_level level);

void log_begin(struct log_line *l, enum log_level level, const char *event);
/* Adds key=value; a NULL or empty ${value} adds nothing. */
void log_text(struct log_line *l, const char *key, const char *value);
void log_number(struct log_line *l, const char *key, long long value);
/* Adds err=, sqlstate=, at=file:line and msg= when ${e} holds an error. */
void log_err(struct log_line *l, const struct err *e);
/* Writes the line; what cannot be written is counted and told with the next line (lost=N). */
void log_end(struct log_line *l);

/* A whole line with nothing but msg=. */
void log_message(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
