/*
 * secret - what a caller must know, and its rotation.
 *
 * A secret NAME comes from NAME or from the file that NAME_FILE names, its predecessor from
 * NAME_PREVIOUS or NAME_PREVIOUS_FILE; both are accepted while a rotation is under way.  Files
 * are read again when they change, so that a rotation needs no restart.  Spaces and line ends
 * around it do not count.
 */
#ifndef CRONWARD_BASE_SECRET_H
#define CRONWARD_BASE_SECRET_H

#include "base/err.h"
#include "base/secret_file.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	SECRET_LENGTH_MIN = 16,  /* shorter ones leave their routes closed */
	SECRET_LENGTH_LEAST = 8, /* of those that others issue, and may be shorter */
	SECRET_LENGTH_MAX = 4096,
};

/* One place a secret can come from. */
struct secret_source {
	struct secret_file file; /* its path is NULL when it came from the environment */
	char *value;             /* NULL: there is none */
	size_t len;
	size_t len_min;   /* a shorter value is none; 0: SECRET_LENGTH_MIN */
	bool is_previous; /* an empty or deleted file retires it */
};

struct secret {
	const char *name;
	struct secret_source current, previous;
};

enum secret_state {
	SECRET_USABLE,
	SECRET_UNSET,
	SECRET_SHORT, /* or a file is named that holds nothing */
};

/*
 * Takes the secret ${name} from the environment and wipes it there (value and variable).
 * 0, or -1 with ${e} saying what is wrong with NAME_FILE, never what it holds.
 */
int secret_load(struct secret *s, const char *name, struct err *e);
void secret_finish(struct secret *s);

/* Lets ${s} be as short as ${len_min}; after secret_load(), which sets SECRET_LENGTH_MIN. */
void secret_allow(struct secret *s, size_t len_min);

/*
 * Reads changed files again.  A file of the current value that is empty, gone or unreadable keeps
 * the value that was read; that of the previous one retires it by being emptied or deleted.
 */
void secret_refresh(struct secret *s);

/* Of the current value. */
enum secret_state secret_state(const struct secret *s);

/* Constant-time comparison with the current and, where it is usable, the previous value. */
bool secret_matches(const struct secret *s, const char *given, size_t given_len);

/* Whether there is a value, and one that is long enough. */
bool secret_source_is_usable(const struct secret_source *from);

#endif
