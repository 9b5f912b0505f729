/*
 * secret - what a caller must know, read from where it is kept and compared in constant time.
 */
#include "base/secret.h"

#include "base/arena.h"
#include "base/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECRET_NAME_MAX = 64,
};

/* The messages below name it. */
_Static_assert(SECRET_LENGTH_MAX == 4096, "say so in the messages");

static int secret_source_load(struct secret_source *from, const char *name, struct err *e);
static void secret_source_finish(struct secret_source *from);
static void secret_source_drop(struct secret_source *from);
static void secret_source_refresh(struct secret_source *from);
static const char *secret_source_read(struct secret_source *from);
static const char *secret_source_take(struct secret_source *from, const char *value, size_t len);

int
secret_load(struct secret *s, const char *name, struct err *e)
{
	char previous[SECRET_NAME_MAX];
	int rc;

	*s = (struct secret){ .name = name };
	snprintf(previous, sizeof(previous), "%s_PREVIOUS", name);
	/* Both, so that nothing stays in the environment whichever of them is at fault. */
	s->previous.is_previous = true;
	secret_allow(s, SECRET_LENGTH_MIN);
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
secret_allow(struct secret *s, size_t len_min)
{
	s->current.len_min = len_min;
	s->previous.len_min = len_min;
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
	if (!s->current.value && !s->current.file.path)
		return SECRET_UNSET;
	return secret_source_is_usable(&s->current) ? SECRET_USABLE : SECRET_SHORT;
}

bool
secret_matches(const struct secret *s, const char *given, size_t given_len)
{
	bool current = false, previous = false;

	if (secret_state(s) != SECRET_USABLE)
		return false;
	current = crypto_secret_equal(s->current.value, s->current.len, given, given_len);
	/* Compared in any case: the time must not tell which of the two was given. */
	if (secret_source_is_usable(&s->previous))
		previous =
		    crypto_secret_equal(s->previous.value, s->previous.len, given, given_len);
	return current | previous;
}

bool
secret_source_is_usable(const struct secret_source *from)
{
	size_t len_min = from->len_min > 0 ? from->len_min : SECRET_LENGTH_MIN;

	return from->value && from->len >= len_min;
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
		secret_file_init(&from->file, path);
		/* Between two rotations there is no predecessor. */
		if (!from->is_previous || !secret_file_is_absent(path))
			fault = secret_source_read(from);
		if (fault)
			err_set(e, ERR_NOT_CONFIGURED, "%s: \"%s\": %s", file_name, path, fault);
	} else if (value) {
		size_t len = strlen(value);
		const char *text = secret_trim(value, &len);

		if (len > 0 && (fault = secret_source_take(from, text, len)) != NULL)
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
	secret_file_finish(&from->file);
}

static void
secret_source_refresh(struct secret_source *from)
{
	/* Whatever is wrong with the file now, the value that was read stays in force. */
	switch (secret_file_change(&from->file)) {
	case SECRET_FILE_SAME:
		break;
	case SECRET_FILE_CHANGED:
		secret_source_read(from);
		break;
	case SECRET_FILE_GONE:
		if (from->is_previous)
			secret_source_drop(from);
		break;
	}
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
	secret_file_keep(&from->file, NULL);
}

/* Takes what the file holds, unless it is empty.  NULL, or what is wrong with it. */
static const char *
secret_source_read(struct secret_source *from)
{
	struct secret_text text = { .len = 0 };
	const char *fault = secret_file_read(from->file.path, &text);
	size_t len = fault ? 0 : text.len;
	const char *value = secret_trim(text.bytes, &len);

	if (!fault && len == 0 && from->is_previous)
		secret_source_drop(from);
	if (!fault && len > 0) {
		fault = secret_source_take(from, value, len);
		if (!fault)
			secret_file_keep(&from->file, &text);
	}
	secret_text_wipe(&text);
	return fault;
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
