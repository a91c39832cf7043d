/* SPDX-License-Identifier: Apache-2.0 */
/* From distances to a score map, a score and regions. Integers only; the result depends on nothing but the arguments.
 */
#ifndef ASSAY_SRC_VISION_JUDGE_H
#define ASSAY_SRC_VISION_JUDGE_H

#include "vision/zones.h"

/** Work memory for one grid and mask; serves one thread at a time. */
struct assay__judge;

/** cells: 1 = inspect, 0 = leave out, grid_height rows of grid_width, copied; NULL: inspect all. Errors: NOMEM. */
int assay__judge_open(int grid_width, int grid_height, const uint8_t *cells, const struct assay_allocator *allocator,
					  struct assay__judge **out, struct assay_error *error);
void assay__judge_close(struct assay__judge *judge);
size_t assay__judge_bytes(const struct assay__judge *judge);
/** How many cells are inspected. */
int assay__judge_live(const struct assay__judge *judge);
/** The inspected cells in order, assay__judge_live of them; NULL if that is all of them. */
const int32_t *assay__judge_cells(const struct assay__judge *judge);

/** Whether a cell of the grid, row by row, is inspected. */
bool assay__judge_inspects(const struct assay__judge *judge, int cell);

/** floor(sqrt(d2) * 256) exactly; d2 >= 0. */
uint32_t assay__root_q8(int32_t d2);

/**
 * d2[assay__judge_live] squared distances to map[grid_height * grid_width]: square roots in q8, smoothed by the
 * binomial [1 4 6 4 1] / 16 on each axis (rounded half up; borders replicated; masked cells carry no weight and
 * become 0). Returns the largest. Allocates nothing.
 */
uint32_t assay__judge_map(struct assay__judge *judge, const int32_t *d2, uint32_t *map);

/** Tolerances by place for judge_regions; everything borrowed. */
struct assay__tolerance {
	const struct assay__zone *zones;
	const uint8_t *cells; /**< index into zones for each cell of the grid */
};

/** `threshold` in a zone: threshold * weight / 256, rounded down. */
uint32_t assay__zone_threshold(const struct assay__zone *zone, uint32_t threshold);

/**
 * 8-connected cells above the threshold (of their zone, if `tolerance` is not NULL), in pixels of `area`, which the
 * grid covers. A region is of the zone of its cell with the largest ratio of score to threshold, and counts if its area
 * and length reach that zone's least; without tolerance all count. Those that count come first, then by largest peak
 * (the topmost, then leftmost peak first among equals). Writes at most ASSAY_MAX_REGIONS, returns how many; *total is
 * how many there were, *counted how many of them count.
 *
 * The length is the largest distance between two corners of the region's cells (the maximum Feret diameter of the
 * cells), rounded to pixels. Smoothing widens what is found by about two cells on each side.
 */
int assay__judge_regions(struct assay__judge *judge, const uint32_t *map, uint32_t threshold,
						 const struct assay_rect_px *area, const struct assay__tolerance *tolerance,
						 struct assay_region regions[ASSAY_MAX_REGIONS], int *total, int *counted);

#endif
