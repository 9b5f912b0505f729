/*
 * dead_bulk - `dead replay` and `dead purge`: batch after batch, in the order in which they
 * died, up to those of the command's beginning.
 */
#include "base/stop.h"
#include "base/text.h"
#include "cli/dead.h"
#include "db/db.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DEAD_NUMBER_MAX = 24,
	DEAD_ID_MAX = 40,
};
#define DEAD_BATCH "1000"
#define DEAD_UUID_FIRST "00000000-0000-0000-0000-000000000000"

/* One command, from its filter to its end. */
struct dead_run {
	const struct dead_filter *filter;
	const char *action; /* in audit_log */
	const char *done;   /* for people */
	enum sql_id batch;  /* of the filter's kind */
	struct dead_times times;
};

struct dead_progress {
	int64_t found, done;
	char audit[DEAD_NUMBER_MAX];
	/* Where the last batch ended. */
	char last_at[DEAD_TIME_MAX], last_id[DEAD_ID_MAX];
};

static int dead_bulk(struct cli_session *, struct dead_run *);
static int dead_audit(
    struct cli_session *, const struct dead_run *, struct dead_progress *, struct err *);
static int dead_batches(
    struct cli_session *, const struct dead_run *, struct dead_progress *, struct err *);
static int64_t dead_step(struct dead_progress *, const PGresult *);
static char *dead_filter_json(const struct dead_filter *);
static int dead_report(const struct dead_run *, const struct dead_progress *, const struct err *);

int
dead_replay(struct cli_session *s, const struct dead_filter *f)
{
	struct dead_run run = {
		.filter = f,
		.action = "dead.replay",
		.done = "replayed",
		.batch = f->kind->replay,
	};

	return dead_bulk(s, &run);
}

int
dead_purge(struct cli_session *s, const struct dead_filter *f)
{
	struct dead_run run = {
		.filter = f,
		.action = "dead.purge",
		.done = "purged",
		.batch = f->kind->purge,
	};

	return dead_bulk(s, &run);
}

static int
dead_bulk(struct cli_session *s, struct dead_run *run)
{
	struct dead_progress p = { .last_at = "-infinity", .last_id = "0" };
	struct err e = { .code = ERR_OK };

	if (run->filter->kind->has_uuids)
		snprintf(p.last_id, sizeof(p.last_id), "%s", DEAD_UUID_FIRST);
	/* Between two batches is a good place to stop; within one there is none. */
	stop_setup();
	if (dead_times(s, run->filter, &run->times, &e) != 0 || dead_audit(s, run, &p, &e) != 0)
		return dead_fail(&e);
	dead_batches(s, run, &p, &e);
	return dead_report(run, &p, &e);
}

static int
dead_audit(
    struct cli_session *s, const struct dead_run *run, struct dead_progress *p, struct err *e)
{
	char actor[CLI_ACTOR_MAX], *filter = dead_filter_json(run->filter);
	AUTO(PQclear)
	PGresult *rows = db_query(s->db, SQL_AUDIT_BEGIN,
	    DB_ARGS(cli_actor(actor), run->action, run->filter->kind->table, filter), e);

	free(filter);
	if (!rows)
		return -1;
	snprintf(p->audit, sizeof(p->audit), "%s", db_text(rows, 0, "id"));
	return 0;
}

static int
dead_batches(
    struct cli_session *s, const struct dead_run *run, struct dead_progress *p, struct err *e)
{
	const struct dead_filter *f = run->filter;
	const char *since = run->times.since[0] ? run->times.since : NULL;
	struct text ids = { .at = NULL };
	PGresult *rows;
	int64_t found;

	dead_ids(&ids, f);
	do {
		rows = db_query(s->db, run->batch,
		    DB_ARGS(p->audit, f->values[f->kind->whose], f->values[f->kind->type], since,
			run->times.until, ids.at, p->last_at, p->last_id, DEAD_BATCH),
		    e);
		found = rows ? dead_step(p, rows) : 0;
		PQclear(rows);
	} while (found > 0 && !stop_requested());
	text_finish(&ids);
	return rows ? 0 : -1;
}

/* Takes in what a batch did.  Returns how many dead letters it found. */
static int64_t
dead_step(struct dead_progress *p, const PGresult *rows)
{
	int64_t found = db_number(rows, 0, "found");

	p->found += found;
	p->done += db_number(rows, 0, "done");
	if (found > 0) {
		snprintf(p->last_at, sizeof(p->last_at), "%s", db_text(rows, 0, "last_at"));
		snprintf(p->last_id, sizeof(p->last_id), "%s", db_text(rows, 0, "last_id"));
	}
	return found;
}

/* What was asked for, for audit_log; as the operator wrote it.  The caller frees it. */
static char *
dead_filter_json(const struct dead_filter *f)
{
	json_auto_t *filter = json_object();
	json_t *ids = json_array();

	for (int i = 0; i < f->ids_count; i++)
		json_array_append_new(ids, f->kind->has_uuids
					       ? json_string(f->ids[i])
					       : json_integer(strtoll(f->ids[i], NULL, 10)));
	if (f->ids_count > 0)
		json_object_set(filter, "ids", ids);
	json_decref(ids);
	if (f->all)
		json_object_set_new(filter, "all", json_true());
	for (enum dead_option option = DEAD_KIND + 1; option < DEAD_VALUE__MAX; option++)
		if (f->values[option])
			json_object_set_new(
			    filter, dead_option_name(option), json_string(f->values[option]));
	return json_dumps(filter, JSON_COMPACT);
}

static int
dead_report(const struct dead_run *run, const struct dead_progress *p, const struct err *e)
{
	const struct dead_filter *f = run->filter;
	int rc = CLI_DONE;

	printf("%s %" PRId64, run->done, p->done);
	/* Only deliveries need something besides their own row. */
	if (p->found > p->done)
		printf(", skipped %" PRId64 " whose event is gone", p->found - p->done);
	putchar('\n');
	if (e->code != ERR_OK)
		return cli_fail(e);
	if (stop_requested()) {
		fputs("cronward dead: stopped before the end\n", stderr);
		rc = CLI_FAILED;
	} else if (f->ids_count > p->found) {
		fprintf(stderr, "cronward dead: %" PRId64 " of the %d ids are no dead letters\n",
		    f->ids_count - p->found, f->ids_count);
		rc = CLI_FAILED;
	}
	return rc;
}
