/*
 * Addresses of mail: what may stand in a header, and that nothing else passes.
 */
#include "base/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define EMPTY "is empty"
#define NO_SIGN "has no @"
#define NO_LOCAL "has nothing before its @"
#define BAD_LOCAL "holds a character before its @ that no address has"
#define BAD_DOT "has a dot before its @ where none may be"
#define NO_DOMAIN "has nothing behind its @"
#define BAD_DOMAIN "has no host name behind its @"
#define BAD_LINE "holds a control character behind its @"
#define NOT_ASCII "has a host name that is not in its ASCII form (xn--...)"
#define BAD_NAME "has a name that needs double quotes around it"
#define BAD_QUOTES "has a quote or a backslash inside its quoted name"
#define CONTROL "has a control character in its name"
#define NOT_UTF8 "has a name that is not UTF-8"
#define NO_END "does not end with the > of its address"

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN

/* Both readings of an address alone are the same. */
static void
is_address(const char *text)
{
	if (mailbox_address_fault(text))
		fail_msg("\"%s\" %s", text, mailbox_address_fault(text));
	assert_null(mailbox_fault(text));
}

static void
no_address(const char *text, const char *fault)
{
	if (!mailbox_address_fault(text))
		fail_msg("\"%s\" was taken", text);
	assert_string_equal(mailbox_address_fault(text), fault);
}

static void
is_mailbox(const char *text)
{
	if (mailbox_fault(text))
		fail_msg("\"%s\" %s", text, mailbox_fault(text));
	assert_non_null(mailbox_address_fault(text));
}

static void
no_mailbox(const char *text, const char *fault)
{
	if (!mailbox_fault(text))
		fail_msg("\"%s\" was taken", text);
	assert_string_equal(mailbox_fault(text), fault);
}

static void
addresses_are_taken(void **state)
{
	(void)state;
	is_address("a@b");
	is_address("shop@example.com");
	is_address("first.last+tag@mail.example.co.uk");
	is_address("!#$%&'*+-/=?^_`{|}~@example.com");
	is_address("UPPER@EXAMPLE.COM");
	is_address("1@2.3");
	is_address("x@xn--80ak6aa92e.com");
	is_address("a@b-c.d--e.f");
	is_address(SIXTY "abcd@example.com");
	is_address("a@" SIXTY "abc.com");
}

static void
what_is_no_address_is_refused(void **state)
{
	(void)state;
	no_address("", EMPTY);
	no_address("shop", NO_SIGN);
	no_address("@example.com", NO_LOCAL);
	no_address("shop@", NO_DOMAIN);
	no_address("a b@example.com", BAD_LOCAL);
	no_address("\"a b\"@example.com", BAD_LOCAL);
	no_address("a(comment)@example.com", BAD_LOCAL);
	no_address("a,b@example.com", BAD_LOCAL);
	no_address("a;b@example.com", BAD_LOCAL);
	no_address("<a@example.com>", BAD_LOCAL);
	no_address("a\\b@example.com", BAD_LOCAL);
	no_address("a\t@example.com", BAD_LOCAL);
	no_address("a\x7f@example.com", BAD_LOCAL);
	no_address("j\xc3\xb6rg@example.com", BAD_LOCAL);
	no_address(".a@example.com", BAD_DOT);
	no_address("a.@example.com", BAD_DOT);
	no_address("a..b@example.com", BAD_DOT);
	no_address(SIXTY "abcde@example.com", "has more than 64 characters before its @");
}

static void
hosts_are_names_in_ascii(void **state)
{
	(void)state;
	no_address("a@.com", BAD_DOMAIN);
	no_address("a@example.", BAD_DOMAIN);
	no_address("a@example..com", BAD_DOMAIN);
	no_address("a@-example.com", BAD_DOMAIN);
	no_address("a@example-.com", BAD_DOMAIN);
	no_address("a@example.com-", BAD_DOMAIN);
	no_address("a@exam_ple.com", BAD_DOMAIN);
	no_address("a@exam ple.com", BAD_DOMAIN);
	no_address("a@[127.0.0.1]", BAD_DOMAIN);
	no_address("a@b@c", BAD_DOMAIN);
	no_address("a@b,c@d", BAD_DOMAIN);
	no_address("a@b c@d", BAD_DOMAIN);
	no_address("a@example.com ", BAD_DOMAIN);
	no_address("a@example.com\n", BAD_LINE);
	no_address("a@b%0a", BAD_DOMAIN);
	no_address("a@" SIXTY "abcd.com", BAD_DOMAIN);
	no_address("a@b\xc3\xbc.de", NOT_ASCII);
	no_address("a@b\x80", NOT_ASCII);
}

