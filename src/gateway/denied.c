/*
 * denied - a small table of counts; a flush empties it.
 *
 * The minute of a count is the database's: a flush says how long ago the count began, and the
 * statement does the rest.  As counts are flushed within seconds, that is exact to seconds; while
 * the database is away, to the minute that one count covers.
 */
#include "gateway/denied.h"

#include "base/clock.h"
#include "base/text.h"
#include "db/db.h"

#include <limits.h>

enum {
	DENIED_MINUTE_MS = 60 * 1000,
};

static struct denied_count *denied_place(struct denied *, const char *route, const char *code);
static void denied_write(const struct denied *, struct text ret_arrays[static 4]);

void
denied_note(struct denied *d, const char *route, const char *code)
{
	struct denied_count *place;

	if (d->count == 0 && d->due_ms < clock_mono_ms() + DENIED_FLUSH_MS)
		d->due_ms = clock_mono_ms() + DENIED_FLUSH_MS;
	place = denied_place(d, route, code);
	if (place)
		place->calls++;
}

int
denied_wait_ms(const struct denied *d)
{
	int64_t left_ms;

	if (d->count == 0)
		return -1;
	left_ms = d->due_ms - clock_mono_ms();
	if (left_ms <= 0)
		return 0;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

int
denied_flush(struct denied *d, struct db *db, struct err *e)
{
	struct text arrays[4] = { { .at = NULL } };
	PGresult *rows;

	if (d->count == 0)
		return 0;
	denied_write(d, arrays);
	rows = db_query(db, SQL_GATEWAY_DENIED_FLUSH,
	    DB_ARGS(arrays[0].at, arrays[1].at, arrays[2].at, arrays[3].at), e);
	for (int i = 0; i < 4; i++)
		text_finish(&arrays[i]);
	d->failing = !rows;
	d->due_ms = clock_mono_ms() + (rows ? DENIED_FLUSH_MS : DENIED_RETRY_MS);
	if (!rows)
		return -1;
	PQclear(rows);
	d->count = 0;
	return 0;
}

/* Where a call of now belongs; NULL when all places are taken by others. */
static struct denied_count *
denied_place(struct denied *d, const char *route, const char *code)
{
	int64_t now_ms = clock_mono_ms();
	struct denied_count *newest = NULL;

	for (size_t i = 0; i < d->count; i++)
		if (d->counts[i].route == route && d->counts[i].code == code)
			newest = &d->counts[i];
	if (newest && (now_ms - newest->began_ms < DENIED_MINUTE_MS || d->count == DENIED_MAX))
		return newest;
	if (d->count == DENIED_MAX)
		return NULL;
	newest = &d->counts[d->count++];
	*newest = (struct denied_count){ .route = route, .code = code, .began_ms = now_ms };
	return newest;
}

/* Route, age in ms, code and number of calls as arrays of PostgreSQL. */
static void
denied_write(const struct denied *d, struct text ret_arrays[static 4])
{
	int64_t now_ms = clock_mono_ms();

	for (int i = 0; i < 4; i++)
		text_array_begin(&ret_arrays[i]);
	for (size_t i = 0; i < d->count; i++) {
		text_array_add(&ret_arrays[0], d->counts[i].route);
		text_array_add_number(&ret_arrays[1], now_ms - d->counts[i].began_ms);
		text_array_add(&ret_arrays[2], d->counts[i].code);
		text_array_add_number(&ret_arrays[3], d->counts[i].calls);
	}
	for (int i = 0; i < 4; i++)
		text_array_end(&ret_arrays[i]);
}
