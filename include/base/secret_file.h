/*
 * secret_file - a small file with a secret in it, read again when it changes.
 *
 * A file may change under our eyes: it is taken only if it looked the same before and after it
 * was read, and one that was written a moment ago is looked at again, since a second change in
 * the same tick of the file system's clock would leave no trace.
 */
#ifndef CRONWARD_BASE_SECRET_FILE_H
#define CRONWARD_BASE_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum {
	SECRET_FILE_MAX = 8192, /* spaces and line ends around the text included */
};

struct secret_file {
	char *path;       /* NULL: there is none */
	struct stat seen; /* the file as it was when it was read; zero: never, or not for sure */
};

/* What a file held: bytes[start .. start + len), without the blanks around it. */
struct secret_text {
	size_t start, len;
	char bytes[SECRET_FILE_MAX + 1]; /* NUL-terminated behind the text */
};

/* Copies ${path}; nothing is read. */
void secret_file_init(struct secret_file *f, const char *path);
void secret_file_finish(struct secret_file *f);

enum secret_file_change { SECRET_FILE_SAME, SECRET_FILE_CHANGED, SECRET_FILE_GONE };
/* Whether the file is another than the one that was read; one that cannot be looked at is SAME. */
enum secret_file_change secret_file_change(const struct secret_file *f);

/*
 * Reads the file.  NULL, or what is wrong with it, fit for an error message.  ${ret} is to be
 * wiped by secret_text_wipe() either way.  secret_file_keep() then says that the text was taken.
 */
const char *secret_file_read(
    const struct secret_file *f, struct secret_text *ret_text, struct stat *ret_seen);
void secret_file_keep(struct secret_file *f, const struct stat *seen);
void secret_text_wipe(struct secret_text *text);

#endif
