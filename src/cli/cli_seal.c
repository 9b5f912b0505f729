/*
 * cli_seal - seals one secret for the place where it is to be kept, or every plain one there is.
 *
 * A secret comes on standard input and never on the command line, which everybody can read.
 */
#include "base/arena.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "base/seal.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/sealing.h"
#include "engine/sealed_columns.h"

#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum {
	SEAL_ROW_MAX = 1024,                 /* a name of 200 characters, or a uuid */
	SEAL_INPUT_MAX = 2 * SEAL_PLAIN_MAX, /* a sealed value is a third longer */
	SEAL_OPTION_ALL = CLI_OPTION_FIRST,
	SEAL_OPTION_DRY_RUN,
	SEAL_OPTION_CHECK,
	SEAL_OPTION_TABLE,
	SEAL_OPTION_COLUMN,
	SEAL_OPTION_ROW,
};

struct seal_command {
	bool all, dry_run, check;
	const char *table, *column, *given_row;
	char row[SEAL_ROW_MAX]; /* as PostgreSQL prints it */
};

static const struct option seal_options[] = {
	{ "all", no_argument, NULL, SEAL_OPTION_ALL },
	{ "dry-run", no_argument, NULL, SEAL_OPTION_DRY_RUN },
	{ "check", no_argument, NULL, SEAL_OPTION_CHECK },
	{ "table", required_argument, NULL, SEAL_OPTION_TABLE },
	{ "column", required_argument, NULL, SEAL_OPTION_COLUMN },
	{ "row", required_argument, NULL, SEAL_OPTION_ROW },
	CLI_HELP_OPTION,
	{ 0 },
};

static void seal_take(struct seal_command *, int option, const char *value);
static int seal_check(struct seal_command *);
static int seal_check_row(struct seal_command *, const struct sealed_column *);
static const struct sealed_column *seal_place(const struct seal_command *);
static int seal_one(const struct seal_command *);
static int seal_one_with(const struct seal_command *, struct conf *, struct arena *);
static char *seal_result(
    const struct seal_command *, struct conf *, struct arena *, const char *given, struct err *);
static int seal_read(char *to, size_t room, struct err *e);
static bool seal_hide(struct termios *ret_shown);
static bool seal_wait(void);
static int seal_all(const struct seal_command *);

