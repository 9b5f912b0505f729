/*
 * inbound_event - read without trust in anything but the signature: what stands in a message is
 * bounded, and made fit to be stored.
 */
#include "gateway/inbound_event.h"

#include "base/json.h"
#include "base/json_find.h"
#include "base/provider.h"
#include "base/text.h"
#include "gateway/request.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
	INBOUND_PARAM_MAX = 128, /* of a header's name as a parameter */
	INBOUND_VALUE_MAX = 8 * 1024,
};

/* What is looked for at the top of a body. */
enum inbound_member {
	MEMBER_EVENT_ID,
	MEMBER_EVENT_ID_CAMEL,
	MEMBER_ID,
	MEMBER_TYPE,
	MEMBER_EVENT_TYPE,
	MEMBER_EVENT_TYPE_CAMEL,
	MEMBER_EVENT,
	MEMBER__MAX
};
static const char *const inbound_member_name[MEMBER__MAX] = { "event_id", "eventId", "id", "type",
	"event_type", "eventType", "event" };

static void inbound_judge(struct inbound_event *, const struct request *);
static void inbound_read_type(struct inbound_event *, const struct json_span *members);
static void inbound_header_type(struct inbound_event *, const struct request *);
static void inbound_read_meta_type(struct inbound_event *, struct json_span body);
static bool inbound_header_id(
    struct inbound_event *, const struct provider *, const struct request *);
static bool inbound_body_id(
    struct inbound_event *, const struct provider *, const struct json_span *members);
static bool inbound_take_id(struct inbound_event *, const char *id);
static bool inbound_header_is_kept(const char *name);
static bool inbound_header_name(
    char to[static INBOUND_PARAM_MAX], const char *param, const char **ret_value);

void
inbound_event_read(
    struct inbound_event *v, const struct provider *p, const struct request *q, bool is_meta)
{
	struct json_span body = { .at = q->body, .len = q->body_len };
	struct json_span members[MEMBER__MAX] = { { .at = NULL } };

	*v = (struct inbound_event){ .is_guess = false };
	inbound_judge(v, q);
	crypto_sha256_hex(q->body, q->body_len, v->digest);
	if (!v->fault[0] && is_meta)
		inbound_read_meta_type(v, body);
	if (!v->fault[0] && !is_meta)
		json_members(body, inbound_member_name, MEMBER__MAX, members);
	if (!is_meta)
		inbound_read_type(v, members);
	if (is_meta || (!inbound_header_id(v, p, q) && !inbound_body_id(v, p, members)))
		snprintf(v->id, sizeof(v->id), "sha256:%s", v->digest);
	/* Last: what nobody has signed is not to have a say in the id. */
	if (!is_meta)
		inbound_header_type(v, q);
}

json_t *
inbound_headers(const struct request *q)
{
	json_t *headers = json_object();
	size_t bytes = 0;

	for (size_t i = 0; q->params[i]; i++) {
		char name[INBOUND_PARAM_MAX], value[INBOUND_VALUE_MAX];
		const char *raw, *before;
		size_t len;

		if (!inbound_header_name(name, q->params[i], &raw) || !inbound_header_is_kept(name))
			continue;
		len = text_clean(value, sizeof(value), raw, strlen(raw));
		before = json_string_value(json_object_get(headers, name));
		bytes += strlen(name) + len;
		if (bytes > INBOUND_HEADERS_BYTES_MAX ||
		    (!before && json_object_size(headers) == INBOUND_HEADERS_MAX))
			break;
		json_object_set_new(headers, name,
		    before ? json_sprintf("%s, %s", before, value) : json_string(value));
	}
	return headers;
}

const char *
inbound_header(const void *request, const char *name, size_t *position)
{
	char param[INBOUND_PARAM_MAX];
	int len;

	if (strcmp(name, "content-type") == 0)
		return request_each(request, "CONTENT_TYPE", position);
	len = snprintf(param, sizeof(param), "HTTP_%s", name);
	if (len < 0 || (size_t)len >= sizeof(param))
		return NULL;
	for (char *c = param; *c; c++)
		*c = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
	return request_each(request, param, position);
}

static void
inbound_judge(struct inbound_event *v, const struct request *q)
{
	size_t at = 0;
	const char *fault = json_fault(q->body, q->body_len, &at);

	if (fault)
		snprintf(v->fault, sizeof(v->fault),
		    "the body is not JSON that can be stored: at byte %zu %s", at + 1, fault);
}

static void
inbound_read_type(struct inbound_event *v, const struct json_span *members)
{
	char type[4 * INBOUND_TYPE_MAX];

	for (size_t i = MEMBER_TYPE; i <= MEMBER_EVENT && !v->type[0]; i++)
		if (json_string_of(members[i], type, sizeof(type)))
			text_clean(v->type, sizeof(v->type), type, strlen(type));
}

