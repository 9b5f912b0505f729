/*
 * Addresses of mail: what passes holds one address, and nothing that could end a header or open
 * another one.
 */
#include "base/arena.h"
#include "base/mailbox.h"
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

static void check_address(const char *text);
static void check_mailbox(const char *text);
static bool holds_control(const char *text);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);

	if (!mailbox_address_fault(text))
		check_address(text);
	if (!mailbox_fault(text))
		check_mailbox(text);
	free(text);
	return 0;
}

static void
check_address(const char *text)
{
	const char *sign = strchr(text, '@');

	must(strlen(text) <= MAILBOX_ADDRESS_MAX);
	must(sign && sign > text && sign == strrchr(text, '@') && sign[1] != '\0');
	must(!holds_control(text) && !strpbrk(text, " \"(),:;<>[\\]"));
	for (const char *at = text; *at; at++)
		must((unsigned char)*at < 0x80);
	must(!mailbox_fault(text));
}

/* Its last address is one, and stands between the only brackets that no quotes are around. */
static void
check_mailbox(const char *text)
{
	const char *open = strrchr(text, '<');
	char *address;
	size_t len = strlen(text);

	must(len > 0 && len <= MAILBOX_MAX && text_is_utf8(text, len) && !holds_control(text));
	if (!open) {
		must(!mailbox_address_fault(text));
		return;
	}
	must(text[len - 1] == '>');
	address = mem_alloc(len);
	memcpy(address, open + 1, len - 2 - (size_t)(open - text));
	address[len - 2 - (size_t)(open - text)] = '\0';
	check_address(address);
	free(address);
	if (text[0] != '"')
		must(!memchr(text, '"', len) && strchr(text, '<') == open &&
		     strchr(text, '@') > open && !memchr(text, ',', (size_t)(open - text)));
	else
		must(strchr(text + 1, '"') && !memchr(text, '\\', len));
}

static bool
holds_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}
