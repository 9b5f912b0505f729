/*
 * sync_cursor - what is known of an integration between two requests, as JSON.
 *
 * It comes from a column that the application may write, so it is copied member by member, and
 * what does not look as it should makes it {}: then all is read anew, which is always right.
 */
#include "workers/sync_cursor.h"

#include "base/text.h"
#include "vendors/sync.h"

#include <ctype.h>
#include <string.h>

enum cursor_kind {
	CURSOR_TEXT,
	CURSOR_NUMBER,
	CURSOR_FLAG,
	CURSOR_NAMES, /* of parts */
	CURSOR_PAGES
};

struct cursor_rule {
	const char *name;
	enum cursor_kind kind;
};

static bool cursor_read_streams(const struct sync_vendor *, const json_t *from, json_t *to);
static bool cursor_read_stream(const struct sync_stream *, const json_t *from, json_t *to);
static bool cursor_read_parts(const json_t *from, json_t *to);
static bool cursor_copy(const json_t *from, const struct cursor_rule *rules, json_t *to);
static bool cursor_copy_one(const json_t *value, const struct cursor_rule *, json_t *to);
static json_t *cursor_copy_names(const json_t *names);
static json_t *cursor_copy_pages(const json_t *pages);
static bool cursor_is_text(const json_t *value);
static bool cursor_is_whole_number(const json_t *value);
static bool cursor_is_sound(const struct sync_vendor *, json_t *cursor);
static bool cursor_part_is_sound(const json_t *cursor, const struct sync_stream *);

static const struct cursor_rule cursor_rules[] = {
	{ "at", CURSOR_TEXT },
	{ "began", CURSOR_NUMBER },
	{ "is_whole", CURSOR_FLAG },
	{ "page", CURSOR_TEXT },
	{ "pages", CURSOR_NUMBER },
	{ "until", CURSOR_TEXT },
	{ "etag", CURSOR_TEXT },
	{ "is_due", CURSOR_FLAG },
	{ "rounds", CURSOR_NUMBER },
	{ "part", CURSOR_TEXT },
	{ "is_all", CURSOR_FLAG },
	{ "todo", CURSOR_NAMES },
	{ NULL, 0 },
};

const char *const sync_cursor_of_pass[] = { "began", "is_whole", "page", "pages", "until", "etag",
	"is_due", "rounds", "part", "is_all", "todo", NULL };

static const struct cursor_rule stream_rules[] = {
	{ "since", CURSOR_TEXT },
	{ "etag", CURSOR_TEXT },
	{ "whole_at", CURSOR_NUMBER },
	{ "whole_s", CURSOR_NUMBER },
	{ "pages", CURSOR_PAGES },
	{ "is_changed", CURSOR_FLAG },
	{ "noted", CURSOR_NUMBER },
	{ "size", CURSOR_NUMBER },
	{ "narrow_until", CURSOR_NUMBER },
	{ "skip_until", CURSOR_NUMBER },
	{ "not_before", CURSOR_NUMBER },
	{ "drop", CURSOR_NAMES },
	{ NULL, 0 },
};

static const struct cursor_rule part_rules[] = {
	{ "since", CURSOR_TEXT },
	{ NULL, 0 },
};

static const struct cursor_rule page_rules[] = {
	{ "page", CURSOR_TEXT },
	{ "etag", CURSOR_TEXT },
	{ "sum", CURSOR_TEXT },
	{ NULL, 0 },
};

json_t *
sync_cursor_read(const struct sync_vendor *v, const char *text)
{
	size_t len = text ? strnlen(text, SYNC_CURSOR_MAX + 1) : 0;
	json_t *from = len <= SYNC_CURSOR_MAX ? json_loadb(text, len, 0, NULL) : NULL;
	json_t *cursor = json_object();

	if (!json_is_object(from) || !cursor_copy(from, cursor_rules, cursor) ||
	    !cursor_read_streams(v, json_object_get(from, "streams"), cursor) ||
	    !cursor_is_sound(v, cursor))
		json_object_clear(cursor);
	json_decref(from);
	return cursor;
}

bool
sync_cursor_moves(const struct sync_stream *stream)
{
	return !stream->is_whole && !stream->tells_gone && !stream->has_parts;
}

