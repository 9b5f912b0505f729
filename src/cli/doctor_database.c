/*
 * doctor_database - the way to the database, the server behind it, its clock, and the schema.
 */
#include "base/clock.h"
#include "cli/doctor.h"
#include "db/db.h"
#include "db/migrate.h"
#include "workers/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	DATABASE_ROUND_TRIPS = 3, /* the shortest one counts */
	DATABASE_FAR_MS = 50,
	DATABASE_VERSION_MIN = 150000,
	CLOCK_WARN_MS = 1000,
	CLOCK_FAIL_MS = 60 * 1000,
};

static void privileges_of_others(struct doctor *);
static void privileges_to_see(struct doctor *);
static int64_t database_ask_clock(struct doctor *, int64_t *ret_ahead_ms);
static void server_version(struct doctor *, const PGresult *);
static void server_durability(struct doctor *, const PGresult *);
static int64_t connections_limit(const PGresult *);

void
doctor_database(struct doctor *d)
{
	struct err e = { .code = ERR_OK };
	int64_t trip_ms, ahead_ms;
	struct db_link link;

	if (db_connect(d->db, &e) != 0 || !db_link(d->db, &link)) {
		doctor_fail(d,
		    strstr(e.message, "read-only")
			? "name the primary, or all hosts, in DATABASE_URL: a standby will not do"
			: "correct DATABASE_URL (in /etc/cronward/cronward.env) or the password, "
			  "or start PostgreSQL; what needs the database is left out below",
		    "%s", e.message);
		return;
	}
	d->db_is_there = true;
	trip_ms = database_ask_clock(d, &ahead_ms);
	if (trip_ms > DATABASE_FAR_MS)
		doctor_warn(d, "run cronward near its database: every batch waits for it",
		    "%s answers after %" PRId64 " ms", link.host, trip_ms);
	else if (trip_ms >= 0)
		doctor_ok(d, "%s answers within %" PRId64 " ms", link.host, trip_ms + 1);
}

void
doctor_server(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = doctor_query(d, SQL_DOCTOR_SERVER);

	if (!rows)
		return;
	server_version(d, rows);
	if (db_bool(rows, 0, "is_standby"))
		doctor_fail(d,
		    "name the primary, or all hosts with target_session_attrs=read-write, in "
		    "DATABASE_URL",
		    "this is a standby: nothing can be claimed or settled on it");
	if (strcmp(db_text(rows, 0, "encoding"), "UTF8") != 0)
		doctor_fail(d, "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
		    "the database's encoding is %s, which cannot hold every text",
		    db_text(rows, 0, "encoding"));
	server_durability(d, rows);
}

void
doctor_encryption(struct doctor *d)
{
	struct db_link link;

	if (!d->db_is_there || !db_link(d->db, &link))
		return;
	if (link.is_tls)
		doctor_ok(d, "the way to %s is TLS", link.host);
	else if (link.is_local)
		doctor_ok(d, "%s is on this host", link.host);
	else
		doctor_warn(d, "sslmode=verify-full and sslrootcert=… in DATABASE_URL",
		    "secrets and payloads go to %s in the clear", link.host);
}

/* Signatures carry the host's time, and receivers refuse those that are minutes off. */
void
doctor_clock(struct doctor *d)
{
	static const char todo[] = "timedatectl set-ntp true, on both hosts (chrony or "
				   "systemd-timesyncd)";
	int64_t ahead_ms = 0, off_ms;

	if (!d->db_is_there || database_ask_clock(d, &ahead_ms) < 0)
		return;
	off_ms = llabs(ahead_ms);
	if (off_ms > CLOCK_FAIL_MS)
		doctor_fail(d, todo,
		    "this host's clock is %" PRId64 " s %s the database's: receivers refuse the "
		    "timestamps of signatures",
		    off_ms / 1000, ahead_ms > 0 ? "ahead of" : "behind");
	else if (off_ms > CLOCK_WARN_MS)
		doctor_warn(d, todo, "this host's clock is %.1f s %s the database's",
		    (double)off_ms / 1000, ahead_ms > 0 ? "ahead of" : "behind");
	else
		doctor_ok(d, "this host's clock and the database's differ by less than %d s",
		    CLOCK_WARN_MS / 1000);
}

