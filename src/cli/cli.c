/*
 * cli - the table of commands, and what they have in common.
 */
#include "cli/cli.h"

#include "base/text.h"
#include "cli/dead.h"
#include "cli/integrations.h"
#include "cli/jobs.h"
#include "db/db.h"
#include "gateway/serve.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int cli_flush(int rc);
static int cli_help_command(const struct cli_command *, int argc, char **argv);
static int cli_version(const struct cli_command *, int argc, char **argv);
static const struct cli_command *cli_find(const char *name);
static int cli_overview(FILE *to);

static const char cli_exit_codes[] =
    "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 busy, the worker runs already.\n";

static const struct cli_command cli_commands[] = {
	{
	    .name = "serve",
	    .summary = "answer FastCGI calls on file descriptor 0",
	    .run = cli_serve,
	    .help =
		"\n"
		"One process of a pool.  Start it through a supervisor that opens the socket, "
		"e.g.\n"
		"  spawn-fcgi -n -s SOCKET -M 0660 -- multiwatch -f 7 -r 1000000 -t 1 -- cronward "
		"serve\n"
		"SIGTERM and SIGUSR1 let the running call end, then the process exits with 0.\n",
	},
	{
	    .name = "migrate",
	    .summary = "bring the database's schema to this program's version",
	    .run = cli_migrate,
	    .help = " [--adopt] [--dry-run]\n"
		    "\n"
		    "Prints each step that it applies, and the version.  Safe to run twice, or "
		    "from two\n"
		    "hosts at once.  Refuses a schema that is newer than the program.\n"
		    "\n"
		    "Where the application has tables of cronward's names already, they are "
		    "compared first:\n"
		    "if a column's type differs, or something else is in the way, it says what, "
		    "and nothing\n"
		    "changes.  If they only lack columns, it prints the statements that would "
		    "add them.\n"
		    "\n"
		    "  --adopt     execute these statements; rows that are there stay as they "
		    "are, none\n"
		    "              becomes due, and no job, mail or act of before is pruned\n"
		    "  --dry-run   say what would be done, and change nothing\n",
	},
	{
	    .name = "run",
	    .summary = "run a worker once, as a call of its route would",
	    .run = cli_run,
	    .help =
		" WORKER [--budget SECONDS] [--queue NAME]... [--interval 15min|30min]\n"
		"\n"
		"Prints the JSON reply.  On a terminal, standard error shows how far it is, and "
		"in the\n"
		"end a line for people.  Every run goes to the table audit_log.  SIGINT and "
		"SIGTERM end\n"
		"it in order: what is under way is finished, the rest stays due.\n"
		"\n"
		"  --budget SECONDS   start no more items after so long (1-3600; RUN_BUDGET_S)\n"
		"  --queue NAME       of job-queue: only jobs of this queue; may be repeated\n"
		"  --interval WHICH   of sync-integrations: 15min is GitHub, 30min are Notion, "
		"Slack\n"
		"                     and Google Calendar; all of them when left out\n",
	},
	{
	    .name = "config",
	    .summary = "show every setting: value, default, what is allowed",
	    .run = cli_config,
	    .help = " [--markdown]\n"
		    "\n"
		    "Settings come from the environment.  Secrets are shown as set, unset or too "
		    "short.\n"
		    "\n"
		    "  --markdown   the table of README.md, without values\n",
	},
	{
	    .name = "dead",
	    .summary = "list, replay or purge what was given up: webhooks, events, mail",
	    .run = cli_dead,
	    .help = dead_help,
	},
	{
	    .name = "jobs",
	    .summary = "list, show, enqueue, retry and cancel jobs; pause their queues",
	    .run = cli_jobs,
	    .help = jobs_help,
	},
	{
	    .name = "seal",
	    .summary = "seal a secret, or every plain one in the database",
	    .run = cli_seal,
	    .help =
		" --table TABLE --column COLUMN --row ROW [--check]\n"
		"       cronward seal --all [--dry-run]\n"
		"\n"
		"Reads a secret from standard input and prints it sealed with the newest key of\n"
		"ENCRYPTION_KEYS, for this row of this column alone: what is copied elsewhere does "
		"not\n"
		"open.  ROW is the row's uuid, of whatsapp_configs the connection's, in job_types\n"
		"the type's name.  README.md has the format.\n"
		"\n"
		"  --check     take a sealed value instead, and say whether it opens\n"
		"  --all       seal every plain secret in the database; safe to repeat, and at any "
		"time\n"
		"  --dry-run   only show which keys are in use\n",
	},
	{
	    .name = "rekey",
	    .summary = "seal anew, with the newest key, what older keys sealed",
	    .run = cli_rekey,
	    .help = " [--dry-run]\n"
		    "\n"
		    "Put the new key in front of ENCRYPTION_KEYS, let every process have it, then "
		    "run this.\n"
		    "Works beside running calls; what was cut short goes on when it is run again. "
		    " When\n"
		    "it says that a key seals nothing any more, that key may go.\n"
		    "\n"
		    "  --dry-run   only show which keys are in use\n",
	},
	{
	    .name = "doctor",
	    .summary = "find out what is wrong, and what to do about it",
	    .run = cli_doctor,
	    .help =
		" [--json] [--sockets FOLDER] [--allow FILE]\n"
		"\n"
		"A line for each thing looked at: ok, warn or fail, what was found, and what to "
		"do.\n"
		"Settings, database, pooler, clock, schema, privileges, connections, old "
		"transactions,\n"
		"dead rows, locks, secrets, keys, pools, open files; nginx as callers see it at "
		"APP_URL,\n"
		"its allowlist; where outgoing calls may go.  No check stops another, and nothing "
		"is\n"
		"changed, but that its calls without a secret count as denied.  Exit code 1 when "
		"anything\n"
		"fails; warnings are no failure.\n"
		"\n"
		"  --json             one JSON object: ok, counts, findings\n"
		"  --sockets FOLDER   of workers.sock and the others (/run/cronward, else "
		"var/run/fcgi)\n"
		"  --allow FILE       the site's allowlist (/etc/nginx/cronward/allow.conf)\n",
	},
	{
	    .name = "status",
	    .summary = "show the workers' last runs, what runs now and what waits",
	    .run = cli_status,
	    .help = " [--watch [SECONDS]] [--json]\n"
		    "\n"
		    "Of each worker: its last run that ended, its counts, and who holds its lock.  "
		    "Of each\n"
		    "queue: what is due, waits for its time, is leased by a run, is parked at a "
		    "disabled\n"
		    "endpoint, is dead, and how long the oldest due row has waited.  A count ends "
		    "at 10000:\n"
		    "\"10000+\".\n"
		    "\n"
		    "  --watch [SECONDS]   again every SECONDS (1-3600; 2), until q or Ctrl-C; a "
		    "database\n"
		    "                      that is away meanwhile is waited for\n"
		    "  --json              as JSON, with --watch a document on each line\n",
	},
	{
	    .name = "locks",
	    .summary = "list the workers' locks, or clear one",
	    .run = cli_locks,
	    .help =
		" list [--json]\n"
		"       cronward locks clear [--force] NAME…\n"
		"\n"
		"  list     each lock: free, live (its run renews it) or expired, its fence, "
		"holder and\n"
		"           the status of its run\n"
		"  clear    frees it and raises its fence, so that its old holder can neither "
		"renew nor\n"
		"           free it any more; the run itself stays on record as it is\n"
		"\n"
		"  --force   clear a lock of a live run, too: that run ends at its next sign of "
		"life,\n"
		"            and another may begin before it has; rows are safe all the same, by "
		"their\n"
		"            leases.  Without it, exit code 3\n"
		"  --json    list as JSON\n"
		"\n"
		"An expired lock needs no clearing: the next run takes it.  What clear does goes "
		"to the\n"
		"table audit_log.\n",
	},
	{
	    .name = "callers",
	    .summary = "what cron services are to ring, and their jobs at cron-job.org",
	    .run = cli_callers,
	    .help =
		" list [--json]\n"
		"       cronward callers cron-job.org [--apply] [--only WORKER]… "
		"[--disable-missing]\n"
		"                                     [--daily-limit N]\n"
		"       cronward callers allowlist\n"
		"\n"
		"  list           each worker's route, method, schedule (UTC) and secret\n"
		"  cron-job.org   compares the jobs of an account there with that list, prints "
		"what\n"
		"                 differs, and with --apply makes it so.  Jobs are found by "
		"their\n"
		"                 URL; a second time it changes nothing.  Jobs for other sites "
		"are\n"
		"                 left alone.\n"
		"  allowlist      lines for nginx's allow.conf: the addresses that cron-job.org "
		"calls from\n"
		"\n"
		"  --json              list as JSON\n"
		"  --apply             create and update; without it nothing is changed\n"
		"  --only WORKER       this worker's job alone; may be said again\n"
		"  --disable-missing   disable jobs below APP_URL/api/ that ring no worker, or "
		"one that\n"
		"                      another job rings already\n"
		"  --daily-limit N     requests that the account may send a day (1-100000; "
		"100)\n"
		"\n"
		"Settings: APP_URL (https), CRON_JOB_ORG_API_KEY, and the secrets of the "
		"routes.  SIGINT\n"
		"stops it between two requests; the next call goes on from there.  What it does "
		"goes to\n"
		"the table audit_log.\n",
	},
	{
	    .name = "integrations",
	    .summary = "list users' integrations, read them anew, or disconnect them",
	    .run = cli_integrations,
	    .help = integrations_help,
	},
	{
	    .name = "help",
	    .summary = "this text, or that of a command",
	    .run = cli_help_command,
	    .help = " [COMMAND]\n",
	},
	{
	    .name = "version",
	    .summary = "the version of this program",
	    .run = cli_version,
	    .help = "\n",
	},
	{ .name = NULL },
};

