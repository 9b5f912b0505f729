/*
 * flow_note - what items say while they are under way, and who asks them to stop.
 *
 * Lines are collected and leave with the next flight, before anything is settled.  A flight that
 * was lost is sent again: a line that stands there twice is better than one that is missing.
 */
#include "flow_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/worker.h"

#include <string.h>

enum {
	NOTES_DELAY_MS = 100,      /* how long a line may wait for company */
	NOTES_BYTES_MAX = 4 << 20, /* of messages that wait; what goes beyond is dropped */
	NOTES_FLIGHT_MAX = 5000,   /* lines that do not wait for more */
	NOTES_TRIES = 3,
	STOPS_ASK_MS = 1000,
};

enum { NOTE_ID, NOTE_TOKEN, NOTE_LEVEL, NOTE_MESSAGE, NOTE_DATA, NOTE_PROGRESS };

static void flow_notes_add(struct flow_notes *, const struct flow_item *, const struct item_note *);
static void flow_notes_reset(struct flow_notes *);
static void flow_stop(struct flow_state *, const char *id);

void
item_note(struct item *item, const struct item_note *note)
{
	static const struct item_note last = {
		.level = "warn",
		.message = "this try has said too much: what else it says is dropped",
		.progress = -1,
	};
	struct flow_item *of = (struct flow_item *)item;
	struct flow_state *s = of->batch->state;
	struct flow_notes *notes = &s->notes[s->notes_filling];
	bool is_line = note->message != NULL;

	if (is_line && item->notes > ITEM_NOTES_MAX)
		return;
	if (notes->arrays[NOTE_MESSAGE].len + notes->arrays[NOTE_DATA].len > NOTES_BYTES_MAX)
		return;
	item->notes += is_line;
	flow_notes_add(notes, of, is_line && item->notes > ITEM_NOTES_MAX ? &last : note);
}

bool
flow_notes_are_due(const struct flow_state *s, int64_t now_ms)
{
	const struct flow_notes *notes = &s->notes[s->notes_filling];

	if (s->notes[!s->notes_filling].count > 0)
		return true;
	return notes->count > 0 &&
	       (notes->count >= NOTES_FLIGHT_MAX || now_ms - notes->first_ms >= NOTES_DELAY_MS);
}

bool
flow_notes_are_behind(const struct flow_state *s)
{
	return s->notes[0].count > 0 && s->notes[1].count > 0;
}

/* Those that could not be written before go first, and alone. */
void
flow_notes_send(struct flow_state *s)
{
	struct flow_notes *away = &s->notes[!s->notes_filling];

	if (away->count == 0) {
		away = &s->notes[s->notes_filling];
		if (away->count == 0)
			return;
		for (int i = 0; i < FLOW_NOTE_ARRAYS; i++) {
			text_array_end(&away->arrays[i]);
			s->note_args[i] = away->arrays[i].at;
		}
		s->notes_filling = !s->notes_filling;
		s->note_tries = 0;
	}
	s->note_unit = (struct db_unit){
		.sql = s->flow->note,
		.args = s->note_args,
		.args_count = FLOW_NOTE_ARRAYS,
		.timeout_ms = run_statement_ms(s->run),
	};
	db_send(flow_writer_db(s, &s->writers[0]), &s->note_unit, NULL);
}

void
flow_notes_take(struct flow_state *s)
{
	struct flow_notes *away = &s->notes[!s->notes_filling];
	const struct db_unit *unit = &s->note_unit;

	if (unit->state == DB_UNIT_DONE) {
		PQclear(unit->result);
	} else if (++s->note_tries < NOTES_TRIES && clock_mono_ms() < s->run->hard_end_ms &&
		   (unit->state == DB_UNIT_LOST || db_err_is_transient(&unit->err))) {
		s->note_unit.state = DB_UNIT_IDLE;
		return;
	} else {
		log_message(LOG_WARN, "unwritten", "worker=%s run=%s %d log lines were dropped: %s",
		    s->run->worker->name, s->run->id, away->count, unit->err.message);
	}
	s->note_unit.state = DB_UNIT_IDLE;
	flow_notes_reset(away);
}

