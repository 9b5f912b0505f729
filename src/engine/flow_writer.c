/*
 * flow_writer - the connections that what is written travels over.
 */
#include "flow_parts.h"

enum {
	FLOW_BATCH_BACKLOG = 500, /* claims so large and full say that many wait */
};

struct db *
flow_writer_db(const struct flow_state *s)
{
	return s->writer.db ? s->writer.db : s->run->db;
}

/*
 * Opens the second connection once claims are full ones; one that cannot be had, or is lost, leaves
 * everything to the first.
 */
void
flow_writer_keep(struct flow_state *s, bool may_open)
{
	struct flow_writer *w = &s->writer;
	bool is_worth_it = s->lanes && s->batch_size >= FLOW_BATCH_BACKLOG;

	if (w->db && !db_is_connected(w->db)) {
		db_destroy(w->db);
		w->db = NULL;
		s->is_writer_lost = true;
	}
	if (w->db || s->is_writer_lost || !is_worth_it || !may_open)
		return;
	w->db = db_create(s->run->conf);
	if (db_connect(w->db, NULL) == 0)
		return;
	db_destroy(w->db);
	w->db = NULL;
	s->is_writer_lost = true;
}

void
flow_writer_finish(struct flow_state *s)
{
	for (int i = 0; i < FLOW_SETTLE_ARRAYS_MAX; i++)
		text_finish(&s->writer.arrays[i]);
	db_destroy(s->writer.db);
}
