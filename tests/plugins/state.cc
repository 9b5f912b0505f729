// state - the interface from C++: state of its own, an exception that nobody catches.
#include <cronward/processor.h>

#include <stdexcept>
#include <string>

namespace
{

struct counter {
	int jobs = 0;
};

int
setup(cronward_context *c)
{
	c->state = new counter;
	return CRONWARD_DONE;
}

int
process(cronward_context *c, const cronward_job *job)
{
	auto *state = static_cast<counter *>(c->state);

	if (std::string(job->payload).find("throw") != std::string::npos)
		throw std::runtime_error("nobody catches this");
	return c->result_text(c, std::to_string(++state->jobs).c_str());
}

void
teardown(cronward_context *c)
{
	delete static_cast<counter *>(c->state);
}

} // namespace

CRONWARD_PROCESSOR("state", process, setup, teardown);
