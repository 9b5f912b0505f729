/*
 * doctor_shop - whether inbound events have handlers, and mail a way out.
 */
#include "cli/doctor.h"
#include "db/db.h"

#include <inttypes.h>
#include <stdio.h>

void
doctor_events(struct doctor *d)
{
	unsigned warned = d->counts[DOCTOR_WARN], failed = d->counts[DOCTOR_FAIL];
	AUTO(PQclear)
	PGresult *handlers = d->is_current ? doctor_query(d, SQL_DOCTOR_EVENT_HANDLERS) : NULL;
	AUTO(PQclear)
	PGresult *providers = handlers ? doctor_query(d, SQL_DOCTOR_EVENT_PROVIDERS) : NULL;

	if (!providers)
		return;
	for (int row = 0; row < PQntuples(handlers); row++) {
		const char *action = db_text(handlers, row, "action");
		char todo[DOCTOR_FOUND_MAX];

		snprintf(todo, sizeof(todo),
		    "CREATE FUNCTION %s(event jsonb) RETURNS void …, or correct "
		    "event_handlers.action",
		    action);
		doctor_fail(d, todo,
		    "handler %s, of %s, names the function %s(jsonb), which is not there",
		    db_text(handlers, row, "id"), db_text(handlers, row, "provider"), action);
	}
	for (int row = 0; row < PQntuples(providers); row++)
		doctor_warn(d, db_text(providers, row, "todo"),
		    "events of %s have come, and it has no handler: nothing is done",
		    db_text(providers, row, "provider"));
	if (d->counts[DOCTOR_WARN] == warned && d->counts[DOCTOR_FAIL] == failed)
		doctor_ok(d,
		    "every provider that sent something has a handler, and every handler its "
		    "function");
}

/* Without both settings mail waits for ever, and one without the other was forgotten. */
void
doctor_mail(struct doctor *d)
{
	bool has_key = secret_state(&d->conf.secrets[SECRET_RESEND]) == SECRET_USABLE;
	const char *lacks = !has_key ? "RESEND_API_KEY" : "EMAIL_FROM";
	AUTO(PQclear) PGresult *rows = d->is_current ? doctor_query(d, SQL_DOCTOR_MAIL) : NULL;
	char waits[DOCTOR_FOUND_MAX] = "";

	if (!rows)
		return;
	if (db_number(rows, 0, "waits") > 0)
		snprintf(waits, sizeof(waits), "; mails that wait: %s%" PRId64,
		    db_bool(rows, 0, "is_more") ? "more than " : "", db_number(rows, 0, "waits"));
	if (has_key && d->conf.email_from)
		doctor_ok(d, "it can be sent");
	else if (!has_key && !d->conf.email_from && !*waits)
		doctor_ok(d, "RESEND_API_KEY and EMAIL_FROM are unset, and none waits");
	else
		doctor_warn(d,
		    has_key ? "EMAIL_FROM='Shop <orders@shop.example>', of a domain that Resend "
			      "has verified"
			    : "RESEND_API_KEY=…, a key from Resend",
		    "%s is not set, or too short: process-email-queue answers 503%s", lacks, waits);
}
