/*
 * mail_headers - what others wrote into a row goes into a message's head with care.
 */
#include "base/mail_headers.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define MAIL_HEADERS_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static int mail_headers_check_name(const char *name, struct err *);
static int mail_headers_check_value(const char *name, const json_t *value, struct err *);
static bool mail_headers_is_ours(const char *name);
static bool mail_headers_repeat(const json_t *headers, const char *name);

/* Who sends and who gets it, what traces it, and what has a field of its own in a request. */
static const char *const mail_headers_ours[] = { "apparently-to", "authentication-results", "bcc",
	"cc", "date", "delivered-to", "dkim-signature", "domainkey-signature", "envelope-to",
	"errors-to", "from", "message-id", "mime-version", "received", "received-spf", "reply-to",
	"return-path", "sender", "subject", "to", "x-original-to", NULL };
/* Whole families. */
static const char *const mail_headers_our_prefixes[] = { "arc-", "content-", "resent-", NULL };

int
mail_headers_check(const json_t *headers, struct err *e)
{
	size_t bytes = 0;
	const char *name = NULL;
	json_t *value = NULL;

	if (!headers || json_is_null(headers))
		return 0;
	if (!json_is_object(headers))
		return err_set(e, ERR_BAD_REQUEST, "headers are no JSON object");
	if (json_object_size(headers) > MAIL_HEADERS_MAX)
		return err_set(
		    e, ERR_BAD_REQUEST, "there are more than %d headers", (int)MAIL_HEADERS_MAX);
	json_object_foreach((json_t *)headers, name, value)
	{
		if (mail_headers_check_name(name, e) || mail_headers_check_value(name, value, e))
			return -1;
		if (mail_headers_repeat(headers, name))
			return err_set(e, ERR_BAD_REQUEST,
			    "header \"%s\" is there twice, in letters of another case", name);
		bytes += strlen(name) + json_string_length(value);
	}
	if (bytes > MAIL_HEADERS_BYTES_MAX)
		return err_set(e, ERR_BAD_REQUEST, "headers have more than %d bytes",
		    (int)MAIL_HEADERS_BYTES_MAX);
	return 0;
}

static int
mail_headers_check_name(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len > MAIL_HEADER_NAME_MAX || strspn(name, MAIL_HEADERS_CHARS) != len)
		return err_set(e, ERR_BAD_REQUEST,
		    "the name of a header is not 1 to %d letters, digits, - and _",
		    (int)MAIL_HEADER_NAME_MAX);
	if (mail_headers_is_ours(name))
		return err_set(e, ERR_BAD_REQUEST, "header \"%s\" is not a mail's to set", name);
	return 0;
}

static int
mail_headers_check_value(const char *name, const json_t *value, struct err *e)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!text)
		return err_set(e, ERR_BAD_REQUEST, "header \"%s\" is no text", name);
	if (strspn(text, " ") == len)
		return err_set(e, ERR_BAD_REQUEST, "header \"%s\" is empty", name);
	if (len > MAIL_HEADER_VALUE_MAX)
		return err_set(e, ERR_BAD_REQUEST, "header \"%s\" is longer than %d bytes", name,
		    (int)MAIL_HEADER_VALUE_MAX);
	if (text_has_control(text, len))
		return err_set(e, ERR_BAD_REQUEST, "header \"%s\" holds a control character", name);
	return 0;
}

static bool
mail_headers_is_ours(const char *name)
{
	for (const char *const *at = mail_headers_our_prefixes; *at; at++)
		if (text_has_prefix_nocase(name, *at))
			return true;
	return text_is_among_nocase(name, mail_headers_ours);
}

static bool
mail_headers_repeat(const json_t *headers, const char *name)
{
	const char *other = NULL;
	json_t *value = NULL;

	json_object_foreach((json_t *)headers, other, value)
	{
		if (strcasecmp(other, name) == 0 && strcmp(other, name) != 0)
			return true;
	}
	return false;
}
