/*
 * route - the paths that the program answers, and who may ask.
 */
#ifndef CRONWARD_GATEWAY_ROUTE_H
#define CRONWARD_GATEWAY_ROUTE_H

#include "gateway/request.h"

#include <stdbool.h>

struct call;
struct worker;

struct route {
	const char *path;            /* one that ends in '/' stands for all that begin with it */
	const struct worker *worker; /* what it runs, if anything */
	/* By method; NULL: not allowed.  Fills in the call's reply, or its err. */
	void (*handle[METHOD__MAX])(struct call *);
	unsigned secrets; /* AUTH_SECRET()s, one of which opens it; 0: open to all */
	bool quiet;       /* asked for every few seconds: its calls are logged at debug */
};

/* Ended by a row without a path. */
extern const struct route routes[];

/* The route of ${path}, *ret_rest pointing behind a prefix; or NULL. */
const struct route *route_find(const char *path, const char **ret_rest);
/* The first route that runs the worker called ${name}, or NULL. */
const struct route *route_of_worker(const char *name);

#endif
