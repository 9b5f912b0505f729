/*
 * unready - its setup() says no.
 */
#include <cronward/processor.h>

static int
unready_process(struct cronward_context *c, const struct cronward_job *job)
{
	(void)c;
	(void)job;
	return CRONWARD_DONE;
}

static int
unready_setup(struct cronward_context *c)
{
	return c->fail(c, "the model is not there");
}

CRONWARD_PROCESSOR(.name = "unready", .process = unready_process, .setup = unready_setup);
