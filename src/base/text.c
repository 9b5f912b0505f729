/*
 * text - growing text, and the small parsers that everything else uses.
 *
 * The parsers read bytes from outside: none of them reads past its end, copies without a bound,
 * or depends on the locale.
 */
#include "base/text.h"

#include "base/arena.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	TEXT_ROOM_MIN = 256,
	TEXT_FORMAT_GUESS = 64, /* longer formats may be done twice */
	TEXT_NUMBER_MAX = 21,   /* "-9223372036854775808" and its NUL */
};

static const struct {
	const char *name;
	int64_t ms;
} text_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60000 },
	{ "h", 3600000 },
	{ "d", 86400000 },
};

static char *text_reserve(struct text *t, size_t more);
static void text_array_separate(struct text *t);
static size_t text_utf8_bytes(const unsigned char *s, size_t len);

void
text_finish(struct text *t)
{
	free(t->at);
	*t = (struct text){ 0 };
}

void
text_reset(struct text *t)
{
	t->len = 0;
	if (t->at)
		t->at[0] = '\0';
}

void
text_add(struct text *t, const char *from, size_t len)
{
	char *to = text_reserve(t, len);

	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
	t->len += len;
}

void
text_add_text(struct text *t, const char *from)
{
	text_add(t, from, strlen(from));
}

void
text_add_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}

void
text_add_number(struct text *t, int64_t value)
{
	char digits[TEXT_NUMBER_MAX];
	/* The negative of INT64_MIN has no int64_t of its own. */
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	text_add(t, digits + at, sizeof(digits) - at);
}

void
text_add_format(struct text *t, const char *fmt, ...)
{
	char *to = text_reserve(t, TEXT_FORMAT_GUESS);
	size_t room = t->room - t->len;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(to, room, fmt, args);
	va_end(args);
	if (len < 0) {
		to[0] = '\0';
		return;
	}
	if ((size_t)len >= room) {
		to = text_reserve(t, (size_t)len);
		va_start(args, fmt);
		vsnprintf(to, (size_t)len + 1, fmt, args);
		va_end(args);
	}
	t->len += (size_t)len;
}

void
text_array_begin(struct text *t)
{
	text_add_char(t, '{');
}

void
text_array_add(struct text *t, const char *value)
{
	char *to;

	text_array_separate(t);
	if (!value) {
		text_add(t, "NULL", 4);
		return;
	}
	/* Always quoted: that is right for any text, the empty one and NULL among them. */
	to = text_reserve(t, 2 * strlen(value) + 2);
	*to++ = '"';
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			*to++ = '\\';
		*to++ = *value;
	}
	*to++ = '"';
	*to = '\0';
	t->len = (size_t)(to - t->at);
}

void
text_array_add_plain(struct text *t, const char *value)
{
	text_array_separate(t);
	text_add_text(t, value ? value : "NULL");
}

void
text_array_add_number(struct text *t, int64_t value)
{
	text_array_separate(t);
	text_add_number(t, value);
}

void
text_array_end(struct text *t)
{
	text_add_char(t, '}');
}

bool
text_to_int64(const char *s, int64_t min, int64_t max, int64_t *ret_value)
{
	bool negative = *s == '-';
	int64_t value = 0;

	if (negative)
		s++;
	if (*s == '\0')
		return false;
	/* Counted downwards: there is one negative number more than positive ones. */
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, *s - '0', &value))
			return false;
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return false;
	if (value < min || value > max)
		return false;
	*ret_value = value;
	return true;
}

bool
text_to_duration_ms(const char *s, int64_t *ret_ms)
{
	char digits[TEXT_NUMBER_MAX] = "";
	size_t len = strspn(s, "0123456789"), i;
	int64_t count;

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, s, len);
	if (!text_to_int64(digits, 0, INT64_MAX, &count))
		return false;
	for (i = 0; i < sizeof(text_units) / sizeof(text_units[0]); i++)
		if (strcmp(s + len, text_units[i].name) == 0)
			return !__builtin_mul_overflow(count, text_units[i].ms, ret_ms);
	return false;
}

bool
text_is_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; form[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	return s[i] == '\0';
}

bool
text_has_form(const char *s, const char *form)
{
	while (*form && (*form == '0' ? *s >= '0' && *s <= '9' : *s == *form)) {
		form++;
		s++;
	}
	return !*form && !*s;
}

bool
text_is_visible(const char *s)
{
	while (*s > ' ' && *s <= '~')
		s++;
	return *s == '\0';
}

size_t
text_characters(const char *s)
{
	size_t count = 0;

	/* All but the bytes that go on with a character. */
	for (; *s; s++)
		count += ((unsigned char)*s & 0xc0) != 0x80;
	return count;
}

bool
text_is_utf8(const char *s, size_t len)
{
	const unsigned char *at = (const unsigned char *)s;
	size_t n;

	for (; len > 0; at += n, len -= n)
		if ((n = text_utf8_bytes(at, len)) == 0)
			return false;
	return true;
}

bool
text_has_control(const char *s, size_t len)
{
	const unsigned char *at = (const unsigned char *)s;

	for (; len > 0; at++, len--)
		if (at[0] < ' ' || at[0] == 0x7f ||
		    (at[0] == 0xc2 && len > 1 && at[1] >= 0x80 && at[1] < 0xa0) ||
		    (at[0] == 0xe2 && len > 2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9)))
			return true;
	return false;
}

size_t
text_clean(char *to, size_t room, const char *from, size_t len)
{
	const unsigned char *at = (const unsigned char *)from;
	size_t done = 0, n;

	if (room == 0)
		return 0;
	for (; len > 0; at += n, len -= n) {
		char instead = '\0';

		n = text_utf8_bytes(at, len);
		if (n == 0) {
			n = 1;
			instead = '?';
		} else if (at[0] < ' ' || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0)) {
			instead = ' '; /* the last are U+0080 to U+009F */
		}
		if (done + (instead ? 1 : n) >= room)
			break;
		if (instead) {
			to[done++] = instead;
		} else {
			memcpy(to + done, at, n);
			done += n;
		}
	}
	to[done] = '\0';
	return done;
}

bool
text_has_prefix_nocase(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

bool
text_is_among_nocase(const char *s, const char *const *words)
{
	for (; words && *words; words++)
		if (strcasecmp(*words, s) == 0)
			return true;
	return false;
}

/* Where the next byte goes, with room for ${more} of them and a NUL. */
static char *
text_reserve(struct text *t, size_t more)
{
	size_t need;

	if (__builtin_add_overflow(t->len, more, &need) || need > SIZE_MAX / 4)
		need = SIZE_MAX / 2; /* more than there is: mem_grow() ends the process */
	if (need >= t->room) {
		size_t room = t->room * 2 > TEXT_ROOM_MIN ? t->room * 2 : TEXT_ROOM_MIN;
		if (room <= need)
			room = need + 1;
		t->at = mem_grow(t->at, room);
		t->room = room;
	}
	return t->at + t->len;
}

static void
text_array_separate(struct text *t)
{
	/* A value cannot end in a brace: what is not plain ends in a quote. */
	if (t->len > 0 && t->at[t->len - 1] != '{')
		text_add_char(t, ',');
}

/* The length of the character at ${s}, or 0: not UTF-8 (RFC 3629, section 4). */
static size_t
text_utf8_bytes(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0; /* shorter forms exist below */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90; /* shorter forms */
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (len < n || s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}
