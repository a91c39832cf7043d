/* SPDX-License-Identifier: Apache-2.0 */
/* Tolerances by place: zones read from a file, painted over a picture, and brought to the cells of the score grid. */
#ifndef ASSAY_SRC_VISION_ZONES_H
#define ASSAY_SRC_VISION_ZONES_H

#include "vision/prep.h"

#define ASSAY__ZONES_MOST 32
#define ASSAY__ZONE_NAME_BYTES 32 /* with the NUL */
#define ASSAY__ZONE_NUMBER_MOST 255
#define ASSAY__ZONE_WEIGHT_LEAST_Q8 26 /* 0.1 */
#define ASSAY__ZONE_WEIGHT_MOST_Q8 25600
#define ASSAY__ZONE_SIZE_MOST_PX 1000000000
#define ASSAY__ZONE_CORNERS_MOST 1000 /* of one polygon */
#define ASSAY__ZONE_POLYGONS_MOST 256
#define ASSAY__ZONES_FILE_MOST_BYTES (1 << 20)
#define ASSAY__MM_PER_PX_MOST 1000

/** What is tolerated in one zone. Zone 0 is what no other zone covers. */
struct assay__zone {
	int number; /**< its grey value where it is painted */
	char name[ASSAY__ZONE_NAME_BYTES];
	uint32_t weight_q8;					/**< its threshold is the recipe's times this / 256 */
	int least_area_px, least_length_px; /**< a smaller or shorter region does not count */
};

struct assay__polygon {
	int zone; /**< index in list */
	int first, count;
	int line; /**< in the file, for messages */
};

struct assay_zones {
	const struct assay_allocator *allocator;
	int count;									/**< at least 1 */
	struct assay__zone list[ASSAY__ZONES_MOST]; /**< ascending by number; list[0] is zone 0 */
	struct assay_image painted;					/**< 8-bit grey, zone numbers; no pixels: polygons alone */
	char *file;									/**< its name, for messages; NULL once painted */
	int polygon_count, corner_count;
	struct assay__polygon *polygons; /**< later ones cover earlier ones, and all cover what is painted */
	int (*corners)[2];				 /**< image pixels, x and y */
};

/**
 * The zones of `text` in `file` (for messages and to find a painted picture beside it), as assay_zones_load.
 */
int assay__zones_parse(const char *file, const char *text, size_t size, double mm_per_px,
					   const struct assay_allocator *allocator, struct assay_zones **out, struct assay_error *error);

/** An empty set with zone 0 alone, or NULL without memory. */
struct assay_zones *assay__zones_new(const struct assay_allocator *allocator);

/** Index of the zone with this number, -1 if there is none. */
int assay__zones_find(const struct assay_zones *zones, int number);

/**
 * A copy with every pixel of a width x height picture painted and no polygons left: a pixel belongs to a polygon that
 * its centre is in (even-odd rule). Errors: MISMATCH (a painted picture of another size, a polygon beyond the
 * picture, a grey value that is no zone), NOMEM.
 */
int assay__zones_paint(const struct assay_zones *zones, int width_px, int height_px,
					   const struct assay_allocator *allocator, struct assay_zones **out, struct assay_error *error);

/**
 * zone[grid_height * grid_width]: for each cell the index of the zone that most of its pixels are in, the lower one of
 * equals. The zones are painted, of the picture's size.
 */
void assay__zones_cells(const struct assay_zones *zones, const struct assay__geometry *geometry, uint8_t *zone);

#endif
