/*
 * main - see `cronward help`.
 */
#include "cli/cli.h"

#include <sys/resource.h>

int
main(int argc, char **argv)
{
	struct rlimit files;

	/* Each request in the air holds a descriptor; shells give fewer than a large setting asks
	 * for. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cli_main(argc, argv);
}
