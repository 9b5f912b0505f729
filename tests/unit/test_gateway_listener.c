/*
 * Accepting, and getting a request out of libfcgi or nothing; over a real socket.
 */
#include "gateway/listener.h"

#include "base/clock.h"
#include "base/stop.h"
#include "gateway/head.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* BEGIN_REQUEST, without and with FCGI_KEEP_CONN; PARAMS "A=GET"; the ends of PARAMS and STDIN. */
#define BEGIN "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
#define BEGIN_KEEP "\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0"
#define PARAMS "\1\4\0\1\0\6\0\0\1\3AGET"
#define PARAMS_END "\1\4\0\1\0\0\0\0"
#define STDIN_END "\1\5\0\1\0\0\0\0"

static char dir[] = "/tmp/cronward-listener-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listening = -1;
static struct listener l;
static FCGX_Request q;

static int
open_listener(void **state)
{
	struct err e = { .code = ERR_OK };

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
	listening = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listening, 8) != 0)
		return -1;
	FCGX_Init();
	FCGX_InitRequest(&q, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	stop_setup();
	return listener_open(&l, listening, &e);
}

static int
close_listener(void **state)
{
	(void)state;
	listener_close(&l);
	close(listening);
	unlink(address.sun_path);
	rmdir(dir);
	return 0;
}

/* A peer that has sent ${len} bytes. */
static int
peer(const void *bytes, size_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

static bool
receive(void)
{
	int connection = listener_accept(&l, 1000);

	assert_true(connection >= 0);
	return listener_receive(&q, connection);
}

/* How many bytes come back before the connection ends. */
static ssize_t
rest_of(int fd)
{
	char bytes[1024];
	ssize_t n, sum = 0;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		sum += n;
	close(fd);
	return sum;
}

static void
only_a_listening_socket_will_do(void **state)
{
	struct listener other;
	struct err e = { .code = ERR_OK };
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(listener_open(&other, fds[0], &e), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	err_clear(&e);
	assert_int_equal(listener_open(&other, -1, &e), -1);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	close(fds[0]);
	close(fds[1]);
}

static void
waiting_ends_in_time(void **state)
{
	int64_t began_ms = clock_mono_ms();

	(void)state;
	assert_int_equal(listener_accept(&l, 50), -1);
	assert_in_range(clock_mono_ms() - began_ms, 49, 1000);
	assert_int_equal(listener_accept(&l, 0), -1);
}

/* systemd does that to a socket that it shares with us. */
static void
waiting_ends_although_somebody_made_the_socket_block(void **state)
{
	int flags = fcntl(listening, F_GETFL);
	int64_t began_ms = clock_mono_ms();

	(void)state;
	assert_true(flags & O_NONBLOCK);
	assert_int_equal(fcntl(listening, F_SETFL, flags & ~O_NONBLOCK), 0);
	assert_int_equal(listener_accept(&l, 50), -1);
	assert_in_range(clock_mono_ms() - began_ms, 49, 3000);
	assert_int_equal(fcntl(listening, F_SETFL, flags), 0);
}

static void
a_request_is_received_and_the_connection_ended(void **state)
{
	static const char *const begins[] = { BEGIN PARAMS PARAMS_END STDIN_END,
		BEGIN_KEEP PARAMS PARAMS_END STDIN_END };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int64_t began_ms = clock_mono_ms();
		int fd = peer(begins[i], sizeof(BEGIN PARAMS PARAMS_END STDIN_END) - 1);

		assert_true(receive());
		assert_string_equal(FCGX_GetParam("A", q.envp), "GET");
		FCGX_PutStr("hello", 5, q.out);
		listener_finish(&q);
		assert_true(rest_of(fd) > 5);
		assert_int_equal(q.ipcFd, -1);
		assert_in_range(clock_mono_ms() - began_ms, 0, 1000);
	}
}

static void
heads_may_come_late(void **state)
{
	int fd = peer(BEGIN, sizeof(BEGIN) - 1);
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		for (size_t i = 0; i < sizeof(PARAMS PARAMS_END STDIN_END) - 1; i++) {
			poll(NULL, 0, 3);
			send(fd, &(PARAMS PARAMS_END STDIN_END)[i], 1, 0);
		}
		_exit(0);
	}
	assert_true(receive());
	listener_finish(&q);
	waitpid(child, NULL, 0);
	assert_true(rest_of(fd) > 0);
}