void
doctor_schema(struct doctor *d)
{
	struct err e = { .code = ERR_OK };
	int wanted = migrate_version_wanted(), found;

	if (!d->db_is_there)
		return;
	found = migrate_version_found(d->db, &e);
	d->has_schema = found > 0;
	d->is_current = found >= wanted;
	if (found < 0)
		doctor_fail(d, "grant this role USAGE of the schema and SELECT on cronward_schema",
		    "the schema's version cannot be read: %s", e.message);
	else if (found == 0)
		doctor_fail(d, "cronward migrate", "the schema is missing");
	else if (found < wanted)
		doctor_fail(d, "cronward migrate",
		    "the schema is at version %d, this program needs %d", found, wanted);
	else if (found > wanted)
		doctor_warn(d, "install the cronward that the schema belongs to",
		    "the schema is at version %d, this program knows %d: it works, and is old",
		    found, wanted);
	else
		doctor_ok(d, "version %d, as this program needs it", found);
}

/* What is planted in the database runs with this role's rights. */
void
doctor_role(struct doctor *d)
{
	AUTO(PQclear) PGresult *role = doctor_query(d, SQL_DOCTOR_ROLE);

	if (role && db_bool(role, 0, "is_superuser"))
		doctor_warn(d, "let DATABASE_URL name a role that owns the tables and no more",
		    "%s is a superuser, and so is whatever a trigger of an adopted table does",
		    db_text(role, 0, "role"));
	else if (role)
		doctor_ok(d, "%s is no superuser", db_text(role, 0, "role"));
}

void
doctor_privileges(struct doctor *d)
{
	AUTO(PQclear)
	PGresult *rows = d->has_schema ? doctor_query(d, SQL_DOCTOR_PRIVILEGES) : NULL;
	AUTO(PQclear) PGresult *owner = rows ? doctor_query(d, SQL_DOCTOR_OWNER) : NULL;
	char todo[DOCTOR_FOUND_MAX];

	if (!owner)
		return;
	for (int row = 0; row < PQntuples(rows); row++) {
		snprintf(todo, sizeof(todo), "GRANT %s ON %s TO %s", db_text(rows, row, "missing"),
		    db_text(rows, row, "name"), db_text(rows, row, "role"));
		doctor_fail(d, todo, "no %s on %s", db_text(rows, row, "missing"),
		    db_text(rows, row, "name"));
	}
	if (PQntuples(rows) == 0)
		doctor_ok(d, "the role may do what the program does");
	privileges_of_others(d);
	privileges_to_see(d);
	if (PQntuples(owner) == 0 || db_bool(owner, 0, "is_ours"))
		return;
	snprintf(todo, sizeof(todo), "GRANT %s TO %s", db_text(owner, 0, "owner"),
	    db_text(owner, 0, "role"));
	doctor_warn(d, todo,
	    "webhook_attempts belongs to %s: data-archival deletes its rows one by one, and cannot "
	    "drop whole weeks",
	    db_text(owner, 0, "owner"));
}

/*
 * Each process of the pools keeps one connection; a run of jobs settles over another, and gives one
 * to each function that is under way; a run of sync-integrations writes over some more.
 */
void
doctor_connections(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = doctor_query(d, SQL_DOCTOR_CONNECTIONS);
	int64_t processes =
	    d->conf.pool_workers + d->conf.pool_api + d->conf.pool_inbound + d->conf.pool_async;
	int64_t runs = 1 + d->conf.job_concurrent_max + SYNC_WRITERS_MAX - 1;
	int64_t limit, others;
	struct db_link link;

	if (!rows || !db_link(d->db, &link))
		return;
	limit = connections_limit(rows);
	others = db_number(rows, 0, "others");
	if (link.is_pooled)
		doctor_ok(d,
		    "%" PRId64 " processes; the server takes %" PRId64
		    " connections, and a pooler shares them out",
		    processes, limit);
	else if (processes + runs + 1 > limit)
		doctor_fail(d,
		    "raise max_connections (or the limit of role or database), lower the "
		    "POOL_ settings, or put PgBouncer between",
		    "%" PRId64 " processes want a connection each, runs of jobs and syncs %" PRId64
		    " more, and there are %" PRId64,
		    processes, runs, limit);
	else if (processes + runs + others + 1 > limit)
		doctor_warn(d, "raise max_connections, or put PgBouncer between",
		    "%" PRId64 " processes, %" PRId64
		    " more for runs of jobs and syncs and %" PRId64
		    " connections of others want more than the %" PRId64 " that there are",
		    processes, runs, others, limit);
	else
		doctor_ok(d,
		    "%" PRId64 " processes, %" PRId64 " more for runs of jobs and syncs; %" PRId64
		    " connections",
		    processes, runs, limit);
}

