/*
 * callers_cron_job_org - `cronward callers cron-job.org`: makes the plan, prints it, does it.
 *
 * All state is the service's: a command that was stopped, or failed in part, is continued by
 * calling it again.  What audit_log keeps is who did what, and how many requests of the day's are
 * gone.
 */
#include "base/clock.h"
#include "base/stop.h"
#include "cli/callers.h"
#include "cli/cli.h"
#include "db/db.h"
#include "engine/worker.h"
#include "http/http.h"
#include "vendors/cron_job_org.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CALLERS_NAME_MAX = 64,
	CALLERS_DETAIL_MAX = 64,
	CALLERS_TICK_MS = 1000,
	CALLERS_SILENT_MS = 2000, /* shorter waits are not worth a word */
};

static int callers_session(struct cli_session *, const struct callers_wish *, struct err *);
static int callers_requests_today(struct cli_session *, int64_t *ret_requests, struct err *);
static int callers_work(struct cli_session *, struct callers_plan *, const struct callers_wish *,
    struct cjo *, struct err *);
static int callers_apply(const struct callers_plan *, struct cjo *, struct err *);
static int callers_do(const struct callers_step *, struct cjo *, struct err *);
static void callers_did(const struct callers_step *, int64_t id);
static int callers_audit_requests(
    struct cli_session *, const char *action, int64_t requests, struct err *);
static int callers_audit_apply(struct cli_session *, const struct callers_plan *, struct err *);
static void callers_sum_up(const struct callers_plan *, const struct callers_wish *);

int
callers_cron_job_org(const struct callers_wish *wish)
{
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	int rc;

	stop_setup();
	rc = cli_open(&s, &e);
	if (rc == 0)
		rc = callers_session(&s, wish, &e);
	cli_close(&s);
	return rc == 0 ? CLI_DONE : cli_fail(&e);
}

/* Signals arrive in here alone. */
bool
callers_wait(void *owner, int64_t ms, const char *why)
{
	const bool shown = ms > CALLERS_SILENT_MS, terminal = isatty(STDERR_FILENO);
	const int64_t end_ms = clock_mono_ms() + ms;

	(void)owner;
	if (shown && !terminal)
		fprintf(stderr, "cronward callers: waiting %" PRId64 " s for cron-job.org: %s\n",
		    (ms + 999) / 1000, why);
	for (;;) {
		int64_t left_ms = end_ms - clock_mono_ms();
		int64_t tick_ms = left_ms < CALLERS_TICK_MS ? left_ms : CALLERS_TICK_MS;
		struct timespec tick = { tick_ms / 1000, tick_ms % 1000 * 1000000 };

		if (left_ms <= 0 || stop_requested())
			break;
		if (shown && terminal)
			fprintf(stderr, "\r\033[Kwaiting %" PRId64 " s for cron-job.org: %s",
			    (left_ms + 999) / 1000, why);
		ppoll(NULL, 0, &tick, stop_wait_mask());
	}
	if (shown && terminal)
		fputs("\r\033[K", stderr);
	return !stop_requested();
}

static int
callers_session(struct cli_session *s, const struct callers_wish *wish, struct err *e)
{
	struct callers_plan plan = { .steps = NULL };
	struct cjo c = { .wait = callers_wait };
	int64_t today;
	int rc;

	if (callers_check(&s->conf, wish, e) != 0 || callers_requests_today(s, &today, e) != 0)
		return -1;
	plan.requests_left = wish->daily_limit - today;
	c.base_url = s->conf.cron_job_org_url;
	c.key = s->conf.secrets[SECRET_CRON_JOB_ORG].current.value;
	c.http = http_create(&s->conf, 1, e);
	if (!c.http)
		return -1;
	rc = callers_work(s, &plan, wish, &c, e);
	http_destroy(c.http);
	callers_plan_finish(&plan);
	return rc;
}

static int
callers_requests_today(struct cli_session *s, int64_t *ret_requests, struct err *e)
{
	AUTO(PQclear) PGresult *rows = db_query(s->db, SQL_CALLERS_REQUESTS_TODAY, DB_NONE, e);

	if (!rows)
		return -1;
	*ret_requests = db_number(rows, 0, "requests");
	return 0;
}

static int
callers_work(struct cli_session *s, struct callers_plan *plan, const struct callers_wish *wish,
    struct cjo *c, struct err *e)
{
	int made = callers_plan_make(plan, &s->conf, wish, c, e);
	int64_t cost = callers_plan_cost(plan), planned;
	int rc;

