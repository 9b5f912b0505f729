/*
 * Requests to receivers that behave: what goes out byte for byte, what comes back, many at once.
 */
#include "http_server.h"

static void
serve_empty(struct server *s, int fd)
{
	while (server_read(s, fd))
		server_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void
serve_body(struct server *s, int fd)
{
	static const char reply[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na\0b\r\n\xff\x80yz";

	while (server_read(s, fd))
		server_send(fd, reply, sizeof(reply) - 1);
}

/* Closes each connection after its reply, and says so. */
static void
serve_once(struct server *s, int fd)
{
	if (server_read(s, fd))
		server_say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

static void
serve_wait(struct server *s, int fd)
{
	if (server_read(s, fd))
		server_wait_gone(fd, 10000);
}

static void
serve_1000_bytes_more(struct server *s, int fd)
{
	char head[128], body[1000];
	int requests;

	memset(body, 'b', sizeof(body));
	while (server_read(s, fd)) {
		requests = atomic_load(&s->requests);
		snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
		    requests * (int)sizeof(body));
		server_say(fd, head);
		for (; requests > 0; requests--)
			server_send(fd, body, sizeof(body));
	}
}

static struct server server;
static struct conf conf;
static struct http_request q;

/* A POST of "{}" to the server, ready for more headers. */
static void
fill(void)
{
	client_fill(&q, &server, "/a/b?c=d", 5000);
	q.body = "{}";
	q.body_len = 2;
}

static void
a_post_goes_out_as_it_was_filled_in(void **state)
{
	struct http *h = client_create(&conf, 4);
	char expected[512];

	(void)state;
	server_start(&server, serve_empty);
	fill();
	http_header(&q, "content-type", "application/json");
	http_header(&q, "webhook-id", "17");
	http_header(&q, "x-empty", "");
	http_header(&q, "x-spaces", "  a  b ");
	http_header(&q, "x-text", "gr\xc3\xbc\xc3\x9f \"\\;,");
	assert_null(q.refused);
	assert_int_equal(client_send(h, &q).status, 204);
	snprintf(expected, sizeof(expected),
	    "POST /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n"
	    "content-type: application/json\r\nwebhook-id: 17\r\nx-empty:\r\nx-spaces: a  b\r\n"
	    "x-text: gr\xc3\xbc\xc3\x9f \"\\;,\r\nUser-Agent: cronward/" CRONWARD_VERSION "\r\n"
	    "Content-Length: 2\r\n\r\n{}",
	    server.port);
	assert_string_equal(server.request, expected);
	http_destroy(h);
	server_stop(&server);
}

static void
headers_of_the_caller_take_the_place_of_ours(void **state)
{
	struct http *h = client_create(&conf, 4);

	(void)state;
	server_start(&server, serve_empty);
	fill();
	assert_int_equal(client_send(h, &q).status, 204);
	assert_non_null(strstr(server.request, "\r\nUser-Agent: cronward/"));
	assert_null(strcasestr(server.request, "\r\ncontent-type:"));
	assert_null(strcasestr(server.request, "\r\naccept-encoding:"));

	http_header(&q, "uSER-aGENT", "other");
	http_header(&q, "Content-Type", "text/plain");
	assert_int_equal(client_send(h, &q).status, 204);
	assert_null(strstr(server.request, "cronward"));
	assert_non_null(strstr(server.request, "\r\nuSER-aGENT: other\r\n"));
	assert_non_null(strstr(server.request, "\r\nContent-Type: text/plain\r\n"));
	http_destroy(h);
	server_stop(&server);
}

static void
the_same_place_takes_get_and_post_in_turn(void **state)
{
	static const char any[] = "a\0b\r\n\r\n\xff";
	struct http *h = client_create(&conf, 1);

	(void)state;
	server_start(&server, serve_empty);
	fill();
	q.body = NULL;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "GET /a/b?c=d HTTP/1.1\r\n", 23);
	assert_null(strcasestr(server.request, "content-length"));

	q.body = any;
	q.body_len = sizeof(any) - 1;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "POST ", 5);
	assert_memory_equal(server.request + server.request_len - q.body_len, any, sizeof(any) - 1);

	q.body = "";
	q.body_len = 0;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "POST ", 5);
	assert_non_null(strstr(server.request, "\r\nContent-Length: 0\r\n"));

	q.body = NULL;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "GET ", 4);
	assert_int_equal(server.connections, 1);
	http_destroy(h);
	server_stop(&server);
}

