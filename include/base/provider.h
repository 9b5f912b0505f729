/*
 * provider - who sends us events, and how each proves that it was he.
 *
 * A provider NAME has the settings NAME_WEBHOOK_SECRET (with _FILE, _PREVIOUS and _PREVIOUS_FILE),
 * NAME_WEBHOOK_SCHEME and NAME_WEBHOOK_HEADER.  In addresses and rows its name is in lower case.
 */
#ifndef CRONWARD_BASE_PROVIDER_H
#define CRONWARD_BASE_PROVIDER_H

#include "base/secret.h"

#include <stddef.h>

enum {
	PROVIDER_NAME_MAX = 32, /* with its NUL */
	PROVIDER_HEADER_MAX = 64,
	PROVIDERS_MAX = 32,
};

/* How an event is signed: always HMAC-SHA256. */
enum provider_scheme {
	PROVIDER_HMAC_HEX,    /* of the body, in hex, in a header of the provider's choice */
	PROVIDER_HMAC_BASE64, /* likewise in base64 */
	PROVIDER_STANDARD,    /* Standard Webhooks 1.0.0: webhook-id, -timestamp, -signature */
	PROVIDER_STRIPE,      /* Stripe-Signature: t=...,v1=... */
	PROVIDER_META,        /* X-Hub-Signature-256: sha256=..., as GitHub has it, too */
	PROVIDER_SCHEME__MAX
};
/* As the settings have them: hmac-sha256-hex, ... */
extern const char *const provider_scheme_name[PROVIDER_SCHEME__MAX];

struct provider {
	char name[PROVIDER_NAME_MAX]; /* [a-z][a-z0-9_]* */
	enum provider_scheme scheme;
	char header[PROVIDER_HEADER_MAX]; /* of the first two schemes, in lower case */
	struct secret secret;
};

#endif