int
cli_seal(const struct cli_command *command, int argc, char **argv)
{
	struct seal_command seal = { .all = false };
	int option;

	while ((option = getopt_long(argc, argv, "h", seal_options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return cli_help(command);
		if (option < CLI_OPTION_FIRST)
			return cli_try(command->name);
		seal_take(&seal, option, optarg);
	}
	if (optind < argc)
		return cli_usage(command->name,
		    "takes no argument; the secret comes on standard input, since a command line "
		    "can be read by everybody");
	if (seal_check(&seal) != 0)
		return CLI_USAGE;
	return seal.all ? seal_all(&seal) : seal_one(&seal);
}

static void
seal_take(struct seal_command *seal, int option, const char *value)
{
	if (option == SEAL_OPTION_ALL)
		seal->all = true;
	else if (option == SEAL_OPTION_DRY_RUN)
		seal->dry_run = true;
	else if (option == SEAL_OPTION_CHECK)
		seal->check = true;
	else if (option == SEAL_OPTION_TABLE)
		seal->table = value;
	else if (option == SEAL_OPTION_COLUMN)
		seal->column = value;
	else
		seal->given_row = value;
}

static int
seal_check(struct seal_command *seal)
{
	const struct sealed_column *column;

	if (seal->all && (seal->check || seal->table || seal->column || seal->given_row))
		return cli_usage("seal", "--all goes with --dry-run alone");
	if (seal->all)
		return 0;
	if (seal->dry_run)
		return cli_usage("seal", "--dry-run goes with --all alone");
	if (!seal->table || !seal->column || !seal->given_row)
		return cli_usage("seal", "wants --all, or --table, --column and --row");
	column = seal_place(seal);
	return column ? seal_check_row(seal, column) : CLI_USAGE;
}

/* The row is part of what is sealed, so it must be spelt as PostgreSQL spells it. */
static int
seal_check_row(struct seal_command *seal, const struct sealed_column *column)
{
	const char *row = seal->given_row;
	size_t len = strlen(row);

	if (column->is_named && (len == 0 || len >= sizeof seal->row))
		return cli_usage("seal", "--row is a name of 1-200 characters");
	if (!column->is_named && !text_is_uuid(row))
		return cli_usage("seal", "--row is '%s', which is no uuid", row);
	memcpy(seal->row, row, len + 1);
	for (size_t i = 0; i < len && !column->is_named; i++)
		seal->row[i] = (char)tolower((unsigned char)row[i]);
	return 0;
}

/* NULL, having said so: nothing is sealed there. */
static const struct sealed_column *
seal_place(const struct seal_command *seal)
{
	struct text places = { .at = NULL };

	for (int i = 0; i < SEALED__MAX; i++) {
		const struct sealed_column *column = &sealed_columns[i];

		if (strcmp(column->table, seal->table) == 0 &&
		    strcmp(column->column, seal->column) == 0) {
			text_finish(&places);
			return column;
		}
		text_add_format(&places, "%s%s.%s", i ? ", " : "", column->table, column->column);
	}
	cli_usage("seal", "%s.%s holds no sealed secrets; these do: %s", seal->table, seal->column,
	    places.at);
	text_finish(&places);
	return NULL;
}

static int
seal_one(const struct seal_command *seal)
{
	struct err e = { .code = ERR_OK };
	struct arena *arena = arena_create();
	struct conf conf;
	int rc = conf_load(&conf, &e) == 0 ? seal_one_with(seal, &conf, arena) : cli_fail(&e);

	conf_finish(&conf);
	arena_destroy(arena);
	return rc;
}

static int
seal_one_with(const struct seal_command *seal, struct conf *conf, struct arena *arena)
{
	char *given = arena_alloc(arena, SEAL_INPUT_MAX), *result = NULL;
	struct err e = { .code = ERR_OK };

	if (seal_read(given, SEAL_INPUT_MAX, &e) == 0)
		result = seal_result(seal, conf, arena, given, &e);
	if (result && seal->check)
		printf("opens with the key %.*s\n", (int)seal_key_id_len(given),
		    given + strlen(SEAL_PREFIX));
	else if (result)
		puts(result);
	crypto_wipe(given, SEAL_INPUT_MAX);
	if (result && seal->check)
		crypto_wipe(result, strlen(result));
	return result ? CLI_DONE : cli_fail(&e);
}

/* The secret sealed or, to be checked, opened; or NULL with ${e}. */
static char *
seal_result(const struct seal_command *seal, struct conf *conf, struct arena *arena,
    const char *given, struct err *e)
{
	const struct seal_place at = { seal->table, seal->column, seal->row };

	if (seal->check)
		return seal_open(arena, conf_keyring(conf), &at, given, e);
	if (!seal_is_sealed(given))
		return seal_close(arena, conf_keyring(conf), &at, given, e);
	/* What was sealed twice opens into something that nobody can use. */
	err_set(e, ERR_BAD_REQUEST, "this is sealed already; --check says whether it opens here");
	return NULL;
}

/* One line that is typed or all there is, without the line's end. */
static int
seal_read(char *to, size_t room, struct err *e)
{
	struct termios shown;
	bool is_typed = seal_hide(&shown);
	ssize_t n = 1;
	size_t len = 0;

	while (len + 1 < room && n > 0 && !(is_typed && len > 0 && to[len - 1] == '\n')) {
		n = !is_typed || seal_wait() ? read(STDIN_FILENO, to + len, room - 1 - len) : -1;
		len += n > 0 ? (size_t)n : 0;
	}
	if (is_typed) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
	}
	if (is_typed && stop_requested())
		return err_set(e, ERR_BAD_REQUEST, "stopped");
	if (n < 0)
		return err_set(e, ERR_BAD_REQUEST, "standard input cannot be read");
	while (len > 0 && (to[len - 1] == '\n' || to[len - 1] == '\r'))
		len--;
	to[len] = '\0';
	if (memchr(to, '\0', len))
		return err_set(e, ERR_BAD_REQUEST, "the secret holds a NUL");
	return 0;
}

/*
 * Asks for a secret that is not shown while it is typed; false where nobody types.  ${ret_shown}
 * is what the terminal is to get back, whatever ends it: signals wait for seal_wait().
 */
static bool
seal_hide(struct termios *ret_shown)
{
	struct termios hidden;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, ret_shown) != 0)
		return false;
	stop_setup();
	hidden = *ret_shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_cc[VQUIT] = _POSIX_VDISABLE;
	hidden.c_cc[VSUSP] = _POSIX_VDISABLE;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fputs("secret: ", stderr);
	return true;
}

/* Until something was typed: true; false when somebody ends it. */
static bool
seal_wait(void)
{
	struct pollfd typed = { .fd = STDIN_FILENO, .events = POLLIN };

	while (!stop_requested())
		if (ppoll(&typed, 1, NULL, stop_wait_mask()) > 0)
			return true;
	return false;
}

static int
seal_all(const struct seal_command *seal)
{
	static const struct sealing sealing = {
		.action = "seal",
		.done = "sealed",
		.column = sealed_close_plain,
	};

	return sealing_run(&sealing, seal->dry_run);
}
