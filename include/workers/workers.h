/*
 * workers - the list of all workers, and of the columns in which they keep secrets.
 */
#ifndef CRONWARD_WORKERS_WORKERS_H
#define CRONWARD_WORKERS_WORKERS_H

#include "engine/sealed.h"
#include "engine/worker.h"

extern const struct worker worker_webhook_retry;
extern const struct worker worker_notification_expiry;
extern const struct worker worker_data_archival;

/* Ended by NULL. */
extern const struct worker *const workers[];

enum sealed_column_id { SEALED_WEBHOOK_SECRET, SEALED_WEBHOOK_PREVIOUS, SEALED__MAX };
extern const struct sealed_column sealed_columns[SEALED__MAX];

/* The worker called ${name}, or NULL. */
const struct worker *worker_by_name(const char *name);

#endif
