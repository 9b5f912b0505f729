/*
 * Templates and their data.  The first byte says what the result is for; the source goes to the
 * first NUL, and behind it stands the JSON.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/template.h"

#include <stdlib.h>
#include <string.h>

static void fuzz_render(const char *source, enum template_form form, const json_t *values);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *values = NULL;
	size_t source_len;
	char *source;

	if (size == 0)
		return 0;
	source_len = strnlen((const char *)data + 1, size - 1);
	source = fuzz_string(data + 1, source_len);
	if (source_len + 2 < size)
		values = json_loadb((const char *)data + source_len + 2, size - source_len - 2,
		    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	fuzz_render(source, data[0] % 3, values);
	json_decref(values);
	free(source);
	return 0;
}

static void
fuzz_render(const char *source, enum template_form form, const json_t *values)
{
	struct arena *a = arena_create();
	struct err e = { .code = ERR_OK };
	const char *result = template_render(a, source, form, values, &e);

	must((e.code == ERR_OK) == (result != NULL));
	if (!result) {
		must(strncmp(e.message, "line ", 5) == 0);
	} else if (!strstr(source, "{{")) {
		must(strcmp(result, source) == 0);
	} else {
		must(strlen(result) <= TEMPLATE_RESULT_MAX);
		must(form != TEMPLATE_HEADER || !strpbrk(result, "\r\n\t\x7f"));
		must(form != TEMPLATE_HEADER || strlen(result) <= TEMPLATE_HEADER_MAX);
		/* No value opens or closes an element, or ends an attribute. */
		if (form == TEMPLATE_HTML && !strpbrk(source, "<>\"'"))
			must(!strpbrk(result, "<>\"'"));
		must(json_is_object(values));
	}
	arena_destroy(a);
}
