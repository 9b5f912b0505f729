/*
 * cli_doctor - one check after the other, a line for each thing found.
 */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/print.h"
#include "db/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	DOCTOR_OPTION_JSON = CLI_OPTION_FIRST,
	DOCTOR_OPTION_SOCKETS,
	DOCTOR_OPTION_ALLOW,
	DOCTOR_NAME_WIDTH = 12,
	SETTINGS_NAME_MAX = 64,
	SETTINGS_SLIPS = 2, /* letters too many, missing or wrong in a name that was meant */
};

struct doctor_check {
	const char *name;
	void (*look)(struct doctor *);
};

static int doctor_parse(const struct cli_command *, struct doctor *, int argc, char **argv);
static void doctor_settings(struct doctor *);
static void settings_name(struct doctor *, const char *name);
static size_t settings_distance(const char *a, const char *b);
static int doctor_report(struct doctor *);

/* In the order of what stands on what. */
static const struct doctor_check doctor_checks[] = {
	{ "settings", doctor_settings },
	{ "database", doctor_database },
	{ "server", doctor_server },
	{ "encryption", doctor_encryption },
	{ "pooler", doctor_pooler },
	{ "clock", doctor_clock },
	{ "schema", doctor_schema },
	{ "role", doctor_role },
	{ "privileges", doctor_privileges },
	{ "connections", doctor_connections },
	{ "transactions", doctor_transactions },
	{ "vacuum", doctor_vacuum },
	{ "locks", doctor_locks },
	{ "runs", doctor_runs },
	{ "jobs", doctor_jobs },
	{ "events", doctor_events },
	{ "mail", doctor_mail },
	{ "integrations", doctor_integrations },
	{ "whatsapp", doctor_whatsapp },
	{ "secrets", doctor_secrets },
	{ "keys", doctor_keys },
	{ "pools", doctor_pools },
	{ "files", doctor_files },
	{ "front", doctor_front },
	{ "allowlist", doctor_allow },
	{ "egress", doctor_egress },
	{ "names", doctor_names },
	{ "proxies", doctor_proxies },
	{ NULL, NULL },
};

static const char *const doctor_level_name[DOCTOR__MAX] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARN] = "warn",
	[DOCTOR_FAIL] = "fail",
};

int
cli_doctor(const struct cli_command *command, int argc, char **argv)
{
	struct doctor d = { .db = NULL };
	int rc = doctor_parse(command, &d, argc, argv);

	if (rc >= 0)
		return rc;
	d.findings = json_array();
	conf_load(&d.conf, &d.conf_err);
	d.db = db_create(&d.conf);
	for (const struct doctor_check *check = doctor_checks; check->name; check++) {
		d.check = check->name;
		check->look(&d);
	}
	rc = doctor_report(&d);
	db_destroy(d.db);
	conf_finish(&d.conf);
	json_decref(d.findings);
	return rc;
}

void
doctor_say(struct doctor *d, enum doctor_level level, const char *todo, const char *fmt, ...)
{
	/* Words of servers and names out of files are among them. */
	char found[DOCTOR_FOUND_MAX], clean[DOCTOR_FOUND_MAX], advice[DOCTOR_FOUND_MAX] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(found, sizeof(found), fmt, args);
	va_end(args);
	text_clean(clean, sizeof(clean), found, strlen(found));
	if (todo)
		text_clean(advice, sizeof(advice), todo, strlen(todo));
	d->counts[level]++;
	json_array_append_new(d->findings,
	    json_pack("{s:s, s:s, s:s, s:s?}", "check", d->check, "level", doctor_level_name[level],
		"found", clean, "todo", todo ? advice : NULL));
	if (d->json)
		return;
	/* On a terminal, what to do stands on a line of its own. */
	printf("%-4s  %-*s  %s%s%s\n", doctor_level_name[level], DOCTOR_NAME_WIDTH, d->check, clean,
	    !todo                   ? ""
	    : isatty(STDOUT_FILENO) ? "\n    → "
				    : " → ",
	    advice);
	fflush(stdout); /* the next check may take seconds */
}

