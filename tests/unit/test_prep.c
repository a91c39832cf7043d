/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <math.h>

#include "vision/prep.h"

#define ALIGN 16

static const struct assay__view whole = {.white_level = 65535};

struct shrunk {
	struct assay__geometry geometry;
	uint8_t *pixels;
};

static struct shrunk shrink_to(int working_px, const struct assay_image *image, const struct assay__view *view)
{
	struct shrunk to;
	struct assay__shape shape = assay__shape_of(image);
	struct assay__prep *prep;
	struct failing failing;
	failing_open(&failing, 0);
	assert_int_equal(assay__prep_geometry(view, working_px, &shape, ALIGN, &to.geometry, NULL), 0);
	assert_int_equal(assay__prep_open(view, &shape, &to.geometry, &failing.allocator, &prep, NULL), 0);
	int requests = failing.requests;
	size_t row_bytes = (size_t)to.geometry.width_px * 4;
	to.pixels = malloc(row_bytes * (size_t)to.geometry.height_px);
	assay__prep_run(prep, image, to.pixels, row_bytes);
	assert_int_equal(failing.requests, requests);
	assert_true(assay__prep_bytes(prep) > 0);
	assay__prep_close(prep);
	assert_int_equal(failing.alive, 0);
	return to;
}

static struct shrunk shrink(const struct assay_image *image, const struct assay__view *view)
{
	return shrink_to(64, image, view);
}

static void geometry_keeps_the_aspect(void **state)
{
	static const struct {
		int width, height, working, to_width, to_height;
	} cases[] = {
		{300, 300, 256, 256, 256},
		{512, 512, 256, 256, 256},
		{700, 700, 100, 96, 96},
		{1260, 500, 256, 640, 256},
		{500, 1260, 256, 256, 640},
		{2448, 2048, 256, 304, 256},
		{1, 1, 64, 64, 64},
		{8, 1, 64, 512, 64},
		{4096, 4096, 1024, 1024, 1024},
		{65500, 8188, 256, 2048, 256},
		{96, 80, 64, 80, 64},
		{1000, 999, 250, 256, 256},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay__shape shape = {cases[i].width, cases[i].height, 1, 8};
		struct assay__geometry g;
		assert_int_equal(assay__prep_geometry(&whole, cases[i].working, &shape, ALIGN, &g, NULL), 0);
		assert_int_equal(g.width_px, cases[i].to_width);
		assert_int_equal(g.height_px, cases[i].to_height);
		assert_int_equal(g.grid_width, g.width_px / 8);
		assert_int_equal(g.grid_height, g.height_px / 8);
		assert_int_equal(g.area.width, cases[i].width);
	}
	struct assay__shape shape = {100, 100, 1, 8};
	struct assay__geometry g;
	assert_int_equal(assay__prep_geometry(&whole, 64, &shape, 48, &g, NULL), 0);
	assert_int_equal(g.width_px, 96); /* at least 64, and a multiple of 48 */
}

static void geometry_refuses_what_cannot_be(void **state)
{
	static const struct {
		struct assay_rect_px roi;
		int width, height, working;
		const char *words;
	} cases[] = {
		{{0, 0, 0, 0}, 20000, 1, 256, "20000x1 is longer than 8:1"},
		{{0, 0, 0, 0}, 801, 100, 256, "longer than 8:1"},
		{{0, 0, 0, 0}, 100, 801, 256, "longer than 8:1"},
		{{0, 0, 0, 0}, 800, 100, 1024, "becomes 8192x1024"},
		{{10, 10, 100, 100}, 100, 100, 64, "does not lie inside a picture of 100x100"},
		{{-1, 0, 10, 10}, 100, 100, 64, "does not lie inside"},
		{{INT32_MAX, 0, INT32_MAX, 10}, 100, 100, 64, "does not lie inside"},
		{{0, 0, 10, 0}, 100, 100, 64, "does not lie inside"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay__view view = whole;
		view.roi = cases[i].roi;
		struct assay__shape shape = {cases[i].width, cases[i].height, 3, 8};
		struct assay__geometry g = {.width_px = 1234};
		struct assay_error error = {0};
		assert_int_equal(assay__prep_geometry(&view, cases[i].working, &shape, ALIGN, &g, &error), ASSAY_E_MISMATCH);
		assert_non_null(strstr(error.message, cases[i].words));
		assert_int_equal(g.width_px, 1234);
	}
}

static void flat_stays_flat(void **state)
{
	static const int sizes[][2] = {{64, 64}, {97, 80}, {501, 233}, {20, 31}, {3, 2}, {1, 1}, {1999, 301}};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int value = 0; value <= 255; value += 51) {
			struct assay_image image;
			struct assay__view view = whole;
			int channels = i % 2 ? 3 : 1;
			assay_image_create(sizes[i][0], sizes[i][1], channels, 8, NULL, &image, NULL);
			memset(image.pixels, value, image.stride_bytes * (size_t)image.height_px);
			struct shrunk to = shrink(&image, &view);
			for (int p = 0; p < to.geometry.width_px * to.geometry.height_px; p++)
				for (int c = 0; c < 3; c++)
					assert_int_equal(to.pixels[4 * p + c], value);
			free(to.pixels);
			assay_image_free(&image, NULL);
		}
}

