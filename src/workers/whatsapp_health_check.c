/*
 * whatsapp-health-check - asks Meta whether the token of every active connection still works.
 *
 * A check is two requests: about the token, in the name of the application where META_APP_ID and
 * META_APP_SECRET are set and Meta takes them, else in the token's own; then, with the token, for
 * the phone number or the account that it is for.  What Meta says of them makes the connection
 * healthy, warning or error; what it does not say changes nothing but whatsapp_health, where each
 * check has a row.
 *
 * Politeness: a limit of the application's, or ten checks in a row that Meta failed to answer, end
 * the run for Meta; what was claimed is handed back, and the next run begins with it.  A limit of
 * one account's leaves that account alone for as long as Meta says, and nobody else.  No check is
 * repeated in its run.
 *
 * Tables: whatsapp_connections, whatsapp_configs, whatsapp_health.  SQL: sql/whatsapp_health.sql;
 * migration 0019 keeps to what the application changes.
 * Tests: tests/integration/whatsapp_health_check.test.mjs, tests/fault/whatsapp_health.test.mjs.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "base/log.h"
#include "engine/flow.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "vendors/meta.h"
#include "workers/health_end.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
	HEALTH_BATCH = 128, /* connections of the first claim; later ones are larger */
	HEALTH_WAIT_MAX_MS = 8000,
	HEALTH_USAGE_ENDS = 100,  /* of what the application may use */
	HEALTH_FAILURES_MAX = 10, /* in a row, and Meta is left alone */
	CODE_APPLICATION = 101,   /* "Error validating application" */
};

#define HEALTH_HEALED "10000" /* connections by one statement */

/* Columns of the claim, in the order of health_flow.columns. */
enum { HEALTH_ID, HEALTH_ACCOUNT, HEALTH_NUMBER, HEALTH_TOKEN };

enum { TALLY_CHECKED, TALLY_HEALTHY, TALLY_WARNINGS, TALLY_ERRORS, TALLY_UNKNOWN };

/* Of the run under way; a process has one at a time. */
struct health_run {
	int failures;                /* in a row */
	bool is_app_refused;         /* Meta does not take META_APP_ID and META_APP_SECRET */
	bool is_closed;              /* nothing more is asked in this run */
	char is_open[sizeof "true"]; /* for the claim */
};

/* The request on its way: item->kind. */
struct health_check {
	enum meta_subject subject;
	bool asks_as_app;
	const char *url;
	struct health_found *found;
};

static int whatsapp_health_check_ready(struct conf *, struct err *);
static int whatsapp_health_check_work(struct run *);
static int health_heal(struct run *);
static void whatsapp_health_check_reply(const struct run *, json_t *);
static const char *health_target(struct run *, struct item *, const struct flow_carrier **);
static enum verdict health_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static enum verdict health_begin(struct run *, struct item *, struct http_request *);
static bool health_may_ask_as_app(const struct run *);
static enum verdict health_ask(
    struct run *, struct item *, const struct health_check *, struct http_request *);
static int health_open(struct run *, struct item *, const struct health_check *,
    struct meta_request *ret_ask, struct err *);
static void health_shut(struct item *, const struct meta_request *);
static const char *health_object(const struct item *, enum meta_subject *ret_subject);
static enum verdict health_judge(
    struct run *, struct item *, const struct http_reply *, struct http_request *);
static void health_learn(struct run *, const struct meta_answer *);
static void health_close(struct run *, const char *why);
static enum verdict health_judge_token(
    struct run *, struct item *, const struct meta_answer *, struct http_request *);
static enum verdict health_ask_for_object(
    struct run *, struct item *, const struct meta_answer *, struct http_request *);

const struct worker worker_whatsapp_health_check = {
	.name = "whatsapp-health-check",
	.summary = "check the tokens of active WhatsApp connections",
	.schedule = "0 2 * * *",
	.tallies = {
		[TALLY_CHECKED] = "checked",
		[TALLY_HEALTHY] = "healthy",
		[TALLY_WARNINGS] = "warnings",
		[TALLY_ERRORS] = "errors",
		[TALLY_UNKNOWN] = "unknown",
	},
	.ready = whatsapp_health_check_ready,
	.work = whatsapp_health_check_work,
	.reply = whatsapp_health_check_reply,
};

