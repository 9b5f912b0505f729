/*
 * The small parsers on any bytes: nothing may be read past the end, and what is promised of each
 * result holds.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void fuzz_numbers(const char *s);
static void fuzz_clean(const char *from, size_t len);
static void fuzz_base64(const char *from, size_t len);
static void fuzz_array(const char *s);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of exactly its size, so that the sanitizer sees one byte too many. */
	char *bytes = mem_alloc(size + 1), *exact = mem_alloc(size);

	memcpy(bytes, data, size);
	bytes[size] = '\0';
	memcpy(exact, data, size);

	fuzz_numbers(bytes);
	fuzz_array(bytes);
	fuzz_clean(exact, size);
	fuzz_base64(exact, size);
	if (text_is_uuid(bytes))
		must(strlen(bytes) == CRYPTO_UUID_TEXT_MAX - 1);
	must(text_has_prefix_nocase(bytes, bytes));
	text_has_prefix_nocase(bytes, "Bearer ");
	free(bytes);
	free(exact);
	return 0;
}

static void
fuzz_numbers(const char *s)
{
	struct text back = { 0 };
	int64_t value = 0, ms = 0;

	if (text_to_int64(s, -1000, INT64_MAX, &value)) {
		must(value >= -1000);
		text_add_number(&back, value);
		must(text_to_int64(back.at, value, value, &value));
		text_finish(&back);
	}
	if (text_to_duration_ms(s, &ms))
		must(ms >= 0);
}

static void
fuzz_clean(const char *from, size_t len)
{
	static const size_t rooms[] = { 0, 1, 2, 3, 4, 7, 64, 4096 };
	size_t i, j;

	for (i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		char *to = mem_alloc(rooms[i]);
		size_t done = text_clean(to, rooms[i], from, len);

		must(done <= len);
		must(rooms[i] == 0 ? done == 0 : done < rooms[i] && to[done] == '\0');
		must(text_is_utf8(to, done));
		for (j = 0; j < done; j++)
			must((unsigned char)to[j] >= ' ' && to[j] != 0x7f);
		/* What is long enough, valid and without control characters stays as it is. */
		if (rooms[i] > len && text_is_utf8(from, len) && done == len) {
			for (j = 0; j < len; j++)
				must(to[j] == from[j] || to[j] == ' ');
		}
		free(to);
	}
}

static void
fuzz_base64(const char *from, size_t len)
{
	size_t room = len / 4 * 3 + 3, coded_len;
	unsigned char *bytes = mem_alloc(room), *again = mem_alloc(len);
	char *coded = mem_alloc(CRYPTO_BASE64_MAX(len));
	long n = crypto_base64_decode(bytes, room, from, len);

	must(n <= (long)room);
	if (n > 0) {
		must(crypto_base64_decode(bytes, (size_t)n, from, len) == n);
		must(crypto_base64_decode(bytes, (size_t)n - 1, from, len) == -1);
	}
	coded_len = crypto_base64_encode(coded, from, len);
	must(coded_len == strlen(coded));
	must(crypto_base64_decode(again, len, coded, coded_len) == (long)len);
	must(memcmp(again, from, len) == 0);
	free(bytes);
	free(again);
	free(coded);
}

/* Reads the literal back as PostgreSQL does. */
static void
fuzz_array(const char *s)
{
	struct text t = { 0 };
	const char *at;

	text_array_begin(&t);
	text_array_add(&t, s);
	text_array_add(&t, NULL);
	text_array_end(&t);
	must(strncmp(t.at, "{\"", 2) == 0);
	for (at = t.at + 2; *at != '"'; at++) {
		if (*at == '\\')
			at++;
		must(*at != '\0' && *at == *s++);
	}
	must(*s == '\0' && strcmp(at, "\",NULL}") == 0);
	text_finish(&t);
}
