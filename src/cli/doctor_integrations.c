/*
 * doctor_integrations - whether the tokens of users' accounts can be kept, refreshed and checked.
 */
#include "cli/doctor.h"
#include "db/db.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What a provider's tokens are refreshed with. */
static const struct integrations_client {
	const char *provider, *name; /* the column's; of its settings */
	size_t id;                   /* of struct conf, a char * */
	enum conf_secret secret;
} integrations_clients[] = {
	{ "github", "GITHUB", offsetof(struct conf, github_client_id), SECRET_GITHUB_CLIENT },
	{ "notion", "NOTION", offsetof(struct conf, notion_client_id), SECRET_NOTION_CLIENT },
	{ "slack", "SLACK", offsetof(struct conf, slack_client_id), SECRET_SLACK_CLIENT },
	{ "google_calendar", "GOOGLE", offsetof(struct conf, google_client_id),
	    SECRET_GOOGLE_CLIENT },
	{ .provider = NULL },
};

static void integrations_provider(struct doctor *, const PGresult *, int row);
static void integrations_client(struct doctor *, const char *provider, int64_t refreshed);

void
doctor_integrations(struct doctor *d)
{
	unsigned warned = d->counts[DOCTOR_WARN], failed = d->counts[DOCTOR_FAIL];
	AUTO(PQclear)
	PGresult *rows = d->is_current ? doctor_query(d, SQL_DOCTOR_INTEGRATIONS) : NULL;
	int64_t tokens = 0;

	if (!rows)
		return;
	for (int row = 0; row < PQntuples(rows); row++) {
		tokens += db_number(rows, row, "with_token");
		integrations_provider(d, rows, row);
	}
	if (tokens > 0 && d->conf.keyring.count == 0)
		doctor_fail(d, "ENCRYPTION_KEYS_FILE=…, a file with id:base64-of-32-bytes",
		    "%" PRId64 " integrations have tokens, and there is no key to seal them with: "
		    "sync-integrations answers 503",
		    tokens);
	if (d->counts[DOCTOR_WARN] == warned && d->counts[DOCTOR_FAIL] == failed)
		doctor_ok(d, tokens > 0 ? "tokens can be sealed, and refreshed" : "there are none");
}

/* One of the two alone was forgotten: tokens are then asked about in their own names. */
void
doctor_whatsapp(struct doctor *d)
{
	bool has_secret = secret_state(&d->conf.secrets[SECRET_META_APP]) == SECRET_USABLE;
	AUTO(PQclear)
	PGresult *rows = d->is_current ? doctor_query(d, SQL_DOCTOR_WHATSAPP) : NULL;
	int64_t errors = rows ? db_number(rows, 0, "errors") : 0;

	if (errors > 0)
		doctor_warn(d,
		    "whatsapp_health.errormessage says why; a new token goes into "
		    "whatsapp_configs.accesstoken",
		    "active connections with healthstatus error: %" PRId64, errors);
	if (d->conf.meta_app_id && !has_secret)
		doctor_warn(d, "META_APP_SECRET=…, from the application's settings at Meta",
		    "META_APP_ID is set without META_APP_SECRET: when tokens expire is not known");
	else if (errors == 0)
		doctor_ok(d, "%s",
		    d->conf.meta_app_id
			? "tokens are asked about in the application's name"
			: "META_APP_ID is unset: tokens are asked about in their own names");
}

static void
integrations_provider(struct doctor *d, const PGresult *rows, int row)
{
	const char *provider = db_text(rows, row, "provider");
	int64_t reauth = db_number(rows, row, "reauth"), failing = db_number(rows, row, "failing");
	char todo[DOCTOR_FOUND_MAX];

	integrations_client(d, provider, db_number(rows, row, "refreshed"));
	snprintf(todo, sizeof(todo),
	    "cronward integrations list --provider %s --status active says what is wrong",
	    provider);
	if (failing > 0)
		doctor_warn(d, todo,
		    "%s: %" PRId64 " have failed, or were told to wait, five times in a row",
		    provider, failing);
	if (reauth == 0)
		return;
	snprintf(todo, sizeof(todo),
	    "ask their users to connect again: cronward integrations list --provider %s --status "
	    "needs_reauth",
	    provider);
	doctor_warn(d, todo, "%s: %" PRId64 " wait for new tokens", provider, reauth);
}

static void
integrations_client(struct doctor *d, const char *provider, int64_t refreshed)
{
	const struct integrations_client *c = integrations_clients;
	const char *id;
	char todo[DOCTOR_FOUND_MAX];
	bool has_secret;

	while (c->provider && strcmp(c->provider, provider) != 0)
		c++;
	if (!c->provider || refreshed == 0)
		return;
	id = *(char *const *)((const char *)&d->conf + c->id);
	has_secret = secret_state(&d->conf.secrets[c->secret]) == SECRET_USABLE;
	if (id && has_secret)
		return;
	snprintf(todo, sizeof(todo), "%s_CLIENT_ID and %s_CLIENT_SECRET, as the vendor shows them",
	    c->name, c->name);
	doctor_warn(d, todo,
	    "%s: %" PRId64
	    " have refresh tokens, and %s_CLIENT_%s is not set: they stop when their "
	    "access tokens expire",
	    provider, refreshed, c->name, id ? "SECRET" : "ID");
}
