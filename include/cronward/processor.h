/*
 * cronward/processor.h - how to write a processor of jobs as a plug-in.
 *
 * A plug-in is a shared object PROCESSOR_DIR/NAME.so that exports one symbol, cronward_processor.
 * It links against nothing of cronward's: all that it may ask for are function pointers in what it
 * is given.
 *
 *	#include <cronward/processor.h>
 *
 *	static int
 *	hello_process(struct cronward_context *c, const struct cronward_job *job)
 *	{
 *		c->log(c, CRONWARD_INFO, "%zu bytes of payload", job->payload_len);
 *		if (job->payload_len > 1000)
 *			return c->fail(c, "the payload is too long");
 *		return c->result_text(c, "{\"hello\": true}");
 *	}
 *
 *	CRONWARD_PROCESSOR(.name = "hello", .process = hello_process);
 *
 *	cc -shared -fPIC -O2 -o hello.so hello.c
 *
 * A row of job_types says which jobs it gets:
 *
 *	INSERT INTO job_types (job_type, processor, target) VALUES ('hello', 'plugin', 'hello');
 *
 * It runs in a process of its own, which does one job at a time, is kept for further jobs and ends
 * after a while without any.  A try that is over its time is killed with that process and all that
 * it has started; a crash fails the try that was under way, and nothing else.  It inherits no
 * secret, no connection and no environment but PATH, TZ and LANG.  It runs as the account of the
 * service: what that may read, it may read, so put there only what you would run anyway.
 *
 * What goes to standard output and standard error becomes log lines of the job, at its end.
 *
 * A job may be tried more than once, and after a crash of the machine a try that had ended may be
 * done again: make it harmless to do a job twice.
 */
#ifndef CRONWARD_PROCESSOR_H
#define CRONWARD_PROCESSOR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Changes when a plug-in must be compiled anew.  What is added within a version stands at the end
 * of a structure, and .size says how much of it the program knows.
 */
#define CRONWARD_PROCESSOR_ABI 1

/* What process() returns. */
enum cronward_outcome {
	CRONWARD_DONE = 0,  /* completed */
	CRONWARD_RETRY = 1, /* failed; tried again later, until its tries are used up */
	CRONWARD_FAIL = 2   /* failed for good */
};

enum cronward_level { CRONWARD_DEBUG, CRONWARD_INFO, CRONWARD_WARN, CRONWARD_ERROR };

enum {
	CRONWARD_RESULT_MAX = 1 << 20, /* bytes of a result */
	CRONWARD_LINE_MAX = 8 << 10,   /* bytes of a log line or an error; the rest is cut off */
	CRONWARD_LINES_MAX = 1000      /* log lines of one try; the rest is dropped */
};

/* One try of a job.  All texts end with NUL and are gone when process() returns. */
struct cronward_job {
	size_t size; /* of this structure in the program */
	const char *id;
	const char *type;
	const char *queue;
	const char *workspace_id; /* NULL: it belongs to none */
	const char *payload;      /* JSON */
	size_t payload_len;
	const char *run_at, *created_at; /* RFC 3339 */
	int attempt;                     /* from 1 */
	int max_attempts;
};

/*
 * What a plug-in may ask for.  To be called from the thread that process() or setup() was called
 * in, and before it returns.
 */
struct cronward_context {
	size_t size; /* of this structure in the program */
	void *state; /* the plug-in's own: NULL, or what setup() has put there */

	/* How far the job is, 0 to 100; seen within a second. */
	void (*progress)(struct cronward_context *, int percent);

	/* A line in job_logs, printf-like; seen while the job runs. */
	void (*log)(struct cronward_context *, enum cronward_level, const char *format, ...)
#ifdef __GNUC__
	    __attribute__((format(printf, 3, 4)))
#endif
	    ;
	/* The same with JSON text beside it: 0, or -1 when ${json} is none, and nothing is logged.
	 */
	int (*log_data)(
	    struct cronward_context *, enum cronward_level, const char *message, const char *json);

	/*
	 * The job's result: ${len} bytes of JSON, copied; the last one counts.  CRONWARD_DONE; or
	 * CRONWARD_FAIL when it is longer than CRONWARD_RESULT_MAX or PostgreSQL would not take it
	 * as jsonb, and the job then fails with that reason unless a better one follows.
	 */
	int (*result)(struct cronward_context *, const char *json, size_t len);
	int (*result_text)(struct cronward_context *, const char *json);

	/* Says why the job fails, printf-like.  CRONWARD_FAIL, so: return c->fail(c, "no luck"); */
	int (*fail)(struct cronward_context *, const char *format, ...)
#ifdef __GNUC__
	    __attribute__((format(printf, 2, 3)))
#endif
	    ;
	/*
	 * The same for another try, ${wait_s} seconds later (a day at most); below 0: as the
	 * queue's schedule has it.  CRONWARD_RETRY.
	 */
	int (*retry)(struct cronward_context *, int wait_s, const char *format, ...)
#ifdef __GNUC__
	    __attribute__((format(printf, 3, 4)))
#endif
	    ;

	/* Milliseconds until this try is killed; 0 when it is over its time. */
	int64_t (*time_left_ms)(struct cronward_context *);
};

/* What a plug-in exports; see CRONWARD_PROCESSOR. */
struct cronward_processor {
	uint32_t abi;     /* CRONWARD_PROCESSOR_ABI */
	uint32_t size;    /* of this structure in the plug-in */
	const char *name; /* for error messages */
	/* Does one job; returns an enum cronward_outcome. */
	int (*process)(struct cronward_context *, const struct cronward_job *);
	/*
	 * Once in each process before its first job, within 5 seconds: CRONWARD_DONE, or
	 * CRONWARD_FAIL (by fail()) and no job is tried.  NULL: nothing to do.
	 */
	int (*setup)(struct cronward_context *);
	/* When the process ends in order; not when it is killed.  NULL: nothing to do. */
	void (*teardown)(struct cronward_context *);
};

#if defined(__GNUC__)
#define CRONWARD_EXPORT __attribute__((visibility("default")))
#else
#define CRONWARD_EXPORT
#endif

extern CRONWARD_EXPORT const struct cronward_processor cronward_processor;

/* Defines what is exported; its arguments are fields of struct cronward_processor, in order. */
#define CRONWARD_PROCESSOR(...)                                                                    \
	const struct cronward_processor cronward_processor = { CRONWARD_PROCESSOR_ABI,             \
		sizeof(struct cronward_processor), __VA_ARGS__ }

#ifdef __cplusplus
}
#endif

#endif
