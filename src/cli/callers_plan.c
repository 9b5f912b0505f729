/*
 * callers_plan - which jobs an account has, which it is to have, and what lies between.
 *
 * A job is ours when its URL begins with APP_URL; it makes the call whose path it names, whatever
 * stands behind a question mark, unless several calls have that path: then the one that its query
 * says, else the first of them.  Of several jobs that make the same call, the one whose whole URL
 * is right counts, else the oldest.
 */
#include "base/arena.h"
#include "cli/callers.h"
#include "engine/worker.h"
#include "http/http.h"
#include "vendors/cron_job_org.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	PLAN_URL_MAX = 1024,
	PLAN_TITLE_MAX = 128,
	PLAN_SHOWN_MAX = 200,
	PLAN_NAME_MAX = 64,
};

/* What the job of a call is to be; ${to} points into it. */
struct plan_wanted {
	struct cjo_wish to;
	char url[PLAN_URL_MAX], title[PLAN_TITLE_MAX];
};

static int plan_afford(const struct callers_plan *, const struct cjo *, struct err *);
static bool plan_wants(const struct callers_wish *, const struct worker *);
static void plan_find(
    struct callers_plan *, const struct conf *, const struct callers_wish *, const json_t *jobs);
static int64_t plan_job_of(const json_t *jobs, const char *app_url, const struct callers_call *);
static int plan_compare(struct callers_step *, struct conf *, struct cjo *, struct err *);
static void plan_want(struct plan_wanted *, struct conf *, const struct callers_call *);
static const char *plan_tail(const struct callers_call *, char *to, size_t room);
static void plan_tell(void *step, const char *name, const char *from, const char *to);
static void plan_sort_out(
    struct callers_plan *, const char *app_url, const struct callers_wish *, const json_t *job);
static bool plan_has(const struct callers_plan *, int64_t id);
static struct callers_step *plan_add(
    struct callers_plan *, const struct callers_call *, int64_t id);
static const char *plan_path(const char *app_url, const char *job_url);
static bool plan_call(const char *path, struct callers_call *ret_call);
static bool plan_says(const char *path, const struct callers_call *);

const char *const callers_act_name[CALLERS__MAX] = {
	[CALLERS_KEEP] = "unchanged",
	[CALLERS_CREATE] = "create",
	[CALLERS_UPDATE] = "update",
	[CALLERS_DISABLE] = "disable",
};

int
callers_check(struct conf *conf, const struct callers_wish *wish, struct err *e)
{
	struct callers_call call;

	if (!conf->app_url)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "APP_URL is not set; allowed is scheme and host such as "
		    "https://cron.example.com");
	if (!callers_is_safe(conf->app_url) || !callers_is_safe(conf->cron_job_org_url))
		return err_set(e, ERR_NOT_CONFIGURED,
		    "%s: plain http would show a secret to everybody on the way; allowed is https",
		    callers_is_safe(conf->app_url) ? "CRON_JOB_ORG_BASE_URL" : "APP_URL");
	if (secret_state(conf_secret(conf, SECRET_CRON_JOB_ORG)) != SECRET_USABLE)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "CRON_JOB_ORG_API_KEY is not set or too short; keys are made at "
		    "console.cron-job.org under Settings");
	for (size_t n = 0; callers_call(n, &call); n++) {
		const struct secret *secret = conf_secret(conf, call.secret);

		if (!plan_wants(wish, call.worker))
			continue;
		if (secret_state(secret) != SECRET_USABLE ||
		    !text_is_utf8(secret->current.value, secret->current.len))
			return err_set(e, ERR_NOT_CONFIGURED,
			    "%s is not set, too short or no UTF-8; %s wants it", secret->name,
			    call.path);
	}
	return 0;
}

bool
callers_is_safe(const char *url)
{
	static const char *const local[] = { "http://localhost:", "http://[::1]" };
	const char *address = url + strlen("http://");

	/* No name ends in a number. */
	if (strncmp(url, "http://127.", strlen("http://127.")) == 0)
		return address[strspn(address, "0123456789.:")] == '\0';
	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if (strncmp(url, local[i], strlen(local[i])) == 0)
			return true;
	return strncmp(url, "https://", 8) == 0;
}

int
callers_plan_make(struct callers_plan *plan, struct conf *conf, const struct callers_wish *wish,
    struct cjo *c, struct err *e)
{
	json_auto_t *jobs = NULL;
	size_t i;

