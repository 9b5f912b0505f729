/*
 * inbound_event - what a message from outside says of itself: which event it is, and of what type.
 */
#ifndef CRONWARD_GATEWAY_INBOUND_EVENT_H
#define CRONWARD_GATEWAY_INBOUND_EVENT_H

#include "base/crypto.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct provider;
struct request;

enum {
	INBOUND_BODY_MAX = 4 * 1024 * 1024,
	INBOUND_ID_MAX = 256, /* bytes with the NUL; so is the next */
	INBOUND_TYPE_MAX = 201,
	INBOUND_FAULT_MAX = 400,
	INBOUND_HEADERS_MAX = 64, /* that are kept */
	INBOUND_HEADERS_BYTES_MAX = 16 * 1024,
};

struct inbound_event {
	char id[INBOUND_ID_MAX]; /* never empty, fit to be stored; the same when it is sent again */
	/*
	 * What stands there may be the id of something that the event is about: another body with
	 * it is another event.
	 */
	bool is_guess;
	char type[INBOUND_TYPE_MAX];                      /* "": it says none */
	char digest[CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)]; /* of the body: SHA-256 */
	char fault[INBOUND_FAULT_MAX]; /* why the body cannot be stored as JSON; "": it can */
};

/*
 * Reads the message ${q}, body included, of the provider ${p}, which is verified.  With ${is_meta}
 * it has the form of Meta's.
 *
 * The id is the first that is there, of what the signature covers and nothing else: the header
 * webhook-id of Standard Webhooks 1.0.0 (or what is called so beside the header of the signature),
 * `id` of what Stripe sends, `event_id` or `eventId` of the body; as a guess `id` of a body that
 * also says its type; the body's digest.
 */
void inbound_event_read(
    struct inbound_event *v, const struct provider *p, const struct request *q, bool is_meta);

/*
 * The headers of ${q} that are kept, lower case, several of one name joined by ", "; none that
 * prove who calls, none that belong to the connection.  The caller's.
 */
json_t *inbound_headers(const struct request *q);

/* The value of the next header ${name} (lower case) of a struct request, for verify_fault(). */
const char *inbound_header(const void *request, const char *name, size_t *position);

#endif
