/*
 * cli_dead - reads the command line of `cronward dead …` into a filter.
 */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/dead.h"
#include "db/db.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEAD_LIMIT_DEFAULT = 50,
	DEAD_LIMIT_MAX = 100000,
	DEAD_NAME_MAX = 32,
};

#define DEAD_BIT(option) (1U << (option))
#define DEAD_TIMES (DEAD_BIT(DEAD_SINCE) | DEAD_BIT(DEAD_UNTIL))
#define DEAD_FILTER                                                                                \
	(DEAD_TIMES | DEAD_BIT(DEAD_WEBHOOK) | DEAD_BIT(DEAD_PROVIDER) | DEAD_BIT(DEAD_TO) |       \
	    DEAD_BIT(DEAD_TYPE) | DEAD_BIT(DEAD_TEMPLATE))

struct dead_command {
	const char *name;
	int (*run)(struct cli_session *, const struct dead_filter *);
	uint32_t options; /* that it takes */
	bool takes_id;    /* exactly one */
	bool is_bulk;     /* ids, --all or a filter; one of them must be said */
};

static const struct dead_command dead_commands[] = {
	{
	    .name = "list",
	    .run = dead_list,
	    .options =
		DEAD_BIT(DEAD_KIND) | DEAD_FILTER | DEAD_BIT(DEAD_LIMIT) | DEAD_BIT(DEAD_JSON),
	},
	{ .name = "count", .run = dead_count, .options = DEAD_TIMES | DEAD_BIT(DEAD_JSON) },
	{ .name = "show", .run = dead_show, .options = DEAD_BIT(DEAD_KIND), .takes_id = true },
	{
	    .name = "replay",
	    .run = dead_replay,
	    .options = DEAD_BIT(DEAD_KIND) | DEAD_FILTER | DEAD_BIT(DEAD_ALL),
	    .is_bulk = true,
	},
	{
	    .name = "purge",
	    .run = dead_purge,
	    .options = DEAD_BIT(DEAD_KIND) | DEAD_FILTER | DEAD_BIT(DEAD_ALL),
	    .is_bulk = true,
	},
	{ .name = NULL },
};

#define DEAD_OPTION(option, name, has_value)                                                       \
	[option] = { name, has_value, NULL, CLI_OPTION_FIRST + (option) }
static const struct option dead_options[] = {
	DEAD_OPTION(DEAD_KIND, "kind", required_argument),
	DEAD_OPTION(DEAD_WEBHOOK, "webhook", required_argument),
	DEAD_OPTION(DEAD_PROVIDER, "provider", required_argument),
	DEAD_OPTION(DEAD_TO, "to", required_argument),
	DEAD_OPTION(DEAD_TYPE, "type", required_argument),
	DEAD_OPTION(DEAD_TEMPLATE, "template", required_argument),
	DEAD_OPTION(DEAD_SINCE, "since", required_argument),
	DEAD_OPTION(DEAD_UNTIL, "until", required_argument),
	DEAD_OPTION(DEAD_LIMIT, "limit", required_argument),
	DEAD_OPTION(DEAD_ALL, "all", no_argument),
	DEAD_OPTION(DEAD_JSON, "json", no_argument),
	[DEAD__MAX] = CLI_HELP_OPTION,
	{ 0 },
};

static const struct dead_command *dead_find(const char *name);
static int dead_parse(const struct dead_command *, struct dead_filter *, int argc, char **argv);
static int dead_take(struct dead_filter *, enum dead_option, const char *value);
static int dead_take_ids(struct dead_filter *, int argc, char **argv);
static int dead_check(const struct dead_command *, const struct dead_filter *);
static int dead_check_kind(const struct dead_filter *);
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
		return cli_usage("dead", "wants one of list, count, show, replay, purge");
	snprintf(name, sizeof(name), "cronward dead %s", dead->name);
	argv[1] = name;
	rc = dead_parse(dead, &filter, argc - 1, argv + 1);
	if (rc == CLI_DONE)
		return cli_help(command);
	if (rc > 0)
		return rc;
	rc = cli_open(&s, &e) == 0 ? dead_find_kind(&s, &filter) : cli_fail(&e);
	if (rc < 0)
		rc = dead->run(&s, &filter);
	cli_close(&s);
	return rc;
}

