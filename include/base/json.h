/*
 * json - whether JSON text may be stored, and what can be done about it.  Reading and writing it is
 * jansson's part.
 */
#ifndef CRONWARD_BASE_JSON_H
#define CRONWARD_BASE_JSON_H

#include <stddef.h>

enum {
	JSON_DEPTH_MAX = 256,
	JSON_DIGITS_MAX = 1000, /* of a number, and its largest exponent */
};

/*
 * NULL when the ${len} bytes of ${text} are one JSON value that PostgreSQL takes as jsonb: besides
 * JSON's grammar that is valid UTF-8, no \u0000, no half of a surrogate pair, no number or nesting
 * beyond the limits above.  Else what is wrong, with its place in *ret_at (NULL: nobody asks).
 */
const char *json_fault(const char *text, size_t len, size_t *ret_at);

/*
 * Writes \ufffd, the replacement character, over each \u0000 and each half of a surrogate pair in
 * the ${len} bytes of JSON ${text}: escapes that are good JSON, but for PostgreSQL.
 */
void json_mend(char *text, size_t len);

#endif
