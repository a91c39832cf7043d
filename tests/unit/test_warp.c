/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <math.h>

#include "vision/warp.h"

static struct assay_image blank(int width, int height, int channels)
{
	size_t stride = (size_t)width * (size_t)channels + 5; /* rows are longer than they need be */
	uint8_t *pixels = malloc(stride * (size_t)height);
	assert_non_null(pixels);
	memset(pixels, 0xa5, stride * (size_t)height);
	return (struct assay_image){width, height, channels, 8, stride, pixels};
}

static struct assay_image noise(int width, int height, int channels, uint64_t seed)
{
	struct assay_image image = blank(width, height, channels);
	for (size_t i = 0; i < image.stride_bytes * (size_t)height; i++)
		image.pixels[i] = (uint8_t)net_random(&seed);
	return image;
}

static int sample(const struct assay_image *image, int x, int y, int c)
{
	return image->pixels[(size_t)y * image->stride_bytes + (size_t)(x * image->channels + c)];
}

static void warp(const double matrix[6], const struct assay_image *from, enum assay__warp_edge edge, uint8_t fill,
				 struct assay_image *to)
{
	struct assay__warp plan;
	assert_int_equal(assay__warp_plan(matrix, &plan, NULL), 0);
	assert_int_equal(assay__warp_affine(&plan, from, edge, fill, to, NULL), 0);
	for (int y = 0; y < to->height_px; y++)
		for (size_t i = (size_t)(to->width_px * to->channels); i < to->stride_bytes; i++)
			assert_int_equal(to->pixels[(size_t)y * to->stride_bytes + i], 0xa5);
}

/* What a tap of the source is, beyond its edges too. */
static int tap(const struct assay_image *image, int64_t x, int64_t y, int c, enum assay__warp_edge edge, uint8_t fill)
{
	int64_t cx = x < 0 ? 0 : x >= image->width_px ? image->width_px - 1 : x;
	int64_t cy = y < 0 ? 0 : y >= image->height_px ? image->height_px - 1 : y;
	return edge == ASSAY__WARP_FILL && (cx != x || cy != y) ? fill : sample(image, (int)cx, (int)cy, c);
}

static void whole_steps_are_exact(void **state)
{
	static const double matrices[][6] = {
		{1, 0, 0, 0, 1, 0},		{1, 0, 3, 0, 1, -2},  {1, 0, -400, 0, 1, 0}, {0, 1, 0, -1, 0, 20},
		{-1, 0, 30, 0, -1, 20}, {0, -1, 30, 1, 0, 0}, {-1, 0, 30, 0, 1, 0},	 {2, 0, 1, 0, 3, 0},
		{1, 1, -3, -2, 1, 11},	{0, 0, 4, 0, 0, 5},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(matrices) / sizeof(matrices[0]); i++)
		for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1)
			for (int edge = ASSAY__WARP_NEAREST; edge <= ASSAY__WARP_FILL; edge++) {
				const double *m = matrices[i];
				struct assay_image from = noise(31, 21, channels, i), to = blank(37, 40, channels);
				warp(m, &from, (enum assay__warp_edge)edge, 77, &to);
				for (int y = 0; y < 40; y++)
					for (int x = 0; x < 37; x++)
						for (int c = 0; c < channels; c++)
							assert_int_equal(sample(&to, x, y, c), tap(&from, (int64_t)(m[0] * x + m[1] * y + m[2]),
																	   (int64_t)(m[3] * x + m[4] * y + m[5]), c,
																	   (enum assay__warp_edge)edge, 77));
				free(from.pixels);
				free(to.pixels);
			}
}

