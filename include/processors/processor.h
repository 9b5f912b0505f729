/*
 * processor - how jobs of one kind are carried out, from the program's own point of view.  What
 * plug-ins see is include/cronward/processor.h.
 *
 * job_types says which processor carries out which type, and gives it a target: the URL, the
 * function, the plug-in.  A processor is a step as in engine/flow.h: it fills in a request
 * (VERDICT_SEND), or hands the item to its carrier (VERDICT_CARRY) and is done with it.
 */
#ifndef CRONWARD_PROCESSORS_PROCESSOR_H
#define CRONWARD_PROCESSORS_PROCESSOR_H

#include "engine/flow.h"

#include <stdint.h>

struct arena;
struct run;

/* A row of job_types, read when the run begins.  In the run's arena. */
struct job_type {
	const char *name;
	const struct processor *processor;
	const char *target;
	const char *secret;  /* as it stands: plain or sealed; NULL: none */
	const char *headers; /* a JSON object as text; NULL: none */
	int64_t timeout_s;   /* of its defaults; 0: not said */
};

/* Columns of the claim, for item_text(). */
enum job_column {
	JOB_ID,
	JOB_TYPE,
	JOB_WORKSPACE, /* NULL: none */
	JOB_QUEUE,
	JOB_PAYLOAD,  /* JSON */
	JOB_ATTEMPTS, /* settled tries so far */
	JOB_MAX_ATTEMPTS,
	JOB_RUN_AT, /* milliseconds since 1970, as is the next */
	JOB_CREATED_AT,
	JOB_CLAIM_TOKEN,
	JOB_AWAITED,   /* t: it was answered 202 and nobody called back in time */
	JOB_PERFORMED, /* t: its work is committed already */
	JOB_CANCELLED, /* t: somebody asked to cancel it */
	JOB_CONTEXT, /* what enrichments need, as JSON (cronward_enrichment_context()); else NULL */
	JOB__MAX
};

struct processor {
	const char *name;   /* job_types.processor */
	bool needs_context; /* its jobs are claimed with JOB_CONTEXT */
	/* What the flow queues an item under: the URL, or "name:target" for a carrier. */
	const char *(*target)(struct run *, const struct job_type *, struct item *);
	/*
	 * As flow.step, for an item whose type is ${type}.  It never sees a job that was
	 * performed, cancelled or waited for in vain.
	 */
	enum verdict (*step)(struct run *, const struct job_type *, struct item *,
	    const struct http_reply *, struct http_request *);
	/* Its carrier, made at the first need and kept for the process; NULL: it uses HTTP. */
	const struct flow_carrier *(*carrier)(struct run *);
	/* Called when a run ends, with nothing under way; NULL: nothing to do. */
	void (*rest)(void);
};

extern const struct processor processor_http;
extern const struct processor processor_sql;
extern const struct processor processor_plugin;
extern const struct processor processor_apollo;

/* Ended by NULL. */
extern const struct processor *const processors[];

/*
 * {"id", "type", "queue", "attempt" (from 1), "max_attempts", "workspace_id", "run_at",
 * "created_at", "payload"}: what http bodies, sql functions and plug-ins are given alike.  JSON
 * text in ${item}'s memory; *ret_len is its length in bytes.
 */
const char *job_describe(struct item *item, size_t *ret_len);

/*
 * Failed: the item has its error.  VERDICT_RETRY with the wait of its schedule (60, 120, 240, 480
 * s ..., or ${retry_after_s} where that is >= 0), or VERDICT_DEAD when its tries are used up.
 */
enum verdict job_again(struct item *item, int64_t retry_after_s);
/* The wait alone, in ms, after failure number ${failures}. */
int64_t job_wait_ms(int64_t failures, int64_t retry_after_s);

/*
 * What ${body} says, as a result that PostgreSQL takes: itself where it is JSON, else a JSON
 * string, cut at 64 KB; NULL where it is empty.  In ${item}'s memory.
 */
const char *job_result(struct item *item, const char *body, size_t len);

#endif
