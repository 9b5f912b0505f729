/*
 * act - does what its payload says: {"act": "crash"}.  Most of it no plug-in should do.
 */
#include <cronward/processor.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ACT_FDS = 1024,
	ACT_TEXT = 4096,
	ACT_BOMBS = 200,
	SOCKET = 3,
};

extern char **environ;

static int jobs;

static int
number_of(const struct cronward_job *job, const char *name)
{
	const char *at = strstr(job->payload, name);

	return at ? (int)strtol(at + strlen(name), NULL, 10) : 0;
}

static int
is(const struct cronward_job *job, const char *act)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"act\": \"%s\"", act);
	return strstr(job->payload, quoted) != NULL;
}

/* {"pid", "jobs", "fds": [those that are open], "env": [names]} */
static int
act_tell(struct cronward_context *c)
{
	char text[ACT_TEXT];
	int len = snprintf(
	    text, sizeof(text), "{\"pid\": %d, \"jobs\": %d, \"fds\": [", (int)getpid(), jobs);
	struct rlimit core;
	const char *comma = "";

	for (int fd = 0; fd < ACT_FDS; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%d", comma, fd);
			comma = ", ";
		}
	getrlimit(RLIMIT_CORE, &core);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "], \"core\": %d, \"env\": [",
	    (int)core.rlim_max);
	for (char **e = environ; *e; e++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s\"%.*s\"",
		    e == environ ? "" : ", ", (int)strcspn(*e, "="), *e);
	snprintf(text + len, sizeof(text) - (size_t)len, "]}");
	return c->result_text(c, text);
}

/* Writes over all of the memory that it shares with the program. */
static void
act_scribble(void)
{
	char line[ACT_TEXT];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps)) {
		char *end;
		unsigned long from = strtoul(line, &end, 16), to = strtoul(end + 1, NULL, 16);

		if (strstr(line, "cronward-plugin") && to - from > (128 << 10))
			memset((void *)from, 0xa5, to - from);
	}
	if (maps)
		fclose(maps);
}

static void
act_bomb(void)
{
	for (int i = 0; i < ACT_BOMBS; i++)
		if (fork() == 0)
			for (;;)
				pause();
	for (;;)
		pause();
}

static int
act_harm(struct cronward_context *c, const struct cronward_job *job)
{
	static volatile int *nowhere;

	if (is(job, "segv")) {
		/* A sanitizer would make it an exit. */
		signal(SIGSEGV, SIG_DFL);
		return *nowhere;
	}
	if (is(job, "abort")) {
		fprintf(stderr, "last words\n");
		abort();
	}
	if (is(job, "exit"))
		exit(3);
	if (is(job, "hang"))
		for (;;)
			pause();
	if (is(job, "spew"))
		for (;;)
			printf("more and more\n");
	if (is(job, "bomb"))
		act_bomb();
	if (is(job, "mute"))
		for (int fd = 0; fd < ACT_FDS; fd++)
			close(fd);
	while (is(job, "mute"))
		pause();
	if (is(job, "garbage"))
		for (int i = 0; i < 100; i++)
			send(SOCKET, job->payload, job->payload_len, MSG_DONTWAIT);
	if (is(job, "scribble")) {
		act_scribble();
		for (;;)
			pause();
	}
	if (is(job, "flood"))
		for (int i = 0; i < 100000; i++)
			c->log(c, CRONWARD_INFO, "%0*d", 9000, i);
	if (is(job, "odd"))
		return 77;
	return CRONWARD_DONE;
}

/* Starts a process that does what daemons do, tells its number, and hangs. */
static int
act_escape(struct cronward_context *c)
{
	char text[ACT_TEXT];
	int ends[2], pid = 0;

	if (pipe(ends) != 0)
		return c->fail(c, "no pipe");
	if (fork() == 0) {
		setsid();
		setpgid(0, 0);
		pid = fork();
		while (pid == 0)
			pause();
		_exit(write(ends[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	if (read(ends[0], &pid, sizeof(pid)) != sizeof(pid))
		return c->fail(c, "no process");
	snprintf(text, sizeof(text), "{\"pid\": %d, \"all\": %d, \"parent\": %d}", pid, kill(-1, 0),
	    kill(getppid(), 0));
	c->log_data(c, CRONWARD_INFO, "escaped", text);
	for (;;)
		pause();
}

static int
act_process(struct cronward_context *c, const struct cronward_job *job)
{
	jobs++;
	if (is(job, "escape"))
		return act_escape(c);
	if (is(job, "tell"))
		return act_tell(c);
	if (is(job, "echo"))
		return c->result(c, job->payload, job->payload_len);
	if (is(job, "doze")) {
		usleep((useconds_t)number_of(job, "\"ms\": ") * 1000);
		return CRONWARD_DONE;
	}
	if (is(job, "say")) {
		c->progress(c, 40);
		c->log(c, CRONWARD_WARN, "attempt %d of %d, %s", job->attempt, job->max_attempts,
		    job->workspace_id ? job->workspace_id : "no workspace");
		if (c->log_data(c, CRONWARD_INFO, "with data", "{\"a\": 1}") != 0 ||
		    c->log_data(c, CRONWARD_INFO, "with none", "{") == 0)
			return c->fail(c, "log_data");
		printf("printed\nand again\n");
		fprintf(stderr, "warned\n");
		usleep((useconds_t)number_of(job, "\"ms\": ") * 1000);
		return c->time_left_ms(c) > 0 ? CRONWARD_DONE : c->fail(c, "no time left");
	}
	if (is(job, "retry"))
		return c->retry(c, number_of(job, "\"wait\": "), "come back in %d",
		    number_of(job, "\"wait\": "));
	if (is(job, "fail"))
		return c->fail(c, "no such luck");
	if (is(job, "badjson"))
		return c->result_text(c, "{\"a\": nope}") == CRONWARD_FAIL ? CRONWARD_DONE
									   : CRONWARD_RETRY;
	if (is(job, "long")) {
		size_t len = (size_t)number_of(job, "\"bytes\": ");
		char *text = malloc(len);
		int rc;

		memset(text, 'x', len);
		text[0] = text[len - 1] = '"';
		rc = c->result(c, text, len);
		free(text);
		return rc;
	}
	return act_harm(c, job);
}

CRONWARD_PROCESSOR(.name = "act", .process = act_process);
