/*
 * cli_config - the settings' table, as values in force or as README has it.
 */
#include "cli/cli.h"
#include "cli/print.h"

#include <stdbool.h>
#include <stdio.h>

enum {
	CONFIG_VALUE_MAX = 2048,
	CONFIG_OPTION_MARKDOWN = CLI_OPTION_FIRST,
};

static void config_print(const struct conf *);
static void config_print_markdown(void);

int
cli_config(const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "markdown", no_argument, NULL, CONFIG_OPTION_MARKDOWN },
		CLI_HELP_OPTION,
		{ 0 },
	};
	struct conf conf;
	struct err e = { .code = ERR_OK };
	bool markdown = false;
	int option, rc = CLI_DONE;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return cli_help(command);
		if (option != CONFIG_OPTION_MARKDOWN)
			return CLI_USAGE;
		markdown = true;
	}
	if (optind < argc)
		return cli_usage(command->name, "takes no argument '%s'", argv[optind]);
	if (markdown) {
		config_print_markdown();
		return CLI_DONE;
	}
	if (conf_load(&conf, &e) == 0)
		config_print(&conf);
	else
		rc = cli_fail(&e);
	conf_finish(&conf);
	return rc;
}

static void
config_print(const struct conf *conf)
{
	struct print_table table = { .columns = 5 };
	struct conf_row row;
	char value[CONFIG_VALUE_MAX];

	print_add(
	    &table, (const char *const[]){ "setting", "value", "default", "allowed", "meaning" });
	for (size_t i = 0; conf_row(i, &row); i++)
		print_add(&table,
		    (const char *const[]){ row.name, conf_value(conf, i, value, sizeof(value)),
			row.fallback, row.allowed, row.help });
	print_table(&table);
	print_finish(&table);
}

static void
config_print_markdown(void)
{
	struct conf_row row;

	puts("| setting | default | allowed | meaning |\n|---|---|---|---|");
	for (size_t i = 0; conf_row(i, &row); i++)
		printf("| `%s` | %s | %s | %s |\n", row.name, row.fallback, row.allowed, row.help);
}
