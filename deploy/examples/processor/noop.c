/*
 * noop - does nothing, as fast as it can: what a job costs by itself.
 */
#include <cronward/processor.h>

static int
noop_process(struct cronward_context *c, const struct cronward_job *job)
{
	(void)c;
	(void)job;
	return CRONWARD_DONE;
}

CRONWARD_PROCESSOR(.name = "noop", .process = noop_process);
