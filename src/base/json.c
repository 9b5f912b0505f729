/*
 * json - a pass over JSON text that keeps nothing and builds nothing.
 *
 * One value that PostgreSQL refuses would fail the whole statement that stores it with others, so
 * what comes from outside is judged here first.
 */
#include "base/json.h"

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where in the text; ${fault} is set at the first thing that is wrong. */
struct json_scan {
	const char *at, *end;
	const char *fault;
	int depth;
	char closes[JSON_DEPTH_MAX]; /* what ends each level: '}' or ']' */
};

static void json_space(struct json_scan *s);
static void json_value(struct json_scan *s);
static void json_open(struct json_scan *s);
static void json_key(struct json_scan *s);
static bool json_close(struct json_scan *s);
static void json_string(struct json_scan *s);
static void json_plain(struct json_scan *s);
static void json_escape(struct json_scan *s);
static bool json_hex(struct json_scan *s, uint32_t *ret_unit);
static void json_number(struct json_scan *s);
static size_t json_digits(struct json_scan *s);
static bool json_exponent(struct json_scan *s);
static void json_word(struct json_scan *s, const char *word);
static bool json_take(struct json_scan *s, char c);

const char *
json_fault(const char *text, size_t len, size_t *ret_at)
{
	struct json_scan s = { .at = text, .end = text + len };

	do
		json_value(&s);
	while (!s.fault && json_close(&s));
	json_space(&s);
	if (!s.fault && s.at < s.end)
		s.fault = "something follows the value";
	if (ret_at)
		*ret_at = (size_t)(s.at - text);
	return s.fault;
}

void
json_mend(char *text, size_t len)
{
	static const char instead[] = { '\\', 'u', 'f', 'f', 'f', 'd' };
	char *at = text, *end = text + len;

	while ((at = memchr(at, '\\', (size_t)(end - at)))) {
		struct json_scan s = { .at = at, .end = end };
		uint32_t unit = 0;

		json_escape(&s);
		if (!s.fault) {
			at += s.at - at;
			continue;
		}
		/* One that is no escape at all is not ours to mend. */
		s = (struct json_scan){ .at = at + 1, .end = end };
		if (!json_take(&s, 'u') || !json_hex(&s, &unit)) {
			at++;
			continue;
		}
		memcpy(at, instead, sizeof(instead));
		at += sizeof(instead);
	}
}

