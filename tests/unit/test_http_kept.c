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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_are_asked_for_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
