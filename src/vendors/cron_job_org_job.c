/*
 * cron_job_org_job - reading jobs, and what one that rings us has to look like.
 *
 * What is compared is what decides whether, when and how a job rings, and whether people hear of
 * failures.  The service is written in PHP: an object without members arrives as an array, and a
 * flag that was patched as a number.
 */
#include "vendors/cron_job_org.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	CJO_TIMEOUT_S = 30, /* the longest that accounts have in common */
	CJO_POST = 1,
	CJO_CERTIFICATE_S = 7 * 24 * 60 * 60,
	CJO_EVERY = -1,
	CJO_VALUE_MAX = 160, /* of a value that is shown */
};

/* Who is told of differences, and what must not be told. */
struct cjo_view {
	const struct cjo_note *note;
	const char *secret;
};

static json_t *cjo_parse(const char *body, size_t len, struct err *);
static int cjo_wrong(struct err *, const char *what);
static bool cjo_is_job(const json_t *);
static json_t *cjo_schedule(const struct cron *);
static bool cjo_is_true(const json_t *flag);
static bool cjo_same(
    const char *name, const json_t *want, const json_t *has, const struct cjo_view *);
static bool cjo_same_group(const json_t *want, const json_t *has, const struct cjo_view *);
static bool cjo_same_schedule(const json_t *want, const json_t *has, const struct cjo_view *);
static struct cron cjo_read_schedule(const json_t *);
static bool cjo_same_data(const json_t *want, const json_t *has, const struct cjo_view *);
static bool cjo_is_secret(const char *header);
static void cjo_keep_headers(json_t *headers, const json_t *had);
static void cjo_show(const struct cjo_view *, const json_t *, char *to, size_t room);

static const char *const cjo_field_name[CRON__MAX] = {
	[CRON_MINUTES] = "minutes",
	[CRON_HOURS] = "hours",
	[CRON_MDAYS] = "mdays",
	[CRON_MONTHS] = "months",
	[CRON_WDAYS] = "wdays",
};

json_t *
cjo_read_jobs(const char *body, size_t len, struct err *e)
{
	json_auto_t *reply = cjo_parse(body, len, e);
	json_t *jobs = json_object_get(reply, "jobs"), *job;
	size_t i;

	if (!reply)
		return NULL;
	if (!json_is_array(jobs)) {
		cjo_wrong(e, "the list of jobs is missing");
		return NULL;
	}
	/* A job that is not on the list would be made a second time. */
	if (cjo_is_true(json_object_get(reply, "someFailed"))) {
		cjo_wrong(e, "the list of jobs is incomplete, by its own account; try again later");
		return NULL;
	}
	json_array_foreach(jobs, i, job)
	{
		if (cjo_is_job(job))
			continue;
		cjo_wrong(e, "a job of the list has no jobId or no url");
		return NULL;
	}
	return json_incref(jobs);
}

json_t *
cjo_read_job(const char *body, size_t len, struct err *e)
{
	json_auto_t *reply = cjo_parse(body, len, e);
	json_t *job = json_object_get(reply, "jobDetails");

	if (!reply)
		return NULL;
	if (!cjo_is_job(job)) {
		cjo_wrong(e, "the job has no jobId or no url");
		return NULL;
	}
	return json_incref(job);
}

int64_t
cjo_read_id(const char *body, size_t len, struct err *e)
{
	json_auto_t *reply = cjo_parse(body, len, e);
	json_int_t id = json_integer_value(json_object_get(reply, "jobId"));

	if (reply && id <= 0)
		cjo_wrong(e, "the new job has no jobId");
	return id > 0 ? id : 0;
}

json_t *
cjo_read_nodes(const char *body, size_t len, struct err *e)
{
	json_auto_t *reply = cjo_parse(body, len, e);
	json_t *nodes = json_object_get(reply, "ipAddresses"), *node;
	size_t i;

	if (!reply)
		return NULL;
	if (json_array_size(nodes) == 0) {
		cjo_wrong(e, "the list of addresses is missing");
		return NULL;
	}
	json_array_foreach(nodes, i, node)
	{
		unsigned char address[sizeof(struct in6_addr)];
		const char *text = json_string_value(node);

		/* They go into a web server's configuration. */
		if (text && (inet_pton(AF_INET, text, address) == 1 ||
				inet_pton(AF_INET6, text, address) == 1))
			continue;
		cjo_wrong(e, "an address of the list is none");
		return NULL;
	}
	return json_incref(nodes);
}

int64_t
cjo_id(const json_t *job)
{
	return json_integer_value(json_object_get(job, "jobId"));
}

const char *
cjo_url(const json_t *job)
{
	return json_string_value(json_object_get(job, "url"));
}

