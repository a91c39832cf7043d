/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "vision/heatmap.h"

#define GRID 8

static uint32_t map[GRID * GRID];

/* A result over a whole picture, threshold 1000, all scores `score`. */
static struct assay_result flat_result(const struct assay_image *image, uint32_t score)
{
	struct assay_result r = {
		.verdict = score > 1000 ? ASSAY_FAIL : ASSAY_PASS, .score_q8 = score, .threshold_q8 = 1000};
	for (int i = 0; i < GRID * GRID; i++)
		map[i] = score;
	r.map_q8 = map;
	r.grid_width = r.grid_height = GRID;
	r.map_area = (struct assay_rect_px){0, 0, image->width_px, image->height_px};
	return r;
}

static const uint8_t *at(const struct assay_image *image, int x, int y)
{
	return image->pixels + (size_t)y * image->stride_bytes + (size_t)x * (size_t)image->channels;
}

static struct assay_image must_draw(const struct assay_image *image, const struct assay_result *result)
{
	struct assay_image out;
	assert_int_equal(assay_heatmap(image, result, NULL, &out, NULL), 0);
	assert_int_equal(out.width_px, image->width_px);
	assert_int_equal(out.height_px, image->height_px);
	assert_int_equal(out.channels, 3);
	assert_int_equal(out.depth_bits, 8);
	return out;
}

static double lightness(const uint8_t rgb[3])
{
	return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
}

static void colours_rise_in_lightness(void **state)
{
	uint8_t rgb[3], before[3];
	(void)state;
	assay__heat_colour(0, before);
	for (int i = 1; i < 256; i++) {
		assay__heat_colour(i, rgb);
		assert_true(lightness(rgb) >= lightness(before));
		memcpy(before, rgb, 3);
	}
	assay__heat_colour(0, rgb);
	assert_true(rgb[2] > rgb[0] && lightness(rgb) < 30); /* dark violet */
	assay__heat_colour(255, rgb);
	assert_true(rgb[0] > 240 && rgb[1] > 230 && rgb[2] < 200); /* pale yellow */
}

static void heat_from_half_to_twice(void **state)
{
	(void)state;
	assert_int_equal(assay__heat(0, 1000), 0);
	assert_int_equal(assay__heat(500, 1000), 0);
	assert_int_equal(assay__heat(1000, 1000), 85);
	assert_int_equal(assay__heat(1999, 1000), 254);
	assert_int_equal(assay__heat(2000, 1000), 255);
	assert_int_equal(assay__heat(UINT32_MAX, 1), 255);
	assert_int_equal(assay__heat(UINT32_MAX, UINT32_MAX), 85);
	assert_int_equal(assay__heat(0, 0), 0);
	assert_int_equal(assay__heat(1, 0), 255);
}

static void below_half_the_threshold_only_dimmed(void **state)
{
	struct assay_image image = make_part(70, 50, 3, 8, 1);
	struct assay_result r = flat_result(&image, 500);
	(void)state;
	struct assay_image out = must_draw(&image, &r);
	for (int y = 0; y < 50; y++)
		for (int x = 0; x < 70; x++)
			for (int c = 0; c < 3; c++)
				assert_int_equal(at(&out, x, y)[c], at(&image, x, y)[c] * 7 / 8);
	assay_image_free(&out, NULL);
	r = flat_result(&image, 2500);
	out = must_draw(&image, &r);
	uint8_t top[3];
	assay__heat_colour(255, top);
	for (int c = 0; c < 3; c++)
		assert_true(abs(at(&out, 30, 20)[c] - top[c]) < 60);
	assay_image_free(&out, NULL);
	assay_image_free(&image, NULL);
}

static void only_the_area_is_tinted_and_smoothly(void **state)
{
	struct assay_image image;
	(void)state;
	assay_image_create(100, 100, 1, 8, NULL, &image, NULL);
	struct assay_result r = flat_result(&image, 0);
	for (int i = 0; i < GRID * GRID; i++)
		map[i] = (uint32_t)(i % GRID) * 300;
	r.map_area = (struct assay_rect_px){20, 10, 64, 80};
	struct assay_image out = must_draw(&image, &r);
	for (int y = 0; y < 100; y++)
		for (int x = 0; x < 100; x++)
			if (x < 20 || x >= 84 || y < 10 || y >= 90)
				assert_int_equal(at(&out, x, y)[0] + at(&out, x, y)[1] + at(&out, x, y)[2], 0);
	for (int x = 21; x < 84; x++) {
		int step = at(&out, x, 50)[0] - at(&out, x - 1, 50)[0];
		assert_true(step >= 0 && step < 16);
	}
	assert_true(at(&out, 83, 50)[0] > 150);
	assay_image_free(&out, NULL);
	assay_image_free(&image, NULL);
}

static bool is_white(const uint8_t *rgb)
{
	return rgb[0] == 255 && rgb[1] == 255 && rgb[2] == 255;
}

