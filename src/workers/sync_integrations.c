/*
 * sync-integrations - brings what accounts at GitHub, Notion, Slack and Google Calendar hold into
 * integration_items.
 *
 * An integration is read page after page, with one request at a time: what a page has brought and
 * where to go on behind it are committed together, and then it lines up behind all others.  So
 * none waits for a huge one, and whoever is killed repeats one page, which changes nothing.  After
 * SYNC_TURN_PAGES pages it gives up its claim for those that had none yet.
 *
 * What a vendor says is taken at its word: who is to wait is asked nothing before its time, and
 * stays put aside for it where that is long; a token that it does not accept is refreshed once,
 * and then the user has to connect again; it being down, or limiting all, ends its part of the run.
 * Only what was tried and went wrong has failed.
 *
 * Which request is next: workers/sync_state.h.  Tokens: workers/sync_token.h.  How vendors are
 * asked: vendors/sync.h.
 *
 * Tables: user_integrations, integration_items, integration_seen.  SQL: sql/sync.sql.
 * Tests: tests/integration/sync_integrations.test.mjs.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/keyring.h"
#include "engine/run.h"
#include "workers/sync_account.h"
#include "workers/sync_counts.h"
#include "workers/sync_token.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SYNC_CLAIM_MAX = 32,  /* rows of one claim: they have cursors and tokens */
	SYNC_TURN_PAGES = 50, /* of one claim */
	SYNC_RESTS_MAX = 5,   /* limits that are waited for, one behind the other */
};

enum { SYNC_COUNT_USER = SYNC_VENDORS }; /* groups of counts: vendors, and users */

/* Of the run under way; a process has one at a time. */
static struct sync_run {
	struct sync_vendor_run vendors[SYNC_VENDORS];
	struct sync_counts counts;
} sync_run;

/* An application may keep accounts with others in its table: those are none of ours. */
static const char sync_all[] = "{github,notion,slack,google_calendar}";

static int sync_integrations_ready(struct conf *, struct err *);
static int sync_integrations_work(struct run *);
static void sync_integrations_reply(const struct run *, json_t *);
static void sync_tally(struct run *);
static const char *sync_target(struct run *, struct item *, const struct flow_carrier **);
static enum verdict sync_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static void sync_forget(struct run *, struct item *);
static void sync_count(const struct item *, enum verdict);
static enum verdict sync_begin(struct run *, struct item *, struct http_request *);
static enum verdict sync_closed(struct run *, struct item *, int64_t wait_ms);
static enum verdict sync_ask(struct run *, struct item *, struct sync_ask *, struct http_request *);
static enum verdict sync_take(struct run *, struct item *, const struct http_reply *);
static int sync_read(
    struct run *, struct item *, const struct http_reply *, struct sync_answer *, struct err *);
static enum verdict sync_judge(struct run *, struct item *, const struct sync_answer *);
static enum verdict sync_page(struct run *, struct item *, const struct sync_answer *);
static enum verdict sync_limited(struct run *, struct item *, const struct sync_answer *);
static enum verdict sync_go_on(struct run *, struct item *, const struct sync_written *);
static int64_t sync_pause_ms(const struct sync_account *);

const struct worker worker_sync_integrations = {
	.name = "sync-integrations",
	.summary = "bring what connected accounts hold up to date",
	.schedule = "*/15 * * * *",
	/* Calls of two intervals come at the same second: the second one rings. */
	.has_bell = true,
	.bell_widens = true,
	.tallies = {
		[SYNC_TALLY_USERS] = "users",
		[SYNC_TALLY_INTEGRATIONS] = "integrations",
		[SYNC_TALLY_VENDORS] = "github",
		"notion",
		"slack",
		"google_calendar",
		[SYNC_TALLY_FAILED] = "github_failed",
		"notion_failed",
		"slack_failed",
		"google_calendar_failed",
		[SYNC_TALLY_PAGES] = "pages",
		[SYNC_TALLY_UNCHANGED] = "unchanged",
		[SYNC_TALLY_ITEMS_CHANGED] = "items_changed",
		[SYNC_TALLY_ITEMS_DELETED] = "items_deleted",
		[SYNC_TALLY_ITEMS_SKIPPED] = "items_skipped",
		[SYNC_TALLY_REFRESHED] = "refreshed",
		[SYNC_TALLY_REFRESHES_LOST] = "refreshes_lost",
		[SYNC_TALLY_REAUTH] = "reauth",
		[SYNC_TALLY_LIMITED] = "limited",
	},
	.ready = sync_integrations_ready,
	.work = sync_integrations_work,
	.reply = sync_integrations_reply,
};

