/*
 * cli_locks - who holds the workers' locks, and freeing one by hand.
 *
 * A lock whose holder has died expires by itself within seconds, so `clear` is for those who
 * cannot wait, or for a run that lives and is to end.
 */
#include "cli/cli.h"
#include "cli/print.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	LOCKS_COLUMNS = 8,
	LOCKS_OPTION_JSON = CLI_OPTION_FIRST,
	LOCKS_OPTION_FORCE,
};

struct locks_wish {
	const struct locks_command *command;
	bool json, force;
	char **names;
	int names_count;
};

struct locks_command {
	const char *name;
	int (*run)(struct cli_session *, const struct locks_wish *);
	bool clears; /* takes names and --force; the others take --json */
};

static int locks_list(struct cli_session *, const struct locks_wish *);
static int locks_clear(struct cli_session *, const struct locks_wish *);
static int locks_parse(struct locks_wish *, int argc, char **argv);
static int locks_take(struct locks_wish *, int argc, char **argv);
static void locks_print_json(const PGresult *);
static int locks_check(const PGresult *, const struct locks_wish *);
static int locks_find(const PGresult *, const char *name);
static int locks_unknown(const PGresult *, const char *name);
static int locks_refuse_live(const PGresult *, int row);
static int locks_clear_one(struct cli_session *, const PGresult *, int row, bool force);

static const struct locks_command locks_commands[] = {
	{ .name = "list", .run = locks_list },
	{ .name = "clear", .run = locks_clear, .clears = true },
	{ .name = NULL },
};

int
cli_locks(const struct cli_command *command, int argc, char **argv)
{
	struct locks_wish wish = { .command = locks_commands };
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	int rc;

	rc = locks_parse(&wish, argc, argv);
	if (rc == CLI_DONE)
		return cli_help(command);
	if (rc > 0)
		return rc;
	rc = cli_open(&s, &e) == 0 ? wish.command->run(&s, &wish) : cli_fail(&e);
	cli_close(&s);
	return rc;
}

/* -1: go on; CLI_DONE: help is wanted; else the exit code. */
static int
locks_parse(struct locks_wish *wish, int argc, char **argv)
{
	const struct locks_command *c = locks_commands;
	char name[] = "cronward locks";

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return CLI_DONE;
	while (c->name && (argc < 2 || strcmp(argv[1], c->name) != 0))
		c++;
	if (!c->name)
		return cli_usage("locks", "wants one of list, clear");
	wish->command = c;
	argv[1] = name;
	return locks_take(wish, argc - 1, argv + 1);
}

static int
locks_take(struct locks_wish *wish, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, LOCKS_OPTION_JSON },
		{ "force", no_argument, NULL, LOCKS_OPTION_FORCE },
		CLI_HELP_OPTION,
		{ 0 },
	};
	bool clears = wish->command->clears;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return CLI_DONE;
		if (option < CLI_OPTION_FIRST)
			return cli_try("locks");
		wish->json |= option == LOCKS_OPTION_JSON;
		wish->force |= option == LOCKS_OPTION_FORCE;
	}
	wish->names = argv + optind;
	wish->names_count = argc - optind;
	if (clears && wish->json)
		return cli_usage("locks", "clear takes no --json");
	if (clears && wish->names_count == 0)
		return cli_usage("locks", "clear wants the names of locks; `cronward locks list`");
	if (!clears && (wish->force || wish->names_count > 0))
		return cli_usage("locks", "list takes --json and nothing else");
	return -1;
}

static int
locks_list(struct cli_session *s, const struct locks_wish *wish)
{
	struct err e = { .code = ERR_OK };
	AUTO(PQclear) PGresult *locks = db_query(s->db, SQL_LOCKS_LIST, DB_NONE, &e);

	if (!locks)
		return cli_fail(&e);
	if (wish->json)
		locks_print_json(locks);
	else
		print_rows(locks, LOCKS_COLUMNS);
	return CLI_DONE;
}

