/*
 * jobs - what the handlers of /api/jobs have in common.
 */
#ifndef CRONWARD_GATEWAY_JOBS_H
#define CRONWARD_GATEWAY_JOBS_H

#include "db/db.h"

#include <jansson.h>

struct call;

enum {
	JOBS_BODY_MAX = 8 * 1024 * 1024,     /* of jobs to enqueue */
	JOBS_CALLBACK_MAX = 1 * 1024 * 1024, /* of what a processor reports */
	JOBS_ACTOR_MAX = 160,
};

/*
 * One statement, again where the server asks for it.  The result (the caller's, PQclear), or NULL
 * with c->err: a value that PostgreSQL does not take is the caller's fault.
 */
PGresult *jobs_query(struct call *c, enum sql_id sql, const char *const *args, int args_count);

/* The id in the path, for a statement; NULL with c->err (ERR_NOT_FOUND) where it is none. */
const char *jobs_id(struct call *c);

/* Who asks, for audit_log: address and user agent.  Returns ${to}. */
const char *jobs_actor(const struct call *c, char to[static JOBS_ACTOR_MAX]);

/* 0, or -1 with c->err where the body, which request_body() has read, cannot be stored as JSON. */
int jobs_body_judge(struct call *c);
/*
 * The body, a JSON object with no other keys than ${names} (ended by NULL); {} where it is empty.
 * The caller's, or NULL with c->err.
 */
json_t *jobs_body(struct call *c, const char *const *names);

/* Replies with ${json} as PostgreSQL made it. */
void jobs_reply(struct call *c, const char *json);

/* Replies with what ${rows} (NULL: c->err says why) tell of job ${id}: nothing says there is none.
 */
void jobs_reply_one(struct call *c, const char *id, PGresult *rows);

#endif
