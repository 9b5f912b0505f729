/*
 * cli_callers - reads the command line of `cronward callers …`, and prints the list.
 *
 * The list is made of the workers and of the gateway's routes: what is shipped in deploy/callers
 * is compared with it by a test.
 */
#include "base/arena.h"
#include "base/text.h"
#include "cli/callers.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "engine/worker.h"
#include "workers/workers.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CALLERS_LIMIT = 100, /* cron-job.org's for accounts that pay nothing */
	CALLERS_LIMIT_MAX = 100000,
	CALLERS_PATH_MAX = 256,
};

enum callers_option {
	CALLERS_OPTION_JSON = CLI_OPTION_FIRST,
	CALLERS_OPTION_APPLY,
	CALLERS_OPTION_ONLY,
	CALLERS_OPTION_MISSING,
	CALLERS_OPTION_LIMIT,
};

static int callers_list(int argc, char **argv);
static int callers_service(int argc, char **argv);
static int callers_take(struct callers_wish *, int option, const char *value);
static int callers_take_worker(struct callers_wish *, const char *name);
static void callers_print(void);
static void callers_print_json(void);

int
cli_callers(const struct cli_command *command, int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return cli_help(command);
	if (strcmp(what, "list") == 0)
		return callers_list(argc - 1, argv + 1);
	if (strcmp(what, "cron-job.org") == 0)
		return callers_service(argc - 1, argv + 1);
	if (strcmp(what, "allowlist") == 0 && argc == 2)
		return callers_allowlist();
	return cli_usage(command->name, "wants list, cron-job.org or allowlist");
}

static int
callers_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, CALLERS_OPTION_JSON },
		{ 0 },
	};
	bool json = false;
	int option;

	argv[0] = (char[]){ "cronward callers list" };
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != CALLERS_OPTION_JSON)
			return cli_try("callers");
		json = true;
	}
	if (optind < argc)
		return cli_usage("callers", "list takes no argument '%s'", argv[optind]);
	if (json)
		callers_print_json();
	else
		callers_print();
	return CLI_DONE;
}

static int
callers_service(int argc, char **argv)
{
	static const struct option options[] = {
		{ "apply", no_argument, NULL, CALLERS_OPTION_APPLY },
		{ "only", required_argument, NULL, CALLERS_OPTION_ONLY },
		{ "disable-missing", no_argument, NULL, CALLERS_OPTION_MISSING },
		{ "daily-limit", required_argument, NULL, CALLERS_OPTION_LIMIT },
		{ 0 },
	};
	struct callers_wish wish = { .daily_limit = CALLERS_LIMIT };
	int option, rc = 0;

	argv[0] = (char[]){ "cronward callers cron-job.org" };
	/* Each argument names one worker at most. */
	wish.only = mem_zero((size_t)argc + 1, sizeof(struct worker *));
	while (rc == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		rc = option < CALLERS_OPTION_JSON ? CLI_USAGE : callers_take(&wish, option, optarg);
	if (rc == 0 && optind < argc)
		rc = cli_usage("callers", "cron-job.org takes no argument '%s'", argv[optind]);
	if (rc == 0)
		rc = callers_cron_job_org(&wish);
	free(wish.only);
	return rc;
}

/* 0, or CLI_USAGE having said why. */
static int
callers_take(struct callers_wish *wish, int option, const char *value)
{
	if (option == CALLERS_OPTION_ONLY)
		return callers_take_worker(wish, value);
	if (option == CALLERS_OPTION_APPLY)
		wish->apply = true;
	else if (option == CALLERS_OPTION_MISSING)
		wish->disable_missing = true;
	else if (!text_to_int64(value, 1, CALLERS_LIMIT_MAX, &wish->daily_limit))
		return cli_usage(
		    "callers", "--daily-limit is '%s'; allowed is 1-%d", value, CALLERS_LIMIT_MAX);
	return 0;
}

static int
callers_take_worker(struct callers_wish *wish, const char *name)
{
	struct text names = { .at = NULL };
	size_t i = 0;

	while (wish->only[i])
		i++;
	wish->only[i] = worker_by_name(name);
	if (wish->only[i])
		return 0;
	for (i = 0; workers[i]; i++)
		text_add_format(&names, "%s%s", i ? ", " : "", workers[i]->name);
	cli_usage("callers", "there is no worker '%s'; there are: %s", name, names.at);
	text_finish(&names);
	return CLI_USAGE;
}

static void
callers_print(void)
{
	struct print_table table = { .columns = 5 };
	struct callers_call call;
	char path[CALLERS_PATH_MAX];

	print_add(
	    &table, (const char *const[]){ "worker", "method", "path", "schedule", "secret" });
	for (size_t n = 0; callers_call(n, &call); n++)
		print_add(&table, (const char *const[]){ call.worker->name, "POST",
				      callers_call_path(&call, path, sizeof(path)), call.schedule,
				      conf_secret_name[call.secret] });
	print_table(&table);
	print_finish(&table);
}

static void
callers_print_json(void)
{
	json_auto_t *list = json_array();
	struct callers_call call;
	char path[CALLERS_PATH_MAX];

	for (size_t n = 0; callers_call(n, &call); n++)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s, s:s}", "worker", call.worker->name, "method",
			"POST", "path", callers_call_path(&call, path, sizeof(path)), "schedule",
			call.schedule, "secret", conf_secret_name[call.secret]));
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
}
