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
	PASS_ROUNDS_MAX = 3,
};

static bool pass_may_begin(json_t *known, int64_t now_s);
static bool pass_is_whole_due(
    const struct sync_state *, const struct sync_stream *, const json_t *known, int64_t now_s);
static const char *pass_etag(
    const struct sync_state *, const struct sync_stream *, const char *place);
static bool pass_is_as_it_was(const struct sync_state *, const json_t *known);
static bool pass_is_behind(
    const struct sync_state *, const struct sync_stream *, const json_t *known);
static void pass_catch_up(struct sync_state *, const json_t *known, int64_t rounds);
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
		/* Whatever was changed here is put right by a pass that believes nothing. */
		if (is_due)
			json_object_del(known, "pages");
		if (sync_cursor_number(known, "noted") > 0)
			pass_catch_up(s, known, 1);
		else
			sync_pass_begin(s, stream, stream->is_whole || is_due);
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
	static const char *const forgets[] = { "page", "pages", "until", "etag", "is_due", "rounds",
		"todo", NULL };
	json_t *known = sync_cursor_of(s->cursor, stream);

	sync_cursor_forget(s->cursor, forgets);
	sync_cursor_set(s->cursor, "is_whole", is_whole);
	json_object_del(known, "noted");
	if (stream->is_whole)
		sync_cursor_set(
		    s->cursor, "is_all", json_array_size(json_object_get(known, "pages")) == 0);
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

const json_t *
sync_pass_page(const struct sync_state *s, const struct sync_stream *stream)
{
	const json_t *known = sync_cursor_of(s->cursor, stream);

	return stream->is_whole ? json_array_get(json_object_get(known, "pages"),
				      (size_t)sync_cursor_number(s->cursor, "pages"))
				: NULL;
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
	if (stream->is_whole)
		ret_ask->etag = pass_etag(s, stream, ret_ask->page);
	if (sync_cursor_says(s->cursor, "is_whole") && sync_cursor_number(known, "noted") == 0)
		return;
	if (stream->has_parts)
		known = json_object_get(json_object_get(known, "parts"), part);
	ret_ask->since = sync_cursor_text(known, "since");
	if (pages == 0)
		ret_ask->etag = sync_cursor_text(known, "etag");
}

/*
 * The ETag of what was there last time.  Not where parts are named, which are to be read, nor of
 * the last page that is known, behind which there may be more.
 */
static const char *
pass_etag(const struct sync_state *s, const struct sync_stream *stream, const char *place)
{
	const json_t *page = sync_pass_page(s, stream);
	const char *was = sync_cursor_text(page, "page");
	bool is_there = place && was ? strcmp(place, was) == 0 : place == was;

	if (!is_there || stream->parts_kind ||
	    sync_cursor_number(s->cursor, "pages") >= SYNC_KNOWN_MAX - 1)
		return NULL;
	return sync_cursor_text(page, "etag");
}

void
sync_pass_end_list(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	const char *until = sync_cursor_text(s->cursor, "until");

	if (!sync_cursor_says(s->cursor, "is_whole") ||
	    (stream->is_whole && pass_is_as_it_was(s, known))) {
		sync_pass_end(s, stream, now_s);
		return;
	}
	if (!pass_is_behind(s, stream, known)) {
		sync_cursor_set(s->cursor, "is_due", true);
		return;
	}
	if (until)
		sync_cursor_set_text(known, "since", until);
	json_object_del(known, "etag");
	sync_cursor_set_number(known, "noted", sync_cursor_number(s->cursor, "pages"));
	if (sync_cursor_number(known, "not_before") > now_s)
		sync_pass_leave(s, stream); /* the next pass begins with that */
	else
		pass_catch_up(s, known, sync_cursor_number(s->cursor, "rounds") + 1);
}

static bool
pass_is_as_it_was(const struct sync_state *s, const json_t *known)
{
	size_t pages = (size_t)sync_cursor_number(s->cursor, "pages");

	return !sync_cursor_says(known, "is_changed") &&
	       json_array_size(json_object_get(known, "pages")) <= pages;
}

/*
 * Whether something may have been passed over.  A list that is sorted by the time of change moves
 * what is changed to its front: while several pages are read, from one that was not read yet to
 * one that was, so that no page lists it, and a sweep would take it for gone.  So before the sweep
 * all is read that has changed since the first page was, by the newest time that this page had:
 * what was changed after that is not older.
 *
 * A list of one page is read at once, and nothing moves meanwhile; so when a round took one page,
 * each thing was listed, by it or, unless it has changed since, before.  What is changed again
 * while a round takes several pages may be passed over by this one, too: then there is another, and
 * after the last one that is allowed a thing would have to have moved in each of them.  Even that
 * one comes back with the next pass, which begins at the first page of the last round.
 */
static bool
pass_is_behind(const struct sync_state *s, const struct sync_stream *stream, const json_t *known)
{
	int64_t noted = sync_cursor_number(known, "noted");

	return sync_cursor_moves(stream) && sync_cursor_number(s->cursor, "pages") - noted > 1 &&
	       sync_cursor_number(s->cursor, "rounds") < PASS_ROUNDS_MAX &&
	       (noted > 0 || sync_cursor_text(s->cursor, "until"));
}

/* Its pages are noted behind those of the whole pass. */
static void
pass_catch_up(struct sync_state *s, const json_t *known, int64_t rounds)
{
	static const char *const forgets[] = { "page", "until", NULL };

	sync_cursor_forget(s->cursor, forgets);
	sync_cursor_set(s->cursor, "is_whole", true);
	sync_cursor_set_number(s->cursor, "pages", sync_cursor_number(known, "noted"));
	sync_cursor_set_number(s->cursor, "rounds", rounds);
}

void
sync_pass_end(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_pass_known(s, stream), *pages = json_object_get(known, "pages");
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
	while (json_array_size(pages) > (size_t)sync_cursor_number(s->cursor, "pages"))
		json_array_remove(pages, json_array_size(pages) - 1);
	json_object_del(known, "is_changed");
	json_object_del(known, "noted");
	sync_pass_end_stream(s, stream, now_s);
}

void
sync_pass_end_stream(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	int64_t began_s = sync_cursor_number(s->cursor, "began");

	if (sync_cursor_says(
		s->cursor, stream->has_parts || stream->is_whole ? "is_all" : "is_whole")) {
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
