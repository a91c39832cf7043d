/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel that this CPU has gives the bits of the scalar one, for every width, shape and extreme. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "net_builder.h"
#include "vision/net/kernel.h"
#include "vision/net/net.h"

enum input { INPUT_RANDOM, INPUT_ZERO, INPUT_FULL, INPUT_CHECKER, INPUT_COUNT };

static void fill_input(struct assay__plan *plan, int width, int height, enum input kind, uint64_t seed)
{
	size_t row_bytes;
	uint8_t *row = assay__plan_input(plan, &row_bytes);

	for (int y = 0; y < height; y++, row += row_bytes)
		for (int i = 0; i < width * 4; i++)
			/* The fourth byte is filled too: it must not count. */
			row[i] = kind == INPUT_RANDOM ? (uint8_t)net_random(&seed)
					 : kind == INPUT_ZERO ? 0
					 : kind == INPUT_FULL ? 255
					 : ((i >> 2) + y) & 1 ? 255
										  : 0;
}

struct opened {
	struct assay__net *net;
	struct assay__plan *plan;
};

static struct opened open_net(const uint8_t *bytes, size_t size, enum assay_isa isa, int width, int height)
{
	struct opened o = {0};
	struct assay_error error = {0};

	if (assay__net_open(bytes, size, isa, NULL, &o.net, &error) ||
		assay__plan_open(o.net, width, height, NULL, &o.plan, &error))
		fail_msg("%s: %s", assay_isa_name(isa), error.message);
	return o;
}

static void close_net(struct opened *o)
{
	assay__plan_close(o->plan);
	assay__net_close(o->net);
}

static void assert_same_maps(const struct assay__map *want, const struct assay__map *got, const char *isa, int tap)
{
	assert_int_equal(want->width, got->width);
	assert_int_equal(want->height, got->height);
	assert_int_equal(want->channels, got->channels);
	for (int y = 0; y < want->height; y++)
		for (int x = 0; x < want->width; x++)
			for (int c = 0; c < want->channels; c++) {
				int w = want->data[(size_t)y * want->row_bytes + (size_t)x * want->pixel_bytes + (size_t)c];
				int g = got->data[(size_t)y * got->row_bytes + (size_t)x * got->pixel_bytes + (size_t)c];
				if (w != g)
					fail_msg("%s: tap %d of %d x %d, pixel %d %d channel %d: %d, scalar says %d", isa, tap, want->width,
							 want->height, x, y, c, g, w);
			}
}

/* Frees bytes. */
static void compare(uint8_t *bytes, size_t size, int width, int height, enum input kind, uint64_t seed)
{
	struct assay__map want[ASSAY__MAX_TAPS], got[ASSAY__MAX_TAPS];
	struct assay__net_info info;
	struct opened scalar = open_net(bytes, size, ASSAY_ISA_SCALAR, width, height);

	fill_input(scalar.plan, width, height, kind, seed);
	assay__plan_run(scalar.plan, want);
	assay__net_get_info(scalar.net, &info);
	for (int isa = ASSAY_ISA_SCALAR + 1; isa <= ASSAY_ISA_NEONDOT; isa++) {
		if (!assay__kernels_find((enum assay_isa)isa))
			continue;
		struct opened other = open_net(bytes, size, (enum assay_isa)isa, width, height);
		fill_input(other.plan, width, height, kind, seed);
		assay__plan_run(other.plan, got);
		for (int tap = 0; tap < info.tap_count; tap++)
			assert_same_maps(&want[tap], &got[tap], assay_isa_name((enum assay_isa)isa), tap);
		close_net(&other);
	}
	close_net(&scalar);
	free(bytes);
}

