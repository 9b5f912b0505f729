/*
 * jobs_act - `jobs enqueue`, `retry`, `cancel`, `pause` and `resume`.  Each act leaves its row in
 * audit_log in its own transaction.
 */
#include "base/json.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/jobs.h"
#include "cli/print.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOBS_TIME_MAX = 64,
	JOBS_ID_MAX = 40,
	JOBS_CHUNK = 65536,
	JOBS_PAYLOAD_MAX = 8 * 1024 * 1024, /* as a call's */
	JOBS_BATCH = 1000,
	JOBS_SIZE_MAX = 24,
};
#define JOBS_LOOK "20000" /* rows that a batch looks at */

/* A retry by filter on its way. */
struct jobs_retrying {
	const struct jobs_wish *wish;
	char after[JOBS_TIME_MAX], before[JOBS_TIME_MAX];
	char last_at[JOBS_TIME_MAX], last_id[JOBS_ID_MAX]; /* where the last batch ended */
	int64_t retried, refused;
	int64_t left; /* of --limit */
	bool goes_on;
};

static int jobs_payload(const char *given, struct text *ret_payload);
static int jobs_read_stdin(struct text *to);
static char *jobs_options_json(const struct jobs_wish *);
static void jobs_options_add(json_t *options, enum jobs_option, const char *value);
static int jobs_retry_ids(struct cli_session *, const struct jobs_wish *);
static int jobs_report(const struct jobs_wish *, const PGresult *rows);
static bool jobs_is_in(const PGresult *rows, const char *id);
static int jobs_retry_filter(struct cli_session *, const struct jobs_wish *);
static int jobs_retry_times(struct cli_session *, struct jobs_retrying *, struct err *);
static int jobs_retry_batch(struct cli_session *, struct jobs_retrying *, struct err *);
static int jobs_set_paused(struct cli_session *, const struct jobs_wish *, bool paused);

int
jobs_enqueue(struct cli_session *s, const struct jobs_wish *wish)
{
	char actor[CLI_ACTOR_MAX], *options = jobs_options_json(wish);
	struct text job = { .at = NULL }, payload = { .at = NULL };
	struct err e = { .code = ERR_OK };
	PGresult *rows = NULL;
	int rc = jobs_payload(wish->args_count > 1 ? wish->args[1] : NULL, &payload);

	if (rc == CLI_DONE) {
		/* The payload as it was given: no number of it is to be rounded on the way. */
		text_add(&job, options, strlen(options) - 1);
		text_add_text(&job, ",\"payload\":");
		text_add(&job, payload.at, payload.len);
		text_add_char(&job, '}');
		rows = db_query(s->db, SQL_JOBS_CLI_ENQUEUE, DB_ARGS(job.at, cli_actor(actor)), &e);
		rc = rows ? CLI_DONE : jobs_fail(&e);
	}
	free(options);
	text_finish(&job);
	text_finish(&payload);
	if (rows && wish->given[JOBS_JSON])
		printf("{\"id\":\"%s\",\"isNew\":%s}\n", db_text(rows, 0, "id"),
		    db_bool(rows, 0, "is_new") ? "true" : "false");
	else if (rows)
		puts(db_text(rows, 0, "id"));
	if (rows && !db_bool(rows, 0, "is_new"))
		fputs("cronward jobs: that is the live job with this unique_key; no other was "
		      "made\n",
		    stderr);
	if (rows && !db_bool(rows, 0, "is_known"))
		fputs("cronward jobs: no row of job_types has this type; the job fails if none "
		      "comes before it runs\n",
		    stderr);
	PQclear(rows);
	return rc;
}

int
jobs_retry(struct cli_session *s, const struct jobs_wish *wish)
{
	return wish->args_count > 0 ? jobs_retry_ids(s, wish) : jobs_retry_filter(s, wish);
}

int
jobs_cancel(struct cli_session *s, const struct jobs_wish *wish)
{
	char actor[CLI_ACTOR_MAX];
	int rc = CLI_DONE;

	cli_actor(actor);
	for (int i = 0; i < wish->args_count; i++) {
		struct err e = { .code = ERR_OK };
		AUTO(PQclear)
		PGresult *rows =
		    db_query(s->db, SQL_JOBS_CANCEL, DB_ARGS(wish->args[i], actor), &e);

		if (!rows)
			rc = jobs_fail(&e);
		else if (strcmp(db_text(rows, 0, "status"), "cancelled") == 0)
			printf("%s is cancelled\n", wish->args[i]);
		else
			printf("%s is under way, and will be stopped\n", wish->args[i]);
		if (e.code == ERR_DATABASE)
			break;
	}
	return rc;
}

