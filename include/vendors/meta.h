/*
 * meta - Meta's Graph API: what becomes of an access token of WhatsApp, and of what it is for.
 *
 * Two things are asked: about the token (debug_token), which says until when it is valid, and with
 * the token, for the phone number or account that it is used with, which says whether it works.
 */
#ifndef CRONWARD_VENDORS_META_H
#define CRONWARD_VENDORS_META_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct http_reply;
struct http_request;

enum {
	META_SAYS_MAX = 400,
	META_ID_MAX = 64,
};

enum meta_subject {
	META_TOKEN,        /* the token itself */
	META_PHONE_NUMBER, /* in its name */
	META_ACCOUNT,      /* of WhatsApp Business, likewise */
};

struct meta_request {
	const char *base_url;
	enum meta_subject subject;
	const char *token;     /* the one that is checked */
	const char *app_token; /* META_TOKEN: who asks, "id|secret"; NULL: the token itself */
	const char *id;        /* of phone number or account */
};

/* Whether ${id} looks like one of Meta's: digits alone. */
bool meta_is_id(const char *id);

/*
 * Fills in ${q}, but for its timeout.  Its url is in ${a}, and holds the token where the subject
 * is the token: whoever wipes secrets wipes it when the reply has come.  q->refused is set where
 * a token is no header's value, or too long for an address.
 */
void meta_ask(struct arena *a, const struct meta_request *request, struct http_request *q);

enum meta_outcome {
	META_FINE,    /* what was asked for came */
	META_DEAD,    /* the token is not valid, or no longer: it takes a new one */
	META_DENIED,  /* it lacks a permission */
	META_GONE,    /* there is no such number or account, or not for this token */
	META_REFUSED, /* asked again it would say the same, for another reason */
	META_LIMITED, /* too many requests: again after wait_s */
	META_FAILED,  /* nothing was answered, nothing that makes sense, or an error of theirs */
	META_OUTCOME__MAX
};

enum meta_quality { META_QUALITY_UNKNOWN, META_GREEN, META_YELLOW, META_RED };

struct meta_answer {
	enum meta_outcome outcome;
	int64_t code, subcode; /* Meta's; 0: none */
	bool is_of_asker;      /* META_TOKEN: it is the application that asks that is refused */
	bool is_everybodys;    /* LIMITED: it is the application's limit, not this token's */
	int64_t wait_s;        /* LIMITED: seconds; else 0 */
	/* Of what may be used, in percent, the highest that was told; -1: nothing was. */
	int64_t app_usage, account_usage;
	/* META_TOKEN, FINE: since 1970; 0: never, or not said. */
	int64_t expires_at_s, data_access_expires_at_s;
	enum meta_quality quality; /* META_PHONE_NUMBER, FINE */
	/* Unless FINE: what went wrong, fit for a row, without tokens. */
	char says[META_SAYS_MAX];
};

/*
 * Reads ${reply} to ${request}, at ${now_unix_s}.  Codes decide, not the HTTP status.
 * reply->is_ours and reply->refused, which say that nothing was sent, are the caller's to judge.
 */
void meta_read(const struct meta_request *request, const struct http_reply *reply,
    int64_t now_unix_s, struct meta_answer *ret_answer);

#endif