static void by_hand(void **state)
{
	/* quarter of the way from 10 to 30 and half of the way down to 50 and 90: (15 + 60) / 2 = 37.5, up to 38 */
	static const uint8_t four[] = {10, 30, 50, 90};
	struct assay_image from = {2, 2, 1, 8, 2, (uint8_t *)(uintptr_t)four}, to = blank(1, 1, 1);
	(void)state;
	warp((const double[6]){1, 0, 0.25, 0, 1, 0.5}, &from, ASSAY__WARP_NEAREST, 0, &to);
	assert_int_equal(to.pixels[0], 38);
	/* half a pixel outside: half of the fill */
	warp((const double[6]){1, 0, -0.5, 0, 1, 0}, &from, ASSAY__WARP_FILL, 200, &to);
	assert_int_equal(to.pixels[0], 105);
	warp((const double[6]){1, 0, -0.5, 0, 1, 0}, &from, ASSAY__WARP_NEAREST, 200, &to);
	assert_int_equal(to.pixels[0], 10);
	/* places are rounded to 1 / 256: 1 / 512 counts as 1 / 256, a little less as nothing */
	static const uint8_t step[] = {0, 255};
	struct assay_image two = {2, 1, 1, 8, 2, (uint8_t *)(uintptr_t)step};
	warp((const double[6]){1, 0, 1.0 / 512, 0, 1, 0}, &two, ASSAY__WARP_NEAREST, 0, &to);
	assert_int_equal(to.pixels[0], 1);
	warp((const double[6]){1, 0, 1.0 / 513, 0, 1, 0}, &two, ASSAY__WARP_NEAREST, 0, &to);
	assert_int_equal(to.pixels[0], 0);
	free(to.pixels);
}

static void coefficients_are_rounded_once(void **state)
{
	struct assay__warp plan;
	const double unit = ldexp(1, -32);
	const double m[6] = {1.5 * unit, -1.5 * unit, 2.49 * unit, -2.51 * unit, 0.25, -1048576};
	(void)state;
	assert_int_equal(assay__warp_plan(m, &plan, NULL), 0);
	assert_int_equal(plan.step[0][0], 2);
	assert_int_equal(plan.step[0][1], -1);
	assert_int_equal(plan.shift[0], 2);
	assert_int_equal(plan.step[1][0], -3);
	assert_int_equal(plan.step[1][1], 1 << 30);
	assert_true(plan.shift[1] == -((int64_t)1 << 52));
}

/* Bilinear in floating point, far and near, against which rounding of places and values may cost one count. */
static void like_floating_point(void **state)
{
	uint64_t seed = 5;
	(void)state;
	for (int i = 0; i < 60; i++) {
		int channels = (const int[]){1, 3, 4}[i % 3], width = net_random_range(&seed, 1, 40);
		enum assay__warp_edge edge = i % 2 ? ASSAY__WARP_FILL : ASSAY__WARP_NEAREST;
		struct assay_image from = noise(width, net_random_range(&seed, 1, 40), channels, (uint64_t)i);
		struct assay_image to = blank(net_random_range(&seed, 1, 50), 33, channels);
		double m[6];
		for (int k = 0; k < 6; k++)
			m[k] = net_random_range(&seed, -2000, 2000) / (k % 3 == 2 ? 100.0 : 1000.0);
		/* neighbours differ by little, so that 1 / 512 of a pixel is far less than a count */
		for (size_t p = 0; p < from.stride_bytes * (size_t)from.height_px; p++)
			from.pixels[p] = (uint8_t)(100 + from.pixels[p] % 32);
		warp(m, &from, edge, 110, &to);
		for (int y = 0; y < to.height_px; y++)
			for (int x = 0; x < to.width_px; x++)
				for (int c = 0; c < channels; c++) {
					double sx = m[0] * x + m[1] * y + m[2], sy = m[3] * x + m[4] * y + m[5];
					double fx = sx - floor(sx), fy = sy - floor(sy);
					int64_t ix = (int64_t)floor(sx), iy = (int64_t)floor(sy);
					double top =
						tap(&from, ix, iy, c, edge, 110) * (1 - fx) + tap(&from, ix + 1, iy, c, edge, 110) * fx;
					double bottom =
						tap(&from, ix, iy + 1, c, edge, 110) * (1 - fx) + tap(&from, ix + 1, iy + 1, c, edge, 110) * fx;
					assert_true(fabs(top * (1 - fy) + bottom * fy - sample(&to, x, y, c)) <= 1);
				}
		free(from.pixels);
		free(to.pixels);
	}
}

static void flat_and_linear(void **state)
{
	struct assay_image from = blank(64, 3, 1), to = blank(200, 2, 1);
	(void)state;
	memset(from.pixels, 255, from.stride_bytes * 3);
	warp((const double[6]){0.317, 0.01, 0.3, -0.003, 0.77, 0.1}, &from, ASSAY__WARP_NEAREST, 0, &to);
	for (int x = 0; x < 200; x++)
		assert_int_equal(sample(&to, x, 1, 0), 255);
	for (int y = 0; y < 3; y++)
		for (int x = 0; x < 64; x++)
			from.pixels[(size_t)y * from.stride_bytes + (size_t)x] = (uint8_t)(4 * x);
	warp((const double[6]){0.25, 0, 0, 0, 1, 0}, &from, ASSAY__WARP_NEAREST, 0, &to);
	for (int x = 0; x < 200; x++)
		assert_int_equal(sample(&to, x, 1, 0), x);
	free(from.pixels);
	free(to.pixels);
}

