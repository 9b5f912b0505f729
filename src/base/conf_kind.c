/*
 * conf_kind - the kinds of settings: how their text is read, and shown again.
 *
 * Every fault is one line: the setting's name, what is wrong with the value, what is allowed.
 */
#include "base/conf_kind.h"

#include "base/arena.h"
#include "base/conf_path.h"
#include "base/crypto.h"
#include "base/mailbox.h"
#include "base/secret_file.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONF_ITEM_MAX = 64,  /* one entry of a list */
	CONF_QUOTE_MAX = 80, /* what a message shows of a wrong value */
	CONF_V4_BITS = 96,   /* of ::ffff:0:0/96, where the IPv4 addresses stand */
	CONF_MS_PER_S = 1000,
	CONF_LENGTH_MAX_S = 30 * 24 * 60 * 60,
};

#define CONF_FIELD(c, s, type) ((type *)(void *)((char *)(c) + (s)->offset))
#define CONF_FIELD_CONST(c, s, type) ((const type *)(const void *)((const char *)(c) + (s)->offset))

static int conf_url_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_password_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_number_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_word_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_schedule_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_egress_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_path_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_folder_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_address_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_label_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static int conf_mailbox_parse(
    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
static void conf_hidden_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_secret_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_secret_file_show(
    const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_keys_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_keys_file_show(
    const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_ring_show(const struct keyring *ring, bool of_file, struct text *to);
static void conf_number_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_word_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_schedule_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_egress_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_path_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static void conf_array_show(const struct conf *c, const struct conf_setting *s, struct text *to);
static int conf_wrong(
    struct err *e, const struct conf_setting *s, const char *value, const char *fault);
static int conf_file_wrong(
    struct err *e, const struct conf_setting *s, const char *path, const char *fault);
static char *conf_copy(const char *from, size_t len);
static void conf_item(const char **at, char item[static CONF_ITEM_MAX]);
static bool conf_cidr_parse(struct conf_cidr *cidr, char *text);
static void conf_source_show(const struct secret_source *from, bool of_file, struct text *to);

const struct conf_kind conf_url = { conf_url_parse, conf_hidden_show };
const struct conf_kind conf_password = { conf_password_parse, conf_hidden_show };
/* secret_load() reads the four settings of a secret at once. */
const struct conf_kind conf_secret_text = { NULL, conf_secret_show };
const struct conf_kind conf_secret_file = { NULL, conf_secret_file_show };
/* provider_load() reads both of them. */
const struct conf_kind conf_scheme = { NULL, conf_word_show };
const struct conf_kind conf_header = { NULL, conf_array_show };
/* keyring_load() reads both of them. */
const struct conf_kind conf_keys = { NULL, conf_keys_show };
const struct conf_kind conf_keys_file = { NULL, conf_keys_file_show };
const struct conf_kind conf_number = { conf_number_parse, conf_number_show };
const struct conf_kind conf_word = { conf_word_parse, conf_word_show };
const struct conf_kind conf_schedule = { conf_schedule_parse, conf_schedule_show };
const struct conf_kind conf_egress = { conf_egress_parse, conf_egress_show };
const struct conf_kind conf_address = { conf_address_parse, conf_path_show };
const struct conf_kind conf_mailbox = { conf_mailbox_parse, conf_path_show };
const struct conf_kind conf_label = { conf_label_parse, conf_path_show };
const struct conf_kind conf_folder = { conf_folder_parse, conf_path_show };
const struct conf_kind conf_path = { conf_path_parse, conf_path_show };

/* A password with an unescaped '/' or '@' ends up as port or host, and so in error messages. */
static bool
conf_url_is_sound(const PQconninfoOption *options)
{
	for (; options->keyword; options++) {
		const char *value = options->val;

		if (value && strcmp(options->keyword, "port") == 0 &&
		    value[strspn(value, "0123456789,")] != '\0')
			return false;
		if (value && strcmp(options->keyword, "host") == 0 && *value &&
		    strchr(value + 1, '@'))
			return false;
	}
	return true;
}

static int
conf_url_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	char *given = getenv(s->name), *fault = NULL;
	int rc = 0;

	if (value[0] != '\0') {
		PQconninfoOption *options = PQconninfoParse(value, &fault);

		if (options && conf_url_is_sound(options))
			*CONF_FIELD(c, s, char *) = conf_copy(value, strlen(value));
		else /* libpq's own words may quote the password */
			rc = err_set(e, ERR_NOT_CONFIGURED, "%s: is not %s", s->name, s->allowed);
		PQconninfoFree(options);
		PQfreemem(fault);
	}
	if (given) {
		crypto_wipe(given, strlen(given));
		unsetenv(s->name);
	}
	return rc;
}

/* The file is read with each connection; here it is only tried. */
static int
conf_password_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	struct secret_text text = { .len = 0 };
	const char *fault;

	if (value[0] == '\0')
		return 0;
	fault = secret_file_read(value, &text);
	if (!fault && memchr(text.bytes, '\0', text.len))
		fault = "holds a NUL";
	secret_text_wipe(&text);
	if (fault)
		return conf_file_wrong(e, s, value, fault);
	*CONF_FIELD(c, s, char *) = conf_copy(value, strlen(value));
	return 0;
}

static int
conf_number_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	const char *digits = value[0] == '-' ? value + 1 : value;

	if (text_to_int64(value, s->min, s->max, CONF_FIELD(c, s, int64_t)))
		return 0;
	if (digits[0] && digits[strspn(digits, "0123456789")] == '\0')
		return conf_wrong(e, s, value, "is out of range");
	return conf_wrong(e, s, value, "is not a whole number");
}

