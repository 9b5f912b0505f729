/*
 * cli_integrations - reads the command line of `cronward integrations …`.
 */
#include "base/text.h"
#include "cli/integrations.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char integrations_help[] =
    " list [FILTER] [--limit N] [--json]\n"
    "       cronward integrations resync ID… | --all | FILTER [--whole]\n"
    "       cronward integrations disconnect ID… | --user UUID [--provider NAME]\n"
    "                                            [--purge]\n"
    "\n"
    "  list         the newest first, with when it was synced, when it is due, and\n"
    "               what was wrong\n"
    "  resync       due now, even where the vendor has asked to wait: the next run\n"
    "               goes on from where the last one was.  With ids or --status\n"
    "               needs_reauth, those whose tokens were refused are tried once\n"
    "               more; else active ones alone\n"
    "  disconnect   forget the tokens and sync no more; what is stored stays until\n"
    "               an application stores new tokens and status = 'active'\n"
    "\n"
    "Filters:\n"
    "  --provider NAME   github, notion, slack or google_calendar\n"
    "  --status STATUS   active, needs_reauth or disconnected\n"
    "  --user UUID       of this user\n"
    "  --all             all of them\n"
    "\n"
    "  --whole           read everything again and drop what is gone, whatever was\n"
    "                    synced before\n"
    "  --purge           delete what was synced, too\n"
    "  --limit N         list so many (1-100000; 50)\n"
    "  --json            as JSON\n"
    "\n"
    "What resync and disconnect do goes to the table audit_log.  No token is shown.\n";

enum {
	INTEGRATIONS_NAME_MAX = 48,
	INTEGRATIONS_LIMIT_DEFAULT = 50,
	INTEGRATIONS_LIMIT_MAX = 100000,
};

#define INTEGRATIONS_BIT(option) (1U << (option))
#define INTEGRATIONS_FILTERS                                                                       \
	(INTEGRATIONS_BIT(INTEGRATIONS_PROVIDER) | INTEGRATIONS_BIT(INTEGRATIONS_STATUS) |         \
	    INTEGRATIONS_BIT(INTEGRATIONS_USER))

struct integrations_command {
	const char *name;
	int (*run)(struct cli_session *, const struct integrations_wish *);
	uint32_t options;  /* that it takes */
	uint32_t picks;    /* those filters that say enough of which are meant */
	const char *wants; /* NULL: no ids */
};

const char *const integrations_option_name[INTEGRATIONS__MAX] = {
	[INTEGRATIONS_PROVIDER] = "provider",
	[INTEGRATIONS_STATUS] = "status",
	[INTEGRATIONS_USER] = "user",
	[INTEGRATIONS_LIMIT] = "limit",
	[INTEGRATIONS_ALL] = "all",
	[INTEGRATIONS_WHOLE] = "whole",
	[INTEGRATIONS_PURGE] = "purge",
	[INTEGRATIONS_JSON] = "json",
};

/* Whoever disconnects more than a user's does not do it by mistake. */
static const struct integrations_command integrations_commands[] = {
	{
	    .name = "list",
	    .run = integrations_list,
	    .options = INTEGRATIONS_FILTERS | INTEGRATIONS_BIT(INTEGRATIONS_LIMIT) |
		       INTEGRATIONS_BIT(INTEGRATIONS_JSON),
	},
	{
	    .name = "resync",
	    .run = integrations_resync,
	    .options = INTEGRATIONS_FILTERS | INTEGRATIONS_BIT(INTEGRATIONS_ALL) |
		       INTEGRATIONS_BIT(INTEGRATIONS_WHOLE),
	    .picks = INTEGRATIONS_FILTERS,
	    .wants = "ids, or --all, or a filter",
	},
	{
	    .name = "disconnect",
	    .run = integrations_disconnect,
	    .options = INTEGRATIONS_BIT(INTEGRATIONS_USER) |
		       INTEGRATIONS_BIT(INTEGRATIONS_PROVIDER) |
		       INTEGRATIONS_BIT(INTEGRATIONS_PURGE),
	    .picks = INTEGRATIONS_BIT(INTEGRATIONS_USER),
	    .wants = "ids, or --user",
	},
	{ .name = NULL },
};

static const struct integrations_command *integrations_find(const char *name);
static int integrations_parse(
    const struct integrations_command *, struct integrations_wish *, int argc, char **argv);
static int integrations_take(
    struct integrations_wish *, enum integrations_option, const char *value);
static int integrations_take_ids(struct integrations_wish *, int argc, char **argv);
static int integrations_check(
    const struct integrations_command *, const struct integrations_wish *);
static bool integrations_is_one_of(const char *value, const char *const *allowed);
static int integrations_compare(const void *, const void *);

