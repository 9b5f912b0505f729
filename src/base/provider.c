/*
 * provider - who sends us events, and how each proves that it was he.
 *
 * The settings of a provider are found by their names' ends, so that a new provider needs no line
 * of this program.
 */
#include "base/provider.h"

#include "base/crypto.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PROVIDER_QUOTE_MAX = 80, /* what a message shows of a wrong value */
};

static const char provider_lower[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
static const char provider_upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

const char *const provider_scheme_name[PROVIDER_SCHEME__MAX + 1] = {
	[PROVIDER_HMAC_HEX] = "hmac-sha256-hex",
	[PROVIDER_HMAC_BASE64] = "hmac-sha256-base64",
	[PROVIDER_STANDARD] = "standard",
	[PROVIDER_STRIPE] = "stripe",
	[PROVIDER_META] = "meta",
};

const char *const provider_scheme_header[PROVIDER_SCHEME__MAX] = {
	[PROVIDER_HMAC_HEX] = "x-webhook-signature",
	[PROVIDER_HMAC_BASE64] = "x-webhook-signature",
	[PROVIDER_STANDARD] = "webhook-signature",
	[PROVIDER_STRIPE] = "stripe-signature",
	[PROVIDER_META] = "x-hub-signature-256",
};

static const struct {
	const char *name;
	enum provider_scheme scheme;
} provider_presets[PRESET__MAX] = {
	[PRESET_PAYMENT] = { "payment", PROVIDER_HMAC_HEX },
	[PRESET_TELEBIRR] = { "telebirr", PROVIDER_HMAC_HEX },
	[PRESET_CBE] = { "cbe", PROVIDER_HMAC_HEX },
	[PRESET_AWASH] = { "awash", PROVIDER_HMAC_HEX },
	[PRESET_STRIPE] = { "stripe", PROVIDER_STRIPE },
	[PRESET_GITHUB] = { "github", PROVIDER_META },
};

/* What the names of settings end in; the first two hold secrets. */
static const char *const provider_tails[] = { "_WEBHOOK_SECRET", "_WEBHOOK_SECRET_PREVIOUS",
	"_WEBHOOK_SECRET_FILE", "_WEBHOOK_SECRET_PREVIOUS_FILE", "_WEBHOOK_SCHEME",
	"_WEBHOOK_HEADER", NULL };

enum {
	PROVIDER_TAILS_SECRET = 2,
};

static int provider_collect(struct provider *all, size_t *count, struct err *e);
static int provider_note(
    struct provider *all, size_t *count, const char *setting, size_t name_len, struct err *e);
static size_t provider_split(const char *setting, size_t len, size_t *ret_tail);
static struct provider *provider_add(struct provider *all, size_t *count, const char *name);
static int provider_order(const void *a, const void *b);
static int provider_read(struct provider *p, struct err *e);
static int provider_scheme_read(struct provider *p, struct err *e);
static int provider_header_read(struct provider *p, struct err *e);
static const char *provider_value(
    const struct provider *p, const char *tail, char ret_setting[static PROVIDER_SETTING_MAX]);
static void provider_recase(char *to, const char *from, size_t len, bool upper);

int
provider_load(struct provider all[static PROVIDERS_MAX], size_t *ret_count, struct err *e)
{
	int rc;

	*ret_count = 0;
	for (size_t i = 0; i < PRESET__MAX; i++)
		provider_add(all, ret_count, provider_presets[i].name)->scheme =
		    provider_presets[i].scheme;
	rc = provider_collect(all, ret_count, e);
	qsort(all + PRESET__MAX, *ret_count - PRESET__MAX, sizeof(all[0]), provider_order);
	/* All of them, whatever is wrong with one: no secret stays in the environment. */
	for (size_t i = 0; i < *ret_count; i++)
		if (provider_read(&all[i], e) != 0)
			rc = -1;
	return rc;
}

void
provider_finish(struct provider *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		secret_finish(&all[i].secret);
}

struct provider *
provider_find(struct provider *all, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

bool
provider_is_name(const char *name)
{
	size_t len = strlen(name);

	return name[0] >= 'a' && name[0] <= 'z' && len < PROVIDER_NAME_MAX &&
	       strspn(name, provider_lower) == len;
}

bool
provider_is_setting(const char *name)
{
	size_t tail;

	return provider_split(name, strlen(name), &tail) > 0;
}

char *
provider_setting(char ret_setting[static PROVIDER_SETTING_MAX], const char *name, const char *tail)
{
	snprintf(ret_setting, PROVIDER_SETTING_MAX, "%s%s", name, tail);
	provider_recase(ret_setting, ret_setting, strlen(name), true);
	return ret_setting;
}

char *
provider_header_beside(
    char ret_header[static PROVIDER_HEADER_MAX], const struct provider *p, const char *what)
{
	int stem = (int)(strlen(p->header) - strlen("signature"));

	snprintf(ret_header, PROVIDER_HEADER_MAX, "%.*s%s", stem, p->header, what);
	return ret_header;
}

/*
 * Adds everybody who has a setting; a cleared environment is NULL.  What cannot be kept is wiped
 * where it stands.
 */
static int
provider_collect(struct provider *all, size_t *count, struct err *e)
{
	int rc = 0;

	for (char **entry = environ; entry && *entry; entry++) {
		char *value = strchr(*entry, '=');
		size_t tail = 0, name_len;

		if (!value || *++value == '\0')
			continue;
		name_len = provider_split(*entry, (size_t)(value - *entry) - 1, &tail);
		if (name_len == 0 || provider_note(all, count, *entry, name_len, e) == 0)
			continue;
		rc = -1;
		if (tail < PROVIDER_TAILS_SECRET)
			crypto_wipe(value, strlen(value));
	}
	return rc;
}

/* The provider whose name are the first ${name_len} characters of ${setting} has a setting. */
static int
provider_note(
    struct provider *all, size_t *count, const char *setting, size_t name_len, struct err *e)
{
	const int setting_len = (int)strcspn(setting, "=");
	char name[PROVIDER_NAME_MAX];
	struct provider *p;

	if (name_len >= PROVIDER_NAME_MAX)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "%.*s: names a provider by %zu characters; allowed: up to %d", setting_len,
		    setting, name_len, PROVIDER_NAME_MAX - 1);
	provider_recase(name, setting, name_len, false);
	name[name_len] = '\0';
	p = provider_find(all, *count, name);
	if (!p && *count == PROVIDERS_MAX)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "%.*s: is of one provider too many; allowed: up to %d, with the %d "
		    "that are always there",
		    setting_len, setting, PROVIDERS_MAX, PRESET__MAX);
	if (!p)
		p = provider_add(all, count, name);
	p->is_given = true;
	return 0;
}

