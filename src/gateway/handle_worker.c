/*
 * handle_worker - one call, one run.
 *
 * With `Prefer: respond-async` the run begins, the caller gets 202 and the address of the
 * execution, the connection is closed, and the same process then does the work.
 *
 * Whoever brings work while a run is under way rings (engine/run.h), and whoever ends a run that
 * was rung at begins another one once its caller has the reply.
 */
#include "gateway/handle.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/stop.h"
#include "gateway/call.h"
#include "gateway/filter.h"
#include "gateway/route.h"
#include "http/http.h"

#include <stdio.h>

enum {
	/* A caller gives up after 30 s: a call that is older than this when taken up is refused. */
	WORKER_WAIT_MAX_MS = 5000,
	WORKER_RINGS_MAX = 10, /* a lock may be taken and let go of between two looks at it */
};

/* What a call says about the run that it wants. */
struct worker_wish {
	bool is_async, busy_is_fine;
	const char *queues;
};

static int worker_read(struct call *, struct worker_wish *);
static int worker_narrow(struct call *, struct worker_wish *);
static int worker_prepare(struct call *, const struct worker_wish *);
static int worker_lend(struct gateway *, struct run_lent *, struct err *);
static void worker_begin_failed(struct call *, const struct worker_wish *);
static void worker_reply_skipped(struct call *);
static void worker_promise(struct call *);
static void worker_finish(struct call *);
static void worker_finish_promised(struct call *);
static void worker_go_on(struct call *);
static enum err_code worker_run_again(struct call *, const struct worker *, bool *ret_is_rung);
static void worker_log_again(const struct run *);

void
handle_worker(struct call *c)
{
	struct worker_wish wish = { .is_async = request_prefers(&c->request, "respond-async") };
	const struct worker *worker = c->route->worker;

	if (worker_read(c, &wish) != 0) {
		call_deny(c);
		return;
	}
	c->outcome = run_outcome_name[RUN_FAILURE];
	if (worker->ready && worker->ready(c->gateway->conf, &c->err) != 0)
		return;
	if (worker_prepare(c, &wish) != 0)
		return;
	if (run_begin(&c->run) != 0) {
		worker_begin_failed(c, &wish);
		return;
	}
	if (wish.is_async) {
		worker_promise(c);
		return;
	}
	worker_finish(c);
	if (c->run.is_rung)
		c->afterwards = worker_go_on;
	if (c->err.code == ERR_OK)
		reply_json(&c->reply, c->gateway->arena, 200, run_reply(&c->run));
}

bool
worker_takes_over(struct call *c)
{
	struct request *q = &c->request;
	bool run = false;

	if (request_query(q, c->gateway->arena, &c->err) != 0 ||
	    request_switch(q, "run", "1", &run, &c->err) != 0) {
		call_deny(c);
		return true;
	}
	if (!request_asks_to_run(q))
		return false;
	handle_worker(c);
	return true;
}

/*
 * First the bell, then the lock: under load somebody has it, and one statement is all that it
 * takes.
 */
void
worker_ring(struct call *c)
{
	const struct worker *worker = c->rung;
	bool is_heard = false, is_rung = false;

	for (int i = 0; i < WORKER_RINGS_MAX && !stop_requested(); i++) {
		struct run bell = { .worker = worker, .db = c->gateway->db };

		if (run_ring(&bell, &is_heard) != 0) {
			worker_log_again(&bell);
			return;
		}
		if (is_heard)
			return;
		if (worker_run_again(c, worker, &is_rung) == ERR_BUSY)
			continue;
		c->run.worker = worker;
		c->run.is_rung = is_rung;
		worker_go_on(c);
		return;
	}
}

/*
 * Query and body.  A body's content does not matter, since cron services send what they like, but
 * it must be complete and not too long.  Nor do query parameters that nobody knows.
 */
static int
worker_read(struct call *c, struct worker_wish *wish)
{
	struct request *q = &c->request;

	if (request_query(q, c->gateway->arena, &c->err) != 0 ||
	    request_switch(q, "busy", "200", &wish->busy_is_fine, &c->err) != 0)
		return -1;
	if (worker_narrow(c, wish) != 0)
		return -1;
	return request_body(q, c->in, c->gateway->arena, &c->err);
}

