/*
 * sync_pass - the way of an integration through a vendor's streams and their parts.
 */
#include "workers/sync_pass.h"

#include "workers/sync_cursor.h"

#include <string.h>

enum {
	PASS_WHOLE_FACTOR = 10, /* whole passes take no more than a tenth of all time ... */
	/* ... but one that nobody called us for, for weeks, has not taken so long. */
	PASS_WHOLE_MAX_S = 30 * SYNC_DAY_S,
};

static bool pass_may_begin(json_t *known, int64_t now_s);
static bool pass_is_whole_due(
    const struct sync_state *, const struct sync_stream *, const json_t *known, int64_t now_s);
static void pass_keep_named(struct sync_state *, const struct sync_stream *);
static const struct sync_stream *pass_stream_of_parts(
    const struct sync_state *, const struct sync_stream *);

bool
sync_pass_enter(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	bool is_due = pass_is_whole_due(s, stream, known, now_s);

	if (!pass_may_begin(known, now_s))
		return false;
	json_object_set_new(s->cursor, "began", json_integer(now_s));
	if (!stream->has_parts) {
		bool is_check = stream->is_whole && !is_due &&
				json_array_size(json_object_get(known, "pages")) > 0;

		sync_pass_begin(s, stream, !is_check && (stream->is_whole || is_due));
		sync_cursor_set(s->cursor, "is_check", is_check);
		return true;
	}
	sync_cursor_set(s->cursor, "is_all", is_due);
	return sync_pass_dropped(s, stream) || sync_pass_next_part(s, stream);
}

/* Times that lie too far ahead are none of ours. */
static bool
pass_may_begin(json_t *known, int64_t now_s)
{
	int64_t skip_until = sync_cursor_number(known, "skip_until");
	int64_t not_before = sync_cursor_number(known, "not_before");
	int64_t narrow_until = sync_cursor_number(known, "narrow_until");

	if (narrow_until <= now_s || narrow_until > now_s + SYNC_DAY_S)
		json_object_del(known, "narrow_until");
	return (skip_until <= now_s || skip_until > now_s + SYNC_DAY_S) &&
	       (not_before <= now_s || not_before > now_s + SYNC_DAY_S);
}

static bool
pass_is_whole_due(const struct sync_state *s, const struct sync_stream *stream, const json_t *known,
    int64_t now_s)
{
	int64_t whole_at = sync_cursor_number(known, "whole_at");
	int64_t whole_s = sync_cursor_number(known, "whole_s");
	int64_t every_s = s->whole_h * 3600, rest_s = PASS_WHOLE_MAX_S;

	if (whole_at == 0)
		return true;
	if (!stream->is_whole && !stream->has_parts && !sync_cursor_text(known, "since"))
		return true;
	if (stream->tells_gone || every_s == 0)
		return false;
	if (whole_s < PASS_WHOLE_MAX_S / PASS_WHOLE_FACTOR)
		rest_s = whole_s * PASS_WHOLE_FACTOR;
	every_s = every_s > rest_s ? every_s : rest_s;
	return now_s >= whole_at + every_s || whole_at > now_s + SYNC_DAY_S;
}

void
sync_pass_begin(struct sync_state *s, const struct sync_stream *stream, bool is_whole)
{
	static const char *const forgets[] = { "is_check", "page", "pages", "until", "etag", "list",
		"is_due", "todo", NULL };

	sync_cursor_forget(s->cursor, forgets);
	sync_cursor_set(s->cursor, "is_whole", is_whole);
	if (is_whole && stream->is_whole && stream->has_etags)
		json_object_set_new(s->cursor, "list", json_array());
	if (stream->parts_kind)
		json_object_set_new(s->cursor, "todo", json_array());
}

const char *
sync_pass_dropped(struct sync_state *s, const struct sync_stream *stream)
{
	json_t *drop = json_object_get(sync_cursor_of(s->cursor, stream), "drop");

	return json_string_value(json_array_get(drop, 0));
}

void
sync_pass_drop(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	const char *part = sync_pass_dropped(s, stream);

	json_object_del(json_object_get(known, "parts"), part);
	json_array_remove(json_object_get(known, "drop"), 0);
	sync_pass_begin(s, stream, false);
	if (!sync_pass_dropped(s, stream) && !sync_pass_next_part(s, stream))
		sync_pass_end_stream(s, stream, now_s);
}

bool
sync_pass_next_part(struct sync_state *s, const struct sync_stream *stream)
{
	json_t *parts = json_object_get(sync_cursor_of(s->cursor, stream), "parts"), *part;
	const char *from = sync_cursor_text(s->cursor, "part"), *next = NULL, *name;

	json_object_foreach(parts, name, part)
	{
		if ((!from || strcmp(name, from) > 0) && (!next || strcmp(name, next) < 0))
			next = name;
	}
	if (!next)
		return false;
	part = json_object_get(parts, next);
	sync_cursor_set_text(s->cursor, "part", next);
	sync_pass_begin(
	    s, stream, sync_cursor_says(s->cursor, "is_all") || !sync_cursor_text(part, "since"));
	return true;
}

