/*
 * doctor_keys - the key ring, and what in the database is sealed with which of its keys.
 */
#include "base/arena.h"
#include "base/crypto.h"
#include "base/keyring.h"
#include "base/text.h"
#include "cli/doctor.h"
#include "db/db.h"
#include "engine/sealed_columns.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Values of a column that are tried; what no key's values begin with. */
#define KEYS_TRIED "100"
#define KEYS_ALL "cw1.."

static void keys_ring(struct doctor *, const struct keyring *);
static void keys_column(struct doctor *, const struct keyring *, const struct sealed_column *);
static void keys_value(struct doctor *, const struct keyring *, const struct sealed_column *,
    const PGresult *rows, int row);
static void keys_try(struct doctor *, const struct keyring *, const struct sealed_column *);
static bool keys_opens(const struct keyring *, const struct sealed_column *, const PGresult *rows,
    int row, struct err *);

void
doctor_keys(struct doctor *d)
{
	const struct keyring *ring = &d->conf.keyring;

	keys_ring(d, ring);
	for (int i = 0; d->has_schema && i < SEALED__MAX; i++)
		keys_column(d, ring, &sealed_columns[i]);
}

static void
keys_ring(struct doctor *d, const struct keyring *ring)
{
	struct text ids = { .at = NULL };
	struct stat st;

	/* Keys that do not parse: the settings' line tells, and new ones are no remedy. */
	if (ring->count == 0 && strstr(d->conf_err.message, "ENCRYPTION_KEYS"))
		return;
	if (ring->count == 0) {
		doctor_warn(d,
		    "echo \"k1:$(openssl rand -base64 32)\" into a file of mode 0600, "
		    "ENCRYPTION_KEYS_FILE=…, then cronward seal --all",
		    "there are no keys: secrets stand in the database as they are");
		return;
	}
	for (size_t i = 0; i < ring->count; i++)
		text_add_format(&ids, "%s%s", i > 0 ? ", " : "", ring->keys[i].id);
	if (ring->file.path && stat(ring->file.path, &st) == 0)
		doctor_ok(d,
		    "the ring holds %s, the newest first; its file is %" PRId64 " days old", ids.at,
		    doctor_days_since(st.st_mtime));
	else
		doctor_ok(d, "the ring holds %s, the newest first", ids.at);
	text_finish(&ids);
}

static void
keys_column(struct doctor *d, const struct keyring *ring, const struct sealed_column *column)
{
	AUTO(PQclear) PGresult *rows = doctor_query(d, column->keys);

	for (int row = 0; rows && row < PQntuples(rows); row++)
		keys_value(d, ring, column, rows, row);
	if (rows && ring->count > 0)
		keys_try(d, ring, column);
}

/* So many values of a column under one key, or under none. */
static void
keys_value(struct doctor *d, const struct keyring *ring, const struct sealed_column *column,
    const PGresult *rows, int row)
{
	const char *id = db_text(rows, row, "key_id");
	int64_t count = db_number(rows, row, "count");

	if (*id == '\0' && ring->count == 0)
		doctor_ok(d, "%s.%s: %" PRId64 " plain", column->table, column->column, count);
	else if (*id == '\0')
		doctor_warn(d, "cronward seal --all", "%s.%s: %" PRId64 " still plain",
		    column->table, column->column, count);
	else if (!keyring_find(ring, id, strlen(id)))
		doctor_fail(d, "put that key back into ENCRYPTION_KEYS, behind the newest",
		    "%s.%s: %" PRId64
		    " sealed with key \"%s\", which is not in the ring: they cannot "
		    "be opened",
		    column->table, column->column, count, id);
	else if (strcmp(id, ring->keys[0].id) != 0)
		doctor_warn(d, "cronward rekey",
		    "%s.%s: %" PRId64 " sealed with key \"%s\", not with the newest", column->table,
		    column->column, count, id);
	else
		doctor_ok(d, "%s.%s: %" PRId64 " sealed with key \"%s\"", column->table,
		    column->column, count, id);
}

/* A key may have the id that is wanted, and not be the one that it was. */
static void
keys_try(struct doctor *d, const struct keyring *ring, const struct sealed_column *column)
{
	struct err e = { .code = ERR_OK };
	AUTO(PQclear)
	PGresult *rows = db_query(d->db, column->stale, DB_ARGS(NULL, KEYS_TRIED, KEYS_ALL), &e);
	int wrong = 0;

	for (int row = 0; rows && row < PQntuples(rows); row++) {
		struct err why = { .code = ERR_OK };

		if (keys_opens(ring, column, rows, row, &why) || why.code != ERR_BAD_REQUEST)
			continue; /* that a key is missing has been said */
		if (wrong++ == 0)
			e = why;
	}
	if (wrong > 0)
		doctor_fail(d, "put the key that sealed them back into ENCRYPTION_KEYS",
		    "%d of the first %d values: %s", wrong, PQntuples(rows), e.message);
}

static bool
keys_opens(const struct keyring *ring, const struct sealed_column *column, const PGresult *rows,
    int row, struct err *e)
{
	const char *value = db_text(rows, row, "value");
	struct arena *a = arena_create();
	char *plain = (char *)sealed_open(a, ring, column, db_text(rows, row, "id"), value, e);

	if (plain && plain != value)
		crypto_wipe(plain, strlen(plain));
	arena_destroy(a);
	return plain != NULL;
}
