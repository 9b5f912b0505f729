/*
 * result - what somebody answered, as a value that PostgreSQL takes as jsonb.
 *
 * One value that it does not take would fail the statement that settles it together with many
 * others.
 */
#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "processors/processor.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	RESULT_MAX = 64 * 1024,
	RESULT_CHARACTER_BYTES = 4,
};

#define RESULT_SPACE " \t\r\n"

static const char *result_as_text(struct arena *, const char *body, size_t len);
static size_t result_clean(char *to, const char *from, size_t len);

const char *
job_result(struct item *item, const char *body, size_t len)
{
	size_t at = 0;

	while (at < len && body[at] != '\0' && strchr(RESULT_SPACE, body[at]))
		at++;
	if (at == len)
		return NULL;
	if (len <= RESULT_MAX && !json_fault(body, len, NULL))
		return arena_copy(item->memory, body, len);
	return result_as_text(item->memory, body, len < RESULT_MAX ? len : RESULT_MAX);
}

static const char *
result_as_text(struct arena *a, const char *body, size_t len)
{
	char *clean = mem_alloc(len + 1);
	size_t clean_len = result_clean(clean, body, len);
	json_auto_t *value = json_stringn(clean, clean_len);
	char *json = json_dumps(value, JSON_ENCODE_ANY);
	const char *copy = json ? arena_text(a, json) : NULL;

	free(json);
	free(clean);
	return copy;
}

/* As UTF-8 without NUL, and no longer: what is no character, or half of one, becomes '?'. */
static size_t
result_clean(char *to, const char *from, size_t len)
{
	size_t done = 0;

	while (len > 0) {
		size_t n = 1;

		while (n < len && n < RESULT_CHARACTER_BYTES && !text_is_utf8(from, n))
			n++;
		if (!text_is_utf8(from, n) || *from == '\0') {
			n = 1;
			to[done++] = '?';
		} else {
			memcpy(to + done, from, n);
			done += n;
		}
		from += n;
		len -= n;
	}
	return done;
}
