/*
 * arena_fixture - an arena for each test that asks for one.
 */
#ifndef CRONWARD_TESTS_ARENA_FIXTURE_H
#define CRONWARD_TESTS_ARENA_FIXTURE_H

#include "base/arena.h"

static struct arena *arena;

static inline int
make_arena(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static inline int
free_arena(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

#endif
