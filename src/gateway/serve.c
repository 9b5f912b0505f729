/*
 * serve - init, then accept, answer, free, until told to stop.
 *
 * A process answers one call at a time.  It ends between two calls: on SIGTERM, SIGUSR1 or SIGINT
 * once it has answered what it accepted, after PROCESS_REQUESTS_MAX calls, and with its
 * supervisor.  Who starts it again is the supervisor's business, so what it cannot start without
 * is said in one line and slowly: multiwatch restarts a process 1,600 times a second.
 */
#include "gateway/serve.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "db/db.h"
#include "gateway/auth.h"
#include "gateway/call.h"
#include "gateway/listener.h"
#include "gateway/route.h"
#include "http/http.h"

#include <fcgiapp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	SERVE_LISTENING_FD = 0, /* where FastCGI puts the socket */
	SERVE_CONFIG_ERROR_PAUSE_S = 1,
};

static int serve_begin(struct conf *, struct listener *, struct err *);
static bool serve_follow_parent(void);
static void serve_warn_closed(struct conf *);
static void serve_warn_short(const struct conf *);
static int64_t serve_loop(struct gateway *, const struct listener *);
static void serve_flush(struct gateway *);

int
serve(void)
{
	struct conf conf;
	struct listener listener = { .fd = -1, .epoll = -1 };
	struct err e = { .code = ERR_OK };
	int64_t calls;

	if (serve_begin(&conf, &listener, &e) != 0) {
		struct log_line l;

		log_begin(&l, LOG_ERROR, "start");
		log_err(&l, &e);
		log_end(&l);
		listener_close(&listener);
		conf_finish(&conf);
		sleep(SERVE_CONFIG_ERROR_PAUSE_S);
		return 1;
	}
	struct gateway g = { .conf = &conf, .db = db_create(&conf), .arena = arena_create() };

	calls = serve_loop(&g, &listener);
	/* Not when the database was away just now: connecting could take longer than a stop may. */
	if (!g.denied.failing)
		serve_flush(&g);
	log_message(
	    LOG_INFO, "stop", "ended between two calls after %lld of them", (long long)calls);
	http_destroy(g.http);
	db_destroy(g.db);
	arena_destroy(g.arena);
	listener_close(&listener);
	conf_finish(&conf);
	return 0;
}

/* Everything that may fail before the first call.  ${conf} is to be finished either way. */
static int
serve_begin(struct conf *conf, struct listener *l, struct err *e)
{
	bool followed = serve_follow_parent();

	if (conf_load(conf, e) != 0)
		return -1;
	log_set_level(conf->log_level);
	if (!followed)
		return err_set(e, ERR_UNAVAILABLE, "the supervisor is gone already");
	/* libfcgi first: it installs handlers, and stop_setup() puts ours in their place. */
	if (FCGX_Init() != 0)
		return err_set(e, ERR_INTERNAL, "libfcgi cannot be used");
	stop_setup();
	if (listener_open(l, SERVE_LISTENING_FD, e) != 0)
		return -1;
	serve_warn_closed(conf);
	serve_warn_short(conf);
	log_message(LOG_INFO, "start", "cronward " CRONWARD_VERSION);
	return 0;
}

/*
 * No process outlives its supervisor.  False when that went before it could be watched: by then
 * somebody else is our parent, and that is one of another session.
 *
 * A session leader was put there on its own on purpose: spawn-fcgi without -n leaves such
 * processes behind, and they are to live.
 */
static bool
serve_follow_parent(void)
{
	pid_t parent = getppid(), session = getsid(0);

	if (session == getpid() || parent == 0)
		return true;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == parent && getsid(parent) == session;
}

/* One line for each secret that leaves routes closed. */
static void
serve_warn_closed(struct conf *conf)
{
	for (int which = 0; which < SECRET__MAX; which++) {
		struct text names = { .at = NULL };

		for (const struct route *route = routes; route->path; route++) {
			if (!(route->secrets & AUTH_SECRET(which)))
				continue;
			text_add_text(&names, names.len > 0 ? " " : "");
			text_add_text(&names, route->path);
		}
		if (names.len > 0)
			auth_warn(conf, AUTH_SECRET(which), names.at);
		text_finish(&names);
	}
}

/* Nobody has every provider; whoever gave one a secret means to be called by it. */
static void
serve_warn_short(const struct conf *conf)
{
	static const char payments[] = "/api/payments/webhook",
			  whatsapp[] = "/api/whatsapp/webhook";

	for (size_t i = 0; i < conf->providers_count; i++) {
		const struct provider *p = &conf->providers[i];
		char route[sizeof(payments) + 1 + PROVIDER_NAME_MAX];

		snprintf(route, sizeof(route), "%s/%s", payments, p->name);
		auth_warn_short(&p->secret, i == PRESET_PAYMENT ? payments : route);
	}
	auth_warn_short(conf_secret_as_read(conf, SECRET_META_APP), whatsapp);
	auth_warn_short(conf_secret_as_read(conf, SECRET_WHATSAPP_VERIFY), whatsapp);
}

/* Returns how many calls were answered. */
static int64_t
serve_loop(struct gateway *g, const struct listener *l)
{
	const int64_t calls_max = g->conf->process_requests_max;
	FCGX_Request q;
	int64_t calls = 0;

	FCGX_InitRequest(&q, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	while (!stop_requested() && (calls_max == 0 || calls < calls_max)) {
		int connection = listener_accept(l, denied_wait_ms(&g->denied));
		struct call call;

		if (connection >= 0 && listener_receive(&q, connection)) {
			call_answer(&call, g, &q);
			reply_send(&call.reply, q.out);
			listener_finish(&q);
			call.replied_ms = clock_mono_ms();
			if (call.afterwards)
				call.afterwards(&call);
			call_log(&call);
			arena_reset(g->arena);
			calls++;
		}
		if (denied_wait_ms(&g->denied) == 0)
			serve_flush(g);
	}
	return calls;
}

/* Between two calls: nobody waits for it. */
static void
serve_flush(struct gateway *g)
{
	struct err e = { .code = ERR_OK };
	struct log_line l;

	if (denied_flush(&g->denied, g->db, &e) == 0)
		return;
	log_begin(&l, LOG_WARN, "denied");
	log_err(&l, &e);
	log_end(&l);
}
