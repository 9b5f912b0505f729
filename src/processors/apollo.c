/*
 * apollo - enriches accounts and contacts through Apollo.io, with the key of their workspace.
 *
 * job_types.target says what: account, with the payload {"account_id", "domain"?, "name"?,
 * "website"?, "linkedin_url"?}, or contact, with {"contact_id", "email"?, "first_name"?,
 * "last_name"?, "name"?, "domain"?, "organization_name"?, "linkedin_url"?, "id"?,
 * "reveal_personal_emails"?}.  What the payload leaves out is taken from the row.  What Apollo.io
 * knows is the job's result, and settling writes it to the row in the same statement.
 *
 * An answer costs credits.  So a row that was enriched after its job was made, with what was asked
 * for, is not asked for again (of two jobs that are claimed together both are: unique_key prevents
 * that), and an answer that cannot be read is asked for once more and no oftener.  A rate limit is
 * no job's failure: who meets it, or would meet it next, is held back until it is over, without a
 * try.
 *
 * Tests: tests/integration/enrichment.test.mjs.
 */
#include "apollo_parts.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/crypto.h"
#include "engine/run.h"
#include "engine/sealed_columns.h"
#include "http/echo.h"
#include "http/http.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	ENRICH_TRIES_GARBLED = 2,
	ENRICH_JITTER_PERCENT = 10,
};

/* The pace of one key for one kind of question, within a run. */
struct enrich_pace {
	unsigned char key_digest[CRYPTO_SHA256_BYTES];
	enum apollo_subject subject;
	struct pace pace;
	struct enrich_pace *next;
};

static const char *enrich_target(struct run *, const struct job_type *, struct item *);
static enum verdict enrich_step(struct run *, const struct job_type *, struct item *,
    const struct http_reply *, struct http_request *);
static bool enrich_is_fresh(const struct enrich *);
static enum verdict enrich_leave(struct enrich *);
static enum verdict enrich_ask(struct enrich *, struct http_request *);
static char *enrich_key(const struct enrich *, struct err *);
static enum verdict enrich_send(struct enrich *, const char *key, struct http_request *);
static enum verdict enrich_judge(struct enrich *, const struct http_reply *);
static enum verdict enrich_done(struct enrich *, const struct apollo_answer *);
static enum verdict enrich_unknown(struct enrich *);
static enum verdict enrich_refuse(struct enrich *, const struct http_reply *, const char *says);
static enum verdict enrich_garbled(struct enrich *, const char *says);
static enum verdict enrich_hold(struct enrich *, int64_t wait_s, const char *says);
static struct pace *enrich_pace(const struct enrich *, const char *key);
static void enrich_note(struct enrich *, const char *level, const char *message);

/* In the memory of the run that enrich_run names. */
static struct enrich_pace *enrich_paces;
static char enrich_run[CRYPTO_UUID_TEXT_MAX];

const struct processor processor_apollo = {
	.name = "apollo",
	.needs_context = true,
	.target = enrich_target,
	.step = enrich_step,
};

static const char *
enrich_target(struct run *r, const struct job_type *type, struct item *item)
{
	(void)type;
	(void)item;
	return r->conf->apollo_url;
}

