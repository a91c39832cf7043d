/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/features.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank.h"

/* The smoothing kernel, one axis of it. Everything below follows from these two lines. */
#define RADIUS 1
static const int kernel[2 * RADIUS + 1] = {1, 1, 1};
#define KERNEL_SUM 3

#define WINDOW (2 * RADIUS + 1)
#define UNIT_SHIFT 12 /* 16 of the grid values times 256 of the gain */
#define ONE ((KERNEL_SUM * KERNEL_SUM) << UNIT_SHIFT)
#define OFFSET 130 /* keeps the quotient positive, so that division is floor */

struct assay__features {
	const struct assay_allocator *allocator;
	struct assay__net_info info;
	int grid_width, grid_height, dim;
	int32_t *gain;	/* per channel of the vector */
	int32_t *limit; /* sums beyond this give +-127 anyway and must not overflow */
	int16_t *rows;	/* WINDOW rows of 16 x value, a ring */
	int32_t *down;	/* smoothed over y, RADIUS cells of border on each side */
	int16_t *blend; /* one row of a stride-16 tap, blended over y */
	size_t bytes;
};

int assay__features_dim(const struct assay__net_info *info)
{
	int dim = 0;
	for (int i = 0; i < info->tap_count; i++) {
		int stride = info->taps[i].stride;
		if (stride != 4 && stride != 8 && stride != 16)
			return 0;
		dim += info->taps[i].channels;
	}
	return dim;
}

static void fill_gains(struct assay__features *f)
{
	int at = 0;
	for (int i = 0; i < f->info.tap_count; i++)
		for (int c = 0; c < f->info.taps[i].channels; c++, at++) {
			int32_t gain = f->info.taps[i].gain[c];
			f->gain[at] = gain;
			f->limit[at] = gain ? (OFFSET - 1) * ONE / gain : 0;
		}
}

int assay__features_open(const struct assay__net_info *info, int grid_width, int grid_height,
						 const struct assay_allocator *allocator, struct assay__features **out,
						 struct assay_error *error)
{
	int dim = assay__features_dim(info);
	if (dim < 1 || dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "the network's taps must have strides of 4, 8 or 16 and 1 to %d channels together",
						   ASSAY__BANK_MAX_DIM);
	struct assay__features *f = assay__calloc(allocator, 1, sizeof(*f));
	if (!f)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the feature grid");
	*f = (struct assay__features){
		.allocator = allocator, .info = *info, .grid_width = grid_width, .grid_height = grid_height, .dim = dim};
	size_t row = (size_t)grid_width * (size_t)dim, border = (size_t)(2 * RADIUS) * (size_t)dim;
	f->gain = assay__calloc(allocator, (size_t)dim, sizeof(*f->gain));
	f->limit = assay__calloc(allocator, (size_t)dim, sizeof(*f->limit));
	f->rows = assay__calloc(allocator, WINDOW * row, sizeof(*f->rows));
	f->down = assay__calloc(allocator, row + border, sizeof(*f->down));
	f->blend = assay__calloc(allocator, row, sizeof(*f->blend));
	if (!f->gain || !f->limit || !f->rows || !f->down || !f->blend) {
		assay__features_close(f);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the feature grid");
	}
	f->bytes = sizeof(*f) + (size_t)dim * 8 + WINDOW * row * 2 + (row + border) * 4 + row * 2;
	fill_gains(f);
	*out = f;
	return 0;
}

void assay__features_close(struct assay__features *f)
{
	if (!f)
		return;
	const struct assay_allocator *allocator = f->allocator;
	assay__free(allocator, f->gain);
	assay__free(allocator, f->limit);
	assay__free(allocator, f->rows);
	assay__free(allocator, f->down);
	assay__free(allocator, f->blend);
	assay__free(allocator, f);
}

size_t assay__features_bytes(const struct assay__features *f)
{
	return f->bytes;
}

static const uint8_t *map_at(const struct assay__map *map, int x, int y)
{
	return map->data + (size_t)y * map->row_bytes + (size_t)x * map->pixel_bytes;
}

static void row_of_stride4(const struct assay__map *map, int y, int width, int dim, int16_t *row)
{
	int zero = 16 * map->zero_point, n = map->channels;
	for (int x = 0; x < width; x++, row += dim) {
		const uint8_t *a = map_at(map, 2 * x, 2 * y), *b = map_at(map, 2 * x + 1, 2 * y);
		const uint8_t *c = map_at(map, 2 * x, 2 * y + 1), *d = map_at(map, 2 * x + 1, 2 * y + 1);
		for (int i = 0; i < n; i++)
			row[i] = (int16_t)(4 * (a[i] + b[i] + c[i] + d[i]) - zero);
	}
}

