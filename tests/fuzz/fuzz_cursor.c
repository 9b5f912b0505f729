/*
 * Any text as a cursor: what is taken is exactly what would be written for the same place.
 */
#include "fuzz.h"

#include "base/text.h"
#include "gateway/cursor.h"

#include <stdlib.h>
#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[CURSOR_TEXT_MAX];
	struct cursor c;

	memcpy(text, data, size);
	text[size] = '\0';
	if (cursor_read(&c, text)) {
		must(text_is_uuid(c.id));
		cursor_write(&c, again);
		must(strcmp(again, text) == 0);
	}
	free(text);
	return 0;
}
