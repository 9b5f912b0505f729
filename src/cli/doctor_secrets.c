/*
 * doctor_secrets - what callers and providers of events prove, and what we do: whether it is hard
 * to guess, who may read it, how old it is.
 *
 * No value is ever shown, nor how long it is; "shorter than 32 characters" is all that is said.
 */
#include "base/clock.h"
#include "base/crypto.h"
#include "cli/doctor.h"
#include "gateway/auth.h"
#include "gateway/route.h"
#include "http/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	SECRETS_LENGTH_WANTED = 32,
	SECRETS_DISTINCT_WANTED = 10, /* different characters */
	SECRETS_AGE_DAYS = 90,
	SECRETS_ROTATION_DAYS = 7,
	SECRETS_NAME_MAX = PROVIDER_SETTING_MAX + 16,
	SECRETS_WITHOUT_MAX = 96,
	SECRETS_MAX = SECRET__MAX + PROVIDERS_MAX,
	SECRETS_DAY_S = 86400,
};

#define SECRETS_NEW "openssl rand -hex 32"
/* What others made, we cannot make. */
#define SECRETS_NEW_OF_ISSUER "a new one, from who issued it"

/* What stands in guides and examples, of this program and of others, in any case. */
static const char *const secrets_placeholders[] = { "changeme", "change-me", "change_me", "your-",
	"your_", "yoursecret", "dev-secret", "dev_secret", "secret-token", "secret_token",
	"test-secret", "my-secret", "mysecret", "placeholder", "example", "password", "12345678",
	"abcdefgh", NULL };

/* Those that no caller shows: what is missing without, and whether others make them. */
static const struct {
	const char *without;
	bool is_issued;
} secrets_ours[SECRET__MAX] = {
	[SECRET_CRON_JOB_ORG] = { "`cronward callers cron-job.org` cannot work", true },
	[SECRET_RESEND] = { "mail stays in its queue", true },
	[SECRET_META_APP] = { "/api/whatsapp/webhook takes no events", true },
	[SECRET_GITHUB_CLIENT] = { "tokens of GitHub are not refreshed", true },
	[SECRET_NOTION_CLIENT] = { "tokens of Notion are not refreshed", true },
	[SECRET_SLACK_CLIENT] = { "tokens of Slack are not refreshed", true },
	[SECRET_GOOGLE_CLIENT] = { "tokens of Google are not refreshed", true },
	[SECRET_WHATSAPP_VERIFY] = { "Meta cannot register /api/whatsapp/webhook", false },
};

/* A secret, and what for. */
struct secrets_held {
	struct secret *secret;
	const struct secret *instead; /* where it is unset; itself: nothing takes its place */
	char without[SECRETS_WITHOUT_MAX];
	bool is_wanted; /* something that callers call is closed without it */
	bool is_issued; /* how it is made is not ours to judge */
};

static size_t secrets_collect(struct doctor *, struct secrets_held all[static SECRETS_MAX]);
static void secrets_look(struct doctor *, const struct secrets_held *);
static void secrets_unset(struct doctor *, const struct secrets_held *);
static unsigned secrets_routes(enum conf_secret);
static void secrets_keys(struct doctor *);
static void secrets_strength(struct doctor *, const struct secrets_held *);
static bool secrets_is_placeholder(const char *value);
static unsigned secrets_distinct(const char *value, size_t len);
static void secrets_age(struct doctor *, const struct secrets_held *);
static void secrets_previous(struct doctor *, const struct secret *);
static bool secrets_same(const struct secret_source *, const struct secret_source *);
static int64_t secrets_file_days(const struct secret_source *);

void
doctor_secrets(struct doctor *d)
{
	struct secrets_held all[SECRETS_MAX];
	size_t count = secrets_collect(d, all);

	for (size_t i = 0; i < count; i++)
		secrets_look(d, &all[i]);
	for (size_t a = 0; a < count; a++)
		for (size_t b = a + 1; b < count; b++)
			if (secrets_same(&all[a].secret->current, &all[b].secret->current))
				doctor_warn(d, "give each a value of its own: " SECRETS_NEW,
				    "%s and %s are the same: who is told one can use the other",
				    all[a].secret->name, all[b].secret->name);
	secrets_keys(d);
	doctor_file_mode(d, "DATABASE_PASSWORD_FILE", getenv("DATABASE_PASSWORD_FILE"));
	doctor_file_mode(d, "ENCRYPTION_KEYS_FILE", d->conf.keyring.file.path);
}