static void same_size_is_a_copy(void **state)
{
	struct assay_image image = make_part(80, 64, 3, 8, 3);
	struct assay__view view = whole;
	(void)state;
	struct shrunk to = shrink(&image, &view);
	assert_int_equal(to.geometry.width_px, 80);
	for (int y = 0; y < 64; y++)
		for (int x = 0; x < 80; x++) {
			assert_memory_equal(to.pixels + 4 * (y * 80 + x), image.pixels + (size_t)y * image.stride_bytes + 3 * x, 3);
			assert_int_equal(to.pixels[4 * (y * 80 + x) + 3], 0);
		}
	free(to.pixels);
	assay_image_free(&image, NULL);
}

static uint64_t fnv1a(const uint8_t *bytes, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

/* Every count of taps, both ways of reading rows, and sizes that need no resampling, as the first, plain code did it.
 */
static void bits_never_change(void **state)
{
	static const struct {
		int width, height, channels, depth, working;
		bool grey;
		struct assay_rect_px roi;
		uint64_t hash;
	} cases[] = {
		{300, 300, 1, 8, 256, false, {0}, 0xe547e025e2d1cad6u},
		{300, 300, 3, 8, 256, false, {0}, 0x574397c89f195cadu},
		{299, 301, 3, 8, 96, true, {0}, 0x1f330e3a7bfacc21u},
		{201, 150, 1, 16, 64, false, {0}, 0xf79a7a51daa373e3u},
		{210, 150, 3, 16, 64, true, {0}, 0x45195385498f39c8u},
		{600, 405, 3, 8, 64, false, {0}, 0x3545e5c2ceded497u},
		{33, 40, 3, 8, 64, false, {0}, 0x5081b8225f40317cu},
		{1, 1, 1, 8, 64, false, {0}, 0x7ba9a4f7471da325u},
		{8, 1, 3, 16, 64, false, {0}, 0x6ae0d9009411de25u},
		{64, 70, 3, 8, 64, false, {0}, 0xaf86daeaf63c608du},
		{70, 64, 1, 8, 64, false, {0}, 0x341d471692ed0252u},
		{80, 64, 1, 8, 64, false, {0}, 0x9b4cc5d84ae4a31cu},
		{80, 64, 3, 8, 64, true, {0}, 0x19f28572f1da1f51u},
		{64, 96, 1, 16, 64, false, {0}, 0x4d0115b8c74c9460u},
		{96, 64, 3, 16, 64, true, {0}, 0x44282ee72cb663aeu},
		{130, 90, 3, 16, 64, false, {9, 7, 80, 64}, 0x0f5a130d26a9913du},
		{500, 400, 3, 8, 100, true, {31, 17, 201, 133}, 0xd398d29e063aa9e4u},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay_image image;
		struct assay__view view = {.roi = cases[i].roi, .grey = cases[i].grey, .white_level = 40000};
		uint64_t seed = i;
		assay_image_create(cases[i].width, cases[i].height, cases[i].channels, cases[i].depth, NULL, &image, NULL);
		for (int y = 0; y < image.height_px; y++)
			for (int x = 0; x < image.width_px * image.channels; x++) {
				uint8_t *at = image.pixels + (size_t)y * image.stride_bytes + (size_t)x * (size_t)image.depth_bits / 8;
				uint16_t v = y < image.height_px / 3 ? 65535 : (uint16_t)net_random(&seed);
				if (image.depth_bits == 8)
					*at = (uint8_t)v;
				else
					memcpy(at, &v, 2);
			}
		struct shrunk to = shrink_to(cases[i].working, &image, &view);
		uint64_t hash = fnv1a(to.pixels, (size_t)to.geometry.width_px * (size_t)to.geometry.height_px * 4);
		if (hash != cases[i].hash)
			fail_msg("case %zu: 0x%016llx", i, (unsigned long long)hash);
		free(to.pixels);
		assay_image_free(&image, NULL);
	}
}

/* The filter by its definition, in floating point. */
static double ideal(const struct assay_image *image, const struct assay__geometry *g, int ox, int oy, int c)
{
	double rx = (double)g->area.width / g->width_px, ry = (double)g->area.height / g->height_px;
	double sx = rx > 1 ? rx : 1, sy = ry > 1 ? ry : 1, sum = 0, weights = 0;
	for (int y = 0; y < g->area.height; y++)
		for (int x = 0; x < g->area.width; x++) {
			double wx = 1 - fabs(x + 0.5 - (ox + 0.5) * rx) / sx, wy = 1 - fabs(y + 0.5 - (oy + 0.5) * ry) / sy;
			if (wx <= 0 || wy <= 0)
				continue;
			const uint8_t *at = image->pixels + (size_t)(g->area.y + y) * image->stride_bytes;
			sum += wx * wy * at[(size_t)(g->area.x + x) * (size_t)image->channels + (size_t)c];
			weights += wx * wy;
		}
	return sum / weights;
}

static void filter_is_the_triangle(void **state)
{
	static const int sizes[][2] = {{128, 128}, {201, 150}, {33, 40}, {64, 100}};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct assay_image image;
		uint64_t seed = 9;
		assay_image_create(sizes[i][0], sizes[i][1], 3, 8, NULL, &image, NULL);
		for (size_t p = 0; p < image.stride_bytes * (size_t)image.height_px; p++)
			image.pixels[p] = (uint8_t)net_random(&seed);
		struct assay__view view = whole;
		struct shrunk to = shrink(&image, &view);
		for (int y = 0; y < to.geometry.height_px; y += 7)
			for (int x = 0; x < to.geometry.width_px; x++)
				for (int c = 0; c < 3; c++) {
					double want = ideal(&image, &to.geometry, x, y, c);
					double got = to.pixels[4 * (y * to.geometry.width_px + x) + c];
					assert_true(fabs(want - got) < 0.52); /* rounding to whole numbers and 14-bit weights */
				}
		free(to.pixels);
		assay_image_free(&image, NULL);
	}
}

