/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "failing.h"

static void pieces_are_apart_and_aligned(void **state)
{
	(void)state;
	struct assay__arena *arena;
	unsigned char *pieces[200];
	assert_int_equal(assay__arena_open(NULL, 256, &arena, NULL), 0);
	for (size_t i = 0; i < 200; i++) {
		size_t align = (size_t)1 << i % 13;
		pieces[i] = assay__arena_alloc(arena, i, align);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % align, 0);
		memset(pieces[i], (int)i, i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_equal(pieces[i][j], i);
	assert_true(assay__arena_used_bytes(arena) >= 199 * 200 / 2);
	assert_true(assay__arena_held_bytes(arena) >= assay__arena_used_bytes(arena));
	assay__arena_close(arena);
	assay__arena_close(NULL);
}

static void used_counts_exactly(void **state)
{
	(void)state;
	struct assay__arena *arena;
	assert_int_equal(assay__arena_open(NULL, 1024, &arena, NULL), 0);
	assert_int_equal(assay__arena_used_bytes(arena), 0);
	assay__arena_alloc(arena, 5, 1);
	assert_int_equal(assay__arena_used_bytes(arena), 5);
	assay__arena_alloc(arena, 8, 8);
	assert_int_equal(assay__arena_used_bytes(arena), 16);
	assay__arena_alloc(arena, 0, 1);
	assert_int_equal(assay__arena_used_bytes(arena), 16);
	assay__arena_close(arena);
}

static int build(struct assay__arena *arena, int seed)
{
	for (int i = 0; i < 60; i++) {
		size_t size = (size_t)((i * 37 + seed) % 90) * (i % 11 == 0 ? 20 : 1);
		unsigned char *piece = assay__arena_alloc(arena, size, 16);
		if (!piece)
			return -1;
		memset(piece, i, size);
	}
	return 0;
}

/* In steady state the allocator is left alone, whatever order large and small requests come in. */
static void reset_keeps_the_blocks(void **state)
{
	(void)state;
	struct failing failing;
	struct assay__arena *arena;
	failing_open(&failing, 0);
	assert_int_equal(assay__arena_open(&failing.allocator, 300, &arena, NULL), 0);
	for (int round = 0; round < 50; round++) {
		assert_int_equal(build(arena, round % 5), 0);
		assay__arena_reset(arena);
		assert_int_equal(assay__arena_used_bytes(arena), 0);
	}
	int requests = failing.requests;
	size_t held = assay__arena_held_bytes(arena);
	for (int round = 0; round < 50; round++) {
		assert_int_equal(build(arena, round % 5), 0);
		assay__arena_reset(arena);
	}
	assert_int_equal(failing.requests, requests);
	assert_int_equal(assay__arena_held_bytes(arena), held);
	assay__arena_close(arena);
	assert_int_equal(failing.alive, 0);
}

static void release_goes_back_to_the_mark(void **state)
{
	(void)state;
	struct failing failing;
	struct assay__arena *arena;
	failing_open(&failing, 0);
	assert_int_equal(assay__arena_open(&failing.allocator, 100, &arena, NULL), 0);
	char *kept = assay__arena_alloc(arena, 40, 1);
	memset(kept, 'k', 40);
	struct assay__arena_mark outer = assay__arena_mark(arena);
	char *first = assay__arena_alloc(arena, 10, 1);
	struct assay__arena_mark inner = assay__arena_mark(arena);
	for (int i = 0; i < 30; i++)
		memset(assay__arena_alloc(arena, 70, 1), 'x', 70);
	assay__arena_release(arena, inner);
	assert_int_equal(assay__arena_used_bytes(arena), 50);
	assay__arena_release(arena, outer);
	assert_int_equal(assay__arena_used_bytes(arena), 40);
	assert_ptr_equal(assay__arena_alloc(arena, 10, 1), first);
	int requests = failing.requests;
	for (int i = 0; i < 30; i++)
		assert_non_null(assay__arena_alloc(arena, 70, 1));
	assert_int_equal(failing.requests, requests);
	for (int i = 0; i < 40; i++)
		assert_int_equal(kept[i], 'k');
	assay__arena_close(arena);
	assert_int_equal(failing.alive, 0);
}

static void calloc_zeroes_used_memory(void **state)
{
	(void)state;
	struct assay__arena *arena;
	assert_int_equal(assay__arena_open(NULL, 500, &arena, NULL), 0);
	memset(assay__arena_alloc(arena, 400, 1), 0xFF, 400);
	assay__arena_reset(arena);
	unsigned char *zero = assay__arena_calloc(arena, 20, 20);
	assert_non_null(zero);
	for (int i = 0; i < 400; i++)
		assert_int_equal(zero[i], 0);
	assay__arena_close(arena);
}

static void absurd_sizes_change_nothing(void **state)
{
	(void)state;
	struct failing failing;
	struct assay__arena *arena;
	failing_open(&failing, 0);
	assert_int_equal(assay__arena_open(&failing.allocator, 64, &arena, NULL), 0);
	assay__arena_alloc(arena, 3, 1);
	size_t held = assay__arena_held_bytes(arena);
	for (size_t back = 0; back < 200; back++) {
		assert_null(assay__arena_alloc(arena, SIZE_MAX - back, 4096));
		assert_null(assay__arena_alloc(arena, PTRDIFF_MAX - back, 1));
	}
	assert_null(assay__arena_calloc(arena, SIZE_MAX / 2, 3));
	assert_int_equal(assay__arena_used_bytes(arena), 3);
	assert_int_equal(assay__arena_held_bytes(arena), held);
	assay__arena_close(arena);
}

static void failing_allocations_leak_nothing(void **state)
{
	(void)state;
	bool done = false;
	for (int k = 1; !done; k++) {
		struct failing failing;
		struct assay_error error = {0};
		struct assay__arena *arena = NULL;
		failing_open(&failing, k);
		int err = assay__arena_open(&failing.allocator, 200, &arena, &error);
		if (err) {
			assert_int_equal(err, ASSAY_E_NOMEM);
			assert_int_equal(error.code, ASSAY_E_NOMEM);
			assert_null(arena);
			assert_int_equal(failing.alive, 0);
			continue;
		}
		done = build(arena, 1) == 0;
		assert_int_equal(done, failing.requests < k);
		/* After a refusal the arena goes on. */
		if (!done)
			assert_int_equal(build(arena, 1), 0);
		assay__arena_close(arena);
		assert_int_equal(failing.alive, 0);
		assert_true(k < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_apart_and_aligned),		cmocka_unit_test(used_counts_exactly),
		cmocka_unit_test(reset_keeps_the_blocks),			cmocka_unit_test(release_goes_back_to_the_mark),
		cmocka_unit_test(calloc_zeroes_used_memory),		cmocka_unit_test(absurd_sizes_change_nothing),
		cmocka_unit_test(failing_allocations_leak_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
