/*
 * flow_world - a database, a vendor and a clock around the table, all in memory: what the flow
 * says to db, http and run comes here, and time passes only while it waits.
 */
#ifndef CRONWARD_TESTS_UNIT_FLOW_WORLD_H
#define CRONWARD_TESTS_UNIT_FLOW_WORLD_H

#include "flow_table.h"

#define WORLD_LATE "it took too long"

/* db */

static bool
world_has_database(void)
{
	return table.gone_ms == 0 || table.now_ms < table.gone_ms ||
	       table.now_ms >= table.back_again_ms;
}

static void
world_close(struct db *db)
{
	table.links_open -= db->is_open;
	db->is_open = false;
	for (int i = 0; i < db->units_count; i++) {
		if (db->units[i]->sql == SQL_JOB_QUEUE_SETTLE)
			table_lift(db->units[i], false);
		db->units[i]->state = DB_UNIT_LOST;
	}
	db->units_count = 0;
}

struct db *
db_create(const struct conf *conf)
{
	struct db *db = mem_zero(1, sizeof *db);

	(void)conf;
	assert_true(table.links_count < TABLE_LINKS_MAX);
	table.links[table.links_count++] = db;
	table.links_made++;
	return db;
}

void
db_destroy(struct db *db)
{
	int at = 0;

	if (!db)
		return;
	world_close(db);
	while (table.links[at] != db)
		at++;
	table.links[at] = table.links[--table.links_count];
	free(db);
}

int
db_connect(struct db *db, struct err *e)
{
	table.links_asked++;
	if (!world_has_database() ||
	    (table.links_limit > 0 && table.links_open >= table.links_limit))
		return err_set(e, ERR_DATABASE, "there is no connection");
	db->is_open = true;
	if (++table.links_open > table.links_most)
		table.links_most = table.links_open;
	return 0;
}

bool
db_is_connected(const struct db *db)
{
	return db->is_open;
}

int
db_socket(const struct db *db)
{
	(void)db;
	return -1;
}

short
db_events(const struct db *db)
{
	(void)db;
	return 0;
}

int
db_send(struct db *db, struct db_unit *unit, struct err *e)
{
	(void)e;
	assert_true(db->is_open && db->units_count < TABLE_UNITS_MAX);
	unit->state = DB_UNIT_SENT;
	unit->sent_ms = table.now_ms;
	db->units[db->units_count++] = unit;
	if (unit->sql == SQL_JOB_QUEUE_SETTLE)
		table_lift(unit, true);
	return 0;
}

static int64_t
world_takes_ms(const struct db_unit *unit)
{
	if (unit->sql != SQL_JOB_QUEUE_SETTLE)
		return table.look_ms;
	return table.settle_ms + (strlen(unit->args[3]) > 1 << 20 ? table.large_ms : 0);
}

static bool
world_is_late(const struct db_unit *unit)
{
	return unit->timeout_ms > 0 && world_takes_ms(unit) > unit->timeout_ms;
}

static int64_t
world_answer_ms(const struct db_unit *unit)
{
	return unit->sent_ms + (world_is_late(unit) ? unit->timeout_ms : world_takes_ms(unit));
}

int
db_pump(struct db *db, struct err *e)
{
	(void)e;
	if (!world_has_database())
		world_close(db);
	while (db->units_count > 0 && world_answer_ms(db->units[0]) <= table.now_ms) {
		struct db_unit *unit = db->units[0];

		if (world_is_late(unit)) {
			unit->state = DB_UNIT_FAILED;
			err_set(&unit->err, ERR_DATABASE, WORLD_LATE);
		} else {
			table_take(unit);
		}
		if (table.loses_settlement > 0 && table.settlements == table.loses_settlement) {
			table.loses_settlement = 0;
			table.lost_link = db;
			table.links_after_loss = table.links_made;
			PQclear(unit->result);
			world_close(db);
			break;
		}
		if (unit->sql == SQL_JOB_QUEUE_SETTLE)
			table_lift(unit, false);
		memmove(db->units, db->units + 1, (size_t)--db->units_count * sizeof *db->units);
	}
	return db->is_open ? 0 : -1;
}

