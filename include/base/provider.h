/*
 * provider - who sends us events, and how each proves that it was he.
 *
 * A provider NAME has the settings NAME_WEBHOOK_SECRET (with _FILE, _PREVIOUS and _PREVIOUS_FILE),
 * NAME_WEBHOOK_SCHEME and NAME_WEBHOOK_HEADER.  In addresses and rows its name is in lower case.
 * Some are there from the start; whoever else has a setting in the environment is one, too.
 */
#ifndef CRONWARD_BASE_PROVIDER_H
#define CRONWARD_BASE_PROVIDER_H

#include "base/err.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PROVIDER_NAME_MAX = 32,    /* with its NUL */
	PROVIDER_SETTING_MAX = 64, /* the longest is NAME_WEBHOOK_SECRET_PREVIOUS_FILE */
	PROVIDER_HEADER_MAX = 64,
	PROVIDERS_MAX = 32,
};

/* How an event is signed: always HMAC-SHA256. */
enum provider_scheme {
	PROVIDER_HMAC_HEX,    /* of the body, in hex */
	PROVIDER_HMAC_BASE64, /* likewise in base64 */
	PROVIDER_STANDARD,    /* Standard Webhooks 1.0.0: webhook-id, -timestamp, -signature */
	PROVIDER_STRIPE,      /* Stripe-Signature: t=...,v1=... */
	PROVIDER_META,        /* X-Hub-Signature-256: sha256=..., as GitHub has it, too */
	PROVIDER_SCHEME__MAX
};
/* As the settings have them, ended by NULL: hmac-sha256-hex, ... */
extern const char *const provider_scheme_name[PROVIDER_SCHEME__MAX + 1];
/* The header that each has its signature in, unless a setting names another; in lower case. */
extern const char *const provider_scheme_header[PROVIDER_SCHEME__MAX];

#define PROVIDER_SCHEMES_ALLOWED "hmac-sha256-hex, hmac-sha256-base64, standard, stripe or meta"
#define PROVIDER_HEADER_ALLOWED "up to 63 letters, digits and hyphens"

/* Those that are there from the start, in this order. */
enum provider_preset {
	PRESET_PAYMENT, /* of the route without a provider */
	PRESET_TELEBIRR,
	PRESET_CBE,
	PRESET_AWASH,
	PRESET_STRIPE,
	PRESET_GITHUB,
	PRESET__MAX
};

struct provider {
	char name[PROVIDER_NAME_MAX]; /* [a-z][a-z0-9_]* */
	bool is_given;                /* a setting of its own is there */
	enum provider_scheme scheme;
	/*
	 * Where its signature is, in lower case.  That of Standard Webhooks ends in "-signature",
	 * and -id and -timestamp are beside it.
	 */
	char header[PROVIDER_HEADER_MAX];
	char setting[PROVIDER_SETTING_MAX]; /* NAME_WEBHOOK_SECRET */
	struct secret secret;
};

/*
 * Takes the providers from the environment and wipes their secrets there: the presets, then the
 * others by their names.  0, or -1 with ${e} saying which setting is wrong and what is allowed.
 * Either way provider_finish() is to be called.
 */
int provider_load(struct provider all[static PROVIDERS_MAX], size_t *ret_count, struct err *e);
void provider_finish(struct provider *all, size_t count);

/* The one called ${name}, or NULL. */
struct provider *provider_find(struct provider *all, size_t count, const char *name);

/* The setting of the provider ${name} that ends in ${tail}: STRIPE_WEBHOOK_SECRET.  Returns it. */
char *provider_setting(
    char ret_setting[static PROVIDER_SETTING_MAX], const char *name, const char *tail);

/* The header called ${what} beside that of the signature of PROVIDER_STANDARD.  Returns it. */
char *provider_header_beside(
    char ret_header[static PROVIDER_HEADER_MAX], const struct provider *p, const char *what);

/* Whether a provider may be called ${name}. */
bool provider_is_name(const char *name);
/* Whether ${name} is that of a setting of some provider: STRIPE_WEBHOOK_SECRET_FILE. */
bool provider_is_setting(const char *name);

#endif
