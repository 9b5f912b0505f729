/*
 * Lists that change between requests, and runs that are killed between them: in the end the mirror
 * has what the vendor has, thing by thing; and what the vendor has all the time, the mirror never
 * lacks once it was there.
 *
 * Vendors list as theirs do: boxes by pages with ETags; docs by their time of change; words of a
 * room newest first, behind the last one of a page; dates by a token that tells what has changed.
 */
#include "workers/sync_state.h"

#include "sync_vendors.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	THINGS_MAX = 64, /* of one kind */
	ROOMS_MAX = 6,
	KINDS = 8,
	PAGES_MAX = 256,
	TEXT_MAX = 64,
	ITEMS_MAX = THINGS_MAX * 32,
	RUNS = 60,
	SEEDS = 60,
	HOUR_S = 3600,
};

struct thing {
	bool is_there, is_joined; /* joined: of rooms */
	int64_t version;          /* when it was changed */
};

/* Of one kind; words have one for each room. */
struct list {
	struct thing things[THINGS_MAX];
};

struct world {
	struct list lists[KINDS + ROOMS_MAX];
	int64_t clock; /* counts changes */
};

/* What pages of a whole list have listed. */
struct seen {
	bool is_noted[PAGES_MAX];
	bool is_there[PAGES_MAX][THINGS_MAX];
};

static struct world vendor, mirror;
static struct seen seen[KINDS + ROOMS_MAX];
static uint64_t chance;
static int64_t now_s;
static size_t changed;   /* things of the mirror */
static size_t rewritten; /* pages of boxes, rooms and men */
/* Only between passes things go: a list that is read by numbers of pages would pass over others. */
static bool is_gentle;
static bool is_calm; /* no page is too long */
/* The mirror had it, and it has not gone since. */
static bool is_owed[KINDS][THINGS_MAX];

static char next_text[TEXT_MAX], since_text[TEXT_MAX], etag_text[TEXT_MAX];
static char items_text[ITEMS_MAX];
static char room_names[ROOMS_MAX][16];
static const char *rooms_named[ROOMS_MAX];
static int on_page[THINGS_MAX], on_page_count;

static uint64_t
draw(uint64_t below)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return chance % below;
}

/* The list of a kind, or of a room's words. */
static int
list_of(const struct sync_stream *stream, const char *part)
{
	static const char *const kinds[] = { "box", "doc", "room", "man", "date" };

	for (int i = 0; i < 5; i++)
		if (strcmp(stream->kind, kinds[i]) == 0)
			return i;
	return KINDS + (int)strtol(part + 1, NULL, 10);
}

static void
change_one(int list, bool may_go)
{
	size_t i = draw(list == 2 ? ROOMS_MAX : THINGS_MAX);
	struct thing *one = &vendor.lists[list].things[i];

	one->is_there = draw(3) > 0 || (one->is_there && !may_go);
	if (list < KINDS && !one->is_there)
		is_owed[list][i] = false;
	one->is_joined = draw(3) > 0;
	/* Several changes share a second. */
	vendor.clock += draw(2) == 0;
	one->version = vendor.clock;
}

static void
change_some(size_t count, bool may_go)
{
	static const int lists[] = { 0, 1, 2, 3, 4 };

	for (size_t i = 0; i < count; i++)
		change_one(draw(2) ? lists[draw(5)] : KINDS + (int)draw(ROOMS_MAX), may_go);
}

/* Newest first, then by number. */
static int
compare_newest(const void *a, const void *b, void *list)
{
	const struct thing *things = ((struct list *)list)->things;
	int x = *(const int *)a, y = *(const int *)b;

	if (things[x].version != things[y].version)
		return things[x].version < things[y].version ? 1 : -1;
	return x - y;
}

/* With what is on the page of ${list}, numbers and times of change. */
static struct sync_answer
answer_of(const struct list *list, const char *next, const char *since, const char *etag)
{
	size_t len = 0;

	for (int i = 0; i < on_page_count; i++)
		len += (size_t)snprintf(items_text + len, sizeof items_text - len,
		    "%d at %" PRId64 ",", on_page[i], list->things[on_page[i]].version);
	return (struct sync_answer){
		.outcome = SYNC_PAGE,
		.items = { on_page_count > 0 ? items_text : NULL, len },
		.next = next,
		.since = since,
		.etag = etag,
	};
}

