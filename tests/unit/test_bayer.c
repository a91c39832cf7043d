/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <math.h>

#include "vision/bayer.h"

static int sample(const struct assay_image *image, int x, int y, int c)
{
	const uint8_t *at = image->pixels + (size_t)y * image->stride_bytes;
	size_t i = (size_t)(x * image->channels + c);
	uint16_t wide;
	if (image->depth_bits == 8)
		return at[i];
	memcpy(&wide, at + 2 * i, 2);
	return wide;
}

static void put(struct assay_image *image, int x, int y, int value)
{
	uint8_t *at = image->pixels + (size_t)y * image->stride_bytes;
	uint16_t wide = (uint16_t)value;
	if (image->depth_bits == 8)
		at[x] = (uint8_t)value;
	else
		memcpy(at + 2 * (size_t)x, &wide, 2);
}

static struct assay_image blank(int width, int height, int channels, int depth)
{
	struct assay_image image;
	assert_int_equal(assay_image_create(width, height, channels, depth, NULL, &image, NULL), 0);
	return image;
}

static struct assay_image noise(int width, int height, int bits, uint64_t seed)
{
	struct assay_image image = blank(width, height, 1, bits > 8 ? 16 : 8);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			put(&image, x, y, (int)(net_random(&seed) >> (64 - bits)));
	return image;
}

static struct assay_image demosaic(const struct assay_image *mosaic, enum assay__bayer order, int bits)
{
	struct assay_image rgb = blank(mosaic->width_px, mosaic->height_px, 3, mosaic->depth_bits);
	assert_int_equal(assay__bayer_to_rgb(mosaic, order, bits, &rgb, NULL), 0);
	return rgb;
}

static int colour_at(enum assay__bayer order, int x, int y)
{
	static const int colours[4][4] = {{0, 1, 1, 2}, {1, 0, 2, 1}, {1, 2, 0, 1}, {2, 1, 1, 0}};
	return colours[order][y % 2 * 2 + x % 2];
}

/* The filters as the paper draws them, times two. [0] green, [1] neighbours left and right, [2] corners */
static const int filters[3][5][5] = {
	{{0, 0, -2, 0, 0}, {0, 0, 4, 0, 0}, {-2, 4, 8, 4, -2}, {0, 0, 4, 0, 0}, {0, 0, -2, 0, 0}},
	{{0, 0, 1, 0, 0}, {0, -2, 0, -2, 0}, {-2, 8, 10, 8, -2}, {0, -2, 0, -2, 0}, {0, 0, 1, 0, 0}},
	{{0, 0, -3, 0, 0}, {0, 4, 0, 4, 0}, {-3, 0, 12, 0, -3}, {0, 4, 0, 4, 0}, {0, 0, -3, 0, 0}},
};

static int mirrored(int i, int count)
{
	int period = count > 1 ? 2 * (count - 1) : 1;
	i = (i % period + period) % period;
	return i < count ? i : period - i;
}

static int wanted(const struct assay_image *mosaic, enum assay__bayer order, int bits, int x, int y, int c)
{
	int here = colour_at(order, x, y), which = 2;
	bool turned = false;
	if (here == c)
		return sample(mosaic, x, y, 0);
	if (c == 1)
		which = 0;
	else if (here == 1)
		which = 1, turned = colour_at(order, x + 1, y) != c;
	double sum = 0;
	for (int dy = 0; dy < 5; dy++)
		for (int dx = 0; dx < 5; dx++)
			sum += filters[which][turned ? dx : dy][turned ? dy : dx] / 16.0 *
				   sample(mosaic, mirrored(x + dx - 2, mosaic->width_px), mirrored(y + dy - 2, mosaic->height_px), 0);
	double most = ldexp(1, bits) - 1;
	return (int)fmax(0, fmin(most, floor(sum + 0.5)));
}

