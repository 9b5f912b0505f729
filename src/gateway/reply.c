/*
 * reply - rendered with snprintf and sent with FCGX_PutStr: FCGX_FPrintF ends the process on some
 * formats.
 */
#include "gateway/reply.h"

#include "base/arena.h"
#include "engine/run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	REPLY_HEAD_MAX = 256,
};

/* What the outside is told where the message itself may name hosts, accounts or statements. */
static const char *const reply_public_text[ERR__MAX] = {
	[ERR_DATABASE] = "The database cannot be reached or did not answer; try again",
	[ERR_INTERNAL] = "Internal error; the log has the details",
};

static const char reply_broken[] =
    "{\"success\":false,\"error\":\"Internal error; the log has the details\","
    "\"code\":\"internal\",\"run\":null}";

/* Always the same, whatever was wrong, and cheap: this is what guessing is answered with. */
static const char reply_unauthorized[] =
    "{\"success\":false,\"error\":\"Unauthorized\",\"code\":\"unauthorized\",\"run\":null}";

static const char *reply_reason(int status);

void
reply_header(struct reply *p, const char *name, const char *fmt, ...)
{
	char value[REPLY_HEADERS_MAX];
	size_t room = sizeof(p->headers) - p->headers_len;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < sizeof(value) && !strpbrk(value, "\r\n"));
	len = snprintf(p->headers + p->headers_len, room, "%s: %s\r\n", name, value);
	assert(len >= 0 && (size_t)len < room);
	p->headers_len += (size_t)len;
}

void
reply_text(struct reply *p, int status, const char *json)
{
	p->status = status;
	p->body = json;
	p->body_len = strlen(json);
}

void
reply_json(struct reply *p, struct arena *a, int status, json_t *body)
{
	char small[REPLY_WORKER_MAX];
	size_t len = body ? json_dumpb(body, small, sizeof(small), JSON_COMPACT) : 0;
	char *text;

	if (len == 0) {
		json_decref(body);
		reply_text(p, err_info[ERR_INTERNAL].status, reply_broken);
		return;
	}
	if (len <= sizeof(small)) {
		text = arena_copy(a, small, len);
	} else {
		text = arena_alloc(a, len + 1);
		json_dumpb(body, text, len, JSON_COMPACT);
	}
	json_decref(body);
	p->status = status;
	p->body = text;
	p->body_len = len;
}

void
reply_err(struct reply *p, struct arena *a, const struct err *e, const struct run *run)
{
	const struct err_info *info = &err_info[e->code];
	int64_t retry_s = info->retry_s;

	if (e->code == ERR_UNAUTHORIZED) {
		reply_header(p, "WWW-Authenticate", "Bearer");
		reply_text(p, info->status, reply_unauthorized);
		return;
	}
	if (e->code == ERR_BUSY && run && run->busy_retry_s > 0)
		retry_s = run->busy_retry_s;
	if (retry_s > 0)
		reply_header(p, "Retry-After", "%lld", (long long)retry_s);
	reply_json(p, a, info->status, reply_err_body(e, run));
}

json_t *
reply_err_body(const struct err *e, const struct run *run)
{
	const char *text = reply_public_text[e->code];

	json_t *body = json_pack("{s:b, s:s, s:s}", "success", 0, "error", text ? text : e->message,
	    "code", err_info[e->code].name);

	if (e->code == ERR_BUSY && run)
		json_object_set_new(body, "startedAt", reply_busy_since(run));
	json_object_set_new(body, "run", run ? run_summary(run) : json_null());
	return body;
}

json_t *
reply_busy_since(const struct run *run)
{
	return run->busy_since[0] ? json_string(run->busy_since) : json_null();
}

void
reply_send(const struct reply *p, FCGX_Stream *out)
{
	char head[REPLY_HEAD_MAX];
	int len = snprintf(head, sizeof(head),
	    "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n",
	    p->status, reply_reason(p->status), p->type ? p->type : "application/json",
	    p->body_len);

	assert(len > 0 && (size_t)len < sizeof(head));
	FCGX_PutStr(head, len, out);
	FCGX_PutStr(p->headers, (int)p->headers_len, out);
	FCGX_PutStr("\r\n", 2, out);
	FCGX_PutStr(p->body, (int)p->body_len, out);
}

static const char *
reply_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 413, "Content Too Large" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}
