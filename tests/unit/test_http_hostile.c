/*
 * Receivers that hang, reset, drip, lie or never end: each request ends in time, with a status or
 * with a text that says what happened, and without filling the memory.
 */
#include "http_server.h"

#include <sys/resource.h>
#include <time.h>

enum {
	SHORT_MS = 300,
	DRIP_MS = 2500,
	LONG_MS = 8000,
};

static struct server server;
static struct conf conf;
static const char *said; /* by serve_said */

static void
serve_said(struct server *s, int fd)
{
	if (server_read(s, fd))
		server_say(fd, said);
}

static void
serve_said_and_wait(struct server *s, int fd)
{
	if (server_read(s, fd) && server_say(fd, said))
		server_wait_gone(fd, LONG_MS);
}

/* The start, then the rest again and again until the client has had enough. */
static void
serve_for_ever(struct server *s, int fd, const char *start, const char *again)
{
	if (server_read(s, fd) && server_say(fd, start))
		while (server_say(fd, again))
			;
}

static void
serve_hang(struct server *s, int fd)
{
	if (server_read(s, fd))
		server_wait_gone(fd, LONG_MS);
}

static void
serve_second_hang(struct server *s, int fd)
{
	if (server_read(s, fd))
		server_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
	serve_hang(s, fd);
}

