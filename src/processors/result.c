/*
 * result - what somebody answered, as a value that PostgreSQL takes as jsonb.
 *
 * One value that it does not take would fail the statement that settles it together with many
 * others.  So what is not certainly fine goes as text: depth and NUL are jansson's to refuse, and
 * numbers beyond what numeric holds are looked for here.
 */
#include "base/arena.h"
#include "base/text.h"
#include "processors/processor.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	RESULT_MAX = 64 * 1024,
	RESULT_NUMBER_MAX = 400,    /* characters; numeric holds 16383 behind the point */
	RESULT_EXPONENT_DIGITS = 3, /* a double's */
	RESULT_CHARACTER_BYTES = 4,
};

#define RESULT_SPACE " \t\r\n"
#define RESULT_NUMBER "0123456789+-.eE"

static bool result_is_json(const char *text, size_t len);
static bool result_numbers_fit(const char *text);
static bool result_number_fits(const char *number, size_t len);
static const char *result_as_text(struct arena *, const char *body, size_t len);
static size_t result_clean(char *to, const char *from, size_t len);

const char *
job_result(struct item *item, const char *body, size_t len)
{
	size_t rest = len;
	char *copy;

	while (rest > 0 && strchr(RESULT_SPACE, body[len - rest]) && body[len - rest] != '\0')
		rest--;
	if (rest == 0)
		return NULL;
	copy = len <= RESULT_MAX ? arena_copy(item->memory, body, len) : NULL;
	if (copy && result_is_json(copy, len))
		return copy;
	return result_as_text(item->memory, body, len < RESULT_MAX ? len : RESULT_MAX);
}

static bool
result_is_json(const char *text, size_t len)
{
	/* Whole numbers of any length are fine with PostgreSQL, and not with jansson. */
	json_auto_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);

	/* What parses holds no NUL, which jansson takes for no JSON. */
	return value && !memchr(text, '\0', len) && result_numbers_fit(text);
}

/* Of what is JSON: skips its texts. */
static bool
result_numbers_fit(const char *text)
{
	while (*text) {
		size_t len = strspn(text, RESULT_NUMBER);

		if (len > 0 && !result_number_fits(text, len))
			return false;
		if (len == 0 && *text == '"')
			for (text++; *text && *text != '"'; text++)
				text += *text == '\\' && text[1];
		text += len > 0 ? len : *text != '\0';
	}
	return true;
}

static bool
result_number_fits(const char *number, size_t len)
{
	size_t mantissa = strcspn(number, "eE"), digits;

	if (len > RESULT_NUMBER_MAX)
		return false;
	if (mantissa >= len)
		return true;
	digits = len - mantissa - 1;
	if (digits > 0 && strchr("+-", number[mantissa + 1]))
		digits--;
	return digits <= RESULT_EXPONENT_DIGITS;
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

/* As UTF-8 without NUL, byte for byte at most as long: a character that was cut goes. */
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
