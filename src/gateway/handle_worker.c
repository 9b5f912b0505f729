/*
 * handle_worker - one call, one run.
 *
 * With `Prefer: respond-async` the run begins, the caller gets 202 and the address of the
 * execution, the connection is closed, and the same process then does the work.
 */
#include "gateway/handle.h"

#include "base/conf.h"
#include "gateway/call.h"
#include "gateway/route.h"
#include "http/http.h"

#include <stdio.h>
#include <string.h>

enum {
	/* A caller gives up after 30 s: a call that is older than this when taken up is refused. */
	WORKER_WAIT_MAX_MS = 5000,
};

static int worker_read(struct call *, bool *ret_busy_is_fine);
static int worker_prepare(struct call *, bool async);
static void worker_begin_failed(struct call *, bool busy_is_fine);
static void worker_reply_skipped(struct call *);
static void worker_promise(struct call *);
static void worker_finish(struct call *);

void
handle_worker(struct call *c)
{
	bool async = request_prefers(&c->request, "respond-async");
	bool busy_is_fine = false;

	if (worker_read(c, &busy_is_fine) != 0) {
		call_deny(c);
		return;
	}
	c->outcome = run_outcome_name[RUN_FAILURE];
	if (worker_prepare(c, async) != 0)
		return;
	if (run_begin(&c->run) != 0) {
		worker_begin_failed(c, busy_is_fine);
		return;
	}
	if (async) {
		worker_promise(c);
		return;
	}
	worker_finish(c);
	if (c->err.code == ERR_OK)
		reply_json(&c->reply, c->gateway->arena, 200, run_reply(&c->run));
}

/*
 * Query and body.  A body's content does not matter, since cron services send what they like, but
 * it must be complete and not too long.  Nor do query parameters that nobody knows.
 */
static int
worker_read(struct call *c, bool *ret_busy_is_fine)
{
	struct request *q = &c->request;
	const char *busy = NULL;

	if (request_query(q, c->gateway->arena, &c->err) != 0 ||
	    request_parameter(q, "busy", &busy, &c->err) != 0)
		return -1;
	if (busy && strcmp(busy, "200") != 0)
		return err_set(
		    &c->err, ERR_BAD_REQUEST, "The parameter busy may only be 200, or be left out");
	*ret_busy_is_fine = busy != NULL;
	return request_body(q, c->in, c->gateway->arena, &c->err);
}

/* Everything that a run needs, before it begins. */
static int
worker_prepare(struct call *c, bool async)
{
	struct gateway *g = c->gateway;
	const struct request *q = &c->request;
	struct run_lent lent;

	if (q->wait_ms > WORKER_WAIT_MAX_MS)
		return err_set(&c->err, ERR_UNAVAILABLE,
		    "The call waited %lld s for a free process, too long to begin a run",
		    (long long)(q->wait_ms / 1000));
	if (!g->http)
		g->http = http_create(g->conf, conf_requests_max(g->conf), &c->err);
	if (!g->http)
		return -1;
	lent = (struct run_lent){
		.conf = g->conf,
		.db = g->db,
		.http = g->http,
		.arena = g->arena,
		.keyring = conf_keyring(g->conf),
	};
	run_init(&c->run, c->route->worker, &lent, q->arrived_ms,
	    async ? g->conf->async_budget_s : g->conf->run_budget_s);
	snprintf(c->run.caller, sizeof(c->run.caller), "%s", q->caller);
	return 0;
}

static void
worker_begin_failed(struct call *c, bool busy_is_fine)
{
	if (c->run.err.code == ERR_BUSY)
		c->outcome = "busy";
	if (c->run.err.code == ERR_BUSY && busy_is_fine)
		worker_reply_skipped(c);
	else
		err_pass(&c->err, &c->run.err);
}

/* For callers that count everything but 2xx against the job. */
static void
worker_reply_skipped(struct call *c)
{
	const struct run *r = &c->run;
	json_t *body = json_object();

	r->worker->reply(r, body);
	json_object_set_new(body, "skipped", json_true());
	json_object_set_new(body, "startedAt", reply_busy_since(r));
	json_object_set_new(body, "run", json_null());
	reply_json(&c->reply, c->gateway->arena, 200, body);
}

/* 202: the run is in its table and holds its lock, so where it can be asked for is known. */
static void
worker_promise(struct call *c)
{
	const struct run *r = &c->run;

	c->outcome = NULL;
	c->afterwards = worker_finish;
	reply_header(&c->reply, "Location", "/api/cron/executions/%s", r->id);
	reply_header(&c->reply, "Preference-Applied", "respond-async");
	reply_json(&c->reply, c->gateway->arena, 202,
	    json_pack("{s:b, s:s, s:{s:s, s:s, s:s}}", "success", 1, "message",
		"The run has begun and goes on after this reply", "run", "id", r->id, "worker",
		r->worker->name, "status", "running"));
}

static void
worker_finish(struct call *c)
{
	struct run *r = &c->run;

	run_work(r);
	run_end(r);
	c->outcome = run_outcome_name[run_outcome(r)];
	if (r->err.code != ERR_OK)
		err_pass(&c->err, &r->err);
}
