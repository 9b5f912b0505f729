/*
 * plugin_answer - what processes of plug-ins say, and what becomes of their items.
 *
 * A process does its jobs in the order in which they were sent, so what it may say is little: lines
 * and the end of its first job.  One that says anything else is killed.
 */
#include "plugin_pool.h"

#include "base/arena.h"
#include "base/json.h"
#include "cronward/processor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	US_PER_MS = 1000,
	US_PER_S = 1000000,
	ANSWER_PROGRESS_US = 250 * US_PER_MS, /* between two notes of progress */
	ANSWER_LONG_US = 20 * US_PER_MS,      /* a job that holds up those behind it */
	ANSWER_WAIT_US = 500 * US_PER_MS,     /* the longest that one may wait in a process */
	ANSWER_WEIGHT = 16,                   /* of the jobs before in the average */
	ANSWER_STACK_MAX = 4 << 10,           /* of standard error, kept with a crash */
	ANSWER_DEATHS_MAX = 3,
	PROGRESS_BITS = 8,
	PROGRESS_NUMBER = 0xffffff,
	PERCENT_MAX = 100,
};

static bool answer_one(
    struct plugin_pool *p, struct plugin_child *c, const struct plugin_frame *f, int64_t now_us);
static void answer_note(
    struct plugin_pool *p, struct plugin_child *c, const struct plugin_frame *f);
static void answer_end(
    struct plugin_pool *p, struct plugin_child *c, const struct plugin_frame *f, int64_t now_us);
static enum verdict answer_verdict(
    struct plugin_pool *p, struct item *item, const struct plugin_frame *f);
static void answer_line(struct plugin_pool *p, struct item *item, const char *level,
    const char *text, size_t len, const char *data);
static void answer_printed(struct plugin_pool *p, struct plugin_child *c, struct item *item);
static enum verdict answer_lost(
    struct plugin_pool *p, struct plugin_child *c, struct item *item, int64_t now_us);
static struct item *answer_first(struct plugin_child *c);
static bool answer_first_has_begun(const struct plugin_child *c);
static void answer_measure(struct plugin_shelf *shelf, int64_t took_us);
static void answer_dead_shelf(struct plugin_child *c);
static void answer_progress(
    struct plugin_pool *p, struct plugin_child *c, struct item *item, int64_t now_us, bool is_last);

static const char *const answer_levels[] = {
	[CRONWARD_DEBUG] = "debug",
	[CRONWARD_INFO] = "info",
	[CRONWARD_WARN] = "warn",
	[CRONWARD_ERROR] = "error",
};

void
plugin_answer_take(struct plugin_pool *p, struct plugin_child *c, int64_t now_us)
{
	size_t at = 0, used = 0;
	bool is_sound = plugin_ring_take(c->shared, &c->read, &c->in) == 0;

	while (is_sound && at < c->in.len) {
		struct plugin_frame frame;
		enum plugin_verdict verdict =
		    plugin_frame_read(c->in.at + at, c->in.len - at, &frame, &used);

		if (verdict == PLUGIN_FRAME_MORE)
			break;
		is_sound = verdict == PLUGIN_FRAME_WHOLE && answer_one(p, c, &frame, now_us);
		at += used;
	}
	if (!is_sound) {
		plugin_child_kill(c, PLUGIN_BABBLED);
		text_reset(&c->in);
	} else if (at == c->in.len) {
		text_reset(&c->in);
	} else if (at > 0) {
		memmove(c->in.at, c->in.at + at, c->in.len - at);
		c->in.len -= at;
	}
}