const char *
dead_option_name(enum dead_option option)
{
	return dead_options[option].name;
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
	PGresult *rows = db_query(
	    s->db, SQL_DEAD_TIMES, DB_ARGS(f->values[DEAD_SINCE], f->values[DEAD_UNTIL]), &why);
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
	int option;

	while ((option = getopt_long(argc, argv, "h", dead_options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return CLI_DONE;
		if (option < CLI_OPTION_FIRST)
			return cli_try("dead");
		option -= CLI_OPTION_FIRST;
		if (!(dead->options & DEAD_BIT(option)))
			return cli_usage(
			    "dead", "%s takes no --%s", dead->name, dead_option_name(option));
		if (dead_take(f, option, optarg) != 0)
			return CLI_USAGE;
	}
	if (dead_take_ids(f, argc - optind, argv + optind) != 0 || dead_check_kind(f) != 0)
		return CLI_USAGE;
	return dead_check(dead, f);
}

/* 0, or CLI_USAGE having said why. */
static int
dead_take(struct dead_filter *f, enum dead_option option, const char *value)
{
	/* Else PostgreSQL would refuse it after the act was written down, and without saying where.
	 */
	if (value && !text_is_utf8(value, strlen(value)))
		return cli_usage("dead", "an option's value is not UTF-8");
	if (option == DEAD_ALL)
		f->all = true;
	else if (option == DEAD_JSON)
		f->json = true;
	else if (option != DEAD_LIMIT)
		f->values[option] = value;
	else if (!text_to_int64(value, 1, DEAD_LIMIT_MAX, &f->limit))
		return cli_usage("dead", "--limit is '%s'; allowed is 1-%d", value, DEAD_LIMIT_MAX);
	if (option == DEAD_WEBHOOK && !text_is_uuid(value))
		return cli_usage("dead", "--webhook is '%s', which is no uuid", value);
	if (option == DEAD_KIND && !(f->kind = dead_kind_named(value)))
		return cli_usage("dead",
		    "--kind is '%s'; allowed are deliveries, events, whatsapp and mail", value);
	return 0;
}

/*
 * As PostgreSQL writes them, sorted, and each once: what was asked for can then be compared with
 * what was found.  Without ids and a kind, deliveries are meant.
 */
static int
dead_take_ids(struct dead_filter *f, int argc, char **argv)
{
	bool has_uuids = f->kind ? f->kind->has_uuids : argc > 0 && text_is_uuid(argv[0]);
	int64_t id;
	int kept = 0;

	if (!f->kind && !has_uuids)
		f->kind = dead_kinds;
	for (int i = 0; i < argc; i++)
		if (has_uuids ? !text_is_uuid(argv[i]) : !text_to_int64(argv[i], 1, INT64_MAX, &id))
			return cli_usage("dead",
			    "'%s' is no id of %s: those are %s; deliveries have whole numbers, "
			    "events and mail uuids",
			    argv[i], f->kind ? f->kind->name : "an event or mail",
			    has_uuids ? "uuids" : "whole numbers");
	for (int i = 0; has_uuids && i < argc; i++)
		for (char *c = argv[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	qsort(argv, (size_t)argc, sizeof(*argv), dead_compare_ids);
	for (int i = 0; i < argc; i++)
		if (kept == 0 || dead_compare_ids(&argv[kept - 1], &argv[i]) != 0)
			argv[kept++] = argv[i];
	f->ids = argv;
	f->ids_count = kept;
	return 0;
}

/* Whether arguments fit the subcommand.  -1: they do; else CLI_USAGE, having said why. */
static int
dead_check(const struct dead_command *dead, const struct dead_filter *f)
{
	bool filtered = false;

	for (enum dead_option option = DEAD_KIND + 1; option < DEAD_VALUE__MAX; option++)
		filtered |= f->values[option] != NULL;
	if (!dead->is_bulk && !dead->takes_id && f->ids_count > 0)
		return cli_usage("dead", "%s takes no ids; show does", dead->name);
	if (dead->takes_id && f->ids_count != 1)
		return cli_usage("dead", "%s takes one id", dead->name);
	if (dead->is_bulk && (f->ids_count > 0) + f->all + filtered != 1)
		return cli_usage("dead", "%s wants either ids, or --all, or a filter", dead->name);
	return -1;
}

/* Whether the filter is one of the kind's, if that is known.  0, or CLI_USAGE having said why. */
static int
dead_check_kind(const struct dead_filter *f)
{
	const struct dead_kind *kind = f->kind;

	for (enum dead_option option = DEAD_KIND + 1; kind && option < DEAD_SINCE; option++)
		if (f->values[option] && option != kind->whose && option != kind->type)
			return cli_usage("dead",
			    "--%s is no filter of %s; allowed are --%s, --%s, --since and --until; "
			    "--kind says what is meant",
			    dead_option_name(option), kind->name, dead_option_name(kind->whose),
			    dead_option_name(kind->type));
	return 0;
}

/* Numbers by size, uuids as PostgreSQL orders them. */
static int
dead_compare_ids(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int64_t m, n;

	if (text_to_int64(x, 1, INT64_MAX, &m) && text_to_int64(y, 1, INT64_MAX, &n))
		return (m > n) - (m < n);
	return strcmp(x, y);
}
