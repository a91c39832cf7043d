/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/vital.h"

#include <string.h>

#include "vision/prep.h"

#define WHITE_Q8 65280u
#define FAR 4

/* Half the picture each way: 2 x 2 means of luma. */
struct halved {
	uint16_t *luma;
	int width, height;
	int64_t clipped;
};

size_t assay__vital_scratch_bytes(const struct assay_rect_px *area)
{
	return (size_t)(area->width / 2) * (size_t)(area->height / 2) * sizeof(uint16_t);
}

static uint32_t luma8(const uint8_t *p, int channels, int64_t *clipped)
{
	if (channels == 1) {
		*clipped += *p == 255;
		return (uint32_t)*p << 8;
	}
	*clipped += (p[0] == 255) | (p[1] == 255) | (p[2] == 255);
	return 77u * p[0] + 150u * p[1] + 29u * p[2];
}

static uint32_t level16(uint32_t sample, uint32_t white)
{
	return sample >= white ? WHITE_Q8 : sample * WHITE_Q8 / white;
}

static uint32_t luma16(const uint8_t *bytes, int channels, uint32_t white, int64_t *clipped)
{
	uint16_t p[3];

	memcpy(p, bytes, sizeof(p[0]) * (size_t)channels);
	if (channels == 1) {
		*clipped += p[0] >= white;
		return level16(p[0], white);
	}
	*clipped += (p[0] >= white) | (p[1] >= white) | (p[2] >= white);
	return (77u * level16(p[0], white) + 150u * level16(p[1], white) + 29u * level16(p[2], white)) >> 8;
}

/* The case of nearly every camera, in a form that compilers make vectors of. */
static void halve_grey8(const uint8_t *above, const uint8_t *below, int width, uint16_t *out, int64_t *clipped)
{
	int32_t white = 0;

	for (int x = 0; x < width; x++) {
		uint8_t a = above[2 * x], b = above[2 * x + 1], c = below[2 * x], d = below[2 * x + 1];

		white += (a == 255) + (b == 255) + (c == 255) + (d == 255);
		out[x] = (uint16_t)((a + b + c + d) << 6);
	}
	*clipped += white;
}

static void halve(const struct assay_image *image, const struct assay_rect_px *area, int white, struct halved *out)
{
	int channels = image->channels, wide = image->depth_bits == 16;
	size_t step = (size_t)channels * (wide ? 2 : 1);
	uint32_t top = white > 0 ? (uint32_t)white : 65535u;

	out->width = area->width / 2;
	out->height = area->height / 2;
	out->clipped = 0;
	for (int y = 0; y < out->height; y++) {
		const uint8_t *above = image->pixels + (size_t)(area->y + 2 * y) * image->stride_bytes + (size_t)area->x * step;
		const uint8_t *below = above + image->stride_bytes;
		uint16_t *row = out->luma + (size_t)y * (size_t)out->width;

		if (!wide && channels == 1) {
			halve_grey8(above, below, out->width, row, &out->clipped);
			continue;
		}
		for (int x = 0; x < out->width; x++) {
			uint32_t sum = 0;

			for (size_t i = 0; i < 2; i++) {
				const uint8_t *a = above + (2 * (size_t)x + i) * step, *b = below + (2 * (size_t)x + i) * step;

				sum += wide ? luma16(a, channels, top, &out->clipped) : luma8(a, channels, &out->clipped);
				sum += wide ? luma16(b, channels, top, &out->clipped) : luma8(b, channels, &out->clipped);
			}
			row[x] = (uint16_t)(sum >> 2);
		}
	}
}

/* Sum of squared differences between places of two rows, in q4 so that a square fits. */
static uint64_t energy(const uint16_t *a, const uint16_t *b, int count)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++) {
		int32_t d = ((int32_t)a[i] - (int32_t)b[i]) >> 4;

		sum += (uint32_t)(d * d);
	}
	return sum;
}

static uint32_t sharpness_q16(const struct halved *half)
{
	uint64_t near = 0, far = 0;

	for (int y = FAR; y < half->height; y++) {
		const uint16_t *row = half->luma + (size_t)y * (size_t)half->width;

		near += energy(row + FAR, row + FAR - 1, half->width - FAR) +
				energy(row + FAR, row + FAR - half->width, half->width - FAR);
		far += energy(row + FAR, row, half->width - FAR) +
			   energy(row + FAR, row + FAR - FAR * half->width, half->width - FAR);
	}
	/* 16 bits more than a sum has may not fit; what is lost at the end does not matter. */
	while (near >> 47)
		near >>= 1, far >>= 1;
	return far ? (uint32_t)((near << 16) / far > UINT32_MAX ? UINT32_MAX : (near << 16) / far) : 0;
}

