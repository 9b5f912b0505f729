/*
 * Where requests must not go, however it is spelled: a canary that listens on loopback counts
 * connections, and there are none.
 *
 * Host names are resolved by a getaddrinfo() of the test's own, which curl calls in its thread.
 */
#include "http_server.h"

#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum {
	SLOW_NAME_MS = 2000,
	URL_MAX = 2048,
};

static struct server canary;
static struct conf conf;
static struct http *h;
static struct http_request q;

/* name.test, and the address that it has; slow.test has one after two seconds. */
static const char *const names[][2] = {
	{ "inside.test", "127.0.0.1" },
	{ "slow.test", "127.0.0.1" },
	{ "metadata.test", "169.254.169.254" },
	{ "mapped.test", "::ffff:127.0.0.1" },
	{ "loopback6.test", "::1" },
	{ "other.test", "127.0.0.2" },
};

static atomic_int flips; /* flip.test: 127.0.0.2 at first, then 127.0.0.1 */

int
getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	size_t i;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!name)
		return EAI_NONAME;
	if (strcmp(name, "slow.test") == 0)
		poll(NULL, 0, SLOW_NAME_MS);
	if (strcmp(name, "flip.test") == 0)
		return real(atomic_fetch_add(&flips, 1) ? "127.0.0.1" : "127.0.0.2", service, hints,
		    result);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i][0]) == 0)
			return real(names[i][1], service, hints, result);
	return EAI_NONAME;
}

static void
serve_empty(struct server *s, int fd)
{
	while (server_read(s, fd))
		server_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
}

static int
set_up(void **state)
{
	(void)state;
	server_start(&canary, serve_empty);
	h = client_create(&conf, 4);
	conf.egress_allow_count = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	http_destroy(h);
	server_stop(&canary);
	return 0;
}

static struct http_reply
get(const char *url)
{
	http_request_reset(&q);
	q.url = url;
	q.timeout_ms = 500;
	return client_send(h, &q);
}

static void
refuses(const char *url)
{
	struct http_reply reply = get(url);

	if (!reply.error || reply.status != 0 || !reply.refused)
		fail_msg("%s: status %d, refused %d, %s", url, reply.status, reply.refused,
		    reply.error ? reply.error : "no error");
	assert_int_equal(canary.connections, 0);
}

/* Each form takes the port of the canary as its %d. */
static void
no_spelling_of_an_address_gets_through(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "127.1", "127.0.1", "127.255.255.254",
		"2130706433", "0x7f000001", "0x7f.0.0.1", "0X7F.1", "017700000001", "0177.0.0.1",
		"0177.0x0.0.1", "00000177.0.0.1", "0", "0.0.0.0", "0x0", "00", "0.0", "1",
		"10.0.0.1", "10.1", "167772161", "0xa000001", "172.16.0.1", "192.168.0.1",
		"192.168.1", "3232235777", "169.254.169.254", "2852039166", "0xa9fea9fe",
		"0251.0376.0251.0376", "100.64.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::]",
		"[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]",
		"[::ffff:7f00:1]", "[::FFFF:7F00:0001]", "[::ffff:10.0.0.1]",
		"[::ffff:169.254.169.254]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]",
		"[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]",
		"[2001:0:7f00:1:0:0:fefe:fefe]", "[2001:db8::1]", "[100::1]", "[fc00::1]",
		"[fd00:ec2::254]", "[fe80::1]", "[fe80::1%25lo]", "[fec0::1]", "[ff02::1]",
		"[::1%25lo]", "localhost", "LOCALHOST", "foo.localhost", "localhost.", "127.0.0.1.",
		"%31%32%37.0.0.1", "inside.test", "metadata.test", "mapped.test",
		"loopback6.test" };
	char url[SERVER_URL_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		struct http_reply reply;

		snprintf(url, sizeof(url), "http://%s:%d/", hosts[i], canary.port);
		reply = get(url);
		/* Some are names that nobody has; none is a success. */
		if (!reply.error || reply.status != 0)
			fail_msg("%s: status %d", url, reply.status);
		snprintf(url, sizeof(url), "https://%s:%d/", hosts[i], canary.port);
		reply = get(url);
		assert_non_null(reply.error);
		assert_int_equal(canary.connections, 0);
	}
	/* The canary is alive. */
	inet_pton(AF_INET6, "::ffff:127.0.0.0", &conf.egress_allow[0].address);
	conf.egress_allow_count = 1;
	snprintf(url, sizeof(url), "http://0x7f.1:%d/", canary.port);
	assert_int_equal(get(url).status, 204);
	snprintf(url, sizeof(url), "http://inside.test:%d/", canary.port);
	assert_int_equal(get(url).status, 204);
}

