/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/scale.h"

#include <assert.h>
#include <math.h>

#include "base/err.h"
#include "vision/labels.h"
#include "vision/prep.h"

#define UNIT_MEAN_Q8 (10 * 256)
#define SIDE_STEP_PX 16 /* the native size is rounded up to a multiple of it */

static int64_t least_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int assay__scales_choose(int working_px, int smallest_defect_px, int width_px, int height_px,
						 int sizes_px[ASSAY__SCALES_MOST])
{
	int count = 0;
	if (working_px) {
		sizes_px[0] = working_px;
		return 1;
	}
	sizes_px[count++] = ASSAY__WORKING_COARSE_PX;
	sizes_px[count++] = ASSAY__WORKING_USUAL_PX;
	if (!smallest_defect_px)
		return count;
	int64_t short_px = width_px < height_px ? width_px : height_px,
			long_px = width_px < height_px ? height_px : width_px;
	int64_t fine = (short_px * ASSAY__DEFECT_COVERS_PX + smallest_defect_px - 1) / smallest_defect_px;
	fine = least_of(fine, (short_px + SIDE_STEP_PX - 1) / SIDE_STEP_PX * SIDE_STEP_PX); /* there is no more to see */
	fine = least_of(fine, ASSAY__WORKING_MOST_PX);
	fine = least_of(fine, ASSAY__WORKING_MAX_PX * short_px / long_px);
	if (4 * fine > 5 * ASSAY__WORKING_USUAL_PX)
		sizes_px[count++] = (int)fine;
	return count;
}

static uint32_t root(uint64_t x)
{
	uint64_t r = (uint64_t)sqrt((double)x);
	r = r > UINT32_MAX ? UINT32_MAX : r;
	while (r * r > x)
		r--;
	while (r < UINT32_MAX && (r + 1) * (r + 1) <= x)
		r++;
	return (uint32_t)r;
}

static uint32_t least_sd(uint32_t mean_q8)
{
	return mean_q8 / 50 + 1;
}

struct assay__unit assay__unit_of(const uint32_t *scores_q8, int n)
{
	assert(n >= 1);
	uint64_t sum = 0, count = (uint64_t)n, whole = 0, rest = 0;
	for (int i = 0; i < n; i++)
		sum += scores_q8[i];
	struct assay__unit unit = {.mean_q8 = (uint32_t)((sum + count / 2) / count)};
	/* quotients and remainders apart, so that no sum of squares can overflow */
	for (int i = 0; i < n; i++) {
		uint64_t off = scores_q8[i] > unit.mean_q8 ? scores_q8[i] - unit.mean_q8 : unit.mean_q8 - scores_q8[i];
		whole += off * off / count;
		rest += off * off % count;
	}
	unit.sd_q8 = root(whole + rest / count);
	if (unit.sd_q8 < least_sd(unit.mean_q8))
		unit.sd_q8 = least_sd(unit.mean_q8);
	return unit;
}

bool assay__unit_sane(const struct assay__unit *unit)
{
	return unit->sd_q8 >= least_sd(unit->mean_q8);
}

uint32_t assay__unit_apply(const struct assay__unit *unit, uint32_t score_q8)
{
	if (score_q8 == 0)
		return 0;
	if (score_q8 <= unit->mean_q8)
		return (uint32_t)((uint64_t)UNIT_MEAN_Q8 * score_q8 / unit->mean_q8);
	uint64_t score = UNIT_MEAN_Q8 + (uint64_t)256 * (score_q8 - unit->mean_q8) / unit->sd_q8;
	return score > UINT32_MAX ? UINT32_MAX : (uint32_t)score;
}

void assay__unit_join(const struct assay__unit *unit, uint32_t *from, int from_width, int from_height, uint32_t *into,
					  int width, int height)
{
	assert(from_width <= width && from_height <= height);
	for (int i = 0; i < from_width * from_height; i++)
		from[i] = assay__unit_apply(unit, from[i]);
	for (int y = 0; y < height; y++) {
		const uint32_t *row = from + (size_t)((2 * y + 1) * from_height / (2 * height)) * (size_t)from_width;
		uint32_t *to = into + (size_t)y * (size_t)width;
		for (int x = 0; x < width; x++) {
			uint32_t score = row[(2 * x + 1) * from_width / (2 * width)];
			to[x] = to[x] > score ? to[x] : score;
		}
	}
}

void assay__placed_free(struct assay__placed *placed, const struct assay_allocator *allocator)
{
	assay__free(allocator, placed->counts);
	assay__free(allocator, placed->vectors);
	*placed = (struct assay__placed){0};
}

void assay__scales_free(struct assay__scales *scales, const struct assay_allocator *allocator)
{
	assay__labels_close(scales->labels);
	for (int i = 0; i < ASSAY__SCALES_MOST; i++) {
		assay__bank_close(scales->at[i].bank);
		assay__free(allocator, scales->at[i].vectors);
		assay__place_close(scales->at[i].place);
		assay__placed_free(&scales->at[i].placed, allocator);
	}
	assay__free(allocator, scales->reference.pixels);
	assay__registration_close(scales->registration);
}
