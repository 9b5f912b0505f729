/*
 * conf_kind - the kinds of settings: how their text is read, and shown again.
 *
 * For conf.c, whose table names one for each setting, and for the tests of the parsers.
 */
#ifndef CRONWARD_BASE_CONF_KIND_H
#define CRONWARD_BASE_CONF_KIND_H

#include "base/conf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_setting;

struct conf_kind {
	/*
	 * Puts ${value} where the setting belongs; "" is unset, for kinds that may be.
	 * 0, or -1 with ${e} set.  NULL: read by somebody else.
	 */
	int (*parse)(
	    struct conf *c, const struct conf_setting *s, const char *value, struct err *e);
	/* Adds the value in force to ${to}. */
	void (*show)(const struct conf *c, const struct conf_setting *s, struct text *to);
};

/* A row of the table. */
struct conf_setting {
	const char *name;
	const struct conf_kind *kind;
	const char *fallback;
	const char *allowed;
	const char *help;
	size_t offset; /* of the field in struct conf; of a struct secret_source for secrets */
	int64_t min, max;
	const char *const *words; /* by the value of their enum, ended by NULL */
	bool secret;
};

/* The table, in src/base/conf_table.c. */
extern const struct conf_setting conf_settings[];
extern const size_t conf_settings_count;
/* Of a provider that is not in it: the first one's, under a name that stands for any. */
#define CONF_NAME "NAME"
extern const struct conf_setting conf_provider_settings[];
extern const size_t conf_provider_settings_count;

extern const struct conf_kind conf_url;         /* char *; wiped from the environment */
extern const struct conf_kind conf_password;    /* char *, the path; may be an empty file */
extern const struct conf_kind conf_secret_text; /* struct secret_source; secret_load() reads it */
extern const struct conf_kind conf_secret_file; /* the same, when it came from a file */
extern const struct conf_kind conf_scheme;      /* an enum; provider_load() reads it */
extern const struct conf_kind conf_header;      /* an array of char; likewise */
extern const struct conf_kind conf_keys;        /* struct keyring; keyring_load() reads it */
extern const struct conf_kind conf_keys_file;   /* the same, when it came from a file */
extern const struct conf_kind conf_number;      /* int64_t within min and max */
extern const struct conf_kind conf_word;        /* an enum */
extern const struct conf_kind conf_schedule;    /* webhook_schedule_s and its count */
extern const struct conf_kind conf_egress;      /* egress_allow and its count */
extern const struct conf_kind conf_address;     /* char *; "https://host[:port]" */
extern const struct conf_kind conf_mailbox;     /* char *; what mail may come from */
extern const struct conf_kind conf_label;  /* char *; a name that may go anywhere, of max bytes */
extern const struct conf_kind conf_folder; /* char *; a folder that can be read */
extern const struct conf_kind conf_path;   /* char *; a file that can be read */

#endif
