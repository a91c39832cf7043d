/* SPDX-License-Identifier: Apache-2.0 */
/* The monotonic clock, and waiting by it. */
#ifndef ASSAY_SRC_BASE_CLOCK_H
#define ASSAY_SRC_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** Microseconds since some moment in the past; never goes back. Thread safe. */
int64_t assay__clock_us(void);

/** Microseconds since 1970 UTC, as people set the clock; it may jump. */
int64_t assay__clock_wall_us(void);

/** The clock value timeout_ms from now; -1, which means for ever, if timeout_ms is negative. */
int64_t assay__clock_deadline_us(int timeout_ms);

/** Initialises a condition that waits by the monotonic clock. Returns 0 or an errno value. */
int assay__cond_init(pthread_cond_t *cond);

/** Waits until the condition is signalled (or for no reason); false once deadline_us, -1 for never, has passed. */
bool assay__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_us);

#endif