static const struct flow health_flow = {
	.is_laned = true,
	.look = SQL_WHATSAPP_HEALTH_LOOK,
	.claim = SQL_WHATSAPP_HEALTH_CLAIM,
	.bury = SQL_WHATSAPP_HEALTH_BURY,
	.settle = SQL_WHATSAPP_HEALTH_SETTLE,
	.settles = {
		SETTLE_ID,
		SETTLE_TOKEN,
		SETTLE_VERDICT,
		SETTLE_RETRY_MS,
		SETTLE_ERROR,
		SETTLE_RESULT,
	},
	.release = SQL_WHATSAPP_HEALTH_RELEASE,
	.columns = {
		[HEALTH_ID] = "id",
		[HEALTH_ACCOUNT] = "wabaid",
		[HEALTH_NUMBER] = "phonenumberid",
		[HEALTH_TOKEN] = "token",
	},
	.target = health_target,
	.step = health_step,
};

static struct health_run health_run;

static const struct meta_answer health_left_alone = {
	.outcome = META_LIMITED,
	.says = "it is left alone since its last answers, so only half was asked",
};

/* It can always do something; the secret's file is read again. */
static int
whatsapp_health_check_ready(struct conf *c, struct err *e)
{
	(void)e;
	conf_secret(c, SECRET_META_APP);
	return 0;
}

static int
whatsapp_health_check_work(struct run *r)
{
	const struct conf *c = r->conf;
	char timeout_s[24];
	const struct flow_limits limits = {
		.batch_size = HEALTH_BATCH,
		.inflight_max = c->health_concurrent_max,
		.inflight_host_max = c->health_concurrent_max,
		.timeout_ms = run_item_timeout_ms(r, c->vendor_timeout_s),
		.wait_max_ms = HEALTH_WAIT_MAX_MS,
		.claim_args = { timeout_s, health_run.is_open },
		.claim_args_count = 2,
	};

	snprintf(timeout_s, sizeof timeout_s, "%" PRId64, limits.timeout_ms / 1000);
	health_run = (struct health_run){ .is_open = "t" };
	sealed_columns_close(r, SEALED_WHATSAPP_TOKEN, SEALED_WHATSAPP_TOKEN);
	return health_heal(r) == 0 ? flow_run(r, &health_flow, &limits) : -1;
}

/* An application may have had a million of them. */
static int
health_heal(struct run *r)
{
	int healed;

	do {
		AUTO(PQclear)
		PGresult *rows = run_query(r, SQL_WHATSAPP_HEALTH_HEAL, DB_ARGS(HEALTH_HEALED));

		if (!rows)
			return -1;
		healed = PQntuples(rows);
	} while (healed > 0 && run_may_start(r, 0));
	return 0;
}

static void
whatsapp_health_check_reply(const struct run *r, json_t *body)
{
	run_reply_job(r, body);
	json_object_set_new(body, "message", json_string("WhatsApp health check completed"));
	for (int i = TALLY_CHECKED; i <= TALLY_UNKNOWN; i++)
		json_object_set_new(body, r->worker->tallies[i], json_integer(r->tally[i]));
}

static const char *
health_target(struct run *r, struct item *item, const struct flow_carrier **ret_carrier)
{
	(void)item;
	*ret_carrier = NULL;
	return r->conf->meta_url;
}

static enum verdict
health_step(
    struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	return reply ? health_judge(r, item, reply, q) : health_begin(r, item, q);
}

