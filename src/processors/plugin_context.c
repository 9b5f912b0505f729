/*
 * plugin_context - what a plug-in may ask for while it does a job.
 */
#include "plugin_host.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	US_PER_MS = 1000,
	PERCENT_MAX = 100,
};

static void context_progress(struct cronward_context *c, int percent);
static void context_log(struct cronward_context *c, enum cronward_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int context_log_data(
    struct cronward_context *c, enum cronward_level level, const char *message, const char *json);
static int context_result(struct cronward_context *c, const char *json, size_t len);
static int context_result_text(struct cronward_context *c, const char *json);
static int context_fail(struct cronward_context *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int context_retry(struct cronward_context *c, int wait_s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int64_t context_time_left_ms(struct cronward_context *c);
static struct host *context_host(struct cronward_context *c);
static void context_line(
    struct host *h, enum cronward_level level, const struct text *line, const char *json);
static void context_format(struct text *to, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

void
host_context_init(struct host *h)
{
	h->context = (struct cronward_context){
		.size = sizeof(h->context),
		.progress = context_progress,
		.log = context_log,
		.log_data = context_log_data,
		.result = context_result,
		.result_text = context_result_text,
		.fail = context_fail,
		.retry = context_retry,
		.time_left_ms = context_time_left_ms,
	};
}

void
host_context_reset(struct host *h)
{
	h->lines = 0;
	h->wait_s = -1;
	h->has_result = h->has_error = h->is_result_bad = false;
}

static void
context_progress(struct cronward_context *c, int percent)
{
	struct host *h = context_host(c);
	uint32_t shown = (uint32_t)(percent < 0             ? 0
				    : percent > PERCENT_MAX ? PERCENT_MAX
							    : percent);

	atomic_store_explicit(
	    &h->shared->progress, h->number << 8 | (shown + 1), memory_order_relaxed);
}

static void
context_log(struct cronward_context *c, enum cronward_level level, const char *fmt, ...)
{
	struct text line = { 0 };
	va_list args;

	/* The one beyond lets the parent say that there were more. */
	if (context_host(c)->lines > CRONWARD_LINES_MAX)
		return;
	va_start(args, fmt);
	context_format(&line, fmt, args);
	va_end(args);
	context_line(context_host(c), level, &line, NULL);
	text_finish(&line);
}

static int
context_log_data(
    struct cronward_context *c, enum cronward_level level, const char *message, const char *json)
{
	struct text line = { 0 };
	size_t len = strlen(json);

	if (len > CRONWARD_LINE_MAX || json_fault(json, len, NULL))
		return -1;
	text_add(&line, message, strnlen(message, CRONWARD_LINE_MAX));
	context_line(context_host(c), level, &line, json);
	text_finish(&line);
	return 0;
}

static int
context_result(struct cronward_context *c, const char *json, size_t len)
{
	struct host *h = context_host(c);
	const char *fault = "it is too long";
	size_t at = CRONWARD_RESULT_MAX;

	if (len <= CRONWARD_RESULT_MAX)
		fault = json_fault(json, len, &at);
	h->has_result = !fault;
	h->is_result_bad = fault != NULL;
	text_reset(&h->result);
	if (!fault) {
		text_add(&h->result, json, len);
		return CRONWARD_DONE;
	}
	text_add_format(&h->result,
	    "the plug-in's result is not JSON that PostgreSQL stores: %s, at byte %zu of %zu",
	    fault, at, len);
	return CRONWARD_FAIL;
}

static int
context_result_text(struct cronward_context *c, const char *json)
{
	return context_result(c, json, strlen(json));
}

static int
context_fail(struct cronward_context *c, const char *fmt, ...)
{
	struct host *h = context_host(c);
	va_list args;

	va_start(args, fmt);
	context_format(&h->error, fmt, args);
	va_end(args);
	h->has_error = true;
	return CRONWARD_FAIL;
}

static int
context_retry(struct cronward_context *c, int wait_s, const char *fmt, ...)
{
	struct host *h = context_host(c);
	va_list args;

	va_start(args, fmt);
	context_format(&h->error, fmt, args);
	va_end(args);
	h->has_error = true;
	h->wait_s = wait_s;
	return CRONWARD_RETRY;
}

static int64_t
context_time_left_ms(struct cronward_context *c)
{
	int64_t left_us = context_host(c)->ends_us - plugin_now_us();

	return left_us > 0 ? left_us / US_PER_MS : 0;
}

static struct host *
context_host(struct cronward_context *c)
{
	return (struct host *)c;
}

static void
context_line(struct host *h, enum cronward_level level, const struct text *line, const char *json)
{
	struct plugin_head head = { .word = PLUGIN_NOTE, .number = h->number };

	if (h->lines > CRONWARD_LINES_MAX)
		return;
	h->lines++;
	head.level = (uint8_t)((unsigned)level <= CRONWARD_ERROR ? level : CRONWARD_ERROR);
	host_say(h, head, line, json);
	host_wake_soon(h);
}

/* As vsnprintf() has it, at most CRONWARD_LINE_MAX bytes. */
static void
context_format(struct text *to, const char *fmt, va_list args)
{
	char line[CRONWARD_LINE_MAX + 1] = "";

	vsnprintf(line, sizeof(line), fmt, args);
	text_reset(to);
	text_add_text(to, line);
}
