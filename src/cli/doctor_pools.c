/*
 * doctor_pools - the pools on this host: how many processes, and whether they answer.
 *
 * A socket takes connections as long as its supervisor lives, processes or not, so each pool is
 * asked for /healthz as nginx would ask it.
 */
#include "base/clock.h"
#include "cli/doctor.h"
#include "workers/workers.h"

#include <errno.h>
#include <fastcgi.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	POOLS_SPARE = 4, /* processes beyond one for each worker */
	POOLS_ANSWER_MS = 2000,
	POOLS_ANSWER_MAX = 4096,
	POOLS_FILES_SPARE = 64, /* descriptors of a process besides its deliveries */
};

static const char *const pools_folders[] = { "/run/cronward", "var/run/fcgi", "var/state/run/fcgi",
	NULL };
static const char *const pools_names[] = { "workers", "api", "inbound", "async", NULL };

static const char *pools_folder(const struct doctor *);
static void pools_ask(struct doctor *, const char *folder, const char *name);
static int pools_connect(const char *path);
static bool pools_answers(int fd);

void
doctor_pools(struct doctor *d)
{
	const char *folder = pools_folder(d);
	int64_t wanted = POOLS_SPARE;

	for (size_t i = 0; workers[i]; i++)
		wanted++;
	/* 0: it did not parse, which has been said. */
	if (d->conf.pool_workers > 0 && d->conf.pool_workers < wanted)
		doctor_warn(d, "unset POOL_WORKERS, or raise it",
		    "POOL_WORKERS is %" PRId64
		    ": when a cron service rings everything at second 0, "
		    "calls wait for each other; %" PRId64 " are enough",
		    d->conf.pool_workers, wanted);
	else if (d->conf.pool_workers > 0)
		doctor_ok(d, "%" PRId64 " processes for worker calls", d->conf.pool_workers);
	if (!folder)
		doctor_warn(d, "start the pools, or say where they are: --sockets FOLDER",
		    "there are no sockets in /run/cronward nor in var/run/fcgi");
	for (size_t i = 0; folder && pools_names[i]; i++)
		pools_ask(d, folder, pools_names[i]);
}

/* Each delivery in the air has a connection, and as many are kept. */
void
doctor_files(struct doctor *d)
{
	int64_t wanted = 2 * d->conf.webhook_concurrent_max + POOLS_FILES_SPARE;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_max != RLIM_INFINITY && (int64_t)files.rlim_max < wanted)
		doctor_warn(d,
		    "raise it (ulimit -Hn, LimitNOFILE=), or lower WEBHOOK_MAX_CONCURRENT",
		    "a process may open %" PRId64 " files; %" PRId64
		    " deliveries at once want %" PRId64,
		    (int64_t)files.rlim_max, d->conf.webhook_concurrent_max, wanted);
	else
		doctor_ok(d, "enough open files for %" PRId64 " deliveries at once",
		    d->conf.webhook_concurrent_max);
}

/* NULL: none of the usual ones is there. */
static const char *
pools_folder(const struct doctor *d)
{
	struct stat st;

	if (d->sockets)
		return d->sockets;
	for (const char *const *folder = pools_folders; *folder; folder++)
		if (stat(*folder, &st) == 0 && S_ISDIR(st.st_mode))
			return *folder;
	return NULL;
}

static void
pools_ask(struct doctor *d, const char *folder, const char *name)
{
	char path[DOCTOR_FOUND_MAX];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.sock", folder, name);
	fd = pools_connect(path);
	if (fd < 0 && errno == EACCES)
		doctor_warn(d, "run this as root, or as a member of the sockets' group",
		    "%s may not be asked by this user", path);
	else if (fd < 0)
		doctor_fail(d, "start the pool: systemctl start cronward.target, or make up",
		    "%s: %s", path, strerror(errno));
	else if (!pools_answers(fd))
		doctor_fail(d,
		    "are its processes all busy, or does none start? journalctl -u 'cronward@*'",
		    "%s takes calls, and none is answered within %d s", path,
		    POOLS_ANSWER_MS / 1000);
	else if (stat(path, &st) == 0 && st.st_mode & S_IWOTH)
		doctor_fail(d, "mode 0660, with nginx' group: who may connect needs no allowlist",
		    "%s is open to everybody on this host", path);
	else
		doctor_ok(d, "%s answers", path);
	if (fd >= 0)
		close(fd);
}

/* -1 with errno. */
static int
pools_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, why;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* Sends GET /healthz in FastCGI, and waits for what it says. */
static bool
pools_answers(int fd)
{
	/* clang-format off */
	static const unsigned char ask[] = {
		FCGI_VERSION_1, FCGI_BEGIN_REQUEST, 0, 1, 0, 8, 0, 0,
		0, FCGI_RESPONDER, 0, 0, 0, 0, 0, 0,
		FCGI_VERSION_1, FCGI_PARAMS, 0, 1, 0, 41, 0, 0,
		14, 3, 'R', 'E', 'Q', 'U', 'E', 'S', 'T', '_', 'M', 'E', 'T', 'H', 'O', 'D', 'G', 'E', 'T',
		12, 8, 'D', 'O', 'C', 'U', 'M', 'E', 'N', 'T', '_', 'U', 'R', 'I',
		'/', 'h', 'e', 'a', 'l', 't', 'h', 'z',
		FCGI_VERSION_1, FCGI_PARAMS, 0, 1, 0, 0, 0, 0,
		FCGI_VERSION_1, FCGI_STDIN, 0, 1, 0, 0, 0, 0,
	};
	/* clang-format on */
	static const char wanted[] = "{\"status\":\"ok\"}";
	int64_t until_ms = clock_mono_ms() + POOLS_ANSWER_MS, left_ms;
	char answer[POOLS_ANSWER_MAX];
	size_t len = 0;

	if (send(fd, ask, sizeof(ask), MSG_NOSIGNAL) != (ssize_t)sizeof(ask))
		return false;
	while (len < sizeof(answer) && (left_ms = until_ms - clock_mono_ms()) > 0) {
		struct pollfd more = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&more, 1, (int)left_ms) <= 0)
			continue;
		n = recv(fd, answer + len, sizeof(answer) - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		if (memmem(answer, len, wanted, sizeof(wanted) - 1))
			return true;
	}
	return false;
}
