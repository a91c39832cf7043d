/* SPDX-License-Identifier: Apache-2.0 */
/* Running a network: net.h's arithmetic word for word, on every kernel; plans side by side; no allocation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "failing.h"
#include "net_builder.h"
#include "vision/net/kernel.h"
#include "vision/net/net.h"

struct session {
	struct assay__net *net;
	struct assay__plan *plan;
	struct assay__map maps[ASSAY__MAX_TAPS];
};

/* Opens the builder's network, which is used up. */
static struct session open_session(uint8_t *bytes, size_t size, enum assay_isa isa, int width, int height)
{
	struct session s = {0};
	struct assay_error error = {0};

	if (assay__net_open(bytes, size, isa, NULL, &s.net, &error) ||
		assay__plan_open(s.net, width, height, NULL, &s.plan, &error))
		fail_msg("%s", error.message);
	return s;
}

static void close_session(struct session *s)
{
	assay__plan_close(s->plan);
	assay__net_close(s->net);
}

/* Runs on an RGB image of tight rows; the fourth byte is noise. */
static void run(struct session *s, const uint8_t *rgb, int width, int height)
{
	size_t row_bytes;
	uint8_t *in = assay__plan_input(s->plan, &row_bytes);

	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			memcpy(in + (size_t)y * row_bytes + (size_t)x * 4, rgb + ((size_t)y * (size_t)width + (size_t)x) * 3, 3);
			in[(size_t)y * row_bytes + (size_t)x * 4 + 3] = (uint8_t)(x * 77 + y);
		}
	assay__plan_run(s->plan, s->maps);
}

static int map_at(const struct assay__map *map, int x, int y, int c)
{
	return map->data[(size_t)y * map->row_bytes + (size_t)x * map->pixel_bytes + (size_t)c];
}

static void random_image(uint8_t *rgb, int width, int height, uint64_t seed)
{
	for (int i = 0; i < width * height * 3; i++)
		rgb[i] = (uint8_t)net_random(&seed);
}

static bool has(int isa)
{
	return assay__kernels_find((enum assay_isa)isa) != NULL;
}

#define EACH_ISA(isa)                                                                                                  \
	for (int isa = ASSAY_ISA_SCALAR; isa <= ASSAY_ISA_NEONDOT; isa++)                                                  \
		if (has(isa))

static int clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}

/* A 3x3 of 9 output channels, each of which picks one pixel of the window: shows where windows lie and what borders
 * hold. */
static void windows_and_borders(void **state)
{
	(void)state;
	enum { WIDTH = 14, HEIGHT = 6 };
	uint8_t rgb[WIDTH * HEIGHT * 3];

	random_image(rgb, WIDTH, HEIGHT, 1);
	for (int stride = 1; stride <= 2; stride++) {
		struct net_builder b;
		size_t size;
		net_builder_begin(&b, "windows", stride, 1);
		net_builder_tap(
			&b, net_builder_conv(
					&b, 0, &(struct net_conv){.cout = 9, .kernel = 3, .stride = stride, .residual = -1, .hi = 255}));
		memset(b.nodes[0].weights, 0, 9 * 27);
		for (int c = 0; c < 9; c++) {
			b.nodes[0].weights[c * 27 + c * 3 + c % 3] = 1;
			b.nodes[0].bias[c] = 0;
			b.nodes[0].mult[c] = 1;
		}
		uint8_t *bytes = net_builder_end(&b, &size);
		EACH_ISA(isa)
		{
			struct session s = open_session(bytes, size, (enum assay_isa)isa, WIDTH, HEIGHT);
			run(&s, rgb, WIDTH, HEIGHT);
			assert_int_equal(s.maps[0].width, WIDTH / stride);
			assert_int_equal(s.maps[0].height, HEIGHT / stride);
			assert_int_equal(s.maps[0].channels, 9);
			for (int y = 0; y < HEIGHT / stride; y++)
				for (int x = 0; x < WIDTH / stride; x++)
					for (int c = 0; c < 9; c++) {
						int back = stride == 1;
						int in_x = clamp(x * stride + c % 3 - back, 0, WIDTH - 1);
						int in_y = clamp(y * stride + c / 3 - back, 0, HEIGHT - 1);
						assert_int_equal(map_at(&s.maps[0], x, y, c), rgb[(in_y * WIDTH + in_x) * 3 + c % 3]);
					}
			close_session(&s);
		}
		free(bytes);
	}
}

