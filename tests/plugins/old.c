/*
 * old - compiled for a version of the interface that there is not.
 */
#include <cronward/processor.h>

static int
old_process(struct cronward_context *c, const struct cronward_job *job)
{
	(void)c;
	(void)job;
	return CRONWARD_DONE;
}

const struct cronward_processor cronward_processor = { .abi = CRONWARD_PROCESSOR_ABI + 1,
	.size = sizeof(struct cronward_processor),
	.name = "old",
	.process = old_process };