int
jobs_pause(struct cli_session *s, const struct jobs_wish *wish)
{
	return jobs_set_paused(s, wish, true);
}

int
jobs_resume(struct cli_session *s, const struct jobs_wish *wish)
{
	return jobs_set_paused(s, wish, false);
}

/* JSON, from the command line, or for "-" from standard input.  CLI_DONE, or another exit code. */
static int
jobs_payload(const char *given, struct text *ret_payload)
{
	const char *fault;
	size_t at = 0;

	if (given && strcmp(given, "-") == 0 && jobs_read_stdin(ret_payload) != 0)
		return cli_usage("jobs", "standard input cannot be read, or has more than %d bytes",
		    JOBS_PAYLOAD_MAX);
	if (!given || strcmp(given, "-") != 0)
		text_add_text(ret_payload, given ? given : "{}");
	if (ret_payload->len == 0)
		return cli_usage("jobs", "the payload is empty; allowed is JSON");
	fault = json_fault(ret_payload->at, ret_payload->len, &at);
	if (fault)
		return cli_usage("jobs",
		    "the payload is no JSON that can be stored: at byte %zu %s", at + 1, fault);
	return CLI_DONE;
}

static int
jobs_read_stdin(struct text *to)
{
	char chunk[JOBS_CHUNK];
	size_t len;

	while ((len = fread(chunk, 1, sizeof(chunk), stdin)) > 0) {
		text_add(to, chunk, len);
		if (to->len > JOBS_PAYLOAD_MAX)
			return -1;
	}
	return ferror(stdin) ? -1 : 0;
}

/* All but the payload, an object that is not empty.  The caller frees it. */
static char *
jobs_options_json(const struct jobs_wish *wish)
{
	json_auto_t *options = json_object();

	json_object_set_new(options, "job_type", json_string(wish->args[0]));
	for (int i = 0; i < JOBS__MAX; i++)
		if (wish->given[i] && i != JOBS_JSON && i != JOBS_DEPENDS_ON)
			jobs_options_add(options, (enum jobs_option)i, wish->given[i]);
	if (wish->depends_on)
		json_object_set(options, "depends_on", wish->depends_on);
	return json_dumps(options, JSON_COMPACT);
}

/* Under its name in SQL.  What is no number there goes as it is, and is refused with what is
 * allowed. */
static void
jobs_options_add(json_t *options, enum jobs_option option, const char *value)
{
	char name[JOBS_ID_MAX];
	int64_t number;

	snprintf(name, sizeof(name), "%s",
	    option == JOBS_WORKSPACE ? "workspace_id" : jobs_option_name[option]);
	for (char *at = name; *at; at++)
		if (*at == '-')
			*at = '_';
	if ((option == JOBS_PRIORITY || option == JOBS_MAX_ATTEMPTS ||
		option == JOBS_CONCURRENCY_LIMIT || option == JOBS_TIMEOUT_S) &&
	    text_to_int64(value, INT32_MIN, INT32_MAX, &number))
		json_object_set_new(options, name, json_integer(number));
	else
		json_object_set_new(options, name, json_string(value));
}

/* In one statement: of jobs that depend on one another all can be tried again together. */
static int
jobs_retry_ids(struct cli_session *s, const struct jobs_wish *wish)
{
	char actor[CLI_ACTOR_MAX];
	struct err e = { .code = ERR_OK };
	struct text ids = { .at = NULL };
	PGresult *rows;
	int rc;

	text_array_begin(&ids);
	for (int i = 0; i < wish->args_count; i++)
		text_array_add_plain(&ids, wish->args[i]);
	text_array_end(&ids);
	rows = db_query(s->db, SQL_JOBS_CLI_RETRY, DB_ARGS(ids.at, cli_actor(actor)), &e);
	text_finish(&ids);
	rc = rows ? jobs_report(wish, rows) : jobs_fail(&e);
	PQclear(rows);
	return rc;
}

static int
jobs_report(const struct jobs_wish *wish, const PGresult *rows)
{
	int retried = 0, rc = CLI_DONE;

	for (int row = 0; row < PQntuples(rows); row++) {
		const char *refused = db_text(rows, row, "refused");

		retried += !refused;
		if (!refused)
			continue;
		fprintf(stderr, "cronward jobs: %s cannot be tried again: %s\n",
		    db_text(rows, row, "id"), refused);
		rc = CLI_FAILED;
	}
	for (int i = 0; i < wish->args_count; i++) {
		if (jobs_is_in(rows, wish->args[i]))
			continue;
		fprintf(stderr, "cronward jobs: there is no job %s\n", wish->args[i]);
		rc = CLI_FAILED;
	}
	printf("retried %d\n", retried);
	return rc;
}

