/*
 * mail_compose - from rows of email_queue to mails that can be sent: the part of
 * process-email-queue that looks at what is in them.
 *
 * What is wrong with one mail is said of that mail, and spoils no other.  The same rows, templates
 * and sender give always the same mails, byte for byte.
 */
#ifndef CRONWARD_WORKERS_MAIL_COMPOSE_H
#define CRONWARD_WORKERS_MAIL_COMPOSE_H

#include "base/err.h"
#include "vendors/resend.h"

#include <jansson.h>
#include <stddef.h>

struct arena;

enum {
	MAIL_FAULT_MAX = 512, /* bytes */
};

struct mail {
	const char *id;
	const char *fault; /* NULL, or why it cannot be sent: valid UTF-8 */
};

/* The mails of one request, in the order of the rows. */
struct mails {
	size_t count;
	struct mail *all;
	size_t fit;                /* those without a fault ... */
	struct resend_mail *ready; /* ... in the same order; until mails_finish() */
	json_t *rows;
	json_t *headers; /* what ready points to, as does rows */
};

/*
 * Composes the mails of ${rows}, the column "mails" of the claim (sql/mail.sql), from ${from};
 * texts in ${a}.  0, or -1 with ${e} where the rows cannot be read at all.  mails_finish() is to be
 * called either way.
 */
int mails_compose(
    struct arena *a, const char *from, const char *rows, struct mails *ret, struct err *e);
/* Lets go of what ready points to; ids and faults stay. */
void mails_finish(struct mails *m);

#endif
