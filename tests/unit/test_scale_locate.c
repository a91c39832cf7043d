/* SPDX-License-Identifier: Apache-2.0 */
/* The map that shows where a defect is, made from those of the scales. */
#include "vision_util.h"

#include "vision/scale_locate.h"

static struct assay__judge *grid(int width, int height, const uint8_t *cells)
{
	struct assay__judge *judge;
	assert_int_equal(assay__judge_open(width, height, cells, NULL, &judge, NULL), 0);
	return judge;
}

static void one_layer_is_its_map(void **state)
{
	uint32_t map[15], into[15];
	struct assay__judge *judge = grid(5, 3, NULL);
	(void)state;
	for (uint32_t i = 0; i < 15; i++)
		map[i] = UINT32_MAX - i * 7919;
	assay__scales_locate(&(struct assay__layer){map, judge, 5, 3, 2048}, 1, into);
	assert_memory_equal(map, into, sizeof(map));
	assay__judge_close(judge);
}

static void finer_scales_weigh_more(void **state)
{
	uint32_t coarse[4] = {2560, 2560, 2560, 2560}, fine[16], into[16];
	struct assay__judge *wide = grid(2, 2, NULL), *narrow = grid(4, 4, NULL);
	struct assay__layer layers[2] = {{coarse, wide, 2, 2, 160}, {fine, narrow, 4, 4, 320}};
	(void)state;
	for (int i = 0; i < 16; i++)
		fine[i] = 2560;
	fine[5] = 5632;
	assay__scales_locate(layers, 2, into);
	for (int i = 0; i < 16; i++)
		assert_int_equal(into[i], i == 5 ? (2560 + 2 * 5632) / 3 : 2560);
	/* the largest score there is fits in the sums */
	for (int i = 0; i < 16; i++)
		fine[i] = UINT32_MAX;
	for (int i = 0; i < 4; i++)
		coarse[i] = UINT32_MAX;
	layers[0].working_px = layers[1].working_px = 4096;
	assay__scales_locate(layers, 2, into);
	for (int i = 0; i < 16; i++)
		assert_true(into[i] == UINT32_MAX);
	assay__judge_close(wide);
	assay__judge_close(narrow);
}

static void between_the_centres(void **state)
{
	/* a ramp along x stays one between the outer centres, flat beyond them */
	uint32_t coarse[2] = {0, 1024}, fine[8] = {0}, into[8];
	struct assay__judge *wide = grid(2, 1, NULL), *narrow = grid(8, 1, NULL);
	struct assay__layer layers[2] = {{coarse, wide, 2, 1, 100}, {fine, narrow, 8, 1, 100}};
	(void)state;
	assay__scales_locate(layers, 2, into);
	for (int x = 0; x < 8; x++) {
		int want = x < 2 ? 0 : x > 5 ? 512 : (int)(64 + (x - 2) * 128);
		assert_int_equal(into[x], want);
	}
	assay__judge_close(wide);
	assay__judge_close(narrow);
}

static void what_is_left_out_has_no_part(void **state)
{
	static const uint8_t left[4] = {1, 0, 1, 0}, most[16] = {1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0};
	uint32_t coarse[4] = {900, 0, 900, 0}, fine[16], into[16];
	struct assay__judge *wide = grid(2, 2, left), *narrow = grid(4, 4, most);
	struct assay__layer layers[2] = {{coarse, wide, 2, 2, 1}, {fine, narrow, 4, 4, 2}};
	(void)state;
	for (int i = 0; i < 16; i++)
		fine[i] = most[i] ? 300 : 0;
	assay__scales_locate(layers, 2, into);
	/* column 2 leans on a coarse cell that is left out: the other one alone counts */
	for (int i = 0; i < 16; i++)
		assert_int_equal(into[i], i % 4 == 3 ? 0 : 500);
	/* where no coarse cell is inspected nearby, the fine one alone counts */
	static const uint8_t corner[4] = {0, 0, 0, 1};
	struct assay__judge *far = grid(2, 2, corner);
	coarse[0] = coarse[2] = 0;
	coarse[3] = 900;
	layers[0].judge = far;
	assay__scales_locate(layers, 2, into);
	assert_int_equal(into[0], 300);
	assert_int_equal(into[10], 500);
	assay__judge_close(wide);
	assay__judge_close(narrow);
	assay__judge_close(far);
}

static void any_sizes(void **state)
{
	(void)state;
	for (int w = 1; w < 9; w++) {
		int h = 9 - w, fw = 2 * w + w % 3, fh = 3 * h;
		uint32_t coarse[64], fine[1024], into[1024], least = 1000, most = 1000;
		struct assay__judge *wide = grid(w, h, NULL), *narrow = grid(fw, fh, NULL);
		struct assay__layer layers[2] = {{coarse, wide, w, h, 160}, {fine, narrow, fw, fh, 333}};
		for (int i = 0; i < fw * fh; i++)
			fine[i] = 1000;
		for (int i = 0; i < w * h; i++) {
			coarse[i] = 500 + (uint32_t)(i * 977 % 4000);
			least = coarse[i] < least ? coarse[i] : least;
			most = coarse[i] > most ? coarse[i] : most;
		}
		assay__scales_locate(layers, 2, into);
		for (int i = 0; i < fw * fh; i++)
			assert_true(into[i] >= least && into[i] <= most);
		assay__judge_close(wide);
		assay__judge_close(narrow);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_layer_is_its_map),
		cmocka_unit_test(finer_scales_weigh_more),
		cmocka_unit_test(between_the_centres),
		cmocka_unit_test(what_is_left_out_has_no_part),
		cmocka_unit_test(any_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