static void as_the_paper_says(void **state)
{
	static const int sizes[][2] = {{1, 1}, {1, 7},	{7, 1},	  {2, 2},	{3, 2},	  {2, 3},	{4, 5},
								   {5, 4}, {33, 9}, {255, 3}, {256, 4}, {257, 5}, {258, 3}, {515, 6}};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int order = 0; order < 4; order++)
			for (int bits = 8; bits <= 16; bits += 2) {
				struct assay_image mosaic = noise(sizes[i][0], sizes[i][1], bits, i);
				struct assay_image rgb = demosaic(&mosaic, (enum assay__bayer)order, bits);
				for (int y = 0; y < mosaic.height_px; y++)
					for (int x = 0; x < mosaic.width_px; x++)
						for (int c = 0; c < 3; c++)
							assert_int_equal(sample(&rgb, x, y, c),
											 wanted(&mosaic, (enum assay__bayer)order, bits, x, y, c));
				assay_image_free(&mosaic, NULL);
				assay_image_free(&rgb, NULL);
			}
}

static void by_hand(void **state)
{
	/* one bright pixel, at a red place: green beside it 4 / 16, blue diagonally 4 / 16, and so on */
	static const struct {
		int x, y, c, value;
	} cases[] = {
		{4, 4, 0, 160}, {4, 4, 1, 80}, {4, 4, 2, 120}, {5, 4, 0, 80}, {5, 4, 1, 0}, {4, 5, 0, 80},
		{3, 3, 0, 40},	{3, 3, 1, 0},  {6, 4, 1, 0},   {5, 5, 0, 40}, {7, 7, 0, 0}, {4, 2, 0, 0},
	};
	struct assay_image mosaic = blank(9, 9, 1, 8);
	(void)state;
	put(&mosaic, 4, 4, 160);
	struct assay_image rgb = demosaic(&mosaic, ASSAY__BAYER_RGGB, 8);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sample(&rgb, cases[i].x, cases[i].y, cases[i].c), cases[i].value);
	assay_image_free(&mosaic, NULL);
	assay_image_free(&rgb, NULL);
}

static void too_bright_is_cut(void **state)
{
	struct assay_image mosaic = blank(9, 6, 1, 16);
	(void)state;
	for (int p = 0; p < 9 * 6; p++)
		put(&mosaic, p % 9, p / 9, 65535);
	struct assay_image rgb = demosaic(&mosaic, ASSAY__BAYER_GBRG, 12);
	for (int p = 0; p < 9 * 6 * 3; p++)
		assert_int_equal(sample(&rgb, p / 3 % 9, p / 27, p % 3), 4095);
	assay_image_free(&mosaic, NULL);
	assay_image_free(&rgb, NULL);
}

static void flat_and_linear(void **state)
{
	static const int flats[] = {0, 1, 127, 255, 1023, 4095, 65535};
	(void)state;
	for (size_t i = 0; i < sizeof(flats) / sizeof(flats[0]); i++) {
		int depth = flats[i] > 255 ? 16 : 8;
		struct assay_image mosaic = blank(13, 7, 1, depth);
		for (int p = 0; p < 13 * 7; p++)
			put(&mosaic, p % 13, p / 13, flats[i]);
		struct assay_image rgb = demosaic(&mosaic, (enum assay__bayer)(i % 4), depth);
		for (int p = 0; p < 13 * 7 * 3; p++)
			assert_int_equal(sample(&rgb, p / 3 % 13, p / 39, p % 3), flats[i]);
		assay_image_free(&mosaic, NULL);
		assay_image_free(&rgb, NULL);
	}
	struct assay_image mosaic = blank(40, 30, 1, 8);
	for (int y = 0; y < 30; y++)
		for (int x = 0; x < 40; x++)
			put(&mosaic, x, y, 10 + 3 * x + 4 * y);
	for (int order = 0; order < 4; order++) {
		struct assay_image rgb = demosaic(&mosaic, (enum assay__bayer)order, 8);
		for (int y = 2; y < 28; y++)
			for (int x = 2; x < 38; x++)
				for (int c = 0; c < 3; c++)
					assert_int_equal(sample(&rgb, x, y, c), 10 + 3 * x + 4 * y);
		assay_image_free(&rgb, NULL);
	}
	assay_image_free(&mosaic, NULL);
}

