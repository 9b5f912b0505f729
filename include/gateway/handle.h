/*
 * handle - what routes do: each fills in the call's reply, or its err.
 */
#ifndef CRONWARD_GATEWAY_HANDLE_H
#define CRONWARD_GATEWAY_HANDLE_H

#include <stdbool.h>

struct call;

/* Runs the route's worker. */
void handle_worker(struct call *c);
/*
 * GET of a route that tells how its worker does, and runs it for those who say that they want a
 * run: the job queue's health; whether another worker is running.
 */
void handle_job_worker(struct call *c);
void handle_status(struct call *c);

/* POST /api/jobs: one job, or an array of them; with ?run=1 a run begins after the reply. */
void handle_jobs_enqueue(struct call *c);
/* GET /api/jobs: pages of jobs that fit, the newest first. */
void handle_jobs_list(struct call *c);
/* POST /api/jobs/retry: all that failed and fit. */
void handle_jobs_retry(struct call *c);
/* GET /api/jobs/{id} and its /logs; POST its /retry and /cancel. */
void handle_job_show(struct call *c);
void handle_job_logs(struct call *c);
void handle_job_retry(struct call *c);
void handle_job_cancel(struct call *c);
/*
 * POST /api/jobs/{id}/progress, /complete, /fail: what a processor that answered 202 reports, with
 * the token of its claim.
 */
void handle_job_progress(struct call *c);
void handle_job_complete(struct call *c);
void handle_job_fail(struct call *c);
/* POST /api/queues/{name}/pause and /resume. */
void handle_queue_pause(struct call *c);
void handle_queue_resume(struct call *c);

/*
 * POST /api/payments/webhook[/{provider}] and /api/whatsapp/webhook: an event, which its sender
 * proves to be his.
 */
void handle_inbound_payment(struct call *c);
void handle_inbound_whatsapp(struct call *c);
/* GET /api/whatsapp/webhook: Meta asks whether this address is ours. */
void handle_inbound_challenge(struct call *c);

/* GET /healthz: the process answers.  Touches nothing. */
void handle_healthz(struct call *c);
/* GET /readyz: the database can be reached and its schema is not older than the program. */
void handle_readyz(struct call *c);
/* GET /api/cron/executions/{id}: one run, as its row tells. */
void handle_execution(struct call *c);

/*
 * For the GET of a route that tells how its worker does.  True: it asked for a run nonetheless, by
 * Vercel's header or ?run=1, and has its answer, or its query is at fault, and c->err says so.
 * False: how the worker does is still to be told.
 */
bool worker_takes_over(struct call *c);
/*
 * For c->afterwards of a call that brought work for c->rung, which has a bell: a run of it, or,
 * where one is under way, another one behind it.
 */
void worker_ring(struct call *c);

#endif
