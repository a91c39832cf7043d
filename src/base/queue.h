/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded first-in, first-out queue of pointers for any number of threads at both ends. */
#ifndef ASSAY_SRC_BASE_QUEUE_H
#define ASSAY_SRC_BASE_QUEUE_H

#include "assay/base.h"

struct assay__queue;

/** Opens a queue for capacity (at least 1) items. *out is the caller's. Errors: ARGUMENT, NOMEM, IO (no lock). */
int assay__queue_open(int capacity, const struct assay_allocator *allocator, struct assay__queue **out,
					  struct assay_error *error);

/** NULL is fine. Items still inside are forgotten, not freed. No thread may be using the queue. */
void assay__queue_free(struct assay__queue *queue);

/** Appends item (never NULL) without waiting. Returns 0, ASSAY_E_FULL or ASSAY_E_CLOSED; then the item stays yours. */
int assay__queue_push(struct assay__queue *queue, void *item);

/**
 * Takes the oldest item, waiting up to timeout_ms (0: not at all, negative: for ever) for one.
 * Returns 0 with the item, 0 with NULL if none came in time, or ASSAY_E_CLOSED if the queue is closed and empty.
 */
int assay__queue_pop(struct assay__queue *queue, int timeout_ms, void **item);

/** No more pushes; wakes every waiting thread. What is inside can still be popped. Closing again does nothing. */
void assay__queue_close(struct assay__queue *queue);

/** Items inside now. Thread safe. */
int assay__queue_length(struct assay__queue *queue);
int assay__queue_capacity(const struct assay__queue *queue);

#endif
