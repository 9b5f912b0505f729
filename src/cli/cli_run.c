/*
 * cli_run - a run without the gateway; for crontab on the same host, and for people.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "db/db.h"
#include "engine/run.h"
#include "gateway/filter.h"
#include "gateway/reply.h"
#include "gateway/route.h"
#include "http/http.h"
#include "workers/workers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	RUN_BUDGET_MAX_S = 3600,
	RUN_OPTION_BUDGET = CLI_OPTION_FIRST,
	RUN_OPTION_QUEUE,
	RUN_OPTION_INTERVAL,
};

/* What the command line asks for. */
struct run_wish {
	const struct worker *worker;
	int64_t budget_s;     /* 0: the setting's */
	struct text queues;   /* an array literal without its end; empty: all */
	const char *interval; /* NULL: not given */
	const char *narrowed; /* the queues that it stands for */
	bool is_help;
};

static int run_usage_worker(const struct cli_command *, const char *given);
static int run_option(const struct cli_command *, int option, struct run_wish *);
static int run_check(const struct cli_command *, struct run_wish *);
static int run_worker(const struct cli_command *, struct run_wish *);
static int run_once(struct cli_session *, struct run *);
static void run_go_on(const struct run *first, const struct run_lent *);
static int run_audit(struct cli_session *, struct run *);
static int run_report(const struct run *);
static void run_report_to_people(const struct run *);

