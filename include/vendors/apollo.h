/*
 * apollo - Apollo.io's enrichments: how to ask for an organization or a person, and how to read
 * what it answers.
 *
 * A successful answer costs the account credits, and there is no key to repeat a question by: what
 * may have been answered is told apart from what was not.
 */
#ifndef CRONWARD_VENDORS_APOLLO_H
#define CRONWARD_VENDORS_APOLLO_H

#include "vendors/pace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct http_reply;
struct http_request;

enum {
	APOLLO_REPLY_MAX = 512 * 1024, /* bytes of an answer that are read */
	APOLLO_SAYS_MAX = 320,
};

enum apollo_subject { APOLLO_ORGANIZATION, APOLLO_PERSON, APOLLO_SUBJECT__MAX };
extern const char *const apollo_subject_name[APOLLO_SUBJECT__MAX];

/* By what it can be found. */
enum apollo_field {
	APOLLO_DOMAIN,
	APOLLO_NAME,
	APOLLO_WEBSITE, /* an organization's */
	APOLLO_LINKEDIN_URL,
	APOLLO_EMAIL, /* this and the others: a person's */
	APOLLO_FIRST_NAME,
	APOLLO_LAST_NAME,
	APOLLO_ORGANIZATION_NAME,
	APOLLO_ID,
	APOLLO_FIELD__MAX
};
extern const char *const apollo_field_name[APOLLO_FIELD__MAX];
bool apollo_takes(enum apollo_subject subject, enum apollo_field field);

struct apollo_question {
	enum apollo_subject subject;
	const char *fields[APOLLO_FIELD__MAX]; /* NULL or empty: not known */
	bool reveal_personal_emails;           /* of a person; costs more */
};

/* Whether it says enough to be worth a credit: NULL, or what would do. */
const char *apollo_question_lacks(const struct apollo_question *question);

/*
 * The domain in ${text}, which may be an address of a page or of mail: "www.", scheme, user, port
 * and path gone, in lower case.  In ${a}; NULL: there is none.
 */
const char *apollo_domain(struct arena *a, const char *text);

/*
 * Fills in ${q}, but for its timeout; url and body in ${a}.  The key goes into a header, what is
 * known of a person into the body: neither stands in a URL.
 */
void apollo_ask(struct arena *a, const char *base_url, const char *key,
    const struct apollo_question *question, struct http_request *q);

enum apollo_outcome {
	APOLLO_FOUND,   /* and paid for */
	APOLLO_UNKNOWN, /* it answers, and knows nothing that matches */
	APOLLO_LIMITED, /* too many requests: again after wait_s */
	APOLLO_REFUSED, /* for good: asked again it would say the same */
	APOLLO_FAILED,  /* nothing was answered: may be asked again */
	APOLLO_GARBLED, /* something was answered that cannot be read, and maybe paid for */
};

struct apollo_answer {
	enum apollo_outcome outcome;
	const char *object; /* FOUND: the organization or person, JSON that PostgreSQL takes */
	int64_t wait_s;   /* LIMITED: seconds to leave it alone; FAILED: what it asks for, or -1 */
	int64_t left;     /* requests that the tightest window still allows; -1: not told */
	int64_t window_s; /* where none is left: when to look again */
	char says[APOLLO_SAYS_MAX]; /* unless FOUND or UNKNOWN: what went wrong, fit for a row */
};

/* Reads ${reply}, at ${now_unix_s}; texts in ${a}. */
void apollo_read(struct arena *a, enum apollo_subject subject, const struct http_reply *reply,
    int64_t now_unix_s, struct apollo_answer *ret_answer);

/* What ${answer} tells of the limit of its key for its subject. */
struct pace_told apollo_told(const struct apollo_answer *answer);

#endif