static bool
jobs_is_in(const PGresult *rows, const char *id)
{
	for (int row = 0; row < PQntuples(rows); row++)
		if (strcasecmp(db_text(rows, row, "id"), id) == 0)
			return true;
	return false;
}

/* Batch after batch, in the order in which they failed, up to those of the command's beginning. */
static int
jobs_retry_filter(struct cli_session *s, const struct jobs_wish *wish)
{
	struct jobs_retrying r = { .wish = wish, .left = wish->limit, .goes_on = true };
	struct err e = { .code = ERR_OK };

	stop_setup();
	if (jobs_retry_times(s, &r, &e) != 0)
		return jobs_fail(&e);
	while (r.goes_on && r.left > 0 && !stop_requested())
		if (jobs_retry_batch(s, &r, &e) != 0)
			break;
	printf("retried %" PRId64, r.retried);
	if (r.refused > 0)
		printf(", refused %" PRId64, r.refused);
	putchar('\n');
	if (e.code != ERR_OK)
		return jobs_fail(&e);
	if (!r.goes_on || r.left <= 0)
		return CLI_DONE;
	fputs("cronward jobs: stopped before the end\n", stderr);
	return CLI_FAILED;
}

/* As the database understands them; until now at the latest, so that it ends. */
static int
jobs_retry_times(struct cli_session *s, struct jobs_retrying *r, struct err *e)
{
	const char *const *given = r->wish->given;
	AUTO(PQclear)
	PGresult *rows = db_query(
	    s->db, SQL_DEAD_TIMES, DB_ARGS(given[JOBS_FAILED_AFTER], given[JOBS_FAILED_BEFORE]), e);
	const char *since;

	if (!rows)
		return -1;
	since = db_text(rows, 0, "since");
	snprintf(r->after, sizeof(r->after), "%s", since ? since : "");
	snprintf(r->before, sizeof(r->before), "%s", db_text(rows, 0, "until"));
	return 0;
}

static int
jobs_retry_batch(struct cli_session *s, struct jobs_retrying *r, struct err *e)
{
	const char *const *given = r->wish->given, *last_at;
	char actor[CLI_ACTOR_MAX], size[JOBS_SIZE_MAX];
	AUTO(PQclear)
	PGresult *rows = NULL;

	snprintf(size, sizeof(size), "%d", r->left < JOBS_BATCH ? (int)r->left : JOBS_BATCH);
	rows = db_query(s->db, SQL_JOBS_RETRY_MANY,
	    DB_ARGS(given[JOBS_TYPE], given[JOBS_QUEUE], given[JOBS_WORKSPACE],
		r->after[0] ? r->after : NULL, r->before, given[JOBS_ERROR],
		r->last_at[0] ? r->last_at : NULL, r->last_at[0] ? r->last_id : NULL, size,
		JOBS_LOOK, cli_actor(actor)),
	    e);
	if (!rows)
		return -1;
	r->retried += db_number(rows, 0, "retried");
	r->refused += db_number(rows, 0, "skipped");
	r->left -= db_number(rows, 0, "retried") + db_number(rows, 0, "skipped");
	last_at = db_text(rows, 0, "last_at");
	r->goes_on = last_at != NULL;
	if (last_at) {
		snprintf(r->last_at, sizeof(r->last_at), "%s", last_at);
		snprintf(r->last_id, sizeof(r->last_id), "%s", db_text(rows, 0, "last_id"));
	}
	return 0;
}

static int
jobs_set_paused(struct cli_session *s, const struct jobs_wish *wish, bool paused)
{
	char actor[CLI_ACTOR_MAX];
	struct err e = { .code = ERR_OK };
	const char *queue = wish->args[0];
	AUTO(PQclear)
	PGresult *rows = db_query(
	    s->db, SQL_JOBS_PAUSE, DB_ARGS(queue, paused ? "t" : "f", cli_actor(actor)), &e);

	if (!rows)
		return jobs_fail(&e);
	/* A name is the operator's own, and may hold what drives a terminal all the same. */
	print_named(0, paused ? "paused:" : "resumed:", queue);
	return CLI_DONE;
}
