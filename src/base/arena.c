/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

struct block {
	struct block *next;
	size_t size_bytes;
	size_t used_bytes;
	alignas(max_align_t) unsigned char data[];
};

/* Blocks before `current` are in use, those after it are kept empty for later. */
struct assay__arena {
	const struct assay_allocator *allocator;
	size_t block_bytes;
	size_t used_bytes, held_bytes;
	struct block *first, *current;
};

static struct block *new_block(struct assay__arena *arena, size_t size_bytes)
{
	size_t total;
	if (__builtin_add_overflow(size_bytes, sizeof(struct block), &total))
		return NULL;
	struct block *block = assay__alloc(arena->allocator, total);
	if (!block)
		return NULL;
	block->next = NULL;
	block->size_bytes = size_bytes;
	block->used_bytes = 0;
	arena->held_bytes += total;
	return block;
}

int assay__arena_open(const struct assay_allocator *allocator, size_t block_bytes, struct assay__arena **out,
					  struct assay_error *error)
{
	assert(block_bytes > 0);
	struct assay__arena *arena = assay__calloc(allocator, 1, sizeof(*arena));
	if (!arena)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	arena->allocator = allocator;
	arena->block_bytes = block_bytes;
	arena->first = arena->current = new_block(arena, block_bytes);
	if (!arena->first) {
		assay__free(allocator, arena);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a block of %zu bytes", block_bytes);
	}
	*out = arena;
	return ASSAY_OK;
}

void assay__arena_close(struct assay__arena *arena)
{
	if (!arena)
		return;
	struct block *block = arena->first;
	while (block) {
		struct block *next = block->next;
		assay__free(arena->allocator, block);
		block = next;
	}
	assay__free(arena->allocator, arena);
}

/* The padded size of the request at the block's end, or false if it does not fit. */
static bool fits(const struct block *block, size_t size_bytes, size_t align_bytes, size_t *taken_bytes)
{
	uintptr_t at = (uintptr_t)block->data + block->used_bytes;
	size_t padding = (size_t)(-at & (align_bytes - 1));
	size_t room = block->size_bytes - block->used_bytes;
	if (padding > room || size_bytes > room - padding)
		return false;
	*taken_bytes = padding + size_bytes;
	return true;
}

/* Makes a block with room the current one: the first kept block that fits, else a new one. */
static bool next_block(struct assay__arena *arena, size_t size_bytes, size_t align_bytes)
{
	size_t taken;
	struct block *before = arena->current;
	while (before->next && !fits(before->next, size_bytes, align_bytes, &taken))
		before = before->next;
	struct block *block = before->next;
	if (block) {
		before->next = block->next;
	} else {
		size_t wanted;
		if (__builtin_add_overflow(size_bytes, align_bytes - 1, &wanted))
			return false;
		block = new_block(arena, wanted > arena->block_bytes ? wanted : arena->block_bytes);
		if (!block)
			return false;
	}
	block->next = arena->current->next;
	arena->current->next = block;
	arena->current = block;
	return true;
}

void *assay__arena_alloc(struct assay__arena *arena, size_t size_bytes, size_t align_bytes)
{
	assert(align_bytes > 0 && (align_bytes & (align_bytes - 1)) == 0 && align_bytes <= ASSAY__ARENA_MAX_ALIGN);
	size_t taken = 0;
	if (!fits(arena->current, size_bytes, align_bytes, &taken)) {
		if (!next_block(arena, size_bytes, align_bytes))
			return NULL;
		bool fit = fits(arena->current, size_bytes, align_bytes, &taken);
		assert(fit);
		(void)fit;
	}
	struct block *block = arena->current;
	block->used_bytes += taken;
	arena->used_bytes += taken;
	return block->data + block->used_bytes - size_bytes;
}

void *assay__arena_calloc(struct assay__arena *arena, size_t count, size_t size_bytes)
{
	size_t total;
	if (__builtin_mul_overflow(count, size_bytes, &total))
		return NULL;
	void *memory = assay__arena_alloc(arena, total, alignof(max_align_t));
	if (memory)
		memset(memory, 0, total);
	return memory;
}

void assay__arena_reset(struct assay__arena *arena)
{
	for (struct block *block = arena->first; block; block = block->next)
		block->used_bytes = 0;
	arena->current = arena->first;
	arena->used_bytes = 0;
}

struct assay__arena_mark assay__arena_mark(const struct assay__arena *arena)
{
	return (struct assay__arena_mark){
		.block = arena->current,
		.block_used_bytes = arena->current->used_bytes,
		.used_bytes = arena->used_bytes,
	};
}

void assay__arena_release(struct assay__arena *arena, struct assay__arena_mark mark)
{
	struct block *block = mark.block;
	assert(mark.used_bytes <= arena->used_bytes && mark.block_used_bytes <= block->used_bytes);
	for (struct block *later = block->next; later; later = later->next)
		later->used_bytes = 0;
	block->used_bytes = mark.block_used_bytes;
	arena->current = block;
	arena->used_bytes = mark.used_bytes;
}

size_t assay__arena_used_bytes(const struct assay__arena *arena)
{
	return arena->used_bytes;
}

size_t assay__arena_held_bytes(const struct assay__arena *arena)
{
	return arena->held_bytes;
}
