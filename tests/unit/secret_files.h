/*
 * secret_files - a folder of its own for the tests of files with secrets in them.
 */
#ifndef CRONWARD_TESTS_SECRET_FILES_H
#define CRONWARD_TESTS_SECRET_FILES_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/cronward-secrets-XXXXXX";
static char path[64], path_next[64]; /* the file, and one to be renamed to it */

static inline int
files_setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/secret", dir);
	snprintf(path_next, sizeof(path_next), "%s/next", dir);
	return 0;
}

static inline int
files_teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(path_next);
	return rmdir(dir);
}

/* Into the same file, as an editor that does not rename would. */
static inline void
write_file(const char *at, const char *bytes, size_t len)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline void
write_text(const char *bytes)
{
	write_file(path, bytes, strlen(bytes));
}

#endif
