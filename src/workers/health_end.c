/*
 * health_end - what was found, in the words of whatsapp_health.
 */
#include "workers/health_end.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/clock.h"
#include "base/conf.h"
#include "engine/run.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	HEALTH_EXPIRES_S = 7 * CIVIL_DAY_S, /* a token that ends so soon is a warning */
	HEALTH_USAGE_WARNS = 80,            /* percent of what an account may use */
};

static void health_end_warn(struct health_found *, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void health_end_write(struct item *, const char *status, const char *code,
    const struct health_found *, const struct meta_answer *);

enum verdict
health_end_fine(const struct run *r, struct item *item, struct health_found *found)
{
	int64_t soon_s = run_db_now_s(r) + HEALTH_EXPIRES_S;
	char at[CLOCK_TEXT_MAX];

	if (found->expires_at_s > 0 && found->expires_at_s <= soon_s)
		health_end_warn(found, "expires", "the token expires at %s",
		    clock_text(found->expires_at_s * 1000, at));
	if (found->data_access_expires_at_s > 0 && found->data_access_expires_at_s <= soon_s)
		health_end_warn(found, "data_access_expires", "its access to data expires at %s",
		    clock_text(found->data_access_expires_at_s * 1000, at));
	if (found->quality == META_YELLOW || found->quality == META_RED)
		health_end_warn(found, "quality", "the quality of the phone number is rated %s",
		    found->quality == META_RED ? "RED" : "YELLOW");
	if (found->account_usage >= HEALTH_USAGE_WARNS)
		health_end_warn(found, "rate",
		    "the account has used %" PRId64 " %% of its rate limit", found->account_usage);
	if (found->latency_ms >= r->conf->health_slow_ms)
		health_end_warn(
		    found, "slow", "Meta took %" PRId64 " ms to answer", found->latency_ms);
	health_end_write(item, found->code ? "warning" : "healthy", found->code, found, NULL);
	if (found->code)
		item_fail(item, "%s", found->says);
	return VERDICT_DONE;
}

enum verdict
health_end_error(
    struct item *item, const struct health_found *found, const struct meta_answer *answer)
{
	health_end_write(item, "error", NULL, found, answer);
	item_fail(item, "%s", answer->says);
	return VERDICT_DONE;
}

enum verdict
health_end_fault(struct item *item, const char *code, const char *says)
{
	health_end_write(item, "error", code, NULL, NULL);
	item_fail(item, "%s", says);
	return VERDICT_DONE;
}

enum verdict
health_end_unknown(
    struct item *item, const struct health_found *found, const struct meta_answer *answer)
{
	const char *code = "garbled";

	if (answer->outcome == META_LIMITED)
		code = "rate";
	else if (item->status == 0)
		code = "no_answer";
	else if (item->status / 100 != 2)
		code = arena_format(item->memory, "http_%d", item->status);
	health_end_write(item, "unknown", code, found, answer);
	item_fail(item, "Meta: %s", answer->says);
	item->retry_ms = answer->wait_s * 1000;
	return VERDICT_RETRY;
}

enum verdict
health_end_held(struct item *item, const char *code, const char *why)
{
	enum verdict verdict = item_hold(item, why);

	item->retry_ms = 0;
	health_end_write(item, "unknown", code, NULL, NULL);
	return verdict;
}

static void
health_end_warn(struct health_found *found, const char *code, const char *fmt, ...)
{
	size_t len = strlen(found->says);
	va_list args;

	if (found->code)
		len += (size_t)snprintf(found->says + len, sizeof found->says - len, "; ");
	else
		found->code = code;
	va_start(args, fmt);
	vsnprintf(found->says + len, sizeof found->says - len, fmt, args);
	va_end(args);
}

/* The row, but for its text; ${code} where Meta's ${answer} has none. */
static void
health_end_write(struct item *item, const char *status, const char *code,
    const struct health_found *found, const struct meta_answer *answer)
{
	json_auto_t *result = json_pack("{s:s}", "status", status);

	if (found && found->latency_ms >= 0)
		json_object_set_new(result, "latency", json_integer(found->latency_ms));
	if (answer && answer->code > 0)
		json_object_set_new(result, "code", json_sprintf("%lld", (long long)answer->code));
	else if (code)
		json_object_set_new(result, "code", json_string(code));
	if (answer && answer->subcode > 0)
		json_object_set_new(result, "subcode", json_integer(answer->subcode));
	item_result(item, result);
}
