/*
 * arena - memory that dies together: of one call, of one run.
 *
 * Allocation never fails: out of memory ends the process (the pool starts
 * another, and every lease of the dead one comes due again).
 */
#ifndef CRONWARD_BASE_ARENA_H
#define CRONWARD_BASE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *a); /* NULL is fine */

/* Zeroed, aligned for any type; lives until the next arena_reset(). */
void *arena_alloc(struct arena *a, size_t bytes);
/* A copy of ${len} bytes with a NUL behind them. */
char *arena_copy(struct arena *a, const char *from, size_t len);
char *arena_text(struct arena *a, const char *from);
char *arena_format(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Frees everything at once; the first chunk is kept for the next use. */
void arena_reset(struct arena *a);

/* malloc, calloc and realloc that end the process when there is no memory. */
void *mem_alloc(size_t bytes);
void *mem_zero(size_t count, size_t bytes);
void *mem_grow(void *p, size_t bytes);

#endif
