/*
 * guard - which addresses outgoing requests may reach.
 *
 * Every address is brought into one form, IPv6 with IPv4 as ::ffff:a.b.c.d, and then compared with
 * two kinds of ranges: what EGRESS_ALLOW names, and what the IANA special-purpose registries
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, …-ipv6-special-registry) list.
 * Whatever stands there is refused, also the few blocks that are reachable for a purpose of their
 * own (AS112, AMT relays, anycast of PCP and TURN): no receiver of a webhook lives there.  Of
 * IPv6 only 2000::/3 is handed out as global unicast (RFC 4291, 2.4), so nothing else passes.
 */
#include "http/guard.h"

#include "base/conf.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	GUARD_IPV4_AT = 12, /* where the IPv4 address lies in an IPv4-mapped one */
};

/* A transition form that carries an IPv4 address: where the packet really ends. */
struct guard_carrier {
	struct conf_cidr range;
	size_t ipv4_at[2]; /* 0: none */
	uint8_t mask[2];   /* Teredo keeps its client's address inverted */
};

static bool guard_is_public(const struct in6_addr *);
static bool guard_is_public_ipv4(const uint8_t *, uint8_t mask);
static bool guard_is_in(const struct conf_cidr *, const struct in6_addr *);

#define GUARD_IPV4(a, b, c, bits)                                                                  \
	{                                                                                          \
		.address = { .s6_addr = { [10] = 0xff, 0xff, (a), (b), (c) } },                    \
		.prefix_bits = 96 + (bits),                                                        \
	}
#define GUARD_IPV6(bits, ...)                                                                      \
	{                                                                                          \
		.address = { .s6_addr = { __VA_ARGS__ } }, .prefix_bits = (bits),                  \
	}

static const struct conf_cidr guard_ipv4 = GUARD_IPV4(0, 0, 0, 0);
static const struct conf_cidr guard_global = GUARD_IPV6(3, 0x20);

static const struct guard_carrier guard_carriers[] = {
	{ GUARD_IPV6(96, 0x00, 0x64, 0xff, 0x9b), { 12 }, { 0 } },       /* NAT64, RFC 6052 */
	{ GUARD_IPV6(16, 0x20, 0x02), { 2 }, { 0 } },                    /* 6to4, RFC 3056 */
	{ GUARD_IPV6(32, 0x20, 0x01, 0x00), { 4, 12 }, { 0x00, 0xff } }, /* Teredo, RFC 4380 */
};

static const struct conf_cidr guard_special[] = {
	GUARD_IPV4(0, 0, 0, 8),                       /* this network */
	GUARD_IPV4(10, 0, 0, 8),                      /* private */
	GUARD_IPV4(100, 64, 0, 10),                   /* shared, carriers' NAT */
	GUARD_IPV4(127, 0, 0, 8),                     /* loopback */
	GUARD_IPV4(169, 254, 0, 16),                  /* link-local, the metadata of clouds */
	GUARD_IPV4(172, 16, 0, 12),                   /* private */
	GUARD_IPV4(192, 0, 0, 24),                    /* protocol assignments */
	GUARD_IPV4(192, 0, 2, 24),                    /* documentation */
	GUARD_IPV4(192, 31, 196, 24),                 /* AS112 */
	GUARD_IPV4(192, 52, 193, 24),                 /* AMT */
	GUARD_IPV4(192, 88, 99, 24),                  /* 6to4 relays, deprecated */
	GUARD_IPV4(192, 168, 0, 16),                  /* private */
	GUARD_IPV4(192, 175, 48, 24),                 /* AS112, delegated */
	GUARD_IPV4(198, 18, 0, 15),                   /* benchmarks */
	GUARD_IPV4(198, 51, 100, 24),                 /* documentation */
	GUARD_IPV4(203, 0, 113, 24),                  /* documentation */
	GUARD_IPV4(224, 0, 0, 4),                     /* multicast */
	GUARD_IPV4(240, 0, 0, 4),                     /* reserved, and the broadcast address */
	GUARD_IPV6(23, 0x20, 0x01, 0x00),             /* protocol assignments */
	GUARD_IPV6(32, 0x20, 0x01, 0x0d, 0xb8),       /* documentation */
	GUARD_IPV6(48, 0x26, 0x20, 0x00, 0x4f, 0x80), /* AS112, delegated */
	GUARD_IPV6(20, 0x3f, 0xff),                   /* documentation */
};

bool
guard_allows(const struct conf *conf, const struct sockaddr *address, socklen_t len)
{
	struct in6_addr where = guard_ipv4.address;
	size_t i;

	/* Copied out, because a sockaddr need not be aligned for what it holds. */
	if (len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET)
		memcpy(&where.s6_addr[GUARD_IPV4_AT],
		    (const char *)address + offsetof(struct sockaddr_in, sin_addr),
		    sizeof(struct in_addr));
	else if (len >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6)
		memcpy(&where, (const char *)address + offsetof(struct sockaddr_in6, sin6_addr),
		    sizeof(where));
	else
		return false;
	for (i = 0; i < conf->egress_allow_count; i++)
		if (guard_is_in(&conf->egress_allow[i], &where))
			return true;
	return guard_is_public(&where);
}

static bool
guard_is_public(const struct in6_addr *a)
{
	size_t i;

	for (i = 0; i < sizeof(guard_carriers) / sizeof(*guard_carriers); i++) {
		const struct guard_carrier *c = &guard_carriers[i];

		if (!guard_is_in(&c->range, a))
			continue;
		return guard_is_public_ipv4(&a->s6_addr[c->ipv4_at[0]], c->mask[0]) &&
		       (c->ipv4_at[1] == 0 ||
			   guard_is_public_ipv4(&a->s6_addr[c->ipv4_at[1]], c->mask[1]));
	}
	if (!guard_is_in(&guard_ipv4, a) && !guard_is_in(&guard_global, a))
		return false;
	for (i = 0; i < sizeof(guard_special) / sizeof(*guard_special); i++)
		if (guard_is_in(&guard_special[i], a))
			return false;
	return true;
}

static bool
guard_is_public_ipv4(const uint8_t *bytes, uint8_t mask)
{
	struct in6_addr inside = guard_ipv4.address;
	size_t i;

	for (i = 0; i < sizeof(struct in_addr); i++)
		inside.s6_addr[GUARD_IPV4_AT + i] = bytes[i] ^ mask;
	return guard_is_public(&inside);
}

static bool
guard_is_in(const struct conf_cidr *range, const struct in6_addr *a)
{
	unsigned whole = range->prefix_bits / 8, rest = range->prefix_bits % 8;

	if (memcmp(&range->address, a, whole) != 0)
		return false;
	return rest == 0 || ((range->address.s6_addr[whole] ^ a->s6_addr[whole]) &
				(0xff << (8 - rest)) & 0xff) == 0;
}
