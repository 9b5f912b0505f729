/*
 * callers_allowlist - `cronward callers allowlist`: where cron-job.org calls from, for nginx.
 */
#include "base/clock.h"
#include "base/stop.h"
#include "cli/callers.h"
#include "cli/cli.h"
#include "http/http.h"
#include "vendors/cron_job_org.h"

#include <stdio.h>

static int allowlist_get(struct conf *, struct err *);
static void allowlist_print(const json_t *nodes);

int
callers_allowlist(void)
{
	struct err e = { .code = ERR_OK };
	struct conf conf;
	int rc;

	stop_setup();
	rc = conf_load(&conf, &e);
	if (rc == 0)
		rc = allowlist_get(&conf, &e);
	conf_finish(&conf);
	return rc == 0 ? CLI_DONE : cli_fail(&e);
}

static int
allowlist_get(struct conf *conf, struct err *e)
{
	struct cjo c = { .base_url = conf->cron_job_org_url, .wait = callers_wait };
	json_t *nodes;

	/* Who could change the list on its way could call. */
	if (!callers_is_safe(conf->cron_job_org_url))
		return err_set(
		    e, ERR_NOT_CONFIGURED, "CRON_JOB_ORG_BASE_URL is plain http; allowed is https");
	c.http = http_create(conf, 1, e);
	if (!c.http)
		return -1;
	nodes = cjo_nodes(&c, e);
	http_destroy(c.http);
	if (!nodes)
		return -1;
	allowlist_print(nodes);
	json_decref(nodes);
	return 0;
}

static void
allowlist_print(const json_t *nodes)
{
	char now[CLOCK_TEXT_MAX];

	printf("# cron-job.org, %.10s\n", clock_text(clock_unix_ms(), now));
	for (size_t i = 0; i < json_array_size(nodes); i++)
		printf("allow %s;\n", json_string_value(json_array_get(nodes, i)));
}
