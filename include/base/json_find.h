/*
 * json_find - looks into JSON text and builds nothing, however long it is.
 *
 * The text is one that json_fault() has found sound.  Of others the answers mean nothing, but
 * nothing outside of them is read.
 */
#ifndef CRONWARD_BASE_JSON_FIND_H
#define CRONWARD_BASE_JSON_FIND_H

#include <stdbool.h>
#include <stddef.h>

/* A value where it stands in a text; all zero: there is none. */
struct json_span {
	const char *at;
	size_t len;
};

/*
 * The values of the members called ${names} (${count} of them) of the object ${value}, in
 * ${ret_values}.  Of members with the same name it is the last, as PostgreSQL keeps it; none of
 * what is no object.
 */
void json_members(
    struct json_span value, const char *const *names, size_t count, struct json_span *ret_values);
/* The value of one member. */
struct json_span json_member(struct json_span value, const char *name);
/* The first element of the array ${value}; none of what is no array. */
struct json_span json_first(struct json_span value);
/*
 * The element of the array ${value} behind *element, which is all zero before the first.  False
 * behind the last, and of what is no array.
 */
bool json_next(struct json_span value, struct json_span *element);

/* Whether ${value} is null, or not there at all. */
bool json_span_is_null(struct json_span value);

/*
 * The text of the string ${value}, decoded, in ${to} with a NUL.  False, and "", where it is no
 * string, or one that does not fit.
 */
bool json_string_of(struct json_span value, char *to, size_t room);

#endif
