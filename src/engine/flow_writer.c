/*
 * flow_writer - the connections that what is written travels over.
 *
 * The first writer uses the run's connection, or one of its own while many rows wait.  A backend
 * takes large settlements on one core, so a flow that goes on may have further writers, which carry
 * settlements alone.  One is opened where a settlement would have to wait for all that are there,
 * and stays to the end.  Where one cannot be had, or is lost, its settlement goes over another, and
 * none is opened any more.
 */
#include "flow_parts.h"

#include "engine/run.h"

#include <assert.h>

enum {
	FLOW_BATCH_BACKLOG = 500, /* claims so large and full say that many wait */
};

static struct flow_writer *flow_writer_find(struct flow_state *);
static bool flow_writer_may_open(const struct flow_state *);
static bool flow_writer_open(struct flow_state *, struct flow_writer *);

void
flow_writers_init(struct flow_state *s)
{
	s->writers_max = s->limits->writers_max > 1 ? s->limits->writers_max : 1;
	assert(s->writers_max <= FLOW_WRITERS_MAX);
	/* Ends overtake each other, but never the lines that were said before them. */
	assert(s->writers_max == 1 || (s->flow->goes_on && !s->flow->has_notes));
}

void
flow_writers_finish(struct flow_state *s)
{
	for (int i = 0; i < s->writers_max; i++) {
		for (int j = 0; j < FLOW_SETTLE_ARRAYS_MAX; j++)
			text_finish(&s->writers[i].arrays[j]);
		db_destroy(s->writers[i].db);
	}
}

struct db *
flow_writer_db(const struct flow_state *s, const struct flow_writer *w)
{
	return w->db ? w->db : s->run->db;
}

int
flow_writers_poll_fds(const struct flow_state *s, struct pollfd *fds)
{
	int count = 0;

	for (int i = 0; i < s->writers_max; i++) {
		const struct db *db = s->writers[i].db;

		if (db && db_socket(db) >= 0)
			fds[count++] =
			    (struct pollfd){ .fd = db_socket(db), .events = db_events(db) };
	}
	return count;
}

/* The first one's own connection is worth it once claims are full ones. */
void
flow_writers_keep(struct flow_state *s, bool may_open_first)
{
	struct flow_writer *first = &s->writers[0];
	bool is_worth_it = s->lanes && s->batch_size >= FLOW_BATCH_BACKLOG;

	for (int i = 0; i < s->writers_max; i++) {
		struct flow_writer *w = &s->writers[i];

		if (!w->db || w->settling || db_is_connected(w->db))
			continue;
		db_destroy(w->db);
		w->db = NULL;
		s->is_writer_lost = true;
	}
	if (!first->db && !s->is_writer_lost && is_worth_it && may_open_first)
		flow_writer_open(s, first);
}

bool
flow_writers_have_room(struct flow_state *s)
{
	return flow_writer_find(s) != NULL;
}

void
flow_writers_settle(struct flow_state *s, int64_t now_ms)
{
	while (s->ended.count > 0 || flow_settle_is_due(s, now_ms)) {
		struct flow_writer *w = flow_writer_find(s);

		if (!w || (!w->db && !flow_writer_open(s, w)))
			return;
		flow_settle_send(s, w);
	}
}

void
flow_writers_pump(struct flow_state *s)
{
	for (int i = 0; i < s->writers_max; i++)
		if (s->writers[i].db)
			db_pump(s->writers[i].db, NULL);
}

void
flow_writers_take(struct flow_state *s)
{
	for (int i = 0; i < s->writers_max; i++) {
		struct flow_writer *w = &s->writers[i];

		if (w->settling && w->unit.state != DB_UNIT_SENT)
			flow_settle_take(s, w);
	}
}

bool
flow_writers_are_away(const struct flow_state *s)
{
	for (int i = 0; i < s->writers_max; i++)
		if (s->writers[i].settling)
			return true;
	return false;
}

/* One of the further ones: free, or, where none is and one may be opened, not open yet. */
static struct flow_writer *
flow_writer_find(struct flow_state *s)
{
	struct flow_writer *closed = NULL;

	for (int i = 1; i < s->writers_max; i++) {
		struct flow_writer *w = &s->writers[i];

		if (!w->db)
			closed = w;
		else if (!w->settling && db_is_connected(w->db))
			return w;
	}
	return flow_writer_may_open(s) ? closed : NULL;
}

/* The first one is soon free again where something else than a settlement keeps it. */
static bool
flow_writer_may_open(const struct flow_state *s)
{
	return !s->is_writer_lost && s->phase != FLOW_OVER && s->writers[0].settling;
}

static bool
flow_writer_open(struct flow_state *s, struct flow_writer *w)
{
	w->db = db_create(s->run->conf);
	if (db_connect(w->db, NULL) == 0)
		return true;
	db_destroy(w->db);
	w->db = NULL;
	s->is_writer_lost = true;
	return false;
}