static const struct flow sync_flow = {
	.is_laned = true,
	.goes_on = true,
	.look = SQL_SYNC_LOOK,
	.claim = SQL_SYNC_CLAIM,
	.bury = SQL_SYNC_BURY,
	.settle = SQL_SYNC_SETTLE,
	.settles = {
		SETTLE_ID,
		SETTLE_TOKEN,
		SETTLE_VERDICT,
		SETTLE_RETRY_MS,
		SETTLE_ERROR,
		SETTLE_RESULT,
		SETTLE_EFFECT,
		SETTLE_BULK,
	},
	.release = SQL_SYNC_RELEASE,
	.columns = {
		[SYNC_COLUMN_ID] = "id",
		[SYNC_COLUMN_USER] = "user_id",
		[SYNC_COLUMN_PROVIDER] = "provider",
		[SYNC_COLUMN_ACCESS] = "access_token",
		[SYNC_COLUMN_REFRESH] = "refresh_token",
		[SYNC_COLUMN_EXPIRES_IN_S] = "expires_in_s",
		[SYNC_COLUMN_CURSOR] = "cursor",
		[SYNC_COLUMN_ATTEMPTS] = "attempts",
		[SYNC_COLUMN_IS_REFRESH_LOST] = "is_refresh_lost",
	},
	.target = sync_target,
	.step = sync_step,
	.forget = sync_forget,
};

/*
 * New tokens are stored sealed, or not at all: who cannot seal them must not ask for any.  The
 * files of the secrets that they are asked for with are read again.
 */
static int
sync_integrations_ready(struct conf *c, struct err *e)
{
	for (int i = SECRET_GITHUB_CLIENT; i <= SECRET_GOOGLE_CLIENT; i++)
		conf_secret(c, (enum conf_secret)i);
	if (conf_keyring(c)->count == 0)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "there is no key to seal tokens with: set ENCRYPTION_KEYS_FILE or "
		    "ENCRYPTION_KEYS");
	return 0;
}

static int
sync_integrations_work(struct run *r)
{
	int64_t places = r->conf->sync_concurrent_max;
	char timeout_s[24], lease_s[24];
	struct flow_limits limits = {
		.batch_size = SYNC_CLAIM_MAX,
		.batch_max = SYNC_CLAIM_MAX,
		.inflight_max = places,
		.inflight_host_max = places,
		.timeout_ms = run_item_timeout_ms(r, r->conf->vendor_timeout_s),
		.writers_max = SYNC_WRITERS_MAX,
		.queues = r->queues ? r->queues : sync_all,
		.settle_args = { lease_s },
		.settle_args_count = 1,
		.claim_args = { timeout_s, r->started_at },
		.claim_args_count = 2,
	};
	int64_t timeout = (limits.timeout_ms + 999) / 1000;
	int rc;

	snprintf(timeout_s, sizeof timeout_s, "%" PRId64, timeout);
	snprintf(lease_s, sizeof lease_s, "%" PRId64, timeout + flow_lease_more_s(&limits));
	sync_vendors_open(sync_run.vendors);
	sealed_columns_close(r, SEALED_INTEGRATION_ACCESS, SEALED_INTEGRATION_REFRESH);
	rc = flow_run(r, &sync_flow, &limits);
	sync_tally(r);
	sync_counts_finish(&sync_run.counts);
	return rc;
}

