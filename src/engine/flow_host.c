/*
 * flow_host - who may be sent to next.
 *
 * Each host has a queue and a limit of its own, so one that hangs holds back nobody but itself.
 * The limit starts low, grows by one with each success, and is halved by each answer that says
 * "too much" (429, 502, 503, 504) or by none at all.  Hosts with something to send and room for
 * it stand in a ring and are served in turn.  Carriers queue here like hosts, without a limit.
 */
#include "flow_parts.h"

#include "base/arena.h"
#include "base/clock.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <string.h>

static struct flow_item *flow_hosts_most_urgent(struct flow_hosts *, int places);
static bool flow_item_is_before(const struct flow_item *one, const struct flow_item *other);
static void flow_host_add(struct flow_host *, struct flow_item *);
static bool flow_host_has_room(const struct flow_host *, int places);
static struct flow_host *flow_host_find(struct flow_hosts *, const char *origin, size_t len);
static char *flow_host_name(struct flow_hosts *, const char *origin, size_t len);
static void flow_host_make_ready(struct flow_hosts *, struct flow_host *);
static bool flow_reply_is_overload(const struct http_reply *);

void
flow_hosts_init(struct flow_hosts *h, struct arena *memory, int limit_max)
{
	*h = (struct flow_hosts){ .memory = memory, .limit_max = limit_max };
}

void
flow_hosts_queue(struct flow_hosts *h, struct flow_item *item, const char *target,
    const struct flow_carrier *carrier)
{
	size_t len = carrier ? strlen(target) : http_origin_len(target);

	item->host = flow_host_find(h, target, len);
	if (carrier) {
		/* What a carrier has room for it says itself. */
		item->host->carrier = carrier;
		item->host->limit = INT_MAX;
	}
	flow_hosts_line_up(h, item);
}

void
flow_hosts_line_up(struct flow_hosts *h, struct flow_item *item)
{
	flow_host_add(item->host, item);
	h->waiting++;
	flow_host_make_ready(h, item->host);
}

struct flow_item *
flow_hosts_next(struct flow_hosts *h, int places)
{
	const struct flow_host *first_without_room = NULL;

	if (h->by_urgency)
		return flow_hosts_most_urgent(h, places);

	while (h->ring_first && h->ring_first != first_without_room) {
		struct flow_host *host = h->ring_first;
		struct flow_item *item = NULL;

		h->ring_first = host->ring_next;
		if (!h->ring_first)
			h->ring_last = NULL;
		host->is_ready = false;
		/* Its queue may have been drained, its limit halved, since it took its place. */
		if (host->waiting.count == 0 || host->inflight >= host->limit)
			continue;
		if (!flow_host_has_room(host, places)) {
			if (!first_without_room)
				first_without_room = host;
			flow_host_make_ready(h, host);
			continue;
		}
		item = flow_list_shift(&host->waiting);
		h->waiting--;
		host->inflight++;
		flow_host_make_ready(h, host);
		return item;
	}
	return NULL;
}

void
flow_hosts_landed(struct flow_hosts *h, struct flow_host *host, const struct http_reply *reply)
{
	host->inflight--;
	if (reply && flow_reply_is_overload(reply))
		host->limit = host->limit > 1 ? host->limit / 2 : 1;
	else if (reply && reply->status / 100 == 2 && host->limit < h->limit_max)
		host->limit++;
	flow_host_make_ready(h, host);
}

void
flow_hosts_pause(struct flow_hosts *h, struct flow_host *host, int64_t pause_ms)
{
	int64_t until_ms = clock_mono_ms() + pause_ms;

	assert(h->by_urgency);
	if (host->not_before_ms < until_ms)
		host->not_before_ms = until_ms;
}

void
flow_hosts_put_back(struct flow_hosts *h, struct flow_item *item)
{
	struct flow_host *host = item->host;

	host->inflight--;
	h->waiting++;
	flow_list_unshift(&host->waiting, item);
	flow_hosts_pause(h, host, FLOW_PUT_BACK_MS);
	flow_host_make_ready(h, host);
}

void
flow_hosts_drain(struct flow_hosts *h, int64_t leased_before_ms, struct flow_list *to)
{
	for (struct flow_host *host = h->all; host; host = host->all_next) {
		h->waiting -= host->waiting.count;
		flow_list_drain(&host->waiting, leased_before_ms, to);
		h->waiting += host->waiting.count;
	}
}

