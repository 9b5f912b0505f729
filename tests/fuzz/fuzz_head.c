/*
 * The head of a FastCGI request, before libfcgi sees it.  A verdict never changes for the worse
 * reason that fewer bytes were there: a beginning of a whole head is whole or wants more.
 */
#include "gateway/head.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum head_verdict
judge(const uint8_t *data, size_t size)
{
	/* A copy of exactly that size, so that reading behind it is seen. */
	unsigned char *copy = malloc(size + 1);
	enum head_verdict v;

	if (size > 0)
		memcpy(copy + 1, data, size);
	v = head_check(copy + 1, size);
	free(copy);
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum head_verdict whole = judge(data, size);

	for (size_t part = size / 2; part > 0; part /= 2) {
		enum head_verdict v = judge(data, part);

		if ((whole == HEAD_WHOLE && v == HEAD_BAD) ||
		    (whole == HEAD_MORE && v != HEAD_MORE))
			abort();
	}
	return 0;
}
