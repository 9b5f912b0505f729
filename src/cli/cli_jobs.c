/*
 * cli_jobs - reads the command line of `cronward jobs …`.
 */
#include "base/text.h"
#include "cli/jobs.h"
#include "gateway/filter.h"

#include <stdio.h>
#include <string.h>

enum {
	JOBS_NAME_MAX = 32,
	JOBS_LIST_DEFAULT = 50,
	JOBS_LOGS_DEFAULT = 1000,
};

#define JOBS_BIT(option) (1U << (option))
#define JOBS_FILTERS                                                                               \
	(JOBS_BIT(JOBS_STATUS) | JOBS_BIT(JOBS_TYPE) | JOBS_BIT(JOBS_QUEUE) |                      \
	    JOBS_BIT(JOBS_WORKSPACE))

struct jobs_command {
	const char *name;
	int (*run)(struct cli_session *, const struct jobs_wish *);
	uint32_t options;       /* that it takes */
	int args_min, args_max; /* besides; -1: any number */
	const char *arg;        /* what these are; "ID": uuids */
	int64_t limit;          /* unless --limit says another */
};

const char *const jobs_option_name[JOBS__MAX] = {
	[JOBS_STATUS] = "status",
	[JOBS_TYPE] = "type",
	[JOBS_QUEUE] = "queue",
	[JOBS_WORKSPACE] = "workspace",
	[JOBS_UNIQUE_KEY] = "unique-key",
	[JOBS_CREATED_AFTER] = "created-after",
	[JOBS_CREATED_BEFORE] = "created-before",
	[JOBS_FAILED_AFTER] = "failed-after",
	[JOBS_FAILED_BEFORE] = "failed-before",
	[JOBS_ERROR] = "error",
	[JOBS_LIMIT] = "limit",
	[JOBS_PRIORITY] = "priority",
	[JOBS_RUN_AT] = "run-at",
	[JOBS_MAX_ATTEMPTS] = "max-attempts",
	[JOBS_ON_CONFLICT] = "on-conflict",
	[JOBS_CONCURRENCY_KEY] = "concurrency-key",
	[JOBS_CONCURRENCY_LIMIT] = "concurrency-limit",
	[JOBS_DEPENDS_ON] = "depends-on",
	[JOBS_ON_DEPENDENCY_FAILURE] = "on-dependency-failure",
	[JOBS_TIMEOUT_S] = "timeout-s",
	[JOBS_ID] = "id",
	[JOBS_JSON] = "json",
};

static const struct jobs_command jobs_commands[] = {
	{
	    .name = "list",
	    .run = jobs_list,
	    .options = JOBS_FILTERS | JOBS_BIT(JOBS_UNIQUE_KEY) | JOBS_BIT(JOBS_CREATED_AFTER) |
		       JOBS_BIT(JOBS_CREATED_BEFORE) | JOBS_BIT(JOBS_LIMIT) | JOBS_BIT(JOBS_JSON),
	    .limit = JOBS_LIST_DEFAULT,
	},
	{
	    .name = "show",
	    .run = jobs_show,
	    .options = JOBS_BIT(JOBS_JSON),
	    .args_min = 1,
	    .args_max = 1,
	    .arg = "ID",
	},
	{
	    .name = "logs",
	    .run = jobs_logs,
	    .options = JOBS_BIT(JOBS_LIMIT) | JOBS_BIT(JOBS_JSON),
	    .args_min = 1,
	    .args_max = 1,
	    .arg = "ID",
	    .limit = JOBS_LOGS_DEFAULT,
	},
	{
	    .name = "enqueue",
	    .run = jobs_enqueue,
	    .options = JOBS_BIT(JOBS_QUEUE) | JOBS_BIT(JOBS_WORKSPACE) | JOBS_BIT(JOBS_UNIQUE_KEY) |
		       JOBS_BIT(JOBS_PRIORITY) | JOBS_BIT(JOBS_RUN_AT) |
		       JOBS_BIT(JOBS_MAX_ATTEMPTS) | JOBS_BIT(JOBS_ON_CONFLICT) |
		       JOBS_BIT(JOBS_CONCURRENCY_KEY) | JOBS_BIT(JOBS_CONCURRENCY_LIMIT) |
		       JOBS_BIT(JOBS_DEPENDS_ON) | JOBS_BIT(JOBS_ON_DEPENDENCY_FAILURE) |
		       JOBS_BIT(JOBS_TIMEOUT_S) | JOBS_BIT(JOBS_ID) | JOBS_BIT(JOBS_JSON),
	    .args_min = 1,
	    .args_max = 2,
	    .arg = "TYPE [PAYLOAD]",
	},
	{
	    .name = "retry",
	    .run = jobs_retry,
	    .options = JOBS_FILTERS | JOBS_BIT(JOBS_FAILED_AFTER) | JOBS_BIT(JOBS_FAILED_BEFORE) |
		       JOBS_BIT(JOBS_ERROR) | JOBS_BIT(JOBS_LIMIT),
	    .args_max = -1,
	    .arg = "ID",
	    .limit = INT64_MAX,
	},
	{ .name = "cancel", .run = jobs_cancel, .args_min = 1, .args_max = -1, .arg = "ID" },
	{ .name = "pause", .run = jobs_pause, .args_min = 1, .args_max = 1, .arg = "QUEUE" },
	{ .name = "resume", .run = jobs_resume, .args_min = 1, .args_max = 1, .arg = "QUEUE" },
	{ .name = "queues", .run = jobs_queues, .options = JOBS_BIT(JOBS_JSON) },
	{ .name = "types", .run = jobs_types, .options = JOBS_BIT(JOBS_JSON) },
	{ .name = "schedules", .run = jobs_schedules, .options = JOBS_BIT(JOBS_JSON) },
	{ .name = NULL },
};

