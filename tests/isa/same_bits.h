/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of same_bits. */
#ifndef ASSAY_TESTS_ISA_SAME_BITS_H
#define ASSAY_TESTS_ISA_SAME_BITS_H

#include <stdlib.h>

#include "assay/recipe.h"
#include "blake2b.h"

/** Prints "same_bits: ..." and exits with 1. */
_Noreturn void give_up(const char *format, ...) ASSAY_PRINTF(1, 2);

/** splitmix64 */
static inline uint64_t dice(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/** Evenly from low to high, both included. */
static inline int dice_range(uint64_t *seed, int low, int high)
{
	return low + (int)(dice(seed) % (uint64_t)(high - low + 1));
}

/** What hashes are made of, in an order of bytes that is the same everywhere. */
void put_u64(struct blake2b *hash, uint64_t value);
void put_i32s(struct blake2b *hash, const int32_t *values, size_t count);

/** Runs the network's kernels over every width, and shapes and extremes, against the scalar ones. */
void sweep_network(enum assay_isa isa, struct blake2b *hash);
/** Likewise the bank's: search, and choice. */
void sweep_bank(enum assay_isa isa, struct blake2b *hash);
/** Trains heads from made-up labels and judges with them, each against the scalar path. */
void sweep_labels(enum assay_isa isa, struct blake2b *hash);
/** What has no kernels of its own, but compilers of which each makes other vectors. */
void sweep_pictures(struct blake2b *hash);
/** Registration, and the search by place. */
void sweep_position(enum assay_isa isa, struct blake2b *hash);

#endif
