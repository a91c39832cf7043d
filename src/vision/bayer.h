/* SPDX-License-Identifier: Apache-2.0 */
/* From what a colour camera's sensor sends to pictures: unpacking and demosaicing, in integers, the same on every CPU.
 */
#ifndef ASSAY_SRC_VISION_BAYER_H
#define ASSAY_SRC_VISION_BAYER_H

#include "assay/image.h"

/** The colours of the first two pixels of the first two rows. */
enum assay__bayer { ASSAY__BAYER_RGGB, ASSAY__BAYER_GRBG, ASSAY__BAYER_GBRG, ASSAY__BAYER_BGGR };

/**
 * Fills *rgb from a mosaic (one channel). rgb has 3 channels, the mosaic's size and depth, and pixels of its own, all
 * the caller's. `bits` of every sample count: 8 in 8-bit pictures, 9 to 16 in 16-bit ones; the result has as many.
 * Bilinear with gradient correction, coefficients over 16, rounded half up, clamped; the border is mirrored.
 * Source: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images",
 * ICASSP 2004. Allocates nothing; thread safe. Errors: ARGUMENT.
 */
int assay__bayer_to_rgb(const struct assay_image *mosaic, enum assay__bayer order, int bits, struct assay_image *rgb,
						struct assay_error *error);

/**
 * Unpacks GenICam PFNC Mono10p, Mono12p and the Bayer formats like them: samples of 10 or 12 bits one after the other,
 * least significant bit first. Row y starts at byte y * row_bytes. *out, one channel of 16 bits, is the caller's and
 * says the size. Allocates nothing; thread safe. Errors: ARGUMENT, FORMAT if there are too few bytes.
 */
int assay__unpack_samples(const uint8_t *packed, size_t size_bytes, size_t row_bytes, int bits, struct assay_image *out,
						  struct assay_error *error);

#endif