/* curl would wait a second for 100 Continue from 1 MB on. */
static void
a_method_goes_out_by_its_name_and_is_forgotten(void **state)
{
	struct http *h = client_create(&conf, 1);

	(void)state;
	server_start(&server, serve_empty);
	fill();
	q.method = HTTP_PUT;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "PUT /a/b?c=d HTTP/1.1\r\n", 23);
	assert_memory_equal(server.request + server.request_len - 2, "{}", 2);

	q.method = HTTP_PATCH;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "PATCH ", 6);
	assert_non_null(strstr(server.request, "\r\nContent-Length: 2\r\n"));

	q.method = HTTP_DELETE;
	q.body = NULL;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "DELETE ", 7);
	assert_null(strcasestr(server.request, "content-length"));

	q.method = HTTP_BY_BODY;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "GET ", 4);
	assert_int_equal(server.connections, 1);
	http_destroy(h);
	server_stop(&server);
}

static void
as_much_of_a_reply_is_read_as_was_asked_for(void **state)
{
	static const size_t lengths[] = { 10, 999, 1000, 1001, HTTP_REPLY_MAX + 5000 };
	struct http *h = client_create(&conf, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct http_reply reply;

		server_start(&server, serve_1000_bytes_more);
		/* What comes is 1,000 bytes for each request so far. */
		server.requests = lengths[i] > HTTP_REPLY_MAX ? 66 : 0;
		fill();
		q.reply_max = lengths[i];
		reply = client_send(h, &q);
		assert_int_equal(reply.truncated, lengths[i] < 1000);
		assert_int_equal(reply.body_len, lengths[i] > HTTP_REPLY_MAX ? 67000
						 : lengths[i] < 1000         ? lengths[i]
									     : 1000);
		http_destroy(h);
		server_stop(&server);
		h = client_create(&conf, 1);
	}
	http_destroy(h);
}

static void
a_long_body_goes_at_once(void **state)
{
	const size_t len = 2 * 1024 * 1024;
	struct http *h = client_create(&conf, 1);
	char *body = malloc(len);
	struct http_reply reply;

	(void)state;
	server_start(&server, serve_empty);
	memset(body, 'x', len);
	fill();
	q.body = body;
	q.body_len = len;
	reply = client_send(h, &q);
	assert_int_equal(reply.status, 204);
	assert_in_range(reply.timing.total_ms, 0, 900);
	assert_null(strcasestr(server.request, "\r\nexpect:"));
	assert_memory_equal(server.request + server.request_len - len, body, len);
	free(body);
	http_destroy(h);
	server_stop(&server);
}

static void
a_reply_comes_whole(void **state)
{
	struct http *h = client_create(&conf, 1);
	struct http_reply reply;

	(void)state;
	server_start(&server, serve_body);
	reply = client_post(h, &server, 5000);
	assert_int_equal(reply.status, 200);
	assert_null(reply.error);
	assert_null(reply.retry_after);
	assert_false(reply.refused);
	assert_false(reply.truncated);
	assert_int_equal(reply.body_len, 9);
	assert_memory_equal(reply.body, "a\0b\r\n\xff\x80yz", 10);
	http_destroy(h);
	server_stop(&server);
}

