/*
 * sql_parts - what the files of the carrier of functions share, and nobody else sees.
 */
#ifndef CRONWARD_PROCESSORS_SQL_PARTS_H
#define CRONWARD_PROCESSORS_SQL_PARTS_H

#include "engine/flow.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes a log line or a sign of progress of what ${item}'s function has just said. */
void sql_hear(struct item *item, const PGresult *notice);

/*
 * The function failed ${took_ms} after it began: fills in the item's error.  True where none was
 * called at all.
 */
bool sql_refused(struct item *item, const PGresult *refusal, int64_t took_ms);

#endif