void
plugin_answer_watch(struct plugin_pool *p, struct plugin_child *c, int64_t now_us)
{
	struct item *item = answer_first(c);
	int64_t began_us;

	if (!item || c->state != PLUGIN_OPEN)
		return;
	if (!c->has_begun &&
	    atomic_load(&c->shared->slots[c->first % PLUGIN_SLOTS]) == PLUGIN_SLOT_BEGUN) {
		/* It says when; but not before it could, and not after now. */
		began_us = (int64_t)atomic_load(&c->shared->began_us);
		c->has_begun = true;
		c->began_us = began_us < c->since_us ? c->since_us
			      : began_us > now_us    ? now_us
						     : began_us;
	}
	if (!c->has_begun) {
		if (now_us - c->since_us > (int64_t)PLUGIN_SETUP_MS * US_PER_MS)
			plugin_child_kill(c, PLUGIN_IDLED);
		return;
	}
	answer_progress(p, c, item, now_us, false);
	if (now_us - c->began_us >= item->timeout_ms * US_PER_MS)
		plugin_child_kill(c, PLUGIN_TIMED_OUT);
	else if (c->live > 1 &&
		 (now_us - c->began_us > ANSWER_LONG_US ||
		     now_us - c->handed_us[(c->first + 1) % PLUGIN_SLOTS] > ANSWER_WAIT_US))
		plugin_answer_recall(p, c);
}

void
plugin_answer_recall(struct plugin_pool *p, struct plugin_child *c)
{
	for (uint32_t i = c->first; i != c->next; i++) {
		struct item **item = &c->items[i % PLUGIN_SLOTS];
		uint32_t sent = PLUGIN_SLOT_SENT;

		if (!*item || !atomic_compare_exchange_strong(
				  &c->shared->slots[i % PLUGIN_SLOTS], &sent, PLUGIN_SLOT_TAKEN))
			continue;
		plugin_pool_ended(p, *item, VERDICT_BACK);
		*item = NULL;
		c->live--;
	}
}

void
plugin_answer_last(struct plugin_pool *p, struct plugin_child *c, int64_t now_us)
{
	struct item *item;

	/* What it said before its end counts: those jobs were done. */
	if (c->why != PLUGIN_BABBLED)
		plugin_answer_take(p, c, now_us);
	/* It was not killed: that it ended is why it hung up. */
	if (c->why == PLUGIN_HUNG_UP && c->doomed_us != 0)
		c->why = PLUGIN_BY_ITSELF;
	c->shelf->is_careful |= c->why == PLUGIN_BABBLED;
	item = answer_first(c);
	if (item && answer_first_has_begun(c)) {
		answer_progress(p, c, item, now_us, true);
		answer_printed(p, c, item);
		plugin_pool_ended(p, item, answer_lost(p, c, item, now_us));
		c->items[c->first % PLUGIN_SLOTS] = NULL;
		c->live--;
		c->shelf->deaths = 0;
	} else if (!c->shelf->fault[0] && c->why != PLUGIN_DISMISSED && c->why != PLUGIN_STOPPED &&
		   c->why != PLUGIN_BABBLED && (item || !c->was_ready)) {
		answer_dead_shelf(c);
	}
	while ((item = answer_first(c))) {
		plugin_pool_ended(p, item, VERDICT_BACK);
		c->items[c->first % PLUGIN_SLOTS] = NULL;
		c->live--;
	}
}

