/*
 * cursor - 24 bytes make 32 characters without padding and without a spare bit, so that two texts
 * never mean one place.
 */
#include "gateway/cursor.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	CURSOR_TIME_BYTES = 8,
	CURSOR_ID_BYTES = 16,
	CURSOR_BYTES = CURSOR_TIME_BYTES + CURSOR_ID_BYTES,
};

static int cursor_hex(char c);

void
cursor_write(const struct cursor *c, char to[static CURSOR_TEXT_MAX])
{
	unsigned char bytes[CURSOR_BYTES];
	uint64_t at = (uint64_t)c->at_us;
	size_t n = CURSOR_TIME_BYTES;

	for (int i = 0; i < CURSOR_TIME_BYTES; i++)
		bytes[i] = (unsigned char)(at >> (8 * (CURSOR_TIME_BYTES - 1 - i)));
	for (const char *digit = c->id; *digit && n < CURSOR_BYTES; digit++) {
		if (*digit == '-')
			continue;
		bytes[n++] = (unsigned char)(cursor_hex(digit[0]) << 4 | cursor_hex(digit[1]));
		digit++;
	}
	crypto_base64url_encode(to, bytes, sizeof(bytes));
}

bool
cursor_read(struct cursor *c, const char *text)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char bytes[CURSOR_BYTES];
	char plain[CURSOR_TEXT_MAX];
	uint64_t at = 0;
	int len = 0;

	if (strlen(text) != CURSOR_TEXT_MAX - 1 || text[strspn(text, alphabet)])
		return false;
	memcpy(plain, text, sizeof(plain));
	for (char *digit = plain; *digit; digit++)
		*digit = (char)(*digit == '-' ? '+' : *digit == '_' ? '/' : *digit);
	if (crypto_base64_decode(bytes, sizeof(bytes), plain, strlen(plain)) != CURSOR_BYTES)
		return false;
	for (int i = 0; i < CURSOR_TIME_BYTES; i++)
		at = at << 8 | bytes[i];
	c->at_us = (int64_t)at;
	for (int i = 0; i < CURSOR_ID_BYTES; i++)
		len += snprintf(c->id + len, sizeof(c->id) - (size_t)len, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[CURSOR_TIME_BYTES + i]);
	return true;
}

static int
cursor_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}
