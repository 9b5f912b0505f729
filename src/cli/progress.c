/*
 * progress - a thread that reads the run's counters now and then; the run knows nothing of it.
 *
 * A number may be a moment old, which is all that can be asked of progress.  Every signal stays
 * with the main thread: the mask is inherited, and stop_setup() has blocked those that matter.
 */
#include "cli/progress.h"

#include "base/clock.h"
#include "engine/run.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	PROGRESS_EVERY_MS = 500,
};

static pthread_t progress_thread;
static bool progress_runs;
static pthread_mutex_t progress_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress_wake = PTHREAD_COND_INITIALIZER;
static bool progress_is_over;

static void *progress_loop(void *run);
static void progress_show(const struct run *);

void
progress_start(const struct run *r)
{
	if (!isatty(STDERR_FILENO))
		return;
	progress_is_over = false;
	progress_runs = pthread_create(&progress_thread, NULL, progress_loop, (void *)r) == 0;
}

void
progress_stop(void)
{
	if (!progress_runs)
		return;
	pthread_mutex_lock(&progress_lock);
	progress_is_over = true;
	pthread_cond_signal(&progress_wake);
	pthread_mutex_unlock(&progress_lock);
	pthread_join(progress_thread, NULL);
	progress_runs = false;
	fputs("\r\033[K", stderr);
}

static void *
progress_loop(void *run)
{
	struct timespec next;

	pthread_mutex_lock(&progress_lock);
	while (!progress_is_over) {
		progress_show(run);
		clock_gettime(CLOCK_REALTIME, &next);
		next.tv_nsec += PROGRESS_EVERY_MS * 1000000L;
		next.tv_sec += next.tv_nsec / 1000000000L;
		next.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&progress_wake, &progress_lock, &next);
	}
	pthread_mutex_unlock(&progress_lock);
	return NULL;
}

static void
progress_show(const struct run *r)
{
	long long done = (long long)__atomic_load_n(&r->processed, __ATOMIC_RELAXED);
	long long failed = (long long)__atomic_load_n(&r->failed, __ATOMIC_RELAXED);

	fprintf(stderr, "\r\033[K%s: %lld done, %lld of them failed, %lld s", r->worker->name, done,
	    failed, (long long)(clock_mono_ms() - r->mono_began_ms) / 1000);
}
