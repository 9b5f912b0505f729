/*
 * Every setting with any value.  The input is NAME=value; for a setting that names a file the
 * value is what the file holds.
 */
#include "fuzz.h"

#include "base/conf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FUZZ_VALUE_MAX = 8192,
	FUZZ_ENTRY_MAX = 64 + FUZZ_VALUE_MAX,
	FUZZ_SHOWN_MAX = 4096,
	FUZZ_FILE_AGE_S = 60,
};

/* What the linker puts in the place of fstat(), and what it then calls fstat() itself. */
int __wrap_fstat(int fd, struct stat *st);
int __real_fstat(int fd, struct stat *st);

static bool fuzz_row(const uint8_t *name, size_t len, size_t *ret_row);
static bool fuzz_is_file(const char *name);
static void fuzz_set(char entry[static FUZZ_ENTRY_MAX], const char *name, const char *value);
static int fuzz_file(const uint8_t *data, size_t size);
static void fuzz_check(struct conf *c, size_t row);
static bool fuzz_shows_ids(const char *name, const char *shown);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* putenv() takes what it is given; setenv() would keep a copy of each value for ever. */
	static char entry[FUZZ_ENTRY_MAX];
	struct err e = { .code = ERR_OK };
	char value[FUZZ_VALUE_MAX + 1] = "";
	struct conf_row row;
	struct conf c;
	const uint8_t *equals = size ? memchr(data, '=', size) : NULL;
	size_t name_len = equals ? (size_t)(equals - data) : 0, i;
	int fd = -1, rc;

	if (!equals || size > FUZZ_VALUE_MAX || !fuzz_row(data, name_len, &i))
		return 0;
	conf_row(NULL, i, &row);
	if (fuzz_is_file(row.name)) {
		fd = fuzz_file(equals + 1, size - name_len - 1);
		snprintf(value, sizeof(value), "/proc/self/fd/%d", fd);
	} else {
		memcpy(value, equals + 1, size - name_len - 1);
	}
	fuzz_set(entry, row.name, value);
	rc = conf_load(&c, &e);
	must((rc == 0) == (e.code == ERR_OK));
	if (rc == 0) {
		fuzz_check(&c, i);
	} else {
		/* One line that starts with the setting's name. */
		must(strncmp(e.message, row.name, strlen(row.name)) == 0);
		must(!strchr(e.message, '\n'));
	}
	conf_finish(&c);
	unsetenv(row.name);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* Files are as if written long ago: one that is fresh would be waited for, in each run. */
int
__wrap_fstat(int fd, struct stat *st)
{
	int rc = __real_fstat(fd, st);

	if (rc == 0)
		st->st_ctim.tv_sec -= FUZZ_FILE_AGE_S;
	return rc;
}

static bool
fuzz_row(const uint8_t *name, size_t len, size_t *ret_row)
{
	struct conf_row row;

	for (*ret_row = 0; conf_row(NULL, *ret_row, &row); (*ret_row)++)
		if (strlen(row.name) == len && memcmp(row.name, name, len) == 0)
			return true;
	return false;
}

static bool
fuzz_is_file(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, "_FILE") == 0;
}

static void
fuzz_set(char entry[static FUZZ_ENTRY_MAX], const char *name, const char *value)
{
	snprintf(entry, FUZZ_ENTRY_MAX, "%s=%s", name, value);
	putenv(entry);
}

static int
fuzz_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

/* What loaded shows a value, which loads as well and shows itself. */
static void
fuzz_check(struct conf *c, size_t i)
{
	static char entry[FUZZ_ENTRY_MAX];
	char shown[FUZZ_SHOWN_MAX], again[FUZZ_SHOWN_MAX];
	struct err e = { .code = ERR_OK };
	struct conf_row row;
	struct conf second;

	conf_value(c, i, shown, sizeof(shown));
	conf_secret(c, SECRET_CRON_JOB_API_KEY);
	conf_row(NULL, i, &row);
	if (row.secret) {
		must(strcmp(shown, "set") == 0 || strcmp(shown, "unset") == 0 ||
		     strcmp(shown, "too short") == 0 || fuzz_shows_ids(row.name, shown));
		return;
	}
	fuzz_set(entry, row.name, shown);
	must(conf_load(&second, &e) == 0);
	must(strcmp(conf_value(&second, i, again, sizeof(again)), shown) == 0);
	conf_finish(&second);
}

/* Of a ring its keys' ids are shown, each of which fits where no key would. */
static bool
fuzz_shows_ids(const char *name, const char *shown)
{
	const char *at = shown;
	size_t len;

	if (strncmp(name, "ENCRYPTION_KEYS", 15) != 0 || strncmp(at, "set:", 4) != 0)
		return false;
	for (at += 4; *at == ' '; at += len) {
		at++;
		len = keyring_id_len(at);
		if (len == 0 || len > KEYRING_ID_MAX)
			return false;
	}
	return *at == '\0';
}
