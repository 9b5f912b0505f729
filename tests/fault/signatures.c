/*
 * signatures - what the program makes of signatures, a line each.
 *
 * On stdin a JSON object per line: scheme, secret and previous (texts), now (seconds since 1970),
 * body (base64), and either headers ([name, value] pairs, names in lower case), for which stdout
 * has "ok" or what is wrong, or id, for which it has the signature's header.  In the same order.
 */
#include "base/arena.h"
#include "base/crypto.h"
#include "http/sign.h"
#include "http/verify.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool answer(json_t *question);
static void make(const struct provider *p, json_t *question, const char *body, size_t body_len);
static void judge(const struct provider *p, json_t *question, const char *body, size_t body_len);
static bool provider_make(struct provider *p, json_t *question);
static const char *header_next(const void *from, const char *name, size_t *position);

int
main(void)
{
	char *line = NULL;
	size_t room = 0;
	bool well = true;

	while (well && getline(&line, &room, stdin) > 0) {
		json_t *question = json_loads(line, 0, NULL);

		well = question && answer(question);
		json_decref(question);
	}
	free(line);
	return well ? 0 : 2;
}

static bool
answer(json_t *question)
{
	const char *text = json_string_value(json_object_get(question, "body"));
	size_t room = text ? strlen(text) + 1 : 1;
	unsigned char *body = mem_alloc(room);
	long body_len = text ? crypto_base64_decode(body, room, text, room - 1) : -1;
	struct provider p = { .name = "x" };
	bool well = body_len >= 0 && provider_make(&p, question);

	if (well && json_object_get(question, "headers"))
		judge(&p, question, (const char *)body, (size_t)body_len);
	else if (well)
		make(&p, question, (const char *)body, (size_t)body_len);
	secret_finish(&p.secret);
	free(body);
	return well;
}

static void
make(const struct provider *p, json_t *question, const char *body, size_t body_len)
{
	const struct sign_message message = {
		.id = json_string_value(json_object_get(question, "id")),
		.unix_s = json_integer_value(json_object_get(question, "now")),
		.body = body,
		.body_len = body_len,
	};
	char signature[VERIFY_SIGNATURE_MAX] = "no key";

	verify_sign(p, &message, signature);
	puts(signature);
}

static void
judge(const struct provider *p, json_t *question, const char *body, size_t body_len)
{
	const struct verify_message message = {
		.header = header_next,
		.from = json_object_get(question, "headers"),
		.body = body,
		.body_len = body_len,
		.unix_s = json_integer_value(json_object_get(question, "now")),
	};
	const char *fault = verify_fault(p, &message);

	puts(fault ? fault : "ok");
}

static bool
provider_make(struct provider *p, json_t *question)
{
	const char *scheme = json_string_value(json_object_get(question, "scheme"));
	const char *secret = json_string_value(json_object_get(question, "secret"));
	const char *previous = json_string_value(json_object_get(question, "previous"));
	unsigned i = 0;

	while (scheme && provider_scheme_name[i] && strcmp(scheme, provider_scheme_name[i]) != 0)
		i++;
	if (!scheme || !provider_scheme_name[i] || !secret)
		return false;
	p->scheme = (enum provider_scheme)i;
	snprintf(p->header, sizeof(p->header), "%s", provider_scheme_header[p->scheme]);
	setenv("S", secret, 1);
	setenv("S_PREVIOUS", previous ? previous : "", 1);
	return secret_load(&p->secret, "S", NULL) == 0;
}

static const char *
header_next(const void *from, const char *name, size_t *position)
{
	json_t *pair;

	while ((pair = json_array_get(from, *position))) {
		(*position)++;
		if (strcmp(json_string_value(json_array_get(pair, 0)), name) == 0)
			return json_string_value(json_array_get(pair, 1));
	}
	return NULL;
}
