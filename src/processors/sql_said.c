/*
 * sql_said - what an item's function says: notices become log lines and progress, a refusal becomes
 * the item's error.
 *
 * job_progress() and job_log() of the database speak in notices with SQLSTATEs of their own.
 */
#include "sql_parts.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	SQL_MESSAGE_MAX = 4096,
	SQL_DATA_MAX = 65536,
	SQL_STACK_MAX = 8192,
	SQL_ROUND_MS = 100, /* a time-out is found out that much early, at most */
};

#define SQL_STATE_PROGRESS "CW101"  /* DETAIL is the percentage */
#define SQL_STATE_LOG "CW102"       /* HINT is the level, DETAIL the data */
#define SQL_STATE_UNUSABLE "CW422"  /* of cronward_job_call() and its like: nothing was called */
#define SQL_STATE_CANCELLED "57014" /* query_canceled */
#define SQL_STATE_RAISED "P0001"    /* RAISE EXCEPTION that says no other */
#define SQL_PROGRESS_ONLY "progress"

static const char *sql_field(const PGresult *, int code);
static const char *sql_level(const PGresult *notice);
static const char *sql_level_said(const char *level);
static char *sql_data_said(const char *json);
static char *sql_data_of(const char *detail, const char *hint);
static const char *sql_keep(struct item *, const char *text, size_t most);

void
sql_hear(struct item *item, const PGresult *notice)
{
	const char *state = sql_field(notice, PG_DIAG_SQLSTATE);
	const char *said = sql_field(notice, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = sql_field(notice, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = sql_field(notice, PG_DIAG_MESSAGE_HINT);
	char message[SQL_MESSAGE_MAX];
	struct item_note note = { .level = "info", .message = message, .progress = -1 };
	char *data = NULL;
	int64_t progress;

	text_clean(message, sizeof(message), said, strlen(said));
	if (strcmp(state, SQL_STATE_PROGRESS) == 0) {
		if (text_to_int64(detail, 0, 100, &progress))
			note.progress = (int)progress;
		if (strcmp(said, SQL_PROGRESS_ONLY) == 0)
			note.message = NULL;
	} else if (strcmp(state, SQL_STATE_LOG) == 0) {
		note.level = sql_level_said(hint);
		data = sql_data_said(detail);
	} else {
		note.level = sql_level(notice);
		data = sql_data_of(detail, hint);
	}
	note.data = data;
	if (note.message || note.progress >= 0)
		item_note(item, &note);
	free(data);
}

bool
sql_refused(struct item *item, const PGresult *refusal, int64_t took_ms)
{
	const char *state = sql_field(refusal, PG_DIAG_SQLSTATE);
	const char *said = sql_field(refusal, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = sql_field(refusal, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = sql_field(refusal, PG_DIAG_MESSAGE_HINT);
	bool says_state = strcmp(state, SQL_STATE_RAISED) != 0;

	if (strcmp(state, SQL_STATE_UNUSABLE) == 0) {
		item_fail(item, "%s%s%s", said, *hint ? "; " : "", hint);
		return true;
	}
	if (strcmp(state, SQL_STATE_CANCELLED) != 0)
		item_fail(item, "%s%s%s%s%s%s%s%s", said, *detail ? "; " : "", detail,
		    *hint ? "; hint: " : "", hint, says_state ? " (SQLSTATE " : "",
		    says_state ? state : "", says_state ? ")" : "");
	else if (took_ms >= item->timeout_ms - SQL_ROUND_MS)
		item_fail(item, "timed out after %g s", (double)item->timeout_ms / 1000);
	else
		item_fail(item, "stopped in the database, by nobody of ours: %s", said);
	item->stack = sql_keep(item, sql_field(refusal, PG_DIAG_CONTEXT), SQL_STACK_MAX);
	return false;
}

/* "" for what is not there. */
static const char *
sql_field(const PGresult *result, int code)
{
	const char *text = PQresultErrorField(result, code);

	return text ? text : "";
}

static const char *
sql_level(const PGresult *notice)
{
	const char *severity = sql_field(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (strcmp(severity, "WARNING") == 0)
		return "warn";
	return strcmp(severity, "DEBUG") == 0 || strcmp(severity, "LOG") == 0 ? "debug" : "info";
}

/* Whoever raises our SQLSTATE himself may have written anything. */
static const char *
sql_level_said(const char *level)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (strcmp(level, levels[i]) == 0)
			return levels[i];
	return "info";
}

/* JSON as it was given, where it is any; else a note of what was there.  The caller frees it. */
static char *
sql_data_said(const char *json)
{
	size_t len = strlen(json);
	json_auto_t *data = NULL;

	if (len == 0)
		return NULL;
	if (len <= SQL_DATA_MAX && !json_fault(json, len, NULL))
		return strdup(json);
	data = json_pack("{s:I}", "dropped_bytes", (json_int_t)len);
	return json_dumps(data, JSON_COMPACT);
}

/* What a notice says besides its message, as JSON.  The caller frees it. */
static char *
sql_data_of(const char *detail, const char *hint)
{
	json_auto_t *data = json_object();

	if (*detail)
		json_object_set_new(data, "detail", json_string(detail));
	if (*hint)
		json_object_set_new(data, "hint", json_string(hint));
	return json_object_size(data) > 0 ? json_dumps(data, JSON_COMPACT) : NULL;
}

/* A copy that lives as long as the item: valid UTF-8, cut between characters; NULL for "". */
static const char *
sql_keep(struct item *item, const char *text, size_t most)
{
	size_t len = strnlen(text, most);
	char *kept;

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	if (len == 0)
		return NULL;
	kept = arena_copy(item->memory, text, len);
	if (!text_is_utf8(kept, len))
		text_clean(kept, len + 1, text, len);
	return kept;
}
