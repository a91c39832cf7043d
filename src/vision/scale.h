/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several working sizes, judged as one. Distances of different sizes cannot be compared; how far they lie from those of
 * good parts can. So every score is told in one unit: 10 is the mean of the good parts at that size, and each standard
 * deviation above it adds 1. The picture's score is the largest over its scales.
 */
#ifndef ASSAY_SRC_VISION_SCALE_H
#define ASSAY_SRC_VISION_SCALE_H

#include "vision/place.h"

#define ASSAY__SCALES_MOST ASSAY_MAX_SCALES

#define ASSAY__WORKING_COARSE_PX 160 /* without a wish: these two */
#define ASSAY__WORKING_USUAL_PX 320
#define ASSAY__WORKING_LEAST_PX 64
#define ASSAY__WORKING_MOST_PX 2048
#define ASSAY__DEFECT_COVERS_PX 8 /* of the working picture, by the smallest defect that must be seen */
#define ASSAY__DEFECT_MOST_PX 4096

/** How the scores of good parts lie at one scale. */
struct assay__unit {
	uint32_t mean_q8, sd_q8;
};

/** What good looks like by place, and how good parts score by it. */
struct assay__placed {
	int cells, count;
	uint8_t *counts; /**< vectors of each cell */
	int8_t *vectors; /**< cell by cell */
	struct assay__unit unit;
};

/** One working size of a recipe, and what good parts look like at it. */
struct assay__scale {
	int working_px;	   /**< short side */
	uint32_t light_q8; /**< mean luma that pictures are brought to; 0: left as they are */
	struct assay__unit unit;
	int bank_count;
	int8_t *vectors; /**< in the order the bank chose them */
	struct assay__bank *bank;
	struct assay__placed placed; /**< of parts in a fixture */
	struct assay__place *place;	 /**< opened from it; NULL: none */
};

struct assay__labels;

/** Coarsest first; working sizes ascend. */
struct assay__scales {
	int count;
	struct assay__labels *labels; /**< what labels taught on these scales, owned; NULL: none */
	struct assay__scale at[ASSAY__SCALES_MOST];
	struct assay_image
		reference; /**< of parts in a fixture, 8-bit grey, tight; no pixels: none, and no scale has a bank by place */
	struct assay__registration *registration; /**< opened from it; NULL: none */
};

/**
 * The working sizes for parts of width x height pixels: working_px alone if it is not 0; else the two usual ones, and a
 * finer one if a smallest defect is given (not 0) that needs it. Returns how many, coarsest first.
 */
int assay__scales_choose(int working_px, int smallest_defect_px, int width_px, int height_px,
						 int sizes_px[ASSAY__SCALES_MOST]);

/** Of n >= 1 scores in any order: mean (rounded half up) and standard deviation (of a population, floor), at least
 * mean / 50 + 1. */
struct assay__unit assay__unit_of(const uint32_t *scores_q8, int n);

/** Whether assay__unit_of could have made it. */
bool assay__unit_sane(const struct assay__unit *unit);

/**
 * A score in the common unit, q8: 10 s / mean up to the mean, 10 + (s - mean) / sd above it, rounded down. Monotone; 0
 * stays 0; not limited (no distance comes near UINT32_MAX).
 */
uint32_t assay__unit_apply(const struct assay__unit *unit, uint32_t score_q8);

/**
 * Lays a map (`from`, which is brought to the common unit on the way) over a grid that is at least as fine: into[i] =
 * max(into[i], the cell of `from` in which the centre of i lies). Every cell of `from` is met, so its maximum survives.
 */
void assay__unit_join(const struct assay__unit *unit, uint32_t *from, int from_width, int from_height, uint32_t *into,
					  int width, int height);

void assay__placed_free(struct assay__placed *placed, const struct assay_allocator *allocator);
void assay__scales_free(struct assay__scales *scales, const struct assay_allocator *allocator);

#endif
