/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "vision/light.h"

#define WIDTH 16
#define HEIGHT 16

static struct assay__plane plane_of(uint8_t *pixels)
{
	return (struct assay__plane){
		.pixels = pixels, .row_bytes = (size_t)WIDTH * 4, .width_px = WIDTH, .height_px = HEIGHT};
}

static void fill(uint8_t *pixels, uint8_t red, uint8_t green, uint8_t blue)
{
	for (int i = 0; i < WIDTH * HEIGHT; i++)
		memcpy(pixels + 4 * i, (uint8_t[4]){red, green, blue, 0}, 4);
}

static void means_by_hand(void **state)
{
	uint8_t pixels[WIDTH * HEIGHT * 4];
	struct assay__plane plane = plane_of(pixels);
	(void)state;
	fill(pixels, 255, 255, 255);
	assert_int_equal(assay__light_mean_q8(&plane), 255 * 256);
	assert_int_equal(assay__light_pixels(&plane), 256);
	fill(pixels, 200, 100, 50);
	assert_int_equal(assay__light_mean_q8(&plane), 77 * 200 + 150 * 100 + 29 * 50);
	fill(pixels, 0, 0, 0);
	assert_int_equal(assay__light_mean_q8(&plane), 0);
	pixels[4 * 37] = 2; /* 154 / 256 rounds up */
	assert_int_equal(assay__light_mean_q8(&plane), 1);
	pixels[4 * 37] = 1; /* 77 / 256 down */
	assert_int_equal(assay__light_mean_q8(&plane), 0);
}

static void only_cells_that_count(void **state)
{
	static const int32_t cells[2] = {1, 2}; /* top right, bottom left */
	uint8_t pixels[WIDTH * HEIGHT * 4];
	struct assay__plane plane = plane_of(pixels);
	(void)state;
	fill(pixels, 9, 9, 9);
	for (int y = 0; y < 8; y++)
		for (int x = 8; x < 16; x++)
			memset(pixels + 4 * (y * WIDTH + x), 250, 3);
	plane.cells = cells;
	plane.live = 2;
	assert_int_equal(assay__light_pixels(&plane), 128);
	assert_int_equal(assay__light_mean_q8(&plane), (250 + 9) * 128);
	assert_int_equal(assay__light_clipped(&plane, 4915), 64);
	plane.live = 0;
	assert_int_equal(assay__light_mean_q8(&plane), 0);
	assert_int_equal(assay__light_clipped(&plane, 4915), 0);
}

static void gains_by_hand(void **state)
{
	static const struct {
		uint32_t reference, mean;
		int gain;
	} cases[] = {
		{1000, 1000, 4096}, {1200, 1000, 4915}, {800, 1000, 3277}, {1000, 3000, 2048}, {3000, 1000, 8192},
		{0, 1000, 4096},	{1000, 0, 4096},	{65280, 1, 8192},  {1, 65280, 2048},   {30000, 30001, 4096},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(assay__light_gain_q12(cases[i].reference, cases[i].mean), cases[i].gain);
}

static void scaling_by_its_formula(void **state)
{
	static const int gains[] = {2048, 3277, 4095, 4096, 4097, 4915, 8192};
	uint8_t pixels[WIDTH * HEIGHT * 4];
	struct assay__plane plane = plane_of(pixels);
	(void)state;
	for (size_t g = 0; g < sizeof(gains) / sizeof(gains[0]); g++) {
		int over = 0;
		for (int i = 0; i < 256; i++)
			memcpy(pixels + 4 * i, (uint8_t[4]){(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i / 2), 0}, 4);
		for (int i = 0; i < 256; i++)
			over += (i * gains[g] + 2048) >> 12 > 255 || ((255 - i) * gains[g] + 2048) >> 12 > 255;
		assert_int_equal(assay__light_clipped(&plane, gains[g]), over);
		assay__light_scale(&plane, gains[g]);
		for (int i = 0; i < 256; i++) {
			const int from[4] = {i, 255 - i, i / 2, 0};
			for (int c = 0; c < 4; c++) {
				int want = (from[c] * gains[g] + 2048) >> 12;
				assert_int_equal(pixels[4 * i + c], want > 255 ? 255 : want);
			}
		}
	}
	/* 20 % more light: 212 becomes 254, 213 would become 256 */
	fill(pixels, 212, 212, 212);
	assert_int_equal(assay__light_clipped(&plane, 4915), 0);
	pixels[4 * 3 + 2] = 213;
	assert_int_equal(assay__light_clipped(&plane, 4915), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(means_by_hand),
		cmocka_unit_test(only_cells_that_count),
		cmocka_unit_test(gains_by_hand),
		cmocka_unit_test(scaling_by_its_formula),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
