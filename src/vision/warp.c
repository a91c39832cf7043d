/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/warp.h"

#include <math.h>
#include <stdbool.h>

#include "base/err.h"

#define ONE ((int64_t)1 << 32)
#define PLACE_SHIFT 24 /* from 1 / 2^32 of a pixel to 1 / 256 */
#define PLACE_HALF ((int64_t)1 << (PLACE_SHIFT - 1))
#define INLINE static inline __attribute__((always_inline))

int assay__warp_plan(const double matrix[6], struct assay__warp *out, struct assay_error *error)
{
	int64_t fixed[6];
	for (int i = 0; i < 6; i++) {
		double limit = i % 3 == 2 ? ASSAY__WARP_MAX_SHIFT_PX : ASSAY__WARP_MAX_STEP;
		if (!(fabs(matrix[i]) <= limit))
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "element %d of the affine matrix is %g; it may be %g at most", i, matrix[i], limit);
		fixed[i] = (int64_t)floor(matrix[i] * (double)ONE + 0.5);
	}
	*out = (struct assay__warp){{{fixed[0], fixed[1]}, {fixed[3], fixed[4]}}, {fixed[2], fixed[5]}};
	return 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return q * b > a ? q - 1 : q;
}

/* Narrows first .. end - 1 to those i with 0 <= start + i * step < limit. */
static void narrow(int64_t *first, int64_t *end, int64_t start, int64_t step, int64_t limit)
{
	int64_t lo = 0, hi = INT64_MAX;
	if (step == 0) {
		hi = start >= 0 && start < limit ? hi : 0;
	} else if (step > 0) {
		lo = -floor_div(start, step);
		hi = floor_div(limit - 1 - start, step) + 1;
	} else {
		lo = -floor_div(limit - 1 - start, -step);
		hi = floor_div(start, -step) + 1;
	}
	*first = lo > *first ? lo : *first;
	*end = hi < *end ? hi : *end;
}

INLINE uint8_t blend(int p00, int p01, int p10, int p11, int fx, int fy)
{
	int top = p00 * (256 - fx) + p01 * fx, bottom = p10 * (256 - fx) + p11 * fx;
	return (uint8_t)((top * (256 - fy) + bottom * fy + (1 << 15)) >> 16);
}

/* A row of the target: where it starts in the source, half of 1 / 256 pixel added. */
struct row {
	const struct assay_image *from;
	int64_t x, y, step_x, step_y;
};

INLINE void inside(const struct row *row, uint8_t *restrict to, int64_t first, int64_t end, int channels)
{
	const uint8_t *const pixels = row->from->pixels;
	const size_t stride = row->from->stride_bytes;
	for (int64_t i = first; i < end; i++) {
		int64_t x = (row->x + i * row->step_x) >> PLACE_SHIFT, y = (row->y + i * row->step_y) >> PLACE_SHIFT;
		const uint8_t *p = pixels + (size_t)(y >> 8) * stride + (size_t)(x >> 8) * (size_t)channels;
		for (int c = 0; c < channels; c++)
			to[i * channels + c] = blend(p[c], p[channels + c], p[stride + (size_t)c],
										 p[stride + (size_t)channels + (size_t)c], (int)(x & 255), (int)(y & 255));
	}
}

static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
	return v < least ? least : v > most ? most : v;
}

/* Where a neighbour lies beyond the source. */
static void beside(const struct row *row, uint8_t *to, int64_t first, int64_t end, enum assay__warp_edge edge,
				   uint8_t fill)
{
	const struct assay_image *from = row->from;
	const int channels = from->channels;
	for (int64_t i = first; i < end; i++) {
		int64_t x = (row->x + i * row->step_x) >> PLACE_SHIFT, y = (row->y + i * row->step_y) >> PLACE_SHIFT;
		for (int c = 0; c < channels; c++) {
			int p[4];
			for (int k = 0; k < 4; k++) {
				int64_t px = (x >> 8) + k % 2, py = (y >> 8) + k / 2;
				int64_t cx = clamp(px, 0, from->width_px - 1), cy = clamp(py, 0, from->height_px - 1);
				bool out = px != cx || py != cy;
				p[k] = out && edge == ASSAY__WARP_FILL
						   ? fill
						   : from->pixels[(size_t)cy * from->stride_bytes + (size_t)(cx * channels + c)];
			}
			to[i * channels + c] = blend(p[0], p[1], p[2], p[3], (int)(x & 255), (int)(y & 255));
		}
	}
}

static bool usable(const struct assay_image *image)
{
	return image->pixels && image->width_px >= 1 && image->height_px >= 1 &&
		   image->width_px <= ASSAY_IMAGE_MAX_SIDE_PX && image->height_px <= ASSAY_IMAGE_MAX_SIDE_PX &&
		   image->depth_bits == 8 && (image->channels == 1 || image->channels == 3 || image->channels == 4) &&
		   image->stride_bytes >= (size_t)image->width_px * (size_t)image->channels;
}

int assay__warp_affine(const struct assay__warp *warp, const struct assay_image *from, enum assay__warp_edge edge,
					   uint8_t fill, struct assay_image *to, struct assay_error *error)
{
	if (!usable(from) || !usable(to) || from->channels != to->channels || from->pixels == to->pixels)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a warp needs two 8-bit pictures of equally many channels, 1, 3 or 4");
	for (int y = 0; y < to->height_px; y++) {
		const struct row row = {.from = from,
								.x = warp->shift[0] + y * warp->step[0][1] + PLACE_HALF,
								.y = warp->shift[1] + y * warp->step[1][1] + PLACE_HALF,
								.step_x = warp->step[0][0],
								.step_y = warp->step[1][0]};
		uint8_t *line = to->pixels + (size_t)y * to->stride_bytes;
		int64_t first = 0, end = to->width_px;
		narrow(&first, &end, row.x, row.step_x, (from->width_px - 1) * ONE);
		narrow(&first, &end, row.y, row.step_y, (from->height_px - 1) * ONE);
		if (first >= end)
			first = end = to->width_px;
		beside(&row, line, 0, first, edge, fill);
		if (to->channels == 1)
			inside(&row, line, first, end, 1);
		else if (to->channels == 3)
			inside(&row, line, first, end, 3);
		else
			inside(&row, line, first, end, 4);
		beside(&row, line, end, to->width_px, edge, fill);
	}
	return 0;
}