static void
broken_heads_are_no_request(void **state)
{
	static const struct {
		const char *at;
		size_t len;
	} broken[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
		{ "\1\11\0\0\0\20\0\0\16\0FCGI_MAX_CONNS", 24 },
		{ BEGIN "\1\4\0\1\0\10\0\0\377\377\377\376\377\377\377\376" PARAMS_END, 40 },
	};
	char *long_head = calloc(1, HEAD_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		int fd = peer(broken[i].at, broken[i].len);

		assert_false(receive());
		assert_int_equal(rest_of(fd), 0);
	}
	/* Sound as far as it goes, and longer than any head may be. */
	memcpy(long_head, BEGIN, sizeof(BEGIN) - 1);
	for (size_t at = sizeof(BEGIN) - 1; at + 4104 < HEAD_MAX; at += 4104) {
		memcpy(long_head + at, "\1\4\0\1\20\0\0\0\1\200\0\17\373", 13);
	}
	int fd = peer(long_head, HEAD_MAX);

	assert_false(receive());
	assert_int_equal(rest_of(fd), 0);
	free(long_head);
}

static void
who_leaves_early_costs_no_time(void **state)
{
	int64_t began_ms = clock_mono_ms();

	(void)state;
	close(peer("", 0));
	assert_false(receive());
	close(peer("\1", 1));
	assert_false(receive());
	close(peer(BEGIN, sizeof(BEGIN) - 1));
	assert_false(receive());
	assert_in_range(clock_mono_ms() - began_ms, 0, 1000);
}

static void
an_unread_body_does_not_cost_the_reply(void **state)
{
	static char body[200 * 1024];
	int fd;

	(void)state;
	for (size_t at = 0; at + 4104 <= sizeof(body); at += 4104)
		memcpy(body + at, "\1\5\0\1\20\0\0\0", 8);
	fd = peer(BEGIN PARAMS PARAMS_END, sizeof(BEGIN PARAMS PARAMS_END) - 1);
	assert_int_equal(send(fd, body, sizeof(body) / 4104 * 4104, MSG_DONTWAIT) > 0, 1);
	shutdown(fd, SHUT_WR);
	assert_true(receive());
	FCGX_PutStr("hello", 5, q.out);
	listener_finish(&q);
	assert_true(rest_of(fd) > 5);
}

static int
stopped_while_waiting(void)
{
	struct listener own;
	struct err e = { .code = ERR_OK };
	int64_t began_ms = clock_mono_ms();

	if (listener_open(&own, listening, &e) != 0)
		return 1;
	raise(SIGUSR1);
	/* A connection that is there is still taken. */
	if (listener_accept(&own, -1) < 0)
		return 2;
	if (listener_accept(&own, -1) != -1)
		return 3;
	return clock_mono_ms() - began_ms < 1000 ? 0 : 4;
}

static void
a_stop_ends_the_wait(void **state)
{
	int status = 0, fd = peer("", 0);
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(stopped_while_waiting());
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_listening_socket_will_do),
		cmocka_unit_test(waiting_ends_in_time),
		cmocka_unit_test(waiting_ends_although_somebody_made_the_socket_block),
		cmocka_unit_test(a_request_is_received_and_the_connection_ended),
		cmocka_unit_test(heads_may_come_late),
		cmocka_unit_test(broken_heads_are_no_request),
		cmocka_unit_test(who_leaves_early_costs_no_time),
		cmocka_unit_test(an_unread_body_does_not_cost_the_reply),
		cmocka_unit_test(a_stop_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, open_listener, close_listener);
}