bool
cjo_is_enabled(const json_t *job)
{
	return cjo_is_true(json_object_get(job, "enabled"));
}

json_t *
cjo_wanted(const struct cjo_wish *wish)
{
	json_t *headers = json_object();

	json_object_set_new(headers, "Authorization", json_sprintf("Bearer %s", wish->secret));
	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:i, s:i, s:o,"
			 " s:{s:b, s:i, s:b, s:b, s:b, s:i}, s:{s:b}, s:{s:o, s:s}}",
	    "url", wish->url, "title", wish->title, "enabled", 1, "saveResponses", 1,
	    "redirectSuccess", 0, "requestMethod", CJO_POST, "requestTimeout", CJO_TIMEOUT_S,
	    "schedule", cjo_schedule(&wish->schedule), "notification", "onFailure", 1,
	    "onFailureCount", 1, "onSuccess", 1, "onDisable", 1, "onSslCertExpiry", 1,
	    "onSslCertExpirySeconds", CJO_CERTIFICATE_S, "auth", "enable", 0, "extendedData",
	    "headers", headers, "body", "");
}

json_t *
cjo_change(const struct cjo_wish *wish, const json_t *have, const struct cjo_note *note)
{
	const struct cjo_view view = { note, wish->secret };
	json_auto_t *wanted = cjo_wanted(wish);
	json_t *change = json_object(), *want;
	const char *name;

	json_object_foreach(wanted, name, want)
	{
		const json_t *has = json_object_get(have, name);
		bool same;

		if (strcmp(name, "title") == 0)
			continue;
		if (strcmp(name, "extendedData") == 0)
			same = cjo_same_data(want, has, &view);
		else if (strcmp(name, "schedule") == 0)
			same = cjo_same_schedule(want, has, &view);
		else if (json_is_object(want))
			same = cjo_same_group(want, has, &view);
		else
			same = cjo_same(name, want, has, &view);
		if (!same)
			json_object_set(change, name, want);
	}
	if (json_object_get(change, "extendedData"))
		cjo_keep_headers(
		    json_object_get(json_object_get(change, "extendedData"), "headers"),
		    json_object_get(json_object_get(have, "extendedData"), "headers"));
	if (json_object_size(change) > 0)
		return change;
	json_decref(change);
	return NULL;
}

static json_t *
cjo_parse(const char *body, size_t len, struct err *e)
{
	json_t *reply = json_loadb(body, len, 0, NULL);

	if (!json_is_object(reply)) {
		json_decref(reply);
		cjo_wrong(e, "it is no JSON object");
		return NULL;
	}
	return reply;
}

static int
cjo_wrong(struct err *e, const char *what)
{
	return err_set(e, ERR_UNAVAILABLE, "cron-job.org's reply cannot be used: %s", what);
}

static bool
cjo_is_job(const json_t *job)
{
	return cjo_id(job) > 0 && cjo_url(job);
}

static json_t *
cjo_schedule(const struct cron *cron)
{
	json_t *schedule = json_pack("{s:s, s:i}", "timezone", "UTC", "expiresAt", 0);

	for (enum cron_field field = 0; field < CRON__MAX; field++) {
		json_t *numbers = json_array();

		if (cron->fields[field] == cron_every(field))
			json_array_append_new(numbers, json_integer(CJO_EVERY));
		else
			for (unsigned n = 0; n <= cron_ranges[field].max; n++)
				if (cron->fields[field] & UINT64_C(1) << n)
					json_array_append_new(numbers, json_integer(n));
		json_object_set_new(schedule, cjo_field_name[field], numbers);
	}
	return schedule;
}

/* Of a flag, as it was made or as it was patched. */
static bool
cjo_is_true(const json_t *flag)
{
	return json_is_true(flag) || json_integer_value(flag) != 0;
}

/* Whether two plain values are the same, telling when not. */
static bool
cjo_same(const char *name, const json_t *want, const json_t *has, const struct cjo_view *view)
{
	char from[CJO_VALUE_MAX], to[CJO_VALUE_MAX];

	if (json_is_boolean(want) && json_is_integer(has)) {
		if (json_is_true(want) == cjo_is_true(has))
			return true;
	} else if (json_equal(want, has)) {
		return true;
	}
	cjo_show(view, has, from, sizeof(from));
	cjo_show(view, want, to, sizeof(to));
	view->note->tell(view->note->owner, name, from, to);
	return false;
}

/* Whether ${has} has every member of ${want}; others do not count. */
static bool
cjo_same_group(const json_t *want, const json_t *has, const struct cjo_view *view)
{
	const char *name;
	json_t *value;
	bool same = true;

	json_object_foreach((json_t *)want, name, value)
	{
		if (!cjo_same(name, value, json_object_get(has, name), view))
			same = false;
	}
	return same;
}