static void regions_are_outlined_and_labelled(void **state)
{
	static const struct assay_rect_px boxes[] = {
		{50, 40, 30, 20}, {0, 0, 10, 10}, {190, 0, 10, 10}, {0, 150, 12, 10}, {188, 148, 12, 12}, {0, 0, 200, 160},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		struct assay_image image;
		assay_image_create(200, 160, 1, 8, NULL, &image, NULL);
		struct assay_result r = flat_result(&image, 0);
		const struct assay_rect_px *b = &boxes[i];
		r.region_count = r.regions_total = 1;
		r.regions[0] = (struct assay_region){.box = *b, .peak_q8 = 1370};
		struct assay_image out = must_draw(&image, &r);
		int white = 0, corners = 0, ink = 0;
		for (int y = 0; y < 160; y++)
			for (int x = 0; x < 200; x++) {
				bool inside = x >= b->x && y >= b->y && x < b->x + b->width && y < b->y + b->height;
				white += is_white(at(&out, x, y));
				ink += is_white(at(&out, x, y)) && !inside;
			}
		corners += is_white(at(&out, b->x, b->y)) || i == 5; /* the label may lie over a corner of the largest */
		corners += is_white(at(&out, b->x + b->width - 1, b->y + b->height - 1)) || i == 5;
		assert_int_equal(corners, 2);
		/* "1.37x": 10 + 4 + 15 + 11 + 9 pixels of ink */
		int digits = i == 5 ? 0 : ink;
		if (i != 5)
			assert_int_equal(digits, 49);
		assert_true(white > 2 * (b->width + b->height));
		assay_image_free(&out, NULL);
		assay_image_free(&image, NULL);
	}
}

static void text_is_cut_at_the_edges(void **state)
{
	struct assay_image image;
	static const uint8_t ink[3] = {1, 2, 3};
	(void)state;
	assay_image_create(9, 9, 3, 8, NULL, &image, NULL);
	assert_int_equal(assay__text_width("12.5", 2), 46);
	assert_int_equal(assay__text_width("", 2), 0);
	for (int y = -20; y < 20; y += 3)
		for (int x = -40; x < 20; x += 3)
			assay__draw_text(&image, x, y, 2, "0123456789.x?", ink);
	assay_image_free(&image, NULL);
	assay_image_create(9, 9, 3, 8, NULL, &image, NULL);
	assay__draw_text(&image, 2, 1, 1, "1", ink);
	assert_int_equal(at(&image, 4, 1)[0], 1);
	assert_int_equal(at(&image, 3, 2)[1], 2);
	assert_int_equal(at(&image, 2, 1)[0], 0);
	assert_int_equal(at(&image, 5, 7)[2], 3);
	assay_image_free(&image, NULL);
}

static void pictures_of_all_kinds(void **state)
{
	static const int kinds[][4] = {{1, 1, 1, 8}, {1, 300, 3, 8}, {3, 2, 1, 16}, {40, 30, 3, 16}, {700, 500, 1, 8}};
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct assay_image image = make_part(kinds[i][0], kinds[i][1], kinds[i][2], kinds[i][3], 1);
		struct assay_result r = flat_result(&image, 1400);
		r.region_count = ASSAY_MAX_REGIONS;
		for (int k = 0; k < r.region_count; k++)
			r.regions[k] = (struct assay_region){.box = r.map_area, .peak_q8 = UINT32_MAX};
		struct assay_image out = must_draw(&image, &r);
		assay_image_free(&out, NULL);
		r.threshold_q8 = 0;
		out = must_draw(&image, &r);
		assay_image_free(&out, NULL);
		/* a fault has no map and no regions */
		struct assay_result fault = {.verdict = ASSAY_FAULT};
		out = must_draw(&image, &fault);
		assay_image_free(&out, NULL);
		assay_image_free(&image, NULL);
	}
	struct assay_image out, none = {0};
	struct assay_result fault = {.verdict = ASSAY_FAULT};
	assert_int_equal(assay_heatmap(&none, &fault, NULL, &out, NULL), ASSAY_E_ARGUMENT);
}

static void twelve_bits_are_shown_bright(void **state)
{
	struct assay_image image;
	uint16_t bright = 4000;
	struct assay_result fault = {.verdict = ASSAY_FAULT};
	(void)state;
	assay_image_create(4, 4, 1, 16, NULL, &image, NULL);
	memcpy(image.pixels, &bright, 2);
	struct assay_image out = must_draw(&image, &fault);
	assert_int_equal(at(&out, 0, 0)[0], 249 * 7 / 8); /* 4000 of 4095 */
	assert_int_equal(at(&out, 1, 1)[0], 0);
	assay_image_free(&out, NULL);
	assay_image_free(&image, NULL);
}

static void failing_allocations(void **state)
{
	struct assay_image image = make_part(20, 20, 1, 8, 1), out = {.width_px = 77};
	struct assay_result r = flat_result(&image, 1500);
	struct failing failing;
	struct assay_error error = {0};
	(void)state;
	failing_open(&failing, 1);
	assert_int_equal(assay_heatmap(&image, &r, &failing.allocator, &out, &error), ASSAY_E_NOMEM);
	assert_int_equal(error.code, ASSAY_E_NOMEM);
	assert_int_equal(out.width_px, 77);
	assert_int_equal(assay_heatmap(&image, &r, &failing.allocator, &out, &error), 0);
	assert_int_equal(failing.alive, 1);
	assay_image_free(&out, &failing.allocator);
	assert_int_equal(failing.alive, 0);
	assay_image_free(&image, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(colours_rise_in_lightness),
		cmocka_unit_test(heat_from_half_to_twice),
		cmocka_unit_test(below_half_the_threshold_only_dimmed),
		cmocka_unit_test(only_the_area_is_tinted_and_smoothly),
		cmocka_unit_test(regions_are_outlined_and_labelled),
		cmocka_unit_test(text_is_cut_at_the_edges),
		cmocka_unit_test(pictures_of_all_kinds),
		cmocka_unit_test(twelve_bits_are_shown_bright),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
