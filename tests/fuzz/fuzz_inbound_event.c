/*
 * A message from outside: what is read of it is bounded, fit to be stored, and never an empty id.
 *
 * The first byte of an input chooses the scheme and Meta's form, then come the header webhook-id up
 * to a line end, and the body.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/provider.h"
#include "base/text.h"
#include "gateway/inbound_event.h"
#include "gateway/request.h"

#include <stdio.h>
#include <string.h>

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static void
check_text(const char *text)
{
	size_t len = strlen(text);

	must(text_is_utf8(text, len));
	for (size_t i = 0; i < len; i++)
		must((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void
check_headers(const struct request *q)
{
	json_t *headers = inbound_headers(q), *value;
	const char *name;

	must(json_object_size(headers) <= INBOUND_HEADERS_MAX);
	json_object_foreach(headers, name, value)
	{
		check_text(name);
		check_text(json_string_value(value));
	}
	json_decref(headers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char prefix[] = "HTTP_WEBHOOK_ID=";
	struct inbound_event v;
	struct provider p = { .name = "x" };
	const uint8_t *end = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
	size_t header_len = end ? (size_t)(end - data - 1) : 0, body_len;
	char *param, *body, *params[] = { NULL, NULL };
	struct request q;

	if (!end)
		return 0;
	body_len = size - header_len - 2;
	param = malloc(sizeof(prefix) + header_len);
	memcpy(param, prefix, sizeof(prefix) - 1);
	memcpy(param + sizeof(prefix) - 1, data + 1, header_len);
	param[sizeof(prefix) - 1 + header_len] = '\0';
	params[0] = param;
	/* Of exactly that size behind its first byte, so that reading behind it is seen. */
	body = malloc(body_len + 1);
	memcpy(body + 1, end + 1, body_len);
	request_read(&q, params);
	q.body = body + 1;
	q.body_len = body_len;
	p.scheme = (enum provider_scheme)(data[0] % PROVIDER_SCHEME__MAX);
	snprintf(p.header, sizeof(p.header), "%s", provider_scheme_header[p.scheme]);
	inbound_event_read(&v, &p, &q, data[0] & 0x40);
	must(v.id[0] != '\0' && strlen(v.digest) == sizeof(v.digest) - 1);
	check_text(v.id);
	check_text(v.type);
	must(!v.fault[0] == !json_fault(q.body, q.body_len, NULL));
	must(!v.is_guess || v.type[0]);
	check_headers(&q);
	free(body);
	free(param);
	return 0;
}