/* By pages with ETags; docs newest first, and only those of since and later. */
static struct sync_answer
list_pages(const struct sync_ask *ask, struct list *list, bool is_newest)
{
	int64_t since = ask->since ? strtoll(ask->since, NULL, 10) : -1;
	int all[THINGS_MAX], count = 0, from = ask->page ? (int)strtol(ask->page, NULL, 10) : 0;
	uint64_t sum = 14695981039346656037U;

	for (int i = 0; i < THINGS_MAX; i++)
		if (list->things[i].is_there && list->things[i].version >= since)
			all[count++] = i;
	if (is_newest)
		qsort_r(all, (size_t)count, sizeof *all, compare_newest, list);
	on_page_count = 0;
	for (int i = from; i < count && i < from + ask->size; i++) {
		on_page[on_page_count++] = all[i];
		sum = (sum ^ (uint64_t)all[i]) * 1099511628211U;
		sum = (sum ^ (uint64_t)list->things[all[i]].version) * 1099511628211U;
	}
	snprintf(etag_text, sizeof etag_text, "%" PRIx64, sum);
	snprintf(next_text, sizeof next_text, "%d", from + ask->size);
	if (from == 0 && is_newest && count > 0)
		snprintf(since_text, sizeof since_text, "%" PRId64, list->things[all[0]].version);
	if (ask->etag && strcmp(ask->etag, etag_text) == 0)
		return (struct sync_answer){
			.outcome = SYNC_SAME,
			.next = from + ask->size < count ? next_text : NULL,
		};
	return answer_of(list, from + ask->size < count ? next_text : NULL,
	    from == 0 && is_newest && count > 0 ? since_text : NULL, etag_text);
}

/* Words newest first, behind that of ${page}; each is said at a time of its own. */
static struct sync_answer
list_words(const struct sync_ask *ask, const struct list *list)
{
	int64_t since = ask->since ? strtoll(ask->since, NULL, 10) : -1;
	int64_t before = ask->page ? strtoll(ask->page, NULL, 10) : THINGS_MAX;
	bool is_more = false;

	on_page_count = 0;
	for (int i = (int)before - 1; i > since; i--) {
		if (!list->things[i].is_there)
			continue;
		is_more = on_page_count == ask->size;
		if (is_more)
			break;
		on_page[on_page_count++] = i;
	}
	if (on_page_count > 0) {
		snprintf(next_text, sizeof next_text, "%d", on_page[on_page_count - 1]);
		snprintf(since_text, sizeof since_text, "%d", on_page[0]);
	}
	return answer_of(list, is_more ? next_text : NULL,
	    on_page_count > 0 && !ask->page ? since_text : NULL, NULL);
}

/* What has changed since the token, oldest first; a page's place is the change it ends with. */
static struct sync_answer
list_dates(const struct sync_ask *ask, const struct list *list)
{
	int64_t since = ask->since ? strtoll(ask->since, NULL, 10) : -1, until = vendor.clock;
	int from = 0;
	bool is_more = false;

	if (draw(40) == 0 && (ask->since || ask->page))
		return (struct sync_answer){ .outcome = SYNC_RESTART };
	if (ask->page)
		sscanf(ask->page, "%" SCNd64 " %d", &until, &from);
	on_page_count = 0;
	for (int i = from; i < THINGS_MAX && !is_more; i++) {
		const struct thing *one = &list->things[i];

		/* What has changed while pages were read comes with the next token as well. */
		if (ask->since ? one->version < since : !one->is_there)
			continue;
		is_more = on_page_count == ask->size;
		if (is_more)
			snprintf(next_text, sizeof next_text, "%" PRId64 " %d", until, i);
		else
			on_page[on_page_count++] = i;
	}
	snprintf(since_text, sizeof since_text, "%" PRId64, until);
	return answer_of(list, is_more ? next_text : NULL, is_more ? NULL : since_text, NULL);
}

