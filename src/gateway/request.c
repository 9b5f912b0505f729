/*
 * request - nothing here trusts a byte: lengths are bounded, escapes checked, times plausible.
 *
 * Parameters that are read: DOCUMENT_URI (else SCRIPT_NAME, else REQUEST_URI up to the query),
 * QUERY_STRING, REQUEST_METHOD, CONTENT_LENGTH, REMOTE_ADDR, REQUEST_MSEC (nginx' $msec) and the
 * headers as HTTP_*.
 */
#include "gateway/request.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	/* A wait longer than that is a clock that jumped, not a queue. */
	REQUEST_WAIT_MAX_MS = 3600 * 1000,
	REQUEST_DRAIN_CHUNK = 4096,
};

static void request_read_method(struct request *);
static void request_read_path(struct request *);
static void request_read_times(struct request *);
static void request_read_caller(struct request *);
static bool request_prefer_holds(const char *value, const char *preference);
static int request_query_part(struct request *, char *part, struct err *);
static const char *request_decode(char *text);
static int request_hex(char c);
static int request_body_read(struct request *, FCGX_Stream *, struct arena *, struct err *);

void
request_read(struct request *q, char *const *params)
{
	*q = (struct request){ .params = params, .body_max = REQUEST_BODY_MAX };
	request_read_method(q);
	request_read_path(q);
	request_read_times(q);
	request_read_caller(q);
}

const char *
request_each(const struct request *q, const char *name, size_t *position)
{
	size_t len = strlen(name);

	while (q->params[*position]) {
		const char *param = q->params[(*position)++];

		if (strncmp(param, name, len) == 0 && param[len] == '=')
			return param + len + 1;
	}
	return NULL;
}

const char *
request_first(const struct request *q, const char *name)
{
	size_t position = 0;

	return request_each(q, name, &position);
}

bool
request_prefers(const struct request *q, const char *preference)
{
	const char *value;
	size_t position = 0;

	while ((value = request_each(q, "HTTP_PREFER", &position)))
		if (request_prefer_holds(value, preference))
			return true;
	return false;
}

bool
request_asks_to_run(const struct request *q)
{
	for (size_t i = 0; i < q->parameters_count; i++)
		if (strcmp(q->parameters[i].name, "run") == 0)
			return true;
	return request_first(q, "HTTP_X_VERCEL_CRON_SCHEDULE") != NULL;
}

int
request_query(struct request *q, struct arena *a, struct err *e)
{
	const char *query = request_first(q, "QUERY_STRING");
	char *part, *rest;

	q->parameters_count = 0;
	if (!query || !*query)
		return 0;
	if (strlen(query) > REQUEST_QUERY_MAX)
		return err_set(e, ERR_BAD_REQUEST,
		    "The query string is longer than %d bytes, the most that is allowed",
		    REQUEST_QUERY_MAX);
	rest = arena_text(a, query);
	while ((part = strsep(&rest, "&")))
		if (*part && request_query_part(q, part, e) != 0)
			return -1;
	return 0;
}

int
request_parameter(const struct request *q, const char *name, const char **ret_value, struct err *e)
{
	const char *value = NULL;

	for (size_t i = 0; i < q->parameters_count; i++) {
		if (strcmp(q->parameters[i].name, name) != 0)
			continue;
		if (value)
			return err_set(
			    e, ERR_BAD_REQUEST, "The parameter %s is given more than once", name);
		value = q->parameters[i].value;
	}
	*ret_value = value;
	return 0;
}

int
request_switch(const struct request *q, const char *name, const char *allowed, bool *ret_is_given,
    struct err *e)
{
	const char *value = NULL;

	if (request_parameter(q, name, &value, e) != 0)
		return -1;
	if (value && strcmp(value, allowed) != 0)
		return err_set(e, ERR_BAD_REQUEST,
		    "The parameter %s may only be %s, or be left out", name, allowed);
	*ret_is_given = value != NULL;
	return 0;
}

int
request_body(struct request *q, FCGX_Stream *in, struct arena *a, struct err *e)
{
	const char *text = request_first(q, "CONTENT_LENGTH");
	int64_t declared = 0;

	q->body = "";
	q->body_len = 0;
	if (text && *text && !text_to_int64(text, 0, INT64_MAX, &declared))
		return err_set(e, ERR_BAD_REQUEST, "Content-Length is not a number of bytes");
	if ((uint64_t)declared > q->body_max)
		return err_set(e, ERR_TOO_LARGE,
		    "The body is longer than %zu bytes, the most that is allowed", q->body_max);
	q->body_len = (size_t)declared;
	return request_body_read(q, in, a, e);
}

bool
request_drain(FCGX_Stream *in)
{
	char away[REQUEST_DRAIN_CHUNK];

	for (size_t done = 0; done <= REQUEST_BODY_MAX; done += sizeof(away))
		if (FCGX_GetStr(away, sizeof(away), in) < (int)sizeof(away))
			return FCGX_GetError(in) == 0;
	return false;
}

static void
request_read_method(struct request *q)
{
	const char *text = request_first(q, "REQUEST_METHOD");

	if (!text)
		text = "";
	text_clean(q->method_text, sizeof(q->method_text), text, strlen(text));
	if (strcmp(text, "GET") == 0)
		q->method = METHOD_GET;
	else if (strcmp(text, "POST") == 0)
		q->method = METHOD_POST;
	else
		q->method = METHOD_OTHER;
}

