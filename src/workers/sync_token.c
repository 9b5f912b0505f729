/*
 * sync_token - refreshes the access token of an integration.
 */
#include "workers/sync_token.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/seal.h"
#include "engine/run.h"
#include "vendors/oauth.h"
#include "workers/sync_account.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TOKEN_MARGIN_S = 300, /* before it expires */
	TOKEN_SETTING_MAX = 16,
};

static struct oauth token_oauth(struct run *, const struct item *);
static bool token_may_refresh(struct run *, const struct item *);
static enum verdict token_refuse(
    struct run *, struct item *, const struct sync_tokens *, const struct http_reply *);
static enum verdict token_fail(struct run *, struct item *, const struct sync_tokens *);
static enum verdict token_hold(struct item *, const char *says);
static enum verdict token_store(struct run *, struct item *, const struct sync_tokens *);
static char *token_seal(
    struct run *, struct item *, enum sealed_column_id, const char *plain, struct err *);
static void token_keep(char **place, const char *sealed);
static void token_result(
    struct item *, const char *access, const char *refresh, int64_t expires_in_s);
static bool token_has(const struct item *, enum sealed_column_id);
static void token_settings(const struct item *, const char *says, char to[static SYNC_SAYS_MAX]);

bool
sync_token_is_due(struct run *r, const struct item *item)
{
	const struct sync_account *a = sync_account_of(item);
	int64_t left_s = a->expires_s - run_db_now_s(r);
	/* One that lives shorter than that from its beginning is used up to its end. */
	int64_t margin_s = a->access ? 0 : TOKEN_MARGIN_S;

	if (a->is_new || !token_has(item, SEALED_INTEGRATION_REFRESH) ||
	    !token_may_refresh(r, item))
		return false;
	/* Whoever began to refresh it may have made the old one useless. */
	return a->must_refresh || a->is_refresh_lost || (a->expires_s != 0 && left_s <= margin_s) ||
	       !token_has(item, SEALED_INTEGRATION_ACCESS);
}

enum verdict
sync_token_expired(struct run *r, struct item *item, const char *says)
{
	const struct sync_account *a = sync_account_of(item);
	char text[SYNC_SAYS_MAX];

	/* A new one that is not accepted either: another one would not be. */
	if (a->is_new || !token_has(item, SEALED_INTEGRATION_REFRESH)) {
		snprintf(text, sizeof text, "its %saccess token is not accepted%s (%.200s)",
		    a->is_new ? "new " : "",
		    a->is_new ? ", either" : ", and there is no refresh token", says);
		return sync_account_reauth(r, item, text);
	}
	if (token_may_refresh(r, item))
		return sync_token_intend(item);
	token_settings(item, "are not set", text);
	return sync_account_hold(item, text);
}

enum verdict
sync_token_revoked(struct run *r, struct item *item, const char *says)
{
	char text[SYNC_SAYS_MAX];

	snprintf(text, sizeof text, "its access token is not accepted any more (%.240s)", says);
	return sync_account_reauth(r, item, text);
}

enum verdict
sync_token_intend(struct item *item)
{
	struct sync_account *a = sync_account_of(item);

	a->phase = SYNC_INTENDS;
	a->must_refresh = true;
	item->effect = "intent";
	return VERDICT_GO_ON;
}

/* The refresh token is as before then, which is written down: another refresh is intended anew. */
enum verdict
sync_token_leave(struct item *item, enum verdict verdict)
{
	struct sync_account *a = sync_account_of(item);

	if (a->phase != SYNC_INTENDS || a->is_refresh_lost || verdict == VERDICT_WAIT)
		return verdict;
	a->phase = SYNC_READS;
	item->effect = "kept";
	return verdict;
}

enum verdict
sync_token_ask(struct run *r, struct item *item, struct http_request *q)
{
	struct sync_account *a = sync_account_of(item);
	struct err e = { .code = ERR_OK };
	char *token = sync_account_token(r, item, SEALED_INTEGRATION_REFRESH, &e);
	const struct oauth who = token_oauth(r, item);

	if (!token)
		return token_hold(item, e.message);
	oauth_ask(item->memory, &who, token, q);
	sync_account_wipe(token);
	if (q->refused)
		return sync_account_reauth(r, item, q->refused);
	/* The refresh token may be used up by a sending that nobody answered. */
	q->is_once = true;
	a->phase = SYNC_REFRESHES;
	a->sent_ms = clock_mono_ms();
	a->form = q->body ? (char *)q->body : NULL;
	a->form_len = q->body_len;
	return VERDICT_SEND;
}

enum verdict
sync_token_take(struct run *r, struct item *item, const struct http_reply *reply)
{
	struct sync_account *a = sync_account_of(item);
	const struct oauth who = token_oauth(r, item);
	struct sync_tokens tokens;
	struct err e = { .code = ERR_OK };
	char *token;

	if (a->form)
		crypto_wipe(a->form, a->form_len);
	a->form = NULL;
	a->phase = SYNC_INTENDS;
	if (reply->status == 0 && (reply->is_ours || reply->refused))
		return token_hold(item, reply->error);
	token = sync_account_token(r, item, SEALED_INTEGRATION_REFRESH, &e);
	oauth_read(item->memory, &who, token ? token : "", reply, run_db_now_s(r), &tokens);
	if (token)
		sync_account_wipe(token);
	if (tokens.outcome == SYNC_REFRESHED)
		return token_store(r, item, &tokens);
	return token_refuse(r, item, &tokens, reply);
}

static struct oauth
token_oauth(struct run *r, const struct item *item)
{
	return sync_account_of(item)->of->vendor->oauth(item->memory, r->conf);
}

