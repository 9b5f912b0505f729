/*
 * mailbox - addresses of mail, as they may stand in a header.
 *
 * A strict reading: nothing that passes can end a header, open another one, or name a second
 * receiver.
 */
#include "base/mailbox.h"

#include "base/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum {
	MAILBOX_LOCAL_MAX = 64,
	MAILBOX_LABEL_MAX = 63,
};

/* What the messages say. */
_Static_assert(
    MAILBOX_MAX == 512 && MAILBOX_ADDRESS_MAX == 254 && MAILBOX_LOCAL_MAX == 64, "say so");

static const char *mailbox_address_fault_in(const char *at, size_t len);
static const char *mailbox_local_fault(const char *at, size_t len);
static const char *mailbox_domain_fault(const char *at, size_t len);
static const char *mailbox_name_fault(const char *at, size_t len);

const char *
mailbox_address_fault(const char *text)
{
	return mailbox_address_fault_in(text, strlen(text));
}

const char *
mailbox_fault(const char *text)
{
	size_t len = strlen(text);
	const char *open = strrchr(text, '<'), *fault;

	if (len > MAILBOX_MAX)
		return "is longer than 512 bytes";
	if (!open)
		return mailbox_address_fault_in(text, len);
	if (text[len - 1] != '>')
		return "does not end with the > of its address";
	fault = mailbox_name_fault(text, (size_t)(open - text));
	return fault ? fault : mailbox_address_fault_in(open + 1, (size_t)(text + len - open) - 2);
}

static const char *
mailbox_address_fault_in(const char *at, size_t len)
{
	const char *sign = memchr(at, '@', len), *fault;

	if (len == 0)
		return "is empty";
	if (len > MAILBOX_ADDRESS_MAX)
		return "is longer than 254 characters";
	if (!sign)
		return "has no @";
	fault = mailbox_local_fault(at, (size_t)(sign - at));
	return fault ? fault : mailbox_domain_fault(sign + 1, (size_t)(at + len - sign) - 1);
}

/* A dot-atom. */
static const char *
mailbox_local_fault(const char *at, size_t len)
{
	if (len == 0)
		return "has nothing before its @";
	if (len > MAILBOX_LOCAL_MAX)
		return "has more than 64 characters before its @";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c >= 0x80 || (!isalnum(c) && (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~.", c))))
			return "holds a character before its @ that no address has";
		if (c == '.' && (i == 0 || i + 1 == len || at[i + 1] == '.'))
			return "has a dot before its @ where none may be";
	}
	return NULL;
}

/* Letters, digits and inner hyphens, in parts of 1 to 63 between dots (RFC 1123 2.1). */
static const char *
mailbox_domain_fault(const char *at, size_t len)
{
	size_t label = 0;

	if (len == 0)
		return "has nothing behind its @";
	for (size_t i = 0; i <= len; i++) {
		unsigned char c = i < len ? (unsigned char)at[i] : '.';

		if (c == '.') {
			if (label == 0 || label > MAILBOX_LABEL_MAX || at[i - 1] == '-')
				return "has no host name behind its @";
			label = 0;
		} else if (iscntrl(c)) {
			return "holds a control character behind its @";
		} else if (c >= 0x80) {
			return "has a host name that is not in its ASCII form (xn--...)";
		} else if (!isalnum(c) && (c != '-' || label == 0)) {
			return "has no host name behind its @";
		} else {
			label++;
		}
	}
	return NULL;
}

static const char *
mailbox_name_fault(const char *at, size_t len)
{
	bool is_quoted;

	while (len > 0 && at[len - 1] == ' ')
		len--;
	if (!text_is_utf8(at, len))
		return "has a name that is not UTF-8";
	if (text_has_control(at, len))
		return "has a control character in its name";
	is_quoted = len >= 2 && at[0] == '"' && at[len - 1] == '"';
	for (size_t i = 0; i < len; i++) {
		char c = at[i];

		if (is_quoted ? (c == '\\' || (c == '"' && i > 0 && i + 1 < len))
			      : strchr("()<>[]:;@\\,.\"", c) != NULL)
			return is_quoted ? "has a quote or a backslash inside its quoted name"
					 : "has a name that needs double quotes around it";
	}
	return NULL;
}