static enum verdict
enrich_step(struct run *r, const struct job_type *type, struct item *item,
    const struct http_reply *reply, struct http_request *q)
{
	const char *payload = item_text(item, JOB_PAYLOAD), *text = item_text(item, JOB_CONTEXT);
	json_auto_t *context = text ? json_loads(text, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
	json_auto_t *given = payload ? json_loads(payload, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
	struct enrich e = {
		.run = r,
		.item = item,
		.payload = given,
		.workspace = item_text(item, JOB_WORKSPACE),
	};
	const char *wrong = enrich_read(&e, type, context);

	if (wrong) {
		item_fail(item, "%s", wrong);
		return VERDICT_DEAD;
	}
	if (reply)
		return enrich_judge(&e, reply);
	return enrich_is_fresh(&e) ? enrich_leave(&e) : enrich_ask(&e, q);
}

/*
 * Whether the row has what is asked for, and newer than the job: another job for the same row has
 * asked meanwhile.  Both times come from the database; to the millisecond they have one form.
 */
static bool
enrich_is_fresh(const struct enrich *e)
{
	const char *at = json_string_value(json_object_get(e->row, "enriched_at"));
	const char *found = json_string_value(json_object_get(e->row, "found"));
	const char *asked = e->question.fields[e->kind->by];
	const char *made_ms = item_text(e->item, JOB_CREATED_AT);
	char made[CLOCK_TEXT_MAX];

	if (!at || !found || !asked || !made_ms)
		return false;
	clock_text(strtoll(made_ms, NULL, 10), made);
	return strncmp(at, made, strlen(made) - 1) > 0 && strcasecmp(found, asked) == 0;
}

static enum verdict
enrich_leave(struct enrich *e)
{
	const char *at = json_string_value(json_object_get(e->row, "enriched_at"));
	json_auto_t *result = json_pack("{s:b,s:s}", "asked", 0, "enriched_at", at);

	item_result(e->item, result);
	enrich_note(e, "info",
	    arena_format(e->item->memory,
		"nothing was asked: the %s was enriched at %s, after this job was made",
		e->kind->target, at));
	return VERDICT_DONE;
}

static enum verdict
enrich_ask(struct enrich *e, struct http_request *q)
{
	struct err why = { .code = ERR_OK };
	char *key = enrich_key(e, &why);
	enum verdict verdict;

	if (!key)
		return item_hold(e->item, why.message);
	verdict = enrich_send(e, key, q);
	crypto_wipe(key, strlen(key));
	return verdict;
}

/* The key in the open, without spaces around it; to be wiped.  NULL with ${why}. */
static char *
enrich_key(const struct enrich *e, struct err *why)
{
	const char *opened = sealed_open(e->item->memory, e->run->keyring,
	    &sealed_columns[SEALED_APOLLO_KEY], e->workspace, e->stored_key, why);
	size_t len, from;
	char *key;

	if (!opened)
		return NULL;
	from = strspn(opened, " \t\r\n");
	len = strlen(opened + from);
	while (len > 0 && strchr(" \t\r\n", opened[from + len - 1]))
		len--;
	key = arena_copy(e->item->memory, opened + from, len);
	if (opened != e->stored_key)
		crypto_wipe((char *)opened, strlen(opened));
	return key;
}

static enum verdict
enrich_send(struct enrich *e, const char *key, struct http_request *q)
{
	struct pace *pace = enrich_pace(e, key);
	int64_t wait_ms = pace_wait_ms(pace, clock_mono_ms());
	int64_t timeout_ms = e->run->conf->vendor_timeout_s * 1000;

	if (wait_ms > 0)
		return enrich_hold(e, (wait_ms + 999) / 1000, NULL);
	apollo_ask(e->item->memory, e->run->conf->apollo_url, key, &e->question, q);
	if (q->refused) {
		item_fail(e->item, "the key of workspace %s cannot be sent: %s", e->workspace,
		    q->refused);
		return VERDICT_DEAD;
	}
	if (q->timeout_ms > timeout_ms)
		q->timeout_ms = timeout_ms;
	pace_sent(pace);
	enrich_note(e, "info",
	    arena_format(e->item->memory, "asks Apollo.io for the %s by %s",
		apollo_subject_name[e->kind->subject], enrich_by(e)));
	return VERDICT_SEND;
}

static enum verdict
enrich_judge(struct enrich *e, const struct http_reply *reply)
{
	struct apollo_answer answer;
	struct err why = { .code = ERR_OK };
	char *key = enrich_key(e, &why);

	apollo_read(e->item->memory, e->kind->subject, reply, run_db_now_s(e->run), &answer);
	if (key) {
		const struct pace_told told = apollo_told(&answer);

		pace_learn(enrich_pace(e, key), &told, clock_mono_ms());
		echo_hide(answer.says, key);
		crypto_wipe(key, strlen(key));
	}
	if (reply->status == 0 && reply->is_ours)
		return item_hold(e->item, reply->error);
	switch (answer.outcome) {
	case APOLLO_FOUND:
		return enrich_done(e, &answer);
	case APOLLO_UNKNOWN:
		return enrich_unknown(e);
	case APOLLO_LIMITED:
		return enrich_hold(e, answer.wait_s, answer.says);
	case APOLLO_REFUSED:
		return enrich_refuse(e, reply, answer.says);
	case APOLLO_GARBLED:
		return enrich_garbled(e, answer.says);
	case APOLLO_FAILED:
		break;
	}
	item_fail(e->item, "Apollo.io: %s", answer.says);
	return reply->refused ? VERDICT_DEAD : job_again(e->item, answer.wait_s);
}

static enum verdict
enrich_done(struct enrich *e, const struct apollo_answer *answer)
{
	e->item->result = answer->object;
	e->item->effect = e->kind->target;
	e->item->subject =
	    arena_text(e->item->memory, json_string_value(json_object_get(e->row, "id")));
	enrich_note(e, "info",
	    arena_format(e->item->memory, "Apollo.io knows the %s: written to %s %s",
		apollo_subject_name[e->kind->subject], e->kind->target, e->item->subject));
	return VERDICT_DONE;
}

/* An answer like any other, and the row stays as it is. */
static enum verdict
enrich_unknown(struct enrich *e)
{
	e->item->result = "{\"matched\": false}";
	enrich_note(e, "warn",
	    arena_format(e->item->memory, "Apollo.io knows no %s by this %s; the %s stays as it is",
		apollo_subject_name[e->kind->subject], enrich_by(e), e->kind->target));
	return VERDICT_DONE;
}

static enum verdict
enrich_refuse(struct enrich *e, const struct http_reply *reply, const char *says)
{
	if (reply->status == 401)
		item_fail(e->item,
		    "Apollo.io refuses the key of workspace %s (%s); put a valid one into "
		    "workspace_settings.apollo_api_key_encrypted, then retry the job",
		    e->workspace, says);
	else if (reply->status == 403)
		item_fail(e->item,
		    "Apollo.io does not let the key of workspace %s ask for %s (%s); give the "
		    "key that endpoint, or the account that plan, then retry the job",
		    e->workspace,
		    e->kind->subject == APOLLO_PERSON ? "a person" : "an organization", says);
	else if (reply->status == 404)
		item_fail(e->item,
		    "Apollo.io knows no such record or address (%s); is APOLLO_BASE_URL right?",
		    says);
	else if (reply->status / 100 == 3)
		item_fail(e->item,
		    "Apollo.io answers with a redirect, which is not followed (%s); is "
		    "APOLLO_BASE_URL right?",
		    says);
	else
		item_fail(
		    e->item, "Apollo.io refuses what was asked by %s (%s)", enrich_by(e), says);
	return VERDICT_DEAD;
}

static enum verdict
enrich_garbled(struct enrich *e, const char *says)
{
	const char *attempts = item_text(e->item, JOB_ATTEMPTS);
	bool is_last = !attempts || strtoll(attempts, NULL, 10) + 1 >= ENRICH_TRIES_GARBLED;

	item_fail(e->item, "Apollo.io: %s; it may have been paid for, so %s", says,
	    is_last ? "it is not asked again" : "it is asked once more and not oftener");
	return is_last ? VERDICT_DEAD : job_again(e->item, -1);
}

/* Not tried, for ${wait_s}: the limit is the vendor's, and no failure of this job. */
static enum verdict
enrich_hold(struct enrich *e, int64_t wait_s, const char *says)
{
	int64_t wait_ms = wait_s * 1000;

	item_hold(e->item,
	    says ? arena_format(e->item->memory,
		       "Apollo.io's rate limit for this key (%s); again in %" PRId64 " s", says,
		       wait_s)
		 : arena_format(e->item->memory,
		       "held back, not sent: Apollo.io's rate limit for this key lasts %" PRId64
		       " s more",
		       wait_s));
	/* Not all at once when it ends. */
	e->item->retry_ms = wait_ms + wait_ms * ENRICH_JITTER_PERCENT / 100 *
					  (int64_t)crypto_random_below(1001) / 1000;
	return VERDICT_HOLD;
}

/* Whoever shares the key shares the limit, whatever the workspace. */
static struct pace *
enrich_pace(const struct enrich *e, const char *key)
{
	unsigned char digest[CRYPTO_SHA256_BYTES];
	struct enrich_pace *pace;

	if (strcmp(enrich_run, e->run->id) != 0) {
		memcpy(enrich_run, e->run->id, sizeof enrich_run);
		enrich_paces = NULL;
	}
	crypto_sha256(key, strlen(key), digest);
	for (pace = enrich_paces; pace; pace = pace->next)
		if (pace->subject == e->kind->subject &&
		    memcmp(pace->key_digest, digest, sizeof digest) == 0)
			return &pace->pace;
	pace = arena_alloc(e->run->arena, sizeof *pace);
	memcpy(pace->key_digest, digest, sizeof digest);
	pace->subject = e->kind->subject;
	pace->pace.left = -1;
	pace->next = enrich_paces;
	enrich_paces = pace;
	return &pace->pace;
}

static void
enrich_note(struct enrich *e, const char *level, const char *message)
{
	const struct item_note note = { .level = level, .message = message, .progress = -1 };

	item_note(e->item, &note);
}
