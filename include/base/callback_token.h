/*
 * callback_token - what a job's processor proves when it calls back after a 202.
 *
 *	CLAIM "." base64url(HMAC-SHA256(key, "cronward-callback" LF JOB LF CLAIM))
 *
 * without padding, with JOB and CLAIM the job's id and its claim token as PostgreSQL prints them,
 * and key = HMAC-SHA256(WORKER_SECRET_TOKEN, "cronward-callback-key"), so that no token says
 * anything about the secret.  A token is good for one claim: the row knows which one is in force.
 * It names the claim, so that one which was made up is known without a look at the row, and one
 * whose time is over can be told so.
 */
#ifndef CRONWARD_BASE_CALLBACK_TOKEN_H
#define CRONWARD_BASE_CALLBACK_TOKEN_H

#include "base/crypto.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

enum {
	/* A uuid, a point, 43 characters, and what encoding needs on its way. */
	CALLBACK_TOKEN_MAX = CRYPTO_UUID_TEXT_MAX + 45,
};

/* Where a claim's token goes: the header of both directions. */
#define CALLBACK_TOKEN_HEADER "cronward-callback-token"

/* False: ${s} is unset or too short, and ${ret_token} is empty. */
bool callback_token_make(const struct secret *s, const char *job, const char *claim,
    char ret_token[static CALLBACK_TOKEN_MAX]);

/*
 * Whether ${given} is the token of ${claim}, made with the current secret or the previous one, in
 * a time that does not tell how much of it is right.
 */
bool callback_token_matches(const struct secret *s, const char *job, const char *claim,
    const char *given, size_t given_len);

/* The claim that ${given}, shown for ${job}, is a token of in ${ret_claim}; false: it is none. */
bool callback_token_claim(const struct secret *s, const char *job, const char *given,
    size_t given_len, char ret_claim[static CRYPTO_UUID_TEXT_MAX]);

#endif
