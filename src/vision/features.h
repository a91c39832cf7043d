/* SPDX-License-Identifier: Apache-2.0 */
/* From the network's taps to one s8 vector for each cell of the grid (1/8 of the working size). */
#ifndef ASSAY_SRC_VISION_FEATURES_H
#define ASSAY_SRC_VISION_FEATURES_H

#include "vision/net/net.h"

struct assay__features;

/** Channels of all taps together, 0 if a tap's stride is not 4, 8 or 16. */
int assay__features_dim(const struct assay__net_info *info);

/**
 * Plans the vectors of one grid. Errors: UNSUPPORTED for taps of other strides or more than ASSAY__BANK_MAX_DIM
 * channels, NOMEM.
 */
int assay__features_open(const struct assay__net_info *info, int grid_width, int grid_height,
						 const struct assay_allocator *allocator, struct assay__features **out,
						 struct assay_error *error);
void assay__features_close(struct assay__features *features);
size_t assay__features_bytes(const struct assay__features *features);

/**
 * Writes grid_height * grid_width vectors of dim s8, row by row, taps in their order. Allocates nothing.
 *
 * Each tap is brought to the grid as 16 times its value v = q - zero_point: stride 4 by 4 times the sum of 2x2,
 * stride 8 by 16 v, stride 16 by doubling with weights 3:1 on each axis. Then the separable smoothing kernel of
 * features.c, beyond the border all zero (so border cells are muted, not abnormal), times the channel's gain, rounded half up and clamped to -127..127.
 */
void assay__features_run(struct assay__features *features, const struct assay__map maps[ASSAY__MAX_TAPS],
						 int8_t *vectors);

#endif