static void every_width_at_stride_1(void **state)
{
	(void)state;
	for (int width = 1; width <= 130; width++) {
		struct net_builder b;
		size_t size;
		net_builder_begin(&b, "width", 1, (uint64_t)width);
		int t =
			net_builder_conv(&b, 0, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
		int narrow = net_builder_conv(
			&b, t, &(struct net_conv){.cout = 24, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
		t = net_builder_conv(
			&b, narrow,
			&(struct net_conv){.cout = 100, .kernel = 1, .stride = 1, .residual = -1, .zero_point = 128, .hi = 255});
		net_builder_tap(&b, t);
		t = net_builder_conv(
			&b, t,
			&(struct net_conv){
				.cout = 24, .kernel = 1, .stride = 1, .residual = narrow, .zero_point = 128, .lo = 3, .hi = 250});
		net_builder_tap(&b, t);
		t = net_builder_conv(&b, t,
							 &(struct net_conv){.cout = 48, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
		net_builder_tap(&b, t);
		t = net_builder_conv(&b, t,
							 &(struct net_conv){.cout = 16, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
		net_builder_tap(&b, t);
		uint8_t *bytes = net_builder_end(&b, &size);
		compare(bytes, size, width, 1 + width % 4 * 2, INPUT_RANDOM, (uint64_t)width);
	}
}

static void every_width_at_stride_2(void **state)
{
	(void)state;
	for (int width = 1; width <= 130; width++) {
		struct net_builder b;
		size_t size;
		net_builder_begin(&b, "width", 4, (uint64_t)width);
		int t = net_builder_conv(&b, 0,
								 &(struct net_conv){.cout = 20, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
		net_builder_tap(&b, t);
		t = net_builder_conv(&b, t,
							 &(struct net_conv){.cout = 36, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
		net_builder_tap(&b, t);
		t = net_builder_conv(&b, t,
							 &(struct net_conv){.cout = 64, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
		net_builder_tap(&b, t);
		uint8_t *bytes = net_builder_end(&b, &size);
		compare(bytes, size, 4 * width, 4 * (1 + width % 3), INPUT_RANDOM, (uint64_t)width);
	}
}

/* image -> cin by 1x1 -> the convolution under test, with a residual made from the image where one is asked for. */
static uint8_t *one_conv(int cin, int cout, int kernel, int stride, bool residual, enum net_fill fill, uint64_t seed,
						 size_t *size)
{
	struct net_builder b;
	uint64_t dice = seed;

	net_builder_begin(&b, "one", stride, seed);
	struct net_conv first = {.cout = cin, .kernel = 1, .stride = 1, .residual = -1, .hi = 255};
	first.zero_point = net_random_range(&dice, 0, 255);
	struct net_conv side = {.cout = cout, .kernel = stride == 2 ? 3 : 1, .stride = stride, .residual = -1, .hi = 255};
	side.zero_point = net_random_range(&dice, 0, 255);
	struct net_conv conv = {.cout = cout, .kernel = kernel, .stride = stride, .residual = -1, .hi = 255, .fill = fill};
	if (net_random(&dice) % 2) {
		conv.lo = net_random_range(&dice, 0, 60);
		conv.hi = net_random_range(&dice, 180, 255);
		conv.zero_point = net_random_range(&dice, 0, 255);
	}
	int t = net_builder_conv(&b, 0, &first);
	if (residual)
		conv.residual = net_builder_conv(&b, 0, &side);
	net_builder_tap(&b, net_builder_conv(&b, t, &conv));
	return net_builder_end(&b, size);
}

static const int channel_counts[] = {1, 3, 4, 5, 8, 15, 16, 17, 24, 31, 32, 40, 47, 50, 64, 72, 96, 100};
#define CHANNEL_COUNTS (sizeof(channel_counts) / sizeof(channel_counts[0]))

static void all_shapes(bool residual)
{
	uint64_t seed = residual;

	for (size_t i = 0; i < CHANNEL_COUNTS; i++)
		for (size_t o = 0; o < CHANNEL_COUNTS; o++)
			for (int shape = 0; shape < 3; shape++) {
				size_t size;
				int kernel = shape == 0 ? 1 : 3, stride = shape == 2 ? 2 : 1;
				uint8_t *bytes =
					one_conv(channel_counts[i], channel_counts[o], kernel, stride, residual, NET_RANDOM, ++seed, &size);
				int width = net_random_range(&seed, 1, 21), height = net_random_range(&seed, 0, 1) * 2 + 1;
				compare(bytes, size, width * stride, height * stride, INPUT_RANDOM, seed);
			}
}

static void every_channel_count(void **state)
{
	(void)state;
	all_shapes(false);
}

static void every_channel_count_with_residual(void **state)
{
	(void)state;
	all_shapes(true);
}

static void extremes(void **state)
{
	(void)state;
	static const int widths[] = {1, 4, 5, 8, 16, 19};
	uint64_t seed = 99;

	for (int fill = NET_RANDOM; fill <= NET_EXTREMES; fill++)
		for (int input = 0; input < INPUT_COUNT; input++)
			for (int shape = 0; shape < 3; shape++)
				for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
					size_t size;
					int kernel = shape == 0 ? 1 : 3, stride = shape == 2 ? 2 : 1;
					bool residual = net_random(&seed) & 1;
					uint8_t *bytes = one_conv(100, 88, kernel, stride, residual, (enum net_fill)fill, ++seed, &size);
					compare(bytes, size, widths[w] * stride, 3 * stride, (enum input)input, seed);
				}
}

/* Layer widths of the shipped network, and the tiles that only they use. */
static void shipped_shape(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = net_build_base(3, &size);
	compare(bytes, size, 96, 80, INPUT_RANDOM, 3);
	bytes = net_build_base(4, &size);
	compare(bytes, size, 16, 16, INPUT_CHECKER, 4);
}

/* The answer, on every instruction set and every kind of machine. */
static void one_hash_everywhere(void **state)
{
	(void)state;
	static const char *const want = "acd45a50319128e28758765e1c0ba3e6";
	size_t size;
	uint8_t *bytes = net_build_base(1, &size);

	for (int isa = ASSAY_ISA_SCALAR; isa <= ASSAY_ISA_NEONDOT; isa++) {
		struct assay__map maps[ASSAY__MAX_TAPS];
		crypto_generichash_state hash;
		uint8_t digest[16];
		char hex[2 * sizeof(digest) + 1];

		if (!assay__kernels_find((enum assay_isa)isa))
			continue;
		struct opened o = open_net(bytes, size, (enum assay_isa)isa, 64, 48);
		fill_input(o.plan, 64, 48, INPUT_RANDOM, 7);
		assay__plan_run(o.plan, maps);
		crypto_generichash_init(&hash, NULL, 0, sizeof(digest));
		for (int tap = 0; tap < 3; tap++)
			for (int y = 0; y < maps[tap].height; y++)
				for (int x = 0; x < maps[tap].width; x++)
					crypto_generichash_update(
						&hash, maps[tap].data + (size_t)y * maps[tap].row_bytes + (size_t)x * maps[tap].pixel_bytes,
						(unsigned long long)maps[tap].channels);
		crypto_generichash_final(&hash, digest, sizeof(digest));
		for (size_t i = 0; i < sizeof(digest); i++)
			snprintf(hex + 2 * i, 3, "%02x", digest[i]);
		assert_string_equal(hex, want);
		close_net(&o);
	}
	free(bytes);
}

static void outputs_spread(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = net_build_base(5, &size);
	struct opened o = open_net(bytes, size, ASSAY_ISA_BEST, 64, 64);
	struct assay__map maps[ASSAY__MAX_TAPS];

	fill_input(o.plan, 64, 64, INPUT_RANDOM, 5);
	assay__plan_run(o.plan, maps);
	for (int tap = 0; tap < 3; tap++) {
		bool seen[256] = {false};
		int distinct = 0;
		for (int y = 0; y < maps[tap].height; y++)
			for (int x = 0; x < maps[tap].width * (int)maps[tap].pixel_bytes; x++)
				seen[maps[tap].data[(size_t)y * maps[tap].row_bytes + (size_t)x]] = true;
		for (int i = 0; i < 256; i++)
			distinct += seen[i];
		/* The comparisons above would prove little if everything were clamped. */
		assert_true(distinct > 200);
	}
	close_net(&o);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_width_at_stride_1),
		cmocka_unit_test(every_width_at_stride_2),
		cmocka_unit_test(every_channel_count),
		cmocka_unit_test(every_channel_count_with_residual),
		cmocka_unit_test(extremes),
		cmocka_unit_test(shipped_shape),
		cmocka_unit_test(one_hash_everywhere),
		cmocka_unit_test(outputs_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
