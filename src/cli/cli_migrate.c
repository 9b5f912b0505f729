/*
 * cli_migrate - the schema's way up.
 */
#include "cli/cli.h"
#include "db/migrate.h"

#include <stdio.h>

static void migrate_tell(int version, const char *name);

int
cli_migrate(const struct cli_command *command, int argc, char **argv)
{
	int over = cli_no_arguments(command, argc, argv), rc = CLI_DONE;
	struct err e = { .code = ERR_OK };
	struct cli_session s;

	if (over >= 0)
		return over;
	if (cli_open(&s, &e) != 0 || migrate_run(s.db, migrate_tell, &e) != 0)
		rc = cli_fail(&e);
	else
		printf("schema is at version %d\n", migrate_version_wanted());
	cli_close(&s);
	return rc;
}

static void
migrate_tell(int version, const char *name)
{
	printf("applied %04d %s\n", version, name);
	fflush(stdout);
}