static bool
token_may_refresh(struct run *r, const struct item *item)
{
	const struct oauth who = token_oauth(r, item);

	return oauth_is_known(&who);
}

static enum verdict
token_refuse(struct run *r, struct item *item, const struct sync_tokens *tokens,
    const struct http_reply *reply)
{
	struct sync_account *a = sync_account_of(item);
	const struct sync_vendor *v = a->of->vendor;
	char says[SYNC_SAYS_MAX], text[SYNC_SAYS_MAX];

	if (tokens->outcome == SYNC_REFRESH_FAILED || tokens->outcome == SYNC_REFRESH_LOST)
		return token_fail(r, item, tokens);
	if (reply->status > 0)
		sync_vendor_answers(a->of);
	if (tokens->outcome == SYNC_REFRESH_OURS) {
		snprintf(says, sizeof says, "are not accepted: %.160s", tokens->says);
		token_settings(item, says, text);
		return token_hold(item, text);
	}
	if (!a->is_refresh_lost || !v->burns) {
		snprintf(
		    says, sizeof says, "its refresh token is not accepted (%.240s)", tokens->says);
		return sync_account_reauth(r, item, says);
	}
	r->tally[SYNC_TALLY_REFRESHES_LOST]++;
	snprintf(says, sizeof says,
	    "the answer to a refresh was lost, which may have used up its refresh token, and that "
	    "is not accepted (%.160s)",
	    tokens->says);
	return sync_account_reauth(r, item, says);
}

static enum verdict
token_fail(struct run *r, struct item *item, const struct sync_tokens *tokens)
{
	struct sync_account *a = sync_account_of(item);
	char says[SYNC_SAYS_MAX];

	/* What we were not told may have been done. */
	if (tokens->outcome == SYNC_REFRESH_LOST)
		a->is_refresh_lost = true;
	/* Who has something against one account does answer others. */
	if (tokens->is_of_account)
		sync_vendor_answers(a->of);
	else
		sync_vendor_fails(a->of, tokens->says);
	snprintf(says, sizeof says, "its access token could not be refreshed%s: %.240s",
	    a->is_refresh_lost && a->of->vendor->burns ? ", and its refresh token may be used up"
						       : "",
	    tokens->says);
	return sync_token_leave(item, sync_account_repeat(r, item, says, tokens->wait_s));
}

/* Ours to put right, and the refresh token is as good as before. */
static enum verdict
token_hold(struct item *item, const char *says)
{
	return sync_token_leave(item, sync_account_hold(item, says));
}

/* Sealed, and used when that is committed. */
static enum verdict
token_store(struct run *r, struct item *item, const struct sync_tokens *tokens)
{
	struct sync_account *a = sync_account_of(item);
	struct err e = { .code = ERR_OK };
	char *access = token_seal(r, item, SEALED_INTEGRATION_ACCESS, tokens->access, &e);
	char *refresh = access && tokens->refresh
			    ? token_seal(r, item, SEALED_INTEGRATION_REFRESH, tokens->refresh, &e)
			    : NULL;

	crypto_wipe((char *)tokens->access, strlen(tokens->access));
	if (tokens->refresh)
		crypto_wipe((char *)tokens->refresh, strlen(tokens->refresh));
	if (!access || (tokens->refresh && !refresh))
		return sync_account_hold(item, e.message);
	sync_vendor_answers(a->of);
	token_keep(&a->access, access);
	if (refresh)
		token_keep(&a->refresh, refresh);
	a->expires_s = tokens->expires_in_s > 0 ? run_db_now_s(r) + tokens->expires_in_s : 0;
	a->phase = SYNC_READS;
	a->is_failing = false;
	a->is_new = true;
	a->must_refresh = a->is_refresh_lost = false;
	r->tally[SYNC_TALLY_REFRESHED]++;
	token_result(item, access, refresh, tokens->expires_in_s);
	return VERDICT_GO_ON;
}

static char *
token_seal(struct run *r, struct item *item, enum sealed_column_id column, const char *plain,
    struct err *e)
{
	const struct seal_place at = { sealed_columns[column].table, sealed_columns[column].column,
		item_text(item, SYNC_COLUMN_ID) };

	return seal_close(item->memory, r->keyring, &at, plain, e);
}

/* Beyond this turn, for the rest of the claim. */
static void
token_keep(char **place, const char *sealed)
{
	size_t size = strlen(sealed) + 1;

	free(*place);
	*place = memcpy(mem_alloc(size), sealed, size);
}

/* What is to be stored; ${refresh} NULL: it stays as it is.  ${expires_in_s}: 0: not known. */
static void
token_result(struct item *item, const char *access, const char *refresh, int64_t expires_in_s)
{
	json_auto_t *result = json_object();
	json_t *tokens = json_object();

	json_object_set_new(result, "tokens", tokens);
	json_object_set_new(tokens, "access", json_string(access));
	if (refresh)
		json_object_set_new(tokens, "refresh", json_string(refresh));
	if (expires_in_s != 0)
		json_object_set_new(tokens, "expires_in_s", json_integer(expires_in_s));
	item_result(item, result);
	item->effect = "tokens";
}

static bool
token_has(const struct item *item, enum sealed_column_id column)
{
	const char *sealed = sync_account_sealed(item, column);

	return sealed && *sealed;
}

/* What is wrong with the settings that tokens are refreshed with. */
static void
token_settings(const struct item *item, const char *says, char to[static SYNC_SAYS_MAX])
{
	char name[TOKEN_SETTING_MAX];

	sync_vendor_setting(sync_account_of(item)->of->vendor, name, sizeof name);
	snprintf(to, SYNC_SAYS_MAX,
	    "its access token has expired, and %s_CLIENT_ID and %s_CLIENT_SECRET %.200s", name,
	    name, says);
}
