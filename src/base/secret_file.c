/*
 * secret_file - a small file with a secret in it, read again when it changes.
 */
#include "base/secret_file.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SECRET_FILE_READS_MAX = 5,
	SECRET_FILE_QUIET_MS = 100,  /* more than a program needs between two writes */
	SECRET_FILE_FRESH_MS = 2000, /* longer than a tick of any file system's clock */
};

static int secret_file_wait_ms(const struct secret_text *text);
static const char *secret_file_read_once(
    const char *path, struct secret_text *text, bool *ret_steady);
static bool secret_file_stat_same(const struct stat *a, const struct stat *b);
static bool secret_file_was_fresh(const struct secret_text *text);
static bool secret_is_blank(char c);

void
secret_file_init(struct secret_file *f, const char *path)
{
	size_t size = strlen(path) + 1;

	*f = (struct secret_file){ .path = mem_alloc(size) };
	memcpy(f->path, path, size);
}

void
secret_file_finish(struct secret_file *f)
{
	free(f->path);
	*f = (struct secret_file){ .path = NULL };
}

enum secret_file_change
secret_file_change(const struct secret_file *f)
{
	struct stat now;

	if (!f->path)
		return SECRET_FILE_SAME;
	if (stat(f->path, &now) != 0)
		return errno == ENOENT ? SECRET_FILE_GONE : SECRET_FILE_SAME;
	return secret_file_stat_same(&f->seen, &now) ? SECRET_FILE_SAME : SECRET_FILE_CHANGED;
}

const char *
secret_file_read(const char *path, struct secret_text *ret_text)
{
	for (int i = 0; i < SECRET_FILE_READS_MAX; i++) {
		bool steady = false;
		const char *fault = secret_file_read_once(path, ret_text, &steady);
		int wait_ms = fault ? 0 : secret_file_wait_ms(ret_text);

		if (fault || (steady && wait_ms == 0))
			return fault;
		poll(NULL, 0, wait_ms);
	}
	ret_text->len = 0;
	ret_text->bytes[0] = '\0';
	return "changes all the time while it is read";
}

void
secret_file_keep(struct secret_file *f, const struct secret_text *text)
{
	/* What is fresh counts as not seen. */
	if (text && !secret_file_was_fresh(text))
		f->seen = text->seen;
	else
		f->seen = (struct stat){ .st_size = 0 };
}

bool
secret_file_is_absent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0 || errno != ENOENT || strlen(path) >= sizeof(folder))
		return false;
	/* With the slash: "/name" lies in "/". */
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
	    slash ? path : ".");
	return stat(folder, &st) == 0;
}

void
secret_text_wipe(struct secret_text *text)
{
	crypto_wipe(text, sizeof(*text));
}

const char *
secret_trim(const char *at, size_t *len)
{
	while (*len > 0 && secret_is_blank(at[*len - 1]))
		--*len;
	for (; *len > 0 && secret_is_blank(*at); at++)
		--*len;
	return at;
}

/*
 * How long to wait until nobody has written for a moment, before it is read again.  Asked of the
 * very file that was read: a look at it before would not see a write that comes in between.
 */
static int
secret_file_wait_ms(const struct secret_text *text)
{
	const struct timespec *changed = &text->seen.st_ctim;
	int64_t age_ms =
	    text->began_ms - (int64_t)changed->tv_sec * 1000 - changed->tv_nsec / 1000000;

	/* One from the far future says that a clock was set, and not how long to wait. */
	if (age_ms < -SECRET_FILE_QUIET_MS || age_ms >= SECRET_FILE_QUIET_MS)
		return 0;
	return (int)(SECRET_FILE_QUIET_MS - age_ms);
}

static const char *
secret_file_read_once(const char *path, struct secret_text *text, bool *ret_steady)
{
	struct stat after = { .st_size = 0 };
	const char *fault = NULL;
	ssize_t n = 0;
	int fd;

	text->len = 0;
	text->bytes[0] = '\0';
	text->began_ms = clock_unix_ms();
	/* Not to hang where somebody put a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &text->seen) != 0)
		fault = strerror(errno);
	else if (!S_ISREG(text->seen.st_mode))
		fault = "is not a regular file";
	while (!fault && text->len < sizeof(text->bytes)) {
		n = read(fd, text->bytes + text->len, sizeof(text->bytes) - text->len);
		if (n <= 0)
			break;
		text->len += (size_t)n;
	}
	if (!fault && (n < 0 || fstat(fd, &after) != 0))
		fault = strerror(errno);
	else if (!fault && text->len > SECRET_FILE_MAX)
		fault = "is larger than 8192 bytes";
	if (!fault)
		text->bytes[text->len] = '\0';
	/* Some file systems give no size; those that do must have given us all of it. */
	*ret_steady = !fault && secret_file_stat_same(&text->seen, &after) &&
		      (after.st_size == 0 || text->len == (size_t)after.st_size);
	close(fd);
	return fault;
}

static bool
secret_file_stat_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/*
 * By ctime, which nobody sets back; and when it began to be read, for a write that came after
 * that may bear the time of the one before.
 */
static bool
secret_file_was_fresh(const struct secret_text *text)
{
	return text->began_ms - (int64_t)text->seen.st_ctim.tv_sec * 1000 < SECRET_FILE_FRESH_MS;
}

static bool
secret_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
