/*
 * conf_settings - what the tests of settings have in common.
 */
#ifndef CRONWARD_TESTS_CONF_SETTINGS_H
#define CRONWARD_TESTS_CONF_SETTINGS_H

#include "base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/cronward-conf-XXXXXX";

static inline int
group_setup(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static inline int
group_teardown(void **state)
{
	(void)state;
	return unlink(file);
}

static inline int
setup(void **state)
{
	struct conf_row row;
	size_t i;

	(void)state;
	for (i = 0; conf_row(NULL, i, &row); i++)
		unsetenv(row.name);
	return 0;
}

static inline void
write_file(const char *bytes, size_t len)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline size_t
row_of(const char *name)
{
	struct conf_row row;
	size_t i;

	for (i = 0; conf_row(NULL, i, &row); i++)
		if (strcmp(row.name, name) == 0)
			return i;
	fail_msg("there is no setting %s", name);
	return 0;
}

/* The value in force after ${name} was set to ${value}; must load. */
static inline const char *
value_of(const char *name, const char *value)
{
	static char shown[2048];
	struct err e = { .code = ERR_OK };
	struct conf c;

	if (value)
		setenv(name, value, 1);
	if (conf_load(&c, &e) != 0)
		fail_msg("%s=%s: %s", name, value ? value : "(unset)", e.message);
	conf_value(&c, row_of(name), shown, sizeof(shown));
	conf_finish(&c);
	unsetenv(name);
	return shown;
}

/* Sets ${name} to ${value} and wants exactly ${message}. */
static inline void
refused(const char *name, const char *value, const char *message)
{
	struct err e = { .code = ERR_OK };
	struct conf c;

	setenv(name, value, 1);
	if (conf_load(&c, &e) != -1)
		fail_msg("%s=%s was taken", name, value);
	conf_finish(&c);
	unsetenv(name);
	assert_int_equal(e.code, ERR_NOT_CONFIGURED);
	if (message)
		assert_string_equal(e.message, message);
	else /* the name, then the fault */
		assert_int_equal(strncmp(e.message, name, strlen(name)), 0);
}

#define CONF_TEST(fn) cmocka_unit_test_setup(fn, setup)

#endif
