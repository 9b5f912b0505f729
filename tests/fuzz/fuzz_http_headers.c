/*
 * What rows and receivers have a hand in: header names and values, URLs, Retry-After.
 *
 * The input is texts that end in NUL, taken in turn as name and value, as URL, as Retry-After.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "http/http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	FUZZ_NOW_S = 1800000000,
};

static void fuzz_headers(const char *text, const char *end);
static void fuzz_headers_stand(const struct http_request *q);
static void fuzz_text(const char *text);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *texts = fuzz_string(data, size);
	const char *at;

	fuzz_headers(texts, texts + size);
	for (at = texts; at < texts + size; at += strlen(at) + 1)
		fuzz_text(at);
	free(texts);
	return 0;
}

static void
fuzz_headers(const char *text, const char *end)
{
	struct http_request *q = mem_alloc(sizeof(*q));

	http_request_reset(q);
	while (text < end) {
		const char *value = text + strlen(text) + 1;
		bool was_refused = q->refused != NULL;
		unsigned count = q->headers_count;

		if (value > end)
			break;
		http_header(q, text, value);
		must(!was_refused || q->refused);
		must(q->headers_count == count + (q->refused ? 0 : 1));
		fuzz_headers_stand(q);
		text = value + strlen(value) + 1;
	}
	free(q);
}

/* Header after header, each a name, a colon and a value or a semicolon, no control character. */
static void
fuzz_headers_stand(const struct http_request *q)
{
	const char *expected = q->headers_text;
	unsigned i;

	must(q->headers_count <= HTTP_HEADERS_MAX);
	must(q->headers_len <= HTTP_HEADER_BYTES_MAX);
	for (i = 0; i < q->headers_count; i++) {
		const char *line = q->headers[i], *c;
		size_t name_len = strcspn(line, ":;");

		must(line == expected && name_len > 0);
		must(strcspn(line, " ") >= name_len);
		must(strcmp(line + name_len, ";") == 0 ||
		     (strncmp(line + name_len, ": ", 2) == 0 &&
			 (unsigned char)line[name_len + 2] > ' '));
		for (c = line; *c; c++)
			must((unsigned char)*c >= ' ' && *c != 0x7f);
		expected = c + 1;
	}
	must(expected == q->headers_text + q->headers_len);
}

static void
fuzz_text(const char *text)
{
	size_t len = strlen(text), origin_len = http_origin_len(text);
	int64_t s = http_retry_after_s(text, FUZZ_NOW_S);

	must(origin_len <= len);
	if (origin_len > 0) {
		const char *host = strstr(text, "://") + 3;

		must(host < text + origin_len);
		must(host + strcspn(host, "/?#") == text + origin_len);
	}
	must(s >= -1 && s <= INT32_MAX);
	if (s >= 0)
		must(strpbrk(text, "0123456789") != NULL);
	/* Seconds do not depend on the time of day. */
	if (len > 0 && strspn(text, "0123456789") == len && len < 60)
		must(s >= 0 && s == http_retry_after_s(text, 0));
}
