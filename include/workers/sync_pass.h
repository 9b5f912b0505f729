/*
 * sync_pass - the way of an integration through a vendor's streams and their parts: for
 * sync_state.c alone.
 */
#ifndef CRONWARD_WORKERS_SYNC_PASS_H
#define CRONWARD_WORKERS_SYNC_PASS_H

#include "workers/sync_state.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	SYNC_DAY_S = 24 * 3600,
};

/* Begins with ${stream}; false where there is nothing to ask for. */
bool sync_pass_enter(struct sync_state *s, const struct sync_stream *stream, int64_t now_s);
/* Begins at the first page of the stream, or of the part under way. */
void sync_pass_begin(struct sync_state *s, const struct sync_stream *stream, bool is_whole);
/* Begins the part behind the one under way, by name; false: that was the last one. */
bool sync_pass_next_part(struct sync_state *s, const struct sync_stream *stream);
/* A part that is not named any more, and whose things are to go; NULL: none. */
const char *sync_pass_dropped(struct sync_state *s, const struct sync_stream *stream);
/* It has been swept: on to the next one, or to the first part. */
void sync_pass_drop(struct sync_state *s, const struct sync_stream *stream, int64_t now_s);
/* What of the page under way is stored already; NULL: nothing that is known. */
const json_t *sync_pass_page(const struct sync_state *s, const struct sync_stream *stream);
/* The request that is next. */
void sync_pass_ask(
    const struct sync_state *s, const struct sync_stream *stream, struct sync_ask *ret_ask);
/* Where the since of what is under way is kept. */
json_t *sync_pass_known(struct sync_state *s, const struct sync_stream *stream);
/* The last page was taken: on to what follows it, a sweep if need be. */
void sync_pass_end_list(struct sync_state *s, const struct sync_stream *stream, int64_t now_s);
/* All of the stream, or of the part, was read: it is known now, and on to the next one. */
void sync_pass_end(struct sync_state *s, const struct sync_stream *stream, int64_t now_s);
/* All of the stream was read, with its parts. */
void sync_pass_end_stream(struct sync_state *s, const struct sync_stream *stream, int64_t now_s);
/* On to the next stream, or to the end of the pass; nothing is noted of this one. */
void sync_pass_leave(struct sync_state *s, const struct sync_stream *stream);

#endif
