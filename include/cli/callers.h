/*
 * callers - what cron services are to ring, and how the jobs at one of them get there.
 */
#ifndef CRONWARD_CLI_CALLERS_H
#define CRONWARD_CLI_CALLERS_H

#include "base/conf.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cjo;
struct worker;

/* What `cronward callers cron-job.org` was asked for. */
struct callers_wish {
	const struct worker **only; /* ended by NULL; all of them when empty */
	bool apply, disable_missing;
	int64_t daily_limit;
};

/* Compares, prints the plan, and does it when asked to.  Returns an exit code. */
int callers_cron_job_org(const struct callers_wish *wish);

/* Prints what allow.conf has to say of cron-job.org.  Returns an exit code. */
int callers_allowlist(void);

/* Whether what is sent to ${url} is encrypted, or never leaves this host. */
bool callers_is_safe(const char *url);

/* How commands wait for the service: on a terminal with the time that is left. */
bool callers_wait(void *owner, int64_t ms, const char *why);

/* One call that a cron service is to make. */
struct callers_call {
	const struct worker *worker;
	const char *path, *schedule;   /* without a query; in UTC */
	const char *parameter, *value; /* what the query says; NULL: nothing */
	enum conf_secret secret;       /* that it has to show */
};

/* The ${n}th call of them all, in the order of workers[].  False: there are no more. */
bool callers_call(size_t n, struct callers_call *ret_call);
/* "/api/cron/sync-integrations?interval=15min".  Returns ${to}. */
const char *callers_call_path(const struct callers_call *call, char *to, size_t room);
/* "sync-integrations 15min".  Returns ${to}. */
const char *callers_call_name(const struct callers_call *call, char *to, size_t room);

enum callers_act { CALLERS_KEEP, CALLERS_CREATE, CALLERS_UPDATE, CALLERS_DISABLE, CALLERS__MAX };
extern const char *const callers_act_name[CALLERS__MAX];

/* One job of ours, and what is to become of it. */
struct callers_step {
	enum callers_act act;
	struct callers_call call; /* no worker: it makes none, or one that another job makes */
	int64_t id;               /* 0: not there yet */
	json_t *send;             /* what creates or changes it */
	struct text says;         /* for people, a line for each difference */
};

struct callers_plan {
	struct callers_step *steps;
	size_t count;
	size_t others;         /* jobs that are left alone */
	int64_t requests_left; /* how many may go out, those that made the plan among them */
};

/* 0, or -1 with ${e}: a setting that is needed is missing or unfit. */
int callers_check(struct conf *conf, const struct callers_wish *wish, struct err *e);
/*
 * Asks for the jobs of the account and compares, within plan->requests_left.  0, or -1 with ${e};
 * finish it either way.
 */
int callers_plan_make(struct callers_plan *plan, struct conf *conf, const struct callers_wish *wish,
    struct cjo *c, struct err *e);
void callers_plan_finish(struct callers_plan *plan);
/* How many requests it takes to do it. */
int64_t callers_plan_cost(const struct callers_plan *plan);
void callers_plan_print(const struct callers_plan *plan);
/* "webhook-retry", or "job 12".  Returns ${to}. */
const char *callers_step_name(const struct callers_step *step, char *to, size_t room);

#endif