/* What the run is to be about, where the route lets a call say so. */
static int
worker_narrow(struct call *c, struct worker_wish *wish)
{
	const struct route *route = c->route;
	const struct route_choice *choice;
	const char *value = NULL;

	if (route->has_queues)
		return filter_queues(&c->request, c->gateway->arena, &wish->queues, &c->err);
	if (!route->parameter)
		return 0;
	if (request_parameter(&c->request, route->parameter, &value, &c->err) != 0)
		return -1;
	if (!value)
		return 0;
	choice = route_choose(route, value, &c->err);
	if (!choice)
		return -1;
	wish->queues = choice->queues;
	return 0;
}

/* Everything that a run needs, before it begins. */
static int
worker_prepare(struct call *c, const struct worker_wish *wish)
{
	struct gateway *g = c->gateway;
	const struct request *q = &c->request;
	struct run_lent lent;

	if (q->wait_ms > WORKER_WAIT_MAX_MS)
		return err_set(&c->err, ERR_UNAVAILABLE,
		    "The call waited %lld s for a free process, too long to begin a run",
		    (long long)(q->wait_ms / 1000));
	if (worker_lend(g, &lent, &c->err) != 0)
		return -1;
	run_init(&c->run, c->route->worker, &lent, q->arrived_ms,
	    wish->is_async ? g->conf->async_budget_s : g->conf->run_budget_s);
	c->run.queues = wish->queues;
	snprintf(c->run.caller, sizeof(c->run.caller), "%s", q->caller);
	return 0;
}

/* What a run borrows; the HTTP client is made at the first need. */
static int
worker_lend(struct gateway *g, struct run_lent *lent, struct err *e)
{
	if (!g->http)
		g->http = http_create(g->conf, conf_requests_max(g->conf), e);
	if (!g->http)
		return -1;
	*lent = (struct run_lent){
		.conf = g->conf,
		.db = g->db,
		.http = g->http,
		.arena = g->arena,
		.keyring = conf_keyring(g->conf),
	};
	return 0;
}

static void
worker_begin_failed(struct call *c, const struct worker_wish *wish)
{
	const bool is_busy = c->run.err.code == ERR_BUSY;

	/*
	 * Calls of different choices, and of all, come at the same second, and have one lock: what
	 * this one is about may not be what the run under way is about, so whoever ends that, and
	 * knows what it was about, begins another.
	 */
	if (is_busy && c->route->choices) {
		c->rung = c->route->worker;
		c->afterwards = worker_ring;
	}
	if (is_busy)
		c->outcome = "busy";
	if (is_busy && wish->busy_is_fine)
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
	c->afterwards = worker_finish_promised;
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

static void
worker_finish_promised(struct call *c)
{
	worker_finish(c);
	worker_go_on(c);
}

/*
 * More runs for as long as the last one was rung at, within the budget of a call that nobody waits
 * for: beyond that the next call finds what is due.
 */
static void
worker_go_on(struct call *c)
{
	int64_t end_ms = clock_mono_ms() + c->gateway->conf->async_budget_s * 1000;
	bool is_rung = c->run.is_rung;

	while (is_rung && !stop_requested() && clock_mono_ms() < end_ms)
		worker_run_again(c, c->run.worker, &is_rung);
}

/*
 * One run behind the reply.  ERR_OK, or why it did not begin; with ERR_BUSY somebody else has the
 * lock and began later than what was to be done was there.  The arena is the run's alone by now.
 */
static enum err_code
worker_run_again(struct call *c, const struct worker *worker, bool *ret_is_rung)
{
	struct gateway *g = c->gateway;
	struct run_lent lent;
	struct run r = { .worker = worker };

	arena_reset(g->arena);
	if (worker_lend(g, &lent, &r.err) == 0) {
		run_init(&r, worker, &lent, clock_mono_ms(), g->conf->run_budget_s);
		snprintf(r.caller, sizeof(r.caller), "%s", c->request.caller);
	}
	*ret_is_rung = false;
	if (r.err.code == ERR_OK && run_begin(&r) == 0) {
		run_work(&r);
		run_end(&r);
		*ret_is_rung = r.is_rung;
	}
	if (r.begun || r.err.code != ERR_BUSY)
		worker_log_again(&r);
	return r.begun ? ERR_OK : r.err.code;
}

/* Its call has one line; each run behind it has another. */
static void
worker_log_again(const struct run *r)
{
	struct log_line l;

	log_begin(&l, r->err.code == ERR_OK ? LOG_INFO : LOG_WARN, "run");
	log_text(&l, "worker", r->worker->name);
	log_text(&l, "run", r->begun ? r->id : "-");
	log_text(&l, "outcome", run_outcome_name[run_outcome(r)]);
	log_number(&l, "items", r->processed);
	log_number(&l, "ms", r->duration_ms);
	log_err(&l, &r->err);
	log_end(&l);
}
