/*
 * event_forward - passes inbound events on to an application.
 */
#ifndef CRONWARD_WORKERS_EVENT_FORWARD_H
#define CRONWARD_WORKERS_EVENT_FORWARD_H

#include "engine/flow.h"

#include <stdbool.h>

/* Whether a handler's ${action} is an address, and not a function. */
bool event_is_forwarded(const char *action);

/* As flow.step, for events whose handler forwards them (workers/events.h has the columns). */
enum verdict event_forward_step(
    struct run *, struct item *, const struct http_reply *, struct http_request *);

#endif
