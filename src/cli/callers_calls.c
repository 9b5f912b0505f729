/*
 * callers_calls - the calls that cron services are to make: one for each worker, or one for each
 * choice of what narrows its runs.
 */
#include "cli/callers.h"
#include "engine/worker.h"
#include "gateway/auth.h"
#include "gateway/route.h"
#include "workers/workers.h"

#include <stdio.h>

static size_t calls_of(const struct route *);
static enum conf_secret calls_secret(const struct route *);

bool
callers_call(size_t n, struct callers_call *ret_call)
{
	for (size_t i = 0; workers[i]; i++) {
		const struct route *route = route_of_worker(workers[i]->name);
		const size_t calls = route ? calls_of(route) : 0;

		if (n >= calls) {
			n -= calls;
			continue;
		}
		*ret_call = (struct callers_call){
			.worker = workers[i],
			.path = route->path,
			.schedule = workers[i]->schedule,
			.secret = calls_secret(route),
		};
		if (route->choices) {
			ret_call->parameter = route->parameter;
			ret_call->value = route->choices[n].value;
			ret_call->schedule = route->choices[n].schedule;
		}
		return true;
	}
	return false;
}

const char *
callers_call_path(const struct callers_call *call, char *to, size_t room)
{
	if (call->value)
		snprintf(to, room, "%s?%s=%s", call->path, call->parameter, call->value);
	else
		snprintf(to, room, "%s", call->path);
	return to;
}

const char *
callers_call_name(const struct callers_call *call, char *to, size_t room)
{
	if (call->value)
		snprintf(to, room, "%s %s", call->worker->name, call->value);
	else
		snprintf(to, room, "%s", call->worker->name);
	return to;
}

static size_t
calls_of(const struct route *route)
{
	size_t calls = 0;

	if (!route->choices)
		return 1;
	while (route->choices[calls].value)
		calls++;
	return calls;
}

/* The one that the route asks for. */
static enum conf_secret
calls_secret(const struct route *route)
{
	enum conf_secret secret = 0;

	while (!(route->secrets & AUTH_SECRET(secret)))
		secret++;
	return secret;
}
