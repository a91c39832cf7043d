/* SPDX-License-Identifier: Apache-2.0 */
/* From a picture as it came to the pixels the network reads: region of interest, depth, grey, scale. */
#ifndef ASSAY_SRC_VISION_PREP_H
#define ASSAY_SRC_VISION_PREP_H

#include "assay/image.h"
#include "assay/recipe.h"

#define ASSAY__CELL_PX 8 /* a cell of the score grid, in working pixels */
#define ASSAY__WORKING_MAX_PX 4096
#define ASSAY__ASPECT_MAX 8

/** What pictures must agree in to be judged by one plan. */
struct assay__shape {
	int width_px, height_px, channels, depth_bits;
};

/** How pictures are looked at. */
struct assay__view {
	struct assay_rect_px roi; /**< zero width: all */
	bool grey;
	int white_level; /**< 16-bit sample that becomes 255 */
};

/** Where a picture of one shape ends up. */
struct assay__geometry {
	struct assay_rect_px area; /**< image pixels looked at */
	int width_px, height_px;   /**< working size */
	int grid_width, grid_height;
};

struct assay__prep;

struct assay__shape assay__shape_of(const struct assay_image *image);
bool assay__shape_equal(const struct assay__shape *a, const struct assay__shape *b);
/** "300x300 grey 8-bit" in text, which is returned. */
const char *assay__shape_text(const struct assay__shape *shape, char text[64]);
/** Whether the fields of a picture can be trusted: sides, channels, depth, stride, pixels. */
bool assay__image_sane(const struct assay_image *image);

/**
 * Short side working_px, long side by aspect, both rounded to the nearest multiple of align, at least 64 px.
 * Errors: MISMATCH if the region does not fit, is longer than 8:1, or would be above 4096 px.
 */
int assay__prep_geometry(const struct assay__view *view, int working_px, const struct assay__shape *shape, int align,
						 struct assay__geometry *out, struct assay_error *error);

/** Plans the resampling of one shape; *out is the caller's. Errors: NOMEM. */
int assay__prep_open(const struct assay__view *view, const struct assay__shape *shape,
					 const struct assay__geometry *geometry, const struct assay_allocator *allocator,
					 struct assay__prep **out, struct assay_error *error);
void assay__prep_close(struct assay__prep *prep);
size_t assay__prep_bytes(const struct assay__prep *prep);

/**
 * Fills geometry's working size of 4-byte pixels R G B 0. The picture has the planned shape. Allocates nothing.
 * Triangle filter whose support grows with the reduction; 14-bit weights, so that flat stays exactly flat.
 */
void assay__prep_run(struct assay__prep *prep, const struct assay_image *image, uint8_t *pixels, size_t row_bytes);

/**
 * cells[grid_height * grid_width] = 1 where at least half of the cell's area is non-zero in the mask, else 0.
 * The mask has the size of the picture. Returns how many cells are 1.
 */
int assay__prep_mask(const struct assay_image *mask, const struct assay__geometry *geometry, uint8_t *cells);

#endif
