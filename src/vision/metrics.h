/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of merit for evaluation. A part or pixel is rejected when its score is above a threshold, so a higher score
 * means worse. A figure of an empty class is NaN. Doubles with plain operations only: the same bits everywhere.
 */
#ifndef ASSAY_SRC_VISION_METRICS_H
#define ASSAY_SRC_VISION_METRICS_H

#include "assay/base.h"

/**
 * Area under the ROC curve: the share of (good, bad) pairs in which bad scores higher, ties counting one half
 * (Mann & Whitney 1947). Sorts both arrays in place. NaN if either is empty.
 */
double assay__auroc(uint32_t *good, size_t good_count, uint32_t *bad, size_t bad_count);

/** Share of good parts rejected by the highest threshold that rejects every bad one: good >= the lowest bad. NaN if
 * either is empty. */
double assay__overkill_at_zero_escape(const uint32_t *good, size_t good_count, const uint32_t *bad, size_t bad_count);

/** Share of bad parts passed by the lowest threshold that passes every good one: bad <= the highest good. NaN if either
 * is empty. */
double assay__escape_at_zero_overkill(const uint32_t *good, size_t good_count, const uint32_t *bad, size_t bad_count);

/** Share of scores above the threshold. NaN if there are none. */
double assay__share_above(const uint32_t *scores, size_t count, uint32_t threshold);

/**
 * Two-sided exact interval for a proportion of which `hits` of `trials` were seen, each tail alpha / 2
 * (Clopper & Pearson, Biometrika 26, 1934, 404-413). 0 <= hits <= trials, 1 <= trials, 0 < alpha < 1.
 */
void assay__clopper_pearson(int64_t hits, int64_t trials, double alpha, double *low, double *high);

/**
 * The central range of Binomial(trials, p) counts: the lowest counts whose distribution function reaches alpha / 2
 * and 1 - alpha / 2. 0 <= trials, 0 <= p <= 1.
 */
void assay__binomial_range(int64_t trials, double p, double alpha, int64_t *low, int64_t *high);

/** P(X <= k) of Binomial(trials, p), to about 1e-13. */
double assay__binomial_cdf(int64_t k, int64_t trials, double p);

/**
 * Pixel figures over many images in memory that does not grow with them, except by the runs of one mask. Scores are
 * exact to 2^15 and then kept to 14 bits after the leading one. The order of the images does not matter.
 */
struct assay__pixel_metrics;

/** Errors: NOMEM. */
int assay__pixel_metrics_open(const struct assay_allocator *allocator, struct assay__pixel_metrics **out,
							  struct assay_error *error);
void assay__pixel_metrics_close(struct assay__pixel_metrics *metrics);

/**
 * Adds one image: width x height scores, and the mask of its defects (non-zero is defect; NULL: a good image), both
 * in tight rows. Errors: ARGUMENT, NOMEM; then nothing was added.
 */
int assay__pixel_metrics_add(struct assay__pixel_metrics *metrics, const uint32_t *scores, const uint8_t *mask,
							 int width, int height, struct assay_error *error);

/** AUROC over all pixels. NaN if there is no defect pixel or no other. */
double assay__pixel_auroc(const struct assay__pixel_metrics *metrics);

/**
 * Area under the per-region-overlap curve: the mean over all 8-connected defect regions of the share of the region
 * found, integrated over the share of false positives among the other pixels from 0 to max_fpr, divided by max_fpr
 * (Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 129, 2021, with max_fpr 0.3). NaN as above.
 */
double assay__aupro(const struct assay__pixel_metrics *metrics, double max_fpr);

/** Defect regions seen so far. */
int64_t assay__pixel_metrics_regions(const struct assay__pixel_metrics *metrics);

#endif
