/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures moved, turned, scaled and sheared: affine, in fixed point, the same on every CPU. */
#ifndef ASSAY_SRC_VISION_WARP_H
#define ASSAY_SRC_VISION_WARP_H

#include "assay/image.h"

#define ASSAY__WARP_MAX_STEP 256 /* source pixels from one target pixel to the next */
#define ASSAY__WARP_MAX_SHIFT_PX (1 << 20)

/** What lies beyond the source: its nearest pixel, or one value. */
enum assay__warp_edge { ASSAY__WARP_NEAREST, ASSAY__WARP_FILL };

/** Where a target pixel's value comes from, in 1 / 2^32 of a source pixel. */
struct assay__warp {
	int64_t step[2][2]; /**< [x or y of the source][per x or per y of the target] */
	int64_t shift[2];
};

/**
 * From target to source, pixel centres at whole numbers: source x = m[0] x + m[1] y + m[2], source y = m[3] x + m[4] y
 * + m[5]. Each is rounded to the nearest 1 / 2^32 once, halves up. Errors: ARGUMENT (not finite, or above the limits).
 */
int assay__warp_plan(const double matrix[6], struct assay__warp *out, struct assay_error *error);

/**
 * Fills *to, which is the caller's and says the size, from a picture of 8 bits and as many channels (1, 3 or 4).
 * Bilinear: places rounded to 1 / 256 pixel, values to whole numbers, halves up both. Allocates nothing; thread safe.
 * Errors: ARGUMENT.
 */
int assay__warp_affine(const struct assay__warp *warp, const struct assay_image *from, enum assay__warp_edge edge,
					   uint8_t fill, struct assay_image *to, struct assay_error *error);

#endif