PGresult *
db_query_within(struct db *db, struct db_unit *unit, struct err *e)
{
	(void)e;
	assert_true(db->is_open);
	assert_int_equal(unit->sql, SQL_JOB_QUEUE_LOOK);
	return table_look();
}

const char *
db_text(const PGresult *rows, int row, const char *column)
{
	int number = PQfnumber(rows, column);

	assert_true(number >= 0);
	return PQgetisnull(rows, row, number) ? NULL : PQgetvalue(rows, row, number);
}

int64_t
db_number(const PGresult *rows, int row, const char *column)
{
	const char *text = db_text(rows, row, column);

	return text ? strtoll(text, NULL, 10) : 0;
}

bool
db_bool(const PGresult *rows, int row, const char *column)
{
	return *db_text(rows, row, column) == 't';
}

bool
db_err_is_transient(const struct err *e)
{
	return strcmp(e->message, WORLD_LATE) == 0;
}

/* http */

unsigned
http_inflight(const struct http *h)
{
	(void)h;
	/* One more than there are, so that it is http that the flow waits for. */
	return (unsigned)table.replies_count + 1;
}

int
http_start(struct http *h, const struct http_request *q, void *owner)
{
	(void)h;
	(void)q;
	table.replies[table.replies_count].owner = owner;
	table.replies[table.replies_count++].at_ms = table.now_ms + table.reply_ms;
	return 0;
}

void
http_wait_for(struct http *h, const struct pollfd *fds, int count, int timeout_ms)
{
	int64_t until_ms = table.now_ms + timeout_ms;

	(void)h;
	(void)fds;
	(void)count;
	if (++table.waits > TABLE_WAITS_MAX)
		fail_msg("the flow does not end: %s", table.steps.at);
	for (int i = 0; i < table.replies_count; i++)
		if (table.replies[i].at_ms < until_ms)
			until_ms = table.replies[i].at_ms;
	for (int i = 0; i < table.links_count; i++) {
		const struct db *db = table.links[i];
		int64_t next_ms = db->units_count > 0 ? world_answer_ms(db->units[0]) : until_ms;

		if (next_ms <= table.now_ms)
			next_ms = table.now_ms + 1;
		if (next_ms < until_ms)
			until_ms = next_ms;
	}
	table.now_ms = until_ms;
}

bool
http_next(struct http *h, struct http_reply *ret_reply, void **ret_owner)
{
	(void)h;
	if (table.replies_count == 0 || table.replies[0].at_ms > table.now_ms)
		return false;
	*ret_reply = (struct http_reply){ .status = 200, .body = "" };
	*ret_owner = table.replies[0].owner;
	table.replies_count--;
	memmove(
	    table.replies, table.replies + 1, (size_t)table.replies_count * sizeof *table.replies);
	return true;
}

void
http_end_all(struct http *h)
{
	(void)h;
}

void
http_end(struct http *h, const void *owner)
{
	(void)h;
	(void)owner;
}

/* run, log, clock */

bool
run_may_start(const struct run *r, int64_t item_ms)
{
	return r->err.code == ERR_OK && table.now_ms < r->soft_end_ms &&
	       table.now_ms + item_ms <= r->hard_end_ms;
}

PGresult *
run_query(struct run *r, enum sql_id sql, const char *const *args, int args_count)
{
	(void)r;
	(void)args;
	(void)args_count;
	assert_int_equal(sql, SQL_JOB_QUEUE_BURY);
	return table_answer(NULL, 0);
}

int
run_renew(struct run *r)
{
	r->renewed_ms = table.now_ms;
	return 0;
}

int
run_statement_ms(const struct run *r)
{
	int64_t left_ms = r->hard_end_ms - table.now_ms;

	if (left_ms > RUN_STATEMENT_MAX_MS)
		return RUN_STATEMENT_MAX_MS;
	return left_ms > TABLE_STATEMENT_MIN_MS ? (int)left_ms : TABLE_STATEMENT_MIN_MS;
}

void
log_message(enum log_level level, const char *event, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
	table.lost_leases += strcmp(event, "lost_leases") == 0;
}

int64_t
clock_mono_ms(void)
{
	return table.now_ms;
}

#endif
