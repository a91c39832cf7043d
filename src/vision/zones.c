/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/zones.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct assay_zones *assay__zones_new(const struct assay_allocator *allocator)
{
	struct assay_zones *zones = assay__calloc(allocator, 1, sizeof(*zones));
	if (!zones)
		return NULL;
	zones->allocator = allocator;
	zones->count = 1;
	zones->list[0] = (struct assay__zone){.name = "elsewhere", .weight_q8 = 256};
	return zones;
}

void assay_zones_free(struct assay_zones *zones)
{
	if (!zones)
		return;
	const struct assay_allocator *allocator = zones->allocator;
	assay_image_free(&zones->painted, allocator);
	assay__free(allocator, zones->file);
	assay__free(allocator, zones->polygons);
	assay__free(allocator, zones->corners);
	assay__free(allocator, zones);
}

int assay__zones_find(const struct assay_zones *zones, int number)
{
	for (int i = 0; i < zones->count; i++)
		if (zones->list[i].number == number)
			return i;
	return -1;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/*
 * Fills the pixels of row y whose centres are inside. An edge crosses the row's centre line at x; twice the pixel
 * coordinate of a centre is odd and corners are whole, so that no centre line meets a corner and nothing is ambiguous.
 */
static void fill_row(struct assay_image *image, const int (*corners)[2], int count, int y, uint8_t number,
					 int64_t *crossings)
{
	int64_t line = 2 * (int64_t)y + 1; /* in half pixels */
	int found = 0;
	for (int i = 0; i < count; i++) {
		const int *a = corners[i], *b = corners[i + 1 == count ? 0 : i + 1];
		const int *low = a[1] < b[1] ? a : b, *high = a[1] < b[1] ? b : a;
		if (2 * (int64_t)low[1] > line || 2 * (int64_t)high[1] < line)
			continue;
		/* pixel x is right of the crossing if x + 1/2 >= low.x + run (line - 2 low.y) / (2 rise); x rounded up */
		int64_t rise = 2 * ((int64_t)high[1] - low[1]), run = (int64_t)high[0] - low[0];
		int64_t above = (2 * (int64_t)low[0] - 1) * rise + 2 * run * (line - 2 * (int64_t)low[1]);
		int64_t part = 2 * rise, x = above / part;
		if (above % part > 0)
			x++;
		crossings[found++] = x;
	}
	qsort(crossings, (size_t)found, sizeof(*crossings), ascending);
	uint8_t *row = image->pixels + (size_t)y * image->stride_bytes;
	for (int i = 0; i + 1 < found; i += 2) {
		int64_t from = crossings[i] < 0 ? 0 : crossings[i];
		int64_t to = crossings[i + 1] > image->width_px ? image->width_px : crossings[i + 1];
		if (from < to)
			memset(row + from, number, (size_t)(to - from));
	}
}

static int paint_polygons(const struct assay_zones *zones, struct assay_image *image, struct assay_error *error)
{
	int64_t *crossings = assay__calloc(zones->allocator, ASSAY__ZONE_CORNERS_MOST, sizeof(*crossings));
	if (!crossings)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to paint the zones");
	int rc = 0;
	for (int i = 0; rc == 0 && i < zones->polygon_count; i++) {
		const struct assay__polygon *polygon = &zones->polygons[i];
		const int(*corners)[2] = (const int(*)[2])zones->corners + polygon->first;
		int top = image->height_px, bottom = 0;
		for (int k = 0; rc == 0 && k < polygon->count; k++) {
			if (corners[k][0] > image->width_px || corners[k][1] > image->height_px)
				rc = assay__fail(error, ASSAY_E_MISMATCH, polygon->line,
								 "%s:%d: the corner %d,%d is outside the pictures, which are %dx%d px", zones->file,
								 polygon->line, corners[k][0], corners[k][1], image->width_px, image->height_px);
			top = corners[k][1] < top ? corners[k][1] : top;
			bottom = corners[k][1] > bottom ? corners[k][1] : bottom;
		}
		for (int y = top; rc == 0 && y < bottom; y++)
			fill_row(image, corners, polygon->count, y, (uint8_t)zones->list[polygon->zone].number, crossings);
	}
	assay__free(zones->allocator, crossings);
	return rc;
}

static int copy_painted(const struct assay_zones *zones, struct assay_image *image, struct assay_error *error)
{
	const struct assay_image *from = &zones->painted;
	if (!from->pixels)
		return 0;
	if (from->width_px != image->width_px || from->height_px != image->height_px)
		return assay__fail(error, ASSAY_E_MISMATCH, -1, "%s: the painted zones are %dx%d px, the pictures %dx%d",
						   zones->file ? zones->file : "zones", from->width_px, from->height_px, image->width_px,
						   image->height_px);
	for (int y = 0; y < image->height_px; y++)
		memcpy(image->pixels + (size_t)y * image->stride_bytes, from->pixels + (size_t)y * from->stride_bytes,
			   (size_t)image->width_px);
	return 0;
}

int assay__zones_paint(const struct assay_zones *zones, int width_px, int height_px,
					   const struct assay_allocator *allocator, struct assay_zones **out, struct assay_error *error)
{
	struct assay_zones *painted = assay__zones_new(allocator);
	if (!painted)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the zones");
	painted->count = zones->count;
	memcpy(painted->list, zones->list, sizeof(painted->list));
	int rc = assay_image_create(width_px, height_px, 1, 8, allocator, &painted->painted, error);
	if (rc == 0)
		rc = copy_painted(zones, &painted->painted, error);
	if (rc == 0 && zones->polygon_count)
		rc = paint_polygons(zones, &painted->painted, error);
	if (rc) {
		assay_zones_free(painted);
		return rc;
	}
	*out = painted;
	return 0;
}

void assay__zones_cells(const struct assay_zones *zones, const struct assay__geometry *g, uint8_t *zone)
{
	uint8_t index_of[ASSAY__ZONE_NUMBER_MOST + 1] = {0};
	for (int i = 0; i < zones->count; i++)
		index_of[zones->list[i].number] = (uint8_t)i;
	for (int cy = 0; cy < g->grid_height; cy++)
		for (int cx = 0; cx < g->grid_width; cx++) {
			int counts[ASSAY__ZONES_MOST] = {0}, best = 0;
			int x0 = g->area.x + (int)((int64_t)cx * g->area.width / g->grid_width);
			int x1 = g->area.x + (int)((int64_t)(cx + 1) * g->area.width / g->grid_width);
			int y0 = g->area.y + (int)((int64_t)cy * g->area.height / g->grid_height);
			int y1 = g->area.y + (int)((int64_t)(cy + 1) * g->area.height / g->grid_height);
			/* a picture smaller than its grid has cells without a pixel of their own */
			for (int y = y0; y < (y1 > y0 ? y1 : y0 + 1); y++)
				for (int x = x0; x < (x1 > x0 ? x1 : x0 + 1); x++)
					counts[index_of[zones->painted.pixels[(size_t)y * zones->painted.stride_bytes + (size_t)x]]]++;
			for (int i = 1; i < zones->count; i++)
				if (counts[i] > counts[best])
					best = i;
			zone[cy * g->grid_width + cx] = (uint8_t)best;
		}
}
