/*
 * cli - the subcommands of `cronward`.
 *
 * Results go to standard output, everything else to standard error.
 */
#ifndef CRONWARD_CLI_CLI_H
#define CRONWARD_CLI_CLI_H

#include "base/conf.h"
#include "base/err.h"

#include <getopt.h>
#include <stddef.h>

struct db;

/* Exit codes. */
enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_BUSY = 3,
};

enum {
	CLI_ACTOR_MAX = 64,
	/* What getopt_long() returns for --help, in every command. */
	CLI_OPTION_HELP = 'h',
	/* Long options without a letter start here. */
	CLI_OPTION_FIRST = 256,
};

#define CLI_HELP_OPTION                                                                            \
	{                                                                                          \
		"help", no_argument, NULL, CLI_OPTION_HELP                                         \
	}

struct cli_command {
	const char *name;
	const char *summary; /* one line */
	const char *help;    /* behind the usage line: arguments, options, what it does */
	/* argv[0] is "cronward NAME".  Returns an exit code. */
	int (*run)(const struct cli_command *, int argc, char **argv);
};

int cli_main(int argc, char **argv);

int cli_callers(const struct cli_command *, int argc, char **argv);
int cli_config(const struct cli_command *, int argc, char **argv);
int cli_dead(const struct cli_command *, int argc, char **argv);
int cli_doctor(const struct cli_command *, int argc, char **argv);
int cli_integrations(const struct cli_command *, int argc, char **argv);
int cli_jobs(const struct cli_command *, int argc, char **argv);
int cli_locks(const struct cli_command *, int argc, char **argv);
int cli_migrate(const struct cli_command *, int argc, char **argv);
int cli_rekey(const struct cli_command *, int argc, char **argv);
int cli_run(const struct cli_command *, int argc, char **argv);
int cli_seal(const struct cli_command *, int argc, char **argv);
int cli_serve(const struct cli_command *, int argc, char **argv);
int cli_status(const struct cli_command *, int argc, char **argv);

/* Prints the help of a command to standard output.  Returns CLI_DONE. */
int cli_help(const struct cli_command *command);
/* Says what is wrong with the command line and where help is.  Returns CLI_USAGE. */
int cli_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says where help is, when getopt has said what is wrong.  Returns CLI_USAGE. */
int cli_try(const char *name);
/* Says what failed.  Returns CLI_FAILED. */
int cli_fail(const struct err *e);
/*
 * Parses the options of a command that has none but --help and takes no arguments.
 * -1: go on; else the exit code.
 */
int cli_no_arguments(const struct cli_command *command, int argc, char **argv);

/* What commands that work on the database share. */
struct cli_session {
	struct conf conf;
	struct db *db;
};
/* Reads the settings and connects.  0, or -1 with ${e}; cli_close() is to be called either way. */
int cli_open(struct cli_session *s, struct err *e);
void cli_close(struct cli_session *s);

/*
 * Writes an act of this user's to audit_log; ${detail} is the text of a JSON object, or NULL.
 * 0, or -1 with ${e}.  Before the act where it cannot be undone, so that none goes unrecorded.
 */
int cli_audit(struct cli_session *s, const char *action, const char *target, const char *detail,
    struct err *e);

/* Who acts, for executions and the audit log: "cli:" and the name of the user.  Returns ${to}. */
const char *cli_actor(char to[static CLI_ACTOR_MAX]);

#endif
