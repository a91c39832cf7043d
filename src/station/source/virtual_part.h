/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rooms of the virtual line share this: the housing as a map of cells, and a defect laid over it.
 * A unit is a pixel at 640 x 480; the part's origin is the picture's centre, x right, y down, z to the camera.
 */
#ifndef ASSAY_SRC_STATION_VIRTUAL_PART_H
#define ASSAY_SRC_STATION_VIRTUAL_PART_H

#include "assay/base.h"
#include "station/source/virtual_line.h"
#include "station/source/virtual_math.h"

/** What is known about the surface at one place; eight floats, so that blending four of them is a few instructions. */
struct assay__virtual_cell {
	float slope_x, slope_y; /**< dz/dx, dz/dy */
	float cover;			/**< share covered by metal */
	float machined;			/**< 0 cast skin .. 1 machined */
	float open;				/**< light that reaches the place, 0..1 */
	float albedo;
	float edge; /**< units inside the outline, negative outside, within -40..60 */
	float mark; /**< how strongly tool marks show, 0..1 */
};

enum { ASSAY__VIRTUAL_HOLES = 18, ASSAY__VIRTUAL_BORES = 2 };

struct assay__virtual_hole {
	double x, y, radius, chamfer;
};

struct assay__virtual_part {
	int width, height;				  /**< cells */
	double cells_per_unit, left, top; /**< units at the centre of cell 0 */
	struct assay__virtual_cell *cells;
	struct assay__virtual_hole holes[ASSAY__VIRTUAL_HOLES];
	struct assay__virtual_hole bores[ASSAY__VIRTUAL_BORES];
	double boss_radius[ASSAY__VIRTUAL_BORES]; /**< of the turned face around each bore */
};

/** Builds the housing, cells_per_unit fine; `seed` sets die texture and cavity number. Errors: NOMEM. */
int assay__virtual_part_open(struct assay__virtual_part *part, double cells_per_unit, uint64_t seed,
							 const struct assay_allocator *allocator, struct assay_error *error);
void assay__virtual_part_close(struct assay__virtual_part *part, const struct assay_allocator *allocator);
/** The surface at (x, y) units, blended from four cells; beyond the map its border. */
struct assay__virtual_cell assay__virtual_part_at(const struct assay__virtual_part *part, double x, double y);
/** Units from (x, y) to the segment (ax, ay)-(bx, by), and in *along (nullable) where on it, 0..1. */
double assay__virtual_segment(double x, double y, double ax, double ay, double bx, double by, double *along);
/** Height 0..1 of the raised lettering at (x, y) units. cavity 1..4. */
double assay__virtual_lettering(double x, double y, int cavity);

enum { ASSAY__VIRTUAL_POINTS = 40 };

/** One defect in part coordinates. Points are pits, or the corners of a line. */
struct assay__virtual_defect {
	enum assay__virtual_kind kind;
	double severity;
	double x, y, reach; /**< nothing beyond `reach` of (x, y) is changed */
	double depth;		/**< how strongly, 0..1 */
	double width;
	double soft; /**< half a pixel, units: edges are this soft */
	double cosine, sine, aspect;
	uint32_t seed;
	int count;
	struct {
		double x, y, size; /**< radius or half width; negative: the line starts anew here */
	} points[ASSAY__VIRTUAL_POINTS];
};

/** What a defect can change about the surface at one place before it is lit. */
struct assay__virtual_surface {
	struct assay__virtual_cell cell;
	float texture; /**< gain of the cast texture */
	float gain;	   /**< gain of the diffuse light */
	float glint;   /**< added light */
};

/** Draws a defect of the kind and severity at a place that suits it; nothing in it is much finer than a pixel. */
void assay__virtual_defect_draw(const struct assay__virtual_part *part, enum assay__virtual_kind kind, double severity,
								double px_per_unit, uint64_t seed, uint64_t index,
								struct assay__virtual_defect *defect);
/** Changes *surface at (x, y) units as the defect does there. */
void assay__virtual_defect_apply(const struct assay__virtual_defect *defect, double x, double y,
								 struct assay__virtual_surface *surface);

#endif
