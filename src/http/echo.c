/*
 * echo - what a receiver says, without what it should not have repeated.
 *
 * What is compared here both sides know, so time tells nothing.
 */
#include "http/echo.h"

#include <stddef.h>
#include <string.h>

#define ECHO_WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
/* Base64, and what JSON, HTML and URLs make of its signs. */
#define ECHO_BASE64 ECHO_WORD "+/=%\\&#;"

enum {
	ECHO_RUN_MIN = 8,
	ECHO_SIGNATURE_MIN = 40, /* characters of the 44 that HMAC-SHA256 has */
	ECHO_SECRET_MIN = 16,
};

static void echo_hide_run(char *text, const char *run, size_t len);
static void echo_hide_behind(char *text, const char *mark, size_t len_min);

void
echo_hide(char *text, const char *known)
{
	echo_hide_run(text, known, strlen(known));
	while (*known) {
		size_t len = strspn(known, ECHO_WORD);

		echo_hide_run(text, known, len);
		known += len;
		known += strcspn(known, ECHO_WORD);
	}
}

void
echo_hide_signatures(char *text)
{
	echo_hide_behind(text, "v1,", ECHO_SIGNATURE_MIN);
	echo_hide_behind(text, "v1%2C", ECHO_SIGNATURE_MIN);
	echo_hide_behind(text, "v1%2c", ECHO_SIGNATURE_MIN);
	echo_hide_behind(text, "whsec_", ECHO_SECRET_MIN);
}

static void
echo_hide_run(char *text, const char *run, size_t len)
{
	size_t left = strlen(text);
	char *found;

	if (len < ECHO_RUN_MIN)
		return;
	while ((found = memmem(text, left, run, len))) {
		memset(found, '*', len);
		left -= (size_t)(found - text) + len;
		text = found + len;
	}
}

static void
echo_hide_behind(char *text, const char *mark, size_t len_min)
{
	while ((text = strstr(text, mark))) {
		size_t len;

		text += strlen(mark);
		len = strspn(text, ECHO_BASE64);
		if (len >= len_min)
			memset(text, '*', len);
		text += len;
	}
}
