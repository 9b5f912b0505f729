/*
 * sql_carrier - items that are functions of the database's, each on a connection of its own.
 */
#ifndef CRONWARD_PROCESSORS_SQL_CARRIER_H
#define CRONWARD_PROCESSORS_SQL_CARRIER_H

#include "engine/flow.h"

#include <stdbool.h>
#include <stdint.h>

struct run;

enum {
	SQL_CALL_ARGS_MAX = 4,
};

/* What runs for an item, as a transaction of its own. */
struct sql_call {
	enum sql_id sql;
	const char *args[SQL_CALL_ARGS_MAX]; /* live until the item is settled */
	int args_count;
	const char *what; /* the item, in its errors: "job" */
	bool is_heard;    /* its notices become notes, for flows that have them */
	/*
	 * What becomes of an item that failed, and has its error.  ${is_uncalled}: no function
	 * was called, since there is none such (SQLSTATE CW422).
	 */
	enum verdict (*failed)(struct item *, bool is_uncalled);
};

/*
 * The carrier of this process, with at most ${connections_max} connections (1000 is the most), made
 * as they are needed.
 */
const struct flow_carrier *sql_carrier(int64_t connections_max);

/*
 * Begins ${call} for ${item}, whose time-out is that of the statement: VERDICT_CARRY, or
 * VERDICT_HOLD where there is no connection to be had.  An answer of any kind is VERDICT_DONE.
 */
enum verdict sql_carry(struct run *r, struct item *item, const struct sql_call *call);

/* Closes the connections: an idle process keeps none that others could need. */
void sql_carrier_rest(void);

#endif
