/*
 * inbound - the workers that process events as they come.
 *
 * On no list and behind no route: rung (engine/run.h) by the calls that bring events, they process
 * each for the first time, behind the reply.
 */
#ifndef CRONWARD_WORKERS_INBOUND_H
#define CRONWARD_WORKERS_INBOUND_H

#include "engine/worker.h"

extern const struct worker worker_inbound_payments;
extern const struct worker worker_inbound_whatsapp;

#endif
