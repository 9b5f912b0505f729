/*
 * doctor_front - nginx as callers see it: alive, closed to strangers, TLS alone.
 *
 * Worker routes are called without a secret, so nothing runs; each such call counts as denied.
 */
#include "base/text.h"
#include "cli/doctor.h"
#include "gateway/route.h"
#include "http/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	FRONT_TIMEOUT_MS = 5000,
	FRONT_WAIT_MS = 250,
	FRONT_URL_MAX = 2048,
	FRONT_CODE_MAX = 64,
	FRONT_CERTIFICATE_DAYS = 14,
};

struct front {
	struct doctor *d;
	struct conf conf; /* ours, with every address allowed: the service may be on this host */
	struct http *http;
	struct http_request request;
	struct http_reply reply;
	char code[FRONT_CODE_MAX]; /* of the reply's JSON, or its status of health */
	bool is_tls;
	bool is_listed;  /* this host's address may call */
	bool is_refused; /* it may not */
};

static void front_look(struct front *);
static int front_health(struct front *);
static void front_ready(struct front *);
static void front_workers(struct front *);
static bool front_worker(struct front *, const char *path);
static bool front_asks_for_secret(const struct front *);
static void front_tls(struct front *, int64_t certificate_ends_s, bool has_hsts);
static void front_plain(struct front *);
static void front_address(struct front *);
static void front_pretend(struct front *);
static const char *front_worker_path(void);
static void front_call(struct front *, const char *origin, const char *path, const char *forwarded);
static void front_read_code(struct front *);

/* TEST-NET-3 of RFC 5737: no allowlist has it. */
#define FRONT_STRANGER "203.0.113.9"
/* On every allowlist of ours. */
#define FRONT_LISTED "127.0.0.1, 116.203.134.67"

void
doctor_front(struct doctor *d)
{
	struct front f = { .d = d, .conf = d->conf };
	struct err e = { .code = ERR_OK };

	if (!d->conf.app_url) {
		doctor_warn(d, "APP_URL=https://cron.example.com, as callers have it",
		    "APP_URL is unset: nginx is not looked at");
		return;
	}
	f.is_tls = text_has_prefix_nocase(d->conf.app_url, "https://");
	/* ::/0 is all there is, IPv4 in its mapped form included. */
	f.conf.egress_allow_count = 1;
	f.conf.egress_allow[0] = (struct conf_cidr){ .prefix_bits = 0 };
	f.http = http_create(&f.conf, 1, &e);
	if (f.http)
		front_look(&f);
	else
		doctor_fail(d, "see the message", "%s", e.message);
	http_destroy(f.http);
}

static void
front_look(struct front *f)
{
	if (front_health(f) != 0)
		return;
	front_ready(f);
	front_workers(f);
	if (f->is_tls)
		front_plain(f);
	front_address(f);
}

/* -1: nothing else can be asked. */
static int
front_health(struct front *f)
{
	const char *url = f->d->conf.app_url;

	f->request.inspect = true;
	front_call(f, url, "/healthz", NULL);
	if (f->reply.status == 0) {
		doctor_fail(f->d,
		    strncmp(f->reply.error, "certificate", strlen("certificate")) == 0
			? "a certificate for this name that callers trust; to trust one of your "
			  "own: /usr/local/share/ca-certificates/NAME.crt, update-ca-certificates "
			  "(EGRESS_CA_FILE instead would have to hold all receivers', too)"
			: "is nginx running (else: nginx -t), is its site enabled, does APP_URL "
			  "name it?",
		    "%s/healthz: %s", url, f->reply.error);
		return -1;
	}
	if (f->reply.status != 200 || strcmp(f->code, "ok") != 0) {
		doctor_fail(f->d, "the site of nginx/ for this name, before any other",
		    "%s/healthz answers %d, and not as cronward does", url, f->reply.status);
		return -1;
	}
	doctor_ok(f->d, "%s/healthz answers", url);
	front_tls(f, f->reply.certificate_ends_s, f->reply.hsts != NULL);
	return 0;
}

static void
front_ready(struct front *f)
{
	front_call(f, f->d->conf.app_url, "/readyz", NULL);
	if (f->reply.status == 200 && strcmp(f->code, "ready") == 0)
		doctor_ok(f->d, "/readyz says that the pools reach the database");
	else
		doctor_fail(f->d, "see the pools' log; is their DATABASE_URL this one?",
		    "/readyz answers %d %s", f->reply.status, f->code);
}

static void
front_workers(struct front *f)
{
	unsigned closed = 0, all = 0;

	for (const struct route *route = routes; route->path; route++) {
		if (!route->worker)
			continue;
		all++;
		closed += front_worker(f, route->path);
	}
	if (closed == all)
		doctor_ok(f->d, "%u worker routes are closed to calls without a secret", all);
}

/* Whether it is closed; else it has been said. */
static bool
front_worker(struct front *f, const char *path)
{
	front_call(f, f->d->conf.app_url, path, NULL);
	f->is_listed |= front_asks_for_secret(f);
	f->is_refused |= strcmp(f->code, "address_denied") == 0;
	if (front_asks_for_secret(f) ||
	    (f->reply.status == 403 && strcmp(f->code, "address_denied") == 0) ||
	    (f->reply.status == 403 && strcmp(f->code, "https_required") == 0 && !f->is_tls))
		return true;
	if (f->reply.status >= 200 && f->reply.status < 300)
		doctor_fail(f->d, "take it off the net, then see what nginx passes these calls to",
		    "%s answers %d without a secret: anybody may run workers", path,
		    f->reply.status);
	else if (f->reply.status == 429)
		doctor_warn(f->d, "run this again in a minute",
		    "%s: this host has made too many calls", path);
	else
		doctor_fail(f->d, "the locations of nginx/cronward/routes.conf",
		    "%s answers %d %s, where 401 unauthorized is right", path, f->reply.status,
		    f->code[0]       ? f->code
		    : f->reply.error ? f->reply.error
				     : "");
	return false;
}

