/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <math.h>

#include "vision/features.h"

#define TAPS_MOST 4

struct tap_case {
	int count, strides[TAPS_MOST], channels[TAPS_MOST];
};

struct world {
	struct assay__net_info info;
	struct assay__map maps[TAPS_MOST];
	uint8_t *data[TAPS_MOST];
	uint16_t *gains[TAPS_MOST];
};

static void world_open(struct world *w, const struct tap_case *taps, int gw, int gh, int gain, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->info.tap_count = taps->count;
	for (int i = 0; i < taps->count; i++) {
		int stride = taps->strides[i], channels = taps->channels[i];
		size_t pixel = (size_t)channels + 3, width = (size_t)(gw * 8 / stride), row = width * pixel + 5;
		struct assay__map *map = &w->maps[i];
		*map = (struct assay__map){.width = (int)width,
								   .height = gh * 8 / stride,
								   .channels = channels,
								   .zero_point = net_random_range(&seed, 0, 255),
								   .pixel_bytes = pixel,
								   .row_bytes = row};
		w->data[i] = malloc(row * (size_t)map->height);
		for (size_t p = 0; p < row * (size_t)map->height; p++)
			w->data[i][p] = (uint8_t)net_random(&seed);
		map->data = w->data[i];
		w->gains[i] = calloc((size_t)channels, 2);
		for (int c = 0; c < channels; c++)
			w->gains[i][c] = (uint16_t)(gain >= 0 ? gain : net_random_range(&seed, 0, 700));
		w->info.taps[i].channels = channels;
		w->info.taps[i].stride = stride;
		w->info.taps[i].zero_point = map->zero_point;
		w->info.taps[i].gain = w->gains[i];
	}
}

static void world_close(struct world *w)
{
	for (int i = 0; i < w->info.tap_count; i++) {
		free(w->data[i]);
		free(w->gains[i]);
	}
}

static int value_at(const struct assay__map *map, int x, int y, int c)
{
	x = x < 0 ? 0 : x >= map->width ? map->width - 1 : x;
	y = y < 0 ? 0 : y >= map->height ? map->height - 1 : y;
	return map->data[(size_t)y * map->row_bytes + (size_t)x * map->pixel_bytes + (size_t)c] - map->zero_point;
}

/* 16 times the value of a tap at a cell of the grid, by the definition in features.h. */
static int cell_value(const struct assay__map *map, int stride, int x, int y, int c)
{
	int sum = 0;
	if (stride == 8)
		return 16 * value_at(map, x, y, c);
	if (stride == 4) {
		for (int i = 0; i < 4; i++)
			sum += value_at(map, 2 * x + i % 2, 2 * y + i / 2, c);
		return 4 * sum;
	}
	int fx = x % 2 ? x / 2 + 1 : x / 2 - 1, fy = y % 2 ? y / 2 + 1 : y / 2 - 1;
	return 9 * value_at(map, x / 2, y / 2, c) + 3 * value_at(map, fx, y / 2, c) + 3 * value_at(map, x / 2, fy, c) +
		   value_at(map, fx, fy, c);
}

static int wanted(const struct world *w, int tap, int gw, int gh, int x, int y, int c)
{
	int64_t sum = 0;
	for (int dy = -1; dy <= 1; dy++)
		for (int dx = -1; dx <= 1; dx++) {
			int cx = x + dx, cy = y + dy;
			if (cx >= 0 && cx < gw && cy >= 0 && cy < gh)
				sum += cell_value(&w->maps[tap], w->info.taps[tap].stride, cx, cy, c);
		}
	double value = floor((double)(sum * w->gains[tap][c] + 18432) / 36864.0);
	return value > 127 ? 127 : value < -127 ? -127 : (int)value;
}

static void compare(const struct tap_case *taps, int gw, int gh, int gain, uint64_t seed)
{
	struct world w;
	struct assay__features *features;
	struct failing failing;
	failing_open(&failing, 0);
	world_open(&w, taps, gw, gh, gain, seed);
	int dim = assay__features_dim(&w.info);
	assert_int_equal(assay__features_open(&w.info, gw, gh, &failing.allocator, &features, NULL), 0);
	int requests = failing.requests;
	int8_t *vectors = malloc((size_t)(gw * gh) * (size_t)dim);
	for (int again = 0; again < 2; again++) {
		memset(vectors, 0x55, (size_t)(gw * gh) * (size_t)dim);
		assay__features_run(features, w.maps, vectors);
		const int8_t *at = vectors;
		for (int y = 0; y < gh; y++)
			for (int x = 0; x < gw; x++)
				for (int t = 0; t < taps->count; t++)
					for (int c = 0; c < taps->channels[t]; c++, at++)
						if (*at != wanted(&w, t, gw, gh, x, y, c))
							fail_msg("%dx%d tap %d at %d,%d channel %d: %d, wanted %d", gw, gh, t, x, y, c, *at,
									 wanted(&w, t, gw, gh, x, y, c));
	}
	assert_int_equal(failing.requests, requests);
	free(vectors);
	assay__features_close(features);
	assert_int_equal(failing.alive, 0);
	world_close(&w);
}

static void follows_the_definition(void **state)
{
	static const struct tap_case cases[] = {
		{3, {4, 8, 16}, {24, 32, 96}},
		{3, {4, 8, 16}, {1, 3, 5}},
		{1, {16}, {7}},
		{1, {4}, {9}},
		{1, {8}, {33}},
		{2, {4, 16}, {5, 6}},
		{2, {8, 16}, {16, 1}},
		{4, {4, 4, 8, 16}, {2, 3, 4, 5}},
	};
	static const int grids[][2] = {{2, 2}, {8, 10}, {16, 4}, {2, 14}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t g = 0; g < sizeof(grids) / sizeof(grids[0]); g++)
			compare(&cases[i], grids[g][0], grids[g][1], -1, i * 10 + g);
}

static void all_gains(void **state)
{
	static const int gains[] = {0, 1, 2, 255, 256, 257, 1000, 30000, 65535};
	static const struct tap_case taps = {3, {4, 8, 16}, {3, 4, 5}};
	(void)state;
	for (size_t i = 0; i < sizeof(gains) / sizeof(gains[0]); i++)
		compare(&taps, 6, 4, gains[i], i);
}

static void refuses_other_taps(void **state)
{
	static const struct tap_case cases[] = {{1, {2}, {8}}, {2, {8, 32}, {8, 8}}, {1, {8}, {1025}}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay__net_info info = {.tap_count = cases[i].count};
		struct assay__features *features = NULL;
		for (int t = 0; t < cases[i].count; t++) {
			info.taps[t].stride = cases[i].strides[t];
			info.taps[t].channels = cases[i].channels[t];
		}
		assert_int_equal(assay__features_open(&info, 8, 8, NULL, &features, NULL), ASSAY_E_UNSUPPORTED);
		assert_null(features);
	}
}

static void failing_allocations(void **state)
{
	static const struct tap_case taps = {2, {4, 8}, {3, 4}};
	struct world w;
	(void)state;
	world_open(&w, &taps, 8, 8, 256, 1);
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay__features *features = NULL;
		failing_open(&failing, k);
		int rc = assay__features_open(&w.info, 8, 8, &failing.allocator, &features, NULL);
		if (rc == 0) {
			assert_true(k > 4);
			assay__features_close(features);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_null(features);
		assert_int_equal(failing.alive, 0);
	}
	assay__features_close(NULL);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(follows_the_definition), cmocka_unit_test(all_gains),
									   cmocka_unit_test(refuses_other_taps), cmocka_unit_test(failing_allocations)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
