/*
 * health_end - how the check of a WhatsApp connection ends: a part of whatsapp-health-check.
 */
#ifndef CRONWARD_WORKERS_HEALTH_END_H
#define CRONWARD_WORKERS_HEALTH_END_H

#include "engine/flow.h"
#include "vendors/meta.h"

struct run;

enum { HEALTH_SAYS_MAX = 512 };

/* What is known of a connection so far. */
struct health_found {
	int64_t latency_ms; /* of the slowest answer; -1: there was none */
	int64_t expires_at_s, data_access_expires_at_s; /* since 1970; 0: never, or not known */
	int64_t account_usage;                          /* percent of its rate limit */
	enum meta_quality quality;
	const char *code; /* of the first warning; NULL: none */
	char says[HEALTH_SAYS_MAX];
};

/*
 * Each writes item->result and the item's error for the settle statement: one row of
 * whatsapp_health.
 */

/* The token works.  Healthy, or a warning where there is something to look after. */
enum verdict health_end_fine(const struct run *r, struct item *item, struct health_found *found);
/* Meta says what is wrong with the connection. */
enum verdict health_end_error(
    struct item *item, const struct health_found *found, const struct meta_answer *answer);
/* What is stored of the connection is wrong, so Meta need not be asked: ${code} is a word. */
enum verdict health_end_fault(struct item *item, const char *code, const char *says);
/*
 * Meta did not say: the connection's health stays as it was, and Meta is left alone about it for
 * answer->wait_s.
 */
enum verdict health_end_unknown(
    struct item *item, const struct health_found *found, const struct meta_answer *answer);
/* It is our fault: nothing is said of the connection, and the next run tries again. */
enum verdict health_end_held(struct item *item, const char *code, const char *why);

#endif