	if (plan_afford(plan, c, e) != 0)
		return -1;
	jobs = cjo_list(c, e);
	if (!jobs)
		return -1;
	plan_find(plan, conf, wish, jobs);
	for (i = 0; i < json_array_size(jobs); i++)
		plan_sort_out(plan, conf->app_url, wish, json_array_get(jobs, i));
	if (plan_afford(plan, c, e) != 0)
		return -1;
	for (i = 0; i < plan->count; i++)
		if (plan->steps[i].call.worker && plan_compare(&plan->steps[i], conf, c, e) != 0)
			return -1;
	return 0;
}

void
callers_plan_finish(struct callers_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		json_decref(plan->steps[i].send);
		text_finish(&plan->steps[i].says);
	}
	free(plan->steps);
	*plan = (struct callers_plan){ .steps = NULL };
}

int64_t
callers_plan_cost(const struct callers_plan *plan)
{
	int64_t cost = 0;

	for (size_t i = 0; i < plan->count; i++)
		cost += plan->steps[i].act != CALLERS_KEEP;
	return cost;
}

void
callers_plan_print(const struct callers_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct callers_step *step = &plan->steps[i];
		char name[PLAN_NAME_MAX];

		printf("%-9s  %s", callers_act_name[step->act],
		    callers_step_name(step, name, sizeof(name)));
		if (step->call.worker && step->id)
			printf("  (job %" PRId64 ")", step->id);
		printf("\n%s", step->says.at ? step->says.at : "");
	}
	if (plan->others > 0)
		printf("%zu other job%s left alone\n", plan->others,
		    plan->others == 1 ? " is" : "s are");
}

const char *
callers_step_name(const struct callers_step *step, char *to, size_t room)
{
	if (step->call.worker)
		return callers_call_name(&step->call, to, room);
	snprintf(to, room, "job %" PRId64, step->id);
	return to;
}

/* Whether what has to be asked still may be: the list, or a job's details each. */
static int
plan_afford(const struct callers_plan *plan, const struct cjo *c, struct err *e)
{
	int64_t needs = c->requests == 0;

	for (size_t i = 0; i < plan->count; i++)
		needs += plan->steps[i].call.worker && plan->steps[i].id;
	if (c->requests + needs <= plan->requests_left)
		return 0;
	return err_set(e, ERR_BUSY,
	    "comparing takes %" PRId64 " more requests, and %" PRId64
	    " are left until 00:00 UTC; --daily-limit says how many a day there are",
	    needs, plan->requests_left - c->requests);
}

static bool
plan_wants(const struct callers_wish *wish, const struct worker *worker)
{
	size_t i;

	for (i = 0; wish->only[i]; i++)
		if (wish->only[i] == worker)
			return true;
	return i == 0;
}

/* A step for each call that is wanted, with the job that makes it. */
static void
plan_find(struct callers_plan *plan, const struct conf *conf, const struct callers_wish *wish,
    const json_t *jobs)
{
	struct callers_call call;

	for (size_t n = 0; callers_call(n, &call); n++)
		if (plan_wants(wish, call.worker))
			plan_add(plan, &call, plan_job_of(jobs, conf->app_url, &call));
}

static int64_t
plan_job_of(const json_t *jobs, const char *app_url, const struct callers_call *call)
{
	char right[PLAN_URL_MAX];
	const json_t *job;
	int64_t found = 0;
	size_t i;

	json_array_foreach(jobs, i, job)
	{
		const char *path = plan_path(app_url, cjo_url(job));
		struct callers_call made;

		if (!path || !plan_call(path, &made) || made.worker != call->worker ||
		    made.value != call->value)
			continue;
		if (strcmp(path + strcspn(path, "?#"), plan_tail(call, right, sizeof(right))) == 0)
			return cjo_id(job);
		if (!found || cjo_id(job) < found)
			found = cjo_id(job);
	}
	return found;
}

static int
plan_compare(struct callers_step *step, struct conf *conf, struct cjo *c, struct err *e)
{
	const struct cjo_note note = { plan_tell, step };
	struct plan_wanted wanted = { .url = "" };
	json_auto_t *have = NULL;

	plan_want(&wanted, conf, &step->call);
	if (step->id == 0) {
		step->act = CALLERS_CREATE;
		step->send = cjo_wanted(&wanted.to);
		text_add_format(
		    &step->says, "             %s  %s UTC\n", wanted.url, step->call.schedule);
		return 0;
	}
	have = cjo_get(c, step->id, e);
	if (!have)
		return -1;
	step->send = cjo_change(&wanted.to, have, &note);
	step->act = step->send ? CALLERS_UPDATE : CALLERS_KEEP;
	return 0;
}

