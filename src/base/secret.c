/*
 * secret - what a caller must know, read from where it is kept and compared in constant time.
 *
 * A file may change under our eyes: it is taken only if it looked the same before and after it
 * was read, and one that was written a moment ago is looked at again, since a second change in
 * the same tick of the file system's clock would leave no trace.
 */
#include "base/secret.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SECRET_FILE_MAX = SECRET_LENGTH_MAX + 256, /* spaces and line ends around it included */
	SECRET_NAME_MAX = 64,
	SECRET_READS_MAX = 5,
	SECRET_FRESH_MS = 2000, /* longer than a tick of any file system's clock */
};

/* The messages below name it. */
_Static_assert(SECRET_LENGTH_MAX == 4096, "say so in the messages");

/* What a file held when it was read. */
struct secret_file {
	char bytes[SECRET_FILE_MAX + 1];
	size_t len;
	struct stat seen;
};

static int secret_source_load(struct secret_source *from, const char *name, struct err *e);
static void secret_source_finish(struct secret_source *from);
static void secret_source_drop(struct secret_source *from);
static void secret_source_refresh(struct secret_source *from);
static bool secret_source_usable(const struct secret_source *from);
static const char *secret_source_read(struct secret_source *from);
static bool secret_is_blank(char c);
static const char *secret_source_take(struct secret_source *from, const char *value, size_t len);
static const char *secret_file_read(struct secret_file *f, const char *path);
static const char *secret_file_read_once(struct secret_file *f, const char *path, bool *ret_steady);
static bool secret_stat_same(const struct stat *a, const struct stat *b);
static bool secret_stat_fresh(const struct stat *st);

int
secret_load(struct secret *s, const char *name, struct err *e)
{
	char previous[SECRET_NAME_MAX];
	int rc;

	*s = (struct secret){ .name = name };
	snprintf(previous, sizeof(previous), "%s_PREVIOUS", name);
	/* Both, so that nothing stays in the environment whichever of them is at fault. */
	s->previous.is_previous = true;
	rc = secret_source_load(&s->current, name, e);
	if (secret_source_load(&s->previous, previous, e) != 0)
		rc = -1;
	return rc;
}

void
secret_finish(struct secret *s)
{
	secret_source_finish(&s->current);
	secret_source_finish(&s->previous);
}

void
secret_refresh(struct secret *s)
{
	secret_source_refresh(&s->current);
	secret_source_refresh(&s->previous);
}

enum secret_state
secret_state(const struct secret *s)
{
	/* A file that is named and holds nothing is meant to hold something. */
	if (!s->current.value && !s->current.path)
		return SECRET_UNSET;
	return secret_source_usable(&s->current) ? SECRET_USABLE : SECRET_SHORT;
}

bool
secret_matches(const struct secret *s, const char *given, size_t given_len)
{
	bool current = false, previous = false;

	if (secret_state(s) != SECRET_USABLE)
		return false;
	current = crypto_secret_equal(s->current.value, s->current.len, given, given_len);
	/* Compared in any case: the time must not tell which of the two was given. */
	if (secret_source_usable(&s->previous))
		previous =
		    crypto_secret_equal(s->previous.value, s->previous.len, given, given_len);
	return current | previous;
}

static int
secret_source_load(struct secret_source *from, const char *name, struct err *e)
{
	char file_name[SECRET_NAME_MAX + sizeof("_FILE")];
	char *value = getenv(name), *path;
	const char *fault = NULL;

	snprintf(file_name, sizeof(file_name), "%s_FILE", name);
	path = getenv(file_name);
	if (value && value[0] && path && path[0]) {
		err_set(e, ERR_NOT_CONFIGURED, "%s and %s are both set; set one", name, file_name);
		fault = e->message;
	} else if (path && path[0]) {
		from->path = mem_alloc(strlen(path) + 1);
		memcpy(from->path, path, strlen(path) + 1);
		if ((fault = secret_source_read(from)) != NULL)
			err_set(e, ERR_NOT_CONFIGURED, "%s: \"%s\": %s", file_name, path, fault);
	} else if (value && value[0]) {
		if ((fault = secret_source_take(from, value, strlen(value))) != NULL)
			err_set(e, ERR_NOT_CONFIGURED, "%s: %s", name, fault);
	}
	if (value) {
		crypto_wipe(value, strlen(value));
		unsetenv(name);
	}
	return fault ? -1 : 0;
}