/* Before PostgreSQL 15 it was everybody, and a database that was upgraded since still has it. */
static void
privileges_of_others(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = doctor_query(d, SQL_DOCTOR_STRANGERS);
	char todo[DOCTOR_FOUND_MAX];

	for (int row = 0; row < PQntuples(rows); row++) {
		snprintf(todo, sizeof(todo),
		    "REVOKE CREATE ON SCHEMA %s FROM %s, or a schema of cronward's own",
		    db_text(rows, row, "schema"), db_text(rows, row, "who"));
		doctor_warn(d, todo,
		    "%s may make functions in schema %s, and have them run with this role's rights",
		    db_text(rows, row, "who"), db_text(rows, row, "schema"));
	}
}

/* To a run, a job that it cannot see is one that is not there. */
static void
privileges_to_see(struct doctor *d)
{
	AUTO(PQclear) PGresult *rows = doctor_query(d, SQL_DOCTOR_HIDDEN);

	for (int row = 0; row < PQntuples(rows); row++)
		doctor_fail(d, db_text(rows, row, "todo"),
		    "row-level security hides rows of %s from %s", db_text(rows, row, "names"),
		    db_text(rows, row, "role"));
}

/* The shortest round trip in ms; how far our clock is ahead, by that one.  -1: said already. */
static int64_t
database_ask_clock(struct doctor *d, int64_t *ret_ahead_ms)
{
	int64_t shortest_ms = INT64_MAX;

	for (int i = 0; i < DATABASE_ROUND_TRIPS; i++) {
		int64_t before_ms = clock_unix_ms(), began_ms = clock_mono_ms(), took_ms;
		AUTO(PQclear) PGresult *rows = doctor_query(d, SQL_DOCTOR_CLOCK);

		if (!rows)
			return -1;
		took_ms = clock_mono_ms() - began_ms;
		if (took_ms >= shortest_ms)
			continue;
		shortest_ms = took_ms;
		*ret_ahead_ms = before_ms + took_ms / 2 - db_number(rows, 0, "now_ms");
	}
	return shortest_ms;
}

static void
server_version(struct doctor *d, const PGresult *rows)
{
	if (db_number(rows, 0, "version_num") < DATABASE_VERSION_MIN)
		doctor_fail(d, "move to PostgreSQL 15 or newer", "PostgreSQL %s is too old",
		    db_text(rows, 0, "version"));
	else
		doctor_ok(d, "PostgreSQL %s, %s", db_text(rows, 0, "version"),
		    db_text(rows, 0, "encoding"));
}

static void
server_durability(struct doctor *d, const PGresult *rows)
{
	static const char *const settings[] = { "fsync", "full_page_writes", "synchronous_commit" };

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		char todo[DOCTOR_FOUND_MAX];

		if (strcmp(db_text(rows, 0, settings[i]), "off") != 0)
			continue;
		snprintf(
		    todo, sizeof(todo), "%s = on, on the server and for this role", settings[i]);
		doctor_warn(d, todo,
		    "%s is off: after a crash of the server, work that was settled may be gone and "
		    "is done twice",
		    settings[i]);
	}
}

static int64_t
connections_limit(const PGresult *rows)
{
	static const char *const others[] = { "role_max", "database_max" };
	int64_t limit = db_number(rows, 0, "server_max");

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		int64_t other = db_number(rows, 0, others[i]);

		if (db_text(rows, 0, others[i]) && other >= 0 && other < limit)
			limit = other;
	}
	return limit;
}
