/*
 * link - <target>; parameter="value", <target>; ...
 */
#include "http/link.h"

#include "base/arena.h"

#include <stddef.h>
#include <string.h>

static const char *link_param(const char *at, const char *relation, bool *is_it);
static bool link_has(const char *value, size_t len, const char *relation);

bool
link_target(struct arena *a, const char *value, const char *relation, const char **ret_target)
{
	*ret_target = NULL;
	while (*(value += strspn(value, " \t,"))) {
		const char *target, *end;
		bool is_it = false;

		if (*value != '<' || !(end = strchr(value, '>')))
			return false;
		target = value + 1;
		value = end + 1;
		while (*(value += strspn(value, " \t")) == ';')
			value = link_param(value + 1, relation, &is_it);
		if (*value && *value != ',')
			return false;
		if (is_it) {
			*ret_target = arena_copy(a, target, (size_t)(end - target));
			return true;
		}
	}
	return true;
}

/* Behind the parameter at ${at}; *is_it where that says the relation. */
static const char *
link_param(const char *at, const char *relation, bool *is_it)
{
	const char *name = at + strspn(at, " \t"), *value;
	size_t name_len = strcspn(name, "=;, \t<>\""), len;

	at = name + name_len;
	at += strspn(at, " \t");
	if (*at != '=')
		return at;
	value = at + 1;
	value += strspn(value, " \t");
	if (*value == '"') {
		value++;
		len = strcspn(value, "\"");
		at = value + len + (value[len] == '"');
	} else {
		len = strcspn(value, ";, \t");
		at = value + len;
	}
	if (name_len == strlen("rel") && strncasecmp(name, "rel", name_len) == 0 &&
	    link_has(value, len, relation))
		*is_it = true;
	return at;
}

/* Whether ${relation} is one of the words. */
static bool
link_has(const char *value, size_t len, const char *relation)
{
	const char *end = value + len;

	while (value < end) {
		const char *space = memchr(value, ' ', (size_t)(end - value));
		size_t word = (size_t)((space ? space : end) - value);

		if (word == strlen(relation) && strncasecmp(value, relation, word) == 0)
			return true;
		value += word + 1;
	}
	return false;
}