PGresult *
doctor_query(struct doctor *d, enum sql_id sql)
{
	struct err e = { .code = ERR_OK };
	PGresult *rows;

	if (!d->db_is_there)
		return NULL;
	rows = db_query(d->db, sql, DB_NONE, &e);
	if (rows)
		return rows;
	if (e.code == ERR_DATABASE && !db_is_connected(d->db)) {
		d->db_is_there = false;
		doctor_fail(d,
		    "see the server's log; what needs the database is left out from here", "%s",
		    e.message);
	} else {
		doctor_warn(d, "mend what the lines above say, then run this again",
		    "cannot be looked at: %s", e.message);
	}
	return NULL;
}

/* -1: go on; else the exit code. */
static int
doctor_parse(const struct cli_command *command, struct doctor *d, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, DOCTOR_OPTION_JSON },
		{ "sockets", required_argument, NULL, DOCTOR_OPTION_SOCKETS },
		{ "allow", required_argument, NULL, DOCTOR_OPTION_ALLOW },
		CLI_HELP_OPTION,
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == CLI_OPTION_HELP)
			return cli_help(command);
		if (option == DOCTOR_OPTION_JSON)
			d->json = true;
		else if (option == DOCTOR_OPTION_SOCKETS)
			d->sockets = optarg;
		else if (option == DOCTOR_OPTION_ALLOW)
			d->allow = optarg;
		else
			return cli_try("doctor");
	}
	if (optind < argc)
		return cli_usage(command->name, "takes no argument '%s'", argv[optind]);
	return -1;
}

/* With the program's own words; whatever did parse is looked at all the same. */
static void
doctor_settings(struct doctor *d)
{
	if (strstr(d->conf_err.message, "Permission denied"))
		doctor_fail(d,
		    "the service's account must read it: group cronward, file 0640, folder 0750; "
		    "no process starts without",
		    "%s", d->conf_err.message);
	else if (d->conf_err.code != ERR_OK)
		doctor_fail(d, "correct it; no process starts with it", "%s", d->conf_err.message);
	else
		doctor_ok(d, "all settings parse");
	for (char **variable = environ; *variable; variable++) {
		char name[SETTINGS_NAME_MAX];
		size_t len = strcspn(*variable, "=");

		if (len >= sizeof(name))
			continue;
		memcpy(name, *variable, len);
		name[len] = '\0';
		settings_name(d, name);
	}
}

/* The environment is full of names that are not ours; one that is almost ours was meant for us. */
static void
settings_name(struct doctor *d, const char *name)
{
	struct conf_row row, meant = { .name = "" };

	if (provider_is_setting(name))
		return;
	for (size_t i = 0; conf_row(NULL, i, &row); i++) {
		size_t slips = settings_distance(name, row.name);

		if (slips == 0)
			return;
		if (slips <= SETTINGS_SLIPS)
			meant = row;
	}
	if (meant.name[0])
		doctor_warn(d, "correct its name", "%s is no setting; %s is one", name, meant.name);
}

/* How many letters to add, take away or change; more than SETTINGS_SLIPS is any such number. */
static size_t
settings_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b), costs[SETTINGS_NAME_MAX];

	if (a_len > b_len + SETTINGS_SLIPS || b_len > a_len + SETTINGS_SLIPS ||
	    b_len >= SETTINGS_NAME_MAX)
		return SETTINGS_SLIPS + 1;
	for (size_t j = 0; j <= b_len; j++)
		costs[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = costs[0];

		costs[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t other = 1 + (costs[j] < costs[j - 1] ? costs[j] : costs[j - 1]);

			diagonal = costs[j];
			costs[j] = change < other ? change : other;
		}
	}
	return costs[b_len];
}

static int
doctor_report(struct doctor *d)
{
	bool is_well = d->counts[DOCTOR_FAIL] == 0;
	json_auto_t *report = NULL;

	if (d->json) {
		report = json_pack("{s:b, s:i, s:i, s:i, s:O}", "ok", is_well, "passed",
		    (int)d->counts[DOCTOR_OK], "warnings", (int)d->counts[DOCTOR_WARN], "failed",
		    (int)d->counts[DOCTOR_FAIL], "findings", d->findings);
		print_json(report);
	} else {
		printf("\n%u ok, %u to look at, %u failed\n", d->counts[DOCTOR_OK],
		    d->counts[DOCTOR_WARN], d->counts[DOCTOR_FAIL]);
	}
	return is_well ? CLI_DONE : CLI_FAILED;
}
