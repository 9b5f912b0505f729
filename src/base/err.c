/*
 * err - the first error stays; its message is always one line of valid UTF-8.
 *
 * Messages quote what servers and receivers said, and end up in JSON: text_clean() is what makes
 * that safe, here and for everybody.
 */
#include "base/err.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	/* Waits that help: a run that is under way, a database that restarts, a pool that drains.
	 */
	ERR_BUSY_RETRY_S = 15,
	ERR_DATABASE_RETRY_S = 5,
	ERR_UNAVAILABLE_RETRY_S = 2,
};

const struct err_info err_info[ERR__MAX] = {
	[ERR_OK] = { "ok", 200, 0 },
	[ERR_BAD_REQUEST] = { "bad_request", 400, 0 },
	[ERR_UNAUTHORIZED] = { "unauthorized", 401, 0 },
	[ERR_NOT_FOUND] = { "not_found", 404, 0 },
	[ERR_METHOD_NOT_ALLOWED] = { "method_not_allowed", 405, 0 },
	[ERR_CONFLICT] = { "conflict", 409, 0 },
	[ERR_TOO_LARGE] = { "too_large", 413, 0 },
	[ERR_BUSY] = { "busy", 429, ERR_BUSY_RETRY_S },
	[ERR_NOT_CONFIGURED] = { "not_configured", 503, 0 },
	[ERR_DATABASE] = { "database_unavailable", 503, ERR_DATABASE_RETRY_S },
	[ERR_UNAVAILABLE] = { "unavailable", 503, ERR_UNAVAILABLE_RETRY_S },
	[ERR_INTERNAL] = { "internal", 500, 0 },
};

int
err_set_at(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
{
	char raw[ERR_MESSAGE_MAX];
	size_t len;
	va_list args;

	if (!e || e->code != ERR_OK)
		return -1;
	va_start(args, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, args) < 0)
		raw[0] = '\0';
	va_end(args);

	e->code = code;
	e->sqlstate[0] = '\0';
	e->file = file;
	e->line = line;
	/* libpq ends its messages with a line end. */
	len = strlen(raw);
	while (len > 0 && strchr(" \r\n", raw[len - 1]))
		len--;
	text_clean(e->message, sizeof(e->message), raw, len);
	return -1;
}

void
err_clear(struct err *e)
{
	*e = (struct err){ .code = ERR_OK };
}

int
err_pass(struct err *to, const struct err *from)
{
	if (to && to->code == ERR_OK)
		*to = *from;
	return -1;
}
