/*
 * process-email-queue - sends mail that is due through Resend: one request for one mail, or for up
 * to EMAIL_BATCH_SIZE of them.
 *
 * No mail twice.  A request has an idempotency key, and for 24 hours Resend answers a repeat that
 * has the same bytes with its first answer and sends nothing.  So whatever is not answered, or is
 * answered to a process that is dead by then, is repeated, and what has to be shown is that a
 * repeat has the same key and the same bytes:
 *
 * - Which mails a request has is written to their rows (batch_id) by the claim, which is
 *   committed for sure before anything is sent.  A mail leaves its batch only when it has ended:
 *   it was sent, it failed, or the vendor said that it takes nothing of this batch (422),
 *   whereupon the others go alone under keys of their own.  A batch that was lost is composed
 *   once without being sent, and marked as sound.  One that is lost four times more before that
 *   mark comes apart: it kills who composes it, and so did not live to be sent.  One that is lost
 *   behind it fails as a whole, for each of those who lost it may have sent it.
 * - The key is made of batch_id, or of the id of a mail that goes alone; of one that was sent, and
 *   is made pending again by whoever wants another one, also of how often that was.
 * - The bytes are made of the rows in the order of their ids, their templates and EMAIL_FROM, and
 *   of nothing else: no time, no count of tries.  A mail with a fault of its own (an address, a
 *   field that is missing) is left out; it is so each time, since the fault comes from the same
 *   rows.  Once such a fault is settled its row leaves the batch, and the request keeps its bytes.
 * - Who changes a row, a template or EMAIL_FROM between a request and its repeat makes other bytes
 *   of it: then Resend answers 409 invalid_idempotent_request if it had accepted the first, and
 *   the mails fail with clear words; if it had not, the new bytes are what is sent.
 * - After 23 hours, before the key is forgotten, what may have been sent fails and says so.
 *
 * Not the mail's fault, and no try: 429, where Resend's limits are kept to within a run; a quota
 * that is used up, which ends the run; a key or sender that Resend does not accept, which ends it
 * with an error.
 *
 * Counts are of mails, not of requests.  Where the connection to the database is lost while a
 * settlement is on its way and its first sending had been committed, its requests are counted
 * as one mail each: figures of such a run may be too small, its rows are not.
 *
 * Tables: email_queue, email_templates.  SQL: sql/mail.sql; migration 0016 keeps to what the
 * application changes.  Tests: tests/integration/process_email_queue.test.mjs.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "engine/backoff.h"
#include "engine/flow.h"
#include "engine/run.h"
#include "http/http.h"
#include "vendors/resend.h"
#include "workers/mail_compose.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAIL_INFLIGHT_MAX = 4,   /* requests: more than a second's worth only hits the limit */
	MAIL_CLAIM_MAX = 8,      /* requests of one claim: a few seconds' worth at most */
	MAIL_WAIT_MAX_MS = 8000, /* with 2 s more, a lease is the time-out and 10 s */
	MAIL_LOOK_MS = 50,       /* while an answer that is under way may tell more of the limit */
	MAIL_JITTER_PERCENT = 10,
};

/* Columns of the claim, in the order of mail_flow.columns. */
enum {
	MAIL_ID,
	MAIL_OWNER,
	MAIL_IS_BATCH,
	MAIL_COUNT,
	MAIL_RESENDS,
	MAIL_ATTEMPTS,
	MAIL_MAX_ATTEMPTS,
	MAIL_IS_STALE,
	MAIL_IS_SOUND, /* or was never lost */
	MAIL_MAILS,
};

/* Of the run under way; a process has one at a time. */
struct mail_run {
	struct pace pace;
	int64_t left; /* mails that may still be claimed */
	char left_text[24];
	char is_unused[sizeof "false"]; /* nothing was claimed yet, as SQL has it */
	bool is_closed;                 /* nothing more is sent in this run */
};

/* One request on its way: item->kind. */
struct mail_request {
	struct resend_request ask;
	struct mails mails;
};

static int process_email_queue_ready(struct conf *, struct err *);
static int process_email_queue_work(struct run *);
static void mail_allow(int64_t left);
static void mail_close(void);
static const char *mail_target(struct run *, struct item *, const struct flow_carrier **);
static enum verdict mail_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static enum verdict mail_begin(struct run *, struct item *, struct http_request *);
static bool mail_must_prove(const struct item *);
static bool mail_must_wait(const struct run *, struct item *);
static enum verdict mail_ask(struct run *, struct item *, struct http_request *);
static void mail_write_key(struct item *, struct mail_request *);
static enum verdict mail_judge(
    struct run *, struct item *, const struct http_reply *, struct resend_answer *);
