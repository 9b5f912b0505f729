/*
 * What Apollo.io answers, and what people take for a domain.  The first byte says which subject and
 * status, the rest is the reply's body, or the domain.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "http/http.h"
#include "vendors/apollo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_answer(struct arena *a, uint8_t which, const char *body, size_t len);
static void fuzz_domain(struct arena *a, const char *text);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;
	char *body;

	if (size == 0)
		return 0;
	a = arena_create();
	body = fuzz_string(data + 1, size - 1);
	if (data[0] == '@')
		fuzz_domain(a, body);
	else
		fuzz_answer(a, data[0], body, size - 1);
	free(body);
	arena_destroy(a);
	return 0;
}

static void
fuzz_answer(struct arena *a, uint8_t which, const char *body, size_t len)
{
	static const int statuses[] = { 200, 200, 401, 403, 404, 422, 429, 500 };
	const struct http_reply reply = {
		.status = statuses[which / 2 % 8],
		.retry_after = which & 64 ? body : NULL,
		.kept = { which & 128 ? body : NULL },
		.body = body,
		.body_len = len,
	};
	struct apollo_answer answer;

	apollo_read(a, which % 2, &reply, 1800000000, &answer);
	must((answer.outcome == APOLLO_FOUND) == (answer.object != NULL));
	must(!answer.object || !json_fault(answer.object, strlen(answer.object), NULL));
	must(strlen(answer.says) < sizeof(answer.says));
	must(text_is_utf8(answer.says, strlen(answer.says)));
	must(answer.outcome == APOLLO_FOUND || answer.outcome == APOLLO_UNKNOWN || *answer.says);
	must(answer.outcome != APOLLO_LIMITED || (answer.wait_s >= 1 && answer.wait_s <= 86400));
	must(answer.left >= -1);
}

/* A domain holds nothing that would change the URL, and is its own domain. */
static void
fuzz_domain(struct arena *a, const char *text)
{
	const char *domain = apollo_domain(a, text);

	if (!domain)
		return;
	must(strchr(domain, '.') && strlen(domain) <= 253);
	must(!strpbrk(domain, "/?#&=%@: \t\r\n\"'"));
	if (strncmp(domain, "www.", 4) != 0)
		must(strcmp(apollo_domain(a, domain), domain) == 0);
}