int
cli_run(const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "budget", required_argument, NULL, RUN_OPTION_BUDGET },
		{ "queue", required_argument, NULL, RUN_OPTION_QUEUE },
		{ "interval", required_argument, NULL, RUN_OPTION_INTERVAL },
		CLI_HELP_OPTION,
		{ 0 },
	};
	struct run_wish wish = { .budget_s = 0 };
	int option, rc = CLI_DONE;

	while (rc == CLI_DONE && (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		rc = run_option(command, option, &wish);
	if (rc == CLI_DONE && optind + 1 < argc)
		rc = cli_usage(
		    command->name, "takes one worker, not '%s' as well", argv[optind + 1]);
	if (rc == CLI_DONE && !wish.is_help) {
		wish.worker = optind < argc ? worker_by_name(argv[optind]) : NULL;
		rc = wish.worker ? run_worker(command, &wish)
				 : run_usage_worker(command, argv[optind]);
	}
	text_finish(&wish.queues);
	return rc;
}

static int
run_option(const struct cli_command *command, int option, struct run_wish *wish)
{
	switch (option) {
	case CLI_OPTION_HELP:
		wish->is_help = true;
		return cli_help(command);
	case RUN_OPTION_BUDGET:
		if (text_to_int64(optarg, 1, RUN_BUDGET_MAX_S, &wish->budget_s))
			return CLI_DONE;
		return cli_usage(command->name, "--budget is '%s'; allowed is 1-%d seconds", optarg,
		    RUN_BUDGET_MAX_S);
	case RUN_OPTION_QUEUE:
		if (*optarg == '\0' || text_characters(optarg) > FILTER_NAME_MAX ||
		    !text_is_utf8(optarg, strlen(optarg)))
			return cli_usage(command->name,
			    "--queue takes a name of 1-%d characters of UTF-8", FILTER_NAME_MAX);
		if (wish->queues.len == 0)
			text_array_begin(&wish->queues);
		text_array_add(&wish->queues, optarg);
		return CLI_DONE;
	case RUN_OPTION_INTERVAL:
		wish->interval = optarg;
		return CLI_DONE;
	default:
		return cli_try("run");
	}
}

static int
run_usage_worker(const struct cli_command *command, const char *given)
{
	struct text names = { .at = NULL };

	for (size_t i = 0; workers[i]; i++)
		text_add_format(&names, "\n  %-22s %s", workers[i]->name, workers[i]->summary);
	if (given)
		cli_usage(command->name, "there is no worker '%s'; there are:%s", given, names.at);
	else
		cli_usage(command->name, "which worker? There are:%s", names.at);
	text_finish(&names);
	return CLI_USAGE;
}

/* Whether what narrows the run fits its worker. */
static int
run_check(const struct cli_command *command, struct run_wish *wish)
{
	const struct route *route = route_of_worker(wish->worker->name);
	const struct route_choice *choice;
	struct err e = { .code = ERR_OK };

	if (wish->queues.len > 0 && !(route && route->has_queues))
		return cli_usage(command->name, "--queue is for %s, %s has no queues",
		    worker_job_queue.name, wish->worker->name);
	if (!wish->interval)
		return CLI_DONE;
	if (!route || !route->parameter || strcmp(route->parameter, "interval") != 0)
		return cli_usage(command->name, "--interval is for %s, %s has no intervals",
		    worker_sync_integrations.name, wish->worker->name);
	choice = route_choose(route, wish->interval, &e);
	if (!choice)
		return cli_usage(command->name, "%s", e.message);
	wish->narrowed = choice->queues;
	return CLI_DONE;
}

static int
run_worker(const struct cli_command *command, struct run_wish *wish)
{
	const struct worker *worker = wish->worker;
	int64_t began_ms = clock_mono_ms();
	struct err e = { .code = ERR_OK };
	struct arena *arena = NULL;
	struct http *http = NULL;
	struct cli_session s;
	int rc = run_check(command, wish);

	if (rc != CLI_DONE)
		return rc;
	arena = arena_create();
	stop_setup();
	if (cli_open(&s, &e) != 0 || (worker->ready && worker->ready(&s.conf, &e) != 0) ||
	    !(http = http_create(&s.conf, conf_requests_max(&s.conf), &e))) {
		rc = cli_fail(&e);
	} else {
		const struct run_lent lent = { &s.conf, s.db, http, arena, conf_keyring(&s.conf) };
		char actor[CLI_ACTOR_MAX];
		struct run r;

		run_init(&r, wish->worker, &lent, began_ms,
		    wish->budget_s > 0 ? wish->budget_s : s.conf.run_budget_s);
		r.queues = wish->narrowed;
		if (wish->queues.len > 0)
			r.queues = arena_format(arena, "%s}", wish->queues.at);
		snprintf(r.caller, sizeof(r.caller), "%s", cli_actor(actor));
		rc = run_once(&s, &r);
		run_go_on(&r, &lent);
	}
	http_destroy(http);
	cli_close(&s);
	arena_destroy(arena);
	return rc;
}

static int
run_once(struct cli_session *s, struct run *r)
{
	if (run_begin(r) == 0) {
		progress_start(r);
		if (run_audit(s, r) == 0)
			run_work(r);
		run_end(r);
		progress_stop();
	}
	return run_report(r);
}

/*
 * Somebody brought work while the run had its lock (engine/run.h), and relies on another run behind
 * it; as long as a call that nobody waits for may go on.
 */
static void
run_go_on(const struct run *first, const struct run_lent *lent)
{
	int64_t end_ms = clock_mono_ms() + lent->conf->async_budget_s * 1000;
	bool is_rung = first->is_rung;

	fflush(stdout);
	while (is_rung && !stop_requested() && clock_mono_ms() < end_ms) {
		struct run r;

		arena_reset(lent->arena);
		run_init(&r, first->worker, lent, clock_mono_ms(), lent->conf->run_budget_s);
		snprintf(r.caller, sizeof(r.caller), "%s", first->caller);
		if (run_begin(&r) == 0) {
			run_work(&r);
			run_end(&r);
		}
		is_rung = r.is_rung;
	}
}

/* Once it is sure that there is something to write down: a busy worker was not run. */
static int
run_audit(struct cli_session *s, struct run *r)
{
	const char *detail = arena_format(
	    r->arena, "{\"run\":\"%s\",\"budgetS\":%lld}", r->id, (long long)r->budget_ms / 1000);

	return cli_audit(s, "run", r->worker->name, detail, &r->err);
}

/* The JSON that a call would have got, and for people what it means. */
static int
run_report(const struct run *r)
{
	bool failed = r->err.code != ERR_OK;
	json_auto_t *body = failed ? reply_err_body(&r->err, r) : run_reply(r);

	print_json(body);
	if (failed)
		fprintf(stderr, "cronward run: %s%s%s\n", r->err.message,
		    r->busy_since[0] ? ", since " : "", r->busy_since);
	else if (isatty(STDERR_FILENO))
		run_report_to_people(r);
	if (!failed)
		return CLI_DONE;
	return r->err.code == ERR_BUSY ? CLI_BUSY : CLI_FAILED;
}

/* In place of the progress that stood there. */
static void
run_report_to_people(const struct run *r)
{
	fprintf(stderr, "%s: %s in %lld ms: %lld done, %lld of them failed%s\n", r->worker->name,
	    run_outcome_name[run_outcome(r)], (long long)r->duration_ms, (long long)r->processed,
	    (long long)r->failed, r->more ? "; due work is left, run it again" : "");
}
