/*
 * sealed_columns - the columns in which secrets are kept, for everybody who opens one or looks
 * after all of them.  A new one is a source in sql/sealed.sql and an entry in the list.
 */
#ifndef CRONWARD_ENGINE_SEALED_COLUMNS_H
#define CRONWARD_ENGINE_SEALED_COLUMNS_H

#include "engine/sealed.h"

enum sealed_column_id {
	SEALED_WEBHOOK_SECRET,
	SEALED_WEBHOOK_PREVIOUS,
	SEALED_JOB_TYPE_SECRET,
	SEALED_APOLLO_KEY,
	SEALED_EVENT_HANDLER_SECRET,
	SEALED_WHATSAPP_TOKEN,
	SEALED_INTEGRATION_ACCESS,
	SEALED_INTEGRATION_REFRESH,
	SEALED__MAX
};
extern const struct sealed_column sealed_columns[SEALED__MAX];

struct run;

/*
 * Seals what is plain in the columns from ${first} to ${last}, before a run uses it for the first
 * time, where there is a key.  The run goes on when that does not succeed: the next one seals what
 * is left.
 */
void sealed_columns_close(struct run *r, enum sealed_column_id first, enum sealed_column_id last);

#endif
