/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a bank does not cover yet. A bank chosen by greedy k-center (vision/bank.h) leaves no taught vector farther from
 * it than its own vectors are from each other: that distance is its reach. A vector beyond it is new.
 */
#ifndef ASSAY_SRC_VISION_NOVEL_H
#define ASSAY_SRC_VISION_NOVEL_H

#include "assay/base.h"

/** The smallest squared distance between two of count vectors of dim s8; 0 if there is only one. */
int32_t assay__novel_reach(const int8_t *vectors, int count, int dim);

/**
 * Goes on with the greedy choice: of n points of dim s8 whose squared distance to the bank is d2, always the one that
 * is farthest from bank and chosen ones (lowest index on ties), while it is beyond reach_d2 and fewer than `most` are
 * chosen. Points with skip[i] (nullable) are left out. Fills chosen[most] and *count. Errors: NOMEM.
 */
int assay__novel_choose(const int8_t *points, const int32_t *d2, const uint8_t *skip, int64_t n, int dim,
						int32_t reach_d2, int most, const struct assay_allocator *allocator, int64_t *chosen,
						int *count);

#endif
