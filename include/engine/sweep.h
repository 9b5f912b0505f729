/*
 * sweep - set-based work in bounded batches: one statement a batch, until nothing is left.
 */
#ifndef CRONWARD_ENGINE_SWEEP_H
#define CRONWARD_ENGINE_SWEEP_H

#include "db/sql.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;

/*
 * One kind of rows.  The statement is
 *	($1 limit, $2 the run's start, $3 days, $4 cursor at, $5 cursor id)
 *	-> one row: moved, seen, cursor_at (microseconds since 1970), cursor_id
 * It looks at no more than limit rows behind the cursor; seen < limit says that it is through.
 * It must be safe to run again, for its commit is asynchronous.
 */
struct sweep {
	enum sql_id sql;
	int64_t batch_size;
	int64_t days;       /* $3: how old a row must be; 0 where the statement does not ask */
	int tally;          /* run->tally that counts moved rows */
	bool is_item;       /* moved rows are the run's items: processed, and within items_max */
	const char *id_min; /* below every id, as text */
};

/*
 * Runs the sweeps in turn, a batch each, so that no long one starves the others, until all are
 * through, the run's time is up, or ${items_max} (0: no cap) items were moved; run->more says
 * whether anything is left.  A batch that takes too long is halved.  0, or -1 with run->err.
 */
int sweep_run(struct run *r, const struct sweep *sweeps, size_t count, int64_t items_max);

#endif
