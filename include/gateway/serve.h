/*
 * serve - one process of a pool: FastCGI on fd 0 until it is told to stop.
 */
#ifndef CRONWARD_GATEWAY_SERVE_H
#define CRONWARD_GATEWAY_SERVE_H

/* The exit code: 0 after a stop or PROCESS_REQUESTS_MAX calls, 1 when it cannot even begin. */
int serve(void);

#endif