static void far_and_steep(void **state)
{
	struct assay_image from = noise(3, 2, 1, 1), to = blank(300, 7, 1);
	(void)state;
	for (int i = 0; i < 64; i++) {
		double m[6];
		for (int k = 0; k < 6; k++)
			m[k] = (i >> k & 1 ? 1 : -1) * (k % 3 == 2 ? 1048576.0 : 256.0);
		warp(m, &from, ASSAY__WARP_FILL, 9, &to);
		assert_int_equal(sample(&to, 299, 6, 0), 9);
	}
	free(from.pixels);
	free(to.pixels);
}

static void bits_never_change(void **state)
{
	uint64_t hash = 0xcbf29ce484222325u;
	(void)state;
	for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
		struct assay_image from = noise(61, 47, channels, 3), to = blank(71, 53, channels);
		warp((const double[6]){0.91, 0.23, -4.2, -0.23, 0.91, 9.1}, &from, ASSAY__WARP_FILL, 128, &to);
		for (size_t i = 0; i < to.stride_bytes * 53; i++)
			hash = (hash ^ to.pixels[i]) * 0x100000001b3u;
		free(from.pixels);
		free(to.pixels);
	}
	assert_true(hash == 0x3b0e0d4c09e1f6d4u);
}

static void refusals(void **state)
{
	static const double bad[][6] = {
		{NAN, 0, 0, 0, 1, 0}, {1, INFINITY, 0, 0, 1, 0}, {1, 0, 1048577, 0, 1, 0}, {1, 0, 0, 0, -256.5, 0}};
	struct assay__warp plan = {.shift = {1, 2}};
	struct assay_image from = noise(4, 4, 3, 1), to = blank(4, 4, 3), odd;
	struct assay_error error = {0};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(assay__warp_plan(bad[i], &plan, &error), ASSAY_E_ARGUMENT);
		assert_non_null(strstr(error.message, "affine matrix"));
		assert_true(plan.shift[1] == 2);
	}
	odd = to, odd.channels = 1;
	assert_int_equal(assay__warp_affine(&plan, &from, ASSAY__WARP_FILL, 0, &odd, &error), ASSAY_E_ARGUMENT);
	odd = to, odd.depth_bits = 16;
	assert_int_equal(assay__warp_affine(&plan, &from, ASSAY__WARP_FILL, 0, &odd, NULL), ASSAY_E_ARGUMENT);
	odd = to, odd.stride_bytes = 11;
	assert_int_equal(assay__warp_affine(&plan, &from, ASSAY__WARP_FILL, 0, &odd, NULL), ASSAY_E_ARGUMENT);
	odd = from, odd.width_px = 0;
	assert_int_equal(assay__warp_affine(&plan, &odd, ASSAY__WARP_FILL, 0, &to, NULL), ASSAY_E_ARGUMENT);
	odd = from, odd.height_px = 65501;
	assert_int_equal(assay__warp_affine(&plan, &odd, ASSAY__WARP_FILL, 0, &to, NULL), ASSAY_E_ARGUMENT);
	odd = from, odd.pixels = NULL;
	assert_int_equal(assay__warp_affine(&plan, &odd, ASSAY__WARP_FILL, 0, &to, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__warp_affine(&plan, &from, ASSAY__WARP_FILL, 0, &from, NULL), ASSAY_E_ARGUMENT);
	for (size_t i = 0; i < to.stride_bytes * 4; i++)
		assert_int_equal(to.pixels[i], 0xa5);
	free(from.pixels);
	free(to.pixels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_steps_are_exact),
		cmocka_unit_test(by_hand),
		cmocka_unit_test(coefficients_are_rounded_once),
		cmocka_unit_test(like_floating_point),
		cmocka_unit_test(flat_and_linear),
		cmocka_unit_test(far_and_steep),
		cmocka_unit_test(bits_never_change),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
