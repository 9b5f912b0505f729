/*
 * doctor_pooler - whether a pooler stands between, and which of its modes it is in.
 *
 * A pooler does not tell.  In statement mode it refuses a transaction.  In session mode our
 * backend is ours while we are connected; in transaction mode it goes back after each unit, so a
 * second client that asks behind us gets the very same one, as long as nobody else is quicker.
 */
#include "cli/doctor.h"
#include "db/db.h"

#include <inttypes.h>

enum {
	POOLER_TRIES = 5,
};

enum pooler_mode { POOLER_AWAY, POOLER_STATEMENT, POOLER_TRANSACTION, POOLER_SESSION };

static enum pooler_mode pooler_mode(struct doctor *);
static bool pooler_takes_transactions(struct doctor *);
static bool pooler_shares_backends(struct doctor *, struct db *other);
static int64_t pooler_backend(struct db *);

void
doctor_pooler(struct doctor *d)
{
	int64_t processes =
	    d->conf.pool_workers + d->conf.pool_api + d->conf.pool_inbound + d->conf.pool_async;
	struct db_link link;

	if (!d->db_is_there || !db_link(d->db, &link))
		return;
	if (!link.is_pooled) {
		doctor_ok(d, "there is none: PostgreSQL itself answers");
		return;
	}
	switch (pooler_mode(d)) {
	case POOLER_AWAY:
		d->db_is_there = false;
		doctor_fail(d, "see the pooler's log, and the server's",
		    "a pooler that has just stopped answering; what needs the database is left out "
		    "from here");
		break;
	case POOLER_STATEMENT:
		doctor_fail(d, "pool_mode = transaction, for this database",
		    "a pooler in statement mode: it refuses the transactions of `cronward "
		    "migrate`");
		break;
	case POOLER_TRANSACTION:
		doctor_ok(d, "one in transaction mode: nothing here depends on a session");
		break;
	case POOLER_SESSION:
		doctor_warn(d,
		    "pool_mode = transaction, or default_pool_size of that many at least",
		    "one that seems to be in session mode: each of the %" PRId64 " processes keeps "
		    "a server connection, and one too many waits for ever",
		    processes);
		break;
	}
}

static enum pooler_mode
pooler_mode(struct doctor *d)
{
	struct db *other;
	bool shares;

	if (!pooler_takes_transactions(d))
		return pooler_backend(d->db) < 0 ? POOLER_AWAY : POOLER_STATEMENT;
	other = db_create(&d->conf);
	shares = pooler_shares_backends(d, other);
	db_destroy(other);
	return shares ? POOLER_TRANSACTION : POOLER_SESSION;
}

/* Asked twice: a connection may be lost at any moment. */
static bool
pooler_takes_transactions(struct doctor *d)
{
	for (int i = 0; i < 2; i++) {
		if (db_begin(d->db, NULL) != 0)
			continue;
		db_rollback(d->db);
		return true;
	}
	return false;
}

/* Whether we ever meet a backend that another client of ours has, or have another one than before.
 */
static bool
pooler_shares_backends(struct doctor *d, struct db *other)
{
	int64_t first = pooler_backend(d->db);

	for (int i = 0; i < POOLER_TRIES; i++) {
		int64_t theirs = pooler_backend(other), ours = pooler_backend(d->db);

		/* The pooler has no server for them while we have one: that is a session's. */
		if (theirs < 0)
			return false;
		if (theirs == ours || ours != first)
			return true;
	}
	return false;
}

/* The process that answers; -1: none does. */
static int64_t
pooler_backend(struct db *db)
{
	AUTO(PQclear) PGresult *rows = db_query(db, SQL_DB_BACKEND, DB_NONE, NULL);

	return rows ? db_number(rows, 0, "pid") : -1;
}