/* Borders of a map inside the network are replicated as well: two 3x3 that pick the top left, then the bottom right. */
static void inner_borders(void **state)
{
	(void)state;
	enum { WIDTH = 5, HEIGHT = 3 };
	uint8_t rgb[WIDTH * HEIGHT * 3];
	struct net_builder b;
	size_t size;

	random_image(rgb, WIDTH, HEIGHT, 2);
	net_builder_begin(&b, "inner", 1, 1);
	const struct net_conv conv = {.cout = 3, .kernel = 3, .stride = 1, .residual = -1, .hi = 255};
	net_builder_tap(&b, net_builder_conv(&b, net_builder_conv(&b, 0, &conv), &conv));
	for (int n = 0; n < 2; n++) {
		memset(b.nodes[n].weights, 0, 3 * 27);
		for (int c = 0; c < 3; c++) {
			b.nodes[n].weights[c * 27 + (n == 0 ? 0 : 24) + c] = 1;
			b.nodes[n].bias[c] = 0;
			b.nodes[n].mult[c] = 1;
		}
	}
	uint8_t *bytes = net_builder_end(&b, &size);
	EACH_ISA(isa)
	{
		struct session s = open_session(bytes, size, (enum assay_isa)isa, WIDTH, HEIGHT);
		run(&s, rgb, WIDTH, HEIGHT);
		for (int y = 0; y < HEIGHT; y++)
			for (int x = 0; x < WIDTH; x++)
				for (int c = 0; c < 3; c++) {
					int in_x = clamp(clamp(x + 1, 0, WIDTH - 1) - 1, 0, WIDTH - 1);
					int in_y = clamp(clamp(y + 1, 0, HEIGHT - 1) - 1, 0, HEIGHT - 1);
					assert_int_equal(map_at(&s.maps[0], x, y, c), rgb[(in_y * WIDTH + in_x) * 3 + c]);
				}
		close_session(&s);
	}
	free(bytes);
}

/* 1x1 with weight 1: what one value becomes, for all 256. */
static void check_values(float mult, int32_t bias, int zero_point, int lo, int hi, int (*want)(int value))
{
	uint8_t rgb[256 * 3];
	struct net_builder b;
	size_t size;

	for (int i = 0; i < 256; i++)
		rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = (uint8_t)i;
	net_builder_begin(&b, "values", 1, 1);
	net_builder_tap(
		&b,
		net_builder_conv(
			&b, 0,
			&(struct net_conv){
				.cout = 1, .kernel = 1, .stride = 1, .residual = -1, .zero_point = zero_point, .lo = lo, .hi = hi}));
	memcpy(b.nodes[0].weights, (const int8_t[]){0, 1, 0}, 3);
	b.nodes[0].bias[0] = bias;
	b.nodes[0].mult[0] = mult;
	uint8_t *bytes = net_builder_end(&b, &size);
	EACH_ISA(isa)
	{
		struct session s = open_session(bytes, size, (enum assay_isa)isa, 256, 1);
		run(&s, rgb, 256, 1);
		for (int i = 0; i < 256; i++)
			assert_int_equal(map_at(&s.maps[0], i, 0, 0), want(i));
		close_session(&s);
	}
	free(bytes);
}

/* Halves go to the even neighbour. */
static int half(int v)
{
	return v % 2 == 0 ? v / 2 : v / 2 + (v / 2) % 2;
}

/* -128 .. 127, halved to even, about 128. */
static int half_about_128(int v)
{
	int d = v - 128;
	return 128 + (d < 0 ? -half(-d) : half(d));
}

static int times_4_from_minus_400(int v)
{
	return clamp(4 * v - 400, 0, 255);
}

static int between_20_and_90(int v)
{
	return clamp(v - 100 + 30, 20, 90);
}

static int always_255(int v)
{
	(void)v;
	return 255;
}

static int always_7(int v)
{
	(void)v;
	return 7;
}

static void rounding_and_clamps(void **state)
{
	(void)state;
	check_values(0.5f, 0, 0, 0, 255, half);
	check_values(0.5f, -128, 128, 0, 255, half_about_128);
	check_values(4.0f, -100, 0, 0, 255, times_4_from_minus_400);
	check_values(1.0f, -100, 30, 20, 90, between_20_and_90);
	check_values(0.4f, INT32_MAX - 255, 128, 0, 255, always_255);
	check_values(0.4f, -(INT32_MAX - 255), 128, 7, 255, always_7);
	check_values(-0.4f, INT32_MAX - 255, 255, 7, 255, always_7);
}

