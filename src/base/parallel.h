/* SPDX-License-Identifier: Apache-2.0 */
/* Threads to lend: the usual struct assay_runner. */
#ifndef ASSAY_SRC_BASE_PARALLEL_H
#define ASSAY_SRC_BASE_PARALLEL_H

#include "assay/base.h"

#define ASSAY__PARALLEL_MAX_WORKERS 256

struct assay__parallel;

/**
 * Starts workers - 1 threads (workers 1..ASSAY__PARALLEL_MAX_WORKERS); the thread that calls run is worker 0.
 * The threads block all signals. *out is the caller's. Errors: ARGUMENT, NOMEM, IO (the system gives no thread).
 */
int assay__parallel_open(int workers, const struct assay_allocator *allocator, struct assay__parallel **out,
						 struct assay_error *error);

/** Ends the threads. NULL is fine. No run may be under way. */
void assay__parallel_close(struct assay__parallel *parallel);

/**
 * The runner; valid until close. A run from within one of its own tasks is done in place, by that task's worker, in
 * order. Runs from other threads at the same time wait for each other.
 */
const struct assay_runner *assay__parallel_runner(const struct assay__parallel *parallel);

/** Processors this process may use now, at least 1. */
int assay__parallel_cpus(void);

#endif