int
flow_hosts_slow(struct flow_hosts *h, struct text *origins)
{
	int64_t leased_before_ms = clock_mono_ms() - FLOW_SLOW_MS;
	int others = h->waiting;

	text_reset(origins);
	text_array_begin(origins);
	for (struct flow_host *host = h->all; host; host = host->all_next)
		if (host->waiting.first && host->inflight >= host->limit &&
		    host->waiting.first->leased_ms < leased_before_ms) {
			others -= host->waiting.count;
			text_array_add(origins, host->origin);
		}
	text_array_end(origins);
	return others;
}

/* The ring has no part in it: there are few hosts, and each is looked at. */
static struct flow_item *
flow_hosts_most_urgent(struct flow_hosts *h, int places)
{
	int64_t now_ms = clock_mono_ms();
	struct flow_host *best = NULL;
	struct flow_item *item = NULL;

	for (struct flow_host *host = h->all; host; host = host->all_next)
		if (host->waiting.first && host->inflight < host->limit &&
		    host->not_before_ms <= now_ms &&
		    (!best || flow_item_is_before(host->waiting.first, best->waiting.first)) &&
		    flow_host_has_room(host, places))
			best = host;
	if (!best)
		return NULL;
	item = flow_list_shift(&best->waiting);
	h->waiting--;
	best->inflight++;
	return item;
}

static bool
flow_item_is_before(const struct flow_item *one, const struct flow_item *other)
{
	return one->urgency > other->urgency ||
	       (one->urgency == other->urgency && one->turn < other->turn);
}

/* Behind all that are as urgent. */
static void
flow_host_add(struct flow_host *host, struct flow_item *item)
{
	struct flow_item **at = &host->waiting.first;

	if (!host->waiting.last || host->waiting.last->urgency >= item->urgency) {
		flow_list_push(&host->waiting, item);
		return;
	}
	while ((*at)->urgency >= item->urgency)
		at = &(*at)->next;
	item->next = *at;
	*at = item;
	host->waiting.count++;
}

static bool
flow_host_has_room(const struct flow_host *host, int places)
{
	if (host->carrier)
		return host->carrier->has_room(host->carrier->self, host->origin, places);
	return places > 0;
}

static struct flow_host *
flow_host_find(struct flow_hosts *h, const char *origin, size_t len)
{
	struct flow_host **bucket = NULL, *host = NULL;
	uint32_t hash = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)tolower((unsigned char)origin[i])) * 16777619U;
	bucket = &h->buckets[hash % FLOW_HOST_BUCKETS];
	for (host = *bucket; host; host = host->bucket_next)
		if (host->origin_len == len && strncasecmp(host->origin, origin, len) == 0)
			return host;
	host = arena_alloc(h->memory, sizeof *host);
	host->origin = flow_host_name(h, origin, len);
	host->origin_len = len;
	host->limit = h->limit_max < FLOW_HOST_START ? h->limit_max : FLOW_HOST_START;
	host->bucket_next = *bucket;
	*bucket = host;
	host->all_next = h->all;
	h->all = host;
	return host;
}

/* Scheme and host names have no letter case (RFC 3986 3.1, 3.2.2). */
static char *
flow_host_name(struct flow_hosts *h, const char *origin, size_t len)
{
	char *name = arena_copy(h->memory, origin, len);

	for (size_t i = 0; i < len; i++)
		name[i] = (char)tolower((unsigned char)name[i]);
	return name;
}

/* Puts ${host} at the end of the ring if it has something to send and room for it. */
static void
flow_host_make_ready(struct flow_hosts *h, struct flow_host *host)
{
	if (h->by_urgency || host->is_ready || host->waiting.count == 0 ||
	    host->inflight >= host->limit)
		return;
	host->is_ready = true;
	host->ring_next = NULL;
	if (h->ring_last)
		h->ring_last->ring_next = host;
	else
		h->ring_first = host;
	h->ring_last = host;
}

static bool
flow_reply_is_overload(const struct http_reply *reply)
{
	switch (reply->status) {
	case 0:
		return !reply->refused;
	case 429:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}