/* Accumulators above 2^24, which floats do not hold exactly, and the residual, each operation rounded by itself. */
static void residual_order(void **state)
{
	(void)state;
	enum { SIDE = 64, CHANNELS = 20 };
	static uint8_t rgb[SIDE * SIDE * 3];
	struct net_builder b;
	size_t size;
	float mults[CHANNELS];
	int32_t biases[CHANNELS];
	const float residual_mult = 0.3f;
	int fused_differs[2] = {0}; /* pixels that would tell a fused residual, and a fused accumulator, by their value */

	random_image(rgb, SIDE, SIDE, 9);
	net_builder_begin(&b, "residual", 1, 3);
	int r = net_builder_conv(
		&b, 0,
		&(struct net_conv){.cout = CHANNELS, .kernel = 1, .stride = 1, .residual = -1, .zero_point = 100, .hi = 255});
	int t = net_builder_conv(
		&b, 0,
		&(struct net_conv){.cout = CHANNELS, .kernel = 1, .stride = 1, .residual = r, .zero_point = 90, .hi = 255});
	net_builder_tap(&b, r);
	net_builder_tap(&b, t);
	b.nodes[1].residual_mult = residual_mult;
	memset(b.nodes[1].weights, 0, CHANNELS * 3);
	for (int c = 0; c < CHANNELS; c++) {
		b.nodes[1].weights[3 * c + 1] = 127;
		biases[c] = b.nodes[1].bias[c] = 16777216 * (c % 3) + c;
		mults[c] = b.nodes[1].mult[c] = c % 3 ? 60.0f / 16777216 : 0.0031f * (float)(c + 1);
	}
	/* 15 * 0.3f rounds to 4.5, a tie once an integer is added, and is a little more before it is rounded. */
	for (int c = 16; c < CHANNELS; c++) {
		b.nodes[1].weights[3 * c + 1] = 0;
		biases[c] = b.nodes[1].bias[c] = c < 18 ? -4 * (c - 15) : 15 * (2 * c - 37);
		mults[c] = b.nodes[1].mult[c] = c < 18 ? 1 : 0.3f;
	}
	uint8_t *bytes = net_builder_end(&b, &size);
	EACH_ISA(isa)
	{
		struct session s = open_session(bytes, size, (enum assay_isa)isa, SIDE, SIDE);
		run(&s, rgb, SIDE, SIDE);
		for (int i = 0; i < SIDE * SIDE; i++)
			for (int c = 0; c < CHANNELS; c++) {
				volatile float acc = (float)(biases[c] + (c < 16 ? 127 : 0) * rgb[3 * i + 1]);
				volatile float main = acc * mults[c];
				float residual = (float)(map_at(&s.maps[0], i % SIDE, i / SIDE, c) - 100);
				volatile float side = residual * residual_mult;
				volatile float sum = main + side;
				long rounded = lrintf(sum);
				fused_differs[0] += lrintf(fmaf(residual, residual_mult, main)) != rounded;
				fused_differs[1] += lrintf(fmaf(acc, mults[c], side)) != rounded;
				int want = (int)rounded + 90;
				assert_int_equal(map_at(&s.maps[1], i % SIDE, i / SIDE, c), clamp(want, 0, 255));
			}
		close_session(&s);
	}
	assert_true(fused_differs[0] > 0 && fused_differs[1] > 0);
	free(bytes);
}

static void hash_maps(const struct session *s, int taps, uint8_t digest[32])
{
	crypto_generichash_state hash;

	crypto_generichash_init(&hash, NULL, 0, 32);
	for (int tap = 0; tap < taps; tap++)
		for (int y = 0; y < s->maps[tap].height; y++)
			for (int x = 0; x < s->maps[tap].width; x++)
				for (int c = 0; c < s->maps[tap].channels; c++) {
					uint8_t value = (uint8_t)map_at(&s->maps[tap], x, y, c);
					crypto_generichash_update(&hash, &value, 1);
				}
	crypto_generichash_final(&hash, digest, 32);
}

