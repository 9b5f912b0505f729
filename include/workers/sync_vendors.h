/*
 * sync_vendors - the vendors of a run: whether each may be asked, and who was.
 *
 * A vendor that wants no more requests of anybody, or answers none, is left alone by the rest of
 * the run: what waits for it is put aside, and nothing that was not tried has failed.
 */
#ifndef CRONWARD_WORKERS_SYNC_VENDORS_H
#define CRONWARD_WORKERS_SYNC_VENDORS_H

#include "engine/flow.h"
#include "vendors/sync.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	SYNC_VENDORS = 4,
	SYNC_REST_MAX_MS =
	    5000, /* of a limit that is waited for; where it lasts longer we do not */
};

struct sync_vendor_run {
	const struct sync_vendor *vendor;
	int failures;     /* in a row, of whomsoever */
	int64_t until_ms; /* closed until then, CLOCK_MONOTONIC; 0: open */
	bool is_down;     /* closed since it answers nobody */
	char says[SYNC_SAYS_MAX];
};

/* The vendor called ${provider}; NULL where there is none. */
struct sync_vendor_run *sync_vendor_by_name(struct sync_vendor_run *all, const char *provider);
/* All of them, as open. */
void sync_vendors_open(struct sync_vendor_run all[static SYNC_VENDORS]);

/* Whether ${of} may be asked now; else *ret_ms is for how long it may not. */
bool sync_vendor_is_open(const struct sync_vendor_run *of, int64_t *ret_ms);
/* It has answered: it is not down. */
void sync_vendor_answers(struct sync_vendor_run *of);
/* It has not, or with an error of its own, as ${says} says.  Too many in a row close it. */
void sync_vendor_fails(struct sync_vendor_run *of, const char *says);
/* It wants no request of anybody for ${wait_ms}. */
void sync_vendor_limits(struct sync_vendor_run *of, int64_t wait_ms, const char *says);

/* The first part of its settings' names, such as GITHUB of GITHUB_CLIENT_ID, in ${to}. */
void sync_vendor_setting(const struct sync_vendor *v, char *to, size_t room);

#endif
