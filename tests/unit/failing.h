/* SPDX-License-Identifier: Apache-2.0 */
/* An allocator for tests: counts what is alive, refuses the k-th request and any above 1 GiB. */
#ifndef ASSAY_TESTS_UNIT_FAILING_H
#define ASSAY_TESTS_UNIT_FAILING_H

#include <stdatomic.h>
#include <stdlib.h>

#include "assay/base.h"

struct failing {
	struct assay_allocator allocator;
	atomic_int requests, alive;
	int fail_at; /**< number of the request to refuse, from 1; 0: none */
};

static inline void *failing_alloc(void *ctx, size_t size_bytes)
{
	struct failing *failing = ctx;
	int request = atomic_fetch_add(&failing->requests, 1) + 1;
	void *memory = request == failing->fail_at || size_bytes > ((size_t)1 << 30) ? NULL : malloc(size_bytes);
	if (memory)
		atomic_fetch_add(&failing->alive, 1);
	return memory;
}

static inline void failing_free(void *ctx, void *memory)
{
	struct failing *failing = ctx;
	if (memory)
		atomic_fetch_sub(&failing->alive, 1);
	free(memory);
}

static inline void failing_open(struct failing *failing, int fail_at)
{
	failing->allocator = (struct assay_allocator){.alloc = failing_alloc, .free = failing_free, .ctx = failing};
	atomic_init(&failing->requests, 0);
	atomic_init(&failing->alive, 0);
	failing->fail_at = fail_at;
}

#endif