static int
conf_word_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	unsigned i;

	for (i = 0; s->words[i]; i++) {
		if (strcmp(value, s->words[i]) != 0)
			continue;
		/* The enums of struct conf have no negative member: each is an unsigned. */
		*CONF_FIELD(c, s, unsigned) = i;
		return 0;
	}
	return conf_wrong(e, s, value, "is unknown");
}

static int
conf_schedule_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	int64_t *lengths_s = CONF_FIELD(c, s, int64_t), ms;
	const char *at = value;
	char item[CONF_ITEM_MAX];

	if (value[0] == '\0')
		return 0;
	for (;;) {
		conf_item(&at, item);
		if (!text_to_duration_ms(item, &ms))
			return conf_wrong(e, s, item, "is not a length of time");
		if (ms % CONF_MS_PER_S != 0)
			return conf_wrong(e, s, item, "is not a number of whole seconds");
		if (ms < CONF_MS_PER_S || ms / CONF_MS_PER_S > CONF_LENGTH_MAX_S)
			return conf_wrong(e, s, item, "is out of range");
		if (c->webhook_schedule_count == CONF_SCHEDULE_MAX)
			return conf_wrong(e, s, item, "is one too many");
		lengths_s[c->webhook_schedule_count++] = ms / CONF_MS_PER_S;
		if (*at++ == '\0')
			return 0;
	}
}

static int
conf_egress_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	struct conf_cidr *ranges = CONF_FIELD(c, s, struct conf_cidr), range;
	const char *at = value;
	char item[CONF_ITEM_MAX], parsed[CONF_ITEM_MAX];

	if (value[0] == '\0')
		return 0;
	for (;;) {
		conf_item(&at, item);
		memcpy(parsed, item, sizeof(parsed));
		if (!conf_cidr_parse(&range, parsed))
			return conf_wrong(e, s, item, "is neither an address nor a CIDR");
		if (c->egress_allow_count == CONF_EGRESS_MAX)
			return conf_wrong(e, s, item, "is one too many");
		ranges[c->egress_allow_count++] = range;
		if (*at++ == '\0')
			return 0;
	}
}

static int
conf_path_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	const char *fault;

	if (value[0] == '\0')
		return 0;
	fault = conf_file_fault(value);
	if (fault)
		return conf_file_wrong(e, s, value, fault);
	*CONF_FIELD(c, s, char *) = conf_copy(value, strlen(value));
	return 0;
}

/* What is put there is run: so nobody but those who may write there decides on it. */
static int
conf_folder_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	const char *fault;

	if (value[0] == '\0')
		return 0;
	fault = conf_folder_fault(value);
	if (fault)
		return conf_wrong(e, s, value, fault);
	*CONF_FIELD(c, s, char *) = conf_copy(value, strlen(value));
	return 0;
}

/* Scheme and host alone: whatever stands behind them is for us to say. */
static int
conf_address_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	size_t scheme = strncmp(value, "https://", 8) == 0  ? 8
			: strncmp(value, "http://", 7) == 0 ? 7
							    : 0;
	size_t len = strlen(value);

	if (len == 0)
		return 0;
	while (len > scheme && value[len - 1] == '/')
		len--;
	if (scheme == 0 || len == scheme || strcspn(value + scheme, "/?#@ \\\"'") < len - scheme)
		return conf_wrong(e, s, value, "is not scheme and host");
	*CONF_FIELD(c, s, char *) = conf_copy(value, len);
	return 0;
}

static int
conf_label_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(value);

	if (len == 0)
		return 0;
	if ((int64_t)len > s->max || value[strspn(value, allowed)])
		return conf_wrong(e, s, value, "is too long, or holds something else");
	*CONF_FIELD(c, s, char *) = conf_copy(value, len);
	return 0;
}

static int
conf_mailbox_parse(struct conf *c, const struct conf_setting *s, const char *value, struct err *e)
{
	const char *fault = *value ? mailbox_fault(value) : NULL;

	if (fault)
		return conf_wrong(e, s, value, fault);
	if (*value)
		*CONF_FIELD(c, s, char *) = conf_copy(value, strlen(value));
	return 0;
}

static void
conf_hidden_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	text_add_text(to, *CONF_FIELD_CONST(c, s, char *) ? "set" : "unset");
}

static void
conf_secret_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	conf_source_show(CONF_FIELD_CONST(c, s, struct secret_source), false, to);
}

static void
conf_secret_file_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	conf_source_show(CONF_FIELD_CONST(c, s, struct secret_source), true, to);
}

static void
conf_keys_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	conf_ring_show(CONF_FIELD_CONST(c, s, struct keyring), false, to);
}

