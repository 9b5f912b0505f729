/*
 * bare_jobs - claims and settles jobs with the program's own statements, and does nothing else: no
 * run, no lock, no processor.  What the database and libpq's pipeline allow; make bench names it as
 * a reference.
 *
 *	bare_jobs DATABASE_URL SETTINGS CLAIM SETTLE BATCH
 *
 * The statements are files.  Flights are as the program's: what has ended is settled and the next
 * batch claimed, each a transaction of its own, the claim's commit asynchronous, while the batch
 * before is at hand.  Every job is completed at once.  Prints how many jobs there were and the
 * milliseconds from the first claim to the last settlement's commit; exits 1 when anything failed.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ID_LEN = 36,
	SETTLE_ARRAYS = 11,
	CLAIM_ARGS = 13,
	/* What an element takes besides an id: comma and the longest constant. */
	ELEMENT_MAX = ID_LEN + 1,
};

struct statements {
	char *settings, *claim, *settle;
};

struct batch {
	PGresult *rows;
	int count;
	char *arrays[SETTLE_ARRAYS];
};

struct loop {
	PGconn *db;
	struct statements sql;
	int limit;
	char limit_text[12], due[64], at[24], id[ID_LEN + 1], token[ID_LEN + 1];
	unsigned claims;
	struct batch batches[3]; /* one is being claimed, one at hand, one being settled */
};

static char *file_read(const char *path);
static int loop_init(struct loop *l, const char *url);
static int loop_run(struct loop *l, long *ret_jobs);
static int claim_send(struct loop *l);
static int settle_send(struct loop *l, const struct batch *b);
static int unit_send(
    struct loop *l, const char *commit, const char *sql, const char *const *args, int count);
static int unit_take(struct loop *l, PGresult **ret);
static void cursor_advance(struct loop *l, const PGresult *rows);
static void arrays_fill(struct batch *b);
static void array_fill(char *to, const struct batch *b, int column, const char *constant);
static double now_ms(void);

int
main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: bare_jobs DATABASE_URL SETTINGS CLAIM SETTLE BATCH\n");
		return 2;
	}
	struct loop l = {
		.sql = { file_read(argv[2]), file_read(argv[3]), file_read(argv[4]) },
		.limit = (int)strtol(argv[5], NULL, 10),
	};
	long jobs = 0;

	if (!l.sql.settings || !l.sql.claim || !l.sql.settle || loop_init(&l, argv[1]) != 0)
		return 1;
	double began_ms = now_ms();

	if (loop_run(&l, &jobs) != 0) {
		fprintf(stderr, "bare_jobs: %s\n", PQerrorMessage(l.db));
		return 1;
	}
	printf("%ld %.3f\n", jobs, now_ms() - began_ms);
	PQfinish(l.db);
	return 0;
}

static char *
file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t len = f ? getdelim(&text, &size, '\0', f) : -1;

	if (f)
		fclose(f);
	if (len < 0)
		fprintf(stderr, "bare_jobs: cannot read %s\n", path);
	return len < 0 ? NULL : text;
}

static int
loop_init(struct loop *l, const char *url)
{
	l->db = PQconnectdb(url);
	PGresult *now = PQexec(l->db, "SELECT clock_timestamp()");

	if (PQresultStatus(now) != PGRES_TUPLES_OK || !PQenterPipelineMode(l->db)) {
		fprintf(stderr, "bare_jobs: %s\n", PQerrorMessage(l->db));
		return -1;
	}
	snprintf(l->due, sizeof l->due, "%s", PQgetvalue(now, 0, 0));
	PQclear(now);
	snprintf(l->limit_text, sizeof l->limit_text, "%d", l->limit);
	snprintf(l->at, sizeof l->at, "{-62135596800000000}");
	snprintf(l->id, sizeof l->id, "00000000-0000-0000-0000-000000000000");
	for (int n = 0; n < 3; n++)
		for (int i = 0; i < SETTLE_ARRAYS; i++)
			if (!(l->batches[n].arrays[i] = malloc((size_t)l->limit * ELEMENT_MAX + 3)))
				return -1;
	return 0;
}

