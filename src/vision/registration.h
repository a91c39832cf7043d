/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a part lies: the shift, turn and growth that bring a reference picture over a picture of the part, found on grey
 * pictures of at most some 200 px. Integers but for the solution of four equations, in double and in one order: the
 * same bits on every CPU.
 */
#ifndef ASSAY_SRC_VISION_REGISTRATION_H
#define ASSAY_SRC_VISION_REGISTRATION_H

#include "vision/light.h"

#include "assay/base.h"

#define ASSAY__REGISTRATION_MOST_PX 192 /* short side; larger planes are halved */
#define ASSAY__FIT_ONE_Q10 1024

/**
 * With d the place in the reference from its middle, the place in the picture from its middle is
 * x = (1 + grow) d_x - turn d_y + x, y = turn d_x + (1 + grow) d_y + y. Shifts in pixels of the registered size.
 */
struct assay__pose {
	int32_t grow_q24, turn_q24, x_q16, y_q16;
};

/** A reference; immutable, shared by threads. */
struct assay__registration;

/** One thread's work memory for pictures of one size. */
struct assay__registrar;

/** Size at which planes of this size are registered, and how often they are halved for it. */
int assay__registration_size(int width_px, int height_px, int *reg_width_px, int *reg_height_px);

/** Brings a plane to that size as luma, tight rows: (77 R + 150 G + 29 B) / 256, then means of blocks, rounded half up. */
void assay__registration_luma(const struct assay__plane *plane, int halvings, uint8_t *luma);

/**
 * From luma of a good part, or of the mean of many (width * height, copied). use: 1 = compare, 0 = leave out, in the
 * same layout; NULL: all. *out is the caller's. Errors: NOMEM; MISMATCH if there is nothing to hold on to (flat).
 */
int assay__registration_open(const uint8_t *luma, const uint8_t *use, int width_px, int height_px,
							 const struct assay_allocator *allocator, struct assay__registration **out,
							 struct assay_error *error);
void assay__registration_close(struct assay__registration *registration);
/** The luma it was opened with. */
const uint8_t *assay__registration_picture(const struct assay__registration *registration, int *width_px,
										   int *height_px);

/** For pictures of this registered size. Errors: NOMEM. */
int assay__registrar_open(int width_px, int height_px, const struct assay_allocator *allocator,
						  struct assay__registrar **out, struct assay_error *error);
void assay__registrar_close(struct assay__registrar *registrar);
size_t assay__registrar_bytes(const struct assay__registrar *registrar);
/** Where the luma of the picture goes before assay__registrar_run. */
uint8_t *assay__registrar_luma(struct assay__registrar *registrar);

/**
 * Finds the pose of the picture whose luma was put in. Coarse to fine: first whole shifts up to a quarter of the short
 * side at the coarsest level, then Gauss-Newton on shift, turn and growth (inverse compositional: Baker and Matthews,
 * International Journal of Computer Vision 56, 2004), residuals cut off at three times their mean
 * and in the end left out, so that a defect does not pull.
 * Returns the fit: correlation of the picture so moved with the reference, q10, at least 0. Allocates nothing.
 */
int assay__registrar_run(struct assay__registrar *registrar, const struct assay__registration *registration,
						 struct assay__pose *pose);

/** The picture last run, moved over the reference (its size): what the reference would show. */
const uint8_t *assay__registrar_moved(const struct assay__registrar *registrar);

/** From a place in the picture to the one in the reference, both from the middle, q16 pixels, rounded down. */
void assay__pose_to_reference(const struct assay__pose *pose, int64_t x_q16, int64_t y_q16, int64_t *ref_x_q16,
							  int64_t *ref_y_q16);

/** The larger of how far the pose moves the four corners of a picture of this size, in q16 pixels: 0 for a part that lies as the
 * reference. */
int64_t assay__pose_reach_q16(const struct assay__pose *pose, int width_px, int height_px);

#endif