static void
replies_of_any_length_do_not_mix(void **state)
{
	struct http *h = client_create(&conf, 1);
	int i;

	(void)state;
	server_start(&server, serve_1000_bytes_more);
	for (i = 1; i <= 65; i++) {
		struct http_reply reply = client_post(h, &server, 5000);

		assert_int_equal(reply.status, 200);
		assert_int_equal(reply.body_len, i * 1000);
		assert_int_equal(strspn(reply.body, "b"), i * 1000);
		assert_false(reply.truncated);
	}
	assert_int_equal(server.connections, 1);
	http_destroy(h);
	server_stop(&server);
}

static void
time_is_told_step_by_step(void **state)
{
	struct http *h = client_create(&conf, 1);
	struct http_reply reply;

	(void)state;
	server_start(&server, serve_empty);
	reply = client_post(h, &server, 5000);
	assert_in_range(reply.timing.name_lookup_ms, 0, 1000);
	assert_in_range(reply.timing.connect_ms, 0, 1000);
	assert_int_equal(reply.timing.tls_ms, -1);
	assert_in_range(reply.timing.first_byte_ms, 0, 1000);
	assert_in_range(reply.timing.total_ms, 0, 1000);
	/* A kept connection costs nothing. */
	reply = client_post(h, &server, 5000);
	assert_int_equal(reply.timing.name_lookup_ms, 0);
	assert_int_equal(reply.timing.connect_ms, 0);
	assert_int_equal(reply.timing.tls_ms, -1);
	assert_int_equal(server.connections, 1);
	http_destroy(h);
	server_stop(&server);
}