/* A mosaic that starts a pixel later has another order, and the same colours inside. */
static void orders_agree_under_shifts(void **state)
{
	static const enum assay__bayer later[4][2] = {{ASSAY__BAYER_GRBG, ASSAY__BAYER_GBRG},
												  {ASSAY__BAYER_RGGB, ASSAY__BAYER_BGGR},
												  {ASSAY__BAYER_BGGR, ASSAY__BAYER_RGGB},
												  {ASSAY__BAYER_GBRG, ASSAY__BAYER_GRBG}};
	(void)state;
	for (int order = 0; order < 4; order++)
		for (int axis = 0; axis < 2; axis++) {
			int dx = axis == 0, dy = axis == 1;
			struct assay_image mosaic = noise(300, 20, 12, 4), shifted = mosaic;
			shifted.width_px -= dx;
			shifted.height_px -= dy;
			shifted.pixels += (size_t)dx * 2 + (size_t)dy * mosaic.stride_bytes;
			struct assay_image a = demosaic(&mosaic, (enum assay__bayer)order, 12);
			struct assay_image b = demosaic(&shifted, later[order][axis], 12);
			for (int y = 3; y < 17; y++)
				for (int x = 3; x < 297; x++)
					for (int c = 0; c < 3; c++)
						assert_int_equal(sample(&a, x, y, c), sample(&b, x - dx, y - dy, c));
			assay_image_free(&mosaic, NULL);
			assay_image_free(&a, NULL);
			assay_image_free(&b, NULL);
		}
}

static void unpacking(void **state)
{
	/* PFNC: 0x155, 0x2aa, 0x3ff, 0x001 as Mono10p, 0xabc, 0x123 as Mono12p */
	static const uint8_t ten[] = {0x55, 0xa9, 0xfa, 0x7f, 0x00}, twelve[] = {0xbc, 0x3a, 0x12};
	struct assay_image out = blank(4, 1, 1, 16), two = blank(2, 1, 1, 16);
	(void)state;
	assert_int_equal(assay__unpack_samples(ten, 5, 5, 10, &out, NULL), 0);
	assert_int_equal(sample(&out, 0, 0, 0), 0x155);
	assert_int_equal(sample(&out, 1, 0, 0), 0x2aa);
	assert_int_equal(sample(&out, 2, 0, 0), 0x3ff);
	assert_int_equal(sample(&out, 3, 0, 0), 0x001);
	assert_int_equal(assay__unpack_samples(twelve, 3, 3, 12, &two, NULL), 0);
	assert_int_equal(sample(&two, 0, 0, 0), 0xabc);
	assert_int_equal(sample(&two, 1, 0, 0), 0x123);
	assay_image_free(&out, NULL);
	assay_image_free(&two, NULL);
	for (int bits = 10; bits <= 12; bits += 2)
		for (int width = 1; width <= 9; width++) {
			size_t need = ((size_t)(width * bits) + 7) / 8, row = need + (size_t)(width % 3);
			struct assay_image from = noise(width, 3, bits, (uint64_t)width), to = blank(width, 3, 1, 16);
			uint8_t *packed = calloc(1, 2 * row + need); /* exactly, so that a sanitizer sees one read too many */
			for (int y = 0; y < 3; y++)
				for (int i = 0; i < width * bits; i++)
					packed[(size_t)y * row + (size_t)i / 8] |=
						(uint8_t)((sample(&from, i / bits, y, 0) >> i % bits & 1) << i % 8);
			assert_int_equal(assay__unpack_samples(packed, 2 * row + need, row, bits, &to, NULL), 0);
			for (int y = 0; y < 3; y++)
				for (int x = 0; x < width; x++)
					assert_int_equal(sample(&to, x, y, 0), sample(&from, x, y, 0));
			assert_int_equal(assay__unpack_samples(packed, 2 * row + need - 1, row, bits, &to, NULL), ASSAY_E_FORMAT);
			free(packed);
			assay_image_free(&from, NULL);
			assay_image_free(&to, NULL);
		}
}

