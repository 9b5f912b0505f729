/*
 * What a process of a plug-in says, up to the ends of the jobs that it has: whatever stands in the
 * memory that it shares with its parent.  The input is that memory as the process would leave it:
 * first its counters and slots, then what is in the ring.
 */
#include "fuzz.h"

#include "../../src/processors/plugin_pool.h"
#include "base/arena.h"
#include "base/json.h"
#include "processors/processor.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUZZ_JOBS = 5,
	FUZZ_COLUMNS = JOB__MAX,
	FUZZ_ROUNDS = 3,
	FUZZ_NOW_US = 5000000,
};

static int fuzz_notes;

static void
fuzz_note(struct item *item, const struct item_note *note)
{
	must(item->carried != NULL);
	must(note->progress >= -1 && note->progress <= 100);
	must(!note->message || text_is_utf8(note->message, strlen(note->message)));
	must(!note->data || !json_fault(note->data, strlen(note->data), NULL));
	item->notes++;
	fuzz_notes++;
}

static enum verdict
fuzz_again(struct item *item, int64_t wait_s)
{
	(void)wait_s;
	must(item->error != NULL);
	return VERDICT_RETRY;
}

/* Numbers of 32 bits off the front. */
static uint32_t
fuzz_number(const uint8_t **data, size_t *size)
{
	uint32_t number = 0;
	size_t n = *size < sizeof(number) ? *size : sizeof(number);

	if (n > 0)
		memcpy(&number, *data, n);
	*data += n;
	*size -= n;
	return number;
}

/* The ring as the process would leave it, some of it at a time. */
static void
fuzz_say(struct plugin_pool *p, struct plugin_child *c, const uint8_t *data, size_t size)
{
	for (int round = 0; round < FUZZ_ROUNDS && c->state != PLUGIN_DYING; round++) {
		size_t part = round + 1 < FUZZ_ROUNDS ? size / 2 : size;
		uint32_t written = atomic_load(&c->shared->written);

		plugin_ring_put(c->shared, &written, data, part);
		atomic_store(&c->shared->written, written);
		data += part;
		size -= part;
		plugin_answer_take(p, c, FUZZ_NOW_US + round);
		plugin_answer_watch(p, c, FUZZ_NOW_US + round);
	}
}

static void
fuzz_check(struct plugin_pool *p, struct item *items, int count)
{
	struct item *item;
	enum verdict verdict;
	int over = 0;

	while ((item = p->carrier.next(p, &verdict))) {
		must(item >= items && item < items + count && !item->carried);
		must(!item->result || !json_fault(item->result, strlen(item->result), NULL));
		must(verdict == VERDICT_DONE || verdict == VERDICT_BACK || item->error);
		item->carried = item; /* it comes once */
		over++;
	}
	must(over == count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plugin_shared shared;
	static struct plugin_shelf shelf;
	struct plugin_pool p = { .note = fuzz_note, .again = fuzz_again, .always_ready = -1 };
	struct plugin_child *c = mem_zero(1, sizeof(*c));
	struct item items[FUZZ_JOBS] = { { 0 } };
	struct arena *memory = arena_create();

	memset(&shared, 0, sizeof(shared));
	shelf = (struct plugin_shelf){ .name = "fuzz", .average_us = -1 };
	plugin_pool_init(&p);
	/* A process that has ended already: nobody is killed. */
	c->shelf = &shelf;
	c->shared = &shared;
	c->pidfd = c->socket = c->outputs[0] = c->outputs[1] = -1;
	c->percent = -1;
	c->state = size % 2 ? PLUGIN_OPEN : PLUGIN_STARTING;
	c->was_ready = c->state == PLUGIN_OPEN;
	for (uint32_t i = 0; i < FUZZ_JOBS; i++) {
		items[i] = (struct item){ .memory = memory, .timeout_ms = 1000, .carried = c };
		c->items[i] = &items[i];
	}
	c->next = c->live = FUZZ_JOBS;
	c->read = fuzz_number(&data, &size);
	atomic_store(&shared.written, c->read);
	shared.progress = fuzz_number(&data, &size);
	shared.began_us = (uint64_t)fuzz_number(&data, &size) << 16;
	for (size_t i = 0; i < FUZZ_JOBS; i++)
		shared.slots[i] = fuzz_number(&data, &size) % 5;
	fuzz_say(&p, c, data, size);
	atomic_fetch_add(&shared.written, (uint32_t)size << 8);
	plugin_child_kill(c, PLUGIN_BY_ITSELF);
	plugin_answer_last(&p, c, FUZZ_NOW_US);
	must(c->live == 0);
	fuzz_check(&p, items, FUZZ_JOBS);
	c->shared = NULL; /* it is not mapped */
	plugin_child_destroy(c);
	plugin_pool_finish(&p);
	arena_destroy(memory);
	return 0;
}
