/*
 * sync_page - what the answers of all vendors have in common whose accounts are synced: what a
 * status means, whether a body is JSON, and which of its words may be shown; and how they are sent
 * a token.
 *
 * A page may be megabytes: it is judged once, and then looked into where it lies.
 */
#ifndef CRONWARD_VENDORS_SYNC_PAGE_H
#define CRONWARD_VENDORS_SYNC_PAGE_H

#include "vendors/sync.h"

enum {
	SYNC_TEXT_MAX = 2048, /* bytes of what an answer wants to be asked with */
	SYNC_WAIT_MAX_S = 24 * 3600,
};

/*
 * What all requests for a page have: how long an answer may be, and ask->token, of which no other
 * copy is left.
 */
void sync_page_ask(struct arena *a, const struct sync_ask *ask, struct http_request *q);

/*
 * Judges ${reply} by what means the same everywhere.  True: it is a success with sound JSON, all of
 * it, in *ret_root, and *ret_answer is a page without things.  In pages what json_mend() mends is.
 *
 * False: *ret_answer says what went wrong, as far as the status tells it: 429 LIMITED; 401 with
 * JSON EXPIRED; no answer, 408, 5xx, and what cannot be read, FAILED; a page longer than was asked
 * for SMALLER; else REFUSED; wait_s is what Retry-After says.  What a vendor knows better it puts
 * in the place of outcome, wait_s and is_everybodys; *ret_root is the body, if that is sound JSON.
 */
bool sync_page_open(struct arena *a, const struct sync_ask *ask, const struct http_reply *reply,
    int64_t now_unix_s, struct sync_answer *ret_answer, struct json_span *ret_root);

/* A success that is not what was asked for: FAILED, and "the answer is ${why}". */
void sync_page_garble(
    const struct http_reply *reply, const char *why, struct sync_answer *ret_answer);

/*
 * "HTTP 403 name: words", with the words for people that ${root}, or a plain body, has in one of
 * the usual places, and a name of a few letters.  What ${hidden} holds, ended by NULL, is
 * overwritten.
 */
void sync_say(struct arena *a, const struct http_reply *reply, struct json_span root,
    const char *const *hidden, char ret_says[static SYNC_SAYS_MAX]);

/* Retry-After's seconds, from 1 to SYNC_WAIT_MAX_S; -1: it does not say. */
int64_t sync_wait_s(const struct http_reply *reply, int64_t now_unix_s);

/*
 * The string ${value} in ${a}; NULL where it is none, is empty, longer than ${max} bytes, or holds
 * anything but the visible characters of ASCII: what is kept to be sent back, such as cursors.
 */
const char *sync_text(struct arena *a, struct json_span value, size_t max);

#endif
