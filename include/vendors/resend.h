/*
 * resend - Resend's API: how to send mail through it, and how to read what it answers.
 *
 * Every request has an idempotency key.  For 24 hours a request repeated byte for byte under its
 * key gets its first answer again and sends nothing: that is what makes a repeat harmless.
 */
#ifndef CRONWARD_VENDORS_RESEND_H
#define CRONWARD_VENDORS_RESEND_H

#include "vendors/pace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct http_reply;
struct http_request;

enum {
	RESEND_BATCH_MAX = 100, /* mails of one request */
	RESEND_SAYS_MAX = 320,
};

/* One mail, ready to go; texts are UTF-8. */
struct resend_mail {
	const char *from, *to; /* a mailbox each */
	const char *reply_to;  /* NULL: nothing of its own; so with the next ones */
	const char *subject;   /* never NULL */
	const char *html, *text;
	const json_t *headers; /* an object of texts */
};

struct resend_request {
	const char *base_url, *api_key;
	const char *idempotency_key;
	const struct resend_mail *mails;
	size_t count;  /* of them; 1 unless it is a batch */
	bool is_batch; /* also of a single one: a batch is repeated as what it was */
};

/* What may be in the air before an answer tells the limit: 2 a second was the least there was. */
extern const struct pace resend_pace;

/*
 * Fills in ${q}, but for its timeout; url and body in ${a}.  The same ${request} has always the
 * same bytes.  q->refused is set where a text is no UTF-8, or a key no header's value.
 */
void resend_ask(struct arena *a, const struct resend_request *request, struct http_request *q);

enum resend_outcome {
	RESEND_SENT,          /* accepted: each mail has an id */
	RESEND_LIMITED,       /* too many requests: again after wait_s */
	RESEND_QUOTA,         /* a day's or a month's mails are used up: again after wait_s */
	RESEND_MISCONFIGURED, /* the account, its key, sender or address: no mail's fault */
	RESEND_REFUSED,       /* for what is in it: asked again it would say the same */
	RESEND_CONCURRENT,    /* a request of this key is under way: again after wait_s */
	RESEND_CONFLICT,      /* this key was used for other bytes: may have been sent as those */
	RESEND_FAILED,        /* nothing was answered, or an error of theirs: may be repeated */
	RESEND_GARBLED,       /* accepted, and the answer cannot be read: may be repeated */
	RESEND_OUTCOME__MAX
};

struct resend_answer {
	enum resend_outcome outcome;
	const char *const *ids; /* SENT: request->count of them, in the order of the mails */
	int64_t wait_s; /* LIMITED, QUOTA, CONCURRENT: seconds; FAILED: what it asks for, or -1 */
	struct pace_told told;
	/* Unless SENT: what went wrong, fit for a row, without the key. */
	char says[RESEND_SAYS_MAX];
};

/*
 * Reads ${reply} to ${request}, at ${now_unix_s}; texts in ${a}.  reply->is_ours and
 * reply->refused, which say that nothing was sent, are the caller's to judge.
 */
void resend_read(struct arena *a, const struct resend_request *request,
    const struct http_reply *reply, int64_t now_unix_s, struct resend_answer *ret_answer);

#endif
