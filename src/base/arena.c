/*
 * arena - a list of chunks, each filled from its start.
 *
 * What does not fit into the present chunk gets a new one; what is large gets one of its own
 * behind it, so that the room left in the present one is not thrown away.
 */
#include "base/arena.h"

#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ARENA_CHUNK_BYTES = 32 * 1024,
	ARENA_LARGE_BYTES = ARENA_CHUNK_BYTES / 4,
	ARENA_FORMAT_GUESS = 256, /* longer texts are formatted twice */
};

struct arena_chunk {
	struct arena_chunk *next; /* older */
	size_t used, room;
	max_align_t bytes[];
};

struct arena {
	struct arena_chunk *first; /* the oldest; kept by a reset */
	struct arena_chunk *now;   /* the head of the list */
};

static struct arena_chunk *arena_chunk_create(size_t room, struct arena_chunk *next);
static void mem_exhausted(size_t bytes) __attribute__((noreturn));

struct arena *
arena_create(void)
{
	struct arena *a = mem_alloc(sizeof(*a));

	a->first = a->now = arena_chunk_create(ARENA_CHUNK_BYTES, NULL);
	return a;
}

void
arena_destroy(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->first);
	free(a);
}

void *
arena_alloc(struct arena *a, size_t bytes)
{
	const size_t align = _Alignof(max_align_t);
	struct arena_chunk *chunk = a->now;
	size_t need;
	void *p;

	if (bytes > SIZE_MAX / 2)
		mem_exhausted(bytes);
	need = bytes ? (bytes + align - 1) / align * align : align;
	if (need > chunk->room - chunk->used) {
		if (need > ARENA_LARGE_BYTES)
			chunk = chunk->next = arena_chunk_create(need, chunk->next);
		else
			chunk = a->now = arena_chunk_create(ARENA_CHUNK_BYTES, chunk);
	}
	p = (char *)chunk->bytes + chunk->used;
	chunk->used += need;
	return memset(p, 0, need);
}

char *
arena_copy(struct arena *a, const char *from, size_t len)
{
	char *to;

	if (len >= SIZE_MAX / 2)
		mem_exhausted(len);
	to = arena_alloc(a, len + 1);
	if (len > 0)
		memcpy(to, from, len);
	return to;
}

char *
arena_text(struct arena *a, const char *from)
{
	return arena_copy(a, from, strlen(from));
}

char *
arena_format(struct arena *a, const char *fmt, ...)
{
	char first[ARENA_FORMAT_GUESS], *to;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(first, sizeof(first), fmt, args);
	va_end(args);
	/* vsnprintf fails for texts beyond INT_MAX alone. */
	if (len < 0)
		mem_exhausted(SIZE_MAX);
	if ((size_t)len < sizeof(first))
		return arena_copy(a, first, (size_t)len);
	to = arena_alloc(a, (size_t)len + 1);
	va_start(args, fmt);
	vsnprintf(to, (size_t)len + 1, fmt, args);
	va_end(args);
	return to;
}

void
arena_reset(struct arena *a)
{
	struct arena_chunk *chunk, *next;

	/* Large chunks may hang behind the first one as well as between the others. */
	for (chunk = a->now; chunk; chunk = next) {
		next = chunk->next;
		if (chunk != a->first)
			free(chunk);
	}
	a->first->next = NULL;
	a->first->used = 0;
	a->now = a->first;
}

void *
mem_alloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		mem_exhausted(bytes);
	return p;
}

void *
mem_zero(size_t count, size_t bytes)
{
	void *p = calloc(count ? count : 1, bytes ? bytes : 1);

	if (!p)
		mem_exhausted(bytes);
	return p;
}

void *
mem_grow(void *p, size_t bytes)
{
	void *grown = realloc(p, bytes ? bytes : 1);

	if (!grown)
		mem_exhausted(bytes);
	return grown;
}

static struct arena_chunk *
arena_chunk_create(size_t room, struct arena_chunk *next)
{
	struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + room);

	chunk->next = next;
	chunk->used = 0;
	chunk->room = room;
	return chunk;
}

/* No core file and no exit handlers: they would want memory, or show what ours holds. */
static void
mem_exhausted(size_t bytes)
{
	log_message(LOG_ERROR, "out_of_memory", "%zu bytes were not to be had", bytes);
	_exit(EX_OSERR);
}