static enum verdict mail_sent(struct item *, const struct resend_answer *);
static enum verdict mail_limited(struct run *, struct item *, const struct resend_answer *);
static enum verdict mail_misconfigured(struct run *, struct item *, const char *says);
static enum verdict mail_refused(struct item *, const char *says);
static enum verdict mail_again(struct item *, const struct resend_answer *);
static enum verdict mail_hold(struct item *, int64_t wait_s);
static void mail_write_result(struct item *, const char *const *ids);
static bool mail_says(const struct item *, int column);

const struct worker worker_process_email_queue = {
	.name = "process-email-queue",
	.summary = "send mail that is due, through Resend",
	.schedule = "*/2 * * * *",
	.ready = process_email_queue_ready,
	.work = process_email_queue_work,
	.reply = run_reply_counts,
};

static const struct flow mail_flow = {
	.is_laned = true,
	.claims_durably = true,
	.look = SQL_MAIL_LOOK,
	.claim = SQL_MAIL_CLAIM,
	.bury = SQL_MAIL_BURY,
	.settle = SQL_MAIL_SETTLE,
	.settles = {
		SETTLE_ID,
		SETTLE_TOKEN,
		SETTLE_OWNER,
		SETTLE_VERDICT,
		SETTLE_RETRY_MS,
		SETTLE_ERROR,
		SETTLE_RESULT,
		SETTLE_EFFECT,
	},
	.release = SQL_MAIL_RELEASE,
	.columns = {
		[MAIL_ID] = "id",
		[MAIL_OWNER] = "owner",
		[MAIL_IS_BATCH] = "is_batch",
		[MAIL_COUNT] = "mails_count",
		[MAIL_RESENDS] = "resends",
		[MAIL_ATTEMPTS] = "attempts",
		[MAIL_MAX_ATTEMPTS] = "max_attempts",
		[MAIL_IS_STALE] = "is_stale",
		[MAIL_IS_SOUND] = "is_sound",
		[MAIL_MAILS] = "mails",
	},
	.target = mail_target,
	.step = mail_step,
};

static struct mail_run mail_run;

static int
process_email_queue_ready(struct conf *c, struct err *e)
{
	switch (secret_state(conf_secret(c, SECRET_RESEND))) {
	case SECRET_USABLE:
		break;
	case SECRET_UNSET:
		return err_set(e, ERR_NOT_CONFIGURED, "RESEND_API_KEY is not set");
	case SECRET_SHORT:
		return err_set(e, ERR_NOT_CONFIGURED,
		    "RESEND_API_KEY is shorter than %d characters", SECRET_LENGTH_LEAST);
	}
	if (!c->email_from)
		return err_set(e, ERR_NOT_CONFIGURED, "EMAIL_FROM is not set");
	return 0;
}

static int
process_email_queue_work(struct run *r)
{
	const struct conf *c = r->conf;
	/* So many requests this process has places for, whatever they are. */
	int64_t places = conf_requests_max(c);
	int64_t inflight_max = places < MAIL_INFLIGHT_MAX ? places : MAIL_INFLIGHT_MAX;
	char timeout_s[24], batch_size[24];
	AUTO(PQclear) PGresult *healed = NULL;
	const struct flow_limits limits = {
		.batch_size = 1,
		.batch_max = MAIL_CLAIM_MAX,
		.inflight_max = inflight_max,
		.inflight_host_max = inflight_max,
		.timeout_ms = run_item_timeout_ms(r, c->vendor_timeout_s),
		.wait_max_ms = MAIL_WAIT_MAX_MS,
		.claim_args = { batch_size, timeout_s, mail_run.left_text, mail_run.is_unused },
		.claim_args_count = 4,
	};

	snprintf(batch_size, sizeof batch_size, "%" PRId64, c->email_batch_size);
	snprintf(timeout_s, sizeof timeout_s, "%" PRId64, limits.timeout_ms / 1000);
	mail_run = (struct mail_run){ .pace = resend_pace, .is_unused = "true" };
	mail_allow(c->email_run_max > 0 ? c->email_run_max : INT32_MAX);
	healed = run_query(r, SQL_MAIL_HEAL, DB_NONE);
	return healed ? flow_run(r, &mail_flow, &limits) : -1;
}

/* The next claim takes ${left} mails at most. */
static void
mail_allow(int64_t left)
{
	mail_run.left = left > 0 ? left : 0;
	snprintf(mail_run.left_text, sizeof mail_run.left_text, "%" PRId64, mail_run.left);
}

/* Nothing more is sent; what was claimed goes back, and the run ends. */
static void
mail_close(void)
{
	mail_run.is_closed = true;
	mail_allow(0);
}

/*
 * Called for each request that a claim brought, before the next claim.  What is handed back later
 * stays counted: a run may have fewer mails than EMAIL_RUN_MAX, and more only where its first
 * request is a batch that was made when more were allowed.
 */
