/*
 * text - growing text, and the small parsers that everything else uses.
 */
#ifndef CRONWARD_BASE_TEXT_H
#define CRONWARD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing, always NUL-terminated text.  All zero is a valid, empty one. */
struct text {
	char *at; /* NULL while nothing was ever added */
	size_t len, room;
};

void text_finish(struct text *t);
/* Empties ${t} and keeps its memory. */
void text_reset(struct text *t);
void text_add(struct text *t, const char *from, size_t len);
void text_add_text(struct text *t, const char *from);
void text_add_char(struct text *t, char c);
void text_add_number(struct text *t, int64_t value);
void text_add_format(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * PostgreSQL array literals, built value by value:
 * text_array_begin, any number of adds, text_array_end: {1,NULL,"a \"b\""}.
 * A NULL ${value} adds NULL.
 */
void text_array_begin(struct text *t);
void text_array_add(struct text *t, const char *value);
/* ${value} needs no quotes: a number, a uuid, a word of ours. */
void text_array_add_plain(struct text *t, const char *value);
void text_array_add_number(struct text *t, int64_t value);
void text_array_end(struct text *t);

/* The whole of ${s} as a decimal in [min, max], no sign but '-', no space: true, *ret_value. */
bool text_to_int64(const char *s, int64_t min, int64_t max, int64_t *ret_value);
/* A length of time: digits and a unit (ms, s, m, h, d): true and *ret_ms. */
bool text_to_duration_ms(const char *s, int64_t *ret_ms);
/* Whether ${s} is a uuid in its usual form, 8-4-4-4-12 hex digits in any case. */
bool text_is_uuid(const char *s);
/* Whether ${s} is written like ${form}: with a digit for each '0' of it, and else the same. */
bool text_has_form(const char *s, const char *form);
/* Whether ${s} holds nothing but visible characters of ASCII. */
bool text_is_visible(const char *s);
/* How many characters the UTF-8 of ${s} is. */
size_t text_characters(const char *s);
/* Whether all ${len} bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(const char *s, size_t len);
/*
 * Whether the UTF-8 ${s} holds a control character (U+0000 to U+001F, U+007F to U+009F) or what
 * else breaks a line (U+2028, U+2029).
 */
bool text_has_control(const char *s, size_t len);
/*
 * Copies at most ${len} bytes of ${from} into ${to} (${room} bytes with the NUL), made fit to be
 * stored and shown: control characters become spaces, bytes that are not UTF-8 become '?', and a
 * cut never splits a character.  Returns the length.
 */
size_t text_clean(char *to, size_t room, const char *from, size_t len);
/* Whether ${s} starts with ${prefix}, letter case aside. */
bool text_has_prefix_nocase(const char *s, const char *prefix);
/* Whether ${s} is one of ${words}, ended by NULL (NULL: none), letter case aside. */
bool text_is_among_nocase(const char *s, const char *const *words);

#endif
