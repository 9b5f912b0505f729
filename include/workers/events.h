/*
 * events - what is done with inbound events, of whichever table: the part that all workers of
 * events have in common.
 */
#ifndef CRONWARD_WORKERS_EVENTS_H
#define CRONWARD_WORKERS_EVENTS_H

#include "engine/flow.h"

#include <stdint.h>

struct run;

/* As sql/events.sql has them; NEW: what was never tried, as it comes. */
enum event_source {
	EVENTS_WEBHOOK,
	EVENTS_WEBHOOK_NEW,
	EVENTS_WHATSAPP,
	EVENTS_WHATSAPP_NEW,
	EVENTS__MAX
};

/* Columns of the claim, for item_text(). */
enum event_column {
	EVENT_ID,
	EVENT_PROVIDER,
	EVENT_EVENT_ID, /* of the provider's; NULL: none */
	EVENT_TYPE,
	EVENT_ATTEMPTS, /* settled tries so far */
	EVENT_TOKEN,
	EVENT_PERFORMED, /* t: its function's work is committed already */
	EVENT_HANDLER,   /* event_handlers.id; NULL: nobody handles it */
	EVENT_ACTION,
	EVENT_SECRET,  /* of the handler: plain or sealed; NULL: none */
	EVENT_HEADERS, /* of the handler, a JSON object as text; NULL: none */
	/* From here on for forwards alone. */
	EVENT_CAME_WITH, /* likewise the headers that it came with */
	EVENT_BODY,      /* as it came, in hex; NULL: the payload is all there is */
	EVENT_PAYLOAD,   /* where there is no body */
	EVENT__MAX
};

/*
 * Processes what is due of ${source}, until nothing is.  Of new ones also what comes during a
 * second from the run's start, so that steady traffic makes a run a second and not one for each
 * event.  As worker.work.
 */
int events_work(struct run *r, enum event_source source);

/*
 * Failed: the item has its error.  VERDICT_RETRY with the wait of the settings (or
 * ${retry_after_s}, where that is longer), or VERDICT_DEAD when its tries are used up.
 */
enum verdict event_again(struct item *item, int64_t retry_after_s);

#endif
