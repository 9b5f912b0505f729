/*
 * cli_dead - reads the command line of `cronward dead …` into a filter.
 */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/dead.h"
#include "db/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEAD_LIMIT_DEFAULT = 50,
	DEAD_LIMIT_MAX = 100000,
	DEAD_NAME_MAX = 32,
};

enum dead_option {
	DEAD_OPTION_WEBHOOK = CLI_OPTION_FIRST,
	DEAD_OPTION_TYPE,
	DEAD_OPTION_SINCE,
	DEAD_OPTION_UNTIL,
	DEAD_OPTION_ALL,
	DEAD_OPTION_LIMIT,
	DEAD_OPTION_JSON,
};

/* What a subcommand takes besides the filter's own options. */
struct dead_command {
	const char *name;
	int (*run)(struct cli_session *, const struct dead_filter *);
	bool filters, bulk, listing; /* takes --webhook…; ids or --all too; --limit and --json */
};

static const struct dead_command dead_commands[] = {
	{ .name = "list", .run = dead_list, .filters = true, .listing = true },
	{ .name = "show", .run = dead_show },
	{ .name = "replay", .run = dead_replay, .filters = true, .bulk = true },
	{ .name = "purge", .run = dead_purge, .filters = true, .bulk = true },
	{ .name = NULL },
};

static const struct option dead_options[] = {
	{ "webhook", required_argument, NULL, DEAD_OPTION_WEBHOOK },
	{ "type", required_argument, NULL, DEAD_OPTION_TYPE },
	{ "since", required_argument, NULL, DEAD_OPTION_SINCE },
	{ "until", required_argument, NULL, DEAD_OPTION_UNTIL },
	{ "all", no_argument, NULL, DEAD_OPTION_ALL },
	{ "limit", required_argument, NULL, DEAD_OPTION_LIMIT },
	{ "json", no_argument, NULL, DEAD_OPTION_JSON },
	CLI_HELP_OPTION,
	{ 0 },
};

static const struct dead_command *dead_find(const char *name);
static int dead_parse(const struct dead_command *, struct dead_filter *, int argc, char **argv);
static int dead_take(struct dead_filter *, int option, const char *value);
static int dead_take_ids(struct dead_filter *, int argc, char **argv);
static int dead_check(const struct dead_command *, const struct dead_filter *);
static int dead_compare_ids(const void *, const void *);

int
cli_dead(const struct cli_command *command, int argc, char **argv)
{
	const struct dead_command *dead = argc > 1 ? dead_find(argv[1]) : NULL;
	struct dead_filter filter = { .limit = DEAD_LIMIT_DEFAULT };
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	char name[DEAD_NAME_MAX];
	int rc;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return cli_help(command);
	if (!dead)
		return cli_usage("dead", "wants one of list, show, replay, purge");
	snprintf(name, sizeof(name), "cronward dead %s", dead->name);
	argv[1] = name;
	rc = dead_parse(dead, &filter, argc - 1, argv + 1);
	if (rc == CLI_DONE)
		return cli_help(command);
	if (rc > 0)
		return rc;
	rc = cli_open(&s, &e) == 0 ? dead->run(&s, &filter) : cli_fail(&e);
	cli_close(&s);
	return rc;
}

int
dead_fail(const struct err *e)
{
	if (e->code == ERR_BAD_REQUEST)
		return cli_usage("dead", "%s", e->message);
	return cli_fail(e);
}

int
dead_times(
    struct cli_session *s, const struct dead_filter *f, struct dead_times *ret_times, struct err *e)
{
	struct err why = { .code = ERR_OK };
	AUTO(PQclear)
	PGresult *rows = db_query(s->db, SQL_DEAD_TIMES, DB_ARGS(f->since, f->until), &why);
	const char *since;

	/* Class 22: the texts are at fault, invalid_datetime_format or datetime_field_overflow. */
	if (!rows && strncmp(why.sqlstate, "22", 2) == 0)
		return err_set(e, ERR_BAD_REQUEST,
		    "--since and --until take a time such as 2026-11-22T04:53:12Z, '2026-11-22 "
		    "05:00' or yesterday; %s",
		    why.message);
	if (!rows)
		return err_pass(e, &why);
	since = db_text(rows, 0, "since");
	snprintf(ret_times->since, sizeof(ret_times->since), "%s", since ? since : "");
	snprintf(ret_times->until, sizeof(ret_times->until), "%s", db_text(rows, 0, "until"));
	return 0;
}

