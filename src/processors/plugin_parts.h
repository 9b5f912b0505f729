/*
 * plugin_parts - what the files of plug-ins share; nobody else includes it.
 *
 *	plugin.c         the processor: which plug-in gets an item
 *	plugin_pool.c    the carrier: which process gets it, and what comes back
 *	plugin_child.c   one process as its parent sees it: start, talk, kill, reap
 *	plugin_frame.c   frames and the memory that both sides share; the parent trusts neither
 *	plugin_host.c    the process itself: loads the plug-in, does one job after the other
 *	plugin_context.c what the plug-in may ask for
 *
 * Jobs go to the process through a socket, as many as fit one write.  What it has to say stands in
 * a ring in shared memory, so that nothing of it is lost when it crashes, and a byte on the socket
 * wakes the parent only where it sleeps: a short job costs no system call on either side.  Each job
 * that was sent has a slot in that memory, whose state says whether it has begun; the parent can
 * take one back that has not.
 */
#ifndef CRONWARD_PLUGIN_PARTS_H
#define CRONWARD_PLUGIN_PARTS_H

#include "base/text.h"
#include "processors/plugin.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	PLUGIN_SLOTS = 256, /* jobs that a process may be ahead */
	PLUGIN_RING = 256 << 10,
	PLUGIN_JOB_MAX = 64 << 20,    /* bytes of a job on its way to a process */
	PLUGIN_OUTPUT_MAX = 64 << 10, /* of each of stdout and stderr, from one job */
	PLUGIN_SETUP_MS = 5000,
	/* Descriptors of the process, besides 0, 1 and 2. */
	PLUGIN_FD_SOCKET = 3,
	PLUGIN_FD_SHARED = 4,
	PLUGIN_FD_FIRST_OTHER = 5,
};

enum plugin_slot {
	PLUGIN_SLOT_FREE,
	PLUGIN_SLOT_SENT,  /* by the parent */
	PLUGIN_SLOT_BEGUN, /* by the process: from SENT, else the parent has taken it back */
	PLUGIN_SLOT_TAKEN, /* by the parent, from SENT; the process makes it FREE as it comes by */
};

/*
 * The memory that parent and process share.  What the process writes is no more than its word: the
 * parent copies it before it looks at it, and counts for itself.
 */
struct plugin_shared {
	_Alignas(64) _Atomic uint32_t written; /* bytes put into the ring; by the process */
	_Atomic uint64_t began_us;             /* CLOCK_MONOTONIC, of the job that has begun */
	_Atomic uint32_t progress;             /* of that job: number << 8 | percent + 1 */
	_Alignas(64) _Atomic uint32_t read;    /* bytes taken out of it; by the parent */
	_Atomic uint32_t parent_sleeps;        /* it wants a byte on the socket */
	_Alignas(64) _Atomic uint32_t slots[PLUGIN_SLOTS];
	_Alignas(64) unsigned char ring[PLUGIN_RING];
};

/* What a process says. */
enum plugin_word {
	PLUGIN_READY, /* loaded and set up */
	PLUGIN_FAULT, /* cannot be: text says why */
	PLUGIN_NOTE,  /* a log line: text and perhaps data */
	PLUGIN_END,   /* of job number: text is its result or its error */
	PLUGIN_WORD__MAX
};

enum {
	PLUGIN_FRAME_MAX = (1 << 20) + 64,
};

/* The head of a frame on the ring; text and data follow. */
struct plugin_head {
	uint32_t len; /* of the frame, this included */
	uint8_t word, level /* of a note */, outcome /* of an end */, has_text;
	uint32_t number; /* of the job */
	int32_t wait_s;  /* of a retry; below 0: none said */
	uint32_t took_us;
	uint32_t text_len;
};

/* A frame that was found sound; text and data point into what it was read from. */
struct plugin_frame {
	struct plugin_head head;
	const char *text, *data; /* NULL: none */
	size_t text_len, data_len;
};

enum plugin_verdict { PLUGIN_FRAME_WHOLE, PLUGIN_FRAME_MORE, PLUGIN_FRAME_BAD };

/* A job on the socket, its texts behind it, each with a NUL. */
struct plugin_job {
	uint32_t len; /* of all, this included */
	uint32_t number;
	int64_t timeout_us;
	int32_t attempt, max_attempts;
	uint32_t has_workspace;
	uint32_t id_len, type_len, queue_len, workspace_len, run_at_len, created_at_len;
	uint32_t payload_len;
};

/* plugin_frame.c */
/* The frame at ${at}, of ${len} bytes that are there, and its length in *ret_used. */
enum plugin_verdict plugin_frame_read(
    const char *at, size_t len, struct plugin_frame *ret_frame, size_t *ret_used);
/*
 * Adds what the process has written since *read to ${to}, and moves *read.  -1: it says that it
 * has written more than fits.
 */
int plugin_ring_take(struct plugin_shared *shared, uint32_t *read, struct text *to);
/* Copies ${len} bytes into the ring behind *written, as many as fit; how many.  Not published. */
size_t plugin_ring_put(
    struct plugin_shared *shared, uint32_t *written, const void *from, size_t len);

/* A moment of CLOCK_MONOTONIC. */
int64_t plugin_now_us(void);

#endif
