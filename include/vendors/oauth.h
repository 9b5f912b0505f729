/*
 * oauth - how access tokens are refreshed (RFC 6749, 6), and what the answers say.
 */
#ifndef CRONWARD_VENDORS_OAUTH_H
#define CRONWARD_VENDORS_OAUTH_H

#include "base/conf.h"
#include "vendors/sync.h"

enum {
	OAUTH_TOKEN_MAX = 4096, /* bytes */
};

/* Who asks, where. */
struct oauth {
	const char *url;
	const char *client_id;     /* NULL: not known */
	const char *client_secret; /* NULL: not known, or not usable */
	bool is_basic;             /* they go as HTTP Basic; else with the token */
	bool is_json;              /* with HTTP Basic: the body is JSON; else a form */
	const char *header[2];     /* the name and value of one more; NULL: none */
};

/* The value of a secret in the settings; NULL: there is none that is usable. */
const char *oauth_secret(const struct conf *conf, enum conf_secret which);

/* Whether the settings say who asks; else nothing can be asked. */
bool oauth_is_known(const struct oauth *who);
/*
 * Fills in ${q}, but for its timeout; the body in ${a}, for the caller to wipe when it has been
 * sent.
 */
void oauth_ask(
    struct arena *a, const struct oauth *who, const char *refresh_token, struct http_request *q);
/*
 * Reads {"access_token", "refresh_token"?, "expires_in"?}, or {"error"}, which some vendors send
 * with HTTP 200 and some call {"code"}; texts in ${a}.
 */
void oauth_read(struct arena *a, const struct oauth *who, const char *refresh_token,
    const struct http_reply *reply, int64_t now_unix_s, struct sync_tokens *ret_tokens);

#endif
