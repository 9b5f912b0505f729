/*
 * http - the set of transfers: free places, what is in the air, replies that have come.
 *
 * A transfer goes round: free, in the air, come, taken (its reply is being read by the caller),
 * free again at the next http_next() or http_start().  One curl_multi holds the connections; TLS
 * sessions are shared between the handles, so that a new connection to a known host is short.
 */
#include "http/http.h"

#include "base/arena.h"
#include "transfer.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

enum {
	HTTP_CONNECTIONS_MIN = 16,
};

struct http {
	CURLM *multi;
	CURLSH *share;
	unsigned inflight_max;
	unsigned inflight; /* started and not yet handed out */
	struct transfer *transfers;
	struct transfer *free;  /* the last one used comes first: its memory is warm */
	struct transfer *taken; /* whose reply the caller reads */
	struct transfer *came_first, **came_last;
};

static int http_set_up(struct http *, const struct conf *);
static int http_set_up_multi(struct http *);
static void http_fly(struct http *, struct transfer *, const struct http_request *);
static void http_cut_off(struct http *, struct transfer *);
static void http_collect(struct http *);
static void http_came(struct http *, struct transfer *);
static void http_release_taken(struct http *);
static void http_free(struct http *, struct transfer *);

struct http *
http_create(const struct conf *conf, unsigned inflight_max, struct err *e)
{
	struct http *h;

	assert(inflight_max > 0);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(e, ERR_INTERNAL, "curl cannot be initialised");
		return NULL;
	}
	h = mem_zero(1, sizeof(*h));
	h->inflight_max = inflight_max;
	h->transfers = mem_zero(inflight_max, sizeof(*h->transfers));
	h->came_last = &h->came_first;
	if (http_set_up(h, conf) != 0) {
		err_set(e, ERR_INTERNAL, "curl cannot be set up: it lacks memory or an option");
		http_destroy(h);
		return NULL;
	}
	return h;
}

void
http_destroy(struct http *h)
{
	unsigned i;

	if (!h)
		return;
	for (i = 0; i < h->inflight_max; i++) {
		if (h->transfers[i].place == TRANSFER_AIR)
			curl_multi_remove_handle(h->multi, h->transfers[i].easy);
		transfer_finish(&h->transfers[i]);
	}
	if (h->multi)
		curl_multi_cleanup(h->multi);
	if (h->share)
		curl_share_cleanup(h->share);
	free(h->transfers);
	free(h);
	curl_global_cleanup();
}

int
http_start(struct http *h, const struct http_request *q, void *owner)
{
	struct transfer *t;

	http_release_taken(h);
	t = h->free;
	if (!t)
		return -1;
	h->free = t->next;
	h->inflight++;
	t->next = NULL;
	t->owner = owner;
	http_fly(h, t, q);
	return 0;
}

unsigned
http_inflight(const struct http *h)
{
	return h->inflight;
}

void
http_wait(struct http *h, int fd, short events, int timeout_ms)
{
	const struct pollfd also = { .fd = fd, .events = events };

	http_wait_for(h, &also, fd >= 0 ? 1 : 0, timeout_ms);
}

void
http_wait_for(struct http *h, const struct pollfd *fds, int count, int timeout_ms)
{
	struct curl_waitfd also[HTTP_POLL_MAX];
	int running;

	assert(count <= HTTP_POLL_MAX);
	/* Read before sleeping: else replies lie there while the processor idles. */
	curl_multi_perform(h->multi, &running);
	http_collect(h);
	if (h->came_first || timeout_ms <= 0)
		return;
	for (int i = 0; i < count; i++) {
		also[i] = (struct curl_waitfd){ .fd = fds[i].fd };
		if (fds[i].events & POLLIN)
			also[i].events |= CURL_WAIT_POLLIN;
		if (fds[i].events & POLLPRI)
			also[i].events |= CURL_WAIT_POLLPRI;
		if (fds[i].events & POLLOUT)
			also[i].events |= CURL_WAIT_POLLOUT;
	}
	curl_multi_poll(h->multi, also, (unsigned)count, timeout_ms, NULL);
}