static enum verdict
health_begin(struct run *r, struct item *item, struct http_request *q)
{
	struct health_found *found;
	struct health_check check = { .subject = META_TOKEN };
	enum meta_subject subject;
	const char *id = health_object(item, &subject);

	if (health_run.is_closed)
		return VERDICT_BACK;
	found = arena_alloc(item->memory, sizeof *found);
	found->latency_ms = -1;
	check.found = found;
	check.asks_as_app = health_may_ask_as_app(r);
	item->kind = NULL;
	if (!item_text(item, HEALTH_TOKEN))
		return health_end_fault(
		    item, "no_token", "no access token is stored for it in whatsapp_configs");
	if (id && !meta_is_id(id))
		return health_end_fault(item, "no_id",
		    subject == META_PHONE_NUMBER
			? "phonenumberid is no id of Meta's, which consists of digits"
			: "wabaid is no id of Meta's, which consists of digits");
	return health_ask(r, item, &check, q);
}

static bool
health_may_ask_as_app(const struct run *r)
{
	return r->conf->meta_app_id && !health_run.is_app_refused &&
	       secret_state(conf_secret_as_read(r->conf, SECRET_META_APP)) == SECRET_USABLE;
}

static enum verdict
health_ask(
    struct run *r, struct item *item, const struct health_check *wanted, struct http_request *q)
{
	struct health_check *check = arena_alloc(item->memory, sizeof *check);
	struct meta_request ask;
	struct err e = { .code = ERR_OK };
	int64_t spent_ms = clock_mono_ms() - item->began_ms;

	if (health_run.is_closed)
		return health_end_unknown(item, wanted->found, &health_left_alone);
	*check = *wanted;
	item->kind = check;
	if (health_open(r, item, check, &ask, &e) != 0)
		return health_end_held(item, "sealed", e.message);
	meta_ask(item->memory, &ask, q);
	health_shut(item, &ask);
	check->url = q->url;
	/* Both requests have the time of one. */
	q->timeout_ms = item->timeout_ms > spent_ms ? item->timeout_ms - spent_ms : 1;
	if (q->refused)
		return health_end_fault(item, "no_token",
		    "what is stored as its access token is none: it is too long, or holds what no "
		    "token has, such as a line end");
	return VERDICT_SEND;
}

/*
 * Fills in ${ret_ask}, with its tokens for as long as it takes to ask or to read: health_shut()
 * wipes them.  0, or -1 with ${e}: the token does not open.
 */
static int
health_open(struct run *r, struct item *item, const struct health_check *check,
    struct meta_request *ret_ask, struct err *e)
{
	*ret_ask = (struct meta_request){
		.base_url = r->conf->meta_url,
		.subject = check->subject,
		.token =
		    sealed_open(item->memory, r->keyring, &sealed_columns[SEALED_WHATSAPP_TOKEN],
			item_text(item, HEALTH_ID), item_text(item, HEALTH_TOKEN), e),
	};
	if (!ret_ask->token)
		return -1;
	if (check->subject != META_TOKEN)
		ret_ask->id = health_object(item, &ret_ask->subject);
	if (check->asks_as_app)
		ret_ask->app_token = arena_format(item->memory, "%s|%s", r->conf->meta_app_id,
		    conf_secret_as_read(r->conf, SECRET_META_APP)->current.value);
	return 0;
}

static void
health_shut(struct item *item, const struct meta_request *ask)
{
	if (ask->token != item_text(item, HEALTH_TOKEN))
		crypto_wipe((char *)ask->token, strlen(ask->token));
	if (ask->app_token)
		crypto_wipe((char *)ask->app_token, strlen(ask->app_token));
}

/* The id of what the token is for, and what that is; NULL: it is not known. */
static const char *
health_object(const struct item *item, enum meta_subject *ret_subject)
{
	const char *number = item_text(item, HEALTH_NUMBER);
	const char *account = item_text(item, HEALTH_ACCOUNT);

	*ret_subject = number && *number ? META_PHONE_NUMBER : META_ACCOUNT;
	if (*ret_subject == META_PHONE_NUMBER)
		return number;
	return account && *account ? account : NULL;
}

static enum verdict
health_judge(
    struct run *r, struct item *item, const struct http_reply *reply, struct http_request *q)
{
	const struct health_check *check = item->kind;
	struct health_found *found = check->found;
	struct meta_request ask;
	struct meta_answer answer;
	struct err e = { .code = ERR_OK };

