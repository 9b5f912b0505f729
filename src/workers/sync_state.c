/*
 * sync_state - which request of an integration is next, and what an answer changes.
 *
 * Tests: tests/unit/test_workers_sync_state.c, tests/fuzz/fuzz_sync_cursor.c.
 */
#include "workers/sync_state.h"

#include "base/crypto.h"
#include "workers/sync_cursor.h"
#include "workers/sync_pass.h"

#include <stdio.h>
#include <string.h>

enum {
	SYNC_RESTARTS_MAX = 3, /* of one claim */
	SYNC_SUM_LEN = 32,     /* digits of a page's sum */
	/*
	 * Several times what is asked for: hundreds of thousands that are no longer than a page
	 * would keep the database from what others have.
	 */
	SYNC_THINGS_MAX = 1000,
};

static int state_take_page(struct sync_state *, const struct sync_stream *,
    const struct sync_answer *, int64_t now_s, struct sync_written *, struct err *);
static int state_check_next(
    const struct sync_state *, const struct sync_ask *, const char *next, struct err *);
static int state_check_things(struct json_span items, struct err *);
static int state_count_things(struct json_span items);
static bool state_note_page(struct sync_state *, const struct sync_stream *,
    const struct sync_ask *, const struct sync_answer *);
static bool state_note_known(struct sync_state *, const struct sync_stream *,
    const struct sync_ask *, const struct sync_answer *);
static void state_note_parts(struct sync_state *, const struct sync_answer *);
static int state_take_same(struct sync_state *, const struct sync_stream *,
    const struct sync_answer *, int64_t now_s, struct err *);
static int state_take_narrow(
    struct sync_state *, const struct sync_stream *, int64_t now_s, struct err *);
static int state_take_restart(struct sync_state *, const struct sync_stream *, struct err *);
static int state_take_smaller(struct sync_state *, const struct sync_stream *, struct err *);
static void state_take_skip(struct sync_state *, const struct sync_stream *, int64_t now_s);
static void state_note_poll(json_t *known, const struct sync_answer *, int64_t now_s);

void
sync_state_init(
    struct sync_state *s, const struct sync_vendor *v, const char *cursor, int64_t whole_h)
{
	*s = (struct sync_state){
		.vendor = v,
		.whole_h = whole_h,
		.cursor = sync_cursor_read(v, cursor),
	};
}

void
sync_state_finish(struct sync_state *s)
{
	json_decref(s->cursor);
	s->cursor = NULL;
}

enum sync_move
sync_state_next(struct sync_state *s, int64_t now_unix_s, struct sync_ask *ret_ask)
{
	while (!s->is_over) {
		const struct sync_stream *stream = sync_cursor_stream(s->vendor, s->cursor);

		if (!stream) {
			sync_cursor_set_text(s->cursor, "at", s->vendor->streams[0].kind);
			continue;
		}
		if (!json_object_get(s->cursor, "began") &&
		    !sync_pass_enter(s, stream, now_unix_s)) {
			sync_pass_leave(s, stream);
			continue;
		}
		if (sync_cursor_says(s->cursor, "is_due") || sync_pass_dropped(s, stream))
			return SYNC_SWEEP;
		sync_pass_ask(s, stream, ret_ask);
		return SYNC_ASK;
	}
	return SYNC_OVER;
}

int
sync_state_take(struct sync_state *s, const struct sync_answer *answer, int64_t now_unix_s,
    struct sync_written *ret_written, struct err *e)
{
	const struct sync_stream *stream = sync_cursor_stream(s->vendor, s->cursor);

	*ret_written = (struct sync_written){ .stream = stream };
	switch (answer->outcome) {
	case SYNC_PAGE:
		return state_take_page(s, stream, answer, now_unix_s, ret_written, e);
	case SYNC_SAME:
		return state_take_same(s, stream, answer, now_unix_s, e);
	case SYNC_NARROW:
		return state_take_narrow(s, stream, now_unix_s, e);
	case SYNC_RESTART:
		return state_take_restart(s, stream, e);
	case SYNC_SMALLER:
		return state_take_smaller(s, stream, e);
	case SYNC_SKIP:
		state_take_skip(s, stream, now_unix_s);
		return 0;
	case SYNC_LIMITED:
	case SYNC_EXPIRED:
	case SYNC_REVOKED:
	case SYNC_FAILED:
	case SYNC_REFUSED:
	case SYNC_OUTCOME__MAX:
		break;
	}
	return err_set(e, ERR_INTERNAL, "an answer that says nothing of what was asked for");
}

