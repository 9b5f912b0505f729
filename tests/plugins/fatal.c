/*
 * fatal - crashes as it is loaded.
 */
#include <stdlib.h>

__attribute__((constructor)) static void
fatal_load(void)
{
	abort();
}