static void
json_space(struct json_scan *s)
{
	while (
	    s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
		s->at++;
}

/* A value; of an array or object its beginning, up to the first value in it. */
static void
json_value(struct json_scan *s)
{
	for (;;) {
		int depth = s->depth;

		json_space(s);
		if (s->at == s->end) {
			s->fault = "a value is missing";
			return;
		}
		switch (*s->at) {
		case '{':
		case '[':
			json_open(s);
			break;
		case '"':
			json_string(s);
			return;
		case 't':
			json_word(s, "true");
			return;
		case 'f':
			json_word(s, "false");
			return;
		case 'n':
			json_word(s, "null");
			return;
		default:
			json_number(s);
			return;
		}
		/* Empty ones are whole values. */
		if (s->fault || s->depth == depth)
			return;
	}
}

static void
json_open(struct json_scan *s)
{
	char close = *s->at++ == '{' ? '}' : ']';

	json_space(s);
	if (json_take(s, close))
		return;
	if (s->depth == JSON_DEPTH_MAX) {
		s->fault = "it is nested too deep";
		return;
	}
	s->closes[s->depth++] = close;
	if (close == '}')
		json_key(s);
}

static void
json_key(struct json_scan *s)
{
	json_space(s);
	if (s->at == s->end || *s->at != '"') {
		s->fault = "a key is missing";
		return;
	}
	json_string(s);
	json_space(s);
	if (!s->fault && !json_take(s, ':'))
		s->fault = "a colon is missing";
}

/* Behind a value: closes all that ends here.  Whether another value follows. */
static bool
json_close(struct json_scan *s)
{
	while (s->depth > 0) {
		json_space(s);
		if (json_take(s, ',')) {
			if (s->closes[s->depth - 1] == '}')
				json_key(s);
			return !s->fault;
		}
		if (!json_take(s, s->closes[s->depth - 1])) {
			s->fault = "a comma or the end of an array or object is missing";
			return false;
		}
		s->depth--;
	}
	return false;
}

static void
json_string(struct json_scan *s)
{
	const char *from = ++s->at;
	bool is_ascii = true;

	while (s->at < s->end && !s->fault) {
		unsigned char c;

		json_plain(s);
		if (s->at == s->end)
			break;
		c = (unsigned char)*s->at;
		if (c < 0x20) {
			s->fault = "a string holds a control character";
		} else if (c == '"') {
			if (!is_ascii && !text_is_utf8(from, (size_t)(s->at - from)))
				s->fault = "a string is not valid UTF-8";
			s->at++;
			return;
		} else if (c == '\\') {
			json_escape(s);
		} else {
			is_ascii = is_ascii && c < 0x80;
			s->at++;
		}
	}
	if (!s->fault)
		s->fault = "a string has no end";
}

/* Passes over ASCII of a string that nothing is to be said about, as far as there are 8 bytes. */
static void
json_plain(struct json_scan *s)
{
	const uint64_t ones = UINT64_MAX / UINT8_MAX;
	uint64_t w, odd;

	for (; s->end - s->at >= (ptrdiff_t)sizeof(w); s->at += sizeof(w)) {
		memcpy(&w, s->at, sizeof(w));
		/* In each the top bit of some byte is set where one is below ' ', '"' or '\\'. */
		odd = (w - ones * ' ') | ((w ^ ones * '"') - ones) | ((w ^ ones * '\\') - ones);
		if ((w | odd) & ones * 0x80)
			return;
	}
}

static void
json_escape(struct json_scan *s)
{
	uint32_t unit = 0, low = 0;

	s->at++;
	if (s->at < s->end && *s->at != '\0' && strchr("\"\\/bfnrt", *s->at)) {
		s->at++;
	} else if (!json_take(s, 'u') || !json_hex(s, &unit)) {
		s->fault = "an escape is unknown";
	} else if (unit == 0) {
		s->fault = "a string holds \\u0000, which PostgreSQL does not store";
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		s->fault = "half of a surrogate pair stands alone";
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		if (!json_take(s, '\\') || !json_take(s, 'u') || !json_hex(s, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			s->fault = "half of a surrogate pair stands alone";
	}
}

static bool
json_hex(struct json_scan *s, uint32_t *ret_unit)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";

	*ret_unit = 0;
	if (s->end - s->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		const char *digit = *s->at ? strchr(digits, *s->at) : NULL;

		if (!digit)
			return false;
		*ret_unit = *ret_unit << 4 | ((uint32_t)(digit - digits) & 15);
		s->at++;
	}
	return true;
}

static void
json_number(struct json_scan *s)
{
	const char *from = s->at;
	bool is_zero;

	json_take(s, '-');
	is_zero = s->at < s->end && *s->at == '0';
	if (json_digits(s) != 1 && is_zero)
		s->fault = "a number begins with 0";
	else if (s->at == from || s->at[-1] == '-')
		s->fault = "it is no value";
	else if (json_take(s, '.') && json_digits(s) == 0)
		s->fault = "a number has no digit behind its point";
	else if (s->at - from > JSON_DIGITS_MAX)
		s->fault = "a number is too long";
	else if (s->at < s->end && (*s->at == 'e' || *s->at == 'E') && !json_exponent(s))
		s->fault = "a number's exponent is missing or too large";
}

/* Passes over digits; how many. */
static size_t
json_digits(struct json_scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return (size_t)(s->at - from);
}

static bool
json_exponent(struct json_scan *s)
{
	int exponent = 0;
	const char *from;

	s->at++;
	if (!json_take(s, '+'))
		json_take(s, '-');
	from = s->at;
	if (json_digits(s) == 0)
		return false;
	for (; from < s->at && exponent <= JSON_DIGITS_MAX; from++)
		exponent = exponent * 10 + (*from - '0');
	return exponent <= JSON_DIGITS_MAX;
}

static void
json_word(struct json_scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		s->fault = "it is no value";
	else
		s->at += len;
}

static bool
json_take(struct json_scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}
