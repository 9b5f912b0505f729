/*
 * cli_rekey - seals with the newest key whatever an older one sealed.
 */
#include "cli/cli.h"
#include "cli/sealing.h"

#include <stdbool.h>

enum {
	REKEY_OPTION_DRY_RUN = CLI_OPTION_FIRST,
};

int
cli_rekey(const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dry-run", no_argument, NULL, REKEY_OPTION_DRY_RUN },
		CLI_HELP_OPTION,
		{ 0 },
	};
	static const struct sealing sealing = {
		.action = "rekey",
		.done = "sealed anew",
		.column = sealed_rekey,
	};
	bool dry_run = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return cli_help(command);
		if (option != REKEY_OPTION_DRY_RUN)
			return cli_try(command->name);
		dry_run = true;
	}
	if (optind < argc)
		return cli_usage(command->name, "takes no argument '%s'", argv[optind]);
	return sealing_run(&sealing, dry_run);
}
