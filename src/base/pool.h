/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed number of equal frames, allocated once. */
#ifndef ASSAY_SRC_BASE_POOL_H
#define ASSAY_SRC_BASE_POOL_H

#include "assay/base.h"

struct assay__pool;

/**
 * Opens a pool of count (at least 1) frames of frame_bytes (at least 1), each 64-byte aligned, contents zero at first.
 * *out is the caller's; close with assay__pool_close. Errors: ARGUMENT, NOMEM, IO (no lock to be had).
 */
int assay__pool_open(int count, size_t frame_bytes, const struct assay_allocator *allocator, struct assay__pool **out,
					 struct assay_error *error);

/** NULL is fine. All frames must be back, and no thread may be waiting. */
void assay__pool_close(struct assay__pool *pool);

/** A frame, or NULL if all are in use. The contents are what its last user left. Thread safe, never blocks for long. */
void *assay__pool_get(struct assay__pool *pool);

/** As assay__pool_get, but waits up to timeout_ms (negative: for ever) for a frame to come back. */
void *assay__pool_wait(struct assay__pool *pool, int timeout_ms);

/** Gives a frame back. NULL is fine; a frame of another pool or one already back is a bug (assert). Thread safe. */
void assay__pool_put(struct assay__pool *pool, void *frame);

/** Frames handed out now. Thread safe. */
int assay__pool_in_use(struct assay__pool *pool);

/** The most frames that were ever out at once. Thread safe. */
int assay__pool_peak(struct assay__pool *pool);

int assay__pool_count(const struct assay__pool *pool);
size_t assay__pool_frame_bytes(const struct assay__pool *pool);

#endif
