/*
 * sync_token - refreshes the access token of an integration.
 *
 * That it is about to is committed before the request goes out, and what comes back before it is
 * used.  With some vendors the refresh token dies with the answer that has the next one: who is
 * killed in between leaves a row that says so.
 */
#ifndef CRONWARD_WORKERS_SYNC_TOKEN_H
#define CRONWARD_WORKERS_SYNC_TOKEN_H

#include "engine/flow.h"

#include <stdbool.h>

struct http_reply;
struct http_request;
struct run;

/* Whether the token is to be refreshed before it is used, and can be. */
bool sync_token_is_due(struct run *r, const struct item *item);
/* The vendor does not accept the token, as ${says} says: on to a refresh, or to the end. */
enum verdict sync_token_expired(struct run *r, struct item *item, const char *says);
/* Nor will it ever, as ${says} says: to the end. */
enum verdict sync_token_revoked(struct run *r, struct item *item, const char *says);
/* Writes down that the next turn refreshes it. */
enum verdict sync_token_intend(struct item *item);
/* Its turn ends by ${verdict}, and without the refresh that it may have intended; is ${verdict}. */
enum verdict sync_token_leave(struct item *item, enum verdict verdict);
/* Where that is written down: fills in ${q}, for VERDICT_SEND, or says why it cannot be. */
enum verdict sync_token_ask(struct run *r, struct item *item, struct http_request *q);
/* Takes the answer: new tokens are stored before they are used, by VERDICT_GO_ON. */
enum verdict sync_token_take(struct run *r, struct item *item, const struct http_reply *reply);

#endif
