/*
 * sealed - what is done to a whole column of sealed secrets.
 *
 * Both jobs walk a column by the ids of its rows: read a batch, seal it here, put it in its place
 * in one statement.
 */
#include "engine/sealed.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/keyring.h"
#include "base/seal.h"
#include "base/text.h"
#include "db/db.h"
#include "http/echo.h"

#include <stdio.h>
#include <string.h>

enum {
	SEALED_BATCH = 500,
	SEALED_TRIES = 5, /* of a batch that met a lock or a deadlock */
	SEALED_ARRAYS = 3,
};

struct sealed_walk {
	struct sealed_job *job;
	const struct sealed_column *column;
	bool is_rekey;
	char
	    newest[sizeof(SEAL_PREFIX) + KEYRING_ID_MAX + 1]; /* what needs no rekeying begins so */
	struct text after;   /* the last row of the batch before; empty: this is the first */
	struct arena *arena; /* of a batch */
	struct text arrays[SEALED_ARRAYS]; /* ids, versions, values */
	int count;
};

static int sealed_walk(struct sealed_walk *, struct err *);
static bool sealed_may_go_on(const struct sealed_job *);
static int sealed_batch(struct sealed_walk *, struct err *);
static PGresult *sealed_read(struct sealed_walk *, struct err *);
static void sealed_add(
    struct sealed_walk *, const char *id, const char *version, const char *value);
static char *sealed_anew(struct sealed_walk *, const char *id, const char *value, struct err *);
static int sealed_put(struct sealed_walk *, struct err *);

const char *
sealed_open(struct arena *a, const struct keyring *ring, const struct sealed_column *column,
    const char *id, const char *value, struct err *e)
{
	const struct seal_place here = { column->table, column->column, id };
	const struct seal_place there = { column->table, column->moved_from, id };
	struct err why = { .code = ERR_OK };
	char *plain;

	if (!seal_is_sealed(value))
		return value;
	plain = seal_open(a, ring, &here, value, &why);
	if (!plain && why.code == ERR_BAD_REQUEST && column->moved_from)
		plain = seal_open(a, ring, &there, value, NULL);
	if (!plain)
		err_pass(e, &why);
	return plain;
}

void
sealed_hide(struct arena *a, const struct keyring *ring, const struct sealed_column *column,
    const char *id, const char *value, char *text)
{
	const char *secret = value && *value ? sealed_open(a, ring, column, id, value, NULL) : NULL;

	if (!secret)
		return;
	echo_hide(text, secret);
	if (secret != value)
		crypto_wipe((char *)secret, strlen(secret));
}

int
sealed_close_plain(struct sealed_job *job, const struct sealed_column *column, struct err *e)
{
	struct sealed_walk w = { .job = job, .column = column };

	return sealed_walk(&w, e);
}

int
sealed_rekey(struct sealed_job *job, const struct sealed_column *column, struct err *e)
{
	struct sealed_walk w = { .job = job, .column = column, .is_rekey = true };

	snprintf(w.newest, sizeof w.newest, SEAL_PREFIX "%s.", job->ring->keys[0].id);
	return sealed_walk(&w, e);
}

static int
sealed_walk(struct sealed_walk *w, struct err *e)
{
	int rows = SEALED_BATCH;

	if (w->job->ring->count == 0)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "there is no key to seal with: set ENCRYPTION_KEYS_FILE or ENCRYPTION_KEYS");
	w->arena = arena_create();
	while (rows == SEALED_BATCH && sealed_may_go_on(w->job)) {
		rows = sealed_batch(w, e);
		arena_reset(w->arena);
	}
	for (int i = 0; i < SEALED_ARRAYS; i++)
		text_finish(&w->arrays[i]);
	text_finish(&w->after);
	arena_destroy(w->arena);
	return rows < 0 ? -1 : 0;
}

static bool
sealed_may_go_on(const struct sealed_job *job)
{
	return !job->may_go_on || job->may_go_on(job->owner);
}

/* How many rows there were to look at, or -1 with ${e}. */
static int
sealed_batch(struct sealed_walk *w, struct err *e)
{
	AUTO(PQclear) PGresult *rows = sealed_read(w, e);
	int count = rows ? PQntuples(rows) : 0;

	if (!rows)
		return -1;
	w->count = 0;
	for (int i = 0; i < SEALED_ARRAYS; i++) {
		text_reset(&w->arrays[i]);
		text_array_begin(&w->arrays[i]);
	}
	for (int row = 0; row < count; row++)
		sealed_add(w, db_text(rows, row, "id"), db_text(rows, row, "version"),
		    db_text(rows, row, "value"));
	for (int i = 0; i < SEALED_ARRAYS; i++)
		text_array_end(&w->arrays[i]);
	if (count > 0) {
		text_reset(&w->after);
		text_add_text(&w->after, db_text(rows, count - 1, "id"));
	}
	if (w->count > 0 && sealed_put(w, e) != 0)
		return -1;
	return count;
}

static PGresult *
sealed_read(struct sealed_walk *w, struct err *e)
{
	const char *after = w->after.len > 0 ? w->after.at : NULL;
	char limit[16];

	snprintf(limit, sizeof limit, "%d", SEALED_BATCH);
	if (w->is_rekey)
		return db_query(w->job->db, w->column->stale, DB_ARGS(after, limit, w->newest), e);
	return db_query(w->job->db, w->column->plain, DB_ARGS(after, limit), e);
}

/* A value that cannot be sealed is told, and its neighbours go on. */
static void
sealed_add(struct sealed_walk *w, const char *id, const char *version, const char *value)
{
	struct sealed_job *job = w->job;
	struct err why = { .code = ERR_OK };
	const char *fresh = sealed_anew(w, id, value, &why);

	if (!fresh) {
		job->failed++;
		if (job->tell)
			job->tell(job->owner, w->column, id, &why);
		return;
	}
	text_array_add(&w->arrays[0], id);
	text_array_add_plain(&w->arrays[1], version);
	text_array_add_plain(&w->arrays[2], fresh);
	w->count++;
}

static char *
sealed_anew(struct sealed_walk *w, const char *id, const char *value, struct err *e)
{
	const struct seal_place at = { w->column->table, w->column->column, id };
	const struct keyring *ring = w->job->ring;
	char *plain, *fresh;

	if (!w->is_rekey)
		return seal_close(w->arena, ring, &at, value, e);
	plain = (char *)sealed_open(w->arena, ring, w->column, id, value, e);
	if (!plain)
		return NULL;
	fresh = seal_close(w->arena, ring, &at, plain, e);
	crypto_wipe(plain, strlen(plain));
	return fresh;
}

static int
sealed_put(struct sealed_walk *w, struct err *e)
{
	for (int tries = 1;; tries++) {
		struct err why = { .code = ERR_OK };
		AUTO(PQclear)
		PGresult *put = db_query(w->job->db, w->column->put,
		    DB_ARGS(w->arrays[0].at, w->arrays[1].at, w->arrays[2].at), &why);

		if (put) {
			w->job->done += PQntuples(put);
			w->job->raced += w->count - PQntuples(put);
			return 0;
		}
		if (tries == SEALED_TRIES || !db_err_is_transient(&why) ||
		    !sealed_may_go_on(w->job))
			return err_pass(e, &why);
	}
}
