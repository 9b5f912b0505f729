/*
 * route - the paths that the program answers, and who may ask.
 */
#ifndef CRONWARD_GATEWAY_ROUTE_H
#define CRONWARD_GATEWAY_ROUTE_H

#include "base/err.h"
#include "gateway/request.h"

#include <stdbool.h>

struct call;
struct worker;

/* What one value of a route's parameter stands for. */
struct route_choice {
	const char *value;    /* NULL ends the list */
	const char *queues;   /* of run->queues, an array literal */
	const char *schedule; /* when a cron service is to ring with it, like the worker's */
};

struct route {
	/*
	 * One that ends in '/' stands for all that begin with it; "{name}" in place of a segment
	 * for any segment that is not empty.
	 */
	const char *path;
	const struct worker *worker; /* what it runs, if anything */
	/* By method; NULL: not allowed.  Fills in the call's reply, or its err. */
	void (*handle[METHOD__MAX])(struct call *);
	unsigned secrets;        /* AUTH_SECRET()s, one of which opens it; 0: open to all */
	bool quiet;              /* asked for every few seconds: its calls are logged at debug */
	bool takes_query_secret; /* a GET that asks for no run may show a secret as ?secret= */
	bool has_queues;         /* its runs can be narrowed to some queues */
	/* Its runs can be narrowed by this parameter, to one of these choices; NULL: by none. */
	const char *parameter;
	const struct route_choice *choices;
	size_t body_max; /* bytes; 0: REQUEST_BODY_MAX */
};

/* Ended by a row without a path. */
extern const struct route routes[];

/*
 * The first route in the table's order that ${path} fits, with what stands for its placeholder, or
 * behind its prefix, in ${ret_rest} ("" where it has neither); or NULL.
 */
const struct route *route_find(const char *path, char ret_rest[static REQUEST_PATH_MAX]);
/* Whether ${path}, shorter than REQUEST_PATH_MAX, fits ${pattern}, a route's. */
bool route_fits(const char *pattern, const char *path, char ret_rest[static REQUEST_PATH_MAX]);
/* The first route that runs the worker called ${name}, or NULL. */
const struct route *route_of_worker(const char *name);

/*
 * What ${value} of ${route}'s parameter stands for.  NULL with ERR_BAD_REQUEST, which names the
 * parameter and what is allowed.
 */
const struct route_choice *route_choose(
    const struct route *route, const char *value, struct err *e);

#endif
