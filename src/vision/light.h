/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Light that drifts: every picture is brought to the mean brightness that the good parts had. What that cannot undo is
 * light so bright that the camera clips; teaching shows the bank such pictures too.
 */
#ifndef ASSAY_SRC_VISION_LIGHT_H
#define ASSAY_SRC_VISION_LIGHT_H

#include <stddef.h>
#include <stdint.h>

#define ASSAY__LIGHT_ONE_Q12 4096
#define ASSAY__LIGHT_LEAST_Q12 2048 /* what is further away is not a change of light */
#define ASSAY__LIGHT_MOST_Q12 8192

/** A working picture of 4-byte pixels R G B 0, and which of its cells count. */
struct assay__plane {
	uint8_t *pixels;
	size_t row_bytes;
	int width_px, height_px;
	const int32_t *cells; /**< `live` indices into the grid of cells, row by row; NULL: all of them */
	int live;
};

/** Mean of 77 R + 150 G + 29 B over the cells that count, rounded half up: luma in q8, 0..65280. */
uint32_t assay__light_mean_q8(const struct assay__plane *plane);

/** What brings a mean to the reference, in q12, rounded half up and limited to 1/2..2; 1 if either is 0. */
int assay__light_gain_q12(uint32_t reference_q8, uint32_t mean_q8);

/** v = min(255, (v gain + 2048) >> 12) for every value of the plane, whatever counts. gain 0..ASSAY__LIGHT_MOST_Q12. */
void assay__light_scale(const struct assay__plane *plane, int gain_q12);

/** How many of the pixels that count have a value which this gain would take above 255. */
int64_t assay__light_clipped(const struct assay__plane *plane, int gain_q12);

/** How many pixels count. */
int64_t assay__light_pixels(const struct assay__plane *plane);

#endif
