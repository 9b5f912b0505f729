/*
 * cli_status - the workers' last runs, their locks, and what waits for them.
 */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/status.h"

#include <stdbool.h>
#include <stdio.h>

enum {
	STATUS_OPTION_JSON = CLI_OPTION_FIRST,
	STATUS_OPTION_WATCH,
	STATUS_WATCH_S = 2,
	STATUS_WATCH_MAX_S = 3600,
};

struct status_wish {
	bool json;
	int64_t watch_s; /* 0: once */
};

static int status_parse(const struct cli_command *, struct status_wish *, int argc, char **argv);
static int status_once(struct cli_session *, bool json);

int
cli_status(const struct cli_command *command, int argc, char **argv)
{
	struct status_wish wish = { .json = false };
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	int rc = status_parse(command, &wish, argc, argv);

	if (rc >= 0)
		return rc;
	if (cli_open(&s, &e) != 0)
		rc = cli_fail(&e);
	else if (wish.watch_s > 0)
		rc = status_watch(&s, wish.watch_s * 1000, wish.json);
	else
		rc = status_once(&s, wish.json);
	cli_close(&s);
	return rc;
}

/* -1: go on; else the exit code. */
static int
status_parse(const struct cli_command *command, struct status_wish *wish, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, STATUS_OPTION_JSON },
		{ "watch", optional_argument, NULL, STATUS_OPTION_WATCH },
		CLI_HELP_OPTION,
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		const char *seconds = NULL;

		if (option == CLI_OPTION_HELP)
			return cli_help(command);
		if (option < CLI_OPTION_FIRST)
			return cli_try(command->name);
		if (option == STATUS_OPTION_JSON) {
			wish->json = true;
			continue;
		}
		/* "--watch 5" is what people write; getopt knows "--watch=5" alone. */
		seconds = optarg;
		if (!seconds && optind < argc && argv[optind][0] != '-')
			seconds = argv[optind++];
		wish->watch_s = STATUS_WATCH_S;
		if (seconds && !text_to_int64(seconds, 1, STATUS_WATCH_MAX_S, &wish->watch_s))
			return cli_usage(command->name, "--watch is '%s'; allowed is 1-%d seconds",
			    seconds, STATUS_WATCH_MAX_S);
	}
	if (optind < argc)
		return cli_usage(command->name, "takes no argument '%s'", argv[optind]);
	return -1;
}

static int
status_once(struct cli_session *s, bool json)
{
	struct err e = { .code = ERR_OK };
	struct status status;
	int rc = CLI_DONE;

	if (status_read(s, &status, &e) != 0) {
		rc = cli_fail(&e);
	} else if (json) {
		json_auto_t *body = status_json(&status);

		print_json(body);
	} else {
		status_print(&status, stdout);
	}
	status_finish(&status);
	return rc;
}