static void row_of_stride8(const struct assay__map *map, int y, int width, int dim, int16_t *row)
{
	int zero = 16 * map->zero_point, n = map->channels;
	for (int x = 0; x < width; x++, row += dim) {
		const uint8_t *a = map_at(map, x, y);
		for (int i = 0; i < n; i++)
			row[i] = (int16_t)(16 * a[i] - zero);
	}
}

/* The neighbour that a cell of the finer grid leans to, replicated at the border. */
static int neighbour(int fine, int count)
{
	int at = fine / 2 + (fine % 2 ? 1 : -1);
	return at < 0 ? 0 : at >= count ? count - 1 : at;
}

static void row_of_stride16(const struct assay__map *map, int y, int width, int dim, int16_t *row, int16_t *blend)
{
	int zero = 16 * map->zero_point, n = map->channels, far_y = neighbour(y, map->height);
	for (int x = 0; x < map->width; x++) {
		const uint8_t *a = map_at(map, x, y / 2), *b = map_at(map, x, far_y);
		int16_t *to = blend + (size_t)x * (size_t)n;
		for (int i = 0; i < n; i++)
			to[i] = (int16_t)(3 * a[i] + b[i]);
	}
	for (int x = 0; x < width; x++, row += dim) {
		const int16_t *a = blend + (size_t)(x / 2) * (size_t)n;
		const int16_t *b = blend + (size_t)neighbour(x, map->width) * (size_t)n;
		for (int i = 0; i < n; i++)
			row[i] = (int16_t)(3 * a[i] + b[i] - zero);
	}
}

static void fill_row(struct assay__features *f, const struct assay__map *maps, int y)
{
	int16_t *row = f->rows + (size_t)(y % WINDOW) * (size_t)f->grid_width * (size_t)f->dim;
	for (int i = 0; i < f->info.tap_count; i++) {
		const struct assay__map *map = &maps[i];
		switch (f->info.taps[i].stride) {
		case 4:
			row_of_stride4(map, y, f->grid_width, f->dim, row);
			break;
		case 8:
			row_of_stride8(map, y, f->grid_width, f->dim, row);
			break;
		default:
			row_of_stride16(map, y, f->grid_width, f->dim, row, f->blend);
		}
		row += map->channels;
	}
}

static void smooth_down(struct assay__features *f, int y)
{
	size_t n = (size_t)f->grid_width * (size_t)f->dim, border = (size_t)RADIUS * (size_t)f->dim;
	int32_t *restrict to = f->down + border;
	for (int k = 0; k < WINDOW; k++) {
		int at = y + k - RADIUS, weight = kernel[k];
		if (at < 0 || at >= f->grid_height) { /* beyond the border all is zero */
			if (k == 0)
				memset(to, 0, n * sizeof(*to));
			continue;
		}
		const int16_t *restrict from = f->rows + (size_t)(at % WINDOW) * n;
		if (k == 0)
			for (size_t i = 0; i < n; i++)
				to[i] = weight * from[i];
		else
			for (size_t i = 0; i < n; i++)
				to[i] += weight * from[i];
	}
}

static void smooth_across(const struct assay__features *f, int8_t *vectors)
{
	int dim = f->dim;
	const int32_t *restrict gain = f->gain, *restrict limit = f->limit;
	for (int x = 0; x < f->grid_width; x++) {
		const int32_t *restrict from = f->down + (size_t)x * (size_t)dim;
		int8_t *restrict to = vectors + (size_t)x * (size_t)dim;
		for (int c = 0; c < dim; c++) {
			int32_t sum = 0;
			for (int k = 0; k < WINDOW; k++)
				sum += kernel[k] * from[c + k * dim];
			sum = sum > limit[c] ? limit[c] : sum;
			sum = sum < -limit[c] ? -limit[c] : sum;
			uint32_t up = (uint32_t)(sum * gain[c] + ONE / 2 + OFFSET * ONE);
			int32_t value = (int32_t)((up >> UNIT_SHIFT) / (KERNEL_SUM * KERNEL_SUM)) - OFFSET;
			value = value > 127 ? 127 : value;
			to[c] = (int8_t)(value < -127 ? -127 : value);
		}
	}
}

void assay__features_run(struct assay__features *f, const struct assay__map maps[ASSAY__MAX_TAPS], int8_t *vectors)
{
	for (int i = 0; i < f->info.tap_count; i++) {
		int stride = f->info.taps[i].stride;
		assert(maps[i].width * stride == f->grid_width * 8 && maps[i].height * stride == f->grid_height * 8);
		assert(maps[i].channels == f->info.taps[i].channels);
	}
	int filled = 0;
	for (int y = 0; y < f->grid_height; y++) {
		while (filled < f->grid_height && filled <= y + RADIUS)
			fill_row(f, maps, filled++);
		smooth_down(f, y);
		smooth_across(f, vectors + (size_t)y * (size_t)f->grid_width * (size_t)f->dim);
	}
}
