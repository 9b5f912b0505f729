/*
 * sync_vendors - the vendors of a run: whether each may be asked, and who was.
 */
#include "workers/sync_vendors.h"

#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
	VENDOR_FAILURES_MAX = 10, /* in a row */
	VENDOR_DOWN_MS = 60000,
};

static const struct sync_vendor *const vendors[SYNC_VENDORS] = { &sync_github, &sync_notion,
	&sync_slack, &sync_google_calendar };

void
sync_vendors_open(struct sync_vendor_run all[static SYNC_VENDORS])
{
	for (int i = 0; i < SYNC_VENDORS; i++)
		all[i] = (struct sync_vendor_run){ .vendor = vendors[i] };
}

struct sync_vendor_run *
sync_vendor_by_name(struct sync_vendor_run *all, const char *provider)
{
	for (int i = 0; i < SYNC_VENDORS; i++)
		if (strcmp(all[i].vendor->name, provider) == 0)
			return &all[i];
	return NULL;
}

bool
sync_vendor_is_open(const struct sync_vendor_run *of, int64_t *ret_ms)
{
	int64_t left_ms = of->until_ms - clock_mono_ms();

	*ret_ms = left_ms > 0 ? left_ms : 0;
	if (of->is_down) {
		/* For this run it stays closed; the next one tries again. */
		*ret_ms = VENDOR_DOWN_MS;
		return false;
	}
	return left_ms <= 0;
}

void
sync_vendor_answers(struct sync_vendor_run *of)
{
	of->failures = 0;
}

void
sync_vendor_fails(struct sync_vendor_run *of, const char *says)
{
	if (++of->failures < VENDOR_FAILURES_MAX || of->is_down)
		return;
	of->is_down = true;
	snprintf(of->says, sizeof of->says, "it answers nobody (%.240s)", says);
}

void
sync_vendor_limits(struct sync_vendor_run *of, int64_t wait_ms, const char *says)
{
	int64_t until_ms = clock_mono_ms() + wait_ms;

	if (until_ms <= of->until_ms)
		return;
	of->until_ms = until_ms;
	snprintf(of->says, sizeof of->says, "%s", says);
}

void
sync_vendor_setting(const struct sync_vendor *v, char *to, size_t room)
{
	size_t len = strcspn(v->name, "_");

	snprintf(to, room, "%.*s", (int)len, v->name);
	for (char *c = to; *c; c++)
		*c = (char)toupper((unsigned char)*c);
}
