/*
 * listener - the socket on which the pool's processes accept, and libfcgi fed from it.
 */
#ifndef CRONWARD_GATEWAY_LISTENER_H
#define CRONWARD_GATEWAY_LISTENER_H

#include "base/err.h"

#include <fcgiapp.h>
#include <stdbool.h>

enum {
	/* How long a peer may keep a process waiting: for its next bytes, or until it takes ours.
	 */
	LISTENER_PEER_MAX_MS = 5000,
};

struct listener {
	int fd;    /* the pool's, shared with the other processes */
	int epoll; /* this process' own */
};

/* Takes ${fd}, a listening socket.  0, or -1 with ERR_NOT_CONFIGURED. */
int listener_open(struct listener *l, int fd, struct err *e);
void listener_close(struct listener *l);

/*
 * The next connection, or -1: a stop was requested, or ${timeout_ms} (-1: no limit) have passed.
 * Signals are let in here and nowhere else.
 */
int listener_accept(const struct listener *l, int timeout_ms);

/*
 * Lets libfcgi read a request from ${connection} into ${q}, which FCGX_InitRequest() has prepared
 * without a socket of its own.  False when there was none; the connection is then closed.
 */
bool listener_receive(FCGX_Request *q, int connection);
/* Sends what is left, closes the connection and frees the request's memory. */
void listener_finish(FCGX_Request *q);

#endif