int
cli_integrations(const struct cli_command *command, int argc, char **argv)
{
	const struct integrations_command *found = argc > 1 ? integrations_find(argv[1]) : NULL;
	struct integrations_wish wish = { .limit = INTEGRATIONS_LIMIT_DEFAULT };
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	char name[INTEGRATIONS_NAME_MAX];
	int rc;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return cli_help(command);
	if (!found)
		return cli_usage(command->name, "wants one of list, resync, disconnect");
	snprintf(name, sizeof(name), "cronward integrations %s", found->name);
	argv[1] = name;
	rc = integrations_parse(found, &wish, argc - 1, argv + 1);
	if (rc == CLI_DONE)
		return cli_help(command);
	if (rc > 0)
		return rc;
	rc = cli_open(&s, &e) == 0 ? found->run(&s, &wish) : cli_fail(&e);
	cli_close(&s);
	return rc;
}

static const struct integrations_command *
integrations_find(const char *name)
{
	for (const struct integrations_command *c = integrations_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* -1: go on; CLI_DONE: help is wanted; else the exit code. */
static int
integrations_parse(
    const struct integrations_command *c, struct integrations_wish *wish, int argc, char **argv)
{
	struct option options[INTEGRATIONS__MAX + 2] = { [INTEGRATIONS__MAX] = CLI_HELP_OPTION };
	int option;

	for (int i = 0; i < INTEGRATIONS__MAX; i++)
		options[i] = (struct option){ integrations_option_name[i],
			i < INTEGRATIONS_ALL ? required_argument : no_argument, NULL,
			CLI_OPTION_FIRST + i };
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return CLI_DONE;
		if (option < CLI_OPTION_FIRST)
			return cli_try("integrations");
		option -= CLI_OPTION_FIRST;
		if (!(c->options & INTEGRATIONS_BIT(option)))
			return cli_usage("integrations", "%s takes no --%s", c->name,
			    integrations_option_name[option]);
		if (integrations_take(
			wish, (enum integrations_option)option, optarg ? optarg : "") != 0)
			return CLI_USAGE;
	}
	if (integrations_take_ids(wish, argc - optind, argv + optind) != 0)
		return CLI_USAGE;
	return integrations_check(c, wish);
}

/* 0, or CLI_USAGE having said why. */
static int
integrations_take(
    struct integrations_wish *wish, enum integrations_option option, const char *value)
{
	static const char *const providers[] = { "github", "notion", "slack", "google_calendar",
		NULL };
	static const char *const statuses[] = { "active", "needs_reauth", "disconnected", NULL };

	if (option == INTEGRATIONS_PROVIDER && !integrations_is_one_of(value, providers))
		return cli_usage("integrations",
		    "--provider is '%s'; allowed are github, notion, slack and google_calendar",
		    value);
	if (option == INTEGRATIONS_STATUS && !integrations_is_one_of(value, statuses))
		return cli_usage("integrations",
		    "--status is '%s'; allowed are active, needs_reauth and disconnected", value);
	if (option == INTEGRATIONS_USER && !text_is_uuid(value))
		return cli_usage("integrations", "--user is '%s', which is no uuid", value);
	if (option == INTEGRATIONS_LIMIT &&
	    !text_to_int64(value, 1, INTEGRATIONS_LIMIT_MAX, &wish->limit))
		return cli_usage("integrations", "--limit is '%s'; allowed is 1-%d", value,
		    INTEGRATIONS_LIMIT_MAX);
	wish->given[option] = value;
	return 0;
}

/* Each once, so that what was asked for can be compared with what was found. */
static int
integrations_take_ids(struct integrations_wish *wish, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!text_is_uuid(argv[i]))
			return cli_usage("integrations",
			    "'%s' is no integration's id, which is a uuid", argv[i]);
		for (char *c = argv[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	qsort(argv, (size_t)argc, sizeof(*argv), integrations_compare);
	wish->ids = argv;
	for (int i = 0; i < argc; i++)
		if (wish->ids_count == 0 || strcmp(argv[wish->ids_count - 1], argv[i]) != 0)
			argv[wish->ids_count++] = argv[i];
	return 0;
}

/* Whether arguments fit the subcommand.  -1: they do; else CLI_USAGE, having said why. */
static int
integrations_check(const struct integrations_command *c, const struct integrations_wish *wish)
{
	bool is_picked = false, is_filtered = false, is_all = wish->given[INTEGRATIONS_ALL];
	bool has_ids = wish->ids_count > 0;

	for (int i = INTEGRATIONS_PROVIDER; i <= INTEGRATIONS_USER; i++) {
		is_filtered |= wish->given[i] != NULL;
		is_picked |= wish->given[i] && (c->picks & INTEGRATIONS_BIT(i));
	}
	if (!c->wants && has_ids)
		return cli_usage(
		    "integrations", "%s takes no argument '%s'", c->name, wish->ids[0]);
	/* --provider alone is not enough where it only narrows down a user's. */
	if (c->wants && (has_ids + is_all + is_picked != 1 || (is_filtered && !is_picked)))
		return cli_usage("integrations", "%s wants either %s", c->name, c->wants);
	return -1;
}

static bool
integrations_is_one_of(const char *value, const char *const *allowed)
{
	while (*allowed && strcmp(*allowed, value) != 0)
		allowed++;
	return *allowed != NULL;
}

static int
integrations_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}
