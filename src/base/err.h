/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a struct assay_error and taking memory, in one line each. */
#ifndef ASSAY_SRC_BASE_ERR_H
#define ASSAY_SRC_BASE_ERR_H

#include "assay/base.h"

/** Fills *error (nullable) and returns code, so that a function can end with `return assay__fail(...)`. */
int assay__fail(struct assay_error *error, enum assay_err code, int64_t position, const char *format, ...)
	ASSAY_PRINTF(4, 5);

/** Puts "prefix: " before the message of *error (nullable), cutting the end if it grows too long. Returns error's code, or 0. */
int assay__fail_prefix(struct assay_error *error, const char *format, ...) ASSAY_PRINTF(2, 3);

/** size bytes from allocator (NULL: malloc), or NULL. Zero bytes give a valid pointer. */
void *assay__alloc(const struct assay_allocator *allocator, size_t size_bytes);
/** As above, zeroed; NULL also if count * size overflows. */
void *assay__calloc(const struct assay_allocator *allocator, size_t count, size_t size_bytes);
void assay__free(const struct assay_allocator *allocator, void *memory);
/** 64-byte aligned memory for kernels; give back with assay__free_aligned. */
void *assay__alloc_aligned(const struct assay_allocator *allocator, size_t size_bytes);
void assay__free_aligned(const struct assay_allocator *allocator, void *memory);

#endif
