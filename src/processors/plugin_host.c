/*
 * plugin_host - the process that a plug-in runs in: loads it, then does one job after the other.
 *
 * It is the program itself, started anew with nothing but its socket and the memory that it shares
 * with its parent.  It trusts its parent, and nobody trusts it: whatever the plug-in does to this
 * process is between the two of them.
 */
#include "plugin_host.h"

#include "base/arena.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	HOST_ARGUMENTS = 4,
	HOST_FILES_MAX = 1024,
	HOST_IDLE_MS = 60000,
	HOST_END_S = 5,       /* that teardown() has */
	HOST_FULL_MS = 1,     /* between two looks whether the ring has room */
	HOST_WAKE_US = 1000,  /* between two bytes for a parent that sleeps */
	HOST_READ = 64 << 10, /* bytes of a read, unless a job is longer */
	HOST_CONFUSED = 70,   /* exit status: our own parent makes no sense */
	US_PER_MS = 1000,
};

static void host_confine(void);
static void host_bind(void);
static void host_open(struct host *h);
static const char *host_load(struct host *h, const char *path);
static const char *host_file_fault(const char *path);
static const char *host_plugin_fault(const struct cronward_processor *plugin);
static const char *host_setup(struct host *h);
static void host_serve(struct host *h);
static const struct plugin_job *host_next(struct host *h);
static bool host_read(struct host *h);
static void host_do(struct host *h, const struct plugin_job *job);
static void host_end(struct host *h, int outcome);
static void host_output(struct host *h);
static void host_lines(struct host *h, int output, size_t len);
static void host_put(struct host *h, const void *from, size_t len);
static void host_publish(struct host *h);
static void host_wake(struct host *h);
static void host_leave(struct host *h);

/* Why a plug-in cannot be used. */
static char host_fault[PATH_MAX + 256];

int
plugin_host(int argc, char **argv)
{
	static struct host host;
	struct host *h = &host;
	struct text fault = { 0 };
	const char *why;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != HOST_ARGUMENTS || strtol(argv[2], NULL, 10) != (long)getppid())
		return HOST_CONFUSED;
	host_confine();
	host_open(h);
	host_context_init(h);
	why = host_load(h, argv[3]);
	if (!why)
		why = host_setup(h);
	if (why)
		text_add_text(&fault, why);
	host_output(h);
	host_say(h, (struct plugin_head){ .word = why ? PLUGIN_FAULT : PLUGIN_READY },
	    why ? &fault : NULL, NULL);
	host_wake(h);
	if (why)
		return EXIT_FAILURE;
	host_serve(h);
	host_leave(h);
	return EXIT_SUCCESS;
}

void
host_say(struct host *h, struct plugin_head head, const struct text *text, const char *data)
{
	size_t data_len = data ? strlen(data) : 0;

	head.has_text = text != NULL;
	head.text_len = text ? (uint32_t)text->len : 0;
	head.len = (uint32_t)(sizeof(head) + head.text_len + data_len);
	host_put(h, &head, sizeof(head));
	if (text)
		host_put(h, text->at, text->len);
	if (data)
		host_put(h, data, data_len);
	host_publish(h);
}

void
host_wake_soon(struct host *h)
{
	if (plugin_now_us() - h->rang_us >= HOST_WAKE_US)
		host_wake(h);
}

