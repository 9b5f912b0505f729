/*
 * Headers of a mail: what may be in them.
 */
#include "base/err.h"
#include "base/mail_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* "" or what is wrong; the text lives until the next call. */
static const char *
fault_of(const json_t *headers)
{
	static struct err e;
	int result;

	err_clear(&e);
	result = mail_headers_check(headers, &e);
	assert_int_equal(result, e.code == ERR_OK ? 0 : -1);
	return e.code == ERR_OK ? "" : e.message;
}

static const char *
fault_of_text(const char *text)
{
	json_auto_t *headers = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(headers);
	return fault_of(headers);
}

static void
what_a_mail_may_bring_along(void **state)
{
	(void)state;
	assert_string_equal(fault_of(NULL), "");
	assert_string_equal(fault_of_text("null"), "");
	assert_string_equal(fault_of_text("{}"), "");
	assert_string_equal(
	    fault_of_text(
		"{\"List-Unsubscribe\": \"<https://example.com/u?a=1>\","
		" \"List-Unsubscribe-Post\": \"List-Unsubscribe=One-Click\","
		" \"X-Entity-Ref-ID\": \"\xc3\xbc 1\", \"In-Reply-To\": \"<a@b.example>\"}"),
	    "");
}

static void
what_is_not_its_to_set(void **state)
{
	static const char *const names[] = { "From", "to", "CC", "bcc", "Subject", "Reply-To",
		"Sender", "Date", "Message-ID", "Content-Type", "content-transfer-encoding",
		"MIME-Version", "DKIM-Signature", "ARC-Seal", "Return-Path", "Received",
		"Resent-To", "Authentication-Results" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char says[128];
		json_auto_t *headers = json_pack("{s:s, s:s}", "X-A", "1", names[i], "a@b.example");

		snprintf(says, sizeof(says), "header \"%s\" is not a mail's to set", names[i]);
		assert_string_equal(fault_of(headers), says);
	}
}

static void
what_is_no_header(void **state)
{
	static const char name[] = "the name of a header is not 1 to 76 letters, digits, - and _";
	static const struct {
		const char *text, *says;
	} all[] = {
		{ "[]", "headers are no JSON object" },
		{ "\"X-A: 1\"", "headers are no JSON object" },
		{ "{\"X-A\": 1}", "header \"X-A\" is no text" },
		{ "{\"X-A\": null}", "header \"X-A\" is no text" },
		{ "{\"X-A\": [\"1\"]}", "header \"X-A\" is no text" },
		{ "{\"X-A\": \"  \"}", "header \"X-A\" is empty" },
		{ "{\"X-A\": \"1\\r\\nBcc: a@b.example\"}",
		    "header \"X-A\" holds a control character" },
		{ "{\"X-A\": \"1\\t2\"}", "header \"X-A\" holds a control character" },
		{ "{\"X-A\": \"\\u007f\"}", "header \"X-A\" holds a control character" },
		{ "{\"X-A\": \"\\u0085\"}", "header \"X-A\" holds a control character" },
		{ "{\"X-A\": \"\\u2028\"}", "header \"X-A\" holds a control character" },
		{ "{\"\": \"1\"}", name },
		{ "{\"X A\": \"1\"}", name },
		{ "{\"X-A:\": \"1\"}", name },
		{ "{\"X-A\\r\\nBcc\": \"1\"}", name },
		{ "{\"X-\xc3\xbc\": \"1\"}", name },
		{ "{\"X-A\": \"1\", \"x-a\": \"2\"}",
		    "header \"X-A\" is there twice, in letters of another case" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_string_equal(fault_of_text(all[i].text), all[i].says);
}

static void
they_are_bounded(void **state)
{
	json_auto_t *headers = json_object();
	char name[MAIL_HEADER_NAME_MAX + 2], value[MAIL_HEADER_VALUE_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(value, 'v', sizeof(value));
	name[MAIL_HEADER_NAME_MAX] = value[MAIL_HEADER_VALUE_MAX] = '\0';
	json_object_set_new(headers, name, json_string(value));
	assert_string_equal(fault_of(headers), "");
	for (int i = 0; i < 4; i++) {
		name[0] = (char)('a' + i);
		json_object_set_new(headers, name, json_string(value));
	}
	assert_string_equal(fault_of(headers), "headers have more than 8192 bytes");
	json_object_clear(headers);
	value[MAIL_HEADER_VALUE_MAX] = 'v';
	value[MAIL_HEADER_VALUE_MAX + 1] = '\0';
	json_object_set_new(headers, "X-A", json_string(value));
	assert_string_equal(fault_of(headers), "header \"X-A\" is longer than 2000 bytes");
	json_object_clear(headers);
	for (int i = 0; i < MAIL_HEADERS_MAX; i++) {
		snprintf(name, sizeof(name), "X-%d", i);
		json_object_set_new(headers, name, json_string("1"));
	}
	assert_string_equal(fault_of(headers), "");
	json_object_set_new(headers, "Y", json_string("1"));
	assert_string_equal(fault_of(headers), "there are more than 32 headers");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_mail_may_bring_along),
		cmocka_unit_test(what_is_not_its_to_set),
		cmocka_unit_test(what_is_no_header),
		cmocka_unit_test(they_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