static uint64_t row_sum(const uint16_t *row, int from, int to)
{
	uint64_t sum = 0;

	for (int x = from; x < to; x++)
		sum += row[x];
	return sum;
}

static void means(const struct halved *half, struct assay__vital *out)
{
	uint64_t column[ASSAY__VITAL_BINS] = {0}, strip = 0, quadrant[4] = {0}, centre = 0, all = 0;
	int width = half->width, height = half->height, middle_x = width / 2, middle_y = height / 2;
	int left = width / 4, right = width - left, top = height / 4, bottom = height - top;
	int strip_rows = 0, bin = 0;

	out->columns = width < ASSAY__VITAL_BINS ? width : ASSAY__VITAL_BINS;
	out->rows = height < ASSAY__VITAL_BINS ? height : ASSAY__VITAL_BINS;
	for (int y = 0; y < height; y++) {
		const uint16_t *row = half->luma + (size_t)y * (size_t)width;
		uint64_t before = row_sum(row, 0, middle_x), after = row_sum(row, middle_x, width);

		quadrant[y < middle_y ? 0 : 2] += before;
		quadrant[y < middle_y ? 1 : 3] += after;
		if (y >= top && y < bottom)
			centre += row_sum(row, left, right);
		for (int i = 0; i < out->columns; i++)
			column[i] += row_sum(row, i * width / out->columns, (i + 1) * width / out->columns);
		all += before + after;
		strip += before + after;
		strip_rows++;
		if (y + 1 == (bin + 1) * height / out->rows) {
			out->row_q8[bin++] = (uint16_t)(strip / ((uint64_t)strip_rows * (uint64_t)width));
			strip = 0;
			strip_rows = 0;
		}
	}
	for (int i = 0; i < out->columns; i++) {
		int across = (i + 1) * width / out->columns - i * width / out->columns;

		out->column_q8[i] = (uint16_t)(column[i] / ((uint64_t)across * (uint64_t)height));
	}
	out->mean_q8 = (uint32_t)(all / ((uint64_t)width * (uint64_t)height));
	out->centre_q8 = (uint32_t)(centre / ((uint64_t)(right - left) * (uint64_t)(bottom - top)));
	for (int i = 0; i < 4; i++) {
		int across = i & 1 ? width - middle_x : middle_x, down = i & 2 ? height - middle_y : middle_y;

		out->quadrant_q8[i] = (uint32_t)(quadrant[i] / ((uint64_t)across * (uint64_t)down));
	}
}

bool assay__vital_measure(const struct assay_image *image, const struct assay_rect_px *area, int white, void *scratch,
						  struct assay__vital *out)
{
	struct halved half = {.luma = scratch};

	if (!assay__image_sane(image) || area->x < 0 || area->y < 0 || area->width < ASSAY__VITAL_LEAST_PX ||
		area->height < ASSAY__VITAL_LEAST_PX || area->width > image->width_px - area->x ||
		area->height > image->height_px - area->y)
		return false;
	halve(image, area, white, &half);
	memset(out, 0, sizeof(*out));
	means(&half, out);
	out->clipped_ppm =
		(uint32_t)((uint64_t)half.clipped * 1000000u / (4 * (uint64_t)half.width * (uint64_t)half.height));
	out->sharp_q16 = sharpness_q16(&half);
	return true;
}

/* The squared correlation coefficient of two rows of slopes, with its sign: as good for finding the largest, and without a root. */
static double likeness(const int32_t *then, const int32_t *now, int count, int shift)
{
	int from = shift > 0 ? shift : 0, to = shift > 0 ? count : count + shift;
	double ab = 0, aa = 0, bb = 0;

	for (int i = from; i < to; i++) {
		double u = then[i - shift], v = now[i];

		ab += u * v;
		aa += u * u;
		bb += v * v;
	}
	return aa > 0 && bb > 0 ? (ab < 0 ? -ab : ab) * ab / (aa * bb) : 0;
}

double assay__vital_shift(const uint16_t *then, const uint16_t *now, int bins)
{
	int32_t a[ASSAY__VITAL_BINS], b[ASSAY__VITAL_BINS];
	int count = bins - 1, most = bins / 4, best = 0;
	double top, before, after, bend;

	for (int i = 0; i < count; i++) {
		a[i] = (int32_t)then[i + 1] - then[i];
		b[i] = (int32_t)now[i + 1] - now[i];
	}
	top = likeness(a, b, count, 0);
	for (int shift = -most; shift <= most; shift++) {
		double value = likeness(a, b, count, shift);

		if (value > top) {
			top = value;
			best = shift;
		}
	}
	if (top <= 0)
		return 0;
	before = likeness(a, b, count, best - 1);
	after = likeness(a, b, count, best + 1);
	bend = before - 2 * top + after;
	if (bend >= 0 || best == most || best == -most)
		return best;
	return best + (before - after) / (2 * bend);
}
