/*
 * log - lines on standard error that neither mix, nor grow, nor hold up the program.
 *
 * Who reads our standard error may hang.  A line that would have to wait is given LOG_WAIT_MS
 * once; from then on lines are lost at once, and counted, until one gets through again.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	LOG_WAIT_MS = 100,
	LOG_MESSAGE_MAX = 1024,
	LOG_TAIL_MAX = 32, /* kept free for lost=N and the line's end */
	LOG_UNIT_MAX = 5,  /* the longest form of one byte or character of a value, and its NUL */
};

static const char *const log_level_name[LOG__MAX] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static enum log_level log_level_now = LOG_INFO;
static uint64_t log_lost;

static bool log_key(struct log_line *l, const char *key);
static void log_value(struct log_line *l, const char *value, size_t len);
static bool log_needs_quotes(const char *value, size_t len, bool utf8);
static size_t log_unit(char to[static LOG_UNIT_MAX], const char *from, size_t len, bool utf8);
static bool log_put(struct log_line *l, const char *from, size_t len, size_t keep);
static bool log_write(const char *line, size_t len);

void
log_set_level(enum log_level level)
{
	log_level_now = level;
}

void
log_begin(struct log_line *l, enum log_level level, const char *event)
{
	char ts[CLOCK_TEXT_MAX];
	int len;

	l->level = level;
	l->len = 0; /* stays 0 in a line that is dropped */
	if (level > log_level_now)
		return;
	len = snprintf(l->text, sizeof(l->text), "ts=%s level=%s pid=%ld",
	    clock_text(clock_unix_ms(), ts), log_level_name[level], (long)getpid());
	l->len = (size_t)len;
	log_text(l, "event", event);
}

void
log_text(struct log_line *l, const char *key, const char *value)
{
	if (l->len == 0 || !value || value[0] == '\0')
		return;
	if (log_key(l, key))
		log_value(l, value, strlen(value));
}

void
log_number(struct log_line *l, const char *key, long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", value);
	log_text(l, key, text);
}

void
log_err(struct log_line *l, const struct err *e)
{
	if (e->code == ERR_OK)
		return;
	log_text(l, "err", err_info[e->code].name);
	log_text(l, "sqlstate", e->sqlstate);
	if (e->file) {
		char at[128];

		snprintf(at, sizeof(at), "%s:%d", e->file, e->line);
		log_text(l, "at", at);
	}
	log_text(l, "msg", e->message);
}

void
log_end(struct log_line *l)
{
	char tail[LOG_TAIL_MAX] = "\n";
	size_t len;

	if (l->len == 0)
		return;
	if (log_lost > 0)
		snprintf(tail, sizeof(tail), " lost=%" PRIu64 "\n", log_lost);
	len = strlen(tail);
	memcpy(l->text + l->len, tail, len);
	if (log_write(l->text, l->len + len))
		log_lost = 0;
	else
		log_lost++;
	l->len = 0;
}

void
log_message(enum log_level level, const char *event, const char *fmt, ...)
{
	struct log_line l;
	char message[LOG_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(message, sizeof(message), fmt, args) < 0)
		message[0] = '\0';
	va_end(args);
	log_begin(&l, level, event);
	log_text(&l, "msg", message);
	log_end(&l);
}

static bool
log_key(struct log_line *l, const char *key)
{
	size_t before = l->len;

	/* A key without room for a value would only mislead. */
	if (log_put(l, " ", 1, 0) && log_put(l, key, strlen(key), 0) &&
	    log_put(l, "=", 1, LOG_UNIT_MAX + 2))
		return true;
	l->len = before;
	return false;
}

/* Cuts what is too long between two characters, and closes the quotes all the same. */
static void
log_value(struct log_line *l, const char *value, size_t len)
{
	bool utf8 = text_is_utf8(value, len);
	bool quoted = log_needs_quotes(value, len, utf8);
	size_t i = 0;

	if (quoted)
		log_put(l, "\"", 1, 1);
	while (i < len) {
		char unit[LOG_UNIT_MAX] = "";
		size_t taken = log_unit(unit, value + i, len - i, utf8);

		if (!log_put(l, unit, strlen(unit), 1))
			break;
		i += taken;
	}
	if (quoted)
		log_put(l, "\"", 1, 0);
}

static bool
log_needs_quotes(const char *value, size_t len, bool utf8)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c <= ' ' || c == '"' || c == '=' || c == 0x7f || c == 0xc2 ||
		    (c >= 0x80 && !utf8))
			return true;
	}
	return false;
}

/* The first character of ${from} as it stands between quotes; returns the bytes it took. */
static size_t
log_unit(char to[static LOG_UNIT_MAX], const char *from, size_t len, bool utf8)
{
	unsigned char c = (unsigned char)from[0];
	size_t n = 1;

	/* U+0080 to U+009F (c2 80 to c2 9f) are control characters to a terminal. */
	if (utf8 && (c > 0xc2 || (c == 0xc2 && (unsigned char)from[1] >= 0xa0))) {
		while (n < len && ((unsigned char)from[n] & 0xc0) == 0x80)
			n++;
		memcpy(to, from, n);
	} else if (c == '\n' || c == '\r' || c == '\t') {
		to[0] = '\\';
		to[1] = "tn__r"[c - '\t']; /* TAB is 9, CR 13 */
	} else if (c == '"' || c == '\\') {
		to[0] = '\\';
		to[1] = (char)c;
	} else if (c < ' ' || c >= 0x7f) {
		snprintf(to, LOG_UNIT_MAX, "\\x%02x", c);
	} else {
		to[0] = (char)c;
	}
	return n;
}

/* Adds ${from} if ${keep} bytes more would fit behind it. */
static bool
log_put(struct log_line *l, const char *from, size_t len, size_t keep)
{
	if (l->len + len + keep > LOG_LINE_MAX - LOG_TAIL_MAX)
		return false;
	memcpy(l->text + l->len, from, len);
	l->len += len;
	return true;
}

static bool
log_write(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	/* A pipe that can be written to takes a whole line: LOG_LINE_MAX is below PIPE_BUF. */
	if (poll(&p, 1, log_lost > 0 ? 0 : LOG_WAIT_MS) <= 0)
		return false;
	do {
		n = write(STDERR_FILENO, line, len);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}