static void
sync_integrations_reply(const struct run *r, json_t *body)
{
	int64_t all = r->tally[SYNC_TALLY_INTEGRATIONS], failed = 0;

	for (int i = 0; i < SYNC_VENDORS; i++)
		failed += r->tally[SYNC_TALLY_FAILED + i];
	json_object_set_new(body, "message", json_string("Sync completed"));
	json_object_set_new(body, "usersProcessed", json_integer(r->tally[SYNC_TALLY_USERS]));
	json_object_set_new(body, "providersSync", json_integer(all));
	json_object_set_new(body, "successCount", json_integer(all - failed));
	json_object_set_new(body, "failureCount", json_integer(failed));
	json_object_set_new(body, "durationMs", json_integer(r->duration_ms));
}

static void
sync_tally(struct run *r)
{
	r->tally[SYNC_TALLY_USERS] = sync_counts_of(&sync_run.counts, SYNC_COUNT_USER, false);
	for (int i = 0; i < SYNC_VENDORS; i++) {
		int64_t count = sync_counts_of(&sync_run.counts, i, false);

		r->tally[SYNC_TALLY_VENDORS + i] = count;
		r->tally[SYNC_TALLY_INTEGRATIONS] += count;
		r->tally[SYNC_TALLY_FAILED + i] = sync_counts_of(&sync_run.counts, i, true);
	}
}

static const char *
sync_target(struct run *r, struct item *item, const struct flow_carrier **ret_carrier)
{
	const struct sync_vendor_run *of =
	    sync_vendor_by_name(sync_run.vendors, item_text(item, SYNC_COLUMN_PROVIDER));

	*ret_carrier = NULL;
	return of ? of->vendor->base_url(r->conf) : NULL;
}

static enum verdict
sync_step(struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	struct sync_account *a = sync_account_of(item);
	enum verdict verdict;

	if (!a) {
		a = sync_account_create(r, item,
		    sync_vendor_by_name(sync_run.vendors, item_text(item, SYNC_COLUMN_PROVIDER)));
		item->kind = a;
	}
	if (!reply)
		verdict = sync_begin(r, item, q);
	else if (a->phase == SYNC_REFRESHES)
		verdict = sync_token_take(r, item, reply);
	else
		verdict = sync_take(r, item, reply);
	sync_count(item, verdict);
	return verdict;
}

static void
sync_forget(struct run *r, struct item *item)
{
	(void)r;
	sync_account_destroy(sync_account_of(item));
	item->kind = NULL;
}

/* What was put aside before anything was asked was not worked on. */
static void
sync_count(const struct item *item, enum verdict verdict)
{
	const struct sync_account *a = sync_account_of(item);
	bool has_failed =
	    verdict == VERDICT_RETRY || verdict == VERDICT_DEAD || verdict == VERDICT_HOLD;
	int group = (int)(a->of - sync_run.vendors);

	if (verdict == VERDICT_SEND || verdict == VERDICT_WAIT ||
	    (verdict == VERDICT_PARK && a->sent_ms == 0))
		return;
	sync_counts_add(&sync_run.counts, item_text(item, SYNC_COLUMN_ID), group, has_failed);
	sync_counts_add(
	    &sync_run.counts, item_text(item, SYNC_COLUMN_USER), SYNC_COUNT_USER, false);
}

