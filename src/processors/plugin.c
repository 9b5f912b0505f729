/*
 * plugin - jobs that are carried out by shared objects of PROCESSOR_DIR; see
 * include/cronward/processor.h for what these are, and plugin_parts.h for who does what here.
 *
 * A plug-in that is missing or cannot be loaded is no fault of its jobs: they are held, and use up
 * no try.
 */
#include "plugin_pool.h"

#include "base/arena.h"
#include "base/conf.h"
#include "engine/backoff.h"
#include "engine/run.h"
#include "processors/processor.h"

#include <stdio.h>

enum {
	PLUGIN_MS_PER_S = 1000,
};

static const char *plugin_target(struct run *, const struct job_type *, struct item *);
static enum verdict plugin_step(struct run *, const struct job_type *, struct item *,
    const struct http_reply *, struct http_request *);
static const struct flow_carrier *plugin_carrier(struct run *);
static enum verdict plugin_again(struct item *, int64_t wait_s);
static void plugin_rest(void);

const struct processor processor_plugin = {
	.name = "plugin",
	.target = plugin_target,
	.step = plugin_step,
	.carrier = plugin_carrier,
	.rest = plugin_rest,
};

/* Of this process; made at the first need. */
static struct plugin_pool plugin_pool = { .always_ready = -1 };

static const char *
plugin_target(struct run *r, const struct job_type *type, struct item *item)
{
	(void)r;
	/* One that cannot be has a process as little as one whose file is missing. */
	return arena_format(item->memory, "%s:%s", processor_plugin.name,
	    plugin_name_is_sound(type->target) ? type->target : "-");
}

static enum verdict
plugin_step(struct run *r, const struct job_type *type, struct item *item,
    const struct http_reply *reply, struct http_request *request)
{
	(void)r;
	(void)reply;
	(void)request;
	if (!plugin_name_is_sound(type->target))
		return item_hold(item, plugin_name_rule);
	return plugin_pool_hand(&plugin_pool, type->target, item);
}

static const struct flow_carrier *
plugin_carrier(struct run *r)
{
	struct plugin_pool *p = &plugin_pool;

	if (p->run == r)
		return &p->carrier;
	if (p->always_ready < 0)
		plugin_pool_init(p);
	p->run = r;
	p->note = item_note;
	p->again = plugin_again;
	p->children_max = (int)r->conf->job_concurrent_max;
	snprintf(p->directory, sizeof(p->directory), "%s",
	    r->conf->processor_dir ? r->conf->processor_dir : "");
	plugin_pool_wake(p);
	return &p->carrier;
}

/* A plug-in that says when means it: unlike a receiver's wish, that may be sooner than we would. */
static enum verdict
plugin_again(struct item *item, int64_t wait_s)
{
	enum verdict verdict = job_again(item, -1);

	if (wait_s > BACKOFF_RETRY_AFTER_MAX_S)
		wait_s = BACKOFF_RETRY_AFTER_MAX_S;
	if (verdict == VERDICT_RETRY && wait_s >= 0)
		item->retry_ms = wait_s * PLUGIN_MS_PER_S;
	return verdict;
}

static void
plugin_rest(void)
{
	if (plugin_pool.run)
		plugin_pool_rest(&plugin_pool);
}
