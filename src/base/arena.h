/* SPDX-License-Identifier: Apache-2.0 */
/* A bump arena: many small pieces of memory that end together. */
#ifndef ASSAY_SRC_BASE_ARENA_H
#define ASSAY_SRC_BASE_ARENA_H

#include "assay/base.h"

#define ASSAY__ARENA_MAX_ALIGN 4096

struct assay__arena;

/** A place to come back to. Only for the arena it came from. */
struct assay__arena_mark {
	void *block;
	size_t block_used_bytes;
	size_t used_bytes;
};

/**
 * Opens an arena that takes blocks of at least block_bytes (at least 1) from allocator (NULL: malloc), the first one
 * now. *out is the caller's; close with assay__arena_close. One thread at a time. Errors: NOMEM.
 */
int assay__arena_open(const struct assay_allocator *allocator, size_t block_bytes, struct assay__arena **out,
					  struct assay_error *error);

/** NULL is fine. Everything taken from the arena is gone. */
void assay__arena_close(struct assay__arena *arena);

/**
 * size_bytes (zero gives a valid pointer) at a multiple of align_bytes, a power of two up to ASSAY__ARENA_MAX_ALIGN.
 * NULL if memory is short or the size absurd; the arena is unchanged then.
 */
void *assay__arena_alloc(struct assay__arena *arena, size_t size_bytes, size_t align_bytes);

/** count * size_bytes, zeroed and aligned for max_align_t; NULL also if the product overflows. */
void *assay__arena_calloc(struct assay__arena *arena, size_t count, size_t size_bytes);

/** Empties the arena and keeps its blocks, so that the same requests again take no memory from the allocator. */
void assay__arena_reset(struct assay__arena *arena);

struct assay__arena_mark assay__arena_mark(const struct assay__arena *arena);

/** Gives back everything taken since `mark`; blocks are kept. Marks taken later than `mark` become invalid. */
void assay__arena_release(struct assay__arena *arena, struct assay__arena_mark mark);

/** Bytes handed out, padding for alignment included. */
size_t assay__arena_used_bytes(const struct assay__arena *arena);

/** Bytes taken from the allocator. */
size_t assay__arena_held_bytes(const struct assay__arena *arena);

#endif