static void
secret_source_finish(struct secret_source *from)
{
	secret_source_drop(from);
	free(from->path);
	*from = (struct secret_source){ 0 };
}

static void
secret_source_refresh(struct secret_source *from)
{
	struct stat st;

	if (!from->path)
		return;
	if (stat(from->path, &st) != 0) {
		if (errno == ENOENT && from->is_previous)
			secret_source_drop(from);
		return;
	}
	/* Whatever is wrong with the file now, the value that was read stays. */
	if (!secret_stat_same(&from->seen, &st))
		secret_source_read(from);
}

/* Forgets the value, and that the file was ever read. */
static void
secret_source_drop(struct secret_source *from)
{
	if (from->value)
		crypto_wipe(from->value, from->len);
	free(from->value);
	from->value = NULL;
	from->len = 0;
	from->seen = (struct stat){ .st_size = 0 };
}

static bool
secret_source_usable(const struct secret_source *from)
{
	return from->value && from->len >= SECRET_LENGTH_MIN;
}

/* Takes what the file holds, unless it is empty.  NULL, or what is wrong with it. */
static const char *
secret_source_read(struct secret_source *from)
{
	struct secret_file f = { .len = 0 };
	const char *fault = secret_file_read(&f, from->path);
	const char *value = f.bytes;

	while (f.len > 0 && secret_is_blank(value[f.len - 1]))
		f.len--;
	while (f.len > 0 && secret_is_blank(value[0])) {
		value++;
		f.len--;
	}
	if (!fault && f.len == 0 && from->is_previous)
		secret_source_drop(from);
	if (!fault && f.len > 0) {
		fault = secret_source_take(from, value, f.len);
		/* What is fresh counts as not seen. */
		if (!fault && !secret_stat_fresh(&f.seen))
			from->seen = f.seen;
	}
	crypto_wipe(f.bytes, sizeof(f.bytes));
	return fault;
}

static bool
secret_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* NULL, or why ${value} can be no secret. */
static const char *
secret_source_take(struct secret_source *from, const char *value, size_t len)
{
	char *copy;
	size_t i;

	if (len > SECRET_LENGTH_MAX)
		return "holds more than 4096 bytes";
	/* No header could carry them, so the secret would never match. */
	for (i = 0; i < len; i++)
		if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
			return "holds a line end, NUL or another control character";
	copy = mem_alloc(len + 1);
	memcpy(copy, value, len);
	copy[len] = '\0';
	secret_source_drop(from);
	from->value = copy;
	from->len = len;
	return NULL;
}

static const char *
secret_file_read(struct secret_file *f, const char *path)
{
	int i;

	for (i = 0; i < SECRET_READS_MAX; i++) {
		bool steady = false;
		const char *fault = secret_file_read_once(f, path, &steady);

		if (fault || steady)
			return fault;
	}
	f->len = 0;
	return "changes all the time while it is read";
}

static const char *
secret_file_read_once(struct secret_file *f, const char *path, bool *ret_steady)
{
	/* Not to hang where somebody put a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *fault = NULL;
	struct stat after = { .st_size = 0 };
	ssize_t n = 0;

	f->len = 0;
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &f->seen) != 0)
		fault = strerror(errno);
	else if (!S_ISREG(f->seen.st_mode))
		fault = "is not a regular file";
	while (!fault && f->len < sizeof(f->bytes)) {
		n = read(fd, f->bytes + f->len, sizeof(f->bytes) - f->len);
		if (n <= 0)
			break;
		f->len += (size_t)n;
	}
	if (!fault && (n < 0 || fstat(fd, &after) != 0))
		fault = strerror(errno);
	else if (!fault && f->len > SECRET_FILE_MAX)
		fault = "holds more than 4096 bytes";
	/* Some file systems give no size; those that do must have given us all of it. */
	*ret_steady = !fault && secret_stat_same(&f->seen, &after) &&
		      (after.st_size == 0 || f->len == (size_t)after.st_size);
	close(fd);
	return fault;
}

static bool
secret_stat_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* By ctime, which nobody sets back. */
static bool
secret_stat_fresh(const struct stat *st)
{
	return clock_unix_ms() - (int64_t)st->st_ctim.tv_sec * 1000 < SECRET_FRESH_MS;
}
