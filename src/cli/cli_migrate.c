/*
 * cli_migrate - the schema's way up.
 */
#include "base/arena.h"
#include "base/text.h"
#include "cli/cli.h"
#include "db/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MIGRATE_OPTION_ADOPT = CLI_OPTION_FIRST,
	MIGRATE_OPTION_DRY_RUN,
};

static void migrate_tell(const struct migrate *, enum migrate_news, const char *text);

int
cli_migrate(const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = {
		{ "adopt", no_argument, NULL, MIGRATE_OPTION_ADOPT },
		{ "dry-run", no_argument, NULL, MIGRATE_OPTION_DRY_RUN },
		CLI_HELP_OPTION,
		{ 0 },
	};
	char actor[CLI_ACTOR_MAX];
	struct migrate m = { .tell = migrate_tell, .actor = cli_actor(actor) };
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	int option, rc = CLI_DONE;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return cli_help(command);
		m.adopt |= option == MIGRATE_OPTION_ADOPT;
		m.dry_run |= option == MIGRATE_OPTION_DRY_RUN;
		if (option != MIGRATE_OPTION_ADOPT && option != MIGRATE_OPTION_DRY_RUN)
			return cli_try(command->name);
	}
	if (optind < argc)
		return cli_usage(command->name, "takes no argument '%s'", argv[optind]);
	if (cli_open(&s, &e) != 0 || migrate_run(s.db, &m, &e) != 0)
		rc = cli_fail(&e);
	else if (m.dry_run)
		printf("this program's schema is version %d; nothing was changed\n",
		    migrate_version_wanted());
	else
		printf("schema is at version %d\n", migrate_version_wanted());
	cli_close(&s);
	return rc;
}

/* An application's tables and columns may be called anything. */
static void
migrate_tell(const struct migrate *m, enum migrate_news news, const char *said)
{
	size_t len = strlen(said);
	char *text = mem_alloc(len + 1);

	text_clean(text, len + 1, said, len);
	switch (news) {
	case MIGRATE_CONFLICT:
		fprintf(stderr, "cronward: %s\n", text);
		break;
	case MIGRATE_COLUMN:
		printf("%s;\n", text);
		break;
	case MIGRATE_STEP:
		printf("%s %s\n", m->dry_run ? "would apply" : "applied", text);
		break;
	}
	free(text);
	fflush(stdout);
}
