/*
 * Plug-ins in processes of their own: what they say arrives, and what they do harms nobody else.
 * build/plugins/act.so does what its payload says.
 */
#include "plugin_items.h"
#include "processors/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PLACES = 3,
	WITHIN_MS = 30000,
	PATH_ROOM = 512,
};

static struct items t;
static char plugins[PATH_ROOM];

static int
each_setup(void **state)
{
	(void)state;
	items_init(&t, plugins, PLACES);
	return 0;
}

static int
each_teardown(void **state)
{
	(void)state;
	items_finish(&t);
	return 0;
}

static struct job_end *
run_one(const char *plugin, const char *payload)
{
	const char *const payloads[] = { payload, NULL };

	items_make(&t, plugin, payloads, 1);
	assert_true(items_run(&t, WITHIN_MS));
	return &t.ends[0];
}

static void
assert_error(const struct job_end *end, enum verdict verdict, const char *part)
{
	if (end->verdict != verdict || !end->item.error || !strstr(end->item.error, part))
		fail_msg("verdict %d, error %s; wanted %d, %s", end->verdict,
		    end->item.error ? end->item.error : "none", verdict, part);
}

static bool
has_said(const struct job_end *end, const char *line)
{
	for (int i = 0; i < end->notes && i < ITEMS_NOTES_MAX; i++)
		if (strcmp(end->said[i], line) == 0)
			return true;
	return false;
}

static void
brings_a_result(void **state)
{
	const char *payload = "{\"act\": \"echo\", \"text\": \"é \\\" \\u00e9\"}";
	struct job_end *end = run_one("act", payload);

	(void)state;
	assert_int_equal(end->verdict, VERDICT_DONE);
	assert_string_equal(end->item.result, payload);
	assert_null(run_one("act", "{}")->item.result);
	assert_string_equal(run_one("state", "{}")->item.result, "1");
	assert_string_equal(run_one("state", "{}")->item.result, "2");
}

static void
inherits_nothing(void **state)
{
	struct job_end *end;
	int other = open("/dev/null", O_RDONLY); /* not closed by exec */

	(void)state;
	setenv("A_SECRET", "hush", 1);
	setenv("TZ", "UTC", 1);
	setenv("PATH", "/usr/bin:/bin", 1);
	unsetenv("LANG");
	end = run_one("act", "{\"act\": \"tell\"}");
	close(other);
	assert_int_equal(end->verdict, VERDICT_DONE);
	assert_non_null(strstr(end->item.result, "\"fds\": [0, 1, 2, 3]"));
	assert_non_null(strstr(end->item.result, "\"core\": 0"));
	assert_non_null(strstr(end->item.result, "\"env\": [\"PATH\", \"TZ\"]"));
}

static void
says_things_while_it_runs(void **state)
{
	const char *const payloads[] = { "{\"act\": \"say\", \"ms\": 1000}", NULL };
	struct job_end *end;

	(void)state;
	items_make(&t, "act", payloads, 1);
	end = &t.ends[0];
	for (int64_t until_ms = clock_mono_ms() + WITHIN_MS; end->notes < 3 && !end->is_over;) {
		items_turn(&t);
		assert_true(clock_mono_ms() < until_ms);
	}
	assert_false(end->is_over);
	assert_true(has_said(end, "warn attempt 2 of 5, no workspace - -1"));
	assert_true(has_said(end, "info with data {\"a\": 1} -1"));
	assert_true(has_said(end, "- - - 40"));
	assert_true(items_run(&t, WITHIN_MS));
	assert_int_equal(end->verdict, VERDICT_DONE);
	assert_true(has_said(end, "info printed - -1"));
	assert_true(has_said(end, "info and again - -1"));
	assert_true(has_said(end, "warn warned - -1"));
	assert_int_equal(end->notes, 6);
	/* What one has printed is not the next one's. */
	assert_int_equal(run_one("act", "{}")->notes, 0);
}

