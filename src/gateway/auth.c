/*
 * auth - the secrets that a caller shows against those that a route asks for.
 *
 * The work done depends on how many secrets are shown and wanted, never on what is in them.
 */
#include "gateway/auth.h"

#include "base/conf.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "gateway/request.h"

#include <stdbool.h>
#include <string.h>

/* The secret that a call carries, however often. */
struct auth_shown {
	const char *at; /* NULL: there is none */
	size_t len;
	bool differs; /* it is another one elsewhere */
};

static void auth_hide_one(const struct secret *, char *text, size_t len, size_t shown);
static void auth_collect(struct auth_shown *, const struct request *);
static void auth_add(struct auth_shown *, const char *value);

int
auth_check(struct conf *conf, const struct request *q, unsigned wanted, unsigned *ret_matched,
    struct err *e)
{
	struct auth_shown shown = { .at = NULL };
	unsigned matched = 0;
	bool usable = false;

	auth_collect(&shown, q);
	for (int which = 0; which < SECRET__MAX; which++) {
		struct secret *secret;

		if (!(wanted & AUTH_SECRET(which)))
			continue;
		secret = conf_secret(conf, (enum conf_secret)which);
		if (secret_state(secret) != SECRET_USABLE)
			continue;
		usable = true;
		if (shown.at && !shown.differs && secret_matches(secret, shown.at, shown.len))
			matched |= AUTH_SECRET(which);
	}
	if (!usable)
		return err_set(
		    e, ERR_NOT_CONFIGURED, "This route is closed: its secret is not configured");
	if (!matched)
		return err_set(e, ERR_UNAUTHORIZED, "Unauthorized");
	*ret_matched = matched;
	return 0;
}

void
auth_hide(struct conf *conf, char *text, size_t shown)
{
	size_t len = strlen(text);

	/* Most texts cannot hold one, and are not worth a look at the secrets' files. */
	if (len < SECRET_LENGTH_LEAST)
		return;
	for (int which = 0; which < SECRET__MAX; which++)
		auth_hide_one(conf_secret(conf, (enum conf_secret)which), text, len, shown);
	for (size_t i = 0; i < conf->providers_count; i++) {
		secret_refresh(&conf->providers[i].secret);
		auth_hide_one(&conf->providers[i].secret, text, len, shown);
	}
}

void
auth_warn(struct conf *conf, unsigned wanted, const char *routes)
{
	for (int which = 0; which < SECRET__MAX; which++) {
		const struct secret *secret;

		if (!(wanted & AUTH_SECRET(which)))
			continue;
		secret = conf_secret(conf, (enum conf_secret)which);
		if (secret_state(secret) == SECRET_UNSET)
			log_message(LOG_WARN, "closed",
			    "%s is unset: these routes answer 503 not_configured: %s", secret->name,
			    routes);
		auth_warn_short(secret, routes);
	}
}

void
auth_warn_short(const struct secret *secret, const char *routes)
{
	if (secret_state(secret) == SECRET_SHORT)
		log_message(LOG_WARN, "closed",
		    "%s is shorter than %zu characters: these routes answer 503 not_configured: %s",
		    secret->name, secret->current.len_min, routes);
}

static void
auth_hide_one(const struct secret *s, char *text, size_t len, size_t shown)
{
	const struct secret_source *from[] = { &s->current, &s->previous };

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		if (secret_source_is_usable(from[i]))
			crypto_secret_hide(text, len, shown, from[i]->value, from[i]->len);
}

static void
auth_collect(struct auth_shown *shown, const struct request *q)
{
	static const char scheme[] = "Bearer";
	const char *value;
	size_t position = 0;

	while ((value = request_each(q, "HTTP_AUTHORIZATION", &position)))
		if (text_has_prefix_nocase(value, scheme) &&
		    (value[sizeof(scheme) - 1] == ' ' || value[sizeof(scheme) - 1] == '\0'))
			auth_add(shown, value + sizeof(scheme) - 1);
	position = 0;
	while ((value = request_each(q, "HTTP_X_CRON_SECRET", &position)))
		auth_add(shown, value);
	for (size_t i = 0; q->proves_by_query && i < q->parameters_count; i++)
		if (strcmp(q->parameters[i].name, "secret") == 0)
			auth_add(shown, q->parameters[i].value);
}

/* Spaces around a header's value are not part of it. */
static void
auth_add(struct auth_shown *shown, const char *value)
{
	size_t len;

	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	if (!shown->at) {
		shown->at = value;
		shown->len = len;
	} else if (!crypto_secret_equal(shown->at, shown->len, value, len)) {
		shown->differs = true;
	}
}
