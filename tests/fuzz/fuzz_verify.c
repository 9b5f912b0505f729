/*
 * What a stranger sends as an event: headers and body.  Nothing that is not signed passes, and what
 * we sign ourselves does.
 *
 * The input is the scheme's number, lines "name: value", an empty line, the body.
 */
#include "base/arena.h"
#include "http/sign.h"
#include "http/verify.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define NOW 1700000000

/* The lines, each ended by a NUL, and where the last one ends. */
struct lines {
	const char *at, *end;
};

static void check_sent(const uint8_t *data, size_t size);
static void check_signed(const struct provider *p, const char *body, size_t body_len);
static const char *header_next(const void *from, const char *name, size_t *position);

static struct secret secret = {
	.name = "S",
	.current = { .value = (char[]){ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
	    .len = 38,
	    .len_min = SECRET_LENGTH_MIN },
	.previous = { .value = (char[]){ "the one before it" },
	    .len = 17,
	    .len_min = SECRET_LENGTH_MIN },
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		check_sent(data, size);
	return 0;
}

static void
check_sent(const uint8_t *data, size_t size)
{
	struct provider p = { .name = "x", .secret = secret };
	char *text = fuzz_string(data, size), *body;
	struct lines lines = { .at = text };
	struct verify_message message = { .header = header_next, .from = &lines, .unix_s = NOW };

	p.scheme = (enum provider_scheme)((unsigned char)(text[0] - '0') % PROVIDER_SCHEME__MAX);
	snprintf(p.header, sizeof(p.header), "%s", provider_scheme_header[p.scheme]);
	lines.at = text + 1;
	body = strstr(lines.at, "\n\n");
	lines.end = body ? body : lines.at + strlen(lines.at);
	message.body = body ? body + 2 : text + size;
	message.body_len = size - (size_t)(message.body - text);
	for (char *at = text + 1; at < lines.end; at++)
		*at = (char)(*at == '\n' ? '\0' : *at);
	if (body)
		*body = '\0';
	/* Nobody who has not our secrets guesses an HMAC; the corpus has no signature at NOW. */
	must(verify_fault(&p, &message) != NULL);
	check_signed(&p, message.body, message.body_len);
	free(text);
}

/* What we sign passes, and not with another bit in it. */
static void
check_signed(const struct provider *p, const char *body, size_t body_len)
{
	const struct sign_message ours = { "msg_1", NOW - 1, body, body_len };
	char text[3 * VERIFY_SIGNATURE_MAX], signature[VERIFY_SIGNATURE_MAX];
	struct lines lines = { .at = text };
	const struct verify_message message = { header_next, &lines, body, body_len, NOW };
	int len;

	must(verify_sign(p, &ours, signature) == 0);
	len = snprintf(text, sizeof(text), "webhook-id: msg_1%cwebhook-timestamp: %d%c%s: %s", 0,
	    NOW - 1, 0, provider_scheme_header[p->scheme], signature);
	lines.end = text + len;
	must(verify_fault(p, &message) == NULL);
	text[len - 5] = text[len - 5] == '0' ? '1' : '0';
	must(verify_fault(p, &message) != NULL);
}

static const char *
header_next(const void *from, const char *name, size_t *position)
{
	const struct lines *lines = from;
	size_t len = strlen(name);

	while (lines->at + *position < lines->end) {
		const char *line = lines->at + *position;

		*position += strlen(line) + 1;
		if (strncmp(line, name, len) == 0 && strncmp(line + len, ": ", 2) == 0)
			return line + len + 2;
	}
	return NULL;
}
