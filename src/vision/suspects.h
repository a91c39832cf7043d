/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad parts among the good ones, found from scores alone.
 *
 * A bad part alone stands out by its cross-conformal score. Several of one kind support each other, because the bank
 * that judges one holds the others; so the parts that score highest are taken out of all banks, and all are scored
 * again. What is then bad lies beyond a gap that the tail of the good ones does not explain. If log scores of good
 * parts have an exponential tail of mean excess b, the gap below the j-th largest is exponential with mean b / j
 * (Renyi, On the theory of order statistics, 1953). Real tails are less regular than that, so a gap counts as
 * sqrt(j) * gap / b, not as j * gap / b. A continuous tail, however long, accuses nobody.
 */
#ifndef ASSAY_SRC_VISION_SUSPECTS_H
#define ASSAY_SRC_VISION_SUSPECTS_H

#include <stdbool.h>

#include "assay/base.h"

/** With fewer parts than this nobody is accused: a tail cannot be known from so few. */
#define ASSAY__SUSPECTS_LEAST_PARTS 20

/**
 * Marks the fifth of n parts that scores highest (ties with its lowest left out); below ASSAY__SUSPECTS_LEAST_PARTS
 * none. Returns how many. Errors: NOMEM.
 */
int assay__suspects_question(const uint32_t *scores_q8, int n, const struct assay_allocator *allocator, bool *marked);

/**
 * Marks those of n parts that lie beyond the deepest gap that tells enough, at most an eighth of them. Depends on the
 * scores, not on their order. Returns how many. Errors: NOMEM.
 */
int assay__suspects_accuse(const uint32_t *scores_q8, int n, const struct assay_allocator *allocator, bool *marked);

/** log2(value) in 1/65536, rounded down, the same everywhere; 0 for 0. */
int32_t assay__log2_q16(uint32_t value);

#endif