static struct sync_answer
answer(const struct sync_ask *ask)
{
	struct list *list = &vendor.lists[list_of(ask->stream, ask->part)];
	struct sync_answer page;

	if (!is_calm && draw(60) == 0 && ask->size > SYNC_SIZE_MIN)
		return (struct sync_answer){ .outcome = SYNC_SMALLER };
	if (strcmp(ask->stream->kind, "word") == 0)
		return list_words(ask, list);
	if (strcmp(ask->stream->kind, "date") == 0)
		return list_dates(ask, list);
	page = list_pages(ask, list, strcmp(ask->stream->kind, "doc") == 0);
	if (strcmp(ask->stream->kind, "room") != 0)
		return page;
	page.etag = NULL;
	page.parts = rooms_named;
	for (int i = 0; i < on_page_count; i++)
		if (list->things[on_page[i]].is_joined)
			rooms_named[page.parts_count++] = room_names[on_page[i]];
	return page;
}

static void
put(struct thing *at, struct thing thing)
{
	if (!thing.is_there)
		thing.version = 0;
	changed += at->is_there != thing.is_there || at->version != thing.version;
	*at = thing;
}

/* Of pages from ${first} to ${last}. */
static void
forget_notes(int list, int64_t first, int64_t last)
{
	for (int64_t page = first; page <= last; page++) {
		seen[list].is_noted[page - 1] = false;
		memset(&seen[list].is_there[page - 1], 0, sizeof seen[list].is_there[0]);
	}
}

/* As the settle statement would. */
static void
write_page(const struct sync_written *w)
{
	int list = list_of(w->stream, w->part);

	assert_true(w->page > 0 && w->page <= PAGES_MAX);
	rewritten += w->stream->is_whole;
	if (w->is_whole) {
		forget_notes(list, w->page, w->stream->is_whole ? w->page : PAGES_MAX);
		seen[list].is_noted[w->page - 1] = true;
	}
	for (int i = 0; i < on_page_count; i++) {
		struct thing thing = vendor.lists[list].things[on_page[i]];

		if (list >= KINDS)
			thing.version = 1; /* words stay as they are */
		if (w->is_whole && thing.is_there)
			seen[list].is_there[w->page - 1][on_page[i]] = true;
		put(&mirror.lists[list].things[on_page[i]], thing);
	}
}

static void
write_sweep(const struct sync_written *w)
{
	int list = list_of(w->stream, w->part);

	assert_true(w->page > 0 && w->page <= PAGES_MAX);
	for (int page = 0; page < w->page; page++)
		if (!seen[list].is_noted[page])
			fail_msg("%s: page %d was not noted", w->stream->kind, page + 1);
	for (int i = 0; i < THINGS_MAX; i++) {
		bool is_seen = false;

		for (int page = 0; page < w->page; page++)
			is_seen = is_seen || seen[list].is_there[page][i];
		if (is_seen)
			continue;
		put(&mirror.lists[list].things[i], (struct thing){ 0 });
		if (w->stream->parts_kind && i < ROOMS_MAX)
			for (int word = 0; word < THINGS_MAX; word++)
				put(&mirror.lists[KINDS + i].things[word], (struct thing){ 0 });
	}
	forget_notes(list, w->stream->is_whole ? w->page + 1 : 1, PAGES_MAX);
}

/* Not of words, which go with their room. */
static void
owes_nothing(uint64_t seed)
{
	for (int list = 0; is_gentle && list < KINDS; list++)
		for (int i = 0; i < THINGS_MAX; i++) {
			bool is_there = mirror.lists[list].things[i].is_there;

			if (is_owed[list][i] && !is_there)
				fail_msg("seed %" PRIu64 ": list %d lost %d", seed, list, i);
			is_owed[list][i] = is_there && vendor.lists[list].things[i].is_there;
		}
}

