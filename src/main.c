/*
 * main - see `cronward help`.
 */
#include "cli/cli.h"
#include "processors/plugin.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int
main(int argc, char **argv)
{
	struct rlimit files;

#ifndef __SANITIZE_ADDRESS__
	/* No secrets in a core file, and none for others of our account to read in /proc; the leak
	 * check of AddressSanitizer needs to attach itself. */
	prctl(PR_SET_DUMPABLE, 0);
#endif
	/* The process of a plug-in is no business of people's. */
	if (argc > 1 && strcmp(argv[1], PLUGIN_HOST_COMMAND) == 0)
		return plugin_host(argc, argv);
	/* Each request in the air holds a descriptor; shells give fewer than a large setting asks
	 * for. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cli_main(argc, argv);
}