static void
the_refused_address_is_named(void **state)
{
	static const struct {
		const char *url, *error;
	} cases[] = {
		{ "http://127.0.0.1/",
		    "address 127.0.0.1 is not public (EGRESS_ALLOW has no range for it)" },
		{ "http://2130706433/",
		    "address 127.0.0.1 is not public (EGRESS_ALLOW has no range for it)" },
		{ "http://inside.test/",
		    "address 127.0.0.1 is not public (EGRESS_ALLOW has no range for it)" },
		{ "https://metadata.test/latest",
		    "address 169.254.169.254 is not public (EGRESS_ALLOW has no range for it)" },
		{ "http://[::ffff:10.0.0.1]/",
		    "address ::ffff:10.0.0.1 is not public (EGRESS_ALLOW has no range for it)" },
		{ "http://[fd00::1]/",
		    "address fd00::1 is not public (EGRESS_ALLOW has no range for it)" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		refuses(cases[i].url);
		assert_string_equal(get(cases[i].url).error, cases[i].error);
	}
}

static void
only_http_urls_without_credentials_are_sent(void **state)
{
	static const char *const urls[] = { "file:///etc/passwd", "FILE:///etc/passwd",
		"file://127.0.0.1/etc/passwd", "ftp://127.0.0.1:%d/", "gopher://127.0.0.1:%d/_x",
		"dict://127.0.0.1:%d/d:x", "ldap://127.0.0.1:%d/", "smb://127.0.0.1/x",
		"telnet://127.0.0.1:%d", "tftp://127.0.0.1/x", "imap://127.0.0.1:%d/",
		"smtp://127.0.0.1:%d", "scp://127.0.0.1/x", "mqtt://127.0.0.1:%d/x",
		"ws://127.0.0.1:%d/", "httpx://127.0.0.1/", "javascript:alert(1)", "", "x",
		"127.0.0.1:%d", "//127.0.0.1:%d/", "http:/127.0.0.1:%d/", "http:127.0.0.1:%d",
		"http://", "http:///127.0.0.1:%d/", "http://user@127.0.0.1:%d/",
		"http://user:secret@127.0.0.1:%d/", "http://:@127.0.0.1:%d/",
		"http://a@b@127.0.0.1:%d/", "http://1.1.1.1\\@127.0.0.1:%d/",
		"http://1.1.1.1 @127.0.0.1:%d/", "http://127.0.0.1:%d/ x", " http://127.0.0.1:%d/",
		"http://127.0.0.1:%d/\r\nX-Injected: 1", "http://127.0.0.1:%d/\n",
		"http://127.0.0.1:%d/\tx", "http://127.0.0.1:%d/\x7f", "http://127.0.0.1:%d/\x01",
		"http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1:x/",
		"http://[127.0.0.1]:%d/", "http://[::1:%d/", "http://a\\b/" };
	char url[SERVER_URL_MAX];
	size_t i;

	(void)state;
	/* It is the form that is refused, not the address. */
	conf.egress_allow_count = 1;
	memset(&conf.egress_allow[0], 0, sizeof(conf.egress_allow[0]));
	for (i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(url, sizeof(url), urls[i], canary.port);
#pragma GCC diagnostic pop
		refuses(url);
		assert_null(strstr(get(url).error, "secret"));
	}
	http_request_reset(&q);
	q.timeout_ms = 500;
	assert_true(client_send(h, &q).refused);
	assert_int_equal(canary.connections, 0);
}

static void
urls_have_a_limit(void **state)
{
	char url[URL_MAX + 2];
	int len;

	(void)state;
	conf.egress_allow_count = 1;
	len = snprintf(url, sizeof(url), "http://127.0.0.1:%d/", canary.port);
	memset(url + len, 'u', sizeof(url) - (size_t)len);
	url[URL_MAX + 1] = '\0';
	refuses(url);
	url[URL_MAX] = '\0';
	assert_int_equal(get(url).status, 204);
}

static void
a_refused_header_keeps_the_request_here(void **state)
{
	char url[SERVER_URL_MAX];
	struct http_reply reply;

	(void)state;
	conf.egress_allow_count = 1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", canary.port);
	http_request_reset(&q);
	q.url = url;
	q.timeout_ms = 500;
	http_header(&q, "x", "1\r\nx-injected: 2");
	reply = client_send(h, &q);
	assert_true(reply.refused);
	assert_string_equal(reply.error, "a header value holds a control character");
	assert_int_equal(reply.status, 0);
	assert_string_equal(reply.body, "");
	assert_int_equal(reply.timing.total_ms, -1);
	assert_int_equal(canary.connections, 0);
}

/* A canary as proxy, and a .netrc with a password for everything: neither has any effect. */
static void
the_environment_changes_nothing(void **state)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTP_PROXY",
		"HTTPS_PROXY", "ALL_PROXY", "all_proxy" };
	static struct server target;
	char url[SERVER_URL_MAX], folder[] = "/tmp/http_egress_XXXXXX", netrc[64];
	struct conf other_conf;
	struct http *other;
	FILE *file;
	size_t i;

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", canary.port);
	for (i = 0; i < sizeof(proxies) / sizeof(*proxies); i++)
		setenv(proxies[i], url, 1);
	assert_non_null(mkdtemp(folder));
	snprintf(netrc, sizeof(netrc), "%s/.netrc", folder);
	file = fopen(netrc, "w");
	assert_non_null(file);
	fputs("default login somebody password secret\n", file);
	fclose(file);
	setenv("HOME", folder, 1);
	setenv("NETRC", netrc, 1);

	server_start(&target, serve_empty);
	other = client_create(&other_conf, 1);
	assert_int_equal(client_post(other, &target, 2000).status, 204);
	assert_memory_equal(target.request, "POST /hook HTTP/1.1\r\n", 21);
	assert_null(strcasestr(target.request, "authorization"));
	assert_null(strstr(target.request, "secret"));
	assert_int_equal(canary.connections, 0);

	for (i = 0; i < sizeof(proxies) / sizeof(*proxies); i++)
		unsetenv(proxies[i]);
	unsetenv("NETRC");
	unlink(netrc);
	rmdir(folder);
	http_destroy(other);
	server_stop(&target);
}

