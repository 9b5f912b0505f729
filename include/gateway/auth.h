/*
 * auth - who may call.
 *
 * A caller shows a secret as `Authorization: Bearer S` or `x-cron-secret: S`, and, where the route
 * allows it, as `?secret=S`.  Shown more than once, it must be the same each time.
 */
#ifndef CRONWARD_GATEWAY_AUTH_H
#define CRONWARD_GATEWAY_AUTH_H

#include "base/err.h"

#include <stddef.h>

struct conf;
struct request;
struct secret;

/* A set of enum conf_secret. */
#define AUTH_SECRET(which) (1u << (which))

/*
 * Compares what ${q} shows with the secrets of the set ${wanted}, each in constant time.
 * 0 with those that match in *ret_matched, or -1: ERR_NOT_CONFIGURED when none of them is set and
 * long enough, ERR_UNAUTHORIZED (always with the same words) when none matches.
 */
int auth_check(struct conf *conf, const struct request *q, unsigned wanted, unsigned *ret_matched,
    struct err *e);

/*
 * Overwrites every configured secret that stands in ${text}, where the first ${shown} bytes of it
 * are to be logged or stored: callers put secrets into the strangest places.
 */
void auth_hide(struct conf *conf, char *text, size_t shown);

/* Logs one line for each secret of ${wanted} that leaves ${routes} (text for people) closed. */
void auth_warn(struct conf *conf, unsigned wanted, const char *routes);
/* The same for a secret that is there and too short; one that is unset is not wanted. */
void auth_warn_short(const struct secret *secret, const char *routes);

#endif