/* In cronward's words: others, such as a load balancer with nobody behind it, have these numbers,
 * too.
 */
static bool
front_asks_for_secret(const struct front *f)
{
	return (f->reply.status == 401 && strcmp(f->code, "unauthorized") == 0) ||
	       (f->reply.status == 503 && strcmp(f->code, "not_configured") == 0);
}

static void
front_tls(struct front *f, int64_t certificate_ends_s, bool has_hsts)
{
	int64_t days = -doctor_days_since(certificate_ends_s);

	if (!f->is_tls) {
		doctor_warn(f->d, "a certificate, and APP_URL=https://…",
		    "%s is plain HTTP: whoever is on the way can read the secrets",
		    f->d->conf.app_url);
		return;
	}
	if (!has_hsts)
		doctor_warn(f->d,
		    "add_header Strict-Transport-Security, as in nginx/cronward/limits.conf",
		    "no Strict-Transport-Security header");
	if (certificate_ends_s < 0)
		return;
	if (days < FRONT_CERTIFICATE_DAYS)
		doctor_warn(f->d, "renew it (certbot renew), and reload nginx",
		    "the certificate ends in %" PRId64 " days", days);
	else
		doctor_ok(f->d, "TLS; the certificate is good for another %" PRId64 " days", days);
}

/* Plain HTTP on the same port, which is 80 where APP_URL names none. */
static void
front_plain(struct front *f)
{
	const char *path = front_worker_path();
	char origin[FRONT_URL_MAX];

	snprintf(origin, sizeof(origin), "http://%s", f->d->conf.app_url + strlen("https://"));
	front_call(f, origin, path, NULL);
	if (front_asks_for_secret(f) || (f->reply.status >= 200 && f->reply.status < 300))
		doctor_fail(f->d, "include cronward/routes-refused.conf in the server for port 80",
		    "%s%s answers %d: callers may send their secrets in the clear", origin, path,
		    f->reply.status);
	else if (f->reply.status >= 300 && f->reply.status < 400)
		doctor_warn(f->d, "include cronward/routes-refused.conf in the server for port 80",
		    "%s redirects worker routes: cron services do not follow, and the secret has "
		    "gone out in the clear by then",
		    origin);
	else if (f->reply.status == 0)
		doctor_ok(f->d, "%s does not answer", origin);
	else
		doctor_ok(f->d, "%s serves no worker route", origin);
}

static void
front_address(struct front *f)
{
	if (f->is_listed)
		doctor_ok(f->d, "this host's address is on the allowlist");
	else if (f->is_refused)
		doctor_ok(f->d, "this host's address is not on the allowlist: the check of the "
				"routes stops there; for more, run this from a host that is");
	if (f->is_listed || f->is_refused)
		front_pretend(f);
}

/* Whether a header changes what nginx takes for the caller's address. */
static void
front_pretend(struct front *f)
{
	const char *path = front_worker_path();

	front_call(f, f->d->conf.app_url, path, f->is_listed ? FRONT_STRANGER : FRONT_LISTED);
	if (f->reply.status == 0 || f->reply.status == 429)
		return;
	if (f->is_listed == (strcmp(f->code, "address_denied") == 0))
		doctor_warn(f->d,
		    "right only if this host is one of your proxies; else take it out of "
		    "set_real_ip_from (nginx/cronward/realip.conf)",
		    "X-Forwarded-For from this host is believed: it can pretend to be anybody");
	else
		doctor_ok(f->d, "X-Forwarded-For changes nothing");
}

/* Any of them. */
static const char *
front_worker_path(void)
{
	const struct route *route = routes;

	while (route[1].path && !route->worker)
		route++;
	return route->path;
}

/* POST for worker routes, GET for the others; ${forwarded} NULL: no such header. */
static void
front_call(struct front *f, const char *origin, const char *path, const char *forwarded)
{
	char url[FRONT_URL_MAX];
	bool inspect = f->request.inspect;
	void *owner;

	snprintf(url, sizeof(url), "%s%s", origin, path);
	http_request_reset(&f->request);
	f->request.url = url;
	f->request.timeout_ms = FRONT_TIMEOUT_MS;
	f->request.inspect = inspect;
	if (strncmp(path, "/api/", strlen("/api/")) == 0)
		f->request.body = "";
	if (forwarded)
		http_header(&f->request, "X-Forwarded-For", forwarded);
	http_start(f->http, &f->request, NULL);
	while (!http_next(f->http, &f->reply, &owner))
		http_wait(f->http, -1, 0, FRONT_WAIT_MS);
	front_read_code(f);
	f->request.inspect = false;
}

static void
front_read_code(struct front *f)
{
	json_auto_t *body =
	    f->reply.body ? json_loadb(f->reply.body, f->reply.body_len, 0, NULL) : NULL;
	const char *code = json_string_value(json_object_get(body, "code"));

	if (!code)
		code = json_string_value(json_object_get(body, "status"));
	snprintf(f->code, sizeof(f->code), "%s", code ? code : "");
}