/* No line end passes anywhere: what follows one would be a header of its own. */
static void
no_line_end_passes(void **state)
{
	static const char *const forms[] = { "shop@example.com", "Shop <shop@example.com>",
		"\"The Shop\" <shop@example.com>" };
	static const char *const ends[] = { "\n", "\r", "\r\n", "\r\nBcc: x@y", "\n x", "\v",
		"\f" };
	char text[100];

	(void)state;
	for (size_t form = 0; form < 3; form++)
		for (size_t end = 0; end < sizeof(ends) / sizeof(ends[0]); end++)
			for (size_t at = 0; at <= strlen(forms[form]); at++) {
				snprintf(text, sizeof(text), "%.*s%s%s", (int)at, forms[form],
				    ends[end], forms[form] + at);
				assert_non_null(mailbox_fault(text));
				assert_non_null(mailbox_address_fault(text));
			}
}

static void
names_are_taken(void **state)
{
	(void)state;
	is_mailbox("Shop <shop@example.com>");
	is_mailbox("Shop<shop@example.com>");
	is_mailbox("<shop@example.com>");
	is_mailbox("  <shop@example.com>");
	is_mailbox("\"Shop, the (best) <one>; at: x@y.\" <shop@example.com>");
	is_mailbox("\"\" <shop@example.com>");
	is_mailbox("\xe1\x8b\xb0\xe1\x88\xab\xe1\x88\x9d & Co <shop@example.com>");
	is_mailbox("J\xc3\xb6rg <a@b>");
}

static void
names_that_would_be_more_are_refused(void **state)
{
	(void)state;
	no_mailbox("", EMPTY);
	no_mailbox("Shop <>", EMPTY);
	no_mailbox("Shop <shop>", NO_SIGN);
	no_mailbox("Shop <shop@example.com", NO_END);
	no_mailbox("Shop <shop@example.com> ", NO_END);
	no_mailbox("Shop <shop@example.com>, b@c", NO_END);
	no_mailbox("Shop <a@b> <c@d>", BAD_NAME);
	no_mailbox("a@b <c@d>", BAD_NAME);
	no_mailbox("a@b, <c@d>", BAD_NAME);
	no_mailbox("Shop, Inc. <a@b>", BAD_NAME);
	no_mailbox("Shop (x) <a@b>", BAD_NAME);
	no_mailbox("Group: x <a@b>", BAD_NAME);
	no_mailbox("x; <a@b>", BAD_NAME);
	no_mailbox("a\\ <a@b>", BAD_NAME);
	no_mailbox("\" <a@b>", BAD_NAME);
	no_mailbox("\"Shop <a@b>", BAD_NAME);
	no_mailbox("Shop\" <a@b>", BAD_NAME);
	no_mailbox("\"a\" b <c@d>", BAD_NAME);
	no_mailbox("\"a\"b\" <c@d>", BAD_QUOTES);
	no_mailbox("\"a\\\" <c@d>", BAD_QUOTES);
	no_mailbox("\"a\", \"b\" <c@d>", BAD_QUOTES);
	no_mailbox("a\tb <c@d>", CONTROL);
	no_mailbox("\"a\x1b[31m\" <c@d>", CONTROL);
	no_mailbox("a\x7f <c@d>", CONTROL);
	no_mailbox("\xff <c@d>", NOT_UTF8);
	no_mailbox("a\xc3 <c@d>", NOT_UTF8);
	no_mailbox("a\xed\xa0\x80 <c@d>", NOT_UTF8);
}

static void
lengths_end_where_they_say(void **state)
{
	char text[MAILBOX_MAX + 2];
	char address[300];

	(void)state;
	/* 254 in all: a host of many parts. */
	snprintf(
	    address, sizeof(address), "a@%s.%s.%s.%s.%s", SIXTY, SIXTY, SIXTY, SIXTY, "abcdefgh");
	assert_int_equal(strlen(address), MAILBOX_ADDRESS_MAX);
	is_address(address);
	snprintf(
	    address, sizeof(address), "a@%s.%s.%s.%s.%s", SIXTY, SIXTY, SIXTY, SIXTY, "abcdefghi");
	no_address(address, "is longer than 254 characters");

	memset(text, 'n', sizeof(text));
	memcpy(text + MAILBOX_MAX - 6, " <a@b>", 7);
	assert_int_equal(strlen(text), MAILBOX_MAX);
	is_mailbox(text);
	memset(text, 'n', sizeof(text));
	memcpy(text + MAILBOX_MAX - 5, " <a@b>", 7);
	no_mailbox(text, "is longer than 512 bytes");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(hosts_are_names_in_ascii),
		cmocka_unit_test(no_line_end_passes),
		cmocka_unit_test(names_are_taken),
		cmocka_unit_test(names_that_would_be_more_are_refused),
		cmocka_unit_test(lengths_end_where_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
