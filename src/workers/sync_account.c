/*
 * sync_account - an integration under way: what stays from one of its turns to the next, and the
 * ways in which its turns end.
 */
#include "workers/sync_account.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "engine/backoff.h"
#include "engine/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ACCOUNT_REPEATS_MAX = 2, /* of a claim: after 1 s and after 2 s */
	ACCOUNT_SPAN_MAX = 32,
	ACCOUNT_MINUTES_MAX_S = 6000, /* what is longer is told in hours */
	ACCOUNT_JITTER_PERCENT = 10,
};

static void account_wait(struct item *, int64_t wait_ms, const char *says);
static const char *account_span(int64_t ms, char to[static ACCOUNT_SPAN_MAX]);

struct sync_account *
sync_account_create(struct run *r, const struct item *item, struct sync_vendor_run *of)
{
	struct sync_account *a = mem_zero(1, sizeof *a);
	const char *expires_in_s = item_text(item, SYNC_COLUMN_EXPIRES_IN_S);

	a->of = of;
	sync_state_init(
	    &a->state, of->vendor, item_text(item, SYNC_COLUMN_CURSOR), r->conf->sync_whole_h);
	if (expires_in_s)
		a->expires_s = run_db_now_s(r) + strtoll(expires_in_s, NULL, 10);
	a->is_refresh_lost = item_text(item, SYNC_COLUMN_IS_REFRESH_LOST)[0] == 't';
	return a;
}

void
sync_account_destroy(struct sync_account *a)
{
	/* What could not be sent was not taken back either. */
	if (a->form)
		crypto_wipe(a->form, a->form_len);
	sync_state_finish(&a->state);
	free(a->access);
	free(a->refresh);
	free(a);
}

/* What hangs on an item of ours is ours to change. */
struct sync_account *
sync_account_of(const struct item *item)
{
	return (struct sync_account *)item->kind;
}

char *
sync_account_token(
    struct run *r, const struct item *item, enum sealed_column_id column, struct err *e)
{
	const char *sealed = sync_account_sealed(item, column);
	const char *plain;

	if (!sealed || !*sealed)
		return arena_text(item->memory, "");
	plain = sealed_open(item->memory, r->keyring, &sealed_columns[column],
	    item_text(item, SYNC_COLUMN_ID), sealed, e);
	/* One that is plain still is the row's, and not to be wiped. */
	return plain == sealed ? arena_text(item->memory, plain) : (char *)plain;
}

void
sync_account_wipe(char *token)
{
	crypto_wipe(token, strlen(token));
}

enum verdict
sync_account_retry(struct item *item, const char *says, int64_t wait_s)
{
	account_wait(item, sync_account_backoff_ms(item, wait_s), says);
	return VERDICT_RETRY;
}

int64_t
sync_account_backoff_ms(const struct item *item, int64_t wait_s)
{
	static const struct backoff backoff = { .first_s = 60, .factor = 2, .cap_s = 3600 };
	int64_t attempts = strtoll(item_text(item, SYNC_COLUMN_ATTEMPTS), NULL, 10);

	if (sync_account_of(item)->has_written)
		attempts = 0;
	return backoff_ms(&backoff, attempts + 1, wait_s);
}

enum verdict
sync_account_repeat(struct run *r, struct item *item, const char *says, int64_t wait_s)
{
	struct sync_account *a = sync_account_of(item);
	int64_t rest_ms = (int64_t)1000 << a->repeats, left_ms;

	if (wait_s * 1000 > rest_ms)
		rest_ms = wait_s * 1000;
	if (a->repeats == ACCOUNT_REPEATS_MAX || rest_ms > SYNC_REST_MAX_MS ||
	    !sync_vendor_is_open(a->of, &left_ms) || clock_mono_ms() + rest_ms >= r->soft_end_ms)
		return sync_account_retry(item, says, wait_s);
	a->repeats++;
	a->is_failing = true;
	item->retry_ms = rest_ms;
	return VERDICT_GO_ON;
}

enum verdict
sync_account_reauth(struct run *r, struct item *item, const char *says)
{
	item_fail(item, "%s: %s; it has to be connected again",
	    sync_account_of(item)->of->vendor->label, says);
	item->effect = "reauth";
	r->tally[SYNC_TALLY_REAUTH]++;
	return VERDICT_DEAD;
}

enum verdict
sync_account_hold(struct item *item, const char *says)
{
	enum verdict verdict = item_hold(item, says);

	item_fail(item, "%s: %s", sync_account_of(item)->of->vendor->label, says);
	return verdict;
}

int64_t
sync_account_spread_ms(int64_t wait_ms)
{
	return wait_ms +
	       wait_ms * ACCOUNT_JITTER_PERCENT / 100 * (int64_t)crypto_random_below(1001) / 1000;
}

enum verdict
sync_account_park(struct item *item, int64_t wait_ms, const char *says)
{
	account_wait(item, wait_ms, says);
	return VERDICT_PARK;
}

const char *
sync_account_sealed(const struct item *item, enum sealed_column_id column)
{
	const struct sync_account *a = sync_account_of(item);

	if (column == SEALED_INTEGRATION_ACCESS)
		return a->access ? a->access : item_text(item, SYNC_COLUMN_ACCESS);
	return a->refresh ? a->refresh : item_text(item, SYNC_COLUMN_REFRESH);
}

static void
account_wait(struct item *item, int64_t wait_ms, const char *says)
{
	char span[ACCOUNT_SPAN_MAX];

	item->retry_ms = wait_ms;
	item_fail(item, "%s: %s; again in %s", sync_account_of(item)->of->vendor->label, says,
	    account_span(wait_ms, span));
}

/* As people say it. */
static const char *
account_span(int64_t ms, char to[static ACCOUNT_SPAN_MAX])
{
	int64_t s = (ms + 999) / 1000;

	if (s < 100)
		snprintf(to, ACCOUNT_SPAN_MAX, "%" PRId64 " s", s);
	else if (s < ACCOUNT_MINUTES_MAX_S)
		snprintf(to, ACCOUNT_SPAN_MAX, "%" PRId64 " min", (s + 30) / 60);
	else
		snprintf(to, ACCOUNT_SPAN_MAX, "%" PRId64 " h", (s + 1800) / 3600);
	return to;
}