static void
conf_keys_file_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	conf_ring_show(CONF_FIELD_CONST(c, s, struct keyring), true, to);
}

/* The keys' ids are no secrets: they stand in the database beside what they seal. */
static void
conf_ring_show(const struct keyring *ring, bool of_file, struct text *to)
{
	if (ring->count == 0 || (ring->file.path != NULL) != of_file) {
		text_add_text(to, "unset");
		return;
	}
	for (size_t i = 0; i < ring->count; i++)
		text_add_format(to, "%s%s", i ? " " : "set: ", ring->keys[i].id);
}

static void
conf_number_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	text_add_number(to, *CONF_FIELD_CONST(c, s, int64_t));
}

static void
conf_word_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	text_add_text(to, s->words[*CONF_FIELD_CONST(c, s, unsigned)]);
}

static void
conf_schedule_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	const int64_t *lengths_s = CONF_FIELD_CONST(c, s, int64_t);
	int64_t i;

	for (i = 0; i < c->webhook_schedule_count; i++)
		text_add_format(to, "%s%" PRId64 "s", i ? "," : "", lengths_s[i]);
}

static void
conf_egress_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	const struct conf_cidr *ranges = CONF_FIELD_CONST(c, s, struct conf_cidr);
	char address[INET6_ADDRSTRLEN];
	size_t i;

	for (i = 0; i < c->egress_allow_count; i++) {
		const struct conf_cidr *r = &ranges[i];
		bool v4 = IN6_IS_ADDR_V4MAPPED(&r->address) && r->prefix_bits >= CONF_V4_BITS;

		if (v4)
			inet_ntop(AF_INET, &r->address.s6_addr[12], address, sizeof(address));
		else
			inet_ntop(AF_INET6, &r->address, address, sizeof(address));
		text_add_format(to, "%s%s/%u", i ? "," : "", address,
		    v4 ? r->prefix_bits - CONF_V4_BITS : r->prefix_bits);
	}
}

static void
conf_path_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	const char *path = *CONF_FIELD_CONST(c, s, char *);

	text_add_text(to, path ? path : "");
}

static void
conf_array_show(const struct conf *c, const struct conf_setting *s, struct text *to)
{
	text_add_text(to, CONF_FIELD_CONST(c, s, char));
}

static int
conf_wrong(struct err *e, const struct conf_setting *s, const char *value, const char *fault)
{
	char quote[CONF_QUOTE_MAX];

	text_clean(quote, sizeof(quote), value, strlen(value));
	return err_set(
	    e, ERR_NOT_CONFIGURED, "%s: \"%s\" %s; allowed: %s", s->name, quote, fault, s->allowed);
}

static int
conf_file_wrong(struct err *e, const struct conf_setting *s, const char *path, const char *fault)
{
	return err_set(e, ERR_NOT_CONFIGURED, "%s: \"%s\": %s", s->name, path, fault);
}

static char *
conf_copy(const char *from, size_t len)
{
	char *to = mem_alloc(len + 1);

	memcpy(to, from, len);
	to[len] = '\0';
	return to;
}

/*
 * The entry of a list at ${at}, without spaces around it; moves ${at} to the comma or NUL behind
 * it.  An entry that is too long ends in an ellipsis, which no parser takes.
 */
static void
conf_item(const char **at, char item[static CONF_ITEM_MAX])
{
	static const char ellipsis[] = "…";
	const char *from = *at;
	size_t len = strcspn(from, ",");

	*at += len;
	for (; len > 0 && *from == ' '; len--)
		from++;
	while (len > 0 && from[len - 1] == ' ')
		len--;
	if (len < CONF_ITEM_MAX) {
		memcpy(item, from, len);
		item[len] = '\0';
	} else {
		memcpy(item, from, CONF_ITEM_MAX - sizeof(ellipsis));
		memcpy(item + CONF_ITEM_MAX - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
	}
}

/* Cuts ${text} at its slash.  Bits behind the prefix are cleared. */
static bool
conf_cidr_parse(struct conf_cidr *cidr, char *text)
{
	static const struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
	char *slash = strchr(text, '/');
	int64_t bits, bits_max;
	unsigned i;

	if (slash)
		*slash++ = '\0';
	cidr->address = mapped;
	if (inet_pton(AF_INET, text, &cidr->address.s6_addr[12]) == 1)
		bits_max = 128 - CONF_V4_BITS;
	else if (inet_pton(AF_INET6, text, &cidr->address) == 1)
		bits_max = 128;
	else
		return false;
	bits = bits_max;
	if (slash && !text_to_int64(slash, 0, bits_max, &bits))
		return false;
	cidr->prefix_bits = (unsigned)(bits + 128 - bits_max);
	for (i = cidr->prefix_bits; i < 128; i++)
		cidr->address.s6_addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return true;
}

/* A secret's name and its _FILE share one source; the one that it came from tells its state. */
static void
conf_source_show(const struct secret_source *from, bool of_file, struct text *to)
{
	if (!from->value || (from->file.path != NULL) != of_file)
		text_add_text(to, "unset");
	else
		text_add_text(to, secret_source_is_usable(from) ? "set" : "too short");
}
