/*
 * sealing - what `cronward seal --all` and `cronward rekey` have in common.
 */
#include "cli/sealing.h"

#include "base/keyring.h"
#include "base/text.h"
#include "cli/print.h"
#include "db/db.h"
#include "engine/sealed_columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	SEALING_ROUNDS_MAX = 10, /* while others change rows at the same time */
	SEALING_DETAIL_MAX = 160,
	SEALING_NAME_MAX = 256,
};

static int sealing_work(const struct sealing *, struct cli_session *, struct err *);
static int sealing_column(
    const struct sealing *, struct sealed_job *, const struct sealed_column *, struct err *);
static void sealing_tell(void *, const struct sealed_column *, const char *id, const struct err *);
static int sealing_audit(const struct sealing *, struct cli_session *, struct err *);
static int sealing_keys(struct cli_session *, struct err *);
static const char *sealing_key_state(const struct keyring *, const char *id);
static void sealing_unused(const struct keyring *, const struct print_table *);

int
sealing_run(const struct sealing *sealing, bool dry_run)
{
	struct err e = { .code = ERR_OK };
	struct cli_session s;
	int failed = 0, rc = CLI_DONE;

	if (cli_open(&s, &e) != 0) {
		rc = cli_fail(&e);
	} else {
		failed = dry_run ? 0 : sealing_work(sealing, &s, &e);
		if (failed < 0 || sealing_keys(&s, &e) != 0)
			rc = cli_fail(&e);
		else if (failed > 0)
			rc = CLI_FAILED;
	}
	cli_close(&s);
	return rc;
}

/* How many values failed, or -1 with ${e}. */
static int
sealing_work(const struct sealing *sealing, struct cli_session *s, struct err *e)
{
	int failed = 0;

	if (sealing_audit(sealing, s, e) != 0)
		return -1;
	for (int i = 0; i < SEALED__MAX; i++) {
		const struct sealed_column *column = &sealed_columns[i];
		struct sealed_job job = {
			.db = s->db,
			.ring = conf_keyring(&s->conf),
			.tell = sealing_tell,
		};

		if (sealing_column(sealing, &job, column, e) != 0)
			return -1;
		printf("%s.%s: %" PRId64 " %s", column->table, column->column, job.done,
		    sealing->done);
		if (job.failed > 0)
			printf(", %" PRId64 " failed", job.failed);
		if (job.raced > 0)
			printf(", %" PRId64 " were changed meanwhile: run this again", job.raced);
		putchar('\n');
		fflush(stdout);
		failed += job.failed + job.raced > 0;
	}
	return failed;
}

/* Rows that somebody else changed at that moment are looked at again. */
static int
sealing_column(const struct sealing *sealing, struct sealed_job *job,
    const struct sealed_column *column, struct err *e)
{
	for (int round = 0; round < SEALING_ROUNDS_MAX; round++) {
		job->raced = 0;
		job->failed = 0;
		if (sealing->column(job, column, e) != 0)
			return -1;
		if (job->raced == 0)
			break;
		/* What failed was told in the first round. */
		job->tell = NULL;
	}
	return 0;
}

static void
sealing_tell(void *owner, const struct sealed_column *column, const char *id, const struct err *why)
{
	char name[SEALING_NAME_MAX], message[ERR_MESSAGE_MAX];

	(void)owner;
	/* Names are whatever somebody has written there. */
	text_clean(name, sizeof name, id, strlen(id));
	text_clean(message, sizeof message, why->message, strlen(why->message));
	fprintf(stderr, "cronward: %s.%s of row %s: %s\n", column->table, column->column, name,
	    message);
}

static int
sealing_audit(const struct sealing *sealing, struct cli_session *s, struct err *e)
{
	const struct keyring *ring = conf_keyring(&s->conf);
	char detail[SEALING_DETAIL_MAX];

	if (ring->count == 0)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "there is no key to seal with: set ENCRYPTION_KEYS_FILE or ENCRYPTION_KEYS");
	snprintf(detail, sizeof detail, "{\"key\": \"%s\"}", ring->keys[0].id);
	return cli_audit(s, sealing->action, "secrets", detail, e);
}

/* Which keys seal what, and which of the ring seal nothing any more. */
static int
sealing_keys(struct cli_session *s, struct err *e)
{
	const struct keyring *ring = conf_keyring(&s->conf);
	struct print_table table = { .columns = 4 };

	print_add(&table, (const char *const[]){ "key", "in the ring", "column", "values" });
	for (int i = 0; i < SEALED__MAX; i++) {
		const struct sealed_column *column = &sealed_columns[i];
		AUTO(PQclear) PGresult *rows = db_query(s->db, column->keys, DB_NONE, e);
		char place[SEALING_DETAIL_MAX];

		if (!rows) {
			print_finish(&table);
			return -1;
		}
		snprintf(place, sizeof place, "%s.%s", column->table, column->column);
		for (int row = 0; row < PQntuples(rows); row++) {
			const char *id = db_text(rows, row, "key_id");

			print_add(&table,
			    (const char *const[]){ *id ? id : "plain", sealing_key_state(ring, id),
				place, db_text(rows, row, "count") });
		}
	}
	print_table(&table);
	sealing_unused(ring, &table);
	print_finish(&table);
	return 0;
}

static const char *
sealing_key_state(const struct keyring *ring, const char *id)
{
	const struct keyring_key *key = keyring_find(ring, id, strlen(id));

	if (*id == '\0')
		return "-";
	if (!key)
		return "missing";
	return key == &ring->keys[0] ? "newest" : "older";
}

static void
sealing_unused(const struct keyring *ring, const struct print_table *table)
{
	for (size_t i = 1; i < ring->count; i++) {
		bool is_used = false;

		for (size_t row = 1; row < table->count; row++)
			is_used |=
			    strcmp(table->cells[row * table->columns], ring->keys[i].id) == 0;
		if (!is_used)
			printf("key %s seals nothing any more: it may leave ENCRYPTION_KEYS\n",
			    ring->keys[i].id);
	}
}
