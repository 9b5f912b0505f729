/*
 * http - outgoing HTTP, many requests in the air, on one curl_multi.
 *
 * Every request is guarded: http and https alone, no redirect, no proxy, no netrc, certificates
 * verified, the address really connected to checked (http/guard.h), replies read up to
 * HTTP_REPLY_MAX or what the request says.  Connections are reused inside the process.  Create
 * after fork.
 */
#ifndef CRONWARD_HTTP_HTTP_H
#define CRONWARD_HTTP_HTTP_H

#include "base/err.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct conf;
struct http;

enum {
	HTTP_REPLY_MAX = 64 * 1024, /* bytes of body that are read; so many of headers, too */
	HTTP_HEADERS_MAX =
	    96,              /* of one request: 64 that came with an event, and what goes besides */
	HTTP_URL_MAX = 2048, /* bytes */
	HTTP_HEADER_BYTES_MAX = 24 * 1024, /* all headers of one request together */
	HTTP_ERROR_MAX = 256,
	HTTP_POLL_MAX = 1024,           /* a thousand carried out by carriers, and the database */
	HTTP_KEPT_MAX = 8,              /* headers of a reply that are handed out ... */
	HTTP_KEPT_VALUE_MAX = 2048,     /* ... if they are no longer, in bytes ... */
	HTTP_KEPT_BYTES_MAX = 8 * 1024, /* ... and fit in here together, each with a NUL */
};

/* By default GET, or POST where there is a body. */
enum http_method { HTTP_BY_BODY, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD__MAX };

/*
 * A request being filled in.  url and body must live until its reply has been taken;
 * headers are copied by http_header().
 */
struct http_request {
	const char *url;
	enum http_method method;
	const char *body; /* NULL: none */
	size_t body_len;
	size_t reply_max;   /* bytes of the reply's body to read; 0: HTTP_REPLY_MAX */
	int64_t timeout_ms; /* of the whole request */
	/* Goes over a connection of its own: one that was used before may be closed just then, and
	 * curl sends the request again, though its first sending may have been acted on. */
	bool is_once;
	bool inspect; /* the reply tells about the server, too: hsts, certificate_ends_s */
	/* Names of headers whose values the reply is to have, in lower case with the colon. */
	const char *keep[HTTP_KEPT_MAX];
	unsigned headers_count;
	size_t headers_len;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", inside headers_text */
	char headers_text[HTTP_HEADER_BYTES_MAX];
	const char *refused; /* set by http_header(): what was wrong, and the request must not go */
};

struct http_timing { /* ms since the start of the request; -1: not reached */
	int32_t name_lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
};

struct http_reply {
	int status;        /* 0: no complete reply; error says why */
	const char *error; /* NULL, or what went wrong below HTTP, fit for a row */
	bool is_ours;      /* this host had no descriptor or memory left: try again later */
	bool refused;      /* ours, before a byte was sent: scheme, address, form of the URL */
	bool is_unsent;    /* of what is_once: no connection was made, so nothing went out */
	bool truncated;    /* the body was longer than asked for and was cut off */
	const char *retry_after; /* the header's text, or NULL */
	/* Of each name in request.keep the first value that is not empty and that fits, or NULL. */
	const char *kept[HTTP_KEPT_MAX];
	bool is_kept_short[HTTP_KEPT_MAX]; /* NULL, since it does not fit */
	const char *body;                  /* NUL-terminated; may hold NULs and any bytes */
	size_t body_len;
	struct http_timing timing;
	/* Of requests that inspect. */
	const char *hsts;           /* Strict-Transport-Security, or NULL */
	int64_t certificate_ends_s; /* since 1970; -1: not known, as on a connection used again */
};

/* ${inflight_max} transfers at most.  NULL with ${e} set when curl cannot be had. */
struct http *http_create(const struct conf *conf, unsigned inflight_max, struct err *e);
void http_destroy(struct http *h); /* NULL is fine */

void http_request_reset(struct http_request *q);
/*
 * Adds "name: value".  A control character, CR, LF or NUL in either, a name that is no token
 * (RFC 9110 5.1) or that frames the message (Content-Length, Transfer-Encoding, Expect), or no
 * room left sets q->refused instead.  User-Agent and Content-Type take the place of our own.
 */
void http_header(struct http_request *q, const char *name, const char *value);
/* Adds "authorization: ${scheme} ${credentials}", of which no copy is left in ${a}. */
void http_authorize(
    struct arena *a, struct http_request *q, const char *scheme, const char *credentials);

/*
 * Starts ${q}; ${owner} comes back with its reply.  Always 0 while fewer than inflight_max are in
 * the air; -1 when all places are taken.  A request that cannot even start ends as a reply with
 * an error, too: there is one way in which requests end.
 */
int http_start(struct http *h, const struct http_request *q, void *owner);
unsigned http_inflight(const struct http *h);

/*
 * Moves the transfers on, then waits until something happens on one of them or on ${fd} (-1:
 * none; ${events} as in poll), at most ${timeout_ms}.  Does not wait when a reply is ready.
 */
void http_wait(struct http *h, int fd, short events, int timeout_ms);
/* The same for several descriptors, HTTP_POLL_MAX at most; their revents are not filled in. */
void http_wait_for(struct http *h, const struct pollfd *fds, int count, int timeout_ms);

/*
 * The next reply that has come, and whose it is; false when there is none.  The reply lives until
 * the next call of http_next() or http_start().
 */
bool http_next(struct http *h, struct http_reply *ret_reply, void **ret_owner);

/*
 * Ends every transfer in the air as if its time were up, for the hard end of a run.  Each comes
 * out of http_next() like any other.
 */
void http_end_all(struct http *h);
/* Ends the transfer of ${owner} likewise, if it is in the air still. */
void http_end(struct http *h, const void *owner);

/*
 * "scheme://authority" of ${url} as a key for limits per host: its length in bytes from the start
 * of the text, or 0 when there is none.  Letter case is the caller's business.
 */
size_t http_origin_len(const char *url);

/*
 * The whole seconds that a Retry-After asks for (RFC 9110 10.2.3: seconds or HTTP date), counted
 * from ${now_unix_s}; 0 for the past; -1 when ${value} is NULL or neither.
 */
int64_t http_retry_after_s(const char *value, int64_t now_unix_s);

#endif