/* The address is judged when it is connected to, whatever the name meant before. */
static void
a_name_that_changes_its_address_is_judged_again(void **state)
{
	char url[SERVER_URL_MAX];

	(void)state;
	inet_pton(AF_INET6, "::ffff:127.0.0.2", &conf.egress_allow[0].address);
	conf.egress_allow[0].prefix_bits = 128;
	conf.egress_allow_count = 1;
	atomic_store(&flips, 0);
	snprintf(url, sizeof(url), "http://flip.test:%d/", canary.port);
	/* Allowed, and nobody listens there. */
	assert_string_equal(get(url).error, "could not connect: Connection refused");
	assert_false(get(url).refused);
	/* A client of its own, so that nothing remembers the first answer. */
	http_destroy(h);
	h = http_create(&conf, 1, &(struct err){ 0 });
	refuses(url);
	assert_int_equal(atomic_load(&flips), 2);
}

static void
names_that_nobody_has_are_told(void **state)
{
	struct http_reply reply;

	(void)state;
	reply = get("http://nobody.test/");
	assert_string_equal(reply.error, "the host name does not resolve");
	assert_false(reply.refused);
	assert_true(reply.is_unsent);
	assert_int_equal(reply.timing.connect_ms, -1);
}

/* Neither the lookup's own end nor another transfer waits for its thread. */
static void
a_slow_name_holds_up_nobody(void **state)
{
	int64_t start_ms = clock_mono_ms();
	struct http_reply reply;
	void *owner = NULL;
	int slow;

	(void)state;
	http_request_reset(&q);
	q.url = "http://slow.test/";
	q.timeout_ms = 300;
	assert_int_equal(http_start(h, &q, &slow), 0);
	reply = client_reply(h, &owner);
	assert_string_equal(reply.error, "looking up the host name timed out after 300 ms");
	assert_in_range(clock_mono_ms() - start_ms, 250, SLOW_NAME_MS - 500);
	refuses("http://127.0.0.1/");
	assert_in_range(clock_mono_ms() - start_ms, 250, SLOW_NAME_MS - 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    no_spelling_of_an_address_gets_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_refused_address_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    only_http_urls_without_credentials_are_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(urls_have_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_refused_header_keeps_the_request_here, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_environment_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_name_that_changes_its_address_is_judged_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_that_nobody_has_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slow_name_holds_up_nobody, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
