/* SPDX-License-Identifier: Apache-2.0 */
/* A plate with rings, bars and discs, as it lies in a fixture: a little shifted, turned and grown. */
#ifndef ASSAY_TESTS_UNIT_FIXTURE_UTIL_H
#define ASSAY_TESTS_UNIT_FIXTURE_UTIL_H

#include <math.h>

#include "vision_util.h"

#define PLATE_PX 128
#define PLATE_COMPONENTS 8

/* What is wrong with a plate: nothing, or component `which` is missing, or one of another kind is in its place. */
enum plate_fault { PLATE_GOOD, PLATE_MISSING, PLATE_SWAPPED };

/* How loosely plates lie. */
struct plate_play {
	double shift_px, turn, grow;
};
static const struct plate_play plate_fixed = {3, 0.052, 0.02}, plate_loose = {8, 3.1, 0.02};

static inline double plate_dice(uint64_t *seed, double most)
{
	return most * net_random_range(seed, -10000, 10000) / 10000.0;
}

/* Grey of a component of this kind at a place from its middle, below 0: it is not there. */
static inline double plate_component(int kind, double x, double y)
{
	double r = sqrt(x * x + y * y);
	if (kind == 0)
		return r < 6.5 && r > 3.5 && !(x > 0 && fabs(y) < 2.5) ? 205 : -1;
	if (kind == 1)
		return fabs(x) < 7 && fabs(y) < 3.5 ? fabs(fmod(x + 20, 4) - 2) < 0.9 ? 40 : 180 : -1;
	return r < 6 ? fabs(x - y) < 1.8 ? 60 : 150 : -1;
}

static inline double plate_at(double x, double y, enum plate_fault fault, int which)
{
	static const int places[PLATE_COMPONENTS][3] = {{-36, -34, 0}, {4, -36, 1},	 {38, -30, 0}, {-30, 4, 2},
													{30, 8, 0},	   {-36, 38, 1}, {2, 30, 2},   {38, 38, 1}};
	if (fabs(x) > 54 || fabs(y) > 54)
		return 25;
	for (int i = 0; i < PLATE_COMPONENTS; i++) {
		int kind = places[i][2];
		if (i == which && fault == PLATE_MISSING)
			continue;
		if (i == which && fault == PLATE_SWAPPED)
			kind = (kind + 1) % 3;
		double v = plate_component(kind, x - places[i][0], y - places[i][1]);
		if (v >= 0)
			return v;
	}
	return 98;
}

/* A plate as the camera sees it; everything but the fault follows from the seed. */
static inline struct assay_image make_plate(const struct plate_play *play, enum plate_fault fault, int which,
											uint64_t seed)
{
	struct assay_image image;
	assert_int_equal(assay_image_create(PLATE_PX, PLATE_PX, 1, 8, NULL, &image, NULL), 0);
	uint64_t state = seed * 1237 + 11;
	double turn = plate_dice(&state, play->turn), grow = 1 + plate_dice(&state, play->grow);
	double c = cos(turn) / grow, s = sin(turn) / grow;
	double tx = plate_dice(&state, play->shift_px), ty = plate_dice(&state, play->shift_px);
	double light = 1 + plate_dice(&state, 0.05);
	for (int y = 0; y < PLATE_PX; y++)
		for (int x = 0; x < PLATE_PX; x++) {
			double sum = 0;
			for (int k = 0; k < 9; k++) {
				double px = x - (PLATE_PX - 1) / 2.0 + (k % 3 - 1) / 3.0 - tx;
				double py = y - (PLATE_PX - 1) / 2.0 + (k / 3 - 1) / 3.0 - ty;
				sum += plate_at(c * px + s * py, c * py - s * px, fault, which);
			}
			double v = sum / 9 * light + net_random_range(&state, -18, 18);
			image.pixels[(size_t)y * image.stride_bytes + (size_t)x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
	return image;
}

static inline void shelf_fill_plates(struct shelf *shelf, const struct plate_play *play, int count)
{
	memset(shelf, 0, sizeof(*shelf));
	for (int i = 0; i < count; i++)
		shelf_put(shelf, make_plate(play, PLATE_GOOD, -1, (uint64_t)i + 1));
}

#endif