int64_t
doctor_days_since(int64_t since_s)
{
	return (clock_unix_ms() / 1000 - since_s) / SECRETS_DAY_S;
}

void
doctor_file_mode(struct doctor *d, const char *name, const char *path)
{
	char todo[DOCTOR_FOUND_MAX];
	struct stat st;

	if (!path || !*path || stat(path, &st) != 0)
		return;
	snprintf(todo, sizeof(todo), "chmod o= %s, and make another one: it was open", path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		doctor_fail(d, todo, "%s: everybody on this host may %s %s", name,
		    st.st_mode & S_IWOTH ? "write" : "read", path);
	snprintf(todo, sizeof(todo), "chmod g-w %s", path);
	if (st.st_mode & S_IWGRP)
		doctor_warn(d, todo, "%s: the group of %s may write it", name, path);
}

/* Of the providers those alone that somebody has set up. */
static size_t
secrets_collect(struct doctor *d, struct secrets_held all[static SECRETS_MAX])
{
	struct conf *c = &d->conf;
	size_t count = 0;

	for (int i = 0; i < SECRET__MAX; i++) {
		enum conf_secret which = (enum conf_secret)i;
		struct secrets_held *one = &all[count++];

		*one = (struct secrets_held){ .secret = &c->secrets[which],
			.instead = conf_secret(c, which),
			.is_wanted = secrets_routes(which) > 0,
			.is_issued = secrets_ours[which].is_issued };
		if (one->is_wanted)
			snprintf(one->without, sizeof(one->without),
			    "%u routes answer 503 not_configured", secrets_routes(which));
		else
			snprintf(
			    one->without, sizeof(one->without), "%s", secrets_ours[which].without);
	}
	for (size_t i = 0; i < c->providers_count; i++) {
		struct provider *p = &c->providers[i];
		struct secrets_held *one = &all[count];

		if (!p->is_given)
			continue;
		*one = (struct secrets_held){ .secret = &p->secret,
			.instead = &p->secret,
			.is_wanted = true,
			.is_issued = true };
		snprintf(one->without, sizeof(one->without),
		    "/api/payments/webhook%s%s takes no events", i == PRESET_PAYMENT ? "" : "/",
		    i == PRESET_PAYMENT ? "" : p->name);
		count++;
	}
	return count;
}

static void
secrets_look(struct doctor *d, const struct secrets_held *h)
{
	const struct secret *s = h->secret;
	const char *path = s->current.file.path;
	char name[SECRETS_NAME_MAX], todo[DOCTOR_FOUND_MAX];

	snprintf(todo, sizeof(todo), "%s%s%s", h->is_issued ? SECRETS_NEW_OF_ISSUER : SECRETS_NEW,
	    !path          ? ""
	    : h->is_issued ? ", into "
			   : " >",
	    path ? path : "");
	switch (secret_state(s)) {
	case SECRET_UNSET:
		secrets_unset(d, h);
		break;
	case SECRET_SHORT:
		doctor_fail(d, todo, "%s is shorter than %zu characters: %s", s->name,
		    s->current.len_min, h->without);
		break;
	case SECRET_USABLE:
		secrets_age(d, h);
		secrets_strength(d, h);
		break;
	}
	snprintf(name, sizeof(name), "%s_FILE", s->name);
	doctor_file_mode(d, name, path);
	snprintf(name, sizeof(name), "%s_PREVIOUS_FILE", s->name);
	doctor_file_mode(d, name, s->previous.file.path);
	secrets_previous(d, s);
}

static void
secrets_unset(struct doctor *d, const struct secrets_held *h)
{
	const char *name = h->secret->name;
	char todo[DOCTOR_FOUND_MAX];

	snprintf(todo, sizeof(todo), "%s_FILE=… (%s)", name,
	    h->is_issued ? "who issues it has it" : SECRETS_NEW " makes one");
	if (h->instead != h->secret && secret_state(h->instead) == SECRET_USABLE)
		doctor_ok(d, "%s is unset; %s takes its place", name, h->instead->name);
	else if (h->is_wanted)
		doctor_fail(d, todo, "%s is unset: %s", name, h->without);
	else
		doctor_ok(d, "%s is unset: %s", name, h->without);
}

static unsigned
secrets_routes(enum conf_secret which)
{
	unsigned count = 0;

	for (const struct route *route = routes; route->path; route++)
		count += (route->secrets & AUTH_SECRET(which)) != 0;
	return count;
}

/* A secret of Standard Webhooks that does not decode verifies nothing, however long it is. */
static void
secrets_keys(struct doctor *d)
{
	struct sign_key key;

	for (size_t i = 0; i < d->conf.providers_count; i++) {
		const struct provider *p = &d->conf.providers[i];

		if (p->scheme == PROVIDER_STANDARD && secret_state(&p->secret) == SECRET_USABLE &&
		    sign_key_parse(&key, p->secret.current.value) != 0)
			doctor_fail(d, SECRETS_NEW_OF_ISSUER,
			    "%s is neither base64 behind \"whsec_\" nor a text of up to %d "
			    "characters: no event of %s can be verified",
			    p->setting, SIGN_KEY_BYTES_MAX, p->name);
	}
	crypto_wipe(&key, sizeof(key));
}

static void
secrets_age(struct doctor *d, const struct secrets_held *h)
{
	const struct secret *s = h->secret;
	int64_t days = secrets_file_days(&s->current);

	if (!s->current.file.path)
		doctor_ok(d, "%s comes from the environment: its age cannot be told", s->name);
	else if (days > SECRETS_AGE_DAYS)
		doctor_warn(d,
		    h->is_issued ? SECRETS_NEW_OF_ISSUER
				 : "rotate it: " SECRETS_NEW
				   "; the old one goes to its _PREVIOUS file",
		    "%s is %" PRId64 " days old; %d are usual", s->name, days, SECRETS_AGE_DAYS);
	else
		doctor_ok(d, "%s comes from a file, %" PRId64 " days old", s->name, days);
}

static void
secrets_strength(struct doctor *d, const struct secrets_held *h)
{
	const struct secret *s = h->secret;
	const char *value = s->current.value;

	if (secrets_is_placeholder(value))
		doctor_fail(d, h->is_issued ? SECRETS_NEW_OF_ISSUER : SECRETS_NEW,
		    "%s holds the words of an example, which all know", s->name);
	else if (h->is_issued)
		return;
	else if (s->current.len < SECRETS_LENGTH_WANTED)
		doctor_warn(d, SECRETS_NEW, "%s is shorter than %d characters", s->name,
		    SECRETS_LENGTH_WANTED);
	else if (secrets_distinct(value, s->current.len) < SECRETS_DISTINCT_WANTED)
		doctor_warn(d, SECRETS_NEW,
		    "%s is made of fewer than %d different characters: it can be guessed", s->name,
		    SECRETS_DISTINCT_WANTED);
}

static bool
secrets_is_placeholder(const char *value)
{
	for (const char *const *word = secrets_placeholders; *word; word++)
		if (strcasestr(value, *word))
			return true;
	return false;
}

static unsigned
secrets_distinct(const char *value, size_t len)
{
	bool seen[256] = { false };
	unsigned count = 0;

	for (size_t i = 0; i < len; i++) {
		bool *one = &seen[(unsigned char)value[i]];

		count += !*one;
		*one = true;
	}
	return count;
}

/* A rotation that was begun and not ended: what was retired still opens everything. */
static void
secrets_previous(struct doctor *d, const struct secret *s)
{
	int64_t days = secrets_file_days(&s->previous), since = secrets_file_days(&s->current);
	char todo[DOCTOR_FOUND_MAX];

	if (!secret_source_is_usable(&s->previous))
		return;
	snprintf(todo, sizeof(todo), "when no caller uses it any more, %s",
	    s->previous.file.path ? "empty its file" : "unset it");
	/* A file that was moved is as old as its secret; the rotation is as old as the new one. */
	if (since >= 0 && since < days)
		days = since;
	if (secrets_same(&s->current, &s->previous))
		doctor_warn(d, "put another one into its place: " SECRETS_NEW,
		    "%s_PREVIOUS equals %s: nothing was rotated", s->name, s->name);
	else if (days > SECRETS_ROTATION_DAYS)
		doctor_warn(d, todo, "%s_PREVIOUS is still accepted, after %" PRId64 " days",
		    s->name, days);
	else if (days < 0)
		doctor_warn(d, todo, "%s_PREVIOUS is set: both are accepted", s->name);
	else
		doctor_ok(d, "%s is being rotated, for %" PRId64 " days now", s->name, days);
}

static bool
secrets_same(const struct secret_source *a, const struct secret_source *b)
{
	return a->value && b->value && a->len == b->len && memcmp(a->value, b->value, a->len) == 0;
}

/* -1: it is in no file that can be looked at. */
static int64_t
secrets_file_days(const struct secret_source *from)
{
	struct stat st;

	if (!from->file.path || stat(from->file.path, &st) != 0)
		return -1;
	return doctor_days_since(st.st_mtime);
}
