/*
 * apollo_pace - no question that would be one too many, as far as answers tell.
 */
#include "vendors/apollo.h"

int64_t
apollo_pace_wait_ms(const struct apollo_pace *pace, int64_t now_ms)
{
	if (pace->not_before_ms > now_ms)
		return pace->not_before_ms - now_ms;
	/* Those in the air will have taken what was left. */
	return pace->left >= 0 && pace->inflight >= pace->left ? pace->window_s * 1000 : 0;
}

void
apollo_pace_sent(struct apollo_pace *pace)
{
	pace->inflight++;
}

void
apollo_pace_learn(struct apollo_pace *pace, const struct apollo_answer *answer, int64_t now_ms)
{
	int64_t wait_s = 0;

	if (pace->inflight > 0)
		pace->inflight--;
	pace->left = answer->left;
	pace->window_s = answer->window_s;
	if (answer->outcome == APOLLO_LIMITED)
		wait_s = answer->wait_s;
	else if (answer->left == 0)
		wait_s = answer->window_s;
	if (wait_s == 0)
		return;
	if (pace->not_before_ms < now_ms + wait_s * 1000)
		pace->not_before_ms = now_ms + wait_s * 1000;
	/* How much there is then is told by the first one that goes. */
	pace->left = -1;
}
