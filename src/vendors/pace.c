/*
 * pace - counts what is in the air against what was left.
 */
#include "vendors/pace.h"

int64_t
pace_wait_ms(const struct pace *pace, int64_t now_ms)
{
	if (pace->not_before_ms > now_ms)
		return pace->not_before_ms - now_ms;
	/* Those in the air will have taken what was left. */
	return pace->left >= 0 && pace->inflight >= pace->left ? pace->window_s * 1000 : 0;
}

void
pace_sent(struct pace *pace)
{
	pace->inflight++;
}

void
pace_learn(struct pace *pace, const struct pace_told *told, int64_t now_ms)
{
	int64_t wait_s = told->wait_s;

	if (pace->inflight > 0)
		pace->inflight--;
	if (told->left >= 0) {
		pace->left = told->left;
		pace->window_s = told->window_s;
	}
	if (wait_s == 0 && told->left == 0)
		wait_s = told->window_s;
	if (wait_s == 0)
		return;
	if (pace->not_before_ms < now_ms + wait_s * 1000)
		pace->not_before_ms = now_ms + wait_s * 1000;
	/* Unless a full window is known, how much there is then is told by the first that goes. */
	pace->left = told->limit > 0 ? told->limit : -1;
}
