/*
 * http_server - a receiver in a thread, for the tests of http: it reads a request and then does
 * whatever the test's function does with the connection.
 */
#ifndef CRONWARD_TESTS_UNIT_HTTP_SERVER_H
#define CRONWARD_TESTS_UNIT_HTTP_SERVER_H

#include "base/clock.h"
#include "base/conf.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	SERVER_THREADS_MAX = 512,
	SERVER_REQUEST_MAX = 3 * 1024 * 1024,
	SERVER_URL_MAX = 128,
};

struct server {
	void (*serve)(struct server *, int fd);
	int listener, port;
	atomic_int connections, requests;
	pthread_mutex_t lock;
	char *request; /* the last one that came, NUL-terminated */
	size_t request_len;
	pthread_t acceptor, threads[SERVER_THREADS_MAX];
	int threads_count;
};

struct server_connection {
	struct server *server;
	int fd;
};

/* What the connection of this thread has sent. */
static _Thread_local char *server_buffer;

/* Reads the next request; false when there is none. */
static inline bool
server_read(struct server *s, int fd)
{
	char *in = server_buffer, *head_end = NULL;
	const char *length;
	size_t len = 0, whole = SIZE_MAX;

	while (len < whole) {
		ssize_t n = recv(fd, in + len, SERVER_REQUEST_MAX - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		in[len] = '\0';
		if (!head_end && (head_end = strstr(in, "\r\n\r\n"))) {
			length = strcasestr(in, "\r\ncontent-length:");
			whole = (size_t)(head_end + 4 - in);
			if (length && length < head_end)
				whole += strtoul(length + 17, NULL, 10);
		}
	}
	pthread_mutex_lock(&s->lock);
	memcpy(s->request, in, len + 1);
	s->request_len = len;
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->requests, 1);
	return true;
}

/* Whether all of it went out: a client that has seen enough closes. */
static inline bool
server_send(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool
server_say(int fd, const char *text)
{
	return server_send(fd, text, strlen(text));
}

/* Waits until the client has gone, ${ms} at most; true when it has. */
static inline bool
server_wait_gone(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char drop[4096];

	while (poll(&p, 1, ms) == 1)
		if (recv(fd, drop, sizeof(drop), 0) <= 0)
			return true;
	return false;
}

static inline void *
server_connection_run(void *at)
{
	struct server_connection c = *(struct server_connection *)at;

	free(at);
	server_buffer = malloc(SERVER_REQUEST_MAX + 1);
	c.server->serve(c.server, c.fd);
	close(c.fd);
	free(server_buffer);
	return NULL;
}

static inline void *
server_accept(void *at)
{
	struct server *s = at;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		struct server_connection *c = malloc(sizeof(*c));

		atomic_fetch_add(&s->connections, 1);
		*c = (struct server_connection){ s, fd };
		if (s->threads_count == SERVER_THREADS_MAX ||
		    pthread_create(&s->threads[s->threads_count], NULL, server_connection_run, c))
			abort();
		s->threads_count++;
	}
	return NULL;
}

static inline void
server_start(struct server *s, void (*serve)(struct server *, int fd))
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	memset(s, 0, sizeof(*s));
	s->serve = serve;
	pthread_mutex_init(&s->lock, NULL);
	s->request = calloc(1, SERVER_REQUEST_MAX + 1);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 256), 0);
	getsockname(s->listener, (struct sockaddr *)&at, &len);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->acceptor, NULL, server_accept, s), 0);
}

/* Every client must have closed before, else this waits for it. */
static inline void
server_stop(struct server *s)
{
	int i;

	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->acceptor, NULL);
	for (i = 0; i < s->threads_count; i++)
		pthread_join(s->threads[i], NULL);
	close(s->listener);
	pthread_mutex_destroy(&s->lock);
	free(s->request);
}

/* A client that may reach 127.0.0.0/8. */
static inline struct http *
client_create(struct conf *conf, unsigned inflight_max)
{
	struct err e = { 0 };
	struct http *h;

	memset(conf, 0, sizeof(*conf));
	inet_pton(AF_INET6, "::ffff:127.0.0.0", &conf->egress_allow[0].address);
	conf->egress_allow[0].prefix_bits = 96 + 8;
	conf->egress_allow_count = 1;
	h = http_create(conf, inflight_max, &e);
	if (!h)
		fail_msg("%s", e.message);
	return h;
}

/* The next reply, waited for; fails after ten seconds. */
static inline struct http_reply
client_reply(struct http *h, void **ret_owner)
{
	int64_t end_ms = clock_mono_ms() + 10000;
	struct http_reply reply;

	while (!http_next(h, &reply, ret_owner)) {
		if (clock_mono_ms() > end_ms)
			fail_msg("no reply came");
		http_wait(h, -1, 0, 100);
	}
	return reply;
}

/* Sends ${q} alone and waits for its reply. */
static inline struct http_reply
client_send(struct http *h, const struct http_request *q)
{
	void *owner = NULL;
	struct http_reply reply;
	int mark;

	assert_int_equal(http_start(h, q, &mark), 0);
	reply = client_reply(h, &owner);
	assert_ptr_equal(owner, &mark);
	return reply;
}

/* A request to ${path} of ${s}, ready for more; its URL stays until the next one is filled in. */
static inline void
client_fill(struct http_request *q, const struct server *s, const char *path, int64_t timeout_ms)
{
	static char url[SERVER_URL_MAX];

	http_request_reset(q);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", s->port, path);
	q->url = url;
	q->timeout_ms = timeout_ms;
}

/* POSTs "{}" to ${s} and waits. */
static inline struct http_reply
client_post(struct http *h, const struct server *s, int64_t timeout_ms)
{
	static struct http_request q;

	client_fill(&q, s, "/hook", timeout_ms);
	q.body = "{}";
	q.body_len = 2;
	return client_send(h, &q);
}

#endif