void
sync_state_sweep(struct sync_state *s, int64_t now_unix_s, struct sync_written *ret_written)
{
	const struct sync_stream *stream = sync_cursor_stream(s->vendor, s->cursor);
	const char *dropped = sync_pass_dropped(s, stream);
	const char *part = dropped ? dropped : sync_cursor_text(s->cursor, "part");

	if (part)
		snprintf(s->part, sizeof s->part, "%s", part);
	*ret_written = (struct sync_written){
		.effect = "sweep",
		.stream = stream,
		.part = part ? s->part : NULL,
		.is_whole = true,
	};
	ret_written->page = 1;
	if (!dropped) {
		ret_written->page = sync_cursor_number(s->cursor, "pages");
		sync_pass_end(s, stream, now_unix_s);
	} else if (sync_cursor_says(s->cursor, "is_due")) {
		sync_pass_drop(s, stream, now_unix_s);
	} else {
		/* Nothing is listed of it, which is noted before what was not listed goes. */
		ret_written->effect = "page";
		sync_cursor_set(s->cursor, "is_whole", true);
		sync_cursor_set(s->cursor, "is_due", true);
	}
}

char *
sync_state_result(const struct sync_state *s, const struct sync_written *written)
{
	json_t *result = json_object();
	char *text;

	json_object_set(result, "cursor", s->cursor);
	if (written && written->effect) {
		const struct sync_stream *stream = written->stream;

		json_object_set_new(result, "kind", json_string(stream->kind));
		json_object_set_new(result, "id", json_string(stream->id));
		json_object_set_new(
		    result, "part", written->part ? json_string(written->part) : json_null());
		json_object_set_new(
		    result, "gone", stream->gone ? json_loads(stream->gone, 0, NULL) : json_null());
		json_object_set_new(result, "page", json_integer(written->page));
		json_object_set_new(result, "is_whole", json_boolean(written->is_whole));
		json_object_set_new(result, "keeps", json_boolean(stream->is_whole));
		json_object_set_new(result, "parts_kind",
		    stream->parts_kind ? json_string(stream->parts_kind) : json_null());
	}
	text = json_dumps(result, JSON_COMPACT);
	json_decref(result);
	return text;
}

static int
state_take_page(struct sync_state *s, const struct sync_stream *stream,
    const struct sync_answer *answer, int64_t now_s, struct sync_written *written, struct err *e)
{
	bool is_whole, is_stored, is_end;
	struct sync_ask ask;

	sync_pass_ask(s, stream, &ask);
	if (state_check_next(s, &ask, answer->next, e) != 0 ||
	    state_check_things(answer->items, e) != 0)
		return -1;
	is_stored = state_note_page(s, stream, &ask, answer);
	state_note_poll(sync_cursor_of(s->cursor, stream), answer, now_s);
	is_whole = sync_cursor_says(s->cursor, "is_whole");
	if (ask.part)
		snprintf(s->part, sizeof s->part, "%s", ask.part);
	*written = (struct sync_written){
		.effect = !is_stored && (is_whole || answer->items.len > 0) ? "page" : NULL,
		.stream = stream,
		.part = ask.part ? s->part : NULL,
		.page = sync_cursor_number(s->cursor, "pages"),
		.is_whole = is_whole,
	};
	/* Who reads the whole asks for no since, and knows nothing of what follows. */
	is_end = !answer->next || (answer->is_known && ask.since);
	sync_cursor_set_text(s->cursor, "page", is_end ? NULL : answer->next);
	if (is_end)
		sync_pass_end_list(s, stream, now_s);
	return 0;
}

