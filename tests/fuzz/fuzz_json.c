/*
 * JSON text, judged beside jansson: whoever takes it, takes what the other takes, but for numbers
 * and nesting, where each has limits of its own.  What was mended has none of the faults that can
 * be.
 */
#include "base/json.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUZZ_DIGITS_PLAIN = 15,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No exponent, no long number: jansson refuses what overflows.  No NUL: it ends there. */
static int
is_plain(const uint8_t *data, size_t size)
{
	size_t digits = 0;

	if (size == 0)
		return 1;
	for (size_t i = 0; i < size; i++) {
		digits = data[i] == '.' || (data[i] >= '0' && data[i] <= '9') ? digits + 1 : 0;
		if (digits > FUZZ_DIGITS_PLAIN || (i > 0 && (data[i] == 'e' || data[i] == 'E') &&
						      data[i - 1] >= '0' && data[i - 1] <= '9'))
			return 0;
	}
	return size <= JSON_DEPTH_MAX && !memchr(data, '\0', size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly that size, so that reading behind it is seen. */
	char *copy = malloc(size + 1);
	size_t at = 0;
	const char *fault;

	if (size > 0)
		memcpy(copy + 1, data, size);
	fault = json_fault(copy + 1, size, &at);
	if (at > size || (!fault && at != size))
		abort();
	if (is_plain(data, size)) {
		json_t *parsed = json_loadb(copy + 1, size, JSON_DECODE_ANY, NULL);

		if (!parsed != (fault != NULL))
			abort();
		json_decref(parsed);
	}
	json_mend(copy + 1, size);
	fault = json_fault(copy + 1, size, NULL);
	if (fault && (strstr(fault, "u0000") || strstr(fault, "surrogate")))
		abort();
	free(copy);
	return 0;
}