static const struct jobs_command *jobs_find(const char *name);
static int jobs_parse(const struct jobs_command *, struct jobs_wish *, int argc, char **argv);
static int jobs_take(struct jobs_wish *, enum jobs_option, const char *value);
static int jobs_check(const struct jobs_command *, const struct jobs_wish *);
static int jobs_check_args(const struct jobs_command *, const struct jobs_wish *);

int
cli_jobs(const struct cli_command *command, int argc, char **argv)
{
	const struct jobs_command *jobs = argc > 1 ? jobs_find(argv[1]) : NULL;
	struct jobs_wish wish = { .limit = 0 };
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	char name[JOBS_NAME_MAX];
	int rc;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return cli_help(command);
	if (!jobs)
		return cli_usage("jobs",
		    "%s%s%sallowed are list, show, logs, enqueue, retry, cancel, pause, resume, "
		    "queues, types and schedules",
		    argc > 1 ? "there is no '" : "", argc > 1 ? argv[1] : "",
		    argc > 1 ? "'; " : "");
	snprintf(name, sizeof(name), "cronward jobs %s", jobs->name);
	argv[1] = name;
	wish.limit = jobs->limit;
	rc = jobs_parse(jobs, &wish, argc - 1, argv + 1);
	if (rc == CLI_DONE) {
		cli_help(command);
	} else if (rc < 0) {
		rc = cli_open(&s, &e) == 0 ? jobs->run(&s, &wish) : cli_fail(&e);
		cli_close(&s);
	}
	json_decref(wish.depends_on);
	return rc;
}

int
jobs_fail(const struct err *e)
{
	/* A time of a filter is read by PostgreSQL, which does not say what it takes. */
	if (strcmp(e->sqlstate, "22007") == 0 || strcmp(e->sqlstate, "22008") == 0)
		return cli_usage("jobs",
		    "%s; a TIME is such as 2026-11-22T04:53:12Z, '2026-11-22 05:00' or yesterday",
		    e->message);
	/* Class 22: a number or a text that a column cannot hold. */
	if (e->code == ERR_BAD_REQUEST || strncmp(e->sqlstate, "22", 2) == 0)
		return cli_usage("jobs", "%s", e->message);
	return cli_fail(e);
}

static const struct jobs_command *
jobs_find(const char *name)
{
	for (const struct jobs_command *jobs = jobs_commands; jobs->name; jobs++)
		if (strcmp(jobs->name, name) == 0)
			return jobs;
	return NULL;
}

