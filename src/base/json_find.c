/*
 * json_find - passes over values, and remembers where those began that are asked for.
 */
#include "base/json_find.h"

#include <jansson.h>
#include <string.h>

/* What is left of a text. */
struct json_rest {
	const char *at, *end;
};

static bool json_rest_open(struct json_rest *, struct json_span, char bracket);
static void json_rest_space(struct json_rest *);
static bool json_rest_take(struct json_rest *, char);
static struct json_span json_rest_value(struct json_rest *);
static void json_rest_string(struct json_rest *);
static void json_rest_brackets(struct json_rest *);
static bool json_key_is(struct json_span, const char *name);

void
json_members(
    struct json_span value, const char *const *names, size_t count, struct json_span *ret_values)
{
	struct json_rest rest;

	for (size_t i = 0; i < count; i++)
		ret_values[i] = (struct json_span){ .at = NULL };
	if (!json_rest_open(&rest, value, '{'))
		return;
	do {
		struct json_span key, member;

		json_rest_space(&rest);
		key = json_rest_value(&rest);
		json_rest_space(&rest);
		if (!json_rest_take(&rest, ':'))
			return;
		json_rest_space(&rest);
		member = json_rest_value(&rest);
		for (size_t i = 0; i < count; i++)
			if (json_key_is(key, names[i]))
				ret_values[i] = member;
		json_rest_space(&rest);
	} while (json_rest_take(&rest, ','));
}

struct json_span
json_member(struct json_span value, const char *name)
{
	struct json_span found;

	json_members(value, &name, 1, &found);
	return found;
}

struct json_span
json_first(struct json_span value)
{
	struct json_span first = { .at = NULL };

	json_next(value, &first);
	return first;
}

bool
json_next(struct json_span value, struct json_span *element)
{
	struct json_rest rest;
	bool is_first = !element->at;

	if (is_first && !json_rest_open(&rest, value, '['))
		return false;
	if (!is_first)
		rest = (struct json_rest){ element->at + element->len, value.at + value.len };
	json_rest_space(&rest);
	*element = (struct json_span){ .at = NULL };
	if (!is_first && !json_rest_take(&rest, ','))
		return false;
	json_rest_space(&rest);
	*element = json_rest_value(&rest);
	if (element->len == 0)
		*element = (struct json_span){ .at = NULL };
	return element->len > 0;
}

bool
json_span_is_null(struct json_span value)
{
	return !value.at || (value.len == 4 && memcmp(value.at, "null", 4) == 0);
}

bool
json_string_of(struct json_span value, char *to, size_t room)
{
	json_t *string = NULL;
	size_t len;
	bool fits;

	to[0] = '\0';
	if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"')
		return false;
	/* Most are written as they are. */
	if (!memchr(value.at, '\\', value.len)) {
		len = value.len - 2;
		fits = len < room;
		if (fits) {
			memcpy(to, value.at + 1, len);
			to[len] = '\0';
		}
		return fits;
	}
	string = json_loadb(value.at, value.len, JSON_DECODE_ANY, NULL);
	len = json_string_length(string);
	fits = json_is_string(string) && len < room;
	if (fits)
		memcpy(to, json_string_value(string), len + 1);
	json_decref(string);
	return fits;
}

/* Whether the value begins with ${bracket}; what is left stands behind it. */
static bool
json_rest_open(struct json_rest *r, struct json_span value, char bracket)
{
	*r = (struct json_rest){ .at = value.at, .end = value.at ? value.at + value.len : NULL };
	json_rest_space(r);
	return json_rest_take(r, bracket);
}

static void
json_rest_space(struct json_rest *r)
{
	while (
	    r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static bool
json_rest_take(struct json_rest *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Passes over a value; nothing where a bracket closes. */
static struct json_span
json_rest_value(struct json_rest *r)
{
	const char *from = r->at;

	if (r->at < r->end && *r->at == '"')
		json_rest_string(r);
	else if (r->at < r->end && (*r->at == '{' || *r->at == '['))
		json_rest_brackets(r);
	else
		while (r->at < r->end && *r->at != '\0' && !strchr(",:]} \t\r\n", *r->at))
			r->at++;
	return (struct json_span){ .at = from, .len = (size_t)(r->at - from) };
}

static void
json_rest_string(struct json_rest *r)
{
	const char *from = ++r->at, *escape;

	while ((r->at = memchr(from, '"', (size_t)(r->end - from)))) {
		for (escape = r->at; escape > from && escape[-1] == '\\'; escape--)
			;
		r->at++;
		if ((r->at - escape) % 2 == 1)
			return;
		from = r->at;
	}
	r->at = r->end;
}

static void
json_rest_brackets(struct json_rest *r)
{
	size_t depth = 0;

	do {
		char c = *r->at;

		if (c == '"') {
			json_rest_string(r);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		r->at++;
	} while (r->at < r->end && depth > 0);
}

/* Most keys are written without escapes, and compared as they stand. */
static bool
json_key_is(struct json_span key, const char *name)
{
	size_t len = strlen(name);
	json_t *string;
	bool is_it;

	if (key.len < 2)
		return false;
	if (!memchr(key.at, '\\', key.len))
		return key.len == len + 2 && memcmp(key.at + 1, name, len) == 0;
	string = json_loadb(key.at, key.len, JSON_DECODE_ANY, NULL);
	is_it = json_is_string(string) && strcmp(json_string_value(string), name) == 0;
	json_decref(string);
	return is_it;
}