/* GitHub says it in a header alone. */
static void
inbound_header_type(struct inbound_event *v, const struct request *q)
{
	const char *named = request_first(q, "HTTP_X_GITHUB_EVENT");

	if (!v->type[0] && named)
		text_clean(v->type, sizeof(v->type), named, strlen(named));
}

/*
 * Meta's form is {"entry": [{"changes": [{"field": "messages", "value": {…}}]}]}; under "messages"
 * come messages, and what became of those that were sent (statuses).
 */
static void
inbound_read_meta_type(struct inbound_event *v, struct json_span body)
{
	struct json_span entry = json_first(json_member(body, "entry"));
	struct json_span change = json_first(json_member(entry, "changes"));
	struct json_span value = json_member(change, "value");
	char field[INBOUND_TYPE_MAX - sizeof(".status")], type[INBOUND_TYPE_MAX];
	bool is_status;

	if (!json_string_of(json_member(change, "field"), field, sizeof(field)) || !field[0])
		return;
	is_status = json_member(value, "statuses").at && !json_member(value, "messages").at;
	snprintf(type, sizeof(type), "%s%s", field, is_status ? ".status" : "");
	text_clean(v->type, sizeof(v->type), type, strlen(type));
}

/*
 * Standard Webhooks' id, beside the header of the signature, which covers it.  No other header is
 * asked: who has a body and its signature could send it as ever new events under ids of his own.
 */
static bool
inbound_header_id(struct inbound_event *v, const struct provider *p, const struct request *q)
{
	char name[PROVIDER_HEADER_MAX];
	size_t position = 0;
	const char *id;

	if (p->scheme != PROVIDER_STANDARD)
		return false;
	id = inbound_header(q, provider_header_beside(name, p, "id"), &position);
	return id && inbound_take_id(v, id);
}

static bool
inbound_body_id(struct inbound_event *v, const struct provider *p, const struct json_span *members)
{
	char id[4 * INBOUND_ID_MAX];

	if (p->scheme == PROVIDER_STRIPE && json_string_of(members[MEMBER_ID], id, sizeof(id)) &&
	    inbound_take_id(v, id))
		return true;
	for (size_t i = MEMBER_EVENT_ID; i <= MEMBER_EVENT_ID_CAMEL; i++)
		if (json_string_of(members[i], id, sizeof(id)) && inbound_take_id(v, id))
			return true;
	v->is_guess = v->type[0] && json_string_of(members[MEMBER_ID], id, sizeof(id)) &&
		      inbound_take_id(v, id);
	return v->is_guess;
}

/* As it is, or, where it is long or odd, its digest; false where it is empty. */
static bool
inbound_take_id(struct inbound_event *v, const char *id)
{
	size_t len = strlen(id);
	char digest[CRYPTO_HEX_MAX(CRYPTO_SHA256_BYTES)];

	if (len == 0)
		return false;
	text_clean(v->id, sizeof(v->id), id, len);
	if (strcmp(v->id, id) == 0)
		return true;
	crypto_sha256_hex(id, len, digest);
	snprintf(v->id, sizeof(v->id), "id-sha256:%s", digest);
	return true;
}

/* RFC 9110, 7.6.1, and what shows who calls. */
static bool
inbound_header_is_kept(const char *name)
{
	static const char *const dropped[] = { "authorization", "proxy-authorization", "cookie",
		"x-cron-secret", "connection", "proxy-connection", "keep-alive", "te", "trailer",
		"transfer-encoding", "upgrade", "expect", "content-length", "proxy", NULL };

	return !text_is_among_nocase(name, dropped);
}

/* The header that the parameter ${param}, "NAME=value", stands for; false where it is none. */
static bool
inbound_header_name(char to[static INBOUND_PARAM_MAX], const char *param, const char **ret_value)
{
	static const char prefix[] = "HTTP_", twice[] = "HTTP_CONTENT_TYPE=";
	size_t len = strcspn(param, "=");

	/* nginx has it under both names. */
	if (strncmp(param, twice, sizeof(twice) - 1) == 0)
		return false;
	if (strncmp(param, prefix, sizeof(prefix) - 1) == 0) {
		param += sizeof(prefix) - 1;
		len -= sizeof(prefix) - 1;
	} else if (strncmp(param, "CONTENT_TYPE=", sizeof("CONTENT_TYPE=") - 1) != 0) {
		return false;
	}
	if (len == 0 || len >= INBOUND_PARAM_MAX || param[len] != '=' || !param[len + 1])
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)param[i];

		if (c <= ' ' || c > '~')
			return false;
		to[i] = (char)(c == '_' ? '-' : tolower(c));
	}
	to[len] = '\0';
	*ret_value = param + len + 1;
	return true;
}
