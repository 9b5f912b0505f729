/*
 * handle - what routes do: each fills in the call's reply, or its err.
 */
#ifndef CRONWARD_GATEWAY_HANDLE_H
#define CRONWARD_GATEWAY_HANDLE_H

struct call;

/* Runs the route's worker. */
void handle_worker(struct call *c);

/* GET /healthz: the process answers.  Touches nothing. */
void handle_healthz(struct call *c);
/* GET /readyz: the database can be reached and its schema is not older than the program. */
void handle_readyz(struct call *c);
/* GET /api/cron/executions/{id}: one run, as its row tells. */
void handle_execution(struct call *c);

#endif
