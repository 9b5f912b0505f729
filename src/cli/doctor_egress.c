/*
 * doctor_egress - where outgoing calls may go, what they trust, and whether names resolve.
 */
#include "cli/doctor.h"
#include "db/db.h"
#include "http/guard.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	EGRESS_HOST_MAX = 256,
	EGRESS_TEXT_MAX = INET6_ADDRSTRLEN + 8,
};

/* What a webhook should never reach.  In the order of how bad it is: one is named per range. */
struct egress_danger {
	struct conf_cidr range;
	const char *what;
};

static const struct egress_danger *egress_danger(const struct conf_cidr *);
static bool egress_overlap(const struct conf_cidr *, const struct conf_cidr *);
static char *egress_text(const struct conf_cidr *, char to[static EGRESS_TEXT_MAX]);
static void egress_certificates(struct doctor *);
static int egress_count_certificates(FILE *from);
static bool names_host(const char *url, char to[static EGRESS_HOST_MAX]);
static void names_resolve(struct doctor *, const char *host);

#define EGRESS_V4(a, b, bits)                                                                      \
	{                                                                                          \
		.address = { .s6_addr = { [10] = 0xff, 0xff, (a), (b) } },                         \
		.prefix_bits = 96 + (bits),                                                        \
	}

static const struct egress_danger egress_dangers[] = {
	{ EGRESS_V4(169, 254, 16), "link-local addresses, and with 169.254.169.254 the keys that a "
				   "cloud gives this machine" },
	{ { .address = { .s6_addr = { 0xfe, 0x80 } }, .prefix_bits = 10 }, "link-local addresses" },
	{ EGRESS_V4(127, 0, 8), "this host's own services" },
	{ { .address = { .s6_addr = { [15] = 1 } }, .prefix_bits = 128 },
	    "this host's own services" },
};

void
doctor_egress(struct doctor *d)
{
	unsigned warned = d->counts[DOCTOR_WARN];
	char text[EGRESS_TEXT_MAX];

	for (size_t i = 0; i < d->conf.egress_allow_count; i++) {
		const struct conf_cidr *range = &d->conf.egress_allow[i];
		const struct egress_danger *danger = egress_danger(range);

		/* 0.0.0.0/0 has 96 bits here. */
		if (range->prefix_bits <= 96 && danger)
			doctor_warn(d, "name the addresses that webhooks need, and no more",
			    "EGRESS_ALLOW has %s: outgoing calls may reach everything, %s included",
			    egress_text(range, text), danger->what);
		else if (danger)
			doctor_warn(d, "take it out, unless this machine is for trying things out",
			    "EGRESS_ALLOW has %s: webhooks may reach %s", egress_text(range, text),
			    danger->what);
	}
	if (d->conf.egress_allow_count == 0)
		doctor_ok(d, "public addresses alone are open to outgoing calls");
	else if (d->counts[DOCTOR_WARN] == warned)
		doctor_ok(d,
		    "%zu ranges of EGRESS_ALLOW are open to outgoing calls, none of them dangerous",
		    d->conf.egress_allow_count);
	egress_certificates(d);
}

/* One enabled endpoint stands for all. */
void
doctor_names(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = d->has_schema ? doctor_query(d, SQL_DOCTOR_ENDPOINT) : NULL;
	char host[EGRESS_HOST_MAX];

	if (!rows)
		return;
	if (PQntuples(rows) == 0)
		doctor_ok(d, "no endpoint is enabled: nothing to look up");
	else if (!names_host(db_text(rows, 0, "url"), host))
		doctor_warn(
		    d, "correct app_webhooks.url", "an enabled endpoint's url names no host");
	else
		names_resolve(d, host);
}

void
doctor_proxies(struct doctor *d)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY", NULL };
	bool found = false;

	for (const char *const *name = names; *name; name++) {
		const char *value = getenv(*name);

		if (!value || !*value)
			continue;
		found = true;
		doctor_warn(d, "unset it, or let the network route outgoing calls",
		    "%s is set, and has no effect: behind a proxy no address could be checked",
		    *name);
	}
	if (!found)
		doctor_ok(d, "none is set; outgoing calls go straight");
}

