/*
 * route - the table.  A new route is a row here and, where it does something new, a handler.
 */
#include "gateway/route.h"

#include "base/conf.h"
#include "gateway/auth.h"
#include "gateway/handle.h"
#include "workers/workers.h"

#include <string.h>

/* Cron services send POST or GET as they like. */
#define ROUTE_BOTH(handler)                                                                        \
	{                                                                                          \
		[METHOD_GET] = (handler), [METHOD_POST] = (handler)                                \
	}
#define ROUTE_GET(handler)                                                                         \
	{                                                                                          \
		[METHOD_GET] = (handler)                                                           \
	}

/*
 * Every secret that opens a worker: who asks for an execution must know one of them before the
 * database is asked which worker it was, and then that worker's own.
 */
#define ROUTE_WORKER_SECRETS AUTH_SECRET(SECRET_CRON_JOB_API_KEY)

const struct route routes[] = {
	{
	    .path = "/api/workers/webhookRetry",
	    .secrets = AUTH_SECRET(SECRET_CRON_JOB_API_KEY),
	    .worker = &worker_webhook_retry,
	    .handle = ROUTE_BOTH(handle_worker),
	},
	{
	    .path = "/api/workers/notificationExpiry",
	    .secrets = AUTH_SECRET(SECRET_CRON_JOB_API_KEY),
	    .worker = &worker_notification_expiry,
	    .handle = ROUTE_BOTH(handle_worker),
	},
	{
	    .path = "/api/workers/dataArchival",
	    .secrets = AUTH_SECRET(SECRET_CRON_JOB_API_KEY),
	    .worker = &worker_data_archival,
	    .handle = ROUTE_BOTH(handle_worker),
	},
	{
	    .path = "/api/cron/executions/",
	    .secrets = ROUTE_WORKER_SECRETS,
	    .handle = ROUTE_GET(handle_execution),
	},
	{
	    .path = "/healthz",
	    .handle = ROUTE_GET(handle_healthz),
	    .quiet = true,
	},
	{
	    .path = "/readyz",
	    .handle = ROUTE_GET(handle_readyz),
	},
	{ .path = NULL },
};

const struct route *
route_find(const char *path, const char **ret_rest)
{
	for (const struct route *route = routes; route->path; route++) {
		size_t len = strlen(route->path);

		if (route->path[len - 1] != '/') {
			if (strcmp(path, route->path) != 0)
				continue;
		} else if (strncmp(path, route->path, len) != 0 || path[len] == '\0') {
			continue;
		}
		*ret_rest = path + len;
		return route;
	}
	return NULL;
}

const struct route *
route_of_worker(const char *name)
{
	for (const struct route *route = routes; route->path; route++)
		if (route->worker && strcmp(route->worker->name, name) == 0)
			return route;
	return NULL;
}