static void region_is_cropped_first(void **state)
{
	struct assay_image image = make_part(200, 150, 3, 8, 4), crop;
	struct assay__view view = whole, all = whole;
	(void)state;
	view.roi = (struct assay_rect_px){31, 17, 120, 99};
	crop = image;
	crop.width_px = 120;
	crop.height_px = 99;
	crop.pixels = image.pixels + 17 * image.stride_bytes + (size_t)31 * 3;
	struct shrunk a = shrink(&image, &view), b = shrink(&crop, &all);
	assert_int_equal(a.geometry.area.x, 31);
	assert_memory_equal(a.pixels, b.pixels, (size_t)a.geometry.width_px * (size_t)a.geometry.height_px * 4);
	free(a.pixels);
	free(b.pixels);
	assay_image_free(&image, NULL);
}

static void sixteen_bits_by_white_level(void **state)
{
	static const struct {
		int white, sample, to;
	} cases[] = {{65535, 65535, 255}, {65535, 0, 0},	 {65535, 128, 0},	{65535, 129, 1}, {65535, 32768, 128},
				 {4095, 4095, 255},	  {4095, 5000, 255}, {4095, 2048, 128}, {255, 77, 77},	 {1023, 2, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay_image image;
		struct assay__view view = whole;
		uint16_t v = (uint16_t)cases[i].sample;
		view.white_level = cases[i].white;
		assay_image_create(70, 70, 1, 16, NULL, &image, NULL);
		for (size_t p = 0; p < image.stride_bytes * 70; p += 2)
			memcpy(image.pixels + p, &v, 2);
		struct shrunk to = shrink(&image, &view);
		assert_int_equal(to.pixels[4 * 100], cases[i].to);
		assert_int_equal(to.pixels[4 * 100 + 2], cases[i].to);
		free(to.pixels);
		assay_image_free(&image, NULL);
	}
}

static void colour_to_grey(void **state)
{
	static const uint8_t colours[][4] = {{255, 0, 0, 77}, {0, 255, 0, 149}, {0, 0, 255, 29}, {255, 255, 255, 255}};
	(void)state;
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		for (int depth = 8; depth <= 16; depth += 8) {
			struct assay_image image;
			struct assay__view view = whole;
			view.grey = true;
			assay_image_create(64, 64, 3, depth, NULL, &image, NULL);
			for (size_t p = 0; p < (size_t)64 * 64 * 3; p++)
				memset(image.pixels + p * (size_t)depth / 8, colours[i][p % 3], (size_t)depth / 8);
			struct shrunk to = shrink(&image, &view);
			for (int c = 0; c < 3; c++)
				assert_int_equal(to.pixels[4 * 5 + c], colours[i][3]);
			free(to.pixels);
			assay_image_free(&image, NULL);
		}
}

static void mask_needs_half_a_cell(void **state)
{
	struct assay_image mask;
	struct assay__view view = whole;
	struct assay__shape shape = {128, 128, 1, 8};
	struct assay__geometry g;
	uint8_t cells[64];
	(void)state;
	assert_int_equal(assay__prep_geometry(&view, 64, &shape, ALIGN, &g, NULL), 0);
	assay_image_create(128, 128, 1, 8, NULL, &mask, NULL); /* a cell is 16x16 pixels */
	assert_int_equal(assay__prep_mask(&mask, &g, cells), 0);
	for (int y = 0; y < 16; y++)
		for (int x = 0; x < 8; x++)
			mask.pixels[(size_t)y * mask.stride_bytes + (size_t)x] = 1;
	assert_int_equal(assay__prep_mask(&mask, &g, cells), 1);
	assert_int_equal(cells[0], 1);
	mask.pixels[0] = 0;
	assert_int_equal(assay__prep_mask(&mask, &g, cells), 0);
	memset(mask.pixels, 7, mask.stride_bytes * 128);
	assert_int_equal(assay__prep_mask(&mask, &g, cells), 64);
	assay_image_free(&mask, NULL);
}

static void mask_of_odd_sizes(void **state)
{
	struct assay_image mask;
	struct assay__view view = whole;
	struct assay__geometry g;
	uint8_t cells[64];
	(void)state;
	/* fewer pixels than cells, and within a region: the left half is set */
	assay_image_create(9, 7, 3, 16, NULL, &mask, NULL);
	for (int y = 0; y < 7; y++)
		for (int x = 0; x < 4; x++)
			mask.pixels[(size_t)y * mask.stride_bytes + (size_t)x * 6 + 5] = 1;
	struct assay__shape shape = assay__shape_of(&mask);
	view.roi = (struct assay_rect_px){1, 1, 6, 6};
	assert_int_equal(assay__prep_geometry(&view, 64, &shape, ALIGN, &g, NULL), 0);
	assert_int_equal(g.grid_width * g.grid_height, 64);
	assert_int_equal(assay__prep_mask(&mask, &g, cells), 32);
	for (int i = 0; i < 64; i++)
		assert_int_equal(cells[i], i % 8 < 4);
	assay_image_free(&mask, NULL);
}

static void failing_allocations(void **state)
{
	struct assay__view view = whole;
	struct assay__shape shape = {200, 150, 3, 16};
	struct assay__geometry g;
	(void)state;
	view.grey = true;
	assay__prep_geometry(&view, 64, &shape, ALIGN, &g, NULL);
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay__prep *prep = NULL;
		struct assay_error error = {0};
		failing_open(&failing, k);
		int rc = assay__prep_open(&view, &shape, &g, &failing.allocator, &prep, &error);
		if (rc == 0) {
			assert_true(k > 5);
			assay__prep_close(prep);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_null(prep);
		assert_int_equal(failing.alive, 0);
	}
	assay__prep_close(NULL);
}

static void sanity(void **state)
{
	struct assay_image good = make_part(20, 10, 3, 8, 1), bad;
	(void)state;
	assert_true(assay__image_sane(&good));
	bad = good, bad.pixels = NULL;
	assert_false(assay__image_sane(&bad));
	bad = good, bad.stride_bytes = 59;
	assert_false(assay__image_sane(&bad));
	bad = good, bad.depth_bits = 16;
	assert_false(assay__image_sane(&bad));
	bad = good, bad.channels = 2;
	assert_false(assay__image_sane(&bad));
	bad = good, bad.width_px = -1;
	assert_false(assay__image_sane(&bad));
	bad = good, bad.height_px = 70000;
	assert_false(assay__image_sane(&bad));
	assay_image_free(&good, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(geometry_keeps_the_aspect),
		cmocka_unit_test(geometry_refuses_what_cannot_be),
		cmocka_unit_test(flat_stays_flat),
		cmocka_unit_test(same_size_is_a_copy),
		cmocka_unit_test(bits_never_change),
		cmocka_unit_test(filter_is_the_triangle),
		cmocka_unit_test(region_is_cropped_first),
		cmocka_unit_test(sixteen_bits_by_white_level),
		cmocka_unit_test(colour_to_grey),
		cmocka_unit_test(mask_needs_half_a_cell),
		cmocka_unit_test(mask_of_odd_sizes),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(sanity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
