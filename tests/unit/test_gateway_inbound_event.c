/*
 * Which event a message is, of what type, and which of its headers are kept.
 */
#include "gateway/inbound_event.h"

#include "base/provider.h"
#include "gateway/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of "{}". */
#define EMPTY_DIGEST "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static struct inbound_event v;
static bool is_svix; /* a provider of Standard Webhooks has other headers */

/* Reads ${body} with up to three parameters. */
static void
read_as(enum provider_scheme scheme, bool is_meta, const char *body, const char *const *params)
{
	struct provider p = { .name = "x", .scheme = scheme };
	char *all[4] = { NULL };
	struct request q;

	for (size_t i = 0; params && params[i]; i++)
		all[i] = (char *)params[i];
	if (scheme == PROVIDER_STANDARD)
		snprintf(p.header, sizeof(p.header), "%s-signature", is_svix ? "svix" : "webhook");
	request_read(&q, all);
	q.body = body;
	q.body_len = strlen(body);
	inbound_event_read(&v, &p, &q, is_meta);
}

static void
assert_event(const char *id, bool is_guess, const char *type)
{
	assert_string_equal(v.id, id);
	assert_int_equal(v.is_guess, is_guess);
	assert_string_equal(v.type, type);
}

#define READ(scheme, body, ...)                                                                    \
	read_as((scheme), false, (body), (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define HEX PROVIDER_HMAC_HEX

static void
the_id_is_the_surest_that_is_there(void **state)
{
	(void)state;
	READ(PROVIDER_STANDARD, "{\"event_id\":\"b\",\"id\":\"c\",\"type\":\"t\"}",
	    "HTTP_X_EVENT_ID=d", "HTTP_WEBHOOK_ID=msg_1");
	assert_event("msg_1", false, "t");
	is_svix = true;
	READ(PROVIDER_STANDARD, "{}", "HTTP_WEBHOOK_ID=msg_1", "HTTP_SVIX_ID=msg_2");
	assert_event("msg_2", false, "");
	is_svix = false;
	/* Elsewhere that header is no part of what is signed. */
	READ(HEX, "{\"event_id\":\"b\"}", "HTTP_WEBHOOK_ID=msg_1");
	assert_event("b", false, "");
	READ(PROVIDER_STRIPE, "{\"id\":\"evt_1\",\"type\":\"charge.failed\",\"event_id\":\"b\"}",
	    "HTTP_X_EVENT_ID=d");
	assert_event("evt_1", false, "charge.failed");
	READ(PROVIDER_META, "{\"event_id\":\"b\",\"action\":\"opened\"}",
	    "HTTP_X_GITHUB_DELIVERY=72d3162e", "HTTP_X_GITHUB_EVENT=issues");
	assert_event("b", false, "issues");
	READ(HEX, "{\"event_id\":\"b\"}", "HTTP_X_WEBHOOK_ID=w", "HTTP_X_EVENT_ID=e");
	assert_event("b", false, "");
	READ(HEX, "{\"eventId\":\"camel\",\"id\":\"c\",\"type\":\"t\"}");
	assert_event("camel", false, "t");
}

static void
an_id_beside_a_type_is_a_guess(void **state)
{
	(void)state;
	READ(HEX, "{\"id\":\"order-1\",\"event\":\"paid\"}");
	assert_event("order-1", true, "paid");
	READ(HEX, "{\"id\":\"order-1\",\"eventType\":\"paid\"}");
	assert_event("order-1", true, "paid");
	/* Alone it may be anything; a number or nothing is none. */
	READ(HEX, "{\"id\":\"order-1\"}");
	assert_memory_equal(v.id, "sha256:", 7);
	READ(HEX, "{\"id\":1,\"type\":\"t\"}");
	assert_memory_equal(v.id, "sha256:", 7);
	READ(HEX, "{\"id\":\"\",\"event_id\":\"\",\"type\":\"t\"}", "HTTP_X_EVENT_ID=");
	assert_memory_equal(v.id, "sha256:", 7);
	assert_false(v.is_guess);
}

static void
without_an_id_it_is_the_digest(void **state)
{
	(void)state;
	READ(HEX, "{}");
	assert_event("sha256:" EMPTY_DIGEST, false, "");
	/* Whoever has seen a body once could send it again under another one of these. */
	READ(HEX, "{}", "HTTP_X_WEBHOOK_ID=w", "HTTP_X_EVENT_ID=e",
	    "HTTP_X_GITHUB_DELIVERY=72d3162e");
	assert_event("sha256:" EMPTY_DIGEST, false, "");
	assert_string_equal(v.digest, EMPTY_DIGEST);
	assert_string_equal(v.fault, "");
}

static void
the_first_name_of_a_type_counts(void **state)
{
	(void)state;
	READ(HEX, "{\"event\":\"d\",\"eventType\":\"c\",\"event_type\":\"b\",\"type\":\"a\"}");
	assert_string_equal(v.type, "a");
	READ(HEX, "{\"event\":\"d\",\"eventType\":\"c\",\"event_type\":\"b\",\"type\":{}}");
	assert_string_equal(v.type, "b");
	READ(HEX, "{\"data\":{\"type\":\"inner\"}}");
	assert_string_equal(v.type, "");
}

static void
what_meta_sends_has_a_form_of_its_own(void **state)
{
	static const char form[] =
	    "{\"object\":\"whatsapp_business_account\",\"id\":\"i\",\"type\":"
	    "\"t\",\"entry\":[{\"id\":\"1\",\"changes\":[{\"value\":%s,"
	    "\"field\":\"messages\"}]},{\"changes\":[]}]}";
	char body[400];

	(void)state;
	snprintf(body, sizeof(body), form, "{\"messages\":[{}]}");
	read_as(PROVIDER_META, true, body, NULL);
	assert_string_equal(v.type, "messages");
	assert_memory_equal(v.id, "sha256:", 7);
	snprintf(body, sizeof(body), form, "{\"statuses\":[{}]}");
	read_as(PROVIDER_META, true, body, NULL);
	assert_string_equal(v.type, "messages.status");
	snprintf(body, sizeof(body), form, "{\"statuses\":[],\"messages\":[]}");
	read_as(PROVIDER_META, true, body, NULL);
	assert_string_equal(v.type, "messages");
	for (size_t i = 0; i < 6; i++) {
		static const char *const odd[] = { "{}", "[]", "{\"entry\":[]}",
			"{\"entry\":[{\"changes\":[1]}]}", "{\"entry\":[{\"changes\":{}}]}",
			"{\"entry\":[{\"changes\":[{\"field\":1}]}]}" };

		read_as(PROVIDER_META, true, odd[i], NULL);
		assert_string_equal(v.type, "");
		assert_memory_equal(v.id, "sha256:", 7);
	}
}

static void
what_is_no_json_is_an_event_with_a_fault(void **state)
{
	(void)state;
	READ(HEX, "id=1&type=t");
	assert_memory_equal(v.id, "sha256:", 7);
	assert_string_equal(
	    v.fault, "the body is not JSON that can be stored: at byte 1 it is no value");
	READ(HEX, "{\"id\":\"\\u0000\",\"type\":\"t\"}");
	assert_memory_equal(v.id, "sha256:", 7);
	assert_non_null(strstr(v.fault, "\\u0000"));
}

static void
long_and_odd_ids_become_digests(void **state)
{
	char body[500], longest[400];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[INBOUND_ID_MAX - 1] = '\0';
	snprintf(body, sizeof(body), "{\"event_id\":\"%s\"}", longest);
	READ(HEX, body);
	assert_string_equal(v.id, longest);
	snprintf(body, sizeof(body), "{\"event_id\":\"%sx\"}", longest);
	READ(HEX, body);
	assert_memory_equal(v.id, "id-sha256:", 10);
	assert_int_equal(strlen(v.id), 10 + 64);
	READ(PROVIDER_STANDARD, "{}", "HTTP_WEBHOOK_ID=\xff\x01");
	assert_memory_equal(v.id, "id-sha256:", 10);
	READ(HEX, "{\"event_id\":\"a\\nb\"}");
	assert_memory_equal(v.id, "id-sha256:", 10);
	READ(HEX, "{\"type\":\"a\\nb\"}");
	assert_string_equal(v.type, "a b");
}

static void
headers_are_kept_but_for_some(void **state)
{
	static const char *const params[] = { "REQUEST_METHOD=POST",
		"CONTENT_TYPE=application/json", "HTTP_CONTENT_TYPE=application/json",
		"CONTENT_LENGTH=2", "HTTP_CONTENT_LENGTH=2", "HTTP_X_SIGNATURE=abc",
		"HTTP_ACCEPT=a", "HTTP_ACCEPT=b\xff\n", "HTTP_AUTHORIZATION=Bearer s",
		"HTTP_COOKIE=s", "HTTP_X_CRON_SECRET=s", "HTTP_PROXY_AUTHORIZATION=s",
		"HTTP_PROXY=", "HTTP_CONNECTION=close", "HTTP_EMPTY=", "HTTP_=x", "HTTP_A B=x",
		"HTTP_", NULL };
	struct request q;

	(void)state;
	request_read(&q, (char *const *)params);
	json_t *headers = inbound_headers(&q);
	char *text = json_dumps(headers, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text,
	    "{\"accept\":\"a, b? "
	    "\",\"content-type\":\"application/json\",\"x-signature\":\"abc\"}");
	free(text);
	json_decref(headers);
}

static void
headers_are_bounded(void **state)
{
	static char many[100][32], large[3][7000];
	char *params[101] = { NULL };
	struct request q;
	json_t *headers;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		snprintf(many[i], sizeof(many[i]), "HTTP_X_%zu=v", i);
		params[i] = many[i];
	}
	request_read(&q, params);
	headers = inbound_headers(&q);
	assert_int_equal(json_object_size(headers), INBOUND_HEADERS_MAX);
	json_decref(headers);
	for (size_t i = 0; i < 3; i++) {
		memset(large[i], 'x', sizeof(large[i]) - 1);
		snprintf(large[i], 16, "HTTP_X_%zu=", i);
		large[i][strlen(large[i])] = 'v';
		params[i] = large[i];
		params[i + 1] = NULL;
	}
	request_read(&q, params);
	headers = inbound_headers(&q);
	assert_int_equal(json_object_size(headers), 2);
	json_decref(headers);
}

static void
verifying_sees_each_header(void **state)
{
	static const char *const params[] = { "HTTP_X_HUB_SIGNATURE_256=a", "CONTENT_TYPE=t",
		"HTTP_X_HUB_SIGNATURE_256=b", "X_HUB_SIGNATURE_256=c", NULL };
	struct request q;
	size_t position = 0;

	(void)state;
	request_read(&q, (char *const *)params);
	assert_string_equal(inbound_header(&q, "x-hub-signature-256", &position), "a");
	assert_string_equal(inbound_header(&q, "x-hub-signature-256", &position), "b");
	assert_null(inbound_header(&q, "x-hub-signature-256", &position));
	position = 0;
	assert_string_equal(inbound_header(&q, "content-type", &position), "t");
	position = 0;
	assert_null(inbound_header(&q, "webhook-id", &position));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_is_the_surest_that_is_there),
		cmocka_unit_test(an_id_beside_a_type_is_a_guess),
		cmocka_unit_test(without_an_id_it_is_the_digest),
		cmocka_unit_test(the_first_name_of_a_type_counts),
		cmocka_unit_test(what_meta_sends_has_a_form_of_its_own),
		cmocka_unit_test(what_is_no_json_is_an_event_with_a_fault),
		cmocka_unit_test(long_and_odd_ids_become_digests),
		cmocka_unit_test(headers_are_kept_but_for_some),
		cmocka_unit_test(headers_are_bounded),
		cmocka_unit_test(verifying_sees_each_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
