/* SPDX-License-Identifier: Apache-2.0 */
/* What a picture tells about camera and light, whatever the part: brightness, clipping, evenness, sharpness, position. */
#ifndef ASSAY_SRC_VISION_VITAL_H
#define ASSAY_SRC_VISION_VITAL_H

#include "assay/image.h"
#include "assay/recipe.h"

#define ASSAY__VITAL_BINS 128
#define ASSAY__VITAL_LEAST_PX 32

/** Luma is 77 R + 150 G + 29 B, in q8 of an 8-bit level: 0..65280. All are means over the area looked at. */
struct assay__vital {
	uint32_t mean_q8;
	uint32_t clipped_ppm;	 /**< pixels with a sample at white */
	uint32_t centre_q8;		 /**< of the middle half each way */
	uint32_t quadrant_q8[4]; /**< top left, top right, bottom left, bottom right */
	/**
	 * Energy of differences between neighbours over that between places four apart, of 2 x 2 means. Both grow alike with light and
	 * contrast; blur takes the near ones first. A ratio of two gradient energies, after the Tenengrad measure (Krotkov,
	 * Focusing, IJCV 1, 1987).
	 */
	uint32_t sharp_q16;
	int columns, rows;					   /**< bins in use below: 128, or half the side if that is less */
	uint16_t column_q8[ASSAY__VITAL_BINS]; /**< mean of each of `columns` upright strips, left to right */
	uint16_t row_q8[ASSAY__VITAL_BINS];	   /**< mean of each of `rows` level strips, top to bottom */
};

/** Bytes of scratch for an area of this size. */
size_t assay__vital_scratch_bytes(const struct assay_rect_px *area);

/**
 * Measures the pixels of `area`, which lies in the picture and is at least 32 px each way; `white` is the sample that means white (0:
 * the largest of the depth). Integers throughout; allocates nothing. False, *out untouched, if the area is too small or outside.
 */
bool assay__vital_measure(const struct assay_image *image, const struct assay_rect_px *area, int white, void *scratch,
						  struct assay__vital *out);

/**
 * How far `now` lies behind `then` (towards higher bins), in bins, at most a quarter of them: the shift at which the slopes of
 * the two are most alike (correlation coefficient: light with more gain, an offset or a slope changes little), and the top of the parabola through it and its neighbours.
 * 0 if either profile is flat. bins >= 16.
 */
double assay__vital_shift(const uint16_t *then, const uint16_t *now, int bins);

#endif
