/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What good parts alone say about the threshold.
 *
 * Conformal prediction (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005): if the scores of n good
 * parts and of the next good part are exchangeable, the rank of the next one among all n + 1 is uniform (ties only
 * help). It is above the k-th largest of the n only if it is one of the k largest of the n + 1: with probability at
 * most k / (n + 1). For a wanted overkill e we take k = floor(e (n + 1)); below 1 the sample cannot support e, and
 * k = 1, the largest score, still promises 1 / (n + 1).
 *
 * A part must not be scored against itself. Each part's score is taken with the bank of the folds it is not in
 * (cross-conformal predictors: Vovk, Annals of Mathematics and Artificial Intelligence 74, 2015). Those banks saw fewer
 * parts than the final one, so that good parts score slightly higher in calibration than later: the threshold errs
 * towards passing, not towards overkill. Exchangeability of the pooled scores holds only nearly; Vovk's strict bound is
 * twice the level, experiments there and here stay below the level itself.
 */
#ifndef ASSAY_SRC_VISION_CALIBRATE_H
#define ASSAY_SRC_VISION_CALIBRATE_H

#include "assay/recipe.h"

/** Which fold the part with this rank among the parts sorted by picture hash is in. */
int assay__fold_of(int rank, int folds);

/** k of the derivation above, at least 1, at most n. */
int assay__conformal_rank(int n, double overkill);

/** The k-th largest of n >= 1 ascending scores. A part fails if its score is above. */
uint32_t assay__conformal_threshold(const uint32_t *ascending, int n, double overkill);

/** (1 + how many of the n scores are >= score) / (1 + n). */
double assay__conformal_p(const uint32_t *ascending, int n, uint32_t score);

/** How many parts support this overkill: ceil(1 / overkill) - 1. */
int assay__parts_for(double overkill);

/** Fills what of *report follows from the calibration: parts_used, overkill_*, parts_for_wanted, score_*. */
void assay__calibration_report(const uint32_t *ascending, int n, double overkill, uint32_t threshold,
							   struct assay_teach_report *report);

#endif