/* One plan twice, with another image between; two plans of one network, of different sizes, in turn. */
static void reuse_and_interleaving(void **state)
{
	(void)state;
	static uint8_t a[64 * 48 * 3], other[64 * 48 * 3];
	uint8_t first[32], between[32], again[32], small_first[32], small_again[32];
	size_t size;
	uint8_t *bytes = net_build_base(8, &size);

	random_image(a, 64, 48, 1);
	random_image(other, 64, 48, 2);
	EACH_ISA(isa)
	{
		struct session s = open_session(bytes, size, (enum assay_isa)isa, 64, 48), small = s;
		assert_int_equal(assay__plan_open(s.net, 32, 16, NULL, &small.plan, NULL), 0);
		run(&s, a, 64, 48);
		hash_maps(&s, 3, first);
		run(&small, other, 32, 16);
		hash_maps(&small, 3, small_first);
		/* The other plan's run leaves this one's maps alone. */
		hash_maps(&s, 3, again);
		assert_memory_equal(first, again, 32);
		run(&s, other, 64, 48);
		hash_maps(&s, 3, between);
		assert_memory_not_equal(first, between, 32);
		run(&s, a, 64, 48);
		run(&small, other, 32, 16);
		hash_maps(&s, 3, again);
		hash_maps(&small, 3, small_again);
		assert_memory_equal(first, again, 32);
		assert_memory_equal(small_first, small_again, 32);
		assay__plan_close(small.plan);
		close_session(&s);
	}
	free(bytes);
}

/* A tap early in the network, read at the end: nobody may have used its memory again. */
static void early_taps_survive(void **state)
{
	(void)state;
	enum { WIDTH = 24, HEIGHT = 8 };
	uint8_t rgb[WIDTH * HEIGHT * 3], alone[32], among[32];
	const struct net_conv conv = {.cout = 12, .kernel = 3, .stride = 1, .residual = -1, .hi = 255};

	random_image(rgb, WIDTH, HEIGHT, 3);
	for (int more = 0; more < 2; more++) {
		struct net_builder b;
		size_t size;
		net_builder_begin(&b, "early", 1, 4);
		int t = net_builder_conv(&b, 0, &conv);
		net_builder_tap(&b, t);
		for (int i = 0; i < 10 * more; i++)
			t = net_builder_conv(&b, t, &conv);
		if (more)
			net_builder_tap(&b, t);
		uint8_t *bytes = net_builder_end(&b, &size);
		struct session s = open_session(bytes, size, ASSAY_ISA_BEST, WIDTH, HEIGHT);
		run(&s, rgb, WIDTH, HEIGHT);
		hash_maps(&s, 1, more ? among : alone);
		/* Ten maps of 12 channels need room for few at a time. */
		if (more)
			assert_true(assay__plan_bytes(s.plan) < 6 * (WIDTH + 2) * (HEIGHT + 2) * 12 + 20000);
		close_session(&s);
		free(bytes);
	}
	assert_memory_equal(alone, among, 32);
}

static void run_allocates_nothing(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = net_build_base(8, &size);
	static uint8_t rgb[32 * 32 * 3];

	EACH_ISA(isa)
	{
		struct failing failing;
		struct session s = {0};
		failing_open(&failing, 0);
		assert_int_equal(assay__net_open(bytes, size, (enum assay_isa)isa, &failing.allocator, &s.net, NULL), 0);
		assert_int_equal(assay__plan_open(s.net, 32, 32, &failing.allocator, &s.plan, NULL), 0);
		int before = failing.requests;
		run(&s, rgb, 32, 32);
		run(&s, rgb, 32, 32);
		assert_int_equal(failing.requests, before);
		close_session(&s);
		assert_int_equal(failing.alive, 0);
	}
	free(bytes);
}

static void sizes_that_cannot_be(void **state)
{
	(void)state;
	static const int sizes[][2] = {{0, 16}, {16, 0}, {-16, 16}, {24, 16}, {16, 17}, {8208, 16}, {16, 1 << 30}};
	struct assay_error error = {0};
	struct assay__net *net;
	struct assay__plan *plan = NULL;
	size_t size;
	uint8_t *bytes = net_build_base(8, &size);

	assert_int_equal(assay__net_open(bytes, size, ASSAY_ISA_BEST, NULL, &net, NULL), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(assay__plan_open(net, sizes[i][0], sizes[i][1], NULL, &plan, &error), ASSAY_E_ARGUMENT);
		assert_non_null(strstr(error.message, "multiple of 16"));
		assert_null(plan);
	}
	assert_int_equal(assay__plan_open(net, 8192, 16, NULL, &plan, &error), 0);
	assay__plan_close(plan);
	assay__plan_close(NULL);
	assay__net_close(net);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_and_borders),	  cmocka_unit_test(inner_borders),
		cmocka_unit_test(rounding_and_clamps),	  cmocka_unit_test(residual_order),
		cmocka_unit_test(reuse_and_interleaving), cmocka_unit_test(early_taps_survive),
		cmocka_unit_test(run_allocates_nothing),  cmocka_unit_test(sizes_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