static void
plan_want(struct plan_wanted *wanted, struct conf *conf, const struct callers_call *call)
{
	char tail[PLAN_NAME_MAX], name[PLAN_NAME_MAX];

	snprintf(wanted->url, sizeof(wanted->url), "%s%s%s", conf->app_url, call->path,
	    plan_tail(call, tail, sizeof(tail)));
	snprintf(wanted->title, sizeof(wanted->title), "cronward %s",
	    callers_call_name(call, name, sizeof(name)));
	wanted->to = (struct cjo_wish){
		.url = wanted->url,
		.title = wanted->title,
		.secret = conf_secret(conf, call->secret)->current.value,
	};
	cron_parse(call->schedule, &wanted->to.schedule, NULL);
}

/* A job is disabled after many errors, and a worker that runs already is none: busy=200. */
static const char *
plan_tail(const struct callers_call *call, char *to, size_t room)
{
	if (call->value)
		snprintf(to, room, "?%s=%s&busy=200", call->parameter, call->value);
	else
		snprintf(to, room, "?busy=200");
	return to;
}

static void
plan_tell(void *at, const char *name, const char *from, const char *to)
{
	struct callers_step *step = at;

	if (from)
		text_add_format(&step->says, "             %s: %s -> %s\n", name, from, to);
	else
		text_add_format(&step->says, "             %s: differs\n", name);
}

/* A job that no step is about: one more of ours that rings nothing, or somebody else's. */
static void
plan_sort_out(struct callers_plan *plan, const char *app_url, const struct callers_wish *wish,
    const json_t *job)
{
	const char *path = plan_path(app_url, cjo_url(job));
	struct callers_call call = { .worker = NULL };
	char shown[PLAN_SHOWN_MAX];
	struct callers_step *step;

	if (plan_has(plan, cjo_id(job)))
		return;
	if (!path || strncmp(path, "/api/", 5) != 0 || !cjo_is_enabled(job) ||
	    (plan_call(path, &call) && !plan_wants(wish, call.worker))) {
		plan->others++;
		return;
	}
	step = plan_add(plan, NULL, cjo_id(job));
	text_clean(shown, sizeof(shown), path, strcspn(path, "?#"));
	text_add_format(&step->says, "             %s: %s%s\n", shown,
	    call.worker ? "another job rings it already" : "rings no worker",
	    wish->disable_missing ? "" : "; --disable-missing would disable it");
	if (wish->disable_missing) {
		step->act = CALLERS_DISABLE;
		step->send = json_pack("{s:b}", "enabled", 0);
	}
}

static bool
plan_has(const struct callers_plan *plan, int64_t id)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].id == id)
			return true;
	return false;
}

static struct callers_step *
plan_add(struct callers_plan *plan, const struct callers_call *call, int64_t id)
{
	plan->steps = mem_grow(plan->steps, (plan->count + 1) * sizeof(*plan->steps));
	plan->steps[plan->count] = (struct callers_step){ .id = id };
	if (call)
		plan->steps[plan->count].call = *call;
	return &plan->steps[plan->count++];
}

/* Where the path of a job's URL begins, when that is ours; else NULL. */
static const char *
plan_path(const char *app_url, const char *job_url)
{
	size_t len = http_origin_len(job_url);

	if (len == 0 || len != strlen(app_url) || strncasecmp(job_url, app_url, len) != 0)
		return NULL;
	return job_url + len;
}

/* The call that a path makes, and whether there is one; a slash at its end is the same route. */
static bool
plan_call(const char *path, struct callers_call *ret_call)
{
	size_t len = strcspn(path, "?#");
	struct callers_call call;
	bool is_found = false;

	if (len > 1 && path[len - 1] == '/')
		len--;
	for (size_t n = 0; callers_call(n, &call); n++) {
		if (strlen(call.path) != len || strncmp(call.path, path, len) != 0)
			continue;
		if (!is_found || plan_says(path, &call))
			*ret_call = call;
		is_found = true;
	}
	return is_found;
}

/* Whether the query of a job's path says what the call does. */
static bool
plan_says(const char *path, const struct callers_call *call)
{
	char said[PLAN_NAME_MAX];
	size_t len = (size_t)snprintf(said, sizeof(said), "%s=%s", call->parameter, call->value);

	for (const char *at = strchr(path, '?'); at && *at != '#'; at = strpbrk(at + 1, "&#"))
		if (strncmp(at + 1, said, len) == 0 && strchr("&#", at[1 + len]))
			return true;
	return false;
}
