/*
 * secret_file - a small file with a secret in it, read again when it changes.
 *
 * A file may change under our eyes.  What is half written is no secret, so a file that was written
 * this very moment is waited for, up to half a second.  It is taken only if it looked the same
 * before and after it was read, and one that is two seconds young is looked at again, since a
 * second change in the same tick of the file system's clock would leave no trace.
 */
#ifndef CRONWARD_BASE_SECRET_FILE_H
#define CRONWARD_BASE_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
	SECRET_FILE_MAX = 8192, /* spaces and line ends around the text included */
};

struct secret_file {
	char *path;       /* NULL: there is none */
	struct stat seen; /* the file as it was when it was read; zero: never, or not for sure */
};

/* What a file held, with a NUL behind it. */
struct secret_text {
	size_t len;
	int64_t began_ms; /* when it began to be read */
	struct stat seen;
	char bytes[SECRET_FILE_MAX + 1];
};

/* Copies ${path}; nothing is read. */
void secret_file_init(struct secret_file *f, const char *path);
void secret_file_finish(struct secret_file *f);

enum secret_file_change { SECRET_FILE_SAME, SECRET_FILE_CHANGED, SECRET_FILE_GONE };

/*
 * Whether the file differs from the one that secret_file_keep() was told of.  One that is there
 * and cannot be looked at is SAME: what was read stays in force.
 */
enum secret_file_change secret_file_change(const struct secret_file *f);

/*
 * Reads the file at ${path}.  NULL, or what is wrong with it, fit for the end of an error message.
 * Either way ${ret_text} is to be wiped with secret_text_wipe().
 */
const char *secret_file_read(const char *path, struct secret_text *ret_text);
/* Remembers that ${text} was taken.  A text of NULL: none was, look again next time. */
void secret_file_keep(struct secret_file *f, const struct secret_text *text);

/* Whether there is no file, but the folder that it would be in. */
bool secret_file_is_absent(const char *path);

void secret_text_wipe(struct secret_text *text);

/* Takes spaces, tabs and line ends off both ends of ${at}: where the rest begins, *len long. */
const char *secret_trim(const char *at, size_t *len);

#endif
