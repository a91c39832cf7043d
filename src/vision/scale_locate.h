/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a defect is. The score asks how odd the worst place is at any scale; the map of a coarse scale reaches far
 * beyond the defect, so the map that shows the place is a mean in which finer scales weigh more.
 */
#ifndef ASSAY_SRC_VISION_SCALE_LOCATE_H
#define ASSAY_SRC_VISION_SCALE_LOCATE_H

#include "vision/judge.h"
#include "vision/scale.h"

/** The score map of one scale, in the common unit; everything borrowed. */
struct assay__layer {
	const uint32_t *map;
	const struct assay__judge *judge; /**< which of its cells are inspected */
	int width, height, working_px;
};

/**
 * into[finest height * width]: the mean of the layers (1..ASSAY__SCALES_MOST, coarsest first), each bilinear between
 * the centres of its inspected cells and weighted by its working size, rounded down twice; 0 where the finest does not
 * inspect. With one layer, its map. Never above the largest of the layers' scores.
 */
void assay__scales_locate(const struct assay__layer *layers, int count, uint32_t *into);

#endif
