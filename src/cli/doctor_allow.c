/*
 * doctor_allow - the site's allowlist, where it is on this host.
 *
 * nginx takes the first line that fits; so does this.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALLOW_FILE "/etc/nginx/cronward/allow.conf"
#define ALLOW_LIST "https://api.cron-job.org/executor-nodes.json"

enum {
	ALLOW_LINE_MAX = 512,
	ALLOW_NEW = 4,
	ALLOW_NAMES_MAX = 256,
};

/* Of cron-job.org; all of them call, whichever of them is free. */
static const char *const allow_new[ALLOW_NEW] = { "116.203.134.67", "116.203.129.16",
	"23.88.105.37", "128.140.8.200" };
/* They were, and may be somebody else's by now. */
static const char *const allow_old[] = { "195.201.26.157", NULL };

struct allow {
	bool all, deny_all;
	bool has_new[ALLOW_NEW];
	const char *old; /* one that is named, or NULL */
	unsigned count;
};

static void allow_read(struct allow *, FILE *from);
static void allow_line(struct allow *, char *line);
static void allow_address(struct allow *, const char *address);
static void allow_judge(struct doctor *, const struct allow *, const char *path);
static void allow_judge_addresses(struct doctor *, const struct allow *, const char *path);

void
doctor_allow(struct doctor *d)
{
	const char *path = d->allow ? d->allow : ALLOW_FILE;
	struct allow a = { .count = 0 };
	FILE *from = fopen(path, "re");

	if (!from && errno == ENOENT && !d->allow) {
		doctor_ok(d, "%s is not on this host: not looked at", path);
		return;
	}
	if (!from) {
		doctor_warn(d, "run this as somebody who may read it; --allow FILE names another",
		    "%s: %s", path, strerror(errno));
		return;
	}
	allow_read(&a, from);
	fclose(from);
	allow_judge(d, &a, path);
}

static void
allow_read(struct allow *a, FILE *from)
{
	char line[ALLOW_LINE_MAX];

	while (fgets(line, sizeof(line), from))
		allow_line(a, line);
}

/* "allow 192.0.2.1;", more than one of them, comments. */
static void
allow_line(struct allow *a, char *line)
{
	static const char blanks[] = " \t\r\n";
	char *rest = line;

	line[strcspn(line, "#")] = '\0';
	for (char *one = strsep(&rest, ";"); one; one = strsep(&rest, ";")) {
		char *words = one + strspn(one, blanks);
		char *verb = strsep(&words, blanks);

		if (!words)
			continue;
		words += strspn(words, blanks);
		words[strcspn(words, blanks)] = '\0';
		if (strcmp(verb, "deny") == 0 && strcmp(words, "all") == 0 && !a->all)
			a->deny_all = true;
		else if (strcmp(verb, "allow") == 0 && strcmp(words, "all") == 0 && !a->deny_all)
			a->all = true;
		else if (strcmp(verb, "allow") == 0)
			allow_address(a, words);
	}
}

static void
allow_address(struct allow *a, const char *address)
{
	a->count++;
	for (int i = 0; i < ALLOW_NEW; i++)
		if (strcmp(address, allow_new[i]) == 0)
			a->has_new[i] = true;
	for (const char *const *old = allow_old; *old; old++)
		if (strcmp(address, *old) == 0)
			a->old = *old;
}

static void
allow_judge(struct doctor *d, const struct allow *a, const char *path)
{
	if (a->all)
		doctor_warn(d,
		    "name your callers' addresses; right only where they change (GitHub Actions, "
		    "EasyCron)",
		    "%s lets every address try secrets: \"allow all\"", path);
	else if (!a->deny_all)
		doctor_warn(d, "end it with \"deny all;\"",
		    "%s has no \"deny all\": whoever is not named may call as well", path);
	else
		doctor_ok(d, "%s names %u addresses and denies the rest", path, a->count);
	allow_judge_addresses(d, a, path);
}

static void
allow_judge_addresses(struct doctor *d, const struct allow *a, const char *path)
{
	char missing[ALLOW_NAMES_MAX] = "";
	size_t len = 0;
	int known = 0;

	for (int i = 0; i < ALLOW_NEW; i++) {
		known += a->has_new[i];
		if (!a->has_new[i])
			len += (size_t)snprintf(missing + len, sizeof(missing) - len, "%s%s",
			    len > 0 ? ", " : "", allow_new[i]);
	}
	if (a->old)
		doctor_warn(d, "take it out; the list in force: " ALLOW_LIST,
		    "%s names %s, which cron-job.org no longer calls from", path, a->old);
	if (!a->all && (known > 0 || a->old) && known < ALLOW_NEW)
		doctor_warn(d, "add them; the list in force: " ALLOW_LIST,
		    "%s lacks %s of cron-job.org: some of its calls are refused", path, missing);
}