void
plugin_shelf_fault(struct plugin_shelf *shelf, const char *fmt, ...)
{
	char raw[PLUGIN_FAULT_MAX], clean[PLUGIN_FAULT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(raw, sizeof(raw), fmt, args);
	va_end(args);
	text_clean(clean, sizeof(clean), raw, strlen(raw));
	snprintf(shelf->fault, sizeof(shelf->fault), "plug-in %s: %.*s", shelf->name,
	    PLUGIN_FAULT_MAX - PLUGIN_NAME_MAX - 16, clean);
	shelf->fault_us = plugin_now_us();
}

/* Whether ${f} makes sense. */
static bool
answer_one(
    struct plugin_pool *p, struct plugin_child *c, const struct plugin_frame *f, int64_t now_us)
{
	switch ((enum plugin_word)f->head.word) {
	case PLUGIN_READY:
		if (c->state != PLUGIN_STARTING)
			return false;
		c->state = PLUGIN_OPEN;
		c->was_ready = true;
		return true;
	case PLUGIN_FAULT:
		if (c->state != PLUGIN_STARTING)
			return false;
		plugin_shelf_fault(c->shelf, "%.*s", (int)f->text_len, f->text ? f->text : "");
		return true;
	case PLUGIN_NOTE:
		answer_note(p, c, f);
		return true;
	case PLUGIN_END:
		if (!answer_first(c) || f->head.number != c->first)
			return false;
		answer_end(p, c, f, now_us);
		return true;
	default:
		return false;
	}
}

/* One about no job, such as those of setup(), has no place to go to. */
static void
answer_note(struct plugin_pool *p, struct plugin_child *c, const struct plugin_frame *f)
{
	struct item *item = answer_first(c);
	const char *data = NULL;

	if (!item || f->head.number != c->first || !f->text || item->notes > ITEM_NOTES_MAX)
		return;
	if (f->data && f->data_len <= CRONWARD_LINE_MAX && !json_fault(f->data, f->data_len, NULL))
		data = arena_copy(item->memory, f->data, f->data_len);
	answer_line(p, item, answer_levels[f->head.level], f->text, f->text_len, data);
}

static void
answer_end(
    struct plugin_pool *p, struct plugin_child *c, const struct plugin_frame *f, int64_t now_us)
{
	uint32_t slot = c->first % PLUGIN_SLOTS;
	struct item *item = c->items[slot];
	int64_t began_ms = (now_us - f->head.took_us) / US_PER_MS;

	answer_measure(c->shelf, f->head.took_us);
	c->shelf->deaths = 0;
	/* Its own time, without that in the queue of the process. */
	if (began_ms > item->began_ms)
		item->began_ms = began_ms;
	if (f->head.outcome != CRONWARD_DONE)
		answer_progress(p, c, item, now_us, true);
	plugin_pool_ended(p, item, answer_verdict(p, item, f));
	c->items[slot] = NULL;
	atomic_store_explicit(&c->shared->slots[slot], PLUGIN_SLOT_FREE, memory_order_release);
	c->first++;
	c->live--;
	c->since_us = now_us;
	c->has_begun = false;
	c->percent = -1;
}

static enum verdict
answer_verdict(struct plugin_pool *p, struct item *item, const struct plugin_frame *f)
{
	const char *fault;
	size_t at = 0;

	if (f->head.outcome != CRONWARD_DONE) {
		if (f->text_len > 0)
			item_fail(item, "%.*s", (int)f->text_len, f->text);
		else
			item_fail(item, "the plug-in does not say why it failed");
		return f->head.outcome == CRONWARD_RETRY ? p->again(item, f->head.wait_s)
							 : VERDICT_DEAD;
	}
	if (!f->text)
		return VERDICT_DONE;
	fault = f->text_len > CRONWARD_RESULT_MAX ? "it is too long"
						  : json_fault(f->text, f->text_len, &at);
	if (!fault) {
		item->result = arena_copy(item->memory, f->text, f->text_len);
		return VERDICT_DONE;
	}
	item_fail(item, "the plug-in's result is not JSON that PostgreSQL stores: %s, at byte %zu",
	    fault, at);
	return VERDICT_DEAD;
}

static void
answer_line(struct plugin_pool *p, struct item *item, const char *level, const char *text,
    size_t len, const char *data)
{
	char clean[CRONWARD_LINE_MAX + 1];
	struct item_note note = { .level = level, .message = clean, .data = data, .progress = -1 };

	text_clean(clean, sizeof(clean), text, len);
	p->note(item, &note);
}

/* What it had printed when it ended; the end of standard error stays with the error, too. */
static void
answer_printed(struct plugin_pool *p, struct plugin_child *c, struct item *item)
{
	char *printed = arena_alloc(item->memory, PLUGIN_OUTPUT_MAX), *stack;

	for (int i = 0; i < PLUGIN_OUTPUTS; i++) {
		size_t len = plugin_child_printed(c, i, printed), from = 0;
		const char *at = printed, *end = printed + len;

		while (at < end) {
			const char *stop = memchr(at, '\n', (size_t)(end - at));
			size_t line = (size_t)((stop ? stop : end) - at);

			if (line > 0)
				answer_line(p, item, i == 0 ? "info" : "warn", at,
				    line < CRONWARD_LINE_MAX ? line : (size_t)CRONWARD_LINE_MAX,
				    NULL);
			at += line + 1;
		}
		if (i == 0 || len == 0)
			continue;
		from = len > ANSWER_STACK_MAX ? len - ANSWER_STACK_MAX : 0;
		stack = arena_alloc(item->memory, ANSWER_STACK_MAX + 1);
		text_clean(stack, ANSWER_STACK_MAX + 1, printed + from, len - from);
		item->stack = stack;
	}
}

/* Of the job that was under way. */
static enum verdict
answer_lost(struct plugin_pool *p, struct plugin_child *c, struct item *item, int64_t now_us)
{
	char obituary[128];

	if (c->has_begun && c->began_us / US_PER_MS > item->began_ms)
		item->began_ms = c->began_us / US_PER_MS;
	switch (c->why) {
	case PLUGIN_STOPPED:
		return c->stop_verdict;
	case PLUGIN_TIMED_OUT:
		answer_measure(c->shelf, now_us - c->began_us);
		item_fail(item, "timed out after %g s", (double)item->timeout_ms / US_PER_MS);
		break;
	case PLUGIN_BABBLED:
		item_fail(item, "its process wrote into memory that is not the plug-in's own, and "
				"was killed");
		break;
	case PLUGIN_HUNG_UP:
		item_fail(item, "its process closed its connection to the program, and was killed");
		break;
	default:
		item_fail(item, "%s", plugin_child_obituary(c, obituary, sizeof(obituary)));
		break;
	}
	return p->again(item, -1);
}

/* The first job that is not ended or taken back; NULL: there is none. */
static struct item *
answer_first(struct plugin_child *c)
{
	while (c->first != c->next && !c->items[c->first % PLUGIN_SLOTS])
		c->first++;
	return c->first != c->next ? c->items[c->first % PLUGIN_SLOTS] : NULL;
}

/*
 * Whether its first job has begun, so that its end is that job's.  Where the shared memory is not
 * what it was, nobody is to blame but one that was there by itself.
 */
static bool
answer_first_has_begun(const struct plugin_child *c)
{
	if (c->why == PLUGIN_BABBLED)
		return c->is_alone;
	return c->has_begun ||
	       atomic_load(&c->shared->slots[c->first % PLUGIN_SLOTS]) != PLUGIN_SLOT_SENT;
}

static void
answer_measure(struct plugin_shelf *shelf, int64_t took_us)
{
	shelf->average_us =
	    shelf->average_us < 0
		? took_us
		: (shelf->average_us * (ANSWER_WEIGHT - 1) + took_us) / ANSWER_WEIGHT;
}

/* A process that has ended although no job was under way, or never began one. */
static void
answer_dead_shelf(struct plugin_child *c)
{
	char obituary[128], printed[PLUGIN_OUTPUT_MAX];
	size_t len;

	if (c->was_ready) {
		/* Once may be chance: it had been idle for long and just went. */
		if (++c->shelf->deaths < ANSWER_DEATHS_MAX)
			return;
		plugin_shelf_fault(c->shelf, "its processes end between two jobs: %s",
		    plugin_child_obituary(c, obituary, sizeof(obituary)));
		return;
	}
	len = plugin_child_printed(c, 1, printed);
	if (c->why == PLUGIN_IDLED)
		plugin_shelf_fault(
		    c->shelf, "it was not ready within %d s", PLUGIN_SETUP_MS / US_PER_MS);
	else
		plugin_shelf_fault(c->shelf, "while it was loaded, %s%s%.*s",
		    plugin_child_obituary(c, obituary, sizeof(obituary)), len ? ": " : "",
		    len < 256 ? (int)len : 256, printed);
}

/* Percents are the process's word: noted when they make sense, and not too often. */
static void
answer_progress(
    struct plugin_pool *p, struct plugin_child *c, struct item *item, int64_t now_us, bool is_last)
{
	uint32_t said = atomic_load_explicit(&c->shared->progress, memory_order_relaxed);
	int percent = (int)(said & UINT8_MAX) - 1;
	struct item_note note = { .progress = percent };

	if (percent < 0 || percent > PERCENT_MAX || percent == c->percent ||
	    said >> PROGRESS_BITS != (c->first & PROGRESS_NUMBER) ||
	    (!is_last && now_us - c->noted_us < ANSWER_PROGRESS_US))
		return;
	c->percent = percent;
	c->noted_us = now_us;
	p->note(item, &note);
}
