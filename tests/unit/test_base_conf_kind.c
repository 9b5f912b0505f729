/*
 * The lists among the settings: what they take, and what they call wrong.
 */
#include "base/conf_kind.h"

#include "base/conf.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct conf_setting schedule = {
	.name = "SCHEDULE",
	.kind = &conf_schedule,
	.allowed = "times",
	.offset = offsetof(struct conf, webhook_schedule_s),
};

static const struct conf_setting egress = {
	.name = "EGRESS",
	.kind = &conf_egress,
	.allowed = "CIDRs",
	.offset = offsetof(struct conf, egress_allow),
};

static const struct conf_setting label = {
	.name = "LABEL",
	.kind = &conf_label,
	.allowed = "a word",
	.offset = offsetof(struct conf, region),
	.max = 64,
};

/* Reads ${value}, which must be right, and wants it shown as ${shown}. */
static void
taken(const struct conf_setting *s, const char *value, const char *shown)
{
	struct err e = { .code = ERR_OK };
	struct conf c = { .database_url = NULL };
	struct text to = { 0 };

	if (s->kind->parse(&c, s, value, &e) != 0)
		fail_msg("\"%s\": %s", value, e.message);
	s->kind->show(&c, s, &to);
	assert_string_equal(to.at ? to.at : "", shown);
	text_finish(&to);
}

/* Wants ${value} refused; with exactly ${message} unless that is NULL. */
static void
refused(const struct conf_setting *s, const char *value, const char *message)
{
	struct err e = { .code = ERR_OK };
	struct conf c = { .database_url = NULL };

	if (s->kind->parse(&c, s, value, &e) != -1)
		fail_msg("\"%s\" was taken", value);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	if (message)
		assert_string_equal(e.message, message);
}

/* ${count} times ${item}, with commas between. */
static const char *
list_of(const char *item, size_t count)
{
	static char list[256];
	struct text t = { 0 };
	size_t i;

	for (i = 0; i < count; i++)
		text_add_format(&t, "%s%s", i ? "," : "", item);
	assert_true(t.len < sizeof(list));
	memcpy(list, t.at, t.len + 1);
	text_finish(&t);
	return list;
}

static void
schedules_are_lists_of_times(void **state)
{
	char as_long[256];

	(void)state;
	taken(&schedule, "", "");
	taken(&schedule, "5s,5m,30m,2h, 10h ,30d,2000ms", "5s,300s,1800s,7200s,36000s,2592000s,2s");
	memcpy(as_long, list_of("1s", CONF_SCHEDULE_MAX), sizeof(as_long));
	taken(&schedule, as_long, as_long);
}

static void
wrong_schedules_are_refused(void **state)
{
	static const char *const wrong[] = { "5s,", ",", ",5s", "0s", "31d", "1500ms", "999ms", "5",
		"5s                                                                          x" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused(&schedule, wrong[i], NULL);
	refused(&schedule, "5s,five", "SCHEDULE: \"five\" is not a length of time; allowed: times");
	refused(&schedule, "5s,1500ms",
	    "SCHEDULE: \"1500ms\" is not a number of whole seconds; allowed: times");
	refused(&schedule, "2592001s", "SCHEDULE: \"2592001s\" is out of range; allowed: times");
	refused(&schedule, list_of("1s", CONF_SCHEDULE_MAX + 1),
	    "SCHEDULE: \"1s\" is one too many; allowed: times");
}

static void
address_ranges_are_ipv6(void **state)
{
	struct conf c = { .database_url = NULL };
	struct err e = { .code = ERR_OK };
	struct in6_addr wanted;

	(void)state;
	assert_int_equal(
	    conf_egress.parse(&c, &egress, "10.1.2.3/8, 127.0.0.1 ,fd00::1/8,::1,0.0.0.0/0", &e),
	    0);
	assert_int_equal(c.egress_allow_count, 5);
	inet_pton(AF_INET6, "::ffff:10.0.0.0", &wanted);
	assert_memory_equal(&c.egress_allow[0].address, &wanted, sizeof(wanted));
	assert_int_equal(c.egress_allow[0].prefix_bits, 104);
	assert_int_equal(c.egress_allow[1].prefix_bits, 128);
	inet_pton(AF_INET6, "fd00::", &wanted);
	assert_memory_equal(&c.egress_allow[2].address, &wanted, sizeof(wanted));
	assert_int_equal(c.egress_allow[2].prefix_bits, 8);
	assert_int_equal(c.egress_allow[3].prefix_bits, 128);
	assert_int_equal(c.egress_allow[4].prefix_bits, 96);
}

static void
address_ranges_are_shown_as_they_work(void **state)
{
	char as_long[256];

	(void)state;
	taken(&egress, "", "");
	taken(&egress, "10.1.2.3/8,127.0.0.1,fd00::1/8,::/0,1.2.3.7/30,::ffff:1.2.3.4",
	    "10.0.0.0/8,127.0.0.1/32,fd00::/8,::/0,1.2.3.4/30,1.2.3.4/32");
	memcpy(as_long, list_of("::/0", CONF_EGRESS_MAX), sizeof(as_long));
	taken(&egress, as_long, as_long);
}

static void
wrong_address_ranges_are_refused(void **state)
{
	static const char *const wrong[] = { "localhost", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/",
		"10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "[::1]", "::1%lo", "010.0.0.1", "127.1",
		"10.0.0.0/8,,::1", "10.0.0.0 /8", "0x7f000001" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused(&egress, wrong[i], NULL);
	refused(&egress, "::1,10.0.0.0/33",
	    "EGRESS: \"10.0.0.0/33\" is neither an address nor a CIDR; allowed: CIDRs");
	refused(&egress, list_of("::1", CONF_EGRESS_MAX + 1),
	    "EGRESS: \"::1\" is one too many; allowed: CIDRs");
}

static void
labels_are_short_words(void **state)
{
	static const char longest[] =
	    "0123456789012345678901234567890123456789012345678901234567890123";
	struct err e = { .code = ERR_OK };
	struct conf c = { .region = NULL };

	(void)state;
	assert_int_equal(sizeof(longest) - 1, 64);
	assert_int_equal(label.kind->parse(&c, &label, "", &e), 0);
	assert_null(c.region);
	assert_int_equal(label.kind->parse(&c, &label, longest, &e), 0);
	assert_string_equal(c.region, longest);
	free(c.region);
	refused(&label, "eu west",
	    "LABEL: \"eu west\" is too long, or holds something else; allowed: a word");
	refused(&label, "a\"", NULL);
	refused(&label, "\xc3\xa9", NULL);
	refused(&label, "01234567890123456789012345678901234567890123456789012345678901234", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedules_are_lists_of_times),
		cmocka_unit_test(wrong_schedules_are_refused),
		cmocka_unit_test(address_ranges_are_ipv6),
		cmocka_unit_test(address_ranges_are_shown_as_they_work),
		cmocka_unit_test(wrong_address_ranges_are_refused),
		cmocka_unit_test(labels_are_short_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