const struct sync_stream *
sync_cursor_stream(const struct sync_vendor *v, const json_t *cursor)
{
	const char *at = sync_cursor_text(cursor, "at");

	for (int i = 0; at && i < v->streams_count; i++)
		if (strcmp(v->streams[i].kind, at) == 0)
			return &v->streams[i];
	return NULL;
}

json_t *
sync_cursor_of(json_t *cursor, const struct sync_stream *stream)
{
	json_t *streams = json_object_get(cursor, "streams"), *known;

	if (!streams) {
		streams = json_object();
		json_object_set_new(cursor, "streams", streams);
	}
	known = json_object_get(streams, stream->kind);
	if (!known) {
		known = json_object();
		json_object_set_new(streams, stream->kind, known);
	}
	return known;
}

const char *
sync_cursor_text(const json_t *from, const char *name)
{
	return json_string_value(json_object_get(from, name));
}

int64_t
sync_cursor_number(const json_t *from, const char *name)
{
	return json_integer_value(json_object_get(from, name));
}

bool
sync_cursor_says(const json_t *from, const char *name)
{
	return json_is_true(json_object_get(from, name));
}

void
sync_cursor_set_text(json_t *to, const char *name, const char *text)
{
	if (text && sync_cursor_fits(text))
		json_object_set_new(to, name, json_string(text));
	else
		json_object_del(to, name);
}

void
sync_cursor_set_number(json_t *to, const char *name, int64_t number)
{
	if (number != 0)
		json_object_set_new(to, name, json_integer(number));
	else
		json_object_del(to, name);
}

void
sync_cursor_set(json_t *to, const char *name, bool says)
{
	if (says)
		json_object_set_new(to, name, json_true());
	else
		json_object_del(to, name);
}

void
sync_cursor_forget(json_t *from, const char *const *names)
{
	for (; *names; names++)
		json_object_del(from, *names);
}

bool
sync_cursor_fits(const char *text)
{
	size_t len = strnlen(text, SYNC_PLACE_MAX + 1);

	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]))
			return false;
	return len <= SYNC_PLACE_MAX && text_is_utf8(text, len);
}

bool
sync_cursor_is_part(const char *name)
{
	size_t len = strnlen(name, SYNC_PART_MAX);

	return len > 0 && len < SYNC_PART_MAX && !strchr(name, ':') && text_is_utf8(name, len);
}

static bool
cursor_read_streams(const struct sync_vendor *v, const json_t *from, json_t *to)
{
	if (!from)
		return true;
	if (!json_is_object(from))
		return false;
	for (int i = 0; i < v->streams_count; i++) {
		const struct sync_stream *stream = &v->streams[i];
		const json_t *known = json_object_get(from, stream->kind);

		if (known && !cursor_read_stream(stream, known, sync_cursor_of(to, stream)))
			return false;
	}
	return true;
}

static bool
cursor_read_stream(const struct sync_stream *stream, const json_t *from, json_t *to)
{
	int64_t size, noted;

	if (!json_is_object(from) || !cursor_copy(from, stream_rules, to))
		return false;
	noted = sync_cursor_number(to, "noted");
	if (noted > SYNC_PAGES_MAX ||
	    (noted > 0 && (!sync_cursor_moves(stream) || !sync_cursor_text(to, "since"))))
		return false;
	size = sync_cursor_number(to, "size");
	if (size > 0 && (size < SYNC_SIZE_MIN || size > stream->size_max))
		return false;
	return !stream->has_parts || cursor_read_parts(json_object_get(from, "parts"), to);
}

static bool
cursor_read_parts(const json_t *from, json_t *to)
{
	const char *name;
	json_t *value, *parts;

	if (!from)
		return true;
	if (!json_is_object(from) || json_object_size(from) > SYNC_PARTS_MAX)
		return false;
	parts = json_object();
	json_object_set_new(to, "parts", parts);
	json_object_foreach((json_t *)from, name, value)
	{
		json_t *part = json_object();

		json_object_set_new(parts, name, part);
		if (!sync_cursor_is_part(name) || !json_is_object(value) ||
		    !cursor_copy(value, part_rules, part))
			return false;
	}
	return true;
}

