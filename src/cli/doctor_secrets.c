/*
 * doctor_secrets - what callers prove: whether it is hard to guess, who may read it, how old it is.
 *
 * No value is ever shown, nor how long it is; "shorter than 32 characters" is all that is said.
 */
#include "base/clock.h"
#include "cli/doctor.h"
#include "gateway/auth.h"
#include "gateway/route.h"

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
	SECRETS_NAME_MAX = 64,
	SECRETS_DAY_S = 86400,
};

#define SECRETS_NEW "openssl rand -hex 32"
/* What others made, we cannot make. */
#define SECRETS_NEW_OF_ISSUER "a new one, from who issued it"

/* What stands in guides and examples, of this program and of others, in any case. */
static const char *const secrets_placeholders[] = { "changeme", "change-me", "change_me",
	"your-secret", "your_secret", "yoursecret", "your-generated", "your-cron", "your-api",
	"your_api", "dev-secret", "dev_secret", "secret-token", "secret_token", "test-secret",
	"my-secret", "mysecret", "placeholder", "example", "password", "12345678", "abcdefgh",
	NULL };

static void secrets_look(struct doctor *, struct secret *, enum conf_secret);
static void secrets_unset(struct doctor *, const struct secret *, enum conf_secret);
static unsigned secrets_routes(enum conf_secret);
static void secrets_strength(struct doctor *, const struct secret *, enum conf_secret);
static bool secrets_is_placeholder(const char *value);
static unsigned secrets_distinct(const char *value, size_t len);
static void secrets_age(struct doctor *, const struct secret *, enum conf_secret);
static void secrets_previous(struct doctor *, const struct secret *);
static bool secrets_same(const struct secret_source *, const struct secret_source *);
static int64_t secrets_file_days(const struct secret_source *);

void
doctor_secrets(struct doctor *d)
{
	struct secret *all = d->conf.secrets;

	for (int which = 0; which < SECRET__MAX; which++)
		secrets_look(d, &all[which], (enum conf_secret)which);
	for (int a = 0; a < SECRET__MAX; a++)
		for (int b = a + 1; b < SECRET__MAX; b++)
			if (secrets_same(&all[a].current, &all[b].current))
				doctor_warn(d, "give each a value of its own: " SECRETS_NEW,
				    "%s and %s are the same: who is told one can use the other",
				    all[a].name, all[b].name);
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

static void
secrets_look(struct doctor *d, struct secret *s, enum conf_secret which)
{
	const char *path = s->current.file.path;
	char name[SECRETS_NAME_MAX], todo[DOCTOR_FOUND_MAX];

	snprintf(todo, sizeof(todo), SECRETS_NEW "%s%s", path ? " >" : "", path ? path : "");
	switch (secret_state(s)) {
	case SECRET_UNSET:
		secrets_unset(d, s, which);
		break;
	case SECRET_SHORT:
		doctor_fail(d, todo,
		    "%s is shorter than %zu characters: %u routes answer 503 not_configured",
		    s->name, s->current.len_min, secrets_routes(which));
		break;
	case SECRET_USABLE:
		secrets_age(d, s, which);
		secrets_strength(d, s, which);
		break;
	}
	snprintf(name, sizeof(name), "%s_FILE", s->name);
	doctor_file_mode(d, name, path);
	snprintf(name, sizeof(name), "%s_PREVIOUS_FILE", s->name);
	doctor_file_mode(d, name, s->previous.file.path);
	secrets_previous(d, s);
}

static void
secrets_unset(struct doctor *d, const struct secret *s, enum conf_secret which)
{
	const struct secret *instead = conf_secret(&d->conf, which);
	char todo[DOCTOR_FOUND_MAX];

	snprintf(todo, sizeof(todo), "%s_FILE=… (" SECRETS_NEW " makes one)", s->name);
	if (instead != s && secret_state(instead) == SECRET_USABLE)
		doctor_ok(d, "%s is unset; %s takes its place", s->name, instead->name);
	else if (secrets_routes(which) > 0)
		doctor_fail(d, todo, "%s is unset: %u routes answer 503 not_configured", s->name,
		    secrets_routes(which));
	else
		doctor_ok(d, "%s is unset; no route wants it", s->name);
}

static unsigned
secrets_routes(enum conf_secret which)
{
	unsigned count = 0;

	for (const struct route *route = routes; route->path; route++)
		count += (route->secrets & AUTH_SECRET(which)) != 0;
	return count;
}

static void
secrets_age(struct doctor *d, const struct secret *s, enum conf_secret which)
{
	int64_t days = secrets_file_days(&s->current);

	if (!s->current.file.path)
		doctor_ok(d, "%s comes from the environment: its age cannot be told", s->name);
	else if (days > SECRETS_AGE_DAYS)
		doctor_warn(d,
		    which == SECRET_CRON_JOB_ORG ? SECRETS_NEW_OF_ISSUER
						 : "rotate it: " SECRETS_NEW
						   "; the old one goes to its _PREVIOUS file",
		    "%s is %" PRId64 " days old; %d are usual", s->name, days, SECRETS_AGE_DAYS);
	else
		doctor_ok(d, "%s comes from a file, %" PRId64 " days old", s->name, days);
}

static void
secrets_strength(struct doctor *d, const struct secret *s, enum conf_secret which)
{
	const char *value = s->current.value;

	if (secrets_is_placeholder(value))
		doctor_fail(d, which == SECRET_CRON_JOB_ORG ? SECRETS_NEW_OF_ISSUER : SECRETS_NEW,
		    "%s holds the words of an example, which all know", s->name);
	else if (which == SECRET_CRON_JOB_ORG)
		return; /* how it is made is not ours to judge */
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