static void
request_read_path(struct request *q)
{
	const char *path = request_first(q, "DOCUMENT_URI");
	size_t len;

	/* These are decoded: a question mark in them was an escaped one, and no route has any. */
	if (!path)
		path = request_first(q, "SCRIPT_NAME");
	len = path ? strlen(path) : 0;
	if (!path) {
		path = request_first(q, "REQUEST_URI");
		len = path ? strcspn(path, "?") : 0;
	}
	if (!path)
		return;
	/* A trailing slash is the same route; there is never a redirect. */
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof(q->path))
		return;
	memcpy(q->path, path, len);
	q->path[len] = '\0';
}

/* $msec is "seconds.milliseconds" of nginx' clock, which is this machine's. */
static void
request_read_times(struct request *q)
{
	const char *text = request_first(q, "REQUEST_MSEC");
	const char *point = text ? strchr(text, '.') : NULL;
	char digits[CLOCK_TEXT_MAX];
	int64_t unix_ms = 0, wait_ms = 0;
	int len;

	q->arrived_ms = clock_mono_ms();
	if (!point || strlen(point) != sizeof(".123") - 1)
		return;
	len = snprintf(digits, sizeof(digits), "%.*s%s", (int)(point - text), text, point + 1);
	if (len < 0 || (size_t)len >= sizeof(digits) ||
	    !text_to_int64(digits, 0, INT64_MAX / 2, &unix_ms))
		return;
	wait_ms = clock_unix_ms() - unix_ms;
	if (wait_ms < 0 || wait_ms > REQUEST_WAIT_MAX_MS)
		return;
	q->wait_ms = wait_ms;
	q->arrived_ms -= wait_ms;
}

static void
request_read_caller(struct request *q)
{
	const char *address = request_first(q, "REMOTE_ADDR");
	const char *agent = request_first(q, "HTTP_USER_AGENT");
	size_t len;

	if (!address || !*address)
		address = "-";
	len = text_clean(q->caller, sizeof(q->caller), address, strlen(address));
	if (!agent || !*agent || len + 2 > sizeof(q->caller))
		return;
	q->caller[len++] = ' ';
	text_clean(q->caller + len, sizeof(q->caller) - len, agent, strlen(agent));
}

/* RFC 7240: preferences are separated by commas; each may have a value and parameters. */
static bool
request_prefer_holds(const char *value, const char *preference)
{
	size_t want = strlen(preference), len;

	for (;;) {
		bool quoted = false;

		value += strspn(value, ", \t");
		if (!*value)
			return false;
		len = strcspn(value, ",;= \t");
		if (len == want && strncasecmp(value, preference, len) == 0)
			return true;
		for (; *value && (quoted || *value != ','); value++) {
			if (*value == '"')
				quoted = !quoted;
			else if (*value == '\\' && quoted && value[1])
				value++;
		}
	}
}

/* One "name=value", decoded in place. */
static int
request_query_part(struct request *q, char *part, struct err *e)
{
	struct request_parameter *parameter = &q->parameters[q->parameters_count];
	char *value = part, *name = strsep(&value, "=");
	const char *fault;

	if (q->parameters_count == REQUEST_PARAMETERS_MAX)
		return err_set(e, ERR_BAD_REQUEST,
		    "The query string holds more than %d parameters, the most that is allowed",
		    REQUEST_PARAMETERS_MAX);
	/* By its number: the name is the caller's, and may be a secret that went astray. */
	fault = request_decode(name);
	if (fault)
		return err_set(e, ERR_BAD_REQUEST, "The name of query parameter %zu %s",
		    q->parameters_count + 1, fault);
	fault = value ? request_decode(value) : NULL;
	if (fault)
		return err_set(e, ERR_BAD_REQUEST, "The value of query parameter %zu %s",
		    q->parameters_count + 1, fault);
	*parameter = (struct request_parameter){ .name = name, .value = value ? value : "" };
	q->parameters_count++;
	return 0;
}

/* Percent escapes and '+' of a form, in place.  NULL, or what is wrong. */
static const char *
request_decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = (char)(*from == '+' ? ' ' : *from);
			continue;
		}
		high = request_hex(from[1]);
		low = high < 0 ? -1 : request_hex(from[2]);
		if (low < 0)
			return "has a '%' without two hexadecimal digits behind it; write %25 for "
			       "a '%'";
		if (high == 0 && low == 0)
			return "holds a NUL character, which is not allowed";
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	return NULL;
}

static int
request_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads the declared q->body_len bytes, and the end behind them. */
static int
request_body_read(struct request *q, FCGX_Stream *in, struct arena *a, struct err *e)
{
	char *body = q->body_len > 0 ? arena_alloc(a, q->body_len + 1) : NULL;
	int got = body ? FCGX_GetStr(body, (int)q->body_len, in) : 0;
	size_t declared = q->body_len;
	bool ends = FCGX_GetChar(in) < 0;

	q->body_len = 0;
	if (FCGX_GetError(in) != 0 || (size_t)got != declared || !ends)
		return err_set(e, ERR_BAD_REQUEST,
		    "The body is %s than its Content-Length of %zu bytes",
		    ends ? "shorter" : "longer", declared);
	if (body)
		q->body = body;
	q->body_len = declared;
	return 0;
}