static enum verdict
sync_begin(struct run *r, struct item *item, struct http_request *q)
{
	struct sync_account *a = sync_account_of(item);
	struct sync_written written;
	struct sync_ask ask;
	int64_t wait_ms;

	if (!sync_vendor_is_open(a->of, &wait_ms))
		return sync_token_leave(item, sync_closed(r, item, wait_ms));
	if (a->phase == SYNC_INTENDS)
		return sync_token_ask(r, item, q);
	switch (sync_state_next(&a->state, run_db_now_s(r), &ask)) {
	case SYNC_ASK:
		return sync_token_is_due(r, item) ? sync_token_intend(item)
						  : sync_ask(r, item, &ask, q);
	case SYNC_SWEEP:
		sync_state_sweep(&a->state, run_db_now_s(r), &written);
		return sync_go_on(r, item, &written);
	case SYNC_OVER:
		break;
	}
	return sync_go_on(r, item, NULL);
}

/* Its vendor wants no requests for so long, or does not answer. */
static enum verdict
sync_closed(struct run *r, struct item *item, int64_t wait_ms)
{
	const struct sync_account *a = sync_account_of(item);
	const struct sync_vendor_run *of = a->of;

	if (of->is_down && a->is_failing)
		return sync_account_retry(item, of->says, -1);
	if (!of->is_down && clock_mono_ms() + wait_ms < r->soft_end_ms &&
	    wait_ms <= SYNC_REST_MAX_MS) {
		item->pause_ms = wait_ms;
		return VERDICT_WAIT;
	}
	if (of->is_down)
		item->effect = "down";
	else
		r->tally[SYNC_TALLY_LIMITED]++;
	return sync_account_park(item, sync_account_spread_ms(wait_ms), of->says);
}

static enum verdict
sync_ask(struct run *r, struct item *item, struct sync_ask *ask, struct http_request *q)
{
	struct sync_account *a = sync_account_of(item);
	struct err e = { .code = ERR_OK };
	char *token = sync_account_token(r, item, SEALED_INTEGRATION_ACCESS, &e);

	if (!token)
		return sync_account_hold(item, e.message);
	if (!*token)
		return sync_token_expired(r, item, "it has no access token");
	ask->conf = r->conf;
	ask->token = token;
	a->of->vendor->ask(item->memory, ask, q);
	sync_account_wipe(token);
	if (q->refused)
		return sync_account_reauth(r, item, "its access token cannot be sent");
	a->sent_ms = clock_mono_ms();
	return VERDICT_SEND;
}

static enum verdict
sync_take(struct run *r, struct item *item, const struct http_reply *reply)
{
	struct sync_account *a = sync_account_of(item);
	struct err e = { .code = ERR_OK };
	struct sync_answer answer;

	if (reply->status == 0 && (reply->is_ours || reply->refused))
		return sync_account_hold(item, reply->error);
	if (sync_read(r, item, reply, &answer, &e) != 0)
		return sync_account_hold(item, e.message);
	if (answer.outcome == SYNC_FAILED)
		sync_vendor_fails(a->of, answer.says);
	else if (answer.outcome != SYNC_LIMITED)
		sync_vendor_answers(a->of);
	if (answer.outcome != SYNC_LIMITED)
		a->rests = 0;
	a->is_failing = false;
	return sync_judge(r, item, &answer);
}

/* The request is made up anew: nothing of it was kept, its token least of all. */
static int
sync_read(struct run *r, struct item *item, const struct http_reply *reply,
    struct sync_answer *ret_answer, struct err *e)
{
	struct sync_account *a = sync_account_of(item);
	char *token = sync_account_token(r, item, SEALED_INTEGRATION_ACCESS, e);
	struct sync_ask ask;

	if (!token)
		return -1;
	sync_state_next(&a->state, run_db_now_s(r), &ask);
	ask.conf = r->conf;
	ask.token = token;
	a->of->vendor->read(item->memory, &ask, reply, run_db_now_s(r), ret_answer);
	sync_account_wipe(token);
	return 0;
}

