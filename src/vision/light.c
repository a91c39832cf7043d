/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/light.h"

#include "vision/prep.h"

#define HALF_Q12 (ASSAY__LIGHT_ONE_Q12 / 2)

/* 77 R + 150 G + 29 B of some pixels of a row; at most 8192 of them. */
static uint64_t luma_of(const uint8_t *pixels, int count, int level)
{
	uint32_t red = 0, green = 0, blue = 0;
	(void)level;
	for (int i = 0; i < count; i++) {
		red += pixels[4 * i];
		green += pixels[4 * i + 1];
		blue += pixels[4 * i + 2];
	}
	return (uint64_t)77 * red + (uint64_t)150 * green + (uint64_t)29 * blue;
}

/* How many of the pixels have a value above level. */
static uint64_t above(const uint8_t *pixels, int count, int level)
{
	uint32_t n = 0;
	for (int i = 0; i < count; i++)
		n += (pixels[4 * i] > level) | (pixels[4 * i + 1] > level) | (pixels[4 * i + 2] > level);
	return n;
}

/* The sum of `of` over all rows of the cells that count. */
static uint64_t sum(const struct assay__plane *plane, uint64_t (*of)(const uint8_t *, int, int), int level)
{
	uint64_t total = 0;
	if (!plane->cells) {
		for (int y = 0; y < plane->height_px; y++)
			total += of(plane->pixels + (size_t)y * plane->row_bytes, plane->width_px, level);
		return total;
	}
	int grid_width = plane->width_px / ASSAY__CELL_PX;
	for (int i = 0; i < plane->live; i++) {
		size_t x = (size_t)(plane->cells[i] % grid_width) * ASSAY__CELL_PX;
		size_t y = (size_t)(plane->cells[i] / grid_width) * ASSAY__CELL_PX;
		for (size_t row = y; row < y + ASSAY__CELL_PX; row++)
			total += of(plane->pixels + row * plane->row_bytes + 4 * x, ASSAY__CELL_PX, level);
	}
	return total;
}

int64_t assay__light_pixels(const struct assay__plane *plane)
{
	if (!plane->cells)
		return (int64_t)plane->width_px * plane->height_px;
	return (int64_t)plane->live * ASSAY__CELL_PX * ASSAY__CELL_PX;
}

uint32_t assay__light_mean_q8(const struct assay__plane *plane)
{
	uint64_t count = (uint64_t)assay__light_pixels(plane);
	return count ? (uint32_t)((sum(plane, luma_of, 0) + count / 2) / count) : 0;
}

int assay__light_gain_q12(uint32_t reference_q8, uint32_t mean_q8)
{
	if (reference_q8 == 0 || mean_q8 == 0)
		return ASSAY__LIGHT_ONE_Q12;
	uint64_t gain = ((uint64_t)reference_q8 * ASSAY__LIGHT_ONE_Q12 + mean_q8 / 2) / mean_q8;
	if (gain < ASSAY__LIGHT_LEAST_Q12)
		return ASSAY__LIGHT_LEAST_Q12;
	return gain > ASSAY__LIGHT_MOST_Q12 ? ASSAY__LIGHT_MOST_Q12 : (int)gain;
}

static void scale_row(uint8_t *restrict values, int count, int32_t gain)
{
	for (int i = 0; i < count; i++) {
		int32_t v = (values[i] * gain + HALF_Q12) >> 12;
		values[i] = (uint8_t)(v > 255 ? 255 : v);
	}
}

void assay__light_scale(const struct assay__plane *plane, int gain_q12)
{
	if (gain_q12 == ASSAY__LIGHT_ONE_Q12)
		return;
	for (int y = 0; y < plane->height_px; y++)
		scale_row(plane->pixels + (size_t)y * plane->row_bytes, 4 * plane->width_px, gain_q12);
}

int64_t assay__light_clipped(const struct assay__plane *plane, int gain_q12)
{
	int level = 255;
	while (level > 0 && (level * gain_q12 + HALF_Q12) >> 12 > 255)
		level--;
	return (int64_t)sum(plane, above, level);
}