static int
state_check_next(
    const struct sync_state *s, const struct sync_ask *ask, const char *next, struct err *e)
{
	if (next && !sync_cursor_fits(next))
		return err_set(e, ERR_INTERNAL, "where to go on is no text of at most %d bytes",
		    SYNC_PLACE_MAX);
	if (next && ask->page && strcmp(next, ask->page) == 0)
		return err_set(e, ERR_INTERNAL, "the next page is the same one again");
	if (sync_cursor_number(s->cursor, "pages") >= SYNC_PAGES_MAX)
		return err_set(e, ERR_INTERNAL, "there are more than %d pages", SYNC_PAGES_MAX);
	return 0;
}

static int
state_check_things(struct json_span items, struct err *e)
{
	if (state_count_things(items) > SYNC_THINGS_MAX)
		return err_set(e, ERR_INTERNAL, "a page has more than %d things", SYNC_THINGS_MAX);
	return 0;
}

/* Those beyond what a page may have are not counted. */
static int
state_count_things(struct json_span items)
{
	struct json_span thing = { .at = NULL };
	int count = 0;

	while (count <= SYNC_THINGS_MAX && json_next(items, &thing))
		count++;
	return count;
}

/* What a page says besides its things; whether it is stored as it is. */
static bool
state_note_page(struct sync_state *s, const struct sync_stream *stream, const struct sync_ask *ask,
    const struct sync_answer *answer)
{
	const char *until = sync_cursor_text(s->cursor, "until");
	int64_t pages = sync_cursor_number(s->cursor, "pages");
	bool is_stored = stream->is_whole && state_note_known(s, stream, ask, answer);

	if (answer->since && (!until || strcmp(answer->since, until) > 0))
		sync_cursor_set_text(s->cursor, "until", answer->since);
	if (stream->parts_kind)
		state_note_parts(s, answer);
	if (pages == 0 && stream->has_etags && !stream->has_parts && ask->since)
		sync_cursor_set_text(s->cursor, "etag", answer->etag);
	sync_cursor_set_number(s->cursor, "pages", pages + 1);
	return is_stored;
}

/*
 * Keeps what tells the page of a list that is always whole from what it will be, and says whether
 * it was that before.  This is stored with the page or, where it was, with nothing else: so it is
 * true whenever somebody reads it.
 *
 * A last page that is full stays what it is when something comes behind it, so it is sent each
 * time: its ETag would not tell that.
 */
static bool
state_note_known(struct sync_state *s, const struct sync_stream *stream, const struct sync_ask *ask,
    const struct sync_answer *answer)
{
	json_t *known = sync_cursor_of(s->cursor, stream), *pages = json_object_get(known, "pages");
	size_t at = (size_t)sync_cursor_number(s->cursor, "pages");
	const char *was = sync_cursor_text(sync_pass_page(s, stream), "sum");
	char sum[CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)];
	bool is_full_end = !answer->next && state_count_things(answer->items) >= ask->size;
	json_t *page = json_object();
	bool is_same;

	crypto_sha256_hex(answer->items.len > 0 ? answer->items.at : "", answer->items.len, sum);
	sum[SYNC_SUM_LEN] = '\0';
	is_same = was && strcmp(was, sum) == 0;
	if (!is_same)
		sync_cursor_set(known, "is_changed", true);
	sync_cursor_set_text(page, "page", ask->page);
	sync_cursor_set_text(page, "etag", is_full_end ? NULL : answer->etag);
	sync_cursor_set_text(page, "sum", sum);
	if (!pages) {
		pages = json_array();
		json_object_set_new(known, "pages", pages);
	}
	if (at < json_array_size(pages))
		json_array_set(pages, at, page);
	else if (at == json_array_size(pages) && at < SYNC_KNOWN_MAX)
		json_array_append(pages, page);
	json_decref(page);
	return is_same;
}

static void
state_note_parts(struct sync_state *s, const struct sync_answer *answer)
{
	json_t *todo = json_object_get(s->cursor, "todo");

	for (size_t i = 0; i < answer->parts_count; i++)
		if (sync_cursor_is_part(answer->parts[i]) && json_array_size(todo) < SYNC_PARTS_MAX)
			json_array_append_new(todo, json_string(answer->parts[i]));
}

