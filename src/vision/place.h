/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bank by place: for every cell of the reference what good parts look like there. A cell of a picture is searched for
 * only among the vectors of the nine cells around its place, so that what is good elsewhere does not excuse it: a clip
 * that is missing, two components that were exchanged.
 */
#ifndef ASSAY_SRC_VISION_PLACE_H
#define ASSAY_SRC_VISION_PLACE_H

#include "vision/bank.h"
#include "vision/prep.h"
#include "vision/registration.h"

#define ASSAY__PLACE_DEPTH 8 /* vectors of a cell at most */
#define ASSAY__PLACE_MOST_CELLS (512 * 512)

struct assay__place;

/** One thread's work memory. */
struct assay__place_search;

/**
 * For the cell of each of n vectors, the cell of the reference in which its centre lies; beyond the border the nearest.
 * cells: n cells of the grid, NULL: all of them. Poses are of pictures of reg_width x reg_height.
 */
void assay__place_cells(const struct assay__pose *pose, int reg_width_px, int reg_height_px,
						const struct assay__geometry *geometry, const int32_t *cells, int n, int32_t *where);

/**
 * The vectors to keep of n of one cell (dim s8, by index into `vectors`): greedy k-center from the one nearest their mean,
 * at most ASSAY__PLACE_DEPTH, ties to the lowest. d2 is room for n. Returns how many are in kept[].
 */
int assay__place_choose(const int8_t *vectors, const int64_t *among, int n, int dim, int32_t *d2,
						int64_t kept[ASSAY__PLACE_DEPTH]);

/**
 * From counts[cells of the grid] (each at most ASSAY__PLACE_DEPTH) and the vectors of all cells in order; both are
 * copied. *out is the caller's. Errors: NOMEM.
 */
int assay__place_open(const int8_t *vectors, const uint8_t *counts, int grid_width, int grid_height, int dim,
					  enum assay_isa isa, const struct assay_allocator *allocator, struct assay__place **out,
					  struct assay_error *error);
/** NULL is fine. */
void assay__place_close(struct assay__place *place);

/** Whether its grid is of this size. */
bool assay__place_is_of(const struct assay__place *place, int grid_width, int grid_height);

/** For grids of this many cells. Errors: NOMEM. */
int assay__place_search_open(int cells, const struct assay_allocator *allocator, struct assay__place_search **out,
							 struct assay_error *error);
void assay__place_search_close(struct assay__place_search *search);
size_t assay__place_search_bytes(const struct assay__place_search *search);
/** Room for `cells` cells of the reference, for assay__place_nearest. */
int32_t *assay__place_search_where(struct assay__place_search *search);

/**
 * d2[i] = the smallest squared distance of query i (dim s8, tight rows) to the vectors of the cells around where[i] of
 * the search; 0 if there are none. Allocates nothing.
 */
void assay__place_nearest(const struct assay__place *place, struct assay__place_search *search, const int8_t *queries,
						  int n, int32_t *d2);

#endif
