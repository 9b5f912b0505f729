/*
 * What targets have in common: what a fuzzer calls, and how a claim that does not hold is told.
 */
#ifndef CRONWARD_TESTS_FUZZ_FUZZ_H
#define CRONWARD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
must(int claim)
{
	if (!claim)
		abort();
}

#endif