static const struct dead_command *
dead_find(const char *name)
{
	for (const struct dead_command *dead = dead_commands; dead->name; dead++)
		if (strcmp(dead->name, name) == 0)
			return dead;
	return NULL;
}

/* -1: go on; CLI_DONE: help is wanted; else the exit code. */
static int
dead_parse(const struct dead_command *dead, struct dead_filter *f, int argc, char **argv)
{
	int option, rc;

	while ((option = getopt_long(argc, argv, "h", dead_options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return CLI_DONE;
		if (option < CLI_OPTION_FIRST)
			return cli_try("dead");
		if (dead_take(f, option, optarg) != 0)
			return CLI_USAGE;
	}
	rc = dead_take_ids(f, argc - optind, argv + optind);
	return rc != 0 ? CLI_USAGE : dead_check(dead, f);
}

/* 0, or CLI_USAGE having said why. */
static int
dead_take(struct dead_filter *f, int option, const char *value)
{
	if (option == DEAD_OPTION_WEBHOOK)
		f->webhook = value;
	else if (option == DEAD_OPTION_TYPE)
		f->type = value;
	else if (option == DEAD_OPTION_SINCE)
		f->since = value;
	else if (option == DEAD_OPTION_UNTIL)
		f->until = value;
	else if (option == DEAD_OPTION_ALL)
		f->all = true;
	else if (option == DEAD_OPTION_JSON)
		f->json = true;
	else if (!text_to_int64(value, 1, DEAD_LIMIT_MAX, &f->limit))
		return cli_usage("dead", "--limit is '%s'; allowed is 1-%d", value, DEAD_LIMIT_MAX);
	/* Else PostgreSQL would refuse it after the act was written down, and without saying where.
	 */
	if (value && !text_is_utf8(value, strlen(value)))
		return cli_usage("dead", "an option's value is not UTF-8");
	if (f->webhook && !text_is_uuid(f->webhook))
		return cli_usage("dead", "--webhook is '%s', which is no uuid", f->webhook);
	return 0;
}

/* Sorted, and each once: what was asked for can then be compared with what was found. */
static int
dead_take_ids(struct dead_filter *f, int argc, char **argv)
{
	int64_t id;
	int kept = 0;

	for (int i = 0; i < argc; i++)
		if (!text_to_int64(argv[i], 1, INT64_MAX, &id))
			return cli_usage("dead", "'%s' is no delivery's id%s", argv[i],
			    text_is_uuid(argv[i]) ? "; jobs have such, see `cronward jobs`" : "");
	qsort(argv, (size_t)argc, sizeof(*argv), dead_compare_ids);
	for (int i = 0; i < argc; i++)
		if (kept == 0 || dead_compare_ids(&argv[kept - 1], &argv[i]) != 0)
			argv[kept++] = argv[i];
	f->ids = argv;
	f->ids_count = kept;
	return 0;
}

/* Whether options and arguments are ones of this subcommand.  -1, or CLI_USAGE having said why. */
static int
dead_check(const struct dead_command *dead, const struct dead_filter *f)
{
	bool filtered = f->webhook || f->type || f->since || f->until;

	if (f->json && !dead->listing)
		return cli_usage("dead", "%s takes no --json", dead->name);
	if ((filtered && !dead->filters) || (f->all && !dead->bulk))
		return cli_usage("dead", "%s takes no filter", dead->name);
	if (dead->listing && f->ids_count > 0)
		return cli_usage("dead", "list takes no ids; show does");
	if (!dead->bulk && !dead->listing && f->ids_count != 1)
		return cli_usage("dead", "%s takes one id", dead->name);
	if (dead->bulk && (f->ids_count > 0) + f->all + filtered != 1)
		return cli_usage("dead", "%s wants either ids, or --all, or a filter", dead->name);
	return -1;
}

static int
dead_compare_ids(const void *a, const void *b)
{
	int64_t x = strtoll(*(char *const *)a, NULL, 10), y = strtoll(*(char *const *)b, NULL, 10);

	return (x > y) - (x < y);
}