int
cli_main(int argc, char **argv)
{
	const struct cli_command *command;
	char name[CLI_ACTOR_MAX];

	if (argc < 2) {
		cli_overview(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cli_overview(stdout);
	command = cli_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!command)
		return cli_usage(NULL, "there is no command '%s'", argv[1]);
	snprintf(name, sizeof(name), "cronward %s", command->name);
	argv[1] = name;
	return cli_flush(command->run(command, argc - 1, argv + 1));
}

int
cli_help(const struct cli_command *command)
{
	printf("Usage: cronward %s%s\n%s", command->name, command->help, cli_exit_codes);
	return CLI_DONE;
}

int
cli_usage(const char *name, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "cronward%s%s: ", name ? " " : "", name ? name : "");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return cli_try(name);
}

int
cli_try(const char *name)
{
	fprintf(stderr, "Try `cronward%s%s --help`.\n", name ? " " : "", name ? name : "");
	return CLI_USAGE;
}

int
cli_fail(const struct err *e)
{
	char clean[ERR_MESSAGE_MAX];

	/* Names of a database's and words of other hosts are among them. */
	text_clean(clean, sizeof(clean), e->message, strlen(e->message));
	fprintf(stderr, "cronward: %s\n", clean);
	return CLI_FAILED;
}

int
cli_no_arguments(const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = { CLI_HELP_OPTION, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		return option == CLI_OPTION_HELP ? cli_help(command) : cli_try(command->name);
	if (optind < argc)
		return cli_usage(command->name, "takes no argument '%s'", argv[optind]);
	return -1;
}

int
cli_open(struct cli_session *s, struct err *e)
{
	s->db = NULL;
	if (conf_load(&s->conf, e) != 0)
		return -1;
	log_set_level(s->conf.log_level);
	if (!s->conf.database_url)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "DATABASE_URL is not set (cronwardctl has it from /etc/cronward/cronward.env); "
		    "allowed is a libpq connection string or URI such as postgresql:///app");
	s->db = db_create(&s->conf);
	return db_connect(s->db, e);
}

