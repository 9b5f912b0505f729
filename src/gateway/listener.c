/*
 * listener - why libfcgi reads and writes here, but never accepts.
 *
 * libfcgi's own accept loop (OS_Accept) handles SIGTERM so that under load one process in twelve
 * never ends, most of them spinning; it ends the process for want of a file descriptor; and it
 * waits for a silent peer.  So:
 *
 * - FCGX_Init() is called before stop_setup(): the handlers that libfcgi installs are replaced.
 *   Signals are blocked from then on, but for the epoll_pwait() below, which lets them in and
 *   waits in one step.  A signal during a read would shorten a body in silence.
 * - The listening socket does not block.  Each process has an epoll of its own on it, with
 *   EPOLLEXCLUSIVE, so that a connection wakes one idle process and not all of them.  Accept is
 *   tried before each wait, and once more after it: what another process was woken for and died
 *   over is found by the next one that becomes free, and no process stops with a connection that
 *   only it was told of.  Should all others be idle and the one that was woken be frozen, they
 *   look for themselves after LISTENER_LOOK_MS.
 * - O_NONBLOCK is shared with whoever else has the socket: systemd takes it off with each command
 *   that it runs for a service, ExecReload= and ExecStop= included.  With signals blocked, an
 *   accept that blocks would end with the next connection only; SO_RCVTIMEO, which nobody takes
 *   off, ends it after LISTENER_LOOK_MS.
 * - The accepted socket has time-outs, and its head is looked at (head.h) before libfcgi is.
 * - FCGX_Accept_r() begins with FCGX_Finish_r(), which closes q->ipcFd unless q->keepConnection
 *   is set, then finds q->ipcFd >= 0 and reads instead of accepting; BEGIN_REQUEST sets
 *   keepConnection anew.  When what it reads is malformed it closes the connection and goes
 *   to accept on q->listen_sock, which is -1: EBADF, an error, and it returns.
 * - FCGX_Finish_r() leaves a connection with FCGI_KEEP_CONN open; FCGX_Free(q, 1) then closes it
 *   (and does nothing when it is closed already).  A kept connection would pin this process.
 * - q->detached makes libfcgi close without shutdown() and without waiting up to 2 s for the
 *   peer to close first.  That wait only matters when bytes are left unread, since then the peer
 *   may see a reset in place of the reply; whoever answers says whether all was read.
 */
#include "gateway/listener.h"

#include "base/clock.h"
#include "base/stop.h"
#include "gateway/head.h"
#include "gateway/request.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	LISTENER_PAUSE_MS = 100, /* when descriptors or memory have run out */
	LISTENER_LOOK_MS = 1000,
	LISTENER_PEEK_STEP_MS = 2,
};

static int listener_limit(int connection);
static void listener_wait(const struct listener *, int timeout_ms);
static void listener_pause(void);
static bool listener_head_is_sound(int connection);

int
listener_open(struct listener *l, int fd, struct err *e)
{
	const struct timeval look_max = { .tv_sec = LISTENER_LOOK_MS / 1000 };
	struct epoll_event want = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int listens = 0, flags;
	socklen_t len = sizeof(listens);

	*l = (struct listener){ .fd = fd, .epoll = -1 };
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens)
		return err_set(e, ERR_NOT_CONFIGURED,
		    "file descriptor %d is no listening socket: start `cronward serve` by "
		    "spawn-fcgi, "
		    "multiwatch or systemd",
		    fd);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return err_set(e, ERR_INTERNAL, "fcntl: %s", strerror(errno));
	/* For want of that flag, see above. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look_max, sizeof(look_max));
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &want) != 0)
		return err_set(e, ERR_INTERNAL, "epoll: %s", strerror(errno));
	return 0;
}

void
listener_close(struct listener *l)
{
	if (l->epoll >= 0)
		close(l->epoll);
	l->epoll = -1;
}

int
listener_accept(const struct listener *l, int timeout_ms)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms;

	for (;;) {
		int connection = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		int why = errno;
		int64_t left_ms = timeout_ms < 0 ? -1 : end_ms - clock_mono_ms();

		if (connection >= 0)
			return listener_limit(connection);
		if (stop_requested() || (timeout_ms >= 0 && left_ms <= 0))
			return -1;
		if (why == EAGAIN)
			listener_wait(l, (int)left_ms);
		else if (why != EINTR && why != ECONNABORTED)
			listener_pause(); /* EMFILE, ENFILE, ENOMEM, or something new */
	}
}

bool
listener_receive(FCGX_Request *q, int connection)
{
	if (!listener_head_is_sound(connection)) {
		close(connection);
		return false;
	}
	q->ipcFd = connection;
	q->keepConnection = 1;
	q->detached = 1;
	if (FCGX_Accept_r(q) == 0)
		return true;
	FCGX_Free(q, 1);
	return false;
}

void
listener_finish(FCGX_Request *q)
{
	q->detached = request_drain(q->in);
	FCGX_Finish_r(q);
	FCGX_Free(q, 1);
}

/* No peer keeps a process for ever.  Returns ${connection}. */
static int
listener_limit(int connection)
{
	const struct timeval peer_max = { .tv_sec = LISTENER_PEER_MAX_MS / 1000 };

	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &peer_max, sizeof(peer_max));
	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &peer_max, sizeof(peer_max));
	return connection;
}

static void
listener_wait(const struct listener *l, int timeout_ms)
{
	struct epoll_event got;

	if (timeout_ms < 0 || timeout_ms > LISTENER_LOOK_MS)
		timeout_ms = LISTENER_LOOK_MS;
	epoll_pwait(l->epoll, &got, 1, timeout_ms, stop_wait_mask());
}

static void
listener_pause(void)
{
	const struct timespec pause = { .tv_nsec = LISTENER_PAUSE_MS * 1000000L };

	ppoll(NULL, 0, &pause, stop_wait_mask());
}

/*
 * Waits until the whole head is there, LISTENER_PEER_MAX_MS at most, and judges it; reads nothing
 * away.  nginx sends a head in one piece, so there is nearly always one look.
 */
static bool
listener_head_is_sound(int connection)
{
	static unsigned char head[HEAD_MAX];
	struct pollfd gone = { .fd = connection, .events = POLLRDHUP };
	int64_t end_ms = clock_mono_ms() + LISTENER_PEER_MAX_MS;

	do {
		ssize_t len = recv(connection, head, sizeof(head), MSG_PEEK);
		enum head_verdict verdict;

		/* So a wait ends that a SIGSTOP and SIGCONT fell into. */
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return false;
		verdict = head_check(head, (size_t)len);
		if (verdict != HEAD_MORE)
			return verdict == HEAD_WHOLE;
		if (len == sizeof(head))
			return false;
		/*
		 * More bytes wake nobody who has peeked at the first ones: look again a little
		 * later, but stop at once when the peer has left.
		 */
	} while (poll(&gone, 1, LISTENER_PEEK_STEP_MS) == 0 && clock_mono_ms() < end_ms);
	return false;
}
