/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feature bank: what good looks like, as s8 vectors, and the exact squared distance to the nearest of them.
 * All results are integers and the same on every instruction set and for every number of threads.
 */
#ifndef ASSAY_SRC_VISION_BANK_H
#define ASSAY_SRC_VISION_BANK_H

#include "assay/base.h"
#include "assay/recipe.h"

#define ASSAY__BANK_MAX_DIM 1024

struct assay__bank;

/**
 * Packs count vectors of dim s8 (tight rows, copied) for searching, 1 <= dim <= ASSAY__BANK_MAX_DIM. *out is the
 * caller's. `isa` must be one that this CPU has. Errors: ARGUMENT, NOMEM.
 */
int assay__bank_open(const int8_t *vectors, int count, int dim, enum assay_isa isa,
					 const struct assay_allocator *allocator, struct assay__bank **out, struct assay_error *error);
/** NULL is fine. */
void assay__bank_close(struct assay__bank *bank);

/**
 * For each of n queries (dim s8, tight rows): the smallest squared Euclidean distance to the bank, in d2[i], and in
 * index[i] (nullable) the lowest index that reaches it. Allocates nothing; any number of threads may search at once.
 */
void assay__bank_nearest(const struct assay__bank *bank, const int8_t *queries, int n, int32_t *d2, int32_t *index);

/**
 * Greedy k-center (Gonzalez 1985) over n points of dim s8, leaving out those with skip[i] != 0 (skip nullable):
 * starts at the point nearest the mean (of those not left out, rounded to s8, halves away from zero; lowest index on
 * ties), then always takes the point farthest from those taken (lowest index on ties), until `want` are taken or all
 * points coincide with a taken one. chosen[want] gets the indices in the order taken, *count how many.
 * Exactly the greedy choice, but lazy: a point's distance is brought up to date only when it could be the farthest.
 * Takes 8 bytes a point beside the points, and about 1 MiB. `runner` nullable; the result does not depend on it.
 * `progress` nullable, its stage is "choose". Errors: NOMEM, ARGUMENT (also if all are left out), CANCELLED.
 */
int assay__bank_choose(const int8_t *points, const uint8_t *skip, int64_t n, int dim, int want, enum assay_isa isa,
					   const struct assay_runner *runner, const struct assay_progress *progress,
					   const struct assay_allocator *allocator, int64_t *chosen, int *count, struct assay_error *error);

#endif
