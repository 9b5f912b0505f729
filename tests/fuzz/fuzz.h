/*
 * What targets have in common: what a fuzzer calls, what it gives, and how a claim that does not
 * hold is told.
 */
#ifndef CRONWARD_TESTS_FUZZ_FUZZ_H
#define CRONWARD_TESTS_FUZZ_FUZZ_H

#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text of exactly its size, so that what reads behind its NUL is seen.  The caller's to free. */
static inline char *
fuzz_string(const uint8_t *data, size_t size)
{
	char *text = mem_alloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static inline void
must(int claim)
{
	if (!claim)
		abort();
}

#endif
