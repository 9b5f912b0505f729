/*
 * route - the table.  A new route is a row here and, where it does something new, a handler.
 *
 * The first row that fits is taken: a fixed path stands before the placeholder that it would fit.
 * Paths come decoded (nginx' $document_uri), so a segment cannot hold a '/', however it was sent.
 */
#include "gateway/route.h"

#include "base/conf.h"
#include "base/text.h"
#include "gateway/auth.h"
#include "gateway/handle.h"
#include "gateway/inbound_event.h"
#include "gateway/jobs.h"
#include "workers/workers.h"

#include <string.h>

/* Cron services send POST or GET as they like. */
#define ROUTE_BOTH(handler)                                                                        \
	{                                                                                          \
		[METHOD_GET] = (handler), [METHOD_POST] = (handler)                                \
	}
#define ROUTE_POST(handler)                                                                        \
	{                                                                                          \
		[METHOD_POST] = (handler)                                                          \
	}
#define ROUTE_GET(handler)                                                                         \
	{                                                                                          \
		[METHOD_GET] = (handler)                                                           \
	}

/*
 * Every secret that opens a worker: who asks for an execution must know one of them before the
 * database is asked which worker it was, and then that worker's own.
 */
#define ROUTE_WORKER_SECRETS                                                                       \
	(AUTH_SECRET(SECRET_CRON_JOB_API_KEY) | AUTH_SECRET(SECRET_WORKER_TOKEN) |                 \
	    AUTH_SECRET(SECRET_CRON_SECRET))

/* Who may enqueue jobs may see and change them. */
#define ROUTE_JOBS AUTH_SECRET(SECRET_WORKER_TOKEN)

/* Which vendors a call of sync-integrations is for: the lanes of its rows. */
static const struct route_choice route_intervals[] = {
	{ "15min", "{github}", "*/15 * * * *" },
	{ "30min", "{notion,slack,google_calendar}", "*/30 * * * *" },
	{ .value = NULL },
};

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
	    .path = "/api/jobs/worker",
	    .secrets = ROUTE_JOBS,
	    .worker = &worker_job_queue,
	    .handle = { [METHOD_GET] = handle_job_worker, [METHOD_POST] = handle_worker },
	    .has_queues = true,
	},
	{
	    .path = "/api/v1/jobs/webhook-retry",
	    .secrets = AUTH_SECRET(SECRET_CRON_SECRET),
	    .worker = &worker_whatsapp_webhook_retry,
	    .handle = { [METHOD_GET] = handle_status, [METHOD_POST] = handle_worker },
	    .takes_query_secret = true,
	},
	{
	    .path = "/api/cron/retry-webhooks",
	    .secrets = AUTH_SECRET(SECRET_CRON_SECRET),
	    .worker = &worker_retry_webhooks,
	    .handle = ROUTE_BOTH(handle_worker),
	},
	{
	    .path = "/api/cron/process-email-queue",
	    .secrets = AUTH_SECRET(SECRET_CRON_SECRET),
	    .worker = &worker_process_email_queue,
	    .handle = ROUTE_BOTH(handle_worker),
	},
	{
	    .path = "/api/cron/cleanup-reservations",
	    .secrets = AUTH_SECRET(SECRET_CRON_SECRET),
	    .worker = &worker_cleanup_reservations,
	    .handle = ROUTE_BOTH(handle_worker),
	},
	{
	    .path = "/api/v1/jobs/whatsapp-health-check",
	    .secrets = AUTH_SECRET(SECRET_CRON_SECRET),
	    .worker = &worker_whatsapp_health_check,
	    .handle = { [METHOD_GET] = handle_status, [METHOD_POST] = handle_worker },
	    .takes_query_secret = true,
	},
	{
	    .path = "/api/cron/sync-integrations",
	    .secrets = AUTH_SECRET(SECRET_CRON_SECRET),
	    .worker = &worker_sync_integrations,
	    .handle = ROUTE_BOTH(handle_worker),
	    .parameter = "interval",
	    .choices = route_intervals,
	},
	{
	    .path = "/api/jobs",
	    .secrets = ROUTE_JOBS,
	    .handle = { [METHOD_GET] = handle_jobs_list, [METHOD_POST] = handle_jobs_enqueue },
	    .body_max = JOBS_BODY_MAX,
	},
	{
	    .path = "/api/jobs/retry",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_POST(handle_jobs_retry),
	},
	{
	    .path = "/api/jobs/{id}",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_GET(handle_job_show),
	},
	{
	    .path = "/api/jobs/{id}/logs",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_GET(handle_job_logs),
	},
	{
	    .path = "/api/jobs/{id}/retry",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_POST(handle_job_retry),
	},
	{
	    .path = "/api/jobs/{id}/cancel",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_POST(handle_job_cancel),
	},
	/* These three ask for the token of the job's claim. */
	{
	    .path = "/api/jobs/{id}/progress",
	    .handle = ROUTE_POST(handle_job_progress),
	    .body_max = JOBS_CALLBACK_MAX,
	},
	{
	    .path = "/api/jobs/{id}/complete",
	    .handle = ROUTE_POST(handle_job_complete),
	    .body_max = JOBS_CALLBACK_MAX,
	},
	{
	    .path = "/api/jobs/{id}/fail",
	    .handle = ROUTE_POST(handle_job_fail),
	    .body_max = JOBS_CALLBACK_MAX,
	},
	{
	    .path = "/api/queues/{name}/pause",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_POST(handle_queue_pause),
	},
	{
	    .path = "/api/queues/{name}/resume",
	    .secrets = ROUTE_JOBS,
	    .handle = ROUTE_POST(handle_queue_resume),
	},
	/* These ask for a signature. */
	{
	    .path = "/api/payments/webhook",
	    .handle = ROUTE_POST(handle_inbound_payment),
	    .body_max = INBOUND_BODY_MAX,
	},
	{
	    .path = "/api/payments/webhook/{provider}",
	    .handle = ROUTE_POST(handle_inbound_payment),
	    .body_max = INBOUND_BODY_MAX,
	},
	{
	    .path = "/api/whatsapp/webhook",
	    .handle = { [METHOD_GET] = handle_inbound_challenge,
		[METHOD_POST] = handle_inbound_whatsapp },
	    .body_max = INBOUND_BODY_MAX,
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

const struct route_choice *
route_choose(const struct route *route, const char *value, struct err *e)
{
	struct text allowed = { .at = NULL };

	for (const struct route_choice *choice = route->choices; choice->value; choice++) {
		if (strcmp(choice->value, value) == 0) {
			text_finish(&allowed);
			return choice;
		}
		text_add_format(&allowed, "%s%s", allowed.len > 0 ? " or " : "", choice->value);
	}
	err_set(e, ERR_BAD_REQUEST, "The parameter %s may only be %s, or be left out",
	    route->parameter, allowed.at);
	text_finish(&allowed);
	return NULL;
}
