/*
 * call - one request on its way through the gateway.
 */
#ifndef CRONWARD_GATEWAY_CALL_H
#define CRONWARD_GATEWAY_CALL_H

#include "base/err.h"
#include "engine/run.h"
#include "gateway/denied.h"
#include "gateway/reply.h"
#include "gateway/request.h"

#include <fcgiapp.h>
#include <stdint.h>

struct arena;
struct conf;
struct db;
struct http;
struct route;
struct worker;

/* What a pool process has; lives as long as it. */
struct gateway {
	struct conf *conf;
	struct db *db;
	struct http *http;   /* NULL until the first run */
	struct arena *arena; /* of the call that is being answered */
	struct denied denied;
};

struct call {
	struct gateway *gateway; /* lent */
	FCGX_Stream *in;         /* the body; gone once the reply has been sent */
	int64_t began_ms;        /* when this process took it up, CLOCK_MONOTONIC */
	int64_t replied_ms;      /* when its reply had left; 0: not yet */
	struct request request;
	const struct route *route; /* NULL: no such path */
	char
	    rest[REQUEST_PATH_MAX]; /* of the path: what the route's placeholder or prefix leaves */
	unsigned secrets;           /* which of the route's secrets the caller knows */
	struct run run;
	/* Of an inbound event, for the log: who sends it, and what is wrong with his proof. */
	const char *provider, *why; /* lent; they live as long as the call */
	const char *outcome;        /* of a worker's call: run_outcome_name[], "busy" or "denied" */
	struct reply reply;
	struct err err;
	/* NULL, or what is left to do once the caller has its reply. */
	void (*afterwards)(struct call *);
	const struct worker *rung; /* for worker_ring() */
};

/*
 * Reads the request, finds its route, checks method and secret, lets the route's handler answer.
 * Afterwards c->reply is complete, whatever happened.
 */
void call_answer(struct call *c, struct gateway *g, const FCGX_Request *q);
/* For a call refused with c->err for what it is, not for what happened: counts it.  Is -1. */
int call_deny(struct call *c);
/* The one log line of a call that has ended. */
void call_log(const struct call *c);

#endif
