/*
 * dead_read - `dead list`, `dead show` and `dead count`.
 */
#include "cli/dead.h"
#include "cli/print.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	DEAD_NUMBER_MAX = 24,
	DEAD_COUNT_MAX = 10000, /* more are "10000+" */
};

static void dead_count_add(
    struct print_table *, json_t *list, const struct dead_kind *, const PGresult *);

int
dead_list(struct cli_session *s, const struct dead_filter *f)
{
	struct err e = { .code = ERR_OK };
	struct dead_times times;
	char limit[DEAD_NUMBER_MAX];
	PGresult *rows;

	snprintf(limit, sizeof(limit), "%" PRId64, f->limit);
	if (dead_times(s, f, &times, &e) != 0)
		return dead_fail(&e);
	rows = db_query(s->db, f->kind->list,
	    DB_ARGS(f->values[f->kind->whose], f->values[f->kind->type],
		times.since[0] ? times.since : NULL, times.until, limit),
	    &e);
	if (!rows)
		return dead_fail(&e);
	print_list(rows, f->json);
	PQclear(rows);
	return CLI_DONE;
}

int
dead_show(struct cli_session *s, const struct dead_filter *f)
{
	struct err e = { .code = ERR_OK };
	AUTO(PQclear) PGresult *rows = db_query(s->db, f->kind->show, DB_ARGS(f->ids[0]), &e);

	if (!rows)
		return dead_fail(&e);
	if (PQntuples(rows) == 0) {
		fprintf(stderr, "cronward dead: there is no %s %s\n", f->kind->one, f->ids[0]);
		return CLI_FAILED;
	}
	if (!f->kind->has_attempts) {
		print_record(rows, 0);
		return CLI_DONE;
	}

	AUTO(PQclear)
	PGresult *attempts = db_query(s->db, SQL_DEAD_SHOW_ATTEMPTS, DB_ARGS(f->ids[0]), &e);

	if (!attempts)
		return dead_fail(&e);
	print_record(rows, 0);
	putchar('\n');
	print_rows(attempts, PQnfields(attempts));
	return CLI_DONE;
}

int
dead_count(struct cli_session *s, const struct dead_filter *f)
{
	static const char *const head[] = { "kind", "dead", "last_dead_at" };
	struct print_table t = { .columns = sizeof(head) / sizeof(*head) };
	struct err e = { .code = ERR_OK };
	struct dead_times times;
	char most[DEAD_NUMBER_MAX];
	json_auto_t *list = json_array();

	snprintf(most, sizeof(most), "%d", DEAD_COUNT_MAX + 1);
	if (dead_times(s, f, &times, &e) != 0)
		return dead_fail(&e);
	print_add(&t, head);
	for (const struct dead_kind *kind = dead_kinds; kind->name && e.code == ERR_OK; kind++) {
		PGresult *rows = db_query(s->db, kind->count,
		    DB_ARGS(times.since[0] ? times.since : NULL, times.until, most), &e);

		if (rows)
			dead_count_add(&t, list, kind, rows);
		PQclear(rows);
	}
	if (e.code == ERR_OK && f->json)
		print_json(list);
	else if (e.code == ERR_OK)
		print_table(&t);
	print_finish(&t);
	return e.code == ERR_OK ? CLI_DONE : dead_fail(&e);
}

static void
dead_count_add(
    struct print_table *t, json_t *list, const struct dead_kind *kind, const PGresult *rows)
{
	int64_t dead = db_number(rows, 0, "dead");
	bool is_more = dead > DEAD_COUNT_MAX;
	const char *last_at = db_text(rows, 0, "last_at");
	char number[DEAD_NUMBER_MAX];

	dead = is_more ? DEAD_COUNT_MAX : dead;
	snprintf(number, sizeof(number), "%" PRId64 "%s", dead, is_more ? "+" : "");
	print_add(t, (const char *const[]){ kind->name, number, last_at });
	json_array_append_new(
	    list, json_pack("{s:s, s:I, s:b, s:s?}", "kind", kind->name, "dead", (json_int_t)dead,
		      "isMore", is_more, "lastDeadAt", last_at));
}