static void
every_request_has_one_reply_and_its_owner(void **state)
{
	enum { AT_ONCE = 64, REQUESTS = 2000 };
	static int seen[REQUESTS];
	struct http *h = client_create(&conf, AT_ONCE);
	int started = 0, came = 0, i;
	struct http_reply reply;
	void *owner;

	(void)state;
	server_start(&server, serve_empty);
	fill();
	memset(seen, 0, sizeof(seen));
	while (came < REQUESTS) {
		while (started < REQUESTS && http_start(h, &q, &seen[started]) == 0)
			started++;
		assert_int_equal(http_inflight(h), started - came);
		assert_in_range(http_inflight(h), 0, AT_ONCE);
		http_wait(h, -1, 0, 1000);
		while (http_next(h, &reply, &owner)) {
			assert_int_equal(reply.status, 204);
			(*(int *)owner)++;
			came++;
			/* The place of the reply in hand is free again. */
			if (started < REQUESTS)
				assert_int_equal(http_start(h, &q, &seen[started++]), 0);
		}
	}
	for (i = 0; i < REQUESTS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(http_inflight(h), 0);
	assert_int_equal(server.requests, REQUESTS);
	assert_in_range(server.connections, 1, AT_ONCE);
	http_destroy(h);
	server_stop(&server);
}

/* The flow has one request that it fills in for each item. */
static void
a_request_may_be_filled_in_anew_once_it_is_started(void **state)
{
	struct http *h = client_create(&conf, 2);
	void *owner;

	(void)state;
	server_start(&server, serve_empty);
	fill();
	http_header(&q, "x-first", "1");
	assert_int_equal(http_start(h, &q, NULL), 0);
	http_request_reset(&q);
	memset(q.headers_text, '#', sizeof(q.headers_text));
	assert_int_equal(client_reply(h, &owner).status, 204);
	assert_non_null(strstr(server.request, "\r\nx-first: 1\r\n"));
	assert_null(strchr(server.request, '#'));
	http_destroy(h);
	server_stop(&server);
}

static void
a_connection_that_is_closed_is_made_anew(void **state)
{
	struct http *h = client_create(&conf, 1);
	int i;

	(void)state;
	server_start(&server, serve_once);
	for (i = 1; i <= 5; i++) {
		assert_int_equal(client_post(h, &server, 5000).status, 200);
		assert_int_equal(server.connections, i);
	}
	http_destroy(h);
	server_stop(&server);
}

static void
giving_up_leaves_nothing_behind(void **state)
{
	struct http *h = client_create(&conf, 3);
	struct http_reply reply;
	void *owner;

	(void)state;
	server_start(&server, serve_wait);
	fill();
	assert_int_equal(http_start(h, &q, NULL), 0);
	assert_int_equal(http_start(h, &q, NULL), 0);
	q.url = "file:///etc/passwd";
	assert_int_equal(http_start(h, &q, NULL), 0);
	assert_int_equal(http_start(h, &q, NULL), -1);
	while (atomic_load(&server.requests) < 2)
		http_wait(h, -1, 0, 0);
	assert_int_equal(http_inflight(h), 3);
	/* One is in hand, two are in the air. */
	assert_true(http_next(h, &reply, &owner));
	http_end_all(h);
	for (int i = 0; i < 2; i++) {
		assert_true(http_next(h, &reply, &owner));
		assert_int_equal(reply.status, 0);
		assert_non_null(reply.error);
	}
	assert_false(http_next(h, &reply, &owner));
	assert_int_equal(http_inflight(h), 0);
	fill();
	q.timeout_ms = 100;
	assert_non_null(client_send(h, &q).error);
	/* Closing what is in the air and what has come is safe, too. */
	q.timeout_ms = 5000;
	assert_int_equal(http_start(h, &q, NULL), 0);
	assert_int_equal(http_start(h, &q, NULL), 0);
	http_wait(h, -1, 0, 0);
	http_destroy(h);
	http_destroy(NULL);
	server_stop(&server);
}

static void
waiting_ends_when_something_happens(void **state)
{
	struct http *h = client_create(&conf, 2);
	int64_t start_ms = clock_mono_ms();
	struct http_reply reply;
	void *owner;
	int pipes[2];

	(void)state;
	server_start(&server, serve_empty);
	assert_int_equal(pipe(pipes), 0);
	http_wait(h, pipes[0], POLLIN, 50);
	assert_in_range(clock_mono_ms() - start_ms, 45, 1000);
	/* The caller's own descriptor, in either direction. */
	http_wait(h, pipes[1], POLLIN | POLLOUT, 5000);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	http_wait(h, pipes[0], POLLIN, 5000);
	assert_in_range(clock_mono_ms() - start_ms, 45, 2000);
	/* A reply that is ready is not waited on, neither a refused nor a real one. */
	fill();
	q.url = "ftp://127.0.0.1/";
	assert_int_equal(http_start(h, &q, NULL), 0);
	http_wait(h, -1, 0, 5000);
	assert_true(http_next(h, &reply, &owner));
	fill();
	assert_int_equal(http_start(h, &q, NULL), 0);
	while (!http_next(h, &reply, &owner))
		http_wait(h, pipes[1], POLLIN, 5000);
	assert_in_range(clock_mono_ms() - start_ms, 45, 3000);
	close(pipes[0]);
	close(pipes[1]);
	http_destroy(h);
	server_stop(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_post_goes_out_as_it_was_filled_in),
		cmocka_unit_test(headers_of_the_caller_take_the_place_of_ours),
		cmocka_unit_test(the_same_place_takes_get_and_post_in_turn),
		cmocka_unit_test(a_method_goes_out_by_its_name_and_is_forgotten),
		cmocka_unit_test(as_much_of_a_reply_is_read_as_was_asked_for),
		cmocka_unit_test(a_long_body_goes_at_once),
		cmocka_unit_test(a_reply_comes_whole),
		cmocka_unit_test(replies_of_any_length_do_not_mix),
		cmocka_unit_test(time_is_told_step_by_step),
		cmocka_unit_test(every_request_has_one_reply_and_its_owner),
		cmocka_unit_test(a_request_may_be_filled_in_anew_once_it_is_started),
		cmocka_unit_test(a_connection_that_is_closed_is_made_anew),
		cmocka_unit_test(giving_up_leaves_nothing_behind),
		cmocka_unit_test(waiting_ends_when_something_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