static void
locks_print_json(const PGresult *locks)
{
	json_auto_t *list = json_array();

	for (int row = 0; row < PQntuples(locks); row++)
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I, s:s?, s:s?, s:s?, s:s?, s:s?}", "name",
			db_text(locks, row, "name"), "state", db_text(locks, row, "state"), "fence",
			(json_int_t)db_number(locks, row, "fence"), "holder",
			db_text(locks, row, "holder"), "run", db_text(locks, row, "run"), "caller",
			db_text(locks, row, "caller"), "since", db_text(locks, row, "since"),
			"expiresAt", db_text(locks, row, "expires")));
	print_json(list);
}

static int
locks_clear(struct cli_session *s, const struct locks_wish *wish)
{
	struct err e = { .code = ERR_OK };
	AUTO(PQclear) PGresult *locks = db_query(s->db, SQL_LOCKS_LIST, DB_NONE, &e);
	int rc;

	if (!locks)
		return cli_fail(&e);
	/* All names first, so that a typo in the last one clears nothing. */
	rc = locks_check(locks, wish);
	for (int i = 0; rc == CLI_DONE && i < wish->names_count; i++)
		rc = locks_clear_one(s, locks, locks_find(locks, wish->names[i]), wish->force);
	return rc;
}

static int
locks_check(const PGresult *locks, const struct locks_wish *wish)
{
	for (int i = 0; i < wish->names_count; i++) {
		int row = locks_find(locks, wish->names[i]);

		if (row < 0)
			return locks_unknown(locks, wish->names[i]);
		if (!wish->force && strcmp(db_text(locks, row, "state"), "live") == 0)
			return locks_refuse_live(locks, row);
	}
	return CLI_DONE;
}

/* -1: there is none. */
static int
locks_find(const PGresult *locks, const char *name)
{
	for (int row = 0; row < PQntuples(locks); row++)
		if (strcmp(db_text(locks, row, "name"), name) == 0)
			return row;
	return -1;
}

static int
locks_unknown(const PGresult *locks, const char *name)
{
	fprintf(stderr, "cronward locks: there is no lock '%s'; there %s", name,
	    PQntuples(locks) > 0 ? "are:" : "are none, since no worker has run yet");
	for (int row = 0; row < PQntuples(locks); row++)
		fprintf(stderr, "%s %s", row > 0 ? "," : "", db_text(locks, row, "name"));
	fputc('\n', stderr);
	return CLI_FAILED;
}

static int
locks_refuse_live(const PGresult *locks, int row)
{
	const char *caller = db_text(locks, row, "caller");

	fprintf(stderr,
	    "cronward locks: %s is held by a live run, %s of %s, since %s.  Wait for its end, or "
	    "use --force: that run is then told to stop at its next sign of life, and another one "
	    "may begin while it still finishes what it has begun\n",
	    db_text(locks, row, "name"), db_text(locks, row, "holder"),
	    caller ? caller : "somebody", db_text(locks, row, "since"));
	return CLI_BUSY;
}

static int
locks_clear_one(struct cli_session *s, const PGresult *locks, int row, bool force)
{
	const char *name = db_text(locks, row, "name"), *holder = db_text(locks, row, "holder");
	struct err e = { .code = ERR_OK };
	char actor[CLI_ACTOR_MAX];

	if (!holder) {
		printf("%s was free already\n", name);
		return CLI_DONE;
	}

	AUTO(PQclear)
	PGresult *cleared = db_query(s->db, SQL_LOCKS_CLEAR,
	    DB_ARGS(name, holder, db_text(locks, row, "fence"), force ? "true" : "false",
		cli_actor(actor)),
	    &e);

	if (!cleared)
		return cli_fail(&e);
	if (PQntuples(cleared) == 0) {
		fprintf(stderr,
		    "cronward locks: %s got another holder, or a sign of life from this one, at "
		    "this moment; nothing was changed\n",
		    name);
		return CLI_BUSY;
	}
	printf("%s is free; its fence is %" PRId64 ", and run %s no longer holds it\n", name,
	    db_number(cleared, 0, "fence"), holder);
	return CLI_DONE;
}