	/* Also those of a plan that came to nothing are gone. */
	if (callers_audit_requests(s, "callers.read", c->requests, e) != 0 || made != 0)
		return -1;
	callers_plan_print(plan);
	callers_sum_up(plan, wish);
	if (!wish->apply || cost == 0)
		return 0;
	fflush(stdout);
	if (c->requests + cost > plan->requests_left)
		return err_set(e, ERR_BUSY,
		    "this takes %" PRId64 " more requests, and %" PRId64
		    " are left until 00:00 UTC; nothing was changed (--daily-limit says how many "
		    "a day there are, --only does a part)",
		    cost, plan->requests_left - c->requests);
	if (callers_audit_apply(s, plan, e) != 0)
		return -1;
	planned = c->requests + cost;
	rc = callers_apply(plan, c, e);
	/* Some may have gone out twice, after a 429, and some never. */
	if (callers_audit_requests(s, "callers.correct", c->requests - planned, e) != 0)
		return -1;
	return rc;
}

/* Goes on behind a job that is refused, and ends where no other would fare better. */
static int
callers_apply(const struct callers_plan *plan, struct cjo *c, struct err *e)
{
	int64_t done = 0, cost = callers_plan_cost(plan);

	for (size_t i = 0; i < plan->count; i++) {
		struct err why = { .code = ERR_OK };
		char name[CALLERS_NAME_MAX];

		if (plan->steps[i].act == CALLERS_KEEP)
			continue;
		if (callers_do(&plan->steps[i], c, &why) == 0) {
			done++;
			continue;
		}
		fprintf(stderr, "cronward callers: %s: %s\n",
		    callers_step_name(&plan->steps[i], name, sizeof(name)), why.message);
		if (why.code == ERR_UNAUTHORIZED || why.code == ERR_BUSY)
			break;
	}
	if (done == cost)
		return 0;
	return err_set(e, ERR_UNAVAILABLE,
	    "%" PRId64 " of %" PRId64 " changes are done; the same command does the rest", done,
	    cost);
}

static int
callers_do(const struct callers_step *step, struct cjo *c, struct err *e)
{
	int64_t id = step->id;

	if (step->act == CALLERS_CREATE)
		id = cjo_create(c, step->send, e);
	else if (cjo_patch(c, id, step->send, e) != 0)
		return -1;
	if (id == 0)
		return -1;
	callers_did(step, id);
	return 0;
}

static void
callers_did(const struct callers_step *step, int64_t id)
{
	static const char *const did[CALLERS__MAX] = {
		[CALLERS_KEEP] = "kept",
		[CALLERS_CREATE] = "created",
		[CALLERS_UPDATE] = "updated",
		[CALLERS_DISABLE] = "disabled",
	};
	char name[CALLERS_NAME_MAX];

	printf("%s job %" PRId64 "%s%s\n", did[step->act], id, step->call.worker ? ": " : "",
	    step->call.worker ? callers_step_name(step, name, sizeof(name)) : "");
	fflush(stdout);
}

/* So many more of the day's are gone; fewer where it is negative. */
static int
callers_audit_requests(struct cli_session *s, const char *action, int64_t requests, struct err *e)
{
	char detail[CALLERS_DETAIL_MAX];
	struct err why = { .code = ERR_OK };

	if (requests == 0)
		return 0;
	snprintf(detail, sizeof(detail), "{\"requests\": %" PRId64 "}", requests);
	/* What failed before counts more. */
	return cli_audit(s, action, "cron-job.org", detail, &why) == 0 ? 0 : err_pass(e, &why);
}

/* Before the first change: none may go unrecorded. */
static int
callers_audit_apply(struct cli_session *s, const struct callers_plan *plan, struct err *e)
{
	json_auto_t *detail = json_pack(
	    "{s:I, s:s}", "requests", (json_int_t)callers_plan_cost(plan), "url", s->conf.app_url);
	char *text;
	int rc;

	for (size_t i = 0; i < plan->count; i++) {
		const struct callers_step *step = &plan->steps[i];
		const char *act = callers_act_name[step->act];
		char name[CALLERS_NAME_MAX];

		if (step->act == CALLERS_KEEP)
			continue;
		if (!json_object_get(detail, act))
			json_object_set_new(detail, act, json_array());
		json_array_append_new(json_object_get(detail, act),
		    json_string(callers_step_name(step, name, sizeof(name))));
	}
	text = json_dumps(detail, JSON_COMPACT);
	rc = cli_audit(s, "callers.apply", "cron-job.org", text, e);
	free(text);
	return rc;
}

static void
callers_sum_up(const struct callers_plan *plan, const struct callers_wish *wish)
{
	int64_t cost = callers_plan_cost(plan);

	if (cost == 0)
		puts("Nothing is to be done.");
	else if (!wish->apply)
		printf("Nothing was changed; --apply does it with %" PRId64 " request%s.\n", cost,
		    cost == 1 ? "" : "s");
}