static const struct egress_danger *
egress_danger(const struct conf_cidr *range)
{
	for (size_t i = 0; i < sizeof(egress_dangers) / sizeof(*egress_dangers); i++)
		if (egress_overlap(&egress_dangers[i].range, range))
			return &egress_dangers[i];
	return NULL;
}

/* Two ranges overlap where one lies in the other. */
static bool
egress_overlap(const struct conf_cidr *a, const struct conf_cidr *b)
{
	unsigned bits = a->prefix_bits < b->prefix_bits ? a->prefix_bits : b->prefix_bits;
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(&a->address, &b->address, whole) != 0)
		return false;
	return rest == 0 || ((a->address.s6_addr[whole] ^ b->address.s6_addr[whole]) &
				(0xff << (8 - rest)) & 0xff) == 0;
}

static char *
egress_text(const struct conf_cidr *range, char to[static EGRESS_TEXT_MAX])
{
	bool is_v4 = IN6_IS_ADDR_V4MAPPED(&range->address) && range->prefix_bits >= 96;
	char address[INET6_ADDRSTRLEN] = "";

	if (is_v4)
		inet_ntop(AF_INET, &range->address.s6_addr[12], address, sizeof(address));
	else
		inet_ntop(AF_INET6, &range->address, address, sizeof(address));
	snprintf(to, EGRESS_TEXT_MAX, "%s/%u", address, range->prefix_bits - (is_v4 ? 96 : 0));
	return to;
}

/* That it can be read was looked at when the settings were. */
static void
egress_certificates(struct doctor *d)
{
	const char *path = d->conf.egress_ca_file;
	FILE *from = path ? fopen(path, "re") : NULL;
	int count;

	if (!from)
		return;
	count = egress_count_certificates(from);
	fclose(from);
	if (count == 0)
		doctor_fail(d, "a file of PEM certificates, or unset it for the system's",
		    "EGRESS_CA_FILE %s holds no certificate: no HTTPS endpoint is trusted", path);
	else
		doctor_ok(d, "EGRESS_CA_FILE holds %d certificates", count);
}

static int
egress_count_certificates(FILE *from)
{
	X509 *certificate;
	int count = 0;

	while ((certificate = PEM_read_X509(from, NULL, NULL, NULL))) {
		X509_free(certificate);
		count++;
	}
	ERR_clear_error(); /* the end of the file is one */
	return count;
}

static bool
names_host(const char *url, char to[static EGRESS_HOST_MAX])
{
	size_t origin = http_origin_len(url), len;
	const char *host;

	if (origin == 0)
		return false;
	host = strstr(url, "://") + 3;
	if (*host == '[')
		len = strcspn(++host, "]/?#");
	else
		len = strcspn(host, ":/?#");
	if (len == 0 || len >= EGRESS_HOST_MAX)
		return false;
	memcpy(to, host, len);
	to[len] = '\0';
	return true;
}

static void
names_resolve(struct doctor *d, const char *host)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int fault = getaddrinfo(host, NULL, &wanted, &found);
	bool is_allowed = false;

	if (fault != 0) {
		doctor_warn(d,
		    "does DNS work here (/etc/resolv.conf)? is the endpoint's url right?",
		    "%s, the host of an enabled endpoint, does not resolve: %s", host,
		    gai_strerror(fault));
		return;
	}
	for (const struct addrinfo *one = found; one; one = one->ai_next)
		is_allowed |= guard_allows(&d->conf, one->ai_addr, one->ai_addrlen);
	freeaddrinfo(found);
	if (is_allowed)
		doctor_ok(d, "%s, the host of an enabled endpoint, resolves", host);
	else
		doctor_warn(d, "name its address in EGRESS_ALLOW, if it is meant to be called",
		    "%s, the host of an enabled endpoint, has private addresses alone: its "
		    "deliveries are refused",
		    host);
}
