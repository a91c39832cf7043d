/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training of the head from pictures labelled good or defective as wholes (multiple-instance learning by the mean of
 * the three highest cells; Li & Vasconcelos, Multiple Instance Learning for Soft Bags via Top Instances, CVPR 2015).
 * Float operations in one stated order and a fixed seed: the same examples in the same order give the same bits.
 */
#ifndef ASSAY_SRC_VISION_HEAD_TRAIN_H
#define ASSAY_SRC_VISION_HEAD_TRAIN_H

#include "vision/head.h"
#include "vision/scale.h"

/** One labelled picture; everything borrowed. */
struct assay__example {
	const int8_t *vectors[ASSAY__SCALES_MOST]; /**< of each scale: cells rows of dim s8 */
	int cells[ASSAY__SCALES_MOST];			   /**< >= 1 */
	bool defect;
	const uint8_t
		*marks[ASSAY__SCALES_MOST]; /**< of a defect, nullable: cells bytes, non-zero where it is, at least one */
	const uint8_t *hash;			/**< of the picture, ASSAY_HASH_BYTES */
	const char *group;				/**< the part it shows; NULL: a part of its own */
	uint32_t bank_q8;				/**< what the bank says of it; of a good part, the bank of the folds it is not in */
};

/**
 * Trains *out, the caller's, on one scale of examples[pick[0..count)]; pick NULL: on the first count. Classes count
 * equally much.
 * Without an example of either class, or with fewer than 2, it is ARGUMENT.
 * `stop` is asked between steps, nullable; non-zero ends with CANCELLED. Errors: ARGUMENT, NOMEM, CANCELLED.
 */
int assay__head_train(const struct assay__example *examples, const int *pick, int count, int scale, int dim,
					  enum assay_isa isa, int (*stop)(void *ctx), void *ctx, const struct assay_allocator *allocator,
					  struct assay__head **out, struct assay_error *error);

/** 1 / (1 + e^-x) from plain operations only, to about 1e-12; monotone enough for gradients. */
double assay__logistic(double x);

#endif
