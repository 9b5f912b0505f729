/*
 * route - the table.  A new route is a row here and, where it does something new, a handler.
 *
 * The first row that fits is taken: a fixed path stands before the placeholder that it would fit.
 * Paths come decoded (nginx' $document_uri), so a segment cannot hold a '/', however it was sent.
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
route_find(const char *path, char ret_rest[static REQUEST_PATH_MAX])
{
	for (const struct route *route = routes; route->path; route++)
		if (route_fits(route->path, path, ret_rest))
			return route;
	return NULL;
}

bool
route_fits(const char *pattern, const char *path, char ret_rest[static REQUEST_PATH_MAX])
{
	const char *hole = strchr(pattern, '{');
	size_t len = hole ? (size_t)(hole - pattern) : strlen(pattern), rest_len = 0;

	ret_rest[0] = '\0';
	if (strncmp(path, pattern, len) != 0)
		return false;
	path += len;
	if (hole) {
		rest_len = strcspn(path, "/");
		if (rest_len == 0 || strcmp(path + rest_len, strchr(hole, '}') + 1) != 0)
			return false;
	} else if (pattern[len - 1] == '/') {
		rest_len = strlen(path);
		if (rest_len == 0)
			return false;
	} else if (*path) {
		return false;
	}
	if (rest_len >= REQUEST_PATH_MAX)
		return false;
	memcpy(ret_rest, path, rest_len);
	ret_rest[rest_len] = '\0';
	return true;
}

const struct route *
route_of_worker(const char *name)
{
	for (const struct route *route = routes; route->path; route++)
		if (route->worker && strcmp(route->worker->name, name) == 0)
			return route;
	return NULL;
}