void
cli_close(struct cli_session *s)
{
	db_destroy(s->db);
	conf_finish(&s->conf);
}

int
cli_audit(struct cli_session *s, const char *action, const char *target, const char *detail,
    struct err *e)
{
	char actor[CLI_ACTOR_MAX];
	AUTO(PQclear)
	PGresult *done =
	    db_query(s->db, SQL_AUDIT_ADD, DB_ARGS(cli_actor(actor), action, target, detail), e);

	return done ? 0 : -1;
}

const char *
cli_actor(char to[static CLI_ACTOR_MAX])
{
	const struct passwd *user = getpwuid(getuid());

	if (user)
		snprintf(to, CLI_ACTOR_MAX, "cli:%s", user->pw_name);
	else
		snprintf(to, CLI_ACTOR_MAX, "cli:%u", (unsigned)getuid());
	return to;
}

int
cli_serve(const struct cli_command *command, int argc, char **argv)
{
	int over = cli_no_arguments(command, argc, argv);

	return over >= 0 ? over : serve();
}

/* A result that could not be written is none; a reader who has left wants no more of it. */
static int
cli_flush(int rc)
{
	if (fflush(stdout) == 0 || errno == EPIPE || rc != CLI_DONE)
		return rc;
	fprintf(stderr, "cronward: standard output: %s\n", strerror(errno));
	return CLI_FAILED;
}

static int
cli_help_command(const struct cli_command *command, int argc, char **argv)
{
	const struct cli_command *wanted;

	if (argc < 2 || strcmp(argv[1], "--help") == 0)
		return cli_overview(stdout);
	wanted = cli_find(argv[1]);
	if (!wanted)
		return cli_usage(command->name, "there is no command '%s'", argv[1]);
	return cli_help(wanted);
}

static int
cli_version(const struct cli_command *command, int argc, char **argv)
{
	int over = cli_no_arguments(command, argc, argv);

	if (over >= 0)
		return over;
	puts("cronward " CRONWARD_VERSION);
	return CLI_DONE;
}

static const struct cli_command *
cli_find(const char *name)
{
	for (const struct cli_command *command = cli_commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

static int
cli_overview(FILE *to)
{
	fputs("Usage: cronward COMMAND [ARGUMENT…]\n\nCommands:\n", to);
	for (const struct cli_command *command = cli_commands; command->name; command++)
		fprintf(to, "  %-13s %s\n", command->name, command->summary);
	fprintf(to,
	    "\n`cronward COMMAND --help` tells more.  Settings come from the environment:\n"
	    "`cronward config` shows them.\n\n%s",
	    cli_exit_codes);
	return CLI_DONE;
}
