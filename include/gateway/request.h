/*
 * request - one call as nginx hands it over: FastCGI parameters and a body.
 *
 * What is copied is bounded, whatever the peer sends: libfcgi itself has no limit.
 */
#ifndef CRONWARD_GATEWAY_REQUEST_H
#define CRONWARD_GATEWAY_REQUEST_H

#include "base/err.h"
#include "engine/run.h"

#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum request_method { METHOD_GET, METHOD_POST, METHOD_OTHER, METHOD__MAX };

enum {
	REQUEST_PATH_MAX = 256,
	REQUEST_METHOD_TEXT_MAX = 16,
	REQUEST_QUERY_MAX = 1024,
	REQUEST_PARAMETERS_MAX = 16,
	REQUEST_BODY_MAX = 64 * 1024, /* where a route does not say more */
};

struct request_parameter {
	const char *name, *value; /* decoded */
};

struct request {
	char *const
	    *params; /* "NAME=value", ended by NULL; libfcgi's, gone once the call is finished */
	enum request_method method;
	char method_text[REQUEST_METHOD_TEXT_MAX];
	char path[REQUEST_PATH_MAX]; /* no trailing slash; "" when it is longer than that */
	char caller[RUN_CALLER_MAX]; /* address and user agent, fit to be stored and shown */
	int64_t arrived_ms;          /* when nginx had it, on CLOCK_MONOTONIC */
	int64_t wait_ms;             /* how long it then waited for a free process */
	/* Filled in by request_query(). */
	size_t parameters_count;
	struct request_parameter parameters[REQUEST_PARAMETERS_MAX];
	bool proves_by_query; /* a parameter "secret" is one of the forms of showing a secret */
	size_t body_max;      /* REQUEST_BODY_MAX until somebody says otherwise */
	/* Filled in by request_body(). */
	const char *body;
	size_t body_len;
};

/* Reads method, path, caller and times; whatever ${params} holds. */
void request_read(struct request *q, char *const *params);

/*
 * The value of the next parameter called ${name} at or after *position, which starts at 0; NULL
 * when there is no other.  A header may come twice: nginx 1.22 passes both.
 */
const char *request_each(const struct request *q, const char *name, size_t *position);
/* The first one, or NULL. */
const char *request_first(const struct request *q, const char *name);

/* Whether a Prefer header holds ${preference} (RFC 7240). */
bool request_prefers(const struct request *q, const char *preference);

/*
 * Whether a GET asks for a run where others ask how the worker does: by the header that Vercel Cron
 * sends, or by a parameter "run" of the query, which request_query() has read.
 */
bool request_asks_to_run(const struct request *q);

/* Splits and decodes the query string.  0, or -1 with ERR_BAD_REQUEST that says which and why. */
int request_query(struct request *q, struct arena *a, struct err *e);
/*
 * The query parameter ${name} in *ret_value, NULL where it is not given.
 * 0, or -1 with ERR_BAD_REQUEST when it is given more than once.
 */
int request_parameter(
    const struct request *q, const char *name, const char **ret_value, struct err *e);
/*
 * Whether the query parameter ${name} is given, which may only be ${allowed}.
 * 0, or -1 with ERR_BAD_REQUEST when it is something else.
 */
int request_switch(const struct request *q, const char *name, const char *allowed,
    bool *ret_is_given, struct err *e);

/*
 * Reads the body, to its end.  0, or -1 with ERR_TOO_LARGE, or ERR_BAD_REQUEST when it is not as
 * long as Content-Length says: a signal, a peer that left and a lie all look like an early end.
 */
int request_body(struct request *q, FCGX_Stream *in, struct arena *a, struct err *e);
/* Reads away what is left of the body, within REQUEST_BODY_MAX; whether that was all. */
bool request_drain(FCGX_Stream *in);

#endif