static void
serve_reset(struct server *s, int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	server_read(s, fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void
serve_drip(struct server *s, int fd)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
	size_t i;

	if (!server_read(s, fd))
		return;
	for (i = 0; !server_wait_gone(fd, 20); i++)
		server_send(fd, i < sizeof(reply) - 1 ? &reply[i] : "x", 1);
}

static void
serve_endless_chunks(struct server *s, int fd)
{
	serve_for_ever(s, fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "20\r\n0123456789abcdef0123456789abcdef\r\n");
}

static void
serve_endless_body(struct server *s, int fd)
{
	serve_for_ever(s, fd, "HTTP/1.1 500 Oops\r\nRetry-After: 7\r\n\r\n", "0123456789abcdef");
}

static void
serve_endless_headers(struct server *s, int fd)
{
	serve_for_ever(s, fd, "HTTP/1.1 200 OK\r\n", "x-header: of no use\r\n");
}

static void
serve_endless_trailers(struct server *s, int fd)
{
	serve_for_ever(s, fd,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n1\r\nx\r\n0\r\n",
	    "x: y\r\n");
}

static void
serve_long_header(struct server *s, int fd)
{
	const size_t len = 2 * 1024 * 1024;
	char *line = malloc(len);

	memset(line, 'x', len);
	if (server_read(s, fd) && server_say(fd, "HTTP/1.1 200 OK\r\nx-long: "))
		server_send(fd, line, len);
	free(line);
}

static void
serve_endless_informational(struct server *s, int fd)
{
	serve_for_ever(s, fd, "", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
}

/* Never reads what is sent. */
static void
serve_deaf(struct server *s, int fd)
{
	struct pollfd gone = { .fd = fd, .events = POLLRDHUP };

	(void)s;
	poll(&gone, 1, LONG_MS);
}

static struct http_reply
ask(struct http **h, void (*serve)(struct server *, int), int64_t timeout_ms)
{
	int64_t start_ms = clock_mono_ms();
	struct http_reply reply;

	*h = client_create(&conf, 2);
	server_start(&server, serve);
	reply = client_post(*h, &server, timeout_ms);
	assert_in_range(clock_mono_ms() - start_ms, 0, timeout_ms + 1000);
	assert_false(reply.refused);
	if (reply.error) {
		assert_int_equal(reply.status, 0);
		assert_int_equal(reply.body_len, 0);
		assert_false(reply.is_unsent);
		assert_null(reply.retry_after);
	}
	return reply;
}

static void
stop(struct http *h)
{
	http_destroy(h);
	server_stop(&server);
}

/* Asks a receiver that does ${serve}, and expects ${error}. */
static void
ends_in(void (*serve)(struct server *, int), int64_t timeout_ms, const char *error)
{
	struct http *h;
	struct http_reply reply = ask(&h, serve, timeout_ms);

	assert_non_null(reply.error);
	assert_string_equal(reply.error, error);
	stop(h);
}

static void
silence_ends_by_time(void **state)
{
	struct http *h;
	struct http_reply reply = ask(&h, serve_hang, SHORT_MS);

	(void)state;
	assert_string_equal(reply.error, "timed out after 300 ms (no answer from the receiver)");
	assert_int_equal(reply.timing.first_byte_ms, -1);
	assert_in_range(reply.timing.total_ms, SHORT_MS - 10, SHORT_MS + 1000);
	stop(h);
}

/* On a kept connection, too, where no time of a connection is told. */
static void
silence_on_a_kept_connection_ends_by_time(void **state)
{
	struct http *h;
	struct http_reply reply = ask(&h, serve_second_hang, LONG_MS);

	(void)state;
	assert_int_equal(reply.status, 204);
	reply = client_post(h, &server, 1000);
	assert_string_equal(reply.error, "timed out after 1 s (no answer from the receiver)");
	assert_int_equal(server.connections, 1);
	stop(h);
}

static void
a_drip_ends_by_time(void **state)
{
	(void)state;
	/* Long enough for the first byte on a busy machine. */
	ends_in(serve_drip, DRIP_MS, "timed out after 2500 ms (the answer did not end)");
	said = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
	ends_in(serve_said_and_wait, DRIP_MS, "timed out after 2500 ms (the answer did not end)");
}

static void
a_lost_connection_is_told(void **state)
{
	(void)state;
	ends_in(serve_reset, LONG_MS, "the connection failed: Connection reset by peer");
	said = "";
	ends_in(serve_said, LONG_MS, "the connection was closed without a reply");
	said = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
	ends_in(serve_said, LONG_MS, "the connection was closed in the middle of the reply");
	said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12";
	ends_in(serve_said, LONG_MS, "the connection was closed in the middle of the reply");
}

static void
a_closed_port_is_told(void **state)
{
	struct http *h;
	struct http_reply reply;

	(void)state;
	said = "HTTP/1.1 204 No Content\r\n\r\n";
	ask(&h, serve_said, LONG_MS);
	server_stop(&server);
	reply = client_post(h, &server, LONG_MS);
	assert_string_equal(reply.error, "could not connect: Connection refused");
	assert_true(reply.is_unsent);
	assert_int_equal(reply.timing.connect_ms, -1);
	assert_int_equal(reply.timing.first_byte_ms, -1);
	http_destroy(h);
}

/* A process without descriptors says nothing about a receiver, whatever the one before did. */
static void
an_error_is_that_of_its_own_request(void **state)
{
	struct http *h = client_create(&conf, 1);
	struct rlimit files, none;
	struct http_reply reply;
	struct http_request q;
	int next;

	(void)state;
	http_request_reset(&q);
	q.url = "http://127.0.0.1:1/";
	q.timeout_ms = 5000;
	reply = client_send(h, &q);
	assert_string_equal(reply.error, "could not connect: Connection refused");
	assert_false(reply.is_ours);

	next = dup(STDIN_FILENO);
	assert_true(next >= 0 && close(next) == 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = files.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	reply = client_send(h, &q);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_string_equal(reply.error, "could not connect: Too many open files");
	assert_true(reply.is_ours);

	reply = client_send(h, &q);
	assert_string_equal(reply.error, "could not connect: Connection refused");
	assert_false(reply.is_ours);
	http_destroy(h);
}

static void
what_is_not_http_is_told(void **state)
{
	(void)state;
	said = "SSH-2.0-OpenSSH_9.2p1\r\n";
	ends_in(serve_said, LONG_MS, "the reply is not HTTP");
	said = "HTTP/7.7 200 OK\r\n\r\n";
	ends_in(serve_said, LONG_MS, "the reply is not HTTP");
	said = "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n";
	ends_in(serve_said, LONG_MS, "the reply is not HTTP");
	said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
	ends_in(serve_said, LONG_MS,
	    "the connection failed: Illegal or missing hexadecimal sequence in chunked-encoding");
	said = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n";
	ends_in(serve_said, LONG_MS, "the reply is not HTTP");
}

static void
an_endless_body_is_cut(void **state)
{
	struct http *h;
	struct http_reply reply = ask(&h, serve_endless_chunks, LONG_MS);

	(void)state;
	assert_int_equal(reply.status, 200);
	assert_null(reply.error);
	assert_true(reply.truncated);
	assert_int_equal(reply.body_len, HTTP_REPLY_MAX);
	assert_int_equal(strlen(reply.body), HTTP_REPLY_MAX);
	stop(h);
	reply = ask(&h, serve_endless_body, LONG_MS);
	assert_int_equal(reply.status, 500);
	assert_true(reply.truncated);
	assert_string_equal(reply.retry_after, "7");
	assert_int_equal(reply.body_len, HTTP_REPLY_MAX);
	/* The next reply starts anew. */
	assert_int_equal(client_post(h, &server, LONG_MS).body_len, HTTP_REPLY_MAX);
	stop(h);
}

static void
a_body_of_just_the_limit_is_whole(void **state)
{
	char *reply_text = malloc(HTTP_REPLY_MAX + 200);
	struct http *h;
	struct http_reply reply;
	int extra, len;

	(void)state;
	for (extra = 0; extra <= 1; extra++) {
		len = snprintf(reply_text, 200, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
		    HTTP_REPLY_MAX + extra);
		memset(reply_text + len, 'y', HTTP_REPLY_MAX + (size_t)extra);
		reply_text[len + HTTP_REPLY_MAX + extra] = '\0';
		said = reply_text;
		reply = ask(&h, serve_said, LONG_MS);
		assert_int_equal(reply.status, 200);
		assert_int_equal(reply.truncated, extra);
		assert_int_equal(reply.body_len, HTTP_REPLY_MAX);
		stop(h);
	}
	free(reply_text);
}

/* What was packed stays packed, so a small reply cannot become a large one. */
static void
a_packed_body_is_not_unpacked(void **state)
{
	struct http *h;
	struct http_reply reply;

	(void)state;
	said =
	    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08z";
	reply = ask(&h, serve_said, LONG_MS);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body_len, 4);
	assert_memory_equal(reply.body, "\x1f\x8b\x08z", 4);
	assert_null(strcasestr(server.request, "accept-encoding"));
	stop(h);
}

static void
a_flood_of_headers_is_stopped(void **state)
{
	static const char too_long[] = "the headers of the reply are longer than 64 KB";

	(void)state;
	ends_in(serve_endless_headers, LONG_MS, too_long);
	ends_in(serve_endless_trailers, LONG_MS, too_long);
	ends_in(serve_endless_informational, LONG_MS, too_long);
	ends_in(serve_long_header, LONG_MS, "a header of the reply is too long");
}

static void
a_redirect_is_a_reply_like_any_other(void **state)
{
	static const char *const targets[] = { "http://127.0.0.1:%d/", "file:///etc/passwd",
		"ftp://127.0.0.1:%d/", "gopher://127.0.0.1:%d/x", "/again" };
	static char text[256];
	static struct server canary;
	struct http *h;
	size_t i;

	(void)state;
	server_start(&canary, serve_hang);
	for (i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		int len = snprintf(text, sizeof(text),
		    "HTTP/1.1 307 Over there\r\nContent-Length: 0\r\nLocation: ");
		struct http_reply reply;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		len += snprintf(text + len, sizeof(text) - (size_t)len, targets[i], canary.port);
#pragma GCC diagnostic pop
		snprintf(text + len, sizeof(text) - (size_t)len, "\r\n\r\n");
		said = text;
		reply = ask(&h, serve_said, LONG_MS);
		assert_int_equal(reply.status, 307);
		assert_int_equal(server.requests, 1);
		stop(h);
	}
	assert_int_equal(canary.connections, 0);
	server_stop(&canary);
}

static void
retry_after_comes_from_the_final_reply(void **state)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", "120" },
		{ "HTTP/1.1 503 Later\r\nretry-after:\t Wed, 21 Oct 2065 07:28:00 GMT \r\n"
		  "Content-Length: 0\r\n\r\n",
		    "Wed, 21 Oct 2065 07:28:00 GMT" },
		{ "HTTP/1.1 103 Hints\r\nRetry-After: 9\r\n\r\n"
		  "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
		    NULL },
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nRetry-After: 2\r\nContent-Length: "
		  "0\r\n\r\n",
		    "1" },
		{ "HTTP/1.1 429 Slow\r\nRetry-After:\r\nContent-Length: 0\r\n\r\n", NULL },
		{ "HTTP/1.1 429 Slow\r\nRetry-After-All: 1\r\nContent-Length: 0\r\n\r\n", NULL },
		{ "HTTP/1.1 429 Slow\r\nRetry-After: 00000000000000000000000000000000000000000000"
		  "0000000000000000000000000000000000001\r\nContent-Length: 0\r\n\r\n",
		    NULL },
	};
	struct http *h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct http_reply reply;

		said = cases[i].text;
		reply = ask(&h, serve_said, LONG_MS);
		assert_null(reply.error);
		if (cases[i].value)
			assert_string_equal(reply.retry_after, cases[i].value);
		else
			assert_null(reply.retry_after);
		stop(h);
	}
}

