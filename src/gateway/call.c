/*
 * call - the checks in their order: route, method, secret; query and body are the handler's.
 */
#include "gateway/call.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/auth.h"
#include "gateway/route.h"

#include <string.h>

enum {
	CALL_STATUS_WARN = 400,
	CALL_STATUS_ERROR = 500,
	/* Cleaned for the log, at most two bytes become one. */
	CALL_AGENT_SHOWN = 2 * RUN_CALLER_MAX,
};

static void call_hide_secrets(struct conf *, char *const *params);
static int call_admit(struct call *);
static void call_read_query_secret(struct call *);
static void call_add_allow(struct call *);
static void call_add_headers(struct call *);

void
call_answer(struct call *c, struct gateway *g, const FCGX_Request *q)
{
	*c = (struct call){ .gateway = g, .in = q->in, .began_ms = clock_mono_ms() };
	call_hide_secrets(g->conf, q->envp);
	request_read(&c->request, q->envp);
	if (call_admit(c) == 0)
		c->route->handle[c->request.method](c);
	call_add_headers(c);
	if (c->err.code != ERR_OK)
		reply_err(&c->reply, g->arena, &c->err, &c->run);
	c->request.params = NULL;
	c->in = NULL;
}

int
call_deny(struct call *c)
{
	c->outcome = "denied";
	/* A route without secrets may ask for a proof of its own. */
	if (c->route->secrets || c->err.code == ERR_UNAUTHORIZED)
		denied_note(&c->gateway->denied, c->route->path, err_info[c->err.code].name);
	return -1;
}

void
call_log(const struct call *c)
{
	int64_t now_ms = clock_mono_ms(), replied_ms = c->replied_ms ? c->replied_ms : now_ms;
	bool quiet = c->route && c->route->quiet;
	enum log_level level = quiet ? LOG_DEBUG : LOG_INFO;
	struct log_line l;

	if (c->reply.status >= CALL_STATUS_ERROR || c->err.code == ERR_INTERNAL)
		level = LOG_ERROR;
	else if (c->reply.status >= CALL_STATUS_WARN || c->err.code != ERR_OK)
		level = LOG_WARN;
	log_begin(&l, level, "call");
	log_text(&l, "route", c->route ? c->route->path : "-");
	log_text(&l, "method", c->request.method_text);
	log_number(&l, "status", c->reply.status);
	log_text(&l, "code", c->err.code != ERR_OK ? err_info[c->err.code].name : "ok");
	if (c->route && c->route->worker) {
		log_text(&l, "worker", c->route->worker->name);
		log_text(&l, "run", c->run.begun ? c->run.id : "-");
		log_text(&l, "outcome", c->outcome);
		log_number(&l, "items", c->run.processed);
	}
	log_text(&l, "provider", c->provider);
	log_text(&l, "why", c->why);
	log_number(&l, "ms", replied_ms - c->began_ms);
	if (c->afterwards)
		log_number(&l, "behind_ms", now_ms - replied_ms);
	log_number(&l, "wait_ms", c->request.wait_ms);
	log_text(&l, "caller", c->request.caller);
	/* A wrong secret is told by its code; there is nothing more to say, and much of it. */
	if (c->err.code != ERR_UNAUTHORIZED)
		log_err(&l, &c->err);
	log_end(&l);
}

/* The user agent is logged, and stored with the run. */
static void
call_hide_secrets(struct conf *conf, char *const *params)
{
	static const char name[] = "HTTP_USER_AGENT=";

	for (; *params; params++)
		if (strncmp(*params, name, sizeof(name) - 1) == 0)
			auth_hide(conf, *params + sizeof(name) - 1, CALL_AGENT_SHOWN);
}

/* Whether the handler is to be called; else -1 with c->err. */
static int
call_admit(struct call *c)
{
	struct request *q = &c->request;

	c->route = route_find(q->path, c->rest);
	if (!c->route)
		return err_set(&c->err, ERR_NOT_FOUND, "There is nothing at this path");
	if (!c->route->handle[q->method]) {
		call_add_allow(c);
		err_set(&c->err, ERR_METHOD_NOT_ALLOWED,
		    "This route does not answer %s; the Allow header says what it answers",
		    q->method_text);
		return call_deny(c);
	}
	if (c->route->body_max > 0)
		q->body_max = c->route->body_max;
	call_read_query_secret(c);
	if (c->route->secrets &&
	    auth_check(c->gateway->conf, q, c->route->secrets, &c->secrets, &c->err) != 0)
		return call_deny(c);
	return 0;
}

/* Whoever runs a worker shows his secret in a header: a query is what others write down. */
static void
call_read_query_secret(struct call *c)
{
	struct request *q = &c->request;

	if (c->route->takes_query_secret && q->method == METHOD_GET &&
	    request_query(q, c->gateway->arena, NULL) == 0)
		q->proves_by_query = !request_asks_to_run(q);
}

static void
call_add_allow(struct call *c)
{
	bool get = c->route->handle[METHOD_GET], post = c->route->handle[METHOD_POST];

	reply_header(&c->reply, "Allow", "%s%s%s", get ? "GET" : "", get && post ? ", " : "",
	    post ? "POST" : "");
}

/* For nginx' access log, which does not pass them on. */
static void
call_add_headers(struct call *c)
{
	if (!c->route || !c->route->worker)
		return;
	reply_header(&c->reply, "X-Cron-Worker", "%s", c->route->worker->name);
	if (c->run.begun)
		reply_header(&c->reply, "X-Cron-Run", "%s", c->run.id);
	if (c->outcome)
		reply_header(&c->reply, "X-Cron-Outcome", "%s", c->outcome);
	reply_header(&c->reply, "X-Cron-Items", "%lld", (long long)c->run.processed);
}