/* The sets of numbers are the same in any order, and -1 is all of them. */
static bool
cjo_same_schedule(const json_t *want, const json_t *has, const struct cjo_view *view)
{
	const json_t *zone = json_object_get(has, "timezone"),
		     *end = json_object_get(has, "expiresAt");
	struct text from = { .at = NULL }, to = { .at = NULL };
	struct cron wanted = cjo_read_schedule(want), found = cjo_read_schedule(has);
	bool same = memcmp(&wanted, &found, sizeof(wanted)) == 0 &&
		    json_equal(zone, json_object_get(want, "timezone")) &&
		    json_integer_value(end) == 0;

	if (!same) {
		char name[CJO_VALUE_MAX];

		cron_add(&found, &from);
		cjo_show(view, zone, name, sizeof(name));
		text_add_format(&from, " %s", name);
		if (json_integer_value(end) != 0)
			text_add_format(
			    &from, " until %" JSON_INTEGER_FORMAT, json_integer_value(end));
		cron_add(&wanted, &to);
		text_add_text(&to, " UTC");
		view->note->tell(view->note->owner, "schedule", from.at, to.at);
	}
	text_finish(&from);
	text_finish(&to);
	return same;
}

/* What cannot be read is no number of any field. */
static struct cron
cjo_read_schedule(const json_t *schedule)
{
	struct cron cron = { .fields = { 0 } };

	for (enum cron_field field = 0; field < CRON__MAX; field++) {
		const json_t *numbers = json_object_get(schedule, cjo_field_name[field]), *number;
		size_t i;

		json_array_foreach(numbers, i, number)
		{
			json_int_t n = json_integer_value(number);

			if (!json_is_integer(number))
				continue;
			if (n == CJO_EVERY)
				cron.fields[field] = cron_every(field);
			else if (n >= 0 && n <= cron_ranges[field].max)
				cron.fields[field] |= (UINT64_C(1) << n) & cron_every(field);
		}
	}
	cron_flag_steps(&cron);
	return cron;
}

/* Body and secret; what other headers a job has is its owner's business. */
static bool
cjo_same_data(const json_t *want, const json_t *has, const struct cjo_view *view)
{
	const char *bearer =
	    json_string_value(json_object_get(json_object_get(want, "headers"), "Authorization"));
	const char *body = json_string_value(json_object_get(has, "body"));
	const char *name;
	json_t *value;
	unsigned shown = 0, right = 0;
	bool same = true;

	json_object_foreach(json_object_get(has, "headers"), name, value)
	{
		if (!cjo_is_secret(name))
			continue;
		shown++;
		if (strcasecmp(name, "Authorization") == 0 && json_is_string(value) &&
		    strcmp(json_string_value(value), bearer) == 0)
			right++;
	}
	if (shown != 1 || right != 1) {
		view->note->tell(view->note->owner, "secret", NULL, NULL);
		same = false;
	}
	if (!body || *body) {
		view->note->tell(view->note->owner, "body", NULL, NULL);
		same = false;
	}
	return same;
}

/* A stale secret in any of its places would be refused beside the right one. */
static bool
cjo_is_secret(const char *header)
{
	return strcasecmp(header, "Authorization") == 0 || strcasecmp(header, "x-cron-secret") == 0;
}

/* Adds to ${headers} what else ${had} has: a patch takes the place of all of them. */
static void
cjo_keep_headers(json_t *headers, const json_t *had)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)had, name, value)
	{
		if (!cjo_is_secret(name) && json_is_string(value))
			json_object_set(headers, name, value);
	}
}

/* A value for people: what stands behind a question mark may be a secret. */
static void
cjo_show(const struct cjo_view *view, const json_t *value, char *to, size_t room)
{
	if (json_is_string(value) && strstr(json_string_value(value), view->secret)) {
		snprintf(to, room, "(hidden)");
	} else if (json_is_string(value)) {
		const char *text = json_string_value(value);
		size_t len = strcspn(text, "?");

		text_clean(to, room, text, len);
		if (text[len] && strcmp(text + len, "?busy=200") != 0)
			text_clean(to, room, "(another query)", 15);
		else if (text[len] && strlen(to) + strlen(text + len) < room)
			memcpy(to + strlen(to), text + len, strlen(text + len) + 1);
	} else if (json_is_integer(value)) {
		snprintf(to, room, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_boolean(value)) {
		snprintf(to, room, "%s", json_is_true(value) ? "true" : "false");
	} else {
		snprintf(to, room, "%s", "nothing");
	}
}
