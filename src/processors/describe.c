/*
 * describe - what all processors have in common: a job in words that each of them can pass on, and
 * when to try again.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "engine/backoff.h"
#include "processors/processor.h"

#include <stdlib.h>
#include <string.h>

enum {
	DESCRIBE_FIRST_S = 60,
	DESCRIBE_FACTOR = 2,
};

static void describe_text(struct text *, const char *key, const char *value);
static void describe_time(struct text *, const char *key, const char *ms);
static void describe_number(struct text *, const char *key, int64_t value);
static void describe_escaped(struct text *, const char *value);
static int64_t describe_attempts(const struct item *);

const char *
job_describe(struct item *item, size_t *ret_len)
{
	const char *payload = item_text(item, JOB_PAYLOAD);
	const char *max = item_text(item, JOB_MAX_ATTEMPTS);
	struct text t = { .at = NULL };
	char *description;

	describe_text(&t, "{\"id\":", item_text(item, JOB_ID));
	describe_text(&t, ",\"type\":", item_text(item, JOB_TYPE));
	describe_text(&t, ",\"queue\":", item_text(item, JOB_QUEUE));
	describe_number(&t, ",\"attempt\":", describe_attempts(item) + 1);
	describe_number(&t, ",\"max_attempts\":", max ? strtoll(max, NULL, 10) : 0);
	describe_text(&t, ",\"workspace_id\":", item_text(item, JOB_WORKSPACE));
	describe_time(&t, ",\"run_at\":", item_text(item, JOB_RUN_AT));
	describe_time(&t, ",\"created_at\":", item_text(item, JOB_CREATED_AT));
	text_add_text(&t, ",\"payload\":");
	text_add_text(&t, payload ? payload : "null");
	text_add_char(&t, '}');
	description = arena_copy(item->memory, t.at, t.len);
	*ret_len = t.len;
	text_finish(&t);
	return description;
}

enum verdict
job_again(struct item *item, int64_t retry_after_s)
{
	int64_t failures = describe_attempts(item) + 1;
	const char *max = item_text(item, JOB_MAX_ATTEMPTS);

	if (!max || failures >= strtoll(max, NULL, 10))
		return VERDICT_DEAD;
	item->retry_ms = job_wait_ms(failures, retry_after_s);
	return VERDICT_RETRY;
}

int64_t
job_wait_ms(int64_t failures, int64_t retry_after_s)
{
	static const struct backoff backoff = {
		.first_s = DESCRIBE_FIRST_S,
		.factor = DESCRIBE_FACTOR,
		.cap_s = BACKOFF_RETRY_AFTER_MAX_S,
	};

	return backoff_ms(&backoff, failures, retry_after_s);
}

static void
describe_text(struct text *t, const char *key, const char *value)
{
	text_add_text(t, key);
	if (!value) {
		text_add_text(t, "null");
		return;
	}
	text_add_char(t, '"');
	describe_escaped(t, value);
	text_add_char(t, '"');
}

/* RFC 3339; null for what is no time, such as infinity. */
static void
describe_time(struct text *t, const char *key, const char *ms)
{
	char at[CLOCK_TEXT_MAX], *end = NULL;
	int64_t unix_ms = ms ? strtoll(ms, &end, 10) : 0;

	describe_text(t, key, end && end != ms ? clock_text(unix_ms, at) : NULL);
}

static void
describe_number(struct text *t, const char *key, int64_t value)
{
	text_add_text(t, key);
	text_add_number(t, value);
}

/* RFC 8259, 7: quotes, backslashes and control characters; all else as it is, which is UTF-8. */
static void
describe_escaped(struct text *t, const char *value)
{
	for (;;) {
		size_t len = 0;

		while ((unsigned char)value[len] >= ' ' && value[len] != '"' && value[len] != '\\')
			len++;
		text_add(t, value, len);
		value += len;
		if (!*value)
			return;
		if (*value == '"' || *value == '\\')
			text_add_format(t, "\\%c", *value);
		else
			text_add_format(t, "\\u%04x", (unsigned char)*value);
		value++;
	}
}

static int64_t
describe_attempts(const struct item *item)
{
	const char *attempts = item_text(item, JOB_ATTEMPTS);

	return attempts ? strtoll(attempts, NULL, 10) : 0;
}
