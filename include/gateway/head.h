/*
 * head - judges the head of a FastCGI request before libfcgi reads it.
 *
 * libfcgi trusts its peer: a parameter that says it is 4 GB long ends the process (CVE-2025-23016
 * and what its fix left), parameters are kept without any limit, a management record may overrun
 * a buffer of 64 bytes or leak, and a head that never ends is waited for without end.  nginx
 * sends none of these, and only nginx may reach the socket; this is the second lock on that door.
 */
#ifndef CRONWARD_GATEWAY_HEAD_H
#define CRONWARD_GATEWAY_HEAD_H

#include <stddef.h>

enum head_verdict {
	HEAD_WHOLE, /* BEGIN_REQUEST and all PARAMS are there and sound */
	HEAD_MORE,  /* sound so far */
	HEAD_BAD,
};

enum {
	HEAD_MAX =
	    64 * 1024, /* bytes up to the end of PARAMS; nginx' own limits come to half of it */
};

/*
 * The verdict on the first ${len} bytes of a connection.  Wanted is a BEGIN_REQUEST of a
 * responder, then PARAMS whose lengths add up, then nothing but STDIN as far as can be seen.
 */
enum head_verdict head_check(const unsigned char *at, size_t len);

#endif
