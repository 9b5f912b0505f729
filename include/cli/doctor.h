/*
 * doctor - what `cronward doctor` looks at.
 *
 * A check says what it found, once or more; it never ends the program, and one whose ground is
 * missing (no database, no APP_URL) says so once and leaves the rest out.  Nothing is changed.
 */
#ifndef CRONWARD_CLI_DOCTOR_H
#define CRONWARD_CLI_DOCTOR_H

#include "base/conf.h"
#include "base/err.h"
#include "db/sql.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARN, /* works today; somebody should look at it */
	DOCTOR_FAIL, /* does not work, or is open to strangers */
	DOCTOR__MAX
};

enum {
	DOCTOR_FOUND_MAX = 512,
};

struct doctor {
	struct conf conf; /* what of the settings parsed */
	struct err conf_err;
	struct db *db;
	bool db_is_there; /* connected, and not lost since */
	bool has_schema;
	bool is_current; /* with all tables that this program knows */
	/* Options: where the pools' sockets and the site's allowlist are; NULL: the usual places.
	 */
	const char *sockets, *allow;

	const char *check; /* the one that speaks */
	bool json;
	json_t *findings;
	unsigned counts[DOCTOR__MAX];
};

/* What the check found; ${todo}, for warn and fail, is what to do: a command or a setting. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *todo, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define doctor_ok(d, ...) doctor_say(d, DOCTOR_OK, NULL, __VA_ARGS__)
#define doctor_warn(d, todo, ...) doctor_say(d, DOCTOR_WARN, todo, __VA_ARGS__)
#define doctor_fail(d, todo, ...) doctor_say(d, DOCTOR_FAIL, todo, __VA_ARGS__)

/* NULL: said already, or the database is away. */
PGresult *doctor_query(struct doctor *d, enum sql_id sql);

/* doctor_database.c */
void doctor_database(struct doctor *);
void doctor_server(struct doctor *);
void doctor_encryption(struct doctor *);
void doctor_schema(struct doctor *);
void doctor_role(struct doctor *);
void doctor_privileges(struct doctor *);
void doctor_connections(struct doctor *);
void doctor_clock(struct doctor *);
/* doctor_pooler.c */
void doctor_pooler(struct doctor *);
/* doctor_work.c */
void doctor_transactions(struct doctor *);
void doctor_vacuum(struct doctor *);
void doctor_locks(struct doctor *);
void doctor_runs(struct doctor *);
/* doctor_jobs.c */
void doctor_jobs(struct doctor *);
/* doctor_shop.c */
void doctor_events(struct doctor *);
void doctor_mail(struct doctor *);
/* doctor_integrations.c */
void doctor_integrations(struct doctor *);
void doctor_whatsapp(struct doctor *);
/* doctor_secrets.c */
void doctor_secrets(struct doctor *);
/* doctor_keys.c */
void doctor_keys(struct doctor *);
/* doctor_pools.c */
void doctor_pools(struct doctor *);
void doctor_files(struct doctor *);
/* doctor_front.c */
void doctor_front(struct doctor *);
/* doctor_allow.c */
void doctor_allow(struct doctor *);
/* doctor_egress.c */
void doctor_egress(struct doctor *);
void doctor_names(struct doctor *);
void doctor_proxies(struct doctor *);

/* Days since ${since_s} (of 1970) by this host's clock. */
int64_t doctor_days_since(int64_t since_s);
/* Says so when others may read ${path}, or more than its owner write it. */
void doctor_file_mode(struct doctor *d, const char *name, const char *path);

#endif
