/* SPDX-License-Identifier: Apache-2.0 */
/* From distances to a score map, a score and regions. Integers only; the result depends on nothing but the arguments.
 */
#ifndef ASSAY_SRC_VISION_JUDGE_H
#define ASSAY_SRC_VISION_JUDGE_H

#include "assay/recipe.h"

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

/** floor(sqrt(d2) * 256) exactly; d2 >= 0. */
uint32_t assay__root_q8(int32_t d2);

/**
 * d2[assay__judge_live] squared distances to map[grid_height * grid_width]: square roots in q8, smoothed by the
 * binomial [1 4 6 4 1] / 16 on each axis (rounded half up; borders replicated; masked cells carry no weight and
 * become 0). Returns the largest. Allocates nothing.
 */
uint32_t assay__judge_map(struct assay__judge *judge, const int32_t *d2, uint32_t *map);

/**
 * 8-connected cells above threshold, largest peak first (the topmost, then leftmost peak first among equals), in pixels
 * of `area`, which the grid covers. Writes at most ASSAY_MAX_REGIONS, returns how many; *total is how many there were.
 */
int assay__judge_regions(struct assay__judge *judge, const uint32_t *map, uint32_t threshold,
						 const struct assay_rect_px *area, struct assay_region regions[ASSAY_MAX_REGIONS], int *total);

#endif
