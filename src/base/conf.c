/*
 * conf - the settings: one table is the one source of names, defaults, ranges and help.
 *
 * Defaults are text and take the way of every other value, so a default that is out of its own
 * range cannot hide.  An empty value counts as unset.
 */
#include "base/conf.h"

#include "base/conf_kind.h"
#include "base/crypto.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool conf_setting_find(
    const struct conf *c, size_t i, struct conf_setting *ret_setting, const char **ret_owner);
static bool conf_is_given(const char *name);
static enum conf_secret conf_secret_source(const struct conf *c, enum conf_secret which);
static void conf_wipe_free(char *text);

enum {
	CONF_PRESETS_COUNT = PRESET_AWASH + 1, /* of the table */
};

int
conf_load(struct conf *c, struct err *e)
{
	size_t i;
	int rc = 0;

	*c = (struct conf){ .database_url = NULL };
	/* All of them, whatever is wrong with one: no secret stays in the environment. */
	for (i = 0; i < SECRET__MAX; i++)
		if (secret_load(&c->secrets[i], conf_secret_name[i], e) != 0)
			rc = -1;
	secret_allow(&c->secrets[SECRET_RESEND], SECRET_LENGTH_LEAST);
	for (i = SECRET_GITHUB_CLIENT; i <= SECRET_GOOGLE_CLIENT; i++)
		secret_allow(&c->secrets[i], SECRET_LENGTH_LEAST);
	if (provider_load(c->providers, &c->providers_count, e) != 0)
		rc = -1;
	if (keyring_load(&c->keyring, e) != 0)
		rc = -1;
	for (i = 0; i < conf_settings_count; i++) {
		const struct conf_setting *s = &conf_settings[i];
		const char *value = conf_is_given(s->name) ? getenv(s->name) : s->fallback;

		if (s->kind->parse && s->kind->parse(c, s, value, e) != 0)
			rc = -1;
	}
	if (c->webhook_schedule_count > 0 && !conf_is_given("MAX_WEBHOOK_RETRIES"))
		c->webhook_retries_max = c->webhook_schedule_count;
	return rc;
}

void
conf_finish(struct conf *c)
{
	size_t i;

	for (i = 0; i < SECRET__MAX; i++)
		secret_finish(&c->secrets[i]);
	provider_finish(c->providers, c->providers_count);
	conf_wipe_free(c->database_url);
	keyring_finish(&c->keyring);
	free(c->database_password_file);
	free(c->app_url);
	free(c->region);
	free(c->env);
	free(c->cron_job_org_url);
	free(c->apollo_url);
	free(c->resend_url);
	free(c->meta_url);
	free(c->github_url);
	free(c->notion_url);
	free(c->slack_url);
	free(c->google_url);
	free(c->github_oauth_url);
	free(c->google_oauth_url);
	free(c->meta_app_id);
	free(c->github_client_id);
	free(c->notion_client_id);
	free(c->slack_client_id);
	free(c->google_client_id);
	free(c->email_from);
	free(c->processor_dir);
	free(c->egress_ca_file);
	*c = (struct conf){ .database_url = NULL };
}

unsigned
conf_requests_max(const struct conf *c)
{
	const int64_t each[] = { c->webhook_concurrent_max, c->job_concurrent_max,
		c->event_concurrent_max, c->health_concurrent_max, c->sync_concurrent_max };
	int64_t most = 0;

	for (size_t i = 0; i < sizeof each / sizeof *each; i++)
		if (most < each[i])
			most = each[i];
	return (unsigned)most;
}

struct secret *
conf_secret(struct conf *c, enum conf_secret which)
{
	secret_refresh(&c->secrets[which]);
	which = conf_secret_source(c, which);
	secret_refresh(&c->secrets[which]);
	return &c->secrets[which];
}

const struct secret *
conf_secret_as_read(const struct conf *c, enum conf_secret which)
{
	return &c->secrets[conf_secret_source(c, which)];
}

struct provider *
conf_provider(struct conf *c, const char *name)
{
	struct provider *p = provider_find(c->providers, c->providers_count, name);

	if (p)
		secret_refresh(&p->secret);
	return p;
}

const struct keyring *
conf_keyring(struct conf *c)
{
	keyring_refresh(&c->keyring);
	return &c->keyring;
}

const char *
conf_database_password(const struct conf *c, struct secret_text *text, struct err *e)
{
	const char *fault;

	text->len = 0;
	if (!c->database_password_file)
		return "";
	fault = secret_file_read(c->database_password_file, text);
	if (fault) {
		err_set(e, ERR_NOT_CONFIGURED, "DATABASE_PASSWORD_FILE: \"%s\": %s",
		    c->database_password_file, fault);
		return NULL;
	}
	/* Spaces may be part of a password; line ends come from editors. */
	while (text->len > 0 && strchr("\r\n", text->bytes[text->len - 1]))
		text->bytes[--text->len] = '\0';
	return text->bytes;
}

bool
conf_row(const struct conf *c, size_t i, struct conf_row *ret_row)
{
	const char *owner = "";
	struct conf_setting s;

	if (!conf_setting_find(c, i, &s, &owner))
		return false;
	*ret_row = (struct conf_row){ "", s.fallback, s.allowed, s.help, s.secret };
	provider_setting(ret_row->name, owner, s.name);
	return true;
}

char *
conf_value(const struct conf *c, size_t i, char *to, size_t room)
{
	struct text value = { 0 };
	struct conf_setting s;
	const char *owner;

	if (conf_setting_find(c, i, &s, &owner))
		s.kind->show(c, &s, &value);
	if (room > 0)
		snprintf(to, room, "%s", value.at ? value.at : "");
	text_finish(&value);
	return to;
}

/*
 * Setting ${i} of the table, and behind it, where ${c} is not NULL, of the providers that it does
 * not name: there *ret_owner is the provider's name, and the setting's name is its end.
 */
static bool
conf_setting_find(
    const struct conf *c, size_t i, struct conf_setting *ret_setting, const char **ret_owner)
{
	*ret_owner = "";
	if (i < conf_settings_count) {
		*ret_setting = conf_settings[i];
		return true;
	}
	i -= conf_settings_count;
	for (size_t p = CONF_PRESETS_COUNT; c && p < c->providers_count; p++) {
		if (!c->providers[p].is_given)
			continue;
		if (i < conf_provider_settings_count) {
			*ret_setting = conf_provider_settings[i];
			ret_setting->name += sizeof(CONF_NAME) - 1;
			ret_setting->offset += p * sizeof(c->providers[0]);
			*ret_owner = c->providers[p].name;
			return true;
		}
		i -= conf_provider_settings_count;
	}
	return false;
}

/* An empty value is none. */
static bool
conf_is_given(const char *name)
{
	const char *value = getenv(name);

	return value && *value != '\0';
}

/* Where the value of ${which} is: what is unset falls back. */
static enum conf_secret
conf_secret_source(const struct conf *c, enum conf_secret which)
{
	if ((which == SECRET_CRON_JOB_API_KEY || which == SECRET_WORKER_TOKEN) &&
	    secret_state(&c->secrets[which]) == SECRET_UNSET)
		return SECRET_CRON_SECRET;
	return which;
}

static void
conf_wipe_free(char *text)
{
	if (text)
		crypto_wipe(text, strlen(text));
	free(text);
}
