/*
 * Addresses, one by one: which are public, and what EGRESS_ALLOW changes.
 */
#include "http/guard.h"

#include "base/conf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static struct conf conf;

static bool
allows(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return guard_allows(&conf, (struct sockaddr *)&v4, sizeof(v4));
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
		fail_msg("%s is no address", text);
	return guard_allows(&conf, (struct sockaddr *)&v6, sizeof(v6));
}

static void
allow(const char *address, unsigned bits)
{
	struct conf_cidr *c = &conf.egress_allow[conf.egress_allow_count++];

	assert_int_equal(inet_pton(AF_INET6, address, &c->address), 1);
	c->prefix_bits = bits;
}

static int
forget(void **state)
{
	(void)state;
	memset(&conf, 0, sizeof(conf));
	return 0;
}

static void
public_addresses_pass(void **state)
{
	static const char *const addresses[] = { "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "116.203.129.16", "126.255.255.255",
		"128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.0.3.0", "192.31.195.255", "192.31.197.0",
		"192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0",
		"192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0",
		"198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255",
		"203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8", "2000::1", "2001:200::1",
		"2001:4860:4860::8888", "2001:db7::1", "2001:db9::1", "2003::1",
		"2600::", "2606:4700:4700::1111", "2620:4f:7fff::1", "2620:4f:8001::1",
		"2a00:1450:4001:81b::200e", "3fff:1000::1", "3ffe::1" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		if (!allows(addresses[i]))
			fail_msg("%s is refused", addresses[i]);
}

/* Each block of the two registries: its first and its last address. */
static void
special_addresses_do_not(void **state)
{
	static const char *const addresses[] = { "0.0.0.0", "0.255.255.255", "10.0.0.0",
		"10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.0.0.1",
		"127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255",
		"172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.9",
		"192.0.0.170", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.31.196.0",
		"192.31.196.255", "192.52.193.0", "192.52.193.255", "192.88.99.0", "192.88.99.255",
		"192.168.0.0", "192.168.255.255", "192.175.48.0", "192.175.48.255", "198.18.0.0",
		"198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255",
		"224.0.0.0", "224.0.0.251", "239.255.255.255", "240.0.0.0", "255.255.255.254",
		"255.255.255.255", "::", "::1", "::2",
		"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "100::1", "100:0:0:1::1",
		"2001:1::1", "2001:1::2", "2001:1::3", "2001:2::1", "2001:3::1", "2001:4:112::1",
		"2001:10::1", "2001:1f:ffff::", "2001:20::1", "2001:30::1",
		"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
		"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::1",
		"3fff::1", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::1", "1fff:ffff::1",
		"4000::1", "8000::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1", "fe80::1",
		"febf::1", "fec0::1", "ff00::1", "ff02::1",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		if (allows(addresses[i]))
			fail_msg("%s passes", addresses[i]);
}

/* The forms that carry an IPv4 address are as public as that address. */
static void
forms_with_ipv4_inside_are_judged_by_it(void **state)
{
	static const char *const good[] = { "::ffff:1.1.1.1", "::ffff:808:808", "64:ff9b::8.8.8.8",
		"64:ff9b::101:101", "2002:808:808::1", "2002:101:101:ffff::",
		/* Teredo: the server 8.8.8.8, the client 1.1.1.1 with all bits turned. */
		"2001:0:808:808:0:0:fefe:fefe" };
	static const char *const bad[] = { "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:7f00:1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:192.168.1.1",
		"::ffff:255.255.255.255", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1",
		"64:ff9b::169.254.169.254", "64:ff9b::c0a8:101", "2002:7f00:1::", "2002:a00:1::1",
		"2002:a9fe:a9fe::1", "2002:c0a8:101:1:2:3:4:5", "2002:e000:1::",
		/* Teredo: a private client, a private server. */
		"2001:0:808:808:0:0:80ff:fffe", "2001:0:808:808:0:0:f5ff:fffe",
		"2001:0:7f00:1:0:0:fefe:fefe", "2001:0:a00:1:0:0:fefe:fefe",
		/* Forms of old: IPv4-compatible, IPv4-translated. */
		"::127.0.0.1", "::10.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1",
		"::ffff:0:8.8.8.8" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!allows(good[i]))
			fail_msg("%s is refused", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (allows(bad[i]))
			fail_msg("%s passes", bad[i]);
}

static void
ranges_of_the_operator_pass_and_nothing_beside_them(void **state)
{
	(void)state;
	allow("::ffff:10.1.0.0", 96 + 16);
	allow("::ffff:127.0.0.1", 128);
	allow("fd12:3456::", 32);
	allow("::ffff:192.168.128.0", 96 + 17);
	assert_true(allows("10.1.0.0"));
	assert_true(allows("10.1.255.255"));
	assert_true(allows("::ffff:10.1.2.3"));
	assert_true(allows("127.0.0.1"));
	assert_true(allows("fd12:3456:789a::1"));
	assert_true(allows("192.168.128.0"));
	assert_true(allows("192.168.255.255"));
	assert_true(allows("8.8.8.8"));
	assert_false(allows("10.0.255.255"));
	assert_false(allows("10.2.0.0"));
	assert_false(allows("127.0.0.2"));
	assert_false(allows("127.0.0.0"));
	assert_false(allows("fd12:3457::1"));
	assert_false(allows("192.168.127.255"));
	assert_false(allows("::1"));
	/* What is named is the IPv4 address, not a tunnel to it. */
	assert_false(allows("64:ff9b::10.1.0.1"));
	assert_false(allows("2002:a01:1::1"));
}

static void
everything_may_be_allowed(void **state)
{
	(void)state;
	allow("::ffff:0.0.0.0", 96);
	assert_true(allows("10.0.0.1"));
	assert_true(allows("255.255.255.255"));
	assert_false(allows("::1"));
	forget(NULL);
	allow("::", 0);
	assert_true(allows("::1"));
	assert_true(allows("ff02::1"));
	assert_true(allows("10.0.0.1"));
}

static void
what_is_no_ip_address_does_not_pass(void **state)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	(void)state;
	allow("::", 0);
	inet_pton(AF_INET, "8.8.8.8", &v4.sin_addr);
	inet_pton(AF_INET6, "2606:4700:4700::1111", &v6.sin6_addr);
	assert_true(guard_allows(&conf, (struct sockaddr *)&v4, sizeof(v4)));
	assert_true(guard_allows(&conf, (struct sockaddr *)&v6, sizeof(v6)));
	assert_false(guard_allows(&conf, (struct sockaddr *)&local, sizeof(local)));
	assert_false(guard_allows(&conf, (struct sockaddr *)&v4, sizeof(v4) - 1));
	assert_false(guard_allows(&conf, (struct sockaddr *)&v6, sizeof(v4)));
	assert_false(guard_allows(&conf, (struct sockaddr *)&v6, 0));
	v4.sin_family = AF_UNSPEC;
	assert_false(guard_allows(&conf, (struct sockaddr *)&v4, sizeof(v4)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(public_addresses_pass, forget),
		cmocka_unit_test_setup(special_addresses_do_not, forget),
		cmocka_unit_test_setup(forms_with_ipv4_inside_are_judged_by_it, forget),
		cmocka_unit_test_setup(ranges_of_the_operator_pass_and_nothing_beside_them, forget),
		cmocka_unit_test_setup(everything_may_be_allowed, forget),
		cmocka_unit_test_setup(what_is_no_ip_address_does_not_pass, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