/* -1: go on; CLI_DONE: help is wanted; else the exit code. */
static int
jobs_parse(const struct jobs_command *jobs, struct jobs_wish *wish, int argc, char **argv)
{
	struct option options[JOBS__MAX + 2] = { [JOBS__MAX] = CLI_HELP_OPTION };
	int option, rc;

	for (int i = 0; i < JOBS__MAX; i++)
		options[i] = (struct option){ jobs_option_name[i],
			i == JOBS_JSON ? no_argument : required_argument, NULL,
			CLI_OPTION_FIRST + i };
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return CLI_DONE;
		if (option < CLI_OPTION_FIRST)
			return cli_try("jobs");
		option -= CLI_OPTION_FIRST;
		if (!(jobs->options & JOBS_BIT(option)))
			return cli_usage(
			    "jobs", "%s takes no --%s", jobs->name, jobs_option_name[option]);
		rc = jobs_take(wish, (enum jobs_option)option, optarg ? optarg : "");
		if (rc != 0)
			return rc;
	}
	wish->args = argv + optind;
	wish->args_count = argc - optind;
	rc = jobs_check_args(jobs, wish);
	return rc != 0 ? rc : jobs_check(jobs, wish);
}

/* 0, or CLI_USAGE having said why. */
static int
jobs_take(struct jobs_wish *wish, enum jobs_option option, const char *value)
{
	const char *name = jobs_option_name[option];

	/* Else PostgreSQL would refuse it without saying which it was. */
	if (!text_is_utf8(value, strlen(value)))
		return cli_usage("jobs", "the value of --%s is not UTF-8", name);
	if (option == JOBS_LIMIT && !text_to_int64(value, 1, JOBS_LIMIT_MAX, &wish->limit))
		return cli_usage("jobs", "--limit is '%s'; allowed is 1-%d", value, JOBS_LIMIT_MAX);
	if ((option == JOBS_WORKSPACE || option == JOBS_DEPENDS_ON || option == JOBS_ID) &&
	    !text_is_uuid(value))
		return cli_usage("jobs", "--%s is '%s', which is no uuid", name, value);
	if (option == JOBS_STATUS && !filter_is_status(value))
		return cli_usage("jobs",
		    "--status is '%s'; allowed are pending, blocked, processing, completed, failed "
		    "and cancelled",
		    value);
	if (option == JOBS_DEPENDS_ON) {
		wish->depends_on = wish->depends_on ? wish->depends_on : json_array();
		json_array_append_new(wish->depends_on, json_string(value));
	}
	wish->given[option] = value;
	return 0;
}

static int
jobs_check_args(const struct jobs_command *jobs, const struct jobs_wish *wish)
{
	bool is_id = jobs->arg && strcmp(jobs->arg, "ID") == 0;

	if (wish->args_count > jobs->args_max && jobs->args_max == 0)
		return cli_usage("jobs", "%s takes no argument '%s'", jobs->name, wish->args[0]);
	if (wish->args_count < jobs->args_min ||
	    (jobs->args_max >= 0 && wish->args_count > jobs->args_max))
		return cli_usage(
		    "jobs", "%s wants %s%s", jobs->name, jobs->arg, jobs->args_max < 0 ? "…" : "");
	for (int i = 0; i < wish->args_count; i++) {
		if (!text_is_utf8(wish->args[i], strlen(wish->args[i])))
			return cli_usage("jobs", "an argument is not UTF-8");
		if (is_id && !text_is_uuid(wish->args[i]))
			return cli_usage(
			    "jobs", "'%s' is no job's id, which is a uuid", wish->args[i]);
	}
	return 0;
}

/* Whether options and arguments go together.  -1, or CLI_USAGE having said why. */
static int
jobs_check(const struct jobs_command *jobs, const struct jobs_wish *wish)
{
	const char *status = wish->given[JOBS_STATUS];
	bool is_filtered = false;

	if (jobs->run != jobs_retry)
		return -1;
	for (int i = 0; i < JOBS__MAX; i++)
		is_filtered |= wish->given[i] != NULL && i != JOBS_LIMIT;
	if (is_filtered == (wish->args_count > 0) || (!is_filtered && wish->given[JOBS_LIMIT]))
		return cli_usage("jobs",
		    "retry wants either ids, or a filter; --status failed means all that failed");
	if (status && strcmp(status, "failed") != 0)
		return cli_usage("jobs",
		    "--status is '%s'; retry takes failed alone, and those that were cancelled by "
		    "their ids",
		    status);
	return -1;
}
