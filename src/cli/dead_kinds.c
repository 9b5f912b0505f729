/*
 * dead_kinds - what can be a dead letter, and which kind an id is of.
 */
#include "base/text.h"
#include "cli/dead.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct dead_kind dead_kinds[] = {
	{
	    .name = "deliveries",
	    .one = "delivery",
	    .table = "webhook_deliveries",
	    .whose = DEAD_WEBHOOK,
	    .type = DEAD_TYPE,
	    .has_attempts = true,
	    .list = SQL_DEAD_DELIVERIES_LIST,
	    .show = SQL_DEAD_SHOW_DELIVERY,
	    .replay = SQL_DEAD_DELIVERIES_REPLAY,
	    .purge = SQL_DEAD_DELIVERIES_PURGE,
	    .count = SQL_DEAD_DELIVERIES_COUNT,
	},
	{
	    .name = "events",
	    .one = "event",
	    .table = "webhook_events",
	    .whose = DEAD_PROVIDER,
	    .type = DEAD_TYPE,
	    .has_uuids = true,
	    .list = SQL_DEAD_EVENTS_LIST,
	    .show = SQL_DEAD_SHOW_EVENTS_EVENT,
	    .replay = SQL_DEAD_EVENTS_REPLAY,
	    .purge = SQL_DEAD_EVENTS_PURGE,
	    .count = SQL_DEAD_EVENTS_COUNT,
	},
	{
	    .name = "whatsapp",
	    .one = "event of WhatsApp",
	    .table = "whatsapp_webhook_logs",
	    .whose = DEAD_PROVIDER,
	    .type = DEAD_TYPE,
	    .has_uuids = true,
	    .list = SQL_DEAD_WHATSAPP_LIST,
	    .show = SQL_DEAD_SHOW_WHATSAPP_EVENT,
	    .replay = SQL_DEAD_WHATSAPP_REPLAY,
	    .purge = SQL_DEAD_WHATSAPP_PURGE,
	    .count = SQL_DEAD_WHATSAPP_COUNT,
	},
	{
	    .name = "mail",
	    .one = "mail",
	    .table = "email_queue",
	    .whose = DEAD_TO,
	    .type = DEAD_TEMPLATE,
	    .has_uuids = true,
	    .list = SQL_DEAD_MAIL_LIST,
	    .show = SQL_DEAD_SHOW_MAIL,
	    .replay = SQL_DEAD_MAIL_REPLAY,
	    .purge = SQL_DEAD_MAIL_PURGE,
	    .count = SQL_DEAD_MAIL_COUNT,
	},
	{ .name = NULL },
};

const struct dead_kind *
dead_kind_named(const char *name)
{
	for (const struct dead_kind *kind = dead_kinds; kind->name; kind++)
		if (strcmp(kind->name, name) == 0)
			return kind;
	return NULL;
}

int
dead_find_kind(struct cli_session *s, struct dead_filter *f)
{
	struct err e = { .code = ERR_OK };
	struct text ids = { .at = NULL };
	int64_t count;

	if (f->kind)
		return -1;
	dead_ids(&ids, f);

	AUTO(PQclear) PGresult *rows = db_query(s->db, SQL_DEAD_FIND, DB_ARGS(ids.at), &e);

	text_finish(&ids);
	if (!rows)
		return dead_fail(&e);
	count = db_number(rows, 0, "count");
	if (count > 1)
		return cli_usage(
		    "dead", "these ids are of %s; one kind at a time", db_text(rows, 0, "kinds"));
	if (count == 0) {
		fprintf(stderr,
		    "cronward dead: no event and no mail has the id %s%s; jobs have such, see "
		    "`cronward jobs`\n",
		    f->ids[0], f->ids_count > 1 ? " or one of the others" : "");
		return CLI_FAILED;
	}
	f->kind = dead_kind_named(db_text(rows, 0, "kinds"));
	return -1;
}

void
dead_ids(struct text *to, const struct dead_filter *f)
{
	if (f->ids_count == 0)
		return;
	text_array_begin(to);
	for (int i = 0; i < f->ids_count; i++)
		text_array_add_plain(to, f->ids[i]);
	text_array_end(to);
}
