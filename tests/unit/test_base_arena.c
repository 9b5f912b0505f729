/*
 * Memory that is aligned, zeroed, its own, and given back at once.
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

/* The sanitizer would end the process before mem_alloc() can. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void
pieces_are_zeroed_aligned_and_apart(void **state)
{
	enum { PIECES = 3000 };
	static const size_t sizes[] = { 0, 1, 7, 16, 100, 1000, 8192, 8193, 40000 };
	const size_t sizes_count = sizeof(sizes) / sizeof(sizes[0]);
	struct arena *a = arena_create();
	unsigned char *pieces[PIECES];
	size_t round, i, j;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < PIECES; i++) {
			size_t size = sizes[(i + round) % sizes_count];

			pieces[i] = arena_alloc(a, size);
			assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
			for (j = 0; j < size; j++)
				if (pieces[i][j] != 0)
					fail_msg("byte %zu of piece %zu is dirty", j, i);
			memset(pieces[i], (int)(i % 251 + 1), size);
		}
		for (i = 0; i < PIECES; i++)
			for (j = 0; j < sizes[(i + round) % sizes_count]; j++)
				if (pieces[i][j] != i % 251 + 1)
					fail_msg("piece %zu was overwritten", i);
		arena_reset(a);
	}
	arena_destroy(a);
	arena_destroy(NULL);
}

static void
a_reset_keeps_the_first_chunk(void **state)
{
	struct arena *a = arena_create();
	char *first = arena_alloc(a, 64);

	(void)state;
	arena_alloc(a, 1000000);
	arena_reset(a);
	assert_ptr_equal(arena_alloc(a, 64), first);
	arena_destroy(a);
}

static void
large_pieces_leave_the_room_of_the_chunk(void **state)
{
	struct arena *a = arena_create();
	char *first = arena_alloc(a, 16), *next;

	(void)state;
	arena_alloc(a, 1000000);
	next = arena_alloc(a, 16);
	assert_int_equal(next - first, 16);
	arena_destroy(a);
}

static void
texts_are_copied_whole(void **state)
{
	struct arena *a = arena_create();
	char *copy;

	(void)state;
	copy = arena_copy(a, "a\0b", 3);
	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(arena_copy(a, NULL, 0), "");
	assert_string_equal(arena_copy(a, "abc", 2), "ab");
	assert_string_equal(arena_text(a, "héllo"), "héllo");
	assert_string_equal(arena_format(a, "%d-%s", 17, "x"), "17-x");
	copy = arena_format(a, "%070000d", 1);
	assert_int_equal(strlen(copy), 70000);
	arena_destroy(a);
}

static void
memory_grows_and_keeps_its_bytes(void **state)
{
	char *p = mem_alloc(0), *zero = mem_zero(10, 10);
	size_t i;

	(void)state;
	assert_non_null(p);
	for (i = 0; i < 100; i++)
		assert_int_equal(zero[i], 0);
	p = mem_grow(p, 4);
	memcpy(p, "abc", 4);
	p = mem_grow(p, 100000);
	assert_string_equal(p, "abc");
	free(p);
	free(zero);
}

/* How a child ends that asks for too much in the way ${how}. */
static int
exhaust(int how)
{
	volatile size_t far_too_much = SIZE_MAX / 2 + 1;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct arena *a = arena_create();

		close(STDERR_FILENO);
		if (how == 0)
			mem_alloc(far_too_much);
		else if (how == 1)
			mem_zero(far_too_much, 4);
		else if (how == 2)
			mem_grow(NULL, far_too_much);
		else if (how == 3)
			arena_alloc(a, far_too_much);
		else if (how == 4)
			arena_alloc(a, SIZE_MAX);
		else
			arena_copy(a, "", SIZE_MAX);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
the_process_ends_without_memory(void **state)
{
	int how;

	(void)state;
	for (how = 0; how < 6; how++)
		assert_int_equal(exhaust(how), EX_OSERR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(a_reset_keeps_the_first_chunk),
		cmocka_unit_test(large_pieces_leave_the_room_of_the_chunk),
		cmocka_unit_test(texts_are_copied_whole),
		cmocka_unit_test(memory_grows_and_keeps_its_bytes),
		cmocka_unit_test(the_process_ends_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
