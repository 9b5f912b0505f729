/*
 * backoff - one function, so that every worker waits alike.
 */
#include "engine/backoff.h"

#include "base/crypto.h"

enum {
	BACKOFF_JITTER_PERCENT = 10,
};

static int64_t backoff_wait_s(const struct backoff *, int64_t failures);

int64_t
backoff_ms(const struct backoff *b, int64_t failures, int64_t retry_after_s)
{
	int64_t wait_s = backoff_wait_s(b, failures), wait_ms = 0;

	if (retry_after_s > BACKOFF_RETRY_AFTER_MAX_S)
		retry_after_s = BACKOFF_RETRY_AFTER_MAX_S;
	if (retry_after_s > wait_s)
		wait_s = retry_after_s;
	wait_ms = wait_s * 1000;
	/* Jitter in steps of a thousandth of it, so that the random number stays small. */
	return wait_ms +
	       wait_ms * BACKOFF_JITTER_PERCENT / 100 * (int64_t)crypto_random_below(1001) / 1000;
}

static int64_t
backoff_wait_s(const struct backoff *b, int64_t failures)
{
	int64_t wait_s = b->first_s;

	if (b->schedule_count > 0) {
		size_t last = b->schedule_count - 1;

		return b->schedule_s[(uint64_t)failures - 1 < last ? (size_t)failures - 1 : last];
	}
	for (int64_t n = 1; n < failures && wait_s < b->cap_s; n++)
		wait_s *= b->factor;
	return wait_s < b->cap_s ? wait_s : b->cap_s;
}