static void bits_never_change(void **state)
{
	uint64_t hash = 0xcbf29ce484222325u;
	(void)state;
	for (int bits = 8; bits <= 16; bits += 4) {
		struct assay_image mosaic = noise(301, 23, bits, 8);
		struct assay_image rgb = demosaic(&mosaic, (enum assay__bayer)(bits / 4 % 4), bits);
		for (int p = 0; p < 301 * 23 * 3; p++)
			hash = (hash ^ (uint64_t)sample(&rgb, p / 3 % 301, p / 903, p % 3)) * 0x100000001b3u;
		assay_image_free(&mosaic, NULL);
		assay_image_free(&rgb, NULL);
	}
	assert_true(hash == 0x44378e8d44a61498u);
}

static void refusals(void **state)
{
	struct assay_image mosaic = noise(6, 4, 8, 1), wide = noise(6, 4, 12, 1), rgb = blank(6, 4, 3, 8), odd;
	struct assay_error error = {0};
	uint8_t bytes[100] = {0};
	(void)state;
	assert_int_equal(assay__bayer_to_rgb(&mosaic, (enum assay__bayer)4, 8, &rgb, &error), ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "four orders"));
	assert_int_equal(assay__bayer_to_rgb(&rgb, ASSAY__BAYER_RGGB, 8, &rgb, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__bayer_to_rgb(&wide, ASSAY__BAYER_RGGB, 12, &rgb, NULL), ASSAY_E_ARGUMENT);
	for (int bits = -1; bits <= 17; bits++)
		if (bits != 8)
			assert_int_equal(assay__bayer_to_rgb(&mosaic, ASSAY__BAYER_RGGB, bits, &rgb, NULL), ASSAY_E_ARGUMENT);
	odd = rgb, odd.width_px = 5;
	assert_int_equal(assay__bayer_to_rgb(&mosaic, ASSAY__BAYER_RGGB, 8, &odd, NULL), ASSAY_E_ARGUMENT);
	odd = rgb, odd.stride_bytes = 17;
	assert_int_equal(assay__bayer_to_rgb(&mosaic, ASSAY__BAYER_RGGB, 8, &odd, NULL), ASSAY_E_ARGUMENT);
	odd = mosaic, odd.pixels = NULL;
	assert_int_equal(assay__bayer_to_rgb(&odd, ASSAY__BAYER_RGGB, 8, &rgb, NULL), ASSAY_E_ARGUMENT);
	for (int p = 0; p < 6 * 4 * 3; p++)
		assert_int_equal(rgb.pixels[p], 0);
	assert_int_equal(assay__unpack_samples(bytes, 100, 9, 11, &wide, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__unpack_samples(bytes, 100, 9, 12, &mosaic, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__unpack_samples(NULL, 100, 9, 12, &wide, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__unpack_samples(bytes, 100, 8, 12, &wide, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__unpack_samples(bytes, 100, SIZE_MAX / 3 + 1, 12, &wide, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__unpack_samples(bytes, 35, 9, 12, &wide, &error), ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "needs 36"));
	assay_image_free(&mosaic, NULL);
	assay_image_free(&wide, NULL);
	assay_image_free(&rgb, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_paper_says),		 cmocka_unit_test(by_hand),
		cmocka_unit_test(too_bright_is_cut),		 cmocka_unit_test(flat_and_linear),
		cmocka_unit_test(orders_agree_under_shifts), cmocka_unit_test(unpacking),
		cmocka_unit_test(bits_never_change),		 cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