void
flow_stops_send(struct flow_state *s, int64_t now_ms)
{
	if (now_ms - s->stops_asked_ms < STOPS_ASK_MS || !s->aloft)
		return;
	s->stops_asked_ms = now_ms;
	text_reset(&s->stop_ids);
	text_reset(&s->stop_tokens);
	text_array_begin(&s->stop_ids);
	text_array_begin(&s->stop_tokens);
	for (const struct flow_item *i = s->aloft; i; i = i->aloft_next) {
		if (now_ms - i->item.began_ms < STOPS_ASK_MS || i->is_stopped)
			continue;
		text_array_add_plain(
		    &s->stop_ids, PQgetvalue(i->batch->rows, i->item.row, i->batch->column_id));
		text_array_add_plain(&s->stop_tokens, i->batch->token);
	}
	text_array_end(&s->stop_ids);
	text_array_end(&s->stop_tokens);
	if (s->stop_ids.len <= 2)
		return;
	s->stop_args[0] = s->stop_ids.at;
	s->stop_args[1] = s->stop_tokens.at;
	s->stop_unit = (struct db_unit){
		.sql = s->flow->cancelled,
		.args = s->stop_args,
		.args_count = 2,
		.timeout_ms = run_statement_ms(s->run),
		.async_commit = true,
	};
	db_send(s->run->db, &s->stop_unit, NULL);
}

/* An answer that did not come is asked for again in a second. */
void
flow_stops_take(struct flow_state *s)
{
	if (s->stop_unit.state == DB_UNIT_DONE) {
		for (int i = 0; i < PQntuples(s->stop_unit.result); i++)
			flow_stop(s, db_text(s->stop_unit.result, i, "id"));
		PQclear(s->stop_unit.result);
	}
	s->stop_unit.state = DB_UNIT_IDLE;
}

static void
flow_notes_add(struct flow_notes *n, const struct flow_item *item, const struct item_note *note)
{
	const struct flow_batch *b = item->batch;

	if (n->count++ == 0) {
		n->first_ms = clock_mono_ms();
		for (int i = 0; i < FLOW_NOTE_ARRAYS; i++) {
			text_reset(&n->arrays[i]);
			text_array_begin(&n->arrays[i]);
		}
	}
	text_array_add_plain(
	    &n->arrays[NOTE_ID], PQgetvalue(b->rows, item->item.row, b->column_id));
	text_array_add_plain(&n->arrays[NOTE_TOKEN], b->token);
	text_array_add(&n->arrays[NOTE_LEVEL], note->level);
	text_array_add(&n->arrays[NOTE_MESSAGE], note->message);
	text_array_add(&n->arrays[NOTE_DATA], note->data);
	if (note->progress >= 0)
		text_array_add_number(
		    &n->arrays[NOTE_PROGRESS], note->progress > 100 ? 100 : note->progress);
	else
		text_array_add(&n->arrays[NOTE_PROGRESS], NULL);
}

static void
flow_notes_reset(struct flow_notes *n)
{
	n->count = 0;
	for (int i = 0; i < FLOW_NOTE_ARRAYS; i++)
		text_reset(&n->arrays[i]);
}

static void
flow_stop(struct flow_state *s, const char *id)
{
	struct flow_item *next = NULL;

	for (struct flow_item *i = s->aloft; i; i = next) {
		const struct flow_batch *b = i->batch;

		next = i->aloft_next;
		if (strcmp(PQgetvalue(b->rows, i->item.row, b->column_id), id) != 0)
			continue;
		i->is_stopped = true;
		if (i->host->carrier)
			i->host->carrier->stop(i->host->carrier->self, &i->item, VERDICT_CANCEL);
		else
			http_end(s->run->http, i);
	}
}
