/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one thread needs to judge pictures of one shape: prep, network, features and score map of every scale, planned
 * together. The scales run one after the other and share the network's buffers.
 */
#ifndef ASSAY_SRC_VISION_WORKSPACE_H
#define ASSAY_SRC_VISION_WORKSPACE_H

#include "vision/features.h"
#include "vision/judge.h"
#include "vision/light.h"
#include "vision/net/net.h"
#include "vision/prep.h"
#include "vision/scale_locate.h"

/** The part of a workspace that belongs to one scale. */
struct assay__scale_space {
	struct assay__geometry geometry;
	struct assay__plan *plan;
	struct assay__prep *prep;
	struct assay__features *features;
	struct assay__judge *judge;
	int live; /**< cells inspected */
	int32_t *d2;
	uint32_t *map;		 /**< of this scale alone; assay__workspace_join brings it to the common unit */
	uint32_t *place_map; /**< likewise, by place; NULL: none */
};

/** Fields are for reading; zero shape until assay__workspace_shape has succeeded. */
struct assay__workspace {
	const struct assay_allocator *allocator;
	const struct assay__net *net;
	const struct assay__view *view;
	const struct assay__scales *scales;
	const struct assay_image *mask; /**< NULL: none */
	struct assay__net_info info;
	int align, dim;
	struct assay__shape shape;
	int count; /**< of scales */
	struct assay__scale_space at[ASSAY__SCALES_MOST];
	int8_t *vectors; /**< of every cell of the finest grid, used by one scale at a time */
	uint32_t *map;	 /**< of the finest grid: all scales joined */
	uint32_t *place; /**< of the finest grid, filled by assay__workspace_locate; NULL with one scale */
	struct assay__registrar *registrar; /**< of parts in a fixture; NULL: none */
	struct assay__place_search *search;
	struct assay__pose pose;
	uint32_t bank_q8, head_q8; /**< of the picture judged last: what bank and heads say of it, in the common unit */
};

/** What widths and heights must be multiples of: by the network and by the grid. */
int assay__workspace_align(const struct assay__net_info *info);

/**
 * All pointers (mask nullable) must outlive the workspace, which the caller owns. The number of scales and their sizes
 * stand; their light, unit and bank are looked up when they are needed. Errors: UNSUPPORTED taps, NOMEM.
 */
int assay__workspace_open(const struct assay__net *net, const struct assay__view *view,
						  const struct assay__scales *scales, const struct assay_image *mask,
						  const struct assay_allocator *allocator, struct assay__workspace **out,
						  struct assay_error *error);
void assay__workspace_close(struct assay__workspace *space);
size_t assay__workspace_bytes(const struct assay__workspace *space);

/**
 * Plans for pictures of this shape; nothing to do, and nothing allocated, if it is the shape planned last.
 * Errors: MISMATCH if they cannot be judged (region of interest, aspect, mask), NOMEM. On failure nothing is planned.
 */
int assay__workspace_shape(struct assay__workspace *space, const struct assay__shape *shape, struct assay_error *error);

/** The scale on whose grid space->map lies. */
const struct assay__scale_space *assay__workspace_finest(const struct assay__workspace *space);

/**
 * Brings a picture of the planned shape to the size of one scale, where its network reads it, and leaves its light as
 * it is. The plane is valid until a network runs.
 */
struct assay__plane assay__workspace_plane(struct assay__workspace *space, int scale, const struct assay_image *image);

/**
 * As above, then brightened (as a camera would that has more light: what is too bright is cut off; ASSAY__LIGHT_ONE_Q12:
 * not at all), then brought to the light of the scale.
 */
void assay__workspace_draw(struct assay__workspace *space, int scale, const struct assay_image *image,
						   int brighten_q12);

/** The last step of extract: from the network's maps to the vectors of the inspected cells. */
void assay__workspace_vectors(struct assay__workspace *space, int scale, const struct assay__map maps[ASSAY__MAX_TAPS],
							  int8_t *vectors);

/** Draws, runs the network, and gives the vectors of the inspected cells (live * dim s8) of one scale. */
void assay__workspace_extract(struct assay__workspace *space, int scale, const struct assay_image *image,
							  int brighten_q12, int8_t *vectors);

/** Fills the map of one scale from the vectors of its inspected cells; returns its largest, in feature units. */
uint32_t assay__workspace_score(struct assay__workspace *space, int scale, const struct assay__bank *bank,
								const int8_t *vectors);

/** As above by place, into `map` (of the scale's grid); `search` knows the cells. */
uint32_t assay__workspace_score_place(struct assay__workspace *space, int scale, const struct assay__place *place,
									  struct assay__place_search *search, const int8_t *vectors, uint32_t *map);

/** Of parts in a fixture: what each scale says by place alone, in feature units, into raw_q8[count of scales]. */
void assay__workspace_judge_place(struct assay__workspace *space, const struct assay_image *image, uint32_t *raw_q8);

/** As above, one scale; scales in order. Its vectors, their places in `search` and their d2 stay until the next call. */
uint32_t assay__workspace_judge_place_scale(struct assay__workspace *space, int scale, const struct assay_image *image);

/** Fills space->map from the maps of all scales, in the common unit; returns the score of the picture. */
uint32_t assay__workspace_join(struct assay__workspace *space);

/** After join: the map that shows where a defect is, as assay__scales_locate says. Valid until the next picture. */
const uint32_t *assay__workspace_locate(struct assay__workspace *space);

/**
 * From the vectors of all scales (each its inspected cells) with the banks and labels of the scales: fills space->map
 * and returns the score of the picture, which is the largest of the map.
 */
uint32_t assay__workspace_weigh(struct assay__workspace *space, const int8_t *const vectors[ASSAY__SCALES_MOST]);

/**
 * All of it, with the banks and labels of the scales: fills space->map and returns the score of the picture, which is
 * the largest of the map. Leaves the vectors of the finest scale in space->vectors.
 */
uint32_t assay__workspace_judge(struct assay__workspace *space, const struct assay_image *image);

#endif
