/*
 * form - each byte that is not unreserved becomes %XX, spaces, too: everybody reads that.
 */
#include "http/form.h"

#include "base/arena.h"

#include <string.h>

#define FORM_UNRESERVED                                                                            \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" /* RFC 3986, 2.3 */

enum {
	FORM_BYTE_MAX = 3, /* what one becomes at most */
};

static char *form_add(char *to, const char *text);

char *
form_escape(struct arena *a, const char *text)
{
	char *escaped = arena_alloc(a, FORM_BYTE_MAX * strlen(text) + 1);

	form_add(escaped, text);
	return escaped;
}

char *
form_of(struct arena *a, const struct form_field *fields, size_t count)
{
	size_t room = 1;
	char *form, *at;

	for (size_t i = 0; i < count; i++)
		if (fields[i].value)
			room += strlen(fields[i].name) + FORM_BYTE_MAX * strlen(fields[i].value) +
				strlen("=&");
	at = form = arena_alloc(a, room);
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].value)
			continue;
		if (at > form)
			*at++ = '&';
		at = stpcpy(at, fields[i].name);
		*at++ = '=';
		at = form_add(at, fields[i].value);
	}
	return form;
}

/* Where the NUL stands that ends it. */
static char *
form_add(char *to, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	while (*text) {
		size_t len = strspn(text, FORM_UNRESERVED);

		to = mempcpy(to, text, len);
		text += len;
		if (!*text)
			break;
		*to++ = '%';
		*to++ = digits[(unsigned char)*text >> 4];
		*to++ = digits[(unsigned char)*text & 15];
		text++;
	}
	*to = '\0';
	return to;
}
