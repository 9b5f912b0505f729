/*
 * TLS: which certificates are accepted, and how a handshake that fails is told.  The receivers
 * are `openssl s_server`, with certificates made for the occasion.
 */
#include "http_server.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

enum {
	ARGS_MAX = 24,
};

/* An `openssl s_server`, and what it reads its commands from. */
struct tls_server {
	pid_t pid;
	int input, output, port;
};

static char folder[] = "/tmp/http_tls_XXXXXX";
static struct conf conf;
static struct http_request q;
static char url[SERVER_URL_MAX];

/* Starts openssl with its input and output at our ends of pipes. */
static pid_t
openssl(const char *const args[], int *ret_input, int *ret_output)
{
	posix_spawn_file_actions_t actions;
	int in[2], out[2];
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addchdir_np(&actions, folder);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, "openssl", &actions, NULL, (char *const *)args, environ) != 0)
		fail_msg("openssl cannot be started");
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	*ret_input = in[1];
	*ret_output = out[0];
	return pid;
}

/* Makes NAME.pem and NAME.key, signed by itself, for ${names}. */
static void
make_certificate(const char *name, const char *names)
{
	char key[32], pem[32], subject[64];
	const char *const args[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem, "-subj",
		"/CN=test", "-addext", subject, "-days", "2", NULL };
	int input, output, status;
	pid_t pid;

	snprintf(key, sizeof(key), "%s.key", name);
	snprintf(pem, sizeof(pem), "%s.pem", name);
	snprintf(subject, sizeof(subject), "subjectAltName=%s", names);
	pid = openssl(args, &input, &output);
	close(input);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(output);
}

/* Serves with the certificate ${name}; ${old} speaks TLS 1.1 alone. */
static struct tls_server
tls_start(const char *name, bool old)
{
	char key[32], pem[32], said[512] = "";
	const char *const args[ARGS_MAX] = { "openssl", "s_server", "-accept", "127.0.0.1:0",
		"-cert", pem, "-key", key, "-www", old ? "-tls1_1" : NULL, "-cipher",
		"ALL:@SECLEVEL=0", NULL };
	struct tls_server s;
	const char *port = NULL;
	size_t len = 0;

	snprintf(key, sizeof(key), "%s.key", name);
	snprintf(pem, sizeof(pem), "%s.pem", name);
	s.pid = openssl(args, &s.input, &s.output);
	while (!port || !strchr(port, '\n')) {
		ssize_t n = read(s.output, said + len, sizeof(said) - 1 - len);

		if (n <= 0)
			fail_msg("openssl does not say where it listens: %s", said);
		len += (size_t)n;
		port = strstr(said, "ACCEPT 127.0.0.1:");
	}
	s.port = (int)strtol(port + strlen("ACCEPT 127.0.0.1:"), NULL, 10);
	return s;
}

static void
tls_stop(const struct tls_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->input);
	close(s->output);
}

/* A GET of ${port} over TLS, with the certificates of ${ca} in the folder trusted. */
static struct http_reply
get(struct http **h, const char *ca, int port)
{
	static char ca_file[64];
	struct err e = { 0 };

	/* Borrows the ranges that client_create() allows. */
	http_destroy(client_create(&conf, 1));
	snprintf(ca_file, sizeof(ca_file), "%s/%s", folder, ca ? ca : "");
	conf.egress_ca_file = ca ? ca_file : NULL;
	*h = http_create(&conf, 1, &e);
	assert_non_null(*h);
	http_request_reset(&q);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", port);
	q.url = url;
	q.timeout_ms = 3000;
	return client_send(*h, &q);
}

static void
refuses(const struct tls_server *s, const char *ca, const char *error)
{
	struct http *h;
	struct http_reply reply = get(&h, ca, s->port);

	assert_int_equal(reply.status, 0);
	assert_non_null(reply.error);
	if (strncmp(reply.error, error, strlen(error)) != 0)
		fail_msg("%s", reply.error);
	assert_false(reply.refused);
	assert_true(reply.is_unsent);
	assert_int_equal(reply.timing.first_byte_ms, -1);
	http_destroy(h);
}

static void
a_certificate_of_ours_is_accepted(void **state)
{
	struct tls_server s = tls_start("good", false);
	struct http *h;
	struct http_reply reply = get(&h, "good.pem", s.port);

	(void)state;
	assert_null(reply.error);
	assert_int_equal(reply.status, 200);
	assert_in_range(reply.timing.tls_ms, 0, 3000);
	assert_in_range(reply.timing.tls_ms, reply.timing.connect_ms, 3000);
	/* Again, by the session that is known now. */
	reply = client_send(h, &q);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body, "Reused, TLSv1.3"));
	http_destroy(h);
	tls_stop(&s);
}

static void
any_other_is_not(void **state)
{
	struct tls_server s = tls_start("good", false);

	(void)state;
	refuses(&s, NULL, "certificate not accepted: self-signed certificate");
	refuses(&s, "other.pem", "certificate not accepted: self-signed certificate");
	refuses(&s, "nothing.pem", "the file EGRESS_CA_FILE names holds no certificates");
	tls_stop(&s);
	s = tls_start("other", false);
	refuses(&s, "other.pem",
	    "certificate not accepted: no alternative certificate subject name matches target");
	tls_stop(&s);
}

static void
old_versions_are_not_spoken(void **state)
{
	struct tls_server s = tls_start("good", true);

	(void)state;
	refuses(&s, "good.pem", "TLS failed: ");
	tls_stop(&s);
}

static void
serve_plain(struct server *s, int fd)
{
	(void)s;
	server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	server_wait_gone(fd, 5000);
}

static void
serve_silence(struct server *s, int fd)
{
	(void)s;
	server_wait_gone(fd, 10000);
}

static void
a_handshake_that_is_none_is_told(void **state)
{
	static struct server server;
	struct http *h;
	struct http_reply reply;

	(void)state;
	server_start(&server, serve_plain);
	reply = get(&h, "good.pem", server.port);
	assert_non_null(reply.error);
	assert_memory_equal(reply.error, "TLS failed: ", strlen("TLS failed: "));
	assert_non_null(strstr(reply.error, "wrong version number"));
	http_destroy(h);
	server_stop(&server);

	server_start(&server, serve_silence);
	reply = get(&h, "good.pem", server.port);
	assert_string_equal(reply.error, "could not connect with TLS: timed out after 3 s");
	assert_int_equal(reply.timing.tls_ms, -1);
	http_destroy(h);
	server_stop(&server);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	make_certificate("good", "DNS:localhost,IP:127.0.0.1");
	make_certificate("other", "DNS:other.test");
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const files[] = { "good.pem", "good.key", "other.pem", "other.key" };
	char path[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_of_ours_is_accepted),
		cmocka_unit_test(any_other_is_not),
		cmocka_unit_test(old_versions_are_not_spoken),
		cmocka_unit_test(a_handshake_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