/* What it never needs it cannot get: new privileges, core files, a flood of descriptors. */
static void
host_confine(void)
{
	struct rlimit core = { 0, 0 }, files;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	host_bind();
	setrlimit(RLIMIT_CORE, &core);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		if (files.rlim_max > HOST_FILES_MAX)
			files.rlim_max = HOST_FILES_MAX;
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/*
 * It stays in its process group, with all that it starts, for that is what is killed when its time
 * is over; and kill(-1, ...) or kill(getppid(), ...) ends no process of ours.
 * Where the kernel has no such filters it does without.
 */
static void
host_bind(void)
{
	const uint32_t parent = (uint32_t)getppid(), everybody = UINT32_MAX;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpgid, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, everybody, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, parent, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static void
host_open(struct host *h)
{
	const int shared = MAP_SHARED, both = PROT_READ | PROT_WRITE;

	h->shared = mmap(NULL, sizeof(*h->shared), both, shared, PLUGIN_FD_SHARED, 0);
	for (int i = 0; i < HOST_OUTPUTS; i++) {
		h->outputs[i] = mmap(NULL, PLUGIN_OUTPUT_MAX, both, shared, STDOUT_FILENO + i, 0);
		if (h->outputs[i] == MAP_FAILED)
			_exit(HOST_CONFUSED);
	}
	if (h->shared == MAP_FAILED)
		_exit(HOST_CONFUSED);
	close(PLUGIN_FD_SHARED);
	/* What is printed before a crash is to be seen after it. */
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	h->in_room = HOST_READ;
	h->in = mem_alloc(h->in_room);
}

/* NULL, or why it cannot be used. */
static const char *
host_load(struct host *h, const char *path)
{
	const char *fault = host_file_fault(path);

	if (fault) {
		snprintf(host_fault, sizeof(host_fault), "%s: %s", path, fault);
		return host_fault;
	}
	h->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h->library) {
		/* It names the file itself. */
		snprintf(host_fault, sizeof(host_fault), "%s", dlerror());
		return host_fault;
	}
	h->plugin = dlsym(h->library, "cronward_processor");
	fault = h->plugin ? host_plugin_fault(h->plugin)
			  : "exports no cronward_processor; see CRONWARD_PROCESSOR() in "
			    "cronward/processor.h";
	if (!fault)
		return NULL;
	if (fault != host_fault)
		snprintf(host_fault, sizeof(host_fault), "%s: %s", path, fault);
	return host_fault;
}

static const char *
host_file_fault(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	const char *fault = NULL;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT
			   ? "there is no such file; put it there, or correct job_types.target"
		       : errno == ELOOP ? "is a symbolic link; put the file itself there"
					: strerror(errno);
	if (fstat(fd, &st) != 0)
		fault = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "is no file";
	else if (st.st_mode & S_IWOTH)
		fault = "may be written by everybody; chmod o-w it";
	close(fd);
	return fault;
}

static const char *
host_plugin_fault(const struct cronward_processor *plugin)
{
	if (plugin->abi != CRONWARD_PROCESSOR_ABI) {
		snprintf(host_fault, sizeof(host_fault),
		    "it was compiled for version %u of cronward/processor.h, and this program has "
		    "version %d; compile it anew",
		    plugin->abi, CRONWARD_PROCESSOR_ABI);
		return host_fault;
	}
	if (plugin->size < offsetof(struct cronward_processor, setup))
		return "its cronward_processor is too short";
	return plugin->process ? NULL : "its cronward_processor has no process()";
}

static const char *
host_setup(struct host *h)
{
	int outcome;

	host_context_reset(h);
	h->ends_us = plugin_now_us() + (int64_t)PLUGIN_SETUP_MS * US_PER_MS;
	if (h->plugin->size <= offsetof(struct cronward_processor, setup) || !h->plugin->setup)
		return NULL;
	outcome = h->plugin->setup(&h->context);
	fflush(stdout);
	if (outcome == CRONWARD_DONE)
		return NULL;
	snprintf(host_fault, sizeof(host_fault), "its setup() failed: %.200s",
	    h->has_error ? h->error.at : "it does not say why");
	return host_fault;
}

static void
host_serve(struct host *h)
{
	for (;;) {
		const struct plugin_job *job = host_next(h);

		if (job) {
			host_do(h, job);
			h->in_at += job->len;
			continue;
		}
		host_wake(h);
		if (!host_read(h))
			return;
	}
}

/* The next job that is here as a whole; NULL: none. */
static const struct plugin_job *
host_next(struct host *h)
{
	const struct plugin_job *job = (const void *)(h->in + h->in_at);
	size_t there = h->in_len - h->in_at;

	return there >= sizeof(*job) && there >= job->len ? job : NULL;
}

/* Waits for more.  false: there will be none, or none has come for long. */
static bool
host_read(struct host *h)
{
	struct pollfd on = { .fd = PLUGIN_FD_SOCKET, .events = POLLIN };
	size_t there = h->in_len - h->in_at, wanted = HOST_READ;
	ssize_t n;

	memmove(h->in, h->in + h->in_at, there);
	h->in_at = 0;
	h->in_len = there;
	if (there >= sizeof(struct plugin_job))
		wanted += ((const struct plugin_job *)(const void *)h->in)->len;
	if (h->in_room < wanted) {
		h->in = mem_grow(h->in, wanted);
		h->in_room = wanted;
	}
	n = recv(PLUGIN_FD_SOCKET, h->in + there, h->in_room - there, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (poll(&on, 1, HOST_IDLE_MS) == 0)
			return false;
		n = recv(PLUGIN_FD_SOCKET, h->in + there, h->in_room - there, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
	}
	if (n < 0)
		_exit(HOST_CONFUSED);
	h->in_len += (size_t)n;
	return n > 0;
}

static void
host_do(struct host *h, const struct plugin_job *job)
{
	_Atomic uint32_t *slot = &h->shared->slots[job->number % PLUGIN_SLOTS];
	struct cronward_job shown = { .size = sizeof(shown),
		.attempt = job->attempt,
		.max_attempts = job->max_attempts,
		.payload_len = job->payload_len };
	const char *at = (const char *)(job + 1);
	uint32_t sent = PLUGIN_SLOT_SENT;

	h->number = job->number;
	h->began_us = plugin_now_us();
	h->ends_us = h->began_us + job->timeout_us;
	atomic_store_explicit(&h->shared->began_us, (uint64_t)h->began_us, memory_order_relaxed);
	atomic_store_explicit(&h->shared->progress, 0, memory_order_relaxed);
	if (!atomic_compare_exchange_strong(slot, &sent, PLUGIN_SLOT_BEGUN)) {
		atomic_store(slot, PLUGIN_SLOT_FREE);
		return;
	}
	shown.id = at;
	at += job->id_len + 1;
	shown.type = at;
	at += job->type_len + 1;
	shown.queue = at;
	at += job->queue_len + 1;
	shown.workspace_id = job->has_workspace ? at : NULL;
	at += job->workspace_len + 1;
	shown.run_at = at;
	at += job->run_at_len + 1;
	shown.created_at = at;
	at += job->created_at_len + 1;
	shown.payload = at;
	host_context_reset(h);
	host_end(h, h->plugin->process(&h->context, &shown));
}

static void
host_end(struct host *h, int outcome)
{
	int64_t now_us;
	struct plugin_head head = { .word = PLUGIN_END, .number = h->number, .wait_s = h->wait_s };
	const struct text *text = h->has_error ? &h->error : NULL;

	fflush(stdout);
	host_output(h);
	if (outcome == CRONWARD_DONE && h->is_result_bad) {
		outcome = CRONWARD_FAIL;
		text = &h->result;
	} else if (outcome == CRONWARD_DONE) {
		text = h->has_result ? &h->result : NULL;
	} else if (outcome != CRONWARD_RETRY && outcome != CRONWARD_FAIL) {
		text_reset(&h->error);
		text_add_format(
		    &h->error, "process() returned %d, which is no enum cronward_outcome", outcome);
		text = &h->error;
		outcome = CRONWARD_FAIL;
	} else if (h->is_result_bad && !text) {
		text = &h->result;
	}
	now_us = plugin_now_us();
	head.outcome = (uint8_t)outcome;
	head.took_us =
	    now_us - h->began_us < UINT32_MAX ? (uint32_t)(now_us - h->began_us) : UINT32_MAX;
	host_say(h, head, text, NULL);
	if (now_us - h->rang_us >= HOST_WAKE_US)
		host_wake(h);
}

/* What was printed becomes lines of the job.  Looking costs nothing: both are mapped. */
static void
host_output(struct host *h)
{
	for (int i = 0; i < HOST_OUTPUTS; i++) {
		off_t len;

		if (h->outputs[i][0] == '\0')
			continue;
		len = lseek(STDOUT_FILENO + i, 0, SEEK_CUR);
		host_lines(h, i,
		    len > 0 && len < PLUGIN_OUTPUT_MAX ? (size_t)len : (size_t)PLUGIN_OUTPUT_MAX);
		h->outputs[i][0] = '\0';
		lseek(STDOUT_FILENO + i, 0, SEEK_SET);
	}
}

static void
host_lines(struct host *h, int output, size_t len)
{
	struct plugin_head head = { .word = PLUGIN_NOTE, .number = h->number };
	const char *at = h->outputs[output], *end = at + len;
	struct text line = { 0 };

	head.level = output == 0 ? CRONWARD_INFO : CRONWARD_WARN;
	while (at < end && h->lines <= CRONWARD_LINES_MAX) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t line_len = (size_t)((stop ? stop : end) - at);

		if (line_len > 0) {
			text_reset(&line);
			text_add(&line, at,
			    line_len < CRONWARD_LINE_MAX ? line_len : (size_t)CRONWARD_LINE_MAX);
			host_say(h, head, &line, NULL);
			h->lines++;
		}
		at += line_len + 1;
	}
	if (len == PLUGIN_OUTPUT_MAX) {
		text_reset(&line);
		text_add_text(&line, "it has printed more than is kept of a try: the rest is lost");
		host_say(h, head, &line, NULL);
	}
	text_finish(&line);
}

static void
host_put(struct host *h, const void *from, size_t len)
{
	const char *at = from;

	for (;;) {
		struct pollfd on = { .fd = PLUGIN_FD_SOCKET };
		size_t put = plugin_ring_put(h->shared, &h->written, at, len);

		at += put;
		len -= put;
		if (len == 0)
			return;
		host_publish(h);
		host_wake(h);
		/* Nothing is asked for but whether the parent is still there. */
		if (poll(&on, 1, HOST_FULL_MS) > 0)
			_exit(HOST_CONFUSED);
	}
}

static void
host_publish(struct host *h)
{
	atomic_store(&h->shared->written, h->written);
}

static void
host_wake(struct host *h)
{
	if (atomic_load(&h->shared->parent_sleeps) == 0 ||
	    atomic_exchange(&h->shared->parent_sleeps, 0) == 0)
		return;
	h->rang_us = plugin_now_us();
	send(PLUGIN_FD_SOCKET, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
host_leave(struct host *h)
{
	/* From here on a parent's write fails at once. */
	shutdown(PLUGIN_FD_SOCKET, SHUT_RDWR);
	alarm(HOST_END_S);
	if (h->plugin->size > offsetof(struct cronward_processor, teardown) && h->plugin->teardown)
		h->plugin->teardown(&h->context);
}