bool
http_next(struct http *h, struct http_reply *ret_reply, void **ret_owner)
{
	struct transfer *t;

	http_release_taken(h);
	t = h->came_first;
	if (!t)
		return false;
	h->came_first = t->next;
	if (!h->came_first)
		h->came_last = &h->came_first;
	h->inflight--;
	t->next = NULL;
	t->place = TRANSFER_TAKEN;
	h->taken = t;
	*ret_reply = t->reply;
	*ret_owner = t->owner;
	return true;
}

void
http_end_all(struct http *h)
{
	int running;

	/* What has come by itself comes as it is. */
	curl_multi_perform(h->multi, &running);
	http_collect(h);
	for (unsigned i = 0; i < h->inflight_max; i++)
		http_cut_off(h, &h->transfers[i]);
}

void
http_end(struct http *h, const void *owner)
{
	for (unsigned i = 0; i < h->inflight_max; i++)
		if (h->transfers[i].owner == owner)
			http_cut_off(h, &h->transfers[i]);
}

static void
http_cut_off(struct http *h, struct transfer *t)
{
	if (t->place != TRANSFER_AIR)
		return;
	curl_multi_remove_handle(h->multi, t->easy);
	transfer_end(t, CURLE_OPERATION_TIMEDOUT);
	http_came(h, t);
}

static int
http_set_up(struct http *h, const struct conf *conf)
{
	unsigned i;

	h->multi = curl_multi_init();
	h->share = curl_share_init();
	if (!h->multi || !h->share || http_set_up_multi(h) != 0)
		return -1;
	/* Backwards, so that the first is the first to be used. */
	for (i = h->inflight_max; i-- > 0;) {
		if (transfer_init(&h->transfers[i], conf, h->share) != 0)
			return -1;
		http_free(h, &h->transfers[i]);
	}
	return 0;
}

static int
http_set_up_multi(struct http *h)
{
	long connections = 2L * h->inflight_max;

	if (connections < HTTP_CONNECTIONS_MIN)
		connections = HTTP_CONNECTIONS_MIN;
	/* Unset, it follows the number in the air, and each run's end would close what is kept. */
	if (curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, connections) != CURLM_OK)
		return -1;
	if (curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
		return -1;
	return 0;
}

/* Whatever is wrong with ${q}, it ends as a reply. */
static void
http_fly(struct http *h, struct transfer *t, const struct http_request *q)
{
	const char *refusal = request_refusal(q);

	if (refusal) {
		transfer_end_unsent(t, refusal, true);
		http_came(h, t);
	} else if (transfer_begin(t, q) != 0 ||
		   curl_multi_add_handle(h->multi, t->easy) != CURLM_OK) {
		transfer_end_unsent(t, "no memory for the request", false);
		http_came(h, t);
	} else {
		t->place = TRANSFER_AIR;
	}
}

static void
http_collect(struct http *h)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		/* The message dies with its handle's removal. */
		CURLcode code = message->data.result;
		CURL *easy = message->easy_handle;
		char *private = NULL;
		struct transfer *t;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		curl_multi_remove_handle(h->multi, easy);
		t = (struct transfer *)(void *)private;
		transfer_end(t, code);
		http_came(h, t);
	}
}

static void
http_came(struct http *h, struct transfer *t)
{
	t->place = TRANSFER_CAME;
	t->next = NULL;
	*h->came_last = t;
	h->came_last = &t->next;
}

static void
http_release_taken(struct http *h)
{
	if (h->taken)
		http_free(h, h->taken);
	h->taken = NULL;
}

static void
http_free(struct http *h, struct transfer *t)
{
	transfer_reset(t);
	t->place = TRANSFER_FREE;
	t->next = h->free;
	h->free = t;
}
