/*
 * sync_account - an integration under way: what stays from one of its turns to the next, and the
 * ways in which its turns end.
 */
#ifndef CRONWARD_WORKERS_SYNC_ACCOUNT_H
#define CRONWARD_WORKERS_SYNC_ACCOUNT_H

#include "engine/flow.h"
#include "engine/sealed_columns.h"
#include "workers/sync_state.h"
#include "workers/sync_vendors.h"

#include <stdbool.h>
#include <stdint.h>

struct run;

/* Columns of the claim, in the order of the flow's. */
enum {
	SYNC_COLUMN_ID,
	SYNC_COLUMN_USER,
	SYNC_COLUMN_PROVIDER,
	SYNC_COLUMN_ACCESS,
	SYNC_COLUMN_REFRESH,
	SYNC_COLUMN_EXPIRES_IN_S,
	SYNC_COLUMN_CURSOR,
	SYNC_COLUMN_ATTEMPTS,
	SYNC_COLUMN_IS_REFRESH_LOST,
};

/* The worker's tallies, in the order of its list; vendors in the order of sync_vendors_open(). */
enum {
	SYNC_TALLY_USERS,
	SYNC_TALLY_INTEGRATIONS,
	SYNC_TALLY_VENDORS,                                    /* the first of them */
	SYNC_TALLY_FAILED = SYNC_TALLY_VENDORS + SYNC_VENDORS, /* likewise */
	SYNC_TALLY_PAGES = SYNC_TALLY_FAILED + SYNC_VENDORS,
	SYNC_TALLY_UNCHANGED,
	SYNC_TALLY_ITEMS_CHANGED, /* these three are counted by the settle statement */
	SYNC_TALLY_ITEMS_DELETED,
	SYNC_TALLY_ITEMS_SKIPPED,
	SYNC_TALLY_REFRESHED,
	SYNC_TALLY_REFRESHES_LOST,
	SYNC_TALLY_REAUTH,
	SYNC_TALLY_LIMITED,
};

enum sync_phase {
	SYNC_READS,     /* pages, with the access token */
	SYNC_INTENDS,   /* to refresh it, which is written down: the next request does that */
	SYNC_REFRESHES, /* ... and is in the air */
};

/* item->kind, from its first step of a claim until it is let go of. */
struct sync_account {
	struct sync_vendor_run *of;
	struct sync_state state;
	enum sync_phase phase;
	char *access, *refresh; /* sealed; NULL: as the row has it.  What this claim has stored */
	int64_t expires_s;      /* of the access token, since 1970; 0: not known */
	int64_t sent_ms;        /* its last request, CLOCK_MONOTONIC */
	int pages, repeats, rests; /* of this claim; rests: in a row */
	bool is_new;               /* its token: nothing was read with it yet */
	bool must_refresh;         /* its token; until a new one is stored */
	bool is_refresh_lost;      /* the answer to one was, so that its token may be used up */
	bool has_written;          /* in this claim: attempts counts from 0 */
	bool is_failing;           /* its last request failed, and was to be repeated */
	char *form;                /* in the air with a token in it, to be wiped; NULL: none */
	size_t form_len;
};

/* As the row of ${item} has it, at the vendor ${of}, which it borrows; the caller's. */
struct sync_account *sync_account_create(
    struct run *r, const struct item *item, struct sync_vendor_run *of);
void sync_account_destroy(struct sync_account *a);
/* What hangs on ${item}; NULL before its first step. */
struct sync_account *sync_account_of(const struct item *item);

/* What ${column}, SEALED_INTEGRATION_ACCESS or _REFRESH, has by now; NULL: nothing. */
const char *sync_account_sealed(const struct item *item, enum sealed_column_id column);
/*
 * The token in ${column}, plain; "" where there is none; NULL with ${e} where it does not open.
 * For sync_account_wipe() as soon as it was used.
 */
char *sync_account_token(
    struct run *r, const struct item *item, enum sealed_column_id column, struct err *e);
void sync_account_wipe(char *token);

/* It has failed as ${says} says: again after a while, or after ${wait_s} if that is more. */
enum verdict sync_account_retry(struct item *item, const char *says, int64_t wait_s);
/* That while: longer each time in a row, or ${wait_s} if that is more; -1: nobody says. */
int64_t sync_account_backoff_ms(const struct item *item, int64_t wait_s);
/*
 * A request was not answered, or with an error of theirs: once more within this claim, where that
 * may help, else sync_account_retry().
 */
enum verdict sync_account_repeat(
    struct run *r, struct item *item, const char *says, int64_t wait_s);
/* The user has to connect it again. */
enum verdict sync_account_reauth(struct run *r, struct item *item, const char *says);
/* Not the account's fault, and not the vendor's: it waits until ours is put right. */
enum verdict sync_account_hold(struct item *item, const char *says);
/* ${wait_ms}, and up to a tenth more, so that not all come at once. */
int64_t sync_account_spread_ms(int64_t wait_ms);
/* Put aside for ${wait_ms}; it has not failed. */
enum verdict sync_account_park(struct item *item, int64_t wait_ms, const char *says);

#endif