static void
fails_as_it_says(void **state)
{
	struct job_end *end = run_one("act", "{\"act\": \"retry\", \"wait\": 7}");

	(void)state;
	assert_error(end, VERDICT_RETRY, "come back in 7");
	assert_int_equal(end->item.retry_ms, 7000);
	assert_error(run_one("act", "{\"act\": \"fail\"}"), VERDICT_DEAD, "no such luck");
	assert_error(run_one("act", "{\"act\": \"badjson\"}"), VERDICT_DEAD,
	    "is not JSON that PostgreSQL stores: it is no value, at byte 6");
	assert_error(run_one("act", "{\"act\": \"odd\"}"), VERDICT_DEAD, "process() returned 77");
}

static void
bounds_results(void **state)
{
	struct job_end *end = run_one("act", "{\"act\": \"long\", \"bytes\": 1048576}");

	(void)state;
	assert_int_equal(end->verdict, VERDICT_DONE);
	assert_int_equal(strlen(end->item.result), 1048576);
	assert_error(run_one("act", "{\"act\": \"long\", \"bytes\": 1048577}"), VERDICT_DEAD,
	    "it is too long");
}

static void
names_what_is_wrong_with_a_plugin(void **state)
{
	static const struct {
		const char *plugin, *part;
	} wrong[] = {
		{ "nowhere", "nowhere.so: there is no such file" },
		{ "link", "link.so: is a symbolic link" },
		{ "folder", "folder.so: is no file" },
		{ "open", "open.so: may be written by everybody" },
		{ "text", "text.so: file too short" },
		{ "empty", "exports no cronward_processor" },
		{ "old", "compiled for version 2 of cronward/processor.h, and this program has" },
		{ "unready", "its setup() failed: the model is not there" },
		{ "fatal", "while it was loaded, its process was killed by signal 6 (Aborted)" },
		{ "-", "there is no such file" },
		{ "../act", "the name of a plug-in is" },
		{ "Act", "the name of a plug-in is" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_error(run_one(wrong[i].plugin, "{}"), VERDICT_HOLD, wrong[i].part);
	t.pool.directory[0] = '\0';
	assert_error(run_one("other", "{}"), VERDICT_HOLD, "PROCESSOR_DIR is not set");
}

/* Each in the midst of jobs of the same plug-in, which end as if nothing had happened. */
static void
harms_no_neighbour(void **state)
{
	static const struct {
		const char *payload, *part;
		enum verdict verdict;
	} harm[] = {
		{ "{\"act\": \"segv\"}", "signal 11 (Segmentation fault)", VERDICT_RETRY },
		{ "{\"act\": \"abort\"}", "signal 6 (Aborted)", VERDICT_RETRY },
		{ "{\"act\": \"exit\"}", "exit status 3", VERDICT_RETRY },
		{ "{\"act\": \"hang\"}", "timed out after 0.5 s", VERDICT_RETRY },
		{ "{\"act\": \"spew\"}", "timed out after 0.5 s", VERDICT_RETRY },
		{ "{\"act\": \"bomb\"}", "timed out after 0.5 s", VERDICT_RETRY },
		{ "{\"act\": \"mute\"}", "closed its connection", VERDICT_RETRY },
		{ "{\"act\": \"scribble\"}", "wrote into memory that is not", VERDICT_RETRY },
		{ "{\"act\": \"garbage\"}", NULL, VERDICT_DONE },
		{ "{\"act\": \"flood\"}", NULL, VERDICT_DONE },
		{ "{\"act\": \"odd\"}", "process() returned 77", VERDICT_DEAD },
	};
	enum { AROUND = 200, AT = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		const char *payloads[AROUND + 1] = { NULL };

		for (int n = 0; n < AROUND; n++)
			payloads[n] = n == AT ? harm[i].payload : "{\"act\": \"echo\"}";
		items_make(&t, "act", payloads, AROUND);
		/* The sanitizers need their time for the flood. */
		if (strstr(harm[i].payload, "flood") == NULL)
			t.ends[AT].item.timeout_ms = 500;
		assert_true(items_run(&t, WITHIN_MS));
		for (int n = 0; n < AROUND; n++) {
			if (n == AT)
				continue;
			if (t.ends[n].verdict != VERDICT_DONE || !t.ends[n].item.result)
				fail_msg("%s: neighbour %d has verdict %d, %s", harm[i].payload, n,
				    t.ends[n].verdict,
				    t.ends[n].item.error ? t.ends[n].item.error : "");
		}
		if (harm[i].part)
			assert_error(&t.ends[AT], harm[i].verdict, harm[i].part);
		else if (t.ends[AT].verdict != harm[i].verdict)
			fail_msg("%s: verdict %d, %s", harm[i].payload, t.ends[AT].verdict,
			    t.ends[AT].item.error);
	}
}

static void
keeps_last_words(void **state)
{
	struct job_end *end = run_one("act", "{\"act\": \"abort\"}");

	(void)state;
	assert_true(has_said(end, "warn last words - -1"));
	assert_non_null(strstr(end->item.stack, "last words"));
}

/* A long job takes nobody with it: what waits behind it goes elsewhere, and it runs beside. */
static void
spreads_long_jobs(void **state)
{
	const char *payloads[] = { "{}", "{}", "{}", "{}", "{}", "{}", "{}",
		"{\"act\": \"doze\", \"ms\": 1500}", "{}", "{}", "{}", "{}", NULL };
	int64_t from_ms;
	int others = 0;

	(void)state;
	run_one("act", "{}");
	run_one("act", "{}");
	items_make(&t, "act", payloads, 12);
	from_ms = clock_mono_ms();
	while (!t.ends[7].is_over) {
		items_run(&t, 20);
		for (int i = others = 0; i < 12; i++)
			others += i != 7 && t.ends[i].is_over && t.ends[i].verdict == VERDICT_DONE;
		if (others == 11)
			break;
		assert_true(clock_mono_ms() - from_ms < WITHIN_MS);
	}
	assert_int_equal(others, 11);
	assert_false(t.ends[7].is_over);
	assert_true(items_run(&t, WITHIN_MS));
	assert_true(t.pool.children_count >= 2);
}

static int
begun_count(void)
{
	int begun = 0;

	for (const struct plugin_child *c = t.pool.children; c; c = c->sibling)
		begun += c->live > 0 && c->has_begun;
	return begun;
}

static void
stops_one_and_all(void **state)
{
	const char *const payloads[] = { "{\"act\": \"hang\"}", NULL };
	const struct flow_carrier *carrier = &t.pool.carrier;
	int64_t until_ms = clock_mono_ms() + WITHIN_MS;

	(void)state;
	items_make(&t, "act", payloads, 3);
	while (begun_count() < 3 && clock_mono_ms() < until_ms)
		items_turn(&t);
	carrier->stop(carrier->self, &t.ends[1].item, VERDICT_CANCEL);
	while (!t.ends[1].is_over && clock_mono_ms() < until_ms)
		items_turn(&t);
	assert_int_equal(t.ends[1].verdict, VERDICT_CANCEL);
	assert_int_equal(t.over, 1);
	carrier->stop(carrier->self, NULL, VERDICT_BACK);
	while (t.over < 3 && clock_mono_ms() < until_ms)
		items_turn(&t);
	assert_int_equal(t.ends[0].verdict, VERDICT_BACK);
	assert_int_equal(t.ends[2].verdict, VERDICT_BACK);
	assert_int_equal(carrier->busy(carrier->self), 0);
}

static void
keeps_its_process_and_leaves_no_zombie(void **state)
{
	struct job_end *end = run_one("act", "{\"act\": \"tell\"}");
	int pid = (int)strtol(end->item.result + strlen("{\"pid\": "), NULL, 10);

	(void)state;
	plugin_pool_rest(&t.pool);
	plugin_pool_wake(&t.pool);
	end = run_one("act", "{\"act\": \"tell\"}");
	assert_int_equal(strtol(end->item.result + strlen("{\"pid\": "), NULL, 10), pid);
	assert_non_null(strstr(end->item.result, "\"jobs\": 2"));
	/* One that ends while the program rests is gone, and another takes its place. */
	plugin_pool_rest(&t.pool);
	kill(pid, SIGKILL);
	for (int64_t until_ms = clock_mono_ms() + WITHIN_MS; kill(pid, 0) == 0;)
		assert_true(clock_mono_ms() < until_ms);
	assert_int_equal(errno, ESRCH);
	plugin_pool_wake(&t.pool);
	end = run_one("act", "{\"act\": \"tell\"}");
	assert_int_equal(end->verdict, VERDICT_DONE);
	assert_non_null(strstr(end->item.result, "\"jobs\": 1"));
}

/* A plug-in that was replaced is used as it is now. */
static void
takes_a_new_file(void **state)
{
	char command[6 * PATH_ROOM];

	(void)state;
	snprintf(command, sizeof(command), "cp %s/act.so %s/turn.so", plugins, plugins);
	assert_int_equal(system(command), 0);
	assert_non_null(run_one("turn", "{\"act\": \"tell\"}")->item.result);
	plugin_pool_rest(&t.pool);
	/* For system(). */
	signal(SIGCHLD, SIG_DFL);
	snprintf(command, sizeof(command), "cp %s/state.so %s/new && mv %s/new %s/turn.so", plugins,
	    plugins, plugins, plugins);
	assert_int_equal(system(command), 0);
	plugin_pool_wake(&t.pool);
	assert_string_equal(run_one("turn", "{\"act\": \"tell\"}")->item.result, "1");
}

static void
catches_what_cxx_throws(void **state)
{
	(void)state;
	assert_error(run_one("state", "{\"throw\": 1}"), VERDICT_RETRY, "signal 6 (Aborted)");
	assert_non_null(strstr(t.ends[0].item.stack, "nobody catches this"));
}

static void
short_jobs_stay_with_few_processes(void **state)
{
	const char *const payloads[] = { "{\"n\": 1}", NULL };

	(void)state;
	items_make(&t, "noop", payloads, 20000);
	assert_true(items_run(&t, WITHIN_MS));
	for (int i = 0; i < t.count; i++)
		assert_int_equal(t.ends[i].verdict, VERDICT_DONE);
}

/* Copies of the plug-ins, and files that are none. */
static int
group_setup(void **state)
{
	char command[6 * PATH_ROOM];
	const char *temp = getenv("TMPDIR");

	(void)state;
	snprintf(plugins, sizeof(plugins), "%s/cronward-plugins-XXXXXX", temp ? temp : "/tmp");
	if (!mkdtemp(plugins))
		return -1;
	snprintf(command, sizeof(command),
	    "cp build/plugins/*.so %s/ && cd %s && ln -s act.so link.so && mkdir folder.so && "
	    "cp act.so open.so && chmod 666 open.so && echo none >text.so",
	    plugins, plugins);
	return system(command);
}

static int
group_teardown(void **state)
{
	char command[6 * PATH_ROOM];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", plugins);
	return system(command);
}

/* Each has a pool of its own. */
#define EACH(test) cmocka_unit_test_setup_teardown(test, each_setup, each_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		EACH(brings_a_result),
		EACH(inherits_nothing),
		EACH(says_things_while_it_runs),
		EACH(fails_as_it_says),
		EACH(bounds_results),
		EACH(names_what_is_wrong_with_a_plugin),
		EACH(harms_no_neighbour),
		EACH(keeps_last_words),
		EACH(spreads_long_jobs),
		EACH(stops_one_and_all),
		EACH(keeps_its_process_and_leaves_no_zombie),
		EACH(takes_a_new_file),
		EACH(catches_what_cxx_throws),
		EACH(short_jobs_stay_with_few_processes),
	};

	/* The pool starts the program that it is in. */
	if (argc > 1 && strcmp(argv[1], PLUGIN_HOST_COMMAND) == 0)
		return plugin_host(argc, argv);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
