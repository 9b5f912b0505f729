/*
 * cli_config - the settings' table, as values in force or as README has it.
 */
#include "cli/cli.h"
#include "cli/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	CONFIG_VALUE_MAX = 2048,
	CONFIG_COLUMNS = 5,
	CONFIG_COLUMNS_MIN = 2,
	CONFIG_OPTION_MARKDOWN = CLI_OPTION_FIRST,
};

static void config_print(const struct conf *);
static void config_fill(struct print_table *, const struct conf *);
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
			return cli_try(command->name);
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

/* On a terminal as many columns as it has room for; elsewhere all of them. */
static void
config_print(const struct conf *conf)
{
	struct print_table table = { .columns = CONFIG_COLUMNS };
	struct winsize size = { .ws_col = 0 };
	bool is_narrow = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;

	config_fill(&table, conf);
	while (is_narrow && table.columns > CONFIG_COLUMNS_MIN &&
	       print_table_width(&table) > size.ws_col) {
		size_t columns = table.columns - 1;

		print_finish(&table);
		table.columns = columns;
		config_fill(&table, conf);
	}
	print_table(&table);
	if (table.columns < CONFIG_COLUMNS)
		fputs("\nThere is more to the right: pipe it into `less -S`.\n", stderr);
	print_finish(&table);
}

/* With the first table->columns columns. */
static void
config_fill(struct print_table *table, const struct conf *conf)
{
	struct conf_row row;
	char value[CONFIG_VALUE_MAX];

	print_add(
	    table, (const char *const[]){ "setting", "value", "default", "allowed", "meaning" });
	for (size_t i = 0; conf_row(conf, i, &row); i++)
		print_add(table,
		    (const char *const[]){ row.name, conf_value(conf, i, value, sizeof(value)),
			row.fallback, row.allowed, row.help });
}

static void
config_print_markdown(void)
{
	struct conf_row row;

	puts("| setting | default | allowed | meaning |\n|---|---|---|---|");
	for (size_t i = 0; conf_row(NULL, i, &row); i++)
		printf("| `%s` | %s | %s | %s |\n", row.name, row.fallback, row.allowed, row.help);
}
