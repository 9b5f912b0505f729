/*
 * Any bytes as the token of a call back: what is taken is exactly what would be made for its claim.
 */
#include "fuzz.h"

#include "base/callback_token.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define JOB "0198a000-0000-7000-8000-00000000000a"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char value[] = "a secret of 16 or more";
	const struct secret s = { .name = "T",
		.current = { .value = value, .len = sizeof(value) - 1 } };
	char claim[CRYPTO_UUID_TEXT_MAX], token[CALLBACK_TOKEN_MAX];
	/* Of exactly its size, so that the sanitizer sees one byte too many. */
	char *given = malloc(size ? size : 1);

	memcpy(given, data, size);
	if (callback_token_claim(&s, JOB, given, size, claim)) {
		must(callback_token_make(&s, JOB, claim, token));
		must(strlen(token) == size && memcmp(token, given, size) == 0);
	}
	free(given);
	return 0;
}
