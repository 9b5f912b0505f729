/*
 * reply - what goes back to nginx, and the one place where an err becomes a reply.
 */
#ifndef CRONWARD_GATEWAY_REPLY_H
#define CRONWARD_GATEWAY_REPLY_H

#include "base/err.h"

#include <fcgiapp.h>
#include <jansson.h>
#include <stddef.h>

struct arena;
struct run;

enum {
	REPLY_HEADERS_MAX = 1024,
	/* Of a worker route's reply, headers and body: cron services count it against a limit. */
	REPLY_WORKER_MAX = 4096,
};

/* All zero is a valid, empty one. */
struct reply {
	int status;
	const char *type; /* of the body; NULL: application/json.  Lent, as the next. */
	const char *body;
	size_t body_len;
	size_t headers_len;
	char headers[REPLY_HEADERS_MAX]; /* "Name: value\r\n" each */
};

/* Adds a header; what does not fit or would need a line break is a defect and ends the process. */
void reply_header(struct reply *p, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A body that is written already and lives as long as the program. */
void reply_text(struct reply *p, int status, const char *json);
/* Consumes ${body}; its text lives in ${a}. */
void reply_json(struct reply *p, struct arena *a, int status, json_t *body);
/*
 * The reply of a call that ended with ${e}, before, in or after ${run} (NULL: there is none).
 * Keeps the headers that were added before, adds those that belong to the error.
 */
void reply_err(struct reply *p, struct arena *a, const struct err *e, const struct run *run);

/*
 * {"success": false, "error": …, "code": …, "run": …}, with "startedAt" where the worker is busy;
 * the caller's.  It says no more of ${e} than the outside may know.
 */
json_t *reply_err_body(const struct err *e, const struct run *run);
/* Since when the worker of a run that was refused has been busy, or null; the caller's. */
json_t *reply_busy_since(const struct run *run);

/* Writes it all; libfcgi sends it when the call is finished. */
void reply_send(const struct reply *p, FCGX_Stream *out);

#endif
