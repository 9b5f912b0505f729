/*
 * zone - time zones by their IANA names, from this host's database (TZif files, RFC 8536).
 *
 * The process' own zone (TZ) is neither asked nor changed.
 */
#ifndef CRONWARD_BASE_ZONE_H
#define CRONWARD_BASE_ZONE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ZONE_NAME_MAX = 64,       /* bytes */
	ZONE_FILE_MAX = 64 << 10, /* bytes; the largest there are have 4 KB */
};

struct zone;
struct zones;

/* A time with one offset: local time is ${offset_s} ahead of UTC. */
struct zone_span {
	int64_t from_s, to_s; /* since 1970, the latter no longer in it; INT64_MIN and MAX: open */
	int32_t offset_s;
};

/* The zones that were asked for so far; read anew by each collection. */
struct zones *zones_create(void);
void zones_destroy(struct zones *all); /* NULL is fine */
/* Lent until zones_destroy().  NULL with ${e}: there is no such zone, or its file is no good. */
const struct zone *zones_find(struct zones *all, const char *name, struct err *e);

/* The span that holds ${unix_s}, a second of the years 1 to 9999. */
struct zone_span zone_span_at(const struct zone *z, int64_t unix_s);

/* Whether ${name} may be one of IANA's: up to three parts, each begins with a capital, no dots. */
bool zone_name_is_fit(const char *name);

/* A zone from the bytes of a file; the caller's.  NULL with ${e}. */
struct zone *zone_read(const unsigned char *bytes, size_t len, struct err *e);
void zone_destroy(struct zone *z); /* NULL is fine */

#endif
