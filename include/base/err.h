/*
 * err - what went wrong, said once, where it was found.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and has then
 * written its struct err through err_set().  The first error stays: a second
 * err_set() on the same struct changes nothing.  Only the gateway and the
 * command line turn an err into something that a caller sees.
 */
#ifndef CRONWARD_BASE_ERR_H
#define CRONWARD_BASE_ERR_H

enum err_code {
	ERR_OK,
	ERR_BAD_REQUEST,
	ERR_UNAUTHORIZED,
	ERR_NOT_FOUND,
	ERR_METHOD_NOT_ALLOWED,
	ERR_CONFLICT, /* what is asked for does not go with what is there */
	ERR_TOO_LARGE,
	ERR_BUSY,
	ERR_NOT_CONFIGURED,
	ERR_DATABASE,    /* cannot be reached, or was lost on the way */
	ERR_UNAVAILABLE, /* draining, or waited too long in the queue */
	ERR_INTERNAL,    /* a defect of ours */
	ERR__MAX
};

struct err_info {
	const char *name; /* the "code" of a reply */
	int status;       /* HTTP */
	int retry_s;      /* > 0: Retry-After, waiting helps */
};

extern const struct err_info err_info[ERR__MAX];

enum {
	ERR_MESSAGE_MAX = 320,
};

struct err {
	enum err_code code;
	char sqlstate[6]; /* "" unless PostgreSQL said it */
	int line;
	const char *file; /* where it was found; for the log alone */
	char message[ERR_MESSAGE_MAX];
};

/*
 * Records ${code} and the message unless ${e} holds an error already, or is NULL: nobody asks why.
 * Is -1.
 */
#define err_set(e, code, ...) err_set_at((e), (code), __FILE__, __LINE__, __VA_ARGS__)

int err_set_at(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Forgets what ${e} holds. */
void err_clear(struct err *e);

/* Copies ${from} into ${to} unless ${to} holds an error already, or is NULL.  Is -1. */
int err_pass(struct err *to, const struct err *from);

#endif
