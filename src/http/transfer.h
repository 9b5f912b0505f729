/*
 * transfer - what the files of http share; nobody else includes it.
 *
 *	http.c          the set: free places, what is in the air, replies that have come
 *	transfer.c      one request in the air: curl's handle, its callbacks, the reply
 *	transfer_end.c  how a transfer ended: status or error text, timing
 *	request.c       filling in a request, and judging whether it may go at all
 *	retry_after.c   reading Retry-After
 */
#ifndef CRONWARD_HTTP_TRANSFER_H
#define CRONWARD_HTTP_TRANSFER_H

#include "http/http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TRANSFER_CONNECT_MS_MAX = 5000, /* name lookup, connection and TLS together */
	TRANSFER_TIMEOUT_MS_MAX = 3600 * 1000,
	TRANSFER_VALUE_MAX = 64, /* of our own two headers; longer than any date */
	TRANSFER_OWN_HEADERS = 3,
};

enum transfer_place { TRANSFER_FREE, TRANSFER_AIR, TRANSFER_CAME, TRANSFER_TAKEN };

/* One place for a request.  All zero but for ${easy} and ${conf} between two requests. */
struct transfer {
	CURL *easy; /* configured once, used again and again */
	const struct conf *conf;
	struct transfer *next; /* in the list that its place stands for */
	enum transfer_place place;
	void *owner;

	int64_t timeout_ms;    /* what ${easy} is set to; 0: nothing yet */
	bool tls;              /* the URL says https */
	unsigned opened;       /* sockets that the guard let through */
	unsigned refused;      /* and that it did not */
	int socket_errno;      /* of the last socket that could not be had */
	size_t header_bytes;   /* of the reply, 1xx and trailers included */
	bool headers_too_long; /* over HTTP_REPLY_MAX */
	bool truncated;        /* the body was cut at reply_max */
	bool named;            /* ${easy} has a method set by name */
	size_t reply_max;

	char *body; /* grows with need; freed after a long reply */
	size_t body_len, body_room;
	char retry_after[TRANSFER_VALUE_MAX];
	char hsts[TRANSFER_VALUE_MAX];
	const char *keep[HTTP_KEPT_MAX];
	char *kept; /* their values, each with a NUL; grows with need, freed after the reply */
	size_t kept_len, kept_room;
	bool is_kept_short[HTTP_KEPT_MAX];
	size_t kept_at[HTTP_KEPT_MAX]; /* where in it a value begins, from 1; 0: there is none */
	bool inspect;
	char refused_address[INET6_ADDRSTRLEN];
	char error[HTTP_ERROR_MAX];
	char detail[CURL_ERROR_SIZE]; /* curl's own words */
	struct http_reply reply;

	/* The header list that curl gets, made of these nodes: no allocation per request. */
	struct curl_slist header_nodes[HTTP_HEADERS_MAX + TRANSFER_OWN_HEADERS];
	char headers_text[HTTP_HEADER_BYTES_MAX];
};

/* Sets ${t} up, all zero before.  -1 when curl has no memory or lacks an option. */
int transfer_init(struct transfer *t, const struct conf *conf, CURLSH *share);
void transfer_finish(struct transfer *t);

/* Fills ${t} from ${q}, which may go.  -1: curl has no memory. */
int transfer_begin(struct transfer *t, const struct http_request *q);
/* Writes t->reply from what came, after curl said ${code}. */
void transfer_end(struct transfer *t, CURLcode code);
/* Writes t->reply for a request that was not sent: ${why} lives as long as the program. */
void transfer_end_unsent(struct transfer *t, const char *why, bool refused);
/* Makes ${t} ready for the next request. */
void transfer_reset(struct transfer *t);

/* NULL, or why ${q} must not be sent. */
const char *request_refusal(const struct http_request *q);

#endif
