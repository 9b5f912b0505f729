/*
 * pace - no request that would be one too many, as far as a vendor's answers tell.
 *
 * Knows what is left of one limit: of one key, say, for one kind of request.  Times are of one
 * clock, which the caller reads.
 */
#ifndef CRONWARD_VENDORS_PACE_H
#define CRONWARD_VENDORS_PACE_H

#include <stdint.h>

/* left is -1 to begin with, or what may go before the first answer tells more. */
struct pace {
	int64_t not_before_ms;
	int64_t left; /* as last told; -1: not told */
	int64_t window_s;
	int inflight;
};

/* What one answer tells of the limit. */
struct pace_told {
	int64_t left;     /* requests that it still allows; -1: nothing about that */
	int64_t window_s; /* where none is left: when to look again */
	int64_t limit;    /* what a new window allows; 0: nothing about that */
	int64_t wait_s;   /* for how long to leave it alone, whatever is left; 0: need not */
};

/* How long a request has to wait at ${now_ms} so as not to be one too many; 0: it may go. */
int64_t pace_wait_ms(const struct pace *pace, int64_t now_ms);
void pace_sent(struct pace *pace);
/*
 * Takes in what the answer of one that was sent tells, at ${now_ms}.  What it does not tell stays
 * as it was known.
 */
void pace_learn(struct pace *pace, const struct pace_told *told, int64_t now_ms);

#endif