static const char *
mail_target(struct run *r, struct item *item, const struct flow_carrier **ret_carrier)
{
	*ret_carrier = NULL;
	snprintf(mail_run.is_unused, sizeof mail_run.is_unused, "false");
	if (r->conf->email_run_max > 0)
		mail_allow(mail_run.left - strtoll(item_text(item, MAIL_COUNT), NULL, 10));
	return r->conf->resend_url;
}

static enum verdict
mail_step(struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	const struct mail_request *request = item->kind;
	struct resend_answer answer;

	if (!reply)
		return mail_begin(r, item, q);
	resend_read(item->memory, &request->ask, reply, run_db_now_s(r), &answer);
	pace_learn(&mail_run.pace, &answer.told, clock_mono_ms());
	return mail_judge(r, item, reply, &answer);
}

static enum verdict
mail_begin(struct run *r, struct item *item, struct http_request *q)
{
	if (mail_run.is_closed)
		return VERDICT_BACK;
	if (mail_says(item, MAIL_IS_STALE)) {
		item_fail(item,
		    "it is not known whether it was sent: nobody was told for 23 hours, "
		    "and Resend no longer knows a repeat for one");
		return VERDICT_REFUSE;
	}
	if (!mail_must_prove(item) && mail_must_wait(r, item))
		return mail_run.is_closed ? VERDICT_BACK : VERDICT_WAIT;
	return mail_ask(r, item, q);
}

/* Whether ${item} is only composed this time, to see that it can be. */
static bool
mail_must_prove(const struct item *item)
{
	return mail_says(item, MAIL_IS_BATCH) && !mail_says(item, MAIL_IS_SOUND);
}

/* Whether ${item} would be one request too many; where that lasts beyond the run, the run ends. */
static bool
mail_must_wait(const struct run *r, struct item *item)
{
	int64_t now_ms = clock_mono_ms(), wait_ms = pace_wait_ms(&mail_run.pace, now_ms);

	if (wait_ms <= 0)
		return false;
	if (now_ms + wait_ms >= r->soft_end_ms)
		mail_close();
	else
		item->pause_ms = mail_run.pace.not_before_ms > now_ms ? wait_ms : MAIL_LOOK_MS;
	return true;
}

static enum verdict
mail_ask(struct run *r, struct item *item, struct http_request *q)
{
	struct mail_request *request = arena_alloc(item->memory, sizeof *request);
	struct err e = { .code = ERR_OK };
	int rc = mails_compose(
	    item->memory, r->conf->email_from, item_text(item, MAIL_MAILS), &request->mails, &e);

	item->kind = request;
	if (rc == 0 && request->mails.fit > 0) {
		request->ask = (struct resend_request){
			.base_url = r->conf->resend_url,
			.api_key = conf_secret_as_read(r->conf, SECRET_RESEND)->current.value,
			.mails = request->mails.ready,
			.count = request->mails.fit,
			.is_batch = mail_says(item, MAIL_IS_BATCH),
		};
		mail_write_key(item, request);
		resend_ask(item->memory, &request->ask, q);
	}
	mails_finish(&request->mails);
	request->ask.mails = NULL;
	if (rc != 0) {
		item_fail(item, "%s", e.message);
		return VERDICT_REFUSE;
	}
	mail_write_result(item, NULL);
	if (request->mails.fit == 0)
		return VERDICT_REFUSE;
	if (q->refused)
		return mail_misconfigured(r, item, q->refused);
	if (mail_must_prove(item)) {
		/* Nothing of it has killed us.  That is written down before it is sent. */
		item->effect = "sound";
		return VERDICT_PARK;
	}
	pace_sent(&mail_run.pace);
	return VERDICT_SEND;
}

static void
mail_write_key(struct item *item, struct mail_request *request)
{
	const char *owner = item_text(item, MAIL_OWNER), *resends = item_text(item, MAIL_RESENDS);

	if (request->ask.is_batch)
		request->ask.idempotency_key =
		    arena_format(item->memory, "cronward-batch-%s", owner);
	else if (strcmp(resends, "0") == 0)
		request->ask.idempotency_key = arena_format(item->memory, "cronward-%s", owner);
	else
		request->ask.idempotency_key =
		    arena_format(item->memory, "cronward-%s-%s", owner, resends);
}