static int
loop_run(struct loop *l, long *ret_jobs)
{
	bool may_claim = true;

	for (int turn = 0; may_claim || turn < 3 || l->batches[turn % 3].count > 0 ||
			   l->batches[(turn + 1) % 3].count > 0;
	     turn++) {
		struct batch *ended = &l->batches[turn % 3], *fresh = &l->batches[(turn + 1) % 3];
		struct batch *next = &l->batches[(turn + 2) % 3];

		if ((ended->count > 0 && settle_send(l, ended) != 0) ||
		    (may_claim && claim_send(l) != 0) || PQflush(l->db) != 0)
			return -1;
		if (fresh->count > 0)
			arrays_fill(fresh);
		if (ended->count > 0 && unit_take(l, NULL) != 0)
			return -1;
		*ret_jobs += ended->count;
		PQclear(ended->rows);
		ended->rows = NULL;
		ended->count = 0;
		if (!may_claim)
			continue;
		if (unit_take(l, &next->rows) != 0)
			return -1;
		next->count = PQntuples(next->rows);
		may_claim = next->count == l->limit;
		if (may_claim)
			cursor_advance(l, next->rows);
	}
	return 0;
}

static int
claim_send(struct loop *l)
{
	char id[ID_LEN + 3];

	snprintf(l->token, sizeof l->token, "00000000-0000-4000-8000-%012x", ++l->claims);
	snprintf(id, sizeof id, "{%s}", l->id);
	const char *const args[CLAIM_ARGS] = { l->limit_text, "10", l->token, l->due, "{default}",
		"{0}", l->at, id, "3600", "f", "30", "{}", "{}" };

	return unit_send(l, "off", l->sql.claim, args, CLAIM_ARGS);
}

static int
settle_send(struct loop *l, const struct batch *b)
{
	const char *args[SETTLE_ARRAYS + 1];

	for (int i = 0; i < SETTLE_ARRAYS; i++)
		args[i] = b->arrays[i];
	args[SETTLE_ARRAYS] = "3600";
	return unit_send(l, NULL, l->sql.settle, args, SETTLE_ARRAYS + 1);
}

/* A transaction: its settings, its statement, a Sync. */
static int
unit_send(struct loop *l, const char *commit, const char *sql, const char *const *args, int count)
{
	const char *const wishes[] = { "4000", "500", commit, "on" };

	return PQsendQueryParams(l->db, l->sql.settings, 4, NULL, wishes, NULL, NULL, 0) &&
		       PQsendQueryParams(l->db, sql, count, NULL, args, NULL, NULL, 0) &&
		       PQpipelineSync(l->db)
		   ? 0
		   : -1;
}

/* The rows of the oldest unit's statement, after its Sync. */
static int
unit_take(struct loop *l, PGresult **ret)
{
	for (int statement = 0; statement < 2; statement++) {
		PGresult *result = PQgetResult(l->db);

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			return -1;
		if (statement == 1 && ret)
			*ret = result;
		else
			PQclear(result);
		PQclear(PQgetResult(l->db)); /* NULL: the end of this statement's results */
	}
	PGresult *sync = PQgetResult(l->db);
	int status = PQresultStatus(sync) == PGRES_PIPELINE_SYNC ? 0 : -1;

	PQclear(sync);
	return status;
}

static void
cursor_advance(struct loop *l, const PGresult *rows)
{
	int at_column = PQfnumber(rows, "cursor_at"), id_column = PQfnumber(rows, "id");
	const char *at = NULL, *id = NULL;

	for (int i = 0; i < PQntuples(rows); i++) {
		const char *row_at = PQgetvalue(rows, i, at_column);
		const char *row_id = PQgetvalue(rows, i, id_column);
		/* All have as many digits. */
		int order = at ? strcmp(row_at, at) : 1;

		if (order > 0 || (order == 0 && strcmp(row_id, id) > 0)) {
			at = row_at;
			id = row_id;
		}
	}
	snprintf(l->at, sizeof l->at, "{%s}", at);
	snprintf(l->id, sizeof l->id, "%s", id);
}

/* ids, tokens, verdicts, ms to the next try, HTTP status, errors, stacks, results, effects, their
 * subjects, ms that it took. */
static void
arrays_fill(struct batch *b)
{
	static const char *const constants[SETTLE_ARRAYS] = { NULL, NULL, "done", "0", "NULL",
		"NULL", "NULL", "NULL", "NULL", "NULL", "0" };

	for (int i = 0; i < SETTLE_ARRAYS; i++)
		array_fill(b->arrays[i], b, PQfnumber(b->rows, i == 0 ? "id" : "claim_token"),
		    constants[i]);
}

static void
array_fill(char *to, const struct batch *b, int column, const char *constant)
{
	*to++ = '{';
	for (int i = 0; i < b->count; i++) {
		const char *text = constant ? constant : PQgetvalue(b->rows, i, column);
		size_t len = strlen(text);

		if (i > 0)
			*to++ = ',';
		memcpy(to, text, len);
		to += len;
	}
	memcpy(to, "}", 2);
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