/* Three that hang in the air do not slow what goes to another. */
static void
one_receiver_does_not_hold_up_another(void **state)
{
	static struct server other;
	static struct http_request q;
	struct http *h = client_create(&conf, 4);
	char url[SERVER_URL_MAX];
	int i, hanging[3];

	(void)state;
	server_start(&server, serve_deaf);
	said = "HTTP/1.1 204 No Content\r\n\r\n";
	server_start(&other, serve_said);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", server.port);
	http_request_reset(&q);
	q.url = url;
	q.timeout_ms = 3000;
	for (i = 0; i < 3; i++)
		assert_int_equal(http_start(h, &q, &hanging[i]), 0);
	for (i = 0; i < 5; i++) {
		struct http_reply reply = client_post(h, &other, 1000);

		assert_int_equal(reply.status, 204);
		assert_in_range(reply.timing.total_ms, 0, 500);
	}
	assert_int_equal(http_inflight(h), 3);
	http_destroy(h);
	server_stop(&other);
	server_stop(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_ends_by_time),
		cmocka_unit_test(silence_on_a_kept_connection_ends_by_time),
		cmocka_unit_test(a_drip_ends_by_time),
		cmocka_unit_test(a_lost_connection_is_told),
		cmocka_unit_test(a_closed_port_is_told),
		cmocka_unit_test(an_error_is_that_of_its_own_request),
		cmocka_unit_test(what_is_not_http_is_told),
		cmocka_unit_test(an_endless_body_is_cut),
		cmocka_unit_test(a_body_of_just_the_limit_is_whole),
		cmocka_unit_test(a_packed_body_is_not_unpacked),
		cmocka_unit_test(a_flood_of_headers_is_stopped),
		cmocka_unit_test(a_redirect_is_a_reply_like_any_other),
		cmocka_unit_test(retry_after_comes_from_the_final_reply),
		cmocka_unit_test(one_receiver_does_not_hold_up_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