void
sync_pass_ask(
    const struct sync_state *s, const struct sync_stream *stream, struct sync_ask *ret_ask)
{
	const json_t *known = sync_cursor_of(s->cursor, stream);
	const char *part = sync_cursor_text(s->cursor, "part");
	int64_t pages = sync_cursor_number(s->cursor, "pages");
	int64_t size = sync_cursor_number(known, "size");

	*ret_ask = (struct sync_ask){
		.stream = stream,
		.part = stream->has_parts ? part : NULL,
		.page = sync_cursor_text(s->cursor, "page"),
		.size = size > 0 ? (int)size : stream->size_max,
		.is_narrow = sync_cursor_number(known, "narrow_until") > 0,
	};
	if (sync_cursor_says(s->cursor, "is_check")) {
		const json_t *page = json_array_get(json_object_get(known, "pages"), (size_t)pages);

		ret_ask->page = sync_cursor_text(page, "page");
		ret_ask->etag = sync_cursor_text(page, "etag");
		return;
	}
	if (sync_cursor_says(s->cursor, "is_whole"))
		return;
	if (stream->has_parts)
		known = json_object_get(json_object_get(known, "parts"), part);
	ret_ask->since = sync_cursor_text(known, "since");
	if (pages == 0)
		ret_ask->etag = sync_cursor_text(known, "etag");
}

void
sync_pass_end(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_pass_known(s, stream), *list = json_object_get(s->cursor, "list");
	const char *since = sync_cursor_text(known, "since");
	const char *until = sync_cursor_text(s->cursor, "until");
	bool is_same = since && (!until || strcmp(since, until) == 0);

	if (stream->has_parts) {
		if (until)
			sync_cursor_set_text(known, "since", until);
		if (!sync_pass_next_part(s, stream))
			sync_pass_end_stream(s, stream, now_s);
		return;
	}
	sync_cursor_set_text(known, "etag", is_same ? sync_cursor_text(s->cursor, "etag") : NULL);
	if (until)
		sync_cursor_set_text(known, "since", until);
	if (json_array_size(list) > 0)
		json_object_set(known, "pages", list);
	else
		json_object_del(known, "pages");
	sync_pass_end_stream(s, stream, now_s);
}

void
sync_pass_end_stream(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	int64_t began_s = sync_cursor_number(s->cursor, "began");

	if (sync_cursor_says(s->cursor, stream->has_parts ? "is_all" : "is_whole")) {
		sync_cursor_set_number(known, "whole_at", began_s);
		sync_cursor_set_number(known, "whole_s", now_s > began_s ? now_s - began_s : 0);
	}
	if (stream->parts_kind)
		pass_keep_named(s, stream);
	sync_pass_leave(s, stream);
}

/* The parts of a later stream are those that this one has named. */
static void
pass_keep_named(struct sync_state *s, const struct sync_stream *stream)
{
	const struct sync_stream *later = pass_stream_of_parts(s, stream);
	json_t *known = later ? sync_cursor_of(s->cursor, later) : NULL;
	json_t *was = json_object_get(known, "parts"), *is = json_object(), *drop = json_array();
	json_t *name, *part;
	const char *old;
	size_t i;

	json_array_foreach(json_object_get(s->cursor, "todo"), i, name)
	{
		part = json_object_get(was, json_string_value(name));
		json_object_set_new(
		    is, json_string_value(name), part ? json_incref(part) : json_object());
	}
	json_object_foreach(was, old, part)
	{
		if (json_object_get(is, old))
			continue;
		json_object_set(is, old, part);
		json_array_append_new(drop, json_string(old));
	}
	json_object_set(known, "parts", is);
	json_object_set(known, "drop", drop);
	json_decref(is);
	json_decref(drop);
}

void
sync_pass_leave(struct sync_state *s, const struct sync_stream *stream)
{
	const struct sync_stream *last = &s->vendor->streams[s->vendor->streams_count - 1];

	sync_cursor_forget(s->cursor, sync_cursor_of_pass);
	s->is_over = stream == last;
	if (s->is_over)
		json_object_del(s->cursor, "at");
	else
		sync_cursor_set_text(s->cursor, "at", stream[1].kind);
}

json_t *
sync_pass_known(struct sync_state *s, const struct sync_stream *stream)
{
	json_t *known = sync_cursor_of(s->cursor, stream);

	return stream->has_parts ? json_object_get(json_object_get(known, "parts"),
				       sync_cursor_text(s->cursor, "part"))
				 : known;
}

static const struct sync_stream *
pass_stream_of_parts(const struct sync_state *s, const struct sync_stream *stream)
{
	const struct sync_stream *end = &s->vendor->streams[s->vendor->streams_count];

	while (++stream < end)
		if (stream->has_parts)
			return stream;
	return NULL;
}