/*
 * Where the ${len} characters of ${setting} are those of a provider's setting, the length of the
 * provider's name, and which of provider_tails is behind it; else 0.
 */
static size_t
provider_split(const char *setting, size_t len, size_t *ret_tail)
{
	if (len == 0 || setting[0] < 'A' || setting[0] > 'Z' ||
	    strspn(setting, provider_upper) < len)
		return 0;
	for (size_t i = 0; provider_tails[i]; i++) {
		size_t tail_len = strlen(provider_tails[i]);

		if (len <= tail_len ||
		    memcmp(setting + len - tail_len, provider_tails[i], tail_len) != 0)
			continue;
		*ret_tail = i;
		return len - tail_len;
	}
	return 0;
}

static struct provider *
provider_add(struct provider *all, size_t *count, const char *name)
{
	struct provider *p = &all[(*count)++];

	*p = (struct provider){ .scheme = PROVIDER_HMAC_HEX };
	snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

static int
provider_order(const void *a, const void *b)
{
	const struct provider *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int
provider_read(struct provider *p, struct err *e)
{
	int rc;

	provider_setting(p->setting, p->name, "_WEBHOOK_SECRET");
	rc = secret_load(&p->secret, p->setting, e);
	if (provider_scheme_read(p, e) != 0)
		rc = -1;
	return provider_header_read(p, e) != 0 ? -1 : rc;
}

static int
provider_scheme_read(struct provider *p, struct err *e)
{
	char setting[PROVIDER_SETTING_MAX], quote[PROVIDER_QUOTE_MAX];
	const char *value = provider_value(p, "_WEBHOOK_SCHEME", setting);

	if (*value == '\0')
		return 0;
	for (unsigned i = 0; provider_scheme_name[i]; i++) {
		if (strcmp(value, provider_scheme_name[i]) != 0)
			continue;
		p->scheme = (enum provider_scheme)i;
		return 0;
	}
	text_clean(quote, sizeof(quote), value, strlen(value));
	return err_set(e, ERR_NOT_CONFIGURED,
	    "%s: \"%s\" is unknown; allowed: " PROVIDER_SCHEMES_ALLOWED, setting, quote);
}

static int
provider_header_read(struct provider *p, struct err *e)
{
	static const char end[] = "-signature";
	char setting[PROVIDER_SETTING_MAX], quote[PROVIDER_QUOTE_MAX];
	const char *value = provider_value(p, "_WEBHOOK_HEADER", setting), *fault = NULL;
	size_t len = strlen(value), end_len = strlen(end);

	snprintf(p->header, sizeof(p->header), "%s", provider_scheme_header[p->scheme]);
	if (len == 0)
		return 0;
	if (len >= sizeof(p->header))
		fault = "is too long for a header's name; allowed: " PROVIDER_HEADER_ALLOWED;
	else if (value[strspn(value, "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
				     "XYZ")])
		fault = "is no header's name; allowed: " PROVIDER_HEADER_ALLOWED;
	else
		provider_recase(p->header, value, len + 1, false);
	if (!fault && p->scheme == PROVIDER_STANDARD &&
	    (len <= end_len || strcmp(p->header + len - end_len, end) != 0))
		fault = "has no -id and -timestamp beside it; allowed with the scheme standard: a "
			"name that ends in -signature";
	if (!fault)
		return 0;
	text_clean(quote, sizeof(quote), value, len);
	return err_set(e, ERR_NOT_CONFIGURED, "%s: \"%s\" %s", setting, quote, fault);
}

/* What the setting of ${p} that ends in ${tail} holds, or ""; its name goes to ${ret_setting}. */
static const char *
provider_value(
    const struct provider *p, const char *tail, char ret_setting[static PROVIDER_SETTING_MAX])
{
	const char *value = getenv(provider_setting(ret_setting, p->name, tail));

	return value ? value : "";
}

/* Copies ${len} bytes, maybe in place; letters of ASCII alone, whatever the locale. */
static void
provider_recase(char *to, const char *from, size_t len, bool upper)
{
	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (upper && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!upper && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		to[i] = c;
	}
}
