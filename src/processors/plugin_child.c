/*
 * plugin_child - one process of a plug-in: its birth, its mail, its end.
 */
#include "plugin_pool.h"

#include "base/arena.h"
#include "processors/processor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CHILD_FD_HIGH = 16, /* out of the way of those that the process gets */
	CHILD_ALIGN = 8,
	CHILD_PID_MAX = 24,
	CHILD_LAST_BREATH_US = 50000, /* from the end of its socket to its own */
	CHILD_OUT_KEPT = 1 << 20,     /* bytes of memory for what is to be sent, once it is sent */
};

/* What a process gets, in the order of enum child_end. */
enum child_end { END_SOCKET, END_SHARED, END_STDOUT, END_STDERR, END__MAX };

static int child_open(struct plugin_child *c, int ends[static END__MAX]);
static int child_memory(size_t bytes);
static pid_t child_spawn(const struct plugin_child *c, const int ends[static END__MAX]);
static int child_actions(posix_spawn_file_actions_t *actions, const int ends[static END__MAX]);
static int child_attributes(posix_spawnattr_t *attributes);
static void child_environment(char *room, size_t len, char *ret_variables[static 4]);
static void child_add(struct text *to, const char *from, size_t len);

struct plugin_child *
plugin_child_start(struct plugin_shelf *shelf, int64_t now_us)
{
	struct plugin_child *c = mem_zero(1, sizeof(*c));
	int ends[END__MAX] = { -1, -1, -1, -1 }, fault;

	c->shelf = shelf;
	c->pidfd = c->socket = c->outputs[0] = c->outputs[1] = -1;
	c->since_us = now_us;
	c->percent = -1;
	if (child_open(c, ends) == 0)
		c->pid = child_spawn(c, ends);
	fault = errno;
	for (int i = 0; i < END__MAX; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	if (c->pid <= 0) {
		plugin_child_destroy(c);
		errno = fault;
		return NULL;
	}
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	return c;
}

bool
plugin_child_has_slot(const struct plugin_child *c)
{
	uint32_t slot = c->next % PLUGIN_SLOTS;

	return !c->items[slot] && atomic_load_explicit(&c->shared->slots[slot],
				      memory_order_acquire) == PLUGIN_SLOT_FREE;
}

bool
plugin_child_hand(struct plugin_child *c, struct item *item, int64_t now_us)
{
	static const int columns[] = { JOB_ID, JOB_TYPE, JOB_QUEUE, JOB_WORKSPACE, JOB_RUN_AT,
		JOB_CREATED_AT, JOB_PAYLOAD };
	const char *attempts = item_text(item, JOB_ATTEMPTS);
	const char *attempts_max = item_text(item, JOB_MAX_ATTEMPTS);
	size_t lens[sizeof(columns) / sizeof(columns[0])], from = c->out.len, len;
	struct plugin_job job = { .number = c->next, .timeout_us = item->timeout_ms * 1000 };
	uint32_t slot = c->next % PLUGIN_SLOTS;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		lens[i] = (size_t)PQgetlength(item->rows, item->row, item->columns[columns[i]]);
	job.id_len = (uint32_t)lens[0];
	job.type_len = (uint32_t)lens[1];
	job.queue_len = (uint32_t)lens[2];
	job.workspace_len = (uint32_t)lens[3];
	job.run_at_len = (uint32_t)lens[4];
	job.created_at_len = (uint32_t)lens[5];
	job.payload_len = (uint32_t)lens[6];
	if (lens[6] > PLUGIN_JOB_MAX)
		return false;
	job.has_workspace = item_text(item, JOB_WORKSPACE) != NULL;
	job.attempt = (attempts ? (int32_t)strtol(attempts, NULL, 10) : 0) + 1;
	job.max_attempts = attempts_max ? (int32_t)strtol(attempts_max, NULL, 10) : 0;

	text_add(&c->out, (const char *)&job, sizeof(job));
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		child_add(
		    &c->out, PQgetvalue(item->rows, item->row, item->columns[columns[i]]), lens[i]);
	len = c->out.len - from;
	for (; len % CHILD_ALIGN != 0; len++)
		text_add_char(&c->out, '\0');
	job.len = (uint32_t)len;
	memcpy(c->out.at + from, &job, sizeof(job));

	atomic_store_explicit(&c->shared->slots[slot], PLUGIN_SLOT_SENT, memory_order_release);
	c->items[slot] = item;
	c->handed_us[slot] = now_us;
	c->is_alone = c->live == 0;
	if (c->live++ == 0)
		c->since_us = now_us;
	c->next++;
	item->carried = c;
	return true;
}

bool
plugin_child_listens(const struct plugin_child *c)
{
	char byte;

	return recv(c->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

void
plugin_child_flush(struct plugin_child *c)
{
	while (c->out_at < c->out.len) {
		ssize_t n = send(c->socket, c->out.at + c->out_at, c->out.len - c->out_at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				plugin_child_doom(c);
			return;
		}
		c->out_at += (size_t)n;
	}
	c->out_at = 0;
	if (c->out.room > CHILD_OUT_KEPT)
		text_finish(&c->out);
	else
		text_reset(&c->out);
}

void
plugin_child_doom(struct plugin_child *c)
{
	if (c->state == PLUGIN_DYING)
		return;
	c->state = PLUGIN_DYING;
	c->why = PLUGIN_HUNG_UP;
	c->doomed_us = plugin_now_us() + CHILD_LAST_BREATH_US;
}

void
plugin_child_execute(struct plugin_child *c, int64_t now_us)
{
	if (c->doomed_us == 0 || now_us < c->doomed_us || plugin_child_is_over(c))
		return;
	c->doomed_us = 0;
	kill(-c->pid, SIGKILL);
	kill(c->pid, SIGKILL);
}

void
plugin_child_kill(struct plugin_child *c, enum plugin_why why)
{
	if (c->state == PLUGIN_DYING)
		return;
	c->state = PLUGIN_DYING;
	c->why = why;
	/* One that has ended already may be gone from the system, its number another's. */
	if (plugin_child_is_over(c))
		return;
	kill(-c->pid, SIGKILL);
	kill(c->pid, SIGKILL);
}

bool
plugin_child_is_over(struct plugin_child *c)
{
	siginfo_t info = { 0 };

	if (c->pid == 0)
		return true;
	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
		if (info.si_pid == 0)
			return false;
		/* While it is a zombie its group is its own. */
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, &c->status, 0);
	}
	c->pid = 0;
	return true;
}

char *
plugin_child_obituary(const struct plugin_child *c, char *to, size_t room)
{
	if (WIFSIGNALED(c->status))
		snprintf(to, room, "its process was killed by signal %d (%s)", WTERMSIG(c->status),
		    strsignal(WTERMSIG(c->status)));
	else
		snprintf(to, room, "its process ended with exit status %d", WEXITSTATUS(c->status));
	return to;
}

size_t
plugin_child_printed(const struct plugin_child *c, int output, char *to)
{
	off_t len = lseek(c->outputs[output], 0, SEEK_CUR);
	ssize_t n;

	if (len <= 0)
		return 0;
	n = pread(c->outputs[output], to,
	    len < PLUGIN_OUTPUT_MAX ? (size_t)len : (size_t)PLUGIN_OUTPUT_MAX, 0);
	return n > 0 ? (size_t)n : 0;
}

void
plugin_child_destroy(struct plugin_child *c)
{
	const int fds[] = { c->pidfd, c->socket, c->outputs[0], c->outputs[1] };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (c->shared)
		munmap(c->shared, sizeof(*c->shared));
	text_finish(&c->in);
	text_finish(&c->out);
	free(c);
}

/* Our ends, and those that the process gets, which stand out of the way of where they will be. */
static int
child_open(struct plugin_child *c, int ends[static END__MAX])
{
	const size_t sizes[END__MAX] = { 0, sizeof(*c->shared), PLUGIN_OUTPUT_MAX,
		PLUGIN_OUTPUT_MAX };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	c->socket = pair[0];
	ends[END_SOCKET] = fcntl(pair[1], F_DUPFD_CLOEXEC, CHILD_FD_HIGH);
	close(pair[1]);
	if (ends[END_SOCKET] < 0)
		return -1;
	for (int i = END_SHARED; i < END__MAX; i++)
		if ((ends[i] = child_memory(sizes[i])) < 0)
			return -1;
	for (int i = 0; i < PLUGIN_OUTPUTS; i++)
		if ((c->outputs[i] = fcntl(ends[END_STDOUT + i], F_DUPFD_CLOEXEC, 0)) < 0)
			return -1;
	c->shared =
	    mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE, MAP_SHARED, ends[END_SHARED], 0);
	if (c->shared == MAP_FAILED) {
		c->shared = NULL;
		return -1;
	}
	return 0;
}

