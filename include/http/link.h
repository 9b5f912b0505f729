/*
 * link - the header in which a list says where it goes on (RFC 8288).
 */
#ifndef CRONWARD_HTTP_LINK_H
#define CRONWARD_HTTP_LINK_H

#include <stdbool.h>

struct arena;

/*
 * The target of the first link in ${value} that has ${relation} among its relations, as it stands
 * there and in ${a}; NULL: none has.  False: ${value} is no Link, so that nobody knows.
 */
bool link_target(struct arena *a, const char *value, const char *relation, const char **ret_target);

#endif
