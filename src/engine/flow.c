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

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	/* No time-out reaches beyond the hard end; this is for a process that was frozen. */
	FLOW_END_GRACE_MS = 1000,
	FLOW_AGE_CHECK_MS = 1000,
	FLOW_HOLD_MS = 60000,
	FLOW_HOLD_JITTER_MS = 6000,
};

static void flow_admit(struct flow_state *);
static void flow_drain(struct flow_state *, int64_t leased_before_ms);
static void flow_start(struct flow_state *);
static int flow_places(const struct flow_state *);
static bool flow_may_begin(const struct flow_state *, const struct flow_item *);
static void flow_wait(struct flow_state *);
static void flow_land(struct flow_state *);
static void flow_land_carried(struct flow_state *);
static void flow_step(struct flow_state *, struct flow_item *, const struct http_reply *);
static void flow_pause(struct flow_state *, struct flow_item *);
static void flow_item_lift(struct flow_state *, struct flow_item *);
static void flow_item_lower(struct flow_state *, struct flow_item *);
static bool flow_is_over(const struct flow_state *);

int
flow_run(struct run *r, const struct flow *f, const struct flow_limits *limits)
{
	struct flow_state *s = arena_alloc(r->arena, sizeof *s);

	s->run = r;
	s->flow = f;
	s->limits = limits;
	flow_hosts_init(&s->hosts, r->arena, (int)limits->inflight_host_max);
	s->hosts.by_urgency = f->is_laned;
	flow_store_init(s);
	if (flow_store_bury(s) != 0)
		s->phase = FLOW_OVER;
	while (!flow_is_over(s)) {
		flow_admit(s);
		flow_rests_end(s);
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
item_result(struct item *item, const json_t *result)
{
	char *text = json_dumps(result, JSON_COMPACT);

	item->result = text ? arena_text(item->memory, text) : NULL;
	free(text);
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

void
flow_list_unshift(struct flow_list *list, struct flow_item *item)
{
	item->next = list->first;
	if (!list->first)
		list->last = item;
	list->first = item;
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

void
flow_list_drain(struct flow_list *from, int64_t leased_before_ms, struct flow_list *to)
{
	struct flow_list all = *from;

	*from = (struct flow_list){ 0 };
	for (struct flow_item *item; (item = flow_list_shift(&all));)
		flow_list_push(item->leased_ms < leased_before_ms ? to : from, item);
}

int64_t
flow_wait_max_ms(const struct flow_limits *limits)
{
	return limits->wait_max_ms > 0 ? limits->wait_max_ms : FLOW_WAIT_MAX_MS;
}

void
flow_end_item(struct flow_state *s, struct flow_item *item, enum verdict verdict)
{
	flow_item_lower(s, item);
	if (verdict == VERDICT_BACK) {
		s->claimed--;
		flow_list_push(&s->back, item);
		return;
	}
	assert(verdict != VERDICT_GO_ON || s->flow->goes_on);
	item->verdict = verdict;
	item->ended_ms = clock_mono_ms();
	if (s->ended.count == 0)
		s->ended_first_ms = item->ended_ms;
	flow_list_push(&s->ended, item);
}

/* Decides whether the run goes on; what may not start any more, or waits too long, goes back. */
static void
flow_admit(struct flow_state *s)
{
	int64_t now_ms = clock_mono_ms();
	/* The items of a laned flow have time-outs of their own, and are judged when they begin. */
	int64_t item_ms = s->flow->is_laned ? 0 : s->limits->timeout_ms;

	if (!run_may_start(s->run, item_ms)) {
		s->phase = FLOW_OVER;
		flow_drain(s, INT64_MAX);
	} else if (now_ms - s->aged_ms >= FLOW_AGE_CHECK_MS) {
		s->aged_ms = now_ms;
		flow_drain(s, now_ms - flow_wait_max_ms(s->limits));
	}
	if (now_ms <= s->run->hard_end_ms + FLOW_END_GRACE_MS)
		return;
	if (http_inflight(s->run->http) > 0)
		http_end_all(s->run->http);
	for (int i = 0; i < s->carriers_count; i++)
		s->carriers[i]->stop(s->carriers[i]->self, NULL, VERDICT_BACK);
}

/* Hands back what waits or rests and was leased before ${leased_before_ms}. */
static void
flow_drain(struct flow_state *s, int64_t leased_before_ms)
{
	int back = s->back.count;

	flow_hosts_drain(&s->hosts, leased_before_ms, &s->back);
	flow_rests_drain(s, leased_before_ms, &s->back);
	s->claimed -= s->back.count - back;
	if (s->back.count == back || s->phase == FLOW_OVER || s->flow->is_laned)
		return;
	/* They are due still, and behind the cursor. */
	s->phase = FLOW_MAIN;
	s->cursor = s->scout = FLOW_CURSOR_START;
}

static void
flow_start(struct flow_state *s)
{
	for (;;) {
		struct flow_item *item = flow_hosts_next(&s->hosts, flow_places(s));

		if (!item)
			return;
		if (flow_may_begin(s, item)) {
			flow_step(s, item, NULL);
		} else {
			flow_hosts_landed(&s->hosts, item->host, NULL);
			flow_end_item(s, item, VERDICT_BACK);
		}
	}
}

/* How many more may be under way. */
static int
flow_places(const struct flow_state *s)
{
	int busy = (int)http_inflight(s->run->http);

	for (int i = 0; i < s->carriers_count; i++)
		busy += s->carriers[i]->busy(s->carriers[i]->self);
	return (int)s->limits->inflight_max - busy;
}

/* Whether ${item} ends before its lease does, and before the hard end, if it begins now. */
static bool
flow_may_begin(const struct flow_state *s, const struct flow_item *item)
{
	int64_t now_ms = clock_mono_ms();

	return !s->flow->is_laned || (now_ms + item->item.timeout_ms <= s->run->hard_end_ms &&
					 now_ms - item->leased_ms <= flow_wait_max_ms(s->limits));
}

static void
flow_wait(struct flow_state *s)
{
	struct pollfd fds[HTTP_POLL_MAX];
	int count = flow_store_poll_fds(s, fds), timeout_ms = flow_is_over(s) ? 0 : FLOW_TICK_MS;

	if (s->limits->poll_ms > 0 && timeout_ms > s->limits->poll_ms)
		timeout_ms = (int)s->limits->poll_ms;
	timeout_ms = flow_rests_wait_ms(s, timeout_ms);
	for (int i = 0; i < s->carriers_count; i++)
		count += s->carriers[i]->poll_fds(
		    s->carriers[i]->self, fds + count, HTTP_POLL_MAX - count);
	if (http_inflight(s->run->http) > 0)
		http_wait_for(s->run->http, fds, count, timeout_ms);
	else
		poll(fds, (nfds_t)count, timeout_ms);
}

/* Takes every reply that has come, and what carriers have done. */
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
	flow_land_carried(s);
}

static void
flow_land_carried(struct flow_state *s)
{
	for (int i = 0; i < s->carriers_count; i++) {
		const struct flow_carrier *carrier = s->carriers[i];
		enum verdict verdict = VERDICT_DEAD;
		struct item *carried;

		carrier->pump(carrier->self);
		while ((carried = carrier->next(carrier->self, &verdict))) {
			struct flow_item *item = (struct flow_item *)carried;

			flow_pause(s, item);
			flow_hosts_landed(&s->hosts, item->host, NULL);
			flow_end_item(s, item, verdict);
		}
	}
}

/* Asks the worker what comes next for ${item}, which holds one of its host's places. */
static void
flow_step(struct flow_state *s, struct flow_item *item, const struct http_reply *reply)
{
	enum verdict verdict = VERDICT_CANCEL;

	if (item->item.began_ms == 0)
		flow_turn_begin(s, item);
	if (!item->is_stopped) {
		http_request_reset(&s->request);
		s->request.timeout_ms = item->item.timeout_ms;
		verdict = s->flow->step(s->run, &item->item, reply, &s->request);
	}
	flow_pause(s, item);
	if (verdict == VERDICT_SEND) {
		if (http_start(s->run->http, &s->request, item) == 0) {
			flow_item_lift(s, item);
			return;
		}
		verdict = item_hold(&item->item, "this process has no place left for a request");
	} else if (verdict == VERDICT_CARRY) {
		flow_item_lift(s, item);
		return;
	}
	if (verdict == VERDICT_WAIT) {
		flow_item_lower(s, item);
		flow_hosts_put_back(&s->hosts, item);
		return;
	}
	flow_hosts_landed(&s->hosts, item->host, reply);
	flow_end_item(s, item, verdict);
}

/* Leaves its host alone for as long as step or carrier want, whatever becomes of ${item}. */
static void
flow_pause(struct flow_state *s, struct flow_item *item)
{
	if (item->item.pause_ms > 0)
		flow_hosts_pause(&s->hosts, item->host, item->item.pause_ms);
	item->item.pause_ms = 0;
}

/* From here on ${item} is under way. */
static void
flow_item_lift(struct flow_state *s, struct flow_item *item)
{
	if (item->is_aloft)
		return;
	item->is_aloft = true;
	item->aloft_before = NULL;
	item->aloft_next = s->aloft;
	if (s->aloft)
		s->aloft->aloft_before = item;
	s->aloft = item;
}

static void
flow_item_lower(struct flow_state *s, struct flow_item *item)
{
	if (!item->is_aloft)
		return;
	item->is_aloft = false;
	if (item->aloft_before)
		item->aloft_before->aloft_next = item->aloft_next;
	else
		s->aloft = item->aloft_next;
	if (item->aloft_next)
		item->aloft_next->aloft_before = item->aloft_before;
}

static bool
flow_is_over(const struct flow_state *s)
{
	return s->phase == FLOW_OVER && s->hosts.waiting == 0 && s->resting.count == 0 &&
	       !s->aloft && s->ended.count == 0 && s->back.count == 0 && flow_store_is_idle(s);
}
