/*
 * sync_steps - one step after the other of an integration's state, and what each is to be.
 */
#ifndef CRONWARD_TESTS_SYNC_STEPS_H
#define CRONWARD_TESTS_SYNC_STEPS_H

#include "sync_vendors.h"
#include "workers/sync_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	NOW_S = 1800000000,
	HOUR_S = 3600,
	WHOLE_H = 24,
};

static struct sync_state state;
static struct sync_ask ask;
static struct sync_written written;
static int64_t now_s, whole_h;
static char *stored; /* the cursor behind what was taken last */

static inline int
setup(void **unused)
{
	(void)unused;
	now_s = NOW_S;
	whole_h = WHOLE_H;
	memset(&state, 0, sizeof state);
	return 0;
}

static inline int
teardown(void **unused)
{
	(void)unused;
	sync_state_finish(&state);
	free(stored);
	stored = NULL;
	return 0;
}

static inline void
store(void)
{
	free(stored);
	stored = json_dumps(state.cursor, JSON_COMPACT);
}

static inline void
begin(const struct sync_vendor *v, const char *cursor)
{
	sync_state_finish(&state);
	sync_state_init(&state, v, cursor, whole_h);
}

/* As whoever was killed would find it. */
static inline void
begin_again(void)
{
	begin(state.vendor, stored);
}

static inline void
same_text(const char *got, const char *wanted)
{
	if (strcmp(got ? got : "nothing", wanted ? wanted : "nothing") != 0)
		fail_msg("%s instead of %s", got ? got : "nothing", wanted ? wanted : "nothing");
}

/* The next request is for ${kind} at ${page}, since ${since}, with ${etag}. */
static inline void
asks(const char *kind, const char *page, const char *since, const char *etag)
{
	assert_int_equal(sync_state_next(&state, now_s, &ask), SYNC_ASK);
	assert_string_equal(ask.stream->kind, kind);
	same_text(ask.page, page);
	same_text(ask.since, since);
	same_text(ask.etag, etag);
}

static inline void
take(struct sync_answer answer)
{
	struct err e = { .code = ERR_OK };

	if (sync_state_take(&state, &answer, now_s, &written, &e) != 0)
		fail_msg("%s", e.message);
	store();
}

static inline void
refuses(struct sync_answer answer, const char *says)
{
	struct err e = { .code = ERR_OK };

	assert_int_equal(sync_state_take(&state, &answer, now_s, &written, &e), -1);
	assert_string_equal(e.message, says);
}

/* With things that no page before had. */
static inline struct sync_answer
page(const char *next, const char *since, const char *etag)
{
	static char items[32];
	static int pages;
	int len = snprintf(items, sizeof items, "[{\"id\":%d}]", ++pages);

	return (struct sync_answer){
		.outcome = SYNC_PAGE,
		.items = { items, (size_t)len },
		.next = next,
		.since = since,
		.etag = etag,
	};
}

/* With the things ${items}. */
static inline struct sync_answer
page_of(const char *items, const char *next, const char *etag)
{
	struct sync_answer answer = page(next, NULL, etag);

	answer.items = (struct json_span){ items, strlen(items) };
	return answer;
}

static inline struct sync_answer
outcome(enum sync_outcome which)
{
	return (struct sync_answer){ .outcome = which };
}

static inline void
writes(const char *effect, int64_t number, bool is_whole)
{
	same_text(written.effect, effect);
	assert_int_equal(written.page, number);
	assert_int_equal(written.is_whole, is_whole);
}

static inline void
sweeps(const char *kind, const char *part)
{
	assert_int_equal(sync_state_next(&state, now_s, &ask), SYNC_SWEEP);
	sync_state_sweep(&state, now_s, &written);
	store();
	assert_string_equal(written.effect, "sweep");
	assert_string_equal(written.stream->kind, kind);
	same_text(written.part, part);
}

static inline void
is_over(void)
{
	assert_int_equal(sync_state_next(&state, now_s, &ask), SYNC_OVER);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
