/*
 * dead_read - `dead list` and `dead show`.
 */
#include "cli/dead.h"
#include "cli/print.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	DEAD_NUMBER_MAX = 24,
	DEAD_COLUMNS = 8, /* of the list as a table; behind them is the row as JSON */
};

static void dead_print_json(const PGresult *);

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
	rows = db_query(s->db, SQL_DEAD_LIST,
	    DB_ARGS(f->webhook, f->type, times.since[0] ? times.since : NULL, times.until, limit),
	    &e);
	if (!rows)
		return dead_fail(&e);
	if (f->json)
		dead_print_json(rows);
	else
		print_rows(rows, DEAD_COLUMNS);
	PQclear(rows);
	return CLI_DONE;
}

int
dead_show(struct cli_session *s, const struct dead_filter *f)
{
	struct err e = { .code = ERR_OK };
	AUTO(PQclear) PGresult *rows = db_query(s->db, SQL_DEAD_SHOW, DB_ARGS(f->ids[0]), &e);

	if (!rows)
		return dead_fail(&e);
	if (PQntuples(rows) == 0) {
		fprintf(stderr, "cronward dead: there is no delivery %s\n", f->ids[0]);
		return CLI_FAILED;
	}

	AUTO(PQclear)
	PGresult *attempts = db_query(s->db, SQL_DEAD_ATTEMPTS, DB_ARGS(f->ids[0]), &e);

	if (!attempts)
		return dead_fail(&e);
	print_record(rows, 0);
	putchar('\n');
	print_rows(attempts, PQnfields(attempts));
	return CLI_DONE;
}

static void
dead_print_json(const PGresult *rows)
{
	putchar('[');
	for (int row = 0; row < PQntuples(rows); row++) {
		fputs(row > 0 ? ",\n" : "\n", stdout);
		print_json_text(db_text(rows, row, "json"));
	}
	puts(PQntuples(rows) > 0 ? "\n]" : "]");
}
