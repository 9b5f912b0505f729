/*
 * A cursor as the application may have written it, behind it what a vendor answers, a byte each:
 * what is kept is bounded, reads as itself, and leads to an end.
 */
#include "fuzz.h"

#include "../unit/sync_vendors.h"
#include "workers/sync_state.h"

#include <jansson.h>

enum {
	FUZZ_NOW_S = 1800000000,
	FUZZ_STEPS_MAX = 100,
};

static const struct sync_vendor *const fuzz_vendors[] = { &vendor_boxes, &vendor_rooms,
	&vendor_dates };

static struct sync_answer fuzz_answer(const struct sync_ask *ask, uint8_t byte);
static void fuzz_store(struct sync_state *s);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t which = size > 0 ? data[0] % 3 : 0;
	const uint8_t *text = size > 0 ? data + 1 : data;
	const uint8_t *end = size > 0 ? memchr(text, '\0', size - 1) : NULL;
	size_t len = end ? (size_t)(end - text) : size - (size > 0);
	char *cursor = fuzz_string(text, len);
	struct sync_state s;
	struct sync_ask ask;
	struct sync_written written;
	enum sync_move move;

	sync_state_init(&s, fuzz_vendors[which], cursor, 24);
	for (int i = 0; i < FUZZ_STEPS_MAX; i++) {
		struct sync_answer answer;

		fuzz_store(&s);
		move = sync_state_next(&s, FUZZ_NOW_S + i, &ask);
		if (move == SYNC_OVER)
			break;
		if (move == SYNC_SWEEP) {
			sync_state_sweep(&s, FUZZ_NOW_S + i, &written);
			must(written.effect && written.stream && written.is_whole);
			continue;
		}
		must(ask.stream && ask.size >= SYNC_SIZE_MIN && ask.size <= ask.stream->size_max);
		must(!ask.stream->has_parts == !ask.part);
		must(!ask.stream->is_whole || !ask.since);
		answer = fuzz_answer(&ask, end && end + 1 + i < data + size ? end[1 + i] : 0);
		if (sync_state_take(&s, &answer, FUZZ_NOW_S + i, &written, NULL) != 0)
			break;
		must(!written.effect || (written.page > 0 && written.page <= SYNC_PAGES_MAX));
	}
	sync_state_finish(&s);
	free(cursor);
	return 0;
}

static struct sync_answer
fuzz_answer(const struct sync_ask *ask, uint8_t byte)
{
	static const char *const parts[] = { "R1", "R2", "R:3" };
	enum sync_outcome outcome = byte % SYNC_OUTCOME__MAX;

	return (struct sync_answer){
		.outcome = outcome == SYNC_SAME && !ask->etag ? SYNC_PAGE : outcome,
		.items = { "[]", 2 },
		.next = byte & 0x10 ? (byte & 0x20 ? "p1" : "p2") : NULL,
		.since = byte & 0x40 ? "s" : NULL,
		.etag = byte & 0x80 ? "e" : NULL,
		.parts = parts,
		.parts_count = byte % 4,
	};
}

/* What is stored is read as it was. */
static void
fuzz_store(struct sync_state *s)
{
	char *text = json_dumps(s->cursor, JSON_COMPACT);
	json_t *again;

	must(text && strlen(text) <= SYNC_CURSOR_MAX);
	again = sync_cursor_read(s->vendor, text);
	must(json_equal(again, s->cursor));
	json_decref(again);
	free(text);
}