static enum verdict
mail_judge(
    struct run *r, struct item *item, const struct http_reply *reply, struct resend_answer *answer)
{
	if (reply->status == 0 && reply->is_ours)
		return item_hold(item, reply->error);
	if (reply->status == 0 && reply->refused)
		return mail_misconfigured(r, item, answer->says);
	switch (answer->outcome) {
	case RESEND_SENT:
		return mail_sent(item, answer);
	case RESEND_LIMITED:
	case RESEND_QUOTA:
		return mail_limited(r, item, answer);
	case RESEND_MISCONFIGURED:
		return mail_misconfigured(r, item, answer->says);
	case RESEND_REFUSED:
		return mail_refused(item, answer->says);
	case RESEND_CONCURRENT:
		item_fail(item, "Resend is still at an earlier request for it (%s)", answer->says);
		/* Whose it was we may not know: libcurl repeats what a connection was closed on. */
		item->effect = "unsure";
		return mail_hold(item, answer->wait_s);
	case RESEND_CONFLICT:
		item_fail(item,
		    "it may have been sent with what it held before: its row, its template or "
		    "EMAIL_FROM was changed between two tries (%s)",
		    answer->says);
		return VERDICT_DEAD;
	case RESEND_FAILED:
	case RESEND_GARBLED:
	case RESEND_OUTCOME__MAX:
		break;
	}
	return mail_again(item, answer);
}

static enum verdict
mail_sent(struct item *item, const struct resend_answer *answer)
{
	mail_write_result(item, answer->ids);
	return VERDICT_DONE;
}

/* It is the next one to go when the limit is over; where that is not in this run, the run ends. */
static enum verdict
mail_limited(struct run *r, struct item *item, const struct resend_answer *answer)
{
	if (answer->outcome == RESEND_LIMITED &&
	    clock_mono_ms() + answer->wait_s * 1000 < r->soft_end_ms) {
		item->pause_ms = answer->wait_s * 1000;
		return VERDICT_WAIT;
	}
	mail_close();
	item_fail(item, "Resend's %s (%s); again in %" PRId64 " s",
	    answer->outcome == RESEND_QUOTA ? "quota is used up" : "rate limit", answer->says,
	    answer->wait_s);
	return mail_hold(item, answer->wait_s);
}

/* The fault is the settings': no mail can go until somebody has looked. */
static enum verdict
mail_misconfigured(struct run *r, struct item *item, const char *says)
{
	mail_close();
	err_set(&r->err, ERR_NOT_CONFIGURED,
	    "Resend does not accept RESEND_API_KEY, EMAIL_FROM or RESEND_BASE_URL: %s", says);
	return item_hold(item, r->err.message);
}

/* Of a batch nobody knows which mail it was: each goes alone, and says so itself. */
static enum verdict
mail_refused(struct item *item, const char *says)
{
	item_fail(item, "Resend refuses it: %s", says);
	if (!mail_says(item, MAIL_IS_BATCH))
		return VERDICT_DEAD;
	item->effect = "split";
	return VERDICT_PARK;
}

/* Not even an error of Resend's says that it was not sent. */
static enum verdict
mail_again(struct item *item, const struct resend_answer *answer)
{
	static const int64_t schedule_s[] = { 60, 120 };
	const struct backoff backoff = {
		.cap_s = BACKOFF_RETRY_AFTER_MAX_S,
		.schedule_s = schedule_s,
		.schedule_count = sizeof schedule_s / sizeof *schedule_s,
	};
	int64_t tries = strtoll(item_text(item, MAIL_ATTEMPTS), NULL, 10) + 1;
	int64_t tries_max = strtoll(item_text(item, MAIL_MAX_ATTEMPTS), NULL, 10);

	if (tries >= tries_max) {
		item_fail(item,
		    "Resend: %s; given up after %" PRId64 " tr%s; "
		    "it is not known whether it was sent",
		    answer->says, tries, tries == 1 ? "y" : "ies");
		return VERDICT_DEAD;
	}
	item_fail(item, "Resend: %s", answer->says);
	item->retry_ms = backoff_ms(&backoff, tries, answer->wait_s);
	return VERDICT_RETRY;
}

/* The item has its error.  Not tried, for ${wait_s}; not all at once when it ends. */
static enum verdict
mail_hold(struct item *item, int64_t wait_s)
{
	int64_t wait_ms = wait_s * 1000;

	item->retry_ms = wait_ms + wait_ms * MAIL_JITTER_PERCENT / 100 *
				       (int64_t)crypto_random_below(1001) / 1000;
	return VERDICT_HOLD;
}

/* As settle has it: what each mail is called by the vendor, or why it was left out. */
static void
mail_write_result(struct item *item, const char *const *ids)
{
	const struct mail_request *request = item->kind;
	const struct mails *m = &request->mails;
	json_auto_t *result = json_object(), *sent = json_object(), *refused = json_object();
	size_t fit = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (m->all[i].fault)
			json_object_set_new(refused, m->all[i].id, json_string(m->all[i].fault));
		else if (ids)
			json_object_set_new(sent, m->all[i].id, json_string(ids[fit++]));
	}
	json_object_set(result, "sent", sent);
	json_object_set(result, "refused", refused);
	item_result(item, result);
}

static bool
mail_says(const struct item *item, int column)
{
	const char *text = item_text(item, column);

	return text && *text == 't';
}
