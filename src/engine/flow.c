/*
 * flow - the loop that keeps many items in the air.
 *
 * One turn: start what may go, send the next flight to the database, wait for whatever comes
 * first, take replies, take answers.  A flight is what has ended (settle), what is handed back
 * (release) and the next batch (claim), each a transaction of its own, in one go; the next one
 * leaves when it is back.  While it is away the batch before keeps the air full.
 *
 * A receiver's failure is data and goes to its row.  Our own failure ends the claiming, and what
 * was claimed is still settled or handed back.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "engine/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	/* No time-out reaches beyond the hard end; this is for a process that was frozen. */
	FLOW_END_GRACE_MS = 1000,
	FLOW_AGE_CHECK_MS = 1000,
	FLOW_HOLD_MS = 60000,
	FLOW_HOLD_JITTER_MS = 6000,
};

static void flow_admit(struct flow_state *);
static void flow_start(struct flow_state *);
static void flow_wait(struct flow_state *);
static void flow_land(struct flow_state *);
static void flow_step(struct flow_state *, struct flow_item *, const struct http_reply *);
static void flow_end_item(struct flow_state *, struct flow_item *, enum verdict);
static bool flow_is_over(const struct flow_state *);

int
flow_run(struct run *r, const struct flow *f, const struct flow_limits *limits)
{
	struct flow_state *s = arena_alloc(r->arena, sizeof *s);

	s->run = r;
	s->flow = f;
	s->limits = limits;
	flow_hosts_init(&s->hosts, r->arena, (int)limits->inflight_host_max);
	flow_store_init(s);
	if (flow_store_bury(s) != 0)
		s->phase = FLOW_OVER;
	while (!flow_is_over(s)) {
		flow_admit(s);
		flow_start(s);
		flow_store_send(s);
		flow_wait(s);
		flow_land(s);
		flow_store_take(s);
	}
	flow_store_look(s);
	flow_store_finish(s);
	return r->err.code == ERR_OK ? 0 : -1;
}

enum verdict
item_hold(struct item *item, const char *why)
{
	item_fail(item, "%s", why);
	item->retry_ms = FLOW_HOLD_MS + (int64_t)crypto_random_below(FLOW_HOLD_JITTER_MS);
	return VERDICT_HOLD;
}

void
item_fail(struct item *item, const char *fmt, ...)
{
	char raw[2 * ITEM_ERROR_MAX], *clean = arena_alloc(item->memory, ITEM_ERROR_MAX);
	va_list args;
	int len = 0;

	va_start(args, fmt);
	len = vsnprintf(raw, sizeof raw, fmt, args);
	va_end(args);
	text_clean(clean, ITEM_ERROR_MAX, raw,
	    len < 0                    ? 0
	    : (size_t)len < sizeof raw ? (size_t)len
				       : sizeof raw - 1);
	item->error = clean;
}

void
flow_list_push(struct flow_list *list, struct flow_item *item)
{
	item->next = NULL;
	if (list->last)
		list->last->next = item;
	else
		list->first = item;
	list->last = item;
	list->count++;
}

struct flow_item *
flow_list_shift(struct flow_list *list)
{
	struct flow_item *item = list->first;

	if (!item)
		return NULL;
	list->first = item->next;
	if (!list->first)
		list->last = NULL;
	list->count--;
	item->next = NULL;
	return item;
}

void
flow_list_append(struct flow_list *to, struct flow_list *from)
{
	if (!from->first)
		return;
	if (to->last)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	to->count += from->count;
	*from = (struct flow_list){ 0 };
}

/* Decides whether the run goes on; what may not start any more, or waits too long, goes back. */
static void
flow_admit(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms();
	int back = s->back.count;

	if (!run_may_start(s->run, s->limits->timeout_ms)) {
		s->phase = FLOW_OVER;
		flow_hosts_drain(&s->hosts, INT64_MAX, &s->back);
	} else if (now_ms - s->aged_ms >= FLOW_AGE_CHECK_MS) {
		s->aged_ms = now_ms;
		flow_hosts_drain(&s->hosts, now_ms - FLOW_WAIT_MAX_MS, &s->back);
		/* They are due still, and behind the cursor. */
		if (s->back.count > back && s->phase != FLOW_OVER) {
			s->phase = FLOW_MAIN;
			s->cursor = s->scout = FLOW_CURSOR_START;
		}
	}
	s->claimed -= s->back.count - back;
	if (now_ms > s->run->hard_end_ms + FLOW_END_GRACE_MS && http_inflight(s->run->http) > 0)
		http_end_all(s->run->http);
}

static void
flow_start(struct flow_state *s)
{
	while (http_inflight(s->run->http) < s->limits->inflight_max) {
		struct flow_item *item = flow_hosts_next(&s->hosts);

		if (!item)
			return;
		flow_step(s, item, NULL);
	}
}

static void
flow_wait(struct flow_state *s)
{
	bool may_sleep = !flow_is_over(s);

	http_wait(s->run->http, db_socket(s->run->db), db_events(s->run->db),
	    may_sleep ? FLOW_TICK_MS : 0);
}

/* Takes every reply that has come. */
static void
flow_land(struct flow_state *s)
{
	struct http_reply reply;
	void *owner = NULL;

	while (http_next(s->run->http, &reply, &owner)) {
		struct flow_item *item = owner;

		item->item.status = reply.status;
		item->item.timing = reply.timing;
		flow_step(s, item, &reply);
	}
}

/* Asks the worker what comes next for ${item}, which holds one of its host's places. */
static void
flow_step(struct flow_state *s, struct flow_item *item, const struct http_reply *reply)
{
	enum verdict verdict = VERDICT_DEAD;

	http_request_reset(&s->request);
	s->request.timeout_ms = s->limits->timeout_ms;
	verdict = s->flow->step(s->run, &item->item, reply, &s->request);
	if (verdict == VERDICT_SEND) {
		if (http_start(s->run->http, &s->request, item) == 0)
			return;
		item_fail(&item->item, "no place for the request");
		verdict = VERDICT_RETRY;
	}
	flow_hosts_landed(&s->hosts, item->host, reply);
	flow_end_item(s, item, verdict);
}

static void
flow_end_item(struct flow_state *s, struct flow_item *item, enum verdict verdict)
{
	item->verdict = verdict;
	if (s->ended.count == 0)
		s->ended_first_ms = clock_mono_ms();
	flow_list_push(&s->ended, item);
}

static bool
flow_is_over(const struct flow_state *s)
{
	return s->phase == FLOW_OVER && s->hosts.waiting == 0 && http_inflight(s->run->http) == 0 &&
	       s->ended.count == 0 && s->back.count == 0 && flow_store_is_idle(s);
}