/*
 * Memory as a file of a size that stays: whoever made it shorter would kill those who read it, and
 * what is printed ends where it ends.
 */
static int
child_memory(size_t bytes)
{
	int low = memfd_create("cronward-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING), fd = -1;

	if (low < 0)
		return -1;
	if (ftruncate(low, (off_t)bytes) == 0 &&
	    fcntl(low, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		fd = fcntl(low, F_DUPFD_CLOEXEC, CHILD_FD_HIGH);
	close(low);
	return fd;
}

/*
 * The program itself, whatever has become of its file since.  Nothing of this process goes with
 * it: no memory, no descriptor, no environment, no signal mask.  What it must do to itself
 * (the parent's death is its own, no new privileges) is in plugin_host.c.
 */
static pid_t
child_spawn(const struct plugin_child *c, const int ends[static END__MAX])
{
	char parent[CHILD_PID_MAX], command[] = PLUGIN_HOST_COMMAND, program[] = "cronward";
	char environment[PATH_MAX];
	char *variables[4], *arguments[] = { program, command, parent, c->shelf->path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = 0;
	int fault;

	snprintf(parent, sizeof(parent), "%ld", (long)getpid());
	child_environment(environment, sizeof(environment), variables);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	fault = child_actions(&actions, ends);
	if (fault == 0)
		fault = child_attributes(&attributes);
	if (fault == 0)
		fault = posix_spawn(
		    &pid, "/proc/self/exe", &actions, &attributes, arguments, variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	errno = fault;
	return fault == 0 ? pid : -1;
}

static int
child_actions(posix_spawn_file_actions_t *actions, const int ends[static END__MAX])
{
	static const int places[END__MAX] = { PLUGIN_FD_SOCKET, PLUGIN_FD_SHARED, STDOUT_FILENO,
		STDERR_FILENO };
	int fault =
	    posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	for (int i = 0; fault == 0 && i < END__MAX; i++)
		fault = posix_spawn_file_actions_adddup2(actions, ends[i], places[i]);
	return fault ? fault
		     : posix_spawn_file_actions_addclosefrom_np(actions, PLUGIN_FD_FIRST_OTHER);
}

static int
child_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int fault = posix_spawnattr_setflags(
	    attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

	sigemptyset(&none);
	sigfillset(&all);
	if (fault == 0)
		fault = posix_spawnattr_setpgroup(attributes, 0);
	if (fault == 0)
		fault = posix_spawnattr_setsigmask(attributes, &none);
	return fault ? fault : posix_spawnattr_setsigdefault(attributes, &all);
}

static void
child_environment(char *room, size_t len, char *ret_variables[static 4])
{
	static const char *const kept[] = { "PATH", "TZ", "LANG" };
	int count = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const char *value = getenv(kept[i]);
		int used = value ? snprintf(room, len, "%s=%s", kept[i], value) : 0;

		/* One that is too long is left out whole. */
		if (used <= 0 || (size_t)used >= len)
			continue;
		ret_variables[count++] = room;
		room += used + 1;
		len -= (size_t)used + 1;
	}
	ret_variables[count] = NULL;
}

static void
child_add(struct text *to, const char *from, size_t len)
{
	text_add(to, from, len);
	text_add_char(to, '\0');
}
