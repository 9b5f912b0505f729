/*
 * sync_state - which request of an integration is next, and what an answer changes.
 *
 * What it goes by is the integration's cursor, JSON that is stored after each answer; whoever is
 * killed between two of them goes on at the last one that was stored.  It knows no database and no
 * network.
 *
 * A pass goes through the vendor's streams in order.  Of each it reads what has changed since the
 * last one or, where that is not known or was long ago, the whole, which ends with a sweep: what
 * was not listed is not there any more.
 */
#ifndef CRONWARD_WORKERS_SYNC_STATE_H
#define CRONWARD_WORKERS_SYNC_STATE_H

#include "base/err.h"
#include "vendors/sync.h"
#include "workers/sync_cursor.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct sync_state {
	const struct sync_vendor *vendor;
	int64_t whole_h; /* SYNC_WHOLE_HOURS */
	json_t *cursor;
	int restarts; /* of this claim */
	bool is_over; /* the pass has ended */
	char part[SYNC_PART_MAX];
};

enum sync_move {
	SYNC_ASK,   /* a request is next */
	SYNC_SWEEP, /* sync_state_sweep() is, which needs no request and brings no things */
	SYNC_OVER   /* the pass is over: the integration is done for now */
};

/* What is to be written besides the cursor. */
struct sync_written {
	const char *effect; /* "page": the things of the answer; "sweep"; NULL: nothing */
	const struct sync_stream *stream;
	const char *part; /* NULL, or in the state until the next call */
	int64_t page;     /* its number within the pass of this stream, or part, from 1 */
	bool is_whole;
};

/*
 * A state at ${cursor}, JSON text; one that is unreadable counts as {}, with which everything is
 * read from the beginning.  ${whole_h}: hours after which streams that are read by what has
 * changed are read whole again; 0: never.
 */
void sync_state_init(
    struct sync_state *s, const struct sync_vendor *v, const char *cursor, int64_t whole_h);
void sync_state_finish(struct sync_state *s); /* all zero is fine */

/*
 * What is next, at ${now_unix_s}.  SYNC_ASK: *ret_ask has the request without conf and token, its
 * texts in the state until the next call but this; asked again it is the same one until its answer
 * is taken.
 */
enum sync_move sync_state_next(struct sync_state *s, int64_t now_unix_s, struct sync_ask *ret_ask);
/*
 * Takes the answer to what sync_state_next() has asked: PAGE, SAME, NARROW, SKIP, RESTART or
 * SMALLER; of others the caller knows what to do, and asks again.  0 with *ret_written; or -1 with
 * ${e}: the vendor says what cannot be, nothing is to be written, and the state of no more use.
 */
int sync_state_take(struct sync_state *s, const struct sync_answer *answer, int64_t now_unix_s,
    struct sync_written *ret_written, struct err *e);
/* Where sync_state_next() says SYNC_SWEEP: goes on behind it; a "page" of it has no things. */
void sync_state_sweep(struct sync_state *s, int64_t now_unix_s, struct sync_written *ret_written);

/*
 * What the settle statement needs for ${written} (NULL: nothing but the cursor), as JSON text;
 * the caller's to free.
 */
char *sync_state_result(const struct sync_state *s, const struct sync_written *written);

#endif