	crypto_wipe((char *)check->url, strlen(check->url));
	if (reply->status != 0 && reply->timing.total_ms > found->latency_ms)
		found->latency_ms = reply->timing.total_ms;
	if (health_open(r, item, check, &ask, &e) != 0)
		return health_end_held(item, "sealed", e.message);
	meta_read(&ask, reply, run_db_now_s(r), &answer);
	health_shut(item, &ask);
	if (reply->status == 0 && reply->is_ours)
		return health_end_held(item, "ours", answer.says);
	if (reply->status == 0 && reply->refused) {
		err_set(
		    &r->err, ERR_NOT_CONFIGURED, "META_BASE_URL cannot be asked: %s", answer.says);
		health_close(r, answer.says);
		return health_end_held(item, "ours", r->err.message);
	}
	health_learn(r, &answer);
	if (found->account_usage < answer.account_usage)
		found->account_usage = answer.account_usage;
	if (answer.outcome == META_FAILED || answer.outcome == META_LIMITED)
		return health_end_unknown(item, found, &answer);
	if (check->subject == META_TOKEN)
		return health_judge_token(r, item, &answer, q);
	if (answer.outcome != META_FINE)
		return health_end_error(item, found, &answer);
	found->quality = answer.quality;
	return health_end_fine(r, item, found);
}

/* What an answer tells of Meta, whomever it is about. */
static void
health_learn(struct run *r, const struct meta_answer *answer)
{
	bool is_limited = answer->outcome == META_LIMITED;

	if (is_limited && answer->is_everybodys)
		health_close(r, answer->says);
	else if (answer->app_usage >= HEALTH_USAGE_ENDS)
		health_close(r, "the application has used up what it may use");
	/* One account may have more numbers than that, and says nothing of the others. */
	if (is_limited)
		return;
	if (answer->outcome != META_FAILED)
		health_run.failures = 0;
	else if (++health_run.failures >= HEALTH_FAILURES_MAX)
		health_close(r, answer->says);
}

/* Nothing more is asked; what was claimed goes back, and the run ends. */
static void
health_close(struct run *r, const char *why)
{
	if (health_run.is_closed)
		return;
	health_run.is_closed = true;
	snprintf(health_run.is_open, sizeof health_run.is_open, "f");
	log_message(LOG_WARN, "vendor_closed", "worker=%s run=%s Meta is left alone: %s",
	    r->worker->name, r->id, why);
}

static enum verdict
health_judge_token(
    struct run *r, struct item *item, const struct meta_answer *answer, struct http_request *q)
{
	const struct health_check *check = item->kind;
	struct health_found *found = check->found;

	if (answer->is_of_asker) {
		const struct health_check again = { .subject = META_TOKEN, .found = found };

		if (answer->outcome == META_DEAD || answer->code == CODE_APPLICATION) {
			if (!health_run.is_app_refused)
				log_message(LOG_WARN, "app_token_refused",
				    "worker=%s run=%s Meta does not take META_APP_ID and "
				    "META_APP_SECRET, each token is asked about by itself: %s",
				    r->worker->name, r->id, answer->says);
			health_run.is_app_refused = true;
		}
		return health_ask(r, item, &again, q);
	}
	if (answer->outcome == META_DEAD)
		return health_end_error(item, found, answer);
	/* Not everybody may ask about himself; that says nothing of what else he may. */
	if (answer->outcome == META_FINE) {
		found->expires_at_s = answer->expires_at_s;
		found->data_access_expires_at_s = answer->data_access_expires_at_s;
	}
	return health_ask_for_object(r, item, answer, q);
}

static enum verdict
health_ask_for_object(
    struct run *r, struct item *item, const struct meta_answer *answer, struct http_request *q)
{
	const struct health_check *check = item->kind;
	struct health_check next = { .found = check->found };

	if (health_object(item, &next.subject))
		return health_ask(r, item, &next, q);
	/* It is for nothing that is known: what was said of the token has to do. */
	return answer->outcome == META_FINE ? health_end_fine(r, item, check->found)
					    : health_end_unknown(item, check->found, answer);
}
