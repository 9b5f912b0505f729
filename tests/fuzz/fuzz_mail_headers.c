/*
 * Headers that a mail brings along: what passes ends no line and names no receiver.
 */
#include "fuzz.h"

#include "base/mail_headers.h"

#include <string.h>
#include <strings.h>

static void fuzz_header(const char *name, const json_t *value);
static int fuzz_has_control(const char *text);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *headers =
	    json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct err e = { .code = ERR_OK };
	json_t *value;
	const char *name;

	if (headers && mail_headers_check(headers, &e) == 0) {
		must(e.code == ERR_OK && json_object_size(headers) <= MAIL_HEADERS_MAX);
		json_object_foreach(headers, name, value)
		{
			fuzz_header(name, value);
		}
	} else {
		must(!headers || e.code == ERR_BAD_REQUEST);
	}
	json_decref(headers);
	return 0;
}

static void
fuzz_header(const char *name, const json_t *value)
{
	const char *text = json_string_value(value);

	must(*name && !fuzz_has_control(name) && !strpbrk(name, ": "));
	must(strcasecmp(name, "bcc") != 0 && strcasecmp(name, "to") != 0);
	must(strncasecmp(name, "content-", 8) != 0);
	must(text && *text && strlen(text) == json_string_length(value));
	must(strlen(text) <= MAIL_HEADER_VALUE_MAX && !fuzz_has_control(text));
}

static int
fuzz_has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return 1;
	return 0;
}
