/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread needs to judge pictures of one shape: prep, network, features and score map, planned together. */
#ifndef ASSAY_SRC_VISION_WORKSPACE_H
#define ASSAY_SRC_VISION_WORKSPACE_H

#include "vision/bank.h"
#include "vision/features.h"
#include "vision/judge.h"
#include "vision/net/net.h"
#include "vision/prep.h"

/** Fields are for reading; zero shape until assay__workspace_shape has succeeded. */
struct assay__workspace {
	const struct assay_allocator *allocator;
	const struct assay__net *net;
	const struct assay__view *view;
	const struct assay_image *mask; /**< NULL: none */
	struct assay__net_info info;
	int align, dim;
	struct assay__shape shape;
	struct assay__geometry geometry;
	struct assay__plan *plan;
	struct assay__prep *prep;
	struct assay__features *features;
	struct assay__judge *judge;
	int live;		 /**< cells inspected */
	int8_t *vectors; /**< of every cell of the grid */
	int32_t *d2;
	uint32_t *map;
};

/** What widths and heights must be multiples of: by the network and by the grid. */
int assay__workspace_align(const struct assay__net_info *info);

/** net, view and mask (nullable) must outlive the workspace, which the caller owns. Errors: UNSUPPORTED taps, NOMEM. */
int assay__workspace_open(const struct assay__net *net, const struct assay__view *view, const struct assay_image *mask,
						  const struct assay_allocator *allocator, struct assay__workspace **out,
						  struct assay_error *error);
void assay__workspace_close(struct assay__workspace *space);
size_t assay__workspace_bytes(const struct assay__workspace *space);

/**
 * Plans for pictures of this shape; nothing to do, and nothing allocated, if it is the shape planned last.
 * Errors: MISMATCH if they cannot be judged (region of interest, aspect, mask), NOMEM. On failure nothing is planned.
 */
int assay__workspace_shape(struct assay__workspace *space, const struct assay__shape *shape, struct assay_error *error);

/** The last step of extract: from the network's maps to the vectors of the inspected cells. */
void assay__workspace_vectors(struct assay__workspace *space, const struct assay__map maps[ASSAY__MAX_TAPS],
							  int8_t *vectors);

/** Vectors of the inspected cells (live * dim s8) of a picture of the planned shape. */
void assay__workspace_extract(struct assay__workspace *space, const struct assay_image *image, int8_t *vectors);

/** Fills space->map from the vectors of the inspected cells; returns the score of the picture. */
uint32_t assay__workspace_score(struct assay__workspace *space, const struct assay__bank *bank, const int8_t *vectors);

#endif
