/*
 * plugin_host - what the two files of a plug-in's process share; nobody else includes it.
 */
#ifndef CRONWARD_PLUGIN_HOST_H
#define CRONWARD_PLUGIN_HOST_H

#include "cronward/processor.h"
#include "plugin_parts.h"

enum {
	HOST_OUTPUTS = 2, /* standard output and standard error */
};

struct host {
	struct cronward_context context; /* first: the plug-in gives back its address */
	void *library;                   /* of dlopen(); it stays */
	const struct cronward_processor *plugin;
	struct plugin_shared *shared;
	uint32_t written; /* into the ring, published or not */
	int64_t rang_us;  /* when the parent was last woken */
	char *outputs[HOST_OUTPUTS];
	/* What has come on the socket and is not done yet: in[at] up to in[len]. */
	char *in;
	size_t in_at, in_len, in_room;
	/* The job that is being done. */
	uint32_t number;
	int64_t began_us, ends_us;
	int lines;
	int32_t wait_s;
	bool has_result, has_error, is_result_bad;
	struct text result, error;
};

/* plugin_context.c */
/* The functions of ${h}'s context. */
void host_context_init(struct host *h);
/* Forgets what was said of the job before. */
void host_context_reset(struct host *h);

/* plugin_host.c */
/* Says a frame: ${head}, whose lengths and has_text are filled in here, then what is not NULL. */
void host_say(struct host *h, struct plugin_head head, const struct text *text, const char *data);
/* Wakes the parent where it sleeps, but not again and again. */
void host_wake_soon(struct host *h);

#endif