static int
state_take_same(struct sync_state *s, const struct sync_stream *stream,
    const struct sync_answer *answer, int64_t now_s, struct err *e)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	int64_t pages = sync_cursor_number(s->cursor, "pages");
	const char *next = answer->next;
	struct sync_ask ask;

	sync_pass_ask(s, stream, &ask);
	if (!ask.etag)
		return err_set(e, ERR_INTERNAL, "unchanged, it says, but was not asked for that");
	if (!stream->is_whole) {
		state_note_poll(known, answer, now_s);
		sync_pass_leave(s, stream);
		return 0;
	}
	if (state_check_next(s, &ask, next, e) != 0)
		return -1;
	state_note_poll(known, answer, now_s);
	sync_cursor_set_number(s->cursor, "pages", pages + 1);
	/* It may leave out where to go on: that was said with the ETag. */
	if (!next)
		next = sync_cursor_text(sync_pass_page(s, stream), "page");
	sync_cursor_set_text(s->cursor, "page", next);
	if (!next)
		sync_pass_end_list(s, stream, now_s);
	return 0;
}

static int
state_take_narrow(
    struct sync_state *s, const struct sync_stream *stream, int64_t now_s, struct err *e)
{
	json_t *known = sync_cursor_of(s->cursor, stream);

	if (sync_cursor_number(known, "narrow_until") > 0)
		return err_set(e, ERR_INTERNAL, "less was asked for, and is too much as well");
	sync_cursor_set_number(known, "narrow_until", now_s + SYNC_DAY_S);
	json_object_del(known, "pages");
	sync_pass_begin(s, stream, sync_cursor_says(s->cursor, "is_whole") || stream->is_whole);
	return 0;
}

static int
state_take_restart(struct sync_state *s, const struct sync_stream *stream, struct err *e)
{
	struct sync_ask ask;

	sync_pass_ask(s, stream, &ask);
	if (!ask.page && !ask.since)
		return err_set(
		    e, ERR_INTERNAL, "a place that was not asked for is not known any more");
	if (s->restarts++ == SYNC_RESTARTS_MAX)
		return err_set(e, ERR_INTERNAL, "places are not known any more, %d times in a row",
		    SYNC_RESTARTS_MAX);
	json_object_del(sync_pass_known(s, stream), "since");
	json_object_del(sync_cursor_of(s->cursor, stream), "etag");
	json_object_del(sync_cursor_of(s->cursor, stream), "pages");
	sync_pass_begin(s, stream, true);
	return 0;
}

static int
state_take_smaller(struct sync_state *s, const struct sync_stream *stream, struct err *e)
{
	json_t *known = sync_cursor_of(s->cursor, stream);
	struct sync_ask ask;

	sync_pass_ask(s, stream, &ask);
	if (ask.size <= SYNC_SIZE_MIN)
		return err_set(e, ERR_INTERNAL, "a page of %d is longer than %d MB", ask.size,
		    SYNC_REPLY_MAX >> 20);
	sync_cursor_set_number(
	    known, "size", ask.size / 2 > SYNC_SIZE_MIN ? ask.size / 2 : SYNC_SIZE_MIN);
	/* Places and ETags belong to pages of another size. */
	json_object_del(known, "etag");
	json_object_del(known, "pages");
	sync_pass_begin(s, stream, sync_cursor_says(s->cursor, "is_whole") || stream->is_whole);
	return 0;
}

static void
state_take_skip(struct sync_state *s, const struct sync_stream *stream, int64_t now_s)
{
	if (stream->has_parts) {
		if (!sync_pass_next_part(s, stream))
			sync_pass_end_stream(s, stream, now_s);
		return;
	}
	sync_cursor_set_number(sync_cursor_of(s->cursor, stream), "skip_until", now_s + SYNC_DAY_S);
	sync_pass_leave(s, stream);
}

static void
state_note_poll(json_t *known, const struct sync_answer *answer, int64_t now_s)
{
	int64_t poll_s = answer->poll_s < SYNC_DAY_S ? answer->poll_s : SYNC_DAY_S;

	sync_cursor_set_number(known, "not_before", poll_s > 0 ? now_s + poll_s : 0);
}