/* One pass, or what is left of one, from ${cursor} on; the new cursor. */
static char *
run(const struct sync_vendor *v, char *cursor, size_t changes, uint64_t kills, uint64_t seed)
{
	struct sync_state state;
	struct sync_ask ask;
	struct sync_written written;
	enum sync_move move;
	int steps = 0;

	sync_state_init(&state, v, cursor, 24);
	while ((move = sync_state_next(&state, now_s, &ask)) != SYNC_OVER) {
		struct err e = { .code = ERR_OK };

		assert_true(++steps < 1000);
		on_page_count = 0;
		if (move == SYNC_SWEEP) {
			sync_state_sweep(&state, now_s, &written);
		} else {
			struct sync_answer got = answer(&ask);

			if (sync_state_take(&state, &got, now_s, &written, &e) != 0)
				break; /* too many restarts: the next run goes on */
		}
		change_some(draw(changes + 1), !is_gentle);
		if (kills && draw(kills) == 0)
			break;
		if (written.effect && strcmp(written.effect, "page") == 0)
			write_page(&written);
		else if (written.effect)
			write_sweep(&written);
		owes_nothing(seed);
		free(cursor);
		cursor = json_dumps(state.cursor, JSON_COMPACT);
		now_s += (int64_t)draw(3);
		if (kills && draw(kills) == 0)
			break;
	}
	sync_state_finish(&state);
	return cursor;
}

static void
is_mirrored(const struct sync_vendor *v, uint64_t seed)
{
	for (int s = 0; s < v->streams_count; s++) {
		const struct sync_stream *stream = &v->streams[s];

		for (int room = 0; room < (stream->has_parts ? ROOMS_MAX : 1); room++) {
			int list = list_of(stream, room_names[room]);
			const struct thing *of = &vendor.lists[2].things[room];
			bool is_listed = !stream->has_parts || (of->is_there && of->is_joined);

			for (int i = 0; i < THINGS_MAX; i++) {
				struct thing a = vendor.lists[list].things[i];
				struct thing b = mirror.lists[list].things[i];

				a.is_there = a.is_there && is_listed;
				if (stream->has_parts)
					a.version = b.version;
				if (a.is_there != b.is_there ||
				    (a.is_there && a.version != b.version))
					fail_msg("seed %" PRIu64 ": %s %d (%s)", seed, stream->kind,
					    i, stream->has_parts ? room_names[room] : "");
			}
		}
	}
}

static void
mirrors(const struct sync_vendor *v)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		char *cursor = strdup("{}");

		chance = seed * 0x9E3779B97F4A7C15U;
		memset(&vendor, 0, sizeof vendor);
		memset(&mirror, 0, sizeof mirror);
		memset(seen, 0, sizeof seen);
		memset(is_owed, 0, sizeof is_owed);
		is_gentle = seed % 2 == 0;
		is_calm = false;
		now_s = 1800000000;
		change_some(draw(400), true);
		for (int i = 0; i < RUNS; i++) {
			change_some(draw(3), true);
			cursor = run(v, cursor, draw(4), 1 + draw(30), seed);
			now_s += (int64_t)draw(2) * 5 * HOUR_S;
		}
		/* Somebody changes the mirror; and then nothing changes any more: one pass ends,
		 * one is whole, however long the last took. */
		is_gentle = false;
		is_calm = true;
		for (int list = 0; list < KINDS && list != 4; list++)
			mirror.lists[list].things[draw(ROOMS_MAX)] = (struct thing){ 0 };
		for (int i = 0; i < 3; i++) {
			now_s += 10000 * HOUR_S;
			cursor = run(v, cursor, 0, 0, seed);
		}
		is_mirrored(v, seed);
		changed = rewritten = 0;
		now_s += HOUR_S;
		cursor = run(v, cursor, 0, 0, seed);
		assert_int_equal(changed, 0);
		assert_int_equal(rewritten, 0);
		is_mirrored(v, seed);
		free(cursor);
	}
}

static void
boxes_and_docs(void **unused)
{
	(void)unused;
	mirrors(&vendor_boxes);
}

static void
rooms_and_words(void **unused)
{
	(void)unused;
	mirrors(&vendor_rooms);
}

static void
dates(void **unused)
{
	(void)unused;
	mirrors(&vendor_dates);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boxes_and_docs),
		cmocka_unit_test(rooms_and_words),
		cmocka_unit_test(dates),
	};

	for (int i = 0; i < ROOMS_MAX; i++)
		snprintf(room_names[i], sizeof room_names[i], "R%d", i);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