/* Members that no rule names are left behind; false where one is not as its rule says. */
static bool
cursor_copy(const json_t *from, const struct cursor_rule *rules, json_t *to)
{
	for (const struct cursor_rule *rule = rules; rule->name; rule++) {
		const json_t *value = json_object_get(from, rule->name);

		if (value && !cursor_copy_one(value, rule, to))
			return false;
	}
	return true;
}

static bool
cursor_copy_one(const json_t *value, const struct cursor_rule *rule, json_t *to)
{
	json_t *copy = NULL;

	switch (rule->kind) {
	case CURSOR_TEXT:
		copy = cursor_is_text(value) ? json_copy((json_t *)value) : NULL;
		break;
	case CURSOR_NUMBER:
		copy = cursor_is_whole_number(value) ? json_copy((json_t *)value) : NULL;
		break;
	case CURSOR_FLAG:
		copy = json_is_boolean(value) ? json_copy((json_t *)value) : NULL;
		break;
	case CURSOR_NAMES:
		copy = cursor_copy_names(value);
		break;
	case CURSOR_PAGES:
		copy = cursor_copy_pages(value);
		break;
	}
	return copy && json_object_set_new(to, rule->name, copy) == 0;
}

static json_t *
cursor_copy_names(const json_t *names)
{
	json_t *copy;
	size_t i;
	json_t *name;

	if (!json_is_array(names) || json_array_size(names) > SYNC_PARTS_MAX)
		return NULL;
	copy = json_array();
	json_array_foreach(names, i, name)
	{
		if (!json_is_string(name) || !sync_cursor_is_part(json_string_value(name))) {
			json_decref(copy);
			return NULL;
		}
		json_array_append(copy, name);
	}
	return copy;
}

static json_t *
cursor_copy_pages(const json_t *pages)
{
	json_t *copy;
	size_t i;
	json_t *page;

	if (!json_is_array(pages) || json_array_size(pages) > SYNC_KNOWN_MAX)
		return NULL;
	copy = json_array();
	json_array_foreach(pages, i, page)
	{
		json_t *one = json_object();

		json_array_append_new(copy, one);
		/* All but the first say where they are. */
		if (!json_is_object(page) || !cursor_copy(page, page_rules, one) ||
		    !sync_cursor_text(one, "sum") || (i > 0) == !sync_cursor_text(one, "page")) {
			json_decref(copy);
			return NULL;
		}
	}
	return copy;
}

static bool
cursor_is_text(const json_t *value)
{
	return json_is_string(value) &&
	       json_string_length(value) == strlen(json_string_value(value)) &&
	       sync_cursor_fits(json_string_value(value));
}

/* Whole, not negative, and of no more digits than a double's. */
static bool
cursor_is_whole_number(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
	       json_integer_value(value) < (json_int_t)1 << 53;
}

/* Whether what it says of the pass under way goes together. */
static bool
cursor_is_sound(const struct sync_vendor *v, json_t *cursor)
{
	const struct sync_stream *stream = sync_cursor_stream(v, cursor);
	bool is_whole = sync_cursor_says(cursor, "is_whole");
	int64_t pages = sync_cursor_number(cursor, "pages"), noted;
	const json_t *known;

	if (!stream || !json_object_get(cursor, "began")) {
		/* Between passes, or in front of a stream: what was read for one is nothing. */
		sync_cursor_forget(cursor, sync_cursor_of_pass);
		return stream || !sync_cursor_text(cursor, "at");
	}
	known = sync_cursor_of(cursor, stream);
	if (pages > SYNC_PAGES_MAX || (!is_whole && sync_cursor_says(cursor, "is_due")))
		return false;
	noted = sync_cursor_number(known, "noted");
	if (noted > 0 && (!is_whole || pages < noted))
		return false;
	if (stream->has_parts)
		return cursor_part_is_sound(cursor, stream);
	return is_whole || (!stream->is_whole && sync_cursor_text(known, "since"));
}

static bool
cursor_part_is_sound(const json_t *cursor, const struct sync_stream *stream)
{
	const json_t *known = json_object_get(json_object_get(cursor, "streams"), stream->kind);
	const char *part = sync_cursor_text(cursor, "part");
	const json_t *mine = part ? json_object_get(json_object_get(known, "parts"), part) : NULL;

	if (json_array_size(json_object_get(known, "drop")) > 0)
		return true;
	return mine && (sync_cursor_says(cursor, "is_whole") || sync_cursor_text(mine, "since"));
}
