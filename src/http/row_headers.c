/*
 * row_headers - what others wrote into a row is added to a request with care, and not repeated.
 */
#include "http/row_headers.h"

#include "base/text.h"
#include "http/echo.h"
#include "http/http.h"

#include <jansson.h>

static const char *const row_headers_ours[] = { "webhook-id", "webhook-timestamp",
	"webhook-signature", "content-type", "content-length", "transfer-encoding", "host",
	"connection", "expect", NULL };

int
row_headers_add(
    struct http_request *q, const char *json, const char *const *reserved, struct err *e)
{
	json_auto_t *headers = json ? json_loads(json, 0, NULL) : NULL;
	const char *name = NULL;
	json_t *value = NULL;

	if (json && !headers)
		return err_set(e, ERR_BAD_REQUEST,
		    "headers are too long, or hold a number or a depth that cannot be read");
	json_object_foreach(headers, name, value)
	{
		if (!json_is_string(value))
			return err_set(e, ERR_BAD_REQUEST, "header \"%s\" is no text", name);
		if (text_is_among_nocase(name, row_headers_ours) ||
		    text_is_among_nocase(name, reserved))
			return err_set(e, ERR_BAD_REQUEST, "header \"%s\" is not its to set", name);
		http_header(q, name, json_string_value(value));
	}
	return q->refused ? err_set(e, ERR_BAD_REQUEST, "headers: %s", q->refused) : 0;
}

void
row_headers_hide(char *text, const char *json)
{
	json_auto_t *headers = json ? json_loads(json, 0, NULL) : NULL;
	const char *name = NULL;
	json_t *value = NULL;

	json_object_foreach(headers, name, value)
	{
		if (json_is_string(value))
			echo_hide(text, json_string_value(value));
	}
}
