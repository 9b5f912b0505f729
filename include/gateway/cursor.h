/*
 * cursor - where a page of a list ended: a row's time and id, as a text that says nothing else.
 *
 * It is base64url (RFC 4648, 5) of eight bytes of microseconds since 1970, the most significant
 * first, and the sixteen of a uuid.  It stays good whatever is added or deleted meanwhile.
 */
#ifndef CRONWARD_GATEWAY_CURSOR_H
#define CRONWARD_GATEWAY_CURSOR_H

#include "base/crypto.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	CURSOR_TEXT_MAX = 33,
};

struct cursor {
	int64_t at_us;
	char id[CRYPTO_UUID_TEXT_MAX]; /* a uuid, lower case */
};

void cursor_write(const struct cursor *c, char to[static CURSOR_TEXT_MAX]);
/* Whether ${text} is what cursor_write() makes. */
bool cursor_read(struct cursor *c, const char *text);

#endif