static enum verdict
sync_judge(struct run *r, struct item *item, const struct sync_answer *answer)
{
	switch (answer->outcome) {
	case SYNC_PAGE:
	case SYNC_SAME:
	case SYNC_NARROW:
	case SYNC_SKIP:
	case SYNC_RESTART:
	case SYNC_SMALLER:
		return sync_page(r, item, answer);
	case SYNC_LIMITED:
		return sync_limited(r, item, answer);
	case SYNC_EXPIRED:
		return sync_token_expired(r, item, answer->says);
	case SYNC_REVOKED:
		return sync_token_revoked(r, item, answer->says);
	case SYNC_FAILED:
		return sync_account_repeat(r, item, answer->says, answer->wait_s);
	case SYNC_REFUSED:
	case SYNC_OUTCOME__MAX:
		break;
	}
	return sync_account_retry(item, answer->says, -1);
}

static enum verdict
sync_page(struct run *r, struct item *item, const struct sync_answer *answer)
{
	struct sync_account *a = sync_account_of(item);
	struct err e = { .code = ERR_OK };
	struct sync_written written;

	a->is_new = false;
	if (sync_state_take(&a->state, answer, run_db_now_s(r), &written, &e) != 0)
		return sync_account_retry(item, e.message, -1);
	a->pages++;
	r->tally[SYNC_TALLY_PAGES] += answer->outcome == SYNC_PAGE || answer->outcome == SYNC_SAME;
	r->tally[SYNC_TALLY_UNCHANGED] += answer->outcome == SYNC_SAME;
	if (written.effect && answer->items.len > 0) {
		item->bulk = arena_copy(item->memory, answer->items.at, answer->items.len);
		item->bulk_len = answer->items.len;
	}
	return sync_go_on(r, item, &written);
}

/*
 * A wait that is short is waited for, of this account or of all; for a longer one it is put aside.
 * Who is not told how long waits longer each time.
 */
static enum verdict
sync_limited(struct run *r, struct item *item, const struct sync_answer *answer)
{
	struct sync_account *a = sync_account_of(item);
	int64_t wait_ms =
	    answer->wait_s < 0 ? sync_account_backoff_ms(item, -1) : answer->wait_s * 1000;

	if (answer->is_everybodys)
		sync_vendor_limits(a->of, wait_ms, answer->says);
	if (wait_ms <= SYNC_REST_MAX_MS && a->rests < SYNC_RESTS_MAX &&
	    clock_mono_ms() + wait_ms < r->soft_end_ms) {
		a->rests++;
		item->retry_ms = wait_ms;
		return VERDICT_GO_ON;
	}
	r->tally[SYNC_TALLY_LIMITED]++;
	item->effect = "limited";
	/* What nobody told is spread already. */
	if (answer->wait_s >= 0)
		wait_ms = sync_account_spread_ms(wait_ms);
	return sync_account_park(item, wait_ms, answer->says);
}

/* Writes ${written} and the cursor behind it; NULL: the cursor alone. */
static enum verdict
sync_go_on(struct run *r, struct item *item, const struct sync_written *written)
{
	struct sync_account *a = sync_account_of(item);
	struct sync_ask ask;
	enum sync_move next = sync_state_next(&a->state, run_db_now_s(r), &ask);
	char *result = sync_state_result(&a->state, written);

	item->result = arena_text(item->memory, result);
	free(result);
	if (written && written->effect) {
		a->has_written = true;
		item->effect = written->effect;
		if (!item->bulk && strcmp(written->effect, "page") == 0) {
			item->bulk = "[]";
			item->bulk_len = strlen(item->bulk);
		}
	}
	if (next == SYNC_OVER)
		return VERDICT_DONE;
	if (a->pages >= SYNC_TURN_PAGES)
		return VERDICT_PARK;
	item->retry_ms = next == SYNC_ASK ? sync_pause_ms(a) : 0;
	return VERDICT_GO_ON;
}

/* What is left of the pause that the vendor wants between two requests of one account. */
static int64_t
sync_pause_ms(const struct sync_account *a)
{
	int64_t left_ms = a->sent_ms + a->of->vendor->pause_ms - clock_mono_ms();

	return left_ms > 0 ? left_ms : 0;
}
