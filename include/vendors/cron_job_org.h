/*
 * cron_job_org - the jobs of an account at cron-job.org: how to ask for them, how to read them,
 * and what one that rings us has to look like.  Short: cjo.
 *
 * Jobs stay the JSON that the service sends: it has members that are none of our business, and
 * those of a job that is changed must live on.  Nothing here prints, and no text that is handed
 * out holds a secret.
 */
#ifndef CRONWARD_VENDORS_CRON_JOB_ORG_H
#define CRONWARD_VENDORS_CRON_JOB_ORG_H

#include "base/cron.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

enum {
	CJO_CREATIONS_A_MINUTE = 5,
	CJO_REQUESTS_A_SECOND = 4, /* it allows 5, by a clock that is not ours */
};

/* What a job of ours is to be. */
struct cjo_wish {
	const char *url, *title; /* the title counts for new jobs alone: people rename them */
	const char *secret;      /* shown as Authorization: Bearer */
	struct cron schedule;    /* in UTC; not both days of the month and of the week */
};

/*
 * Readers of replies.  Each returns what is the caller's to json_decref(), or NULL with ${e}
 * (ERR_UNAVAILABLE: this is not what the service's documents promise).
 */
json_t *cjo_read_jobs(const char *body, size_t len, struct err *e); /* an array of jobs */
json_t *cjo_read_job(const char *body, size_t len, struct err *e);  /* one, with all details */
int64_t cjo_read_id(const char *body, size_t len, struct err *e);   /* of a new one; 0: error */

/* The addresses that it calls from: an array of texts, each one an address and nothing else. */
json_t *cjo_read_nodes(const char *body, size_t len, struct err *e);

/* Of a job that one of the readers has let through. */
int64_t cjo_id(const json_t *job);
const char *cjo_url(const json_t *job);
bool cjo_is_enabled(const json_t *job);

/* Told of each difference; ${from} is NULL where neither side may be shown. */
struct cjo_note {
	void (*tell)(void *owner, const char *name, const char *from, const char *to);
	void *owner;
};

/* The job as it is created. */
json_t *cjo_wanted(const struct cjo_wish *wish);
/* What has to be sent to make ${have} what is wanted, telling ${note}; NULL: nothing. */
json_t *cjo_change(const struct cjo_wish *wish, const json_t *have, const struct cjo_note *note);

/* When requests went out, in monotonic ms; all zero to begin with. */
struct cjo_pace {
	int64_t creations_ms[CJO_CREATIONS_A_MINUTE];
	int64_t requests_ms[CJO_REQUESTS_A_SECOND];
	unsigned creations, requests;
};
/* How long a request has to wait at ${now_ms} so as not to be one too many. */
int64_t cjo_pace_wait_ms(const struct cjo_pace *pace, bool creates, int64_t now_ms);
void cjo_pace_sent(struct cjo_pace *pace, bool creates, int64_t now_ms);

/* An account, as one command uses it. */
struct cjo {
	struct http *http;
	const char *base_url; /* without a slash at its end */
	const char *key;      /* NULL: for what everybody may ask */
	struct cjo_pace pace;
	int64_t requests; /* that went out */
	/* Waits ${ms}, for the reason ${why}; false when everything is to stop. */
	bool (*wait)(void *owner, int64_t ms, const char *why);
	void *owner;
};

/*
 * Each is one request, or none where the wait before it was stopped.  On failure ${e} is
 * ERR_UNAUTHORIZED when the key is refused and ERR_BUSY when the account may ask no more for now:
 * then nothing else will do either; ERR_BAD_REQUEST when this one is refused; ERR_UNAVAILABLE for
 * all else, and what was asked for may have been done.
 */
json_t *cjo_nodes(struct cjo *c, struct err *e);
json_t *cjo_list(struct cjo *c, struct err *e);
json_t *cjo_get(struct cjo *c, int64_t id, struct err *e);
int64_t cjo_create(struct cjo *c, const json_t *job, struct err *e); /* its id; 0: error */
int cjo_patch(struct cjo *c, int64_t id, const json_t *change, struct err *e);

#endif
