/*
 * Headers of a reply that a request asks for.
 */
#include "http_server.h"

static void
serve_headers(struct server *s, int fd)
{
	while (server_read(s, fd))
		server_say(fd, "HTTP/1.1 103 Early Hints\r\nX-Left: 9\r\n\r\n"
			       "HTTP/1.1 204 No Content\r\nX-LEFT:  5 \r\nx-left: 6\r\n"
			       "X-Left-Over: 7\r\nX-Empty:\r\n\r\n");
}

static struct server server;
static struct conf conf;
static struct http_request q;

static void
headers_that_are_asked_for_are_kept(void **state)
{
	struct http *h = client_create(&conf, 1);
	struct http_reply reply;

	(void)state;
	server_start(&server, serve_headers);
	client_fill(&q, &server, "/", 5000);
	q.keep[0] = "x-left:";
	q.keep[1] = "x-empty:";
	q.keep[2] = "x-missing:";
	reply = client_send(h, &q);
	assert_string_equal(reply.kept[0], "5");
	assert_null(reply.kept[1]);
	assert_null(reply.kept[2]);
	assert_null(reply.kept[3]);
	client_fill(&q, &server, "/", 5000);
	assert_null(client_send(h, &q).kept[0]);
	http_destroy(h);
	server_stop(&server);
}

/* Values of the longest length, one that is longer, and more of them than there is room for. */
static void
serve_long_headers(struct server *s, int fd)
{
	char value[HTTP_KEPT_VALUE_MAX + 2];

	memset(value, 'v', sizeof value);
	value[HTTP_KEPT_VALUE_MAX + 1] = '\0';
	while (server_read(s, fd)) {
		server_say(fd, "HTTP/1.1 304 Not Modified\r\nETag: W/\"x\"\r\nX-Longer: ");
		server_say(fd, value);
		for (int i = 0; i < 4; i++) {
			char name[] = "\r\nX-0: ";

			name[4] = (char)(name[4] + i);
			server_say(fd, name);
			server_say(fd, value + 1);
		}
		server_say(fd, "\r\nX-Last: end\r\n\r\n");
	}
}

static void
long_values_are_kept_as_far_as_there_is_room(void **state)
{
	static const char *const keep[] = {
		"x-longer:", "x-0:", "x-1:", "x-2:", "x-3:", "etag:", "x-last:", "x-missing:"
	};
	struct http *h = client_create(&conf, 1);
	struct http_reply reply;

	(void)state;
	server_start(&server, serve_long_headers);
	client_fill(&q, &server, "/", 5000);
	memcpy(q.keep, keep, sizeof keep);
	reply = client_send(h, &q);
	assert_int_equal(reply.status, 304);
	assert_int_equal(reply.body_len, 0);
	assert_null(reply.kept[0]);
	assert_true(reply.is_kept_short[0] && reply.is_kept_short[4] && !reply.is_kept_short[5]);
	for (int i = 1; i < 4; i++)
		assert_int_equal(strlen(reply.kept[i]), HTTP_KEPT_VALUE_MAX);
	assert_null(reply.kept[4]);
	assert_string_equal(reply.kept[5], "W/\"x\"");
	assert_string_equal(reply.kept[6], "end");
	assert_null(reply.kept[7]);
	http_destroy(h);
	server_stop(&server);
}

/* What vendors that hand out tokens are sent. */
static void
a_form_goes_as_it_is_and_with_its_own_type(void **state)
{
	struct http *h = client_create(&conf, 1);

	(void)state;
	server_start(&server, serve_headers);
	client_fill(&q, &server, "/token", 5000);
	http_header(&q, "Content-Type", "application/x-www-form-urlencoded");
	q.body = "grant_type=refresh_token&refresh_token=a%2Bb";
	q.body_len = strlen(q.body);
	assert_int_equal(client_send(h, &q).status, 204);
	assert_memory_equal(server.request, "POST /token HTTP/1.1\r\n", 22);
	assert_non_null(
	    strstr(server.request, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
	assert_null(strstr(server.request, "\r\nExpect:"));
	assert_string_equal(strstr(server.request, "\r\n\r\n") + 4, q.body);
	http_destroy(h);
	server_stop(&server);
}

/* Reads a second request, and closes without a word. */
static void
serve_once(struct server *s, int fd)
{
	if (server_read(s, fd)) {
		server_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
		server_read(s, fd);
	}
}

static void
what_must_not_be_repeated_is_not(void **state)
{
	struct http *h = client_create(&conf, 1);

	(void)state;
	server_start(&server, serve_once);
	client_fill(&q, &server, "/", 5000);
	assert_int_equal(client_send(h, &q).status, 204);
	/* On the connection that is closed behind it, and then on another one. */
	client_fill(&q, &server, "/", 5000);
	assert_int_equal(client_send(h, &q).status, 204);
	assert_int_equal(server.requests, 3);
	client_fill(&q, &server, "/", 5000);
	q.is_once = true;
	assert_int_equal(client_send(h, &q).status, 204);
	assert_int_equal(server.requests, 4);
	assert_int_equal(server.connections, 3);
	http_destroy(h);
	server_stop(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_are_asked_for_are_kept),
		cmocka_unit_test(long_values_are_kept_as_far_as_there_is_room),
		cmocka_unit_test(a_form_goes_as_it_is_and_with_its_own_type),
		cmocka_unit_test(what_must_not_be_repeated_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
