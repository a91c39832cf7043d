/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation of a network, window and border, on every kernel, against net.h's words worked out from the file. */
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

struct picture {
	int width, height, channels, zero_point, stride;
	uint8_t *data;
};

/* What the file says about one node. */
struct node {
	const struct picture *src, *other;
	int op, kernel, stride, pad, border, lo, hi;
	float other_mult;
	const int8_t *weights;
	const uint8_t *bytes;
	size_t bias, mult;
};

static float get_f32(const uint8_t *bytes, size_t at)
{
	uint32_t u = net_get_u32(bytes, at);
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static int at(const struct picture *p, int x, int y, int c)
{
	return p->data[((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels + (size_t)c];
}

static int clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}

/* src as a window sees it, beyond its edges too. */
static int seen(const struct node *n, int x, int y, int c)
{
	const struct picture *p = n->src;

	if (n->border == 1 && (x < 0 || y < 0 || x >= p->width || y >= p->height))
		return p->zero_point;
	return at(p, clamp(x, 0, p->width - 1), clamp(y, 0, p->height - 1), c);
}

static float convolved(const struct node *n, int x, int y, int c)
{
	const int inputs = n->op == 2 ? 1 : n->src->channels;
	int64_t acc = (int32_t)net_get_u32(n->bytes, n->bias + (size_t)c * 4);
	const int8_t *w = n->weights + c * n->kernel * n->kernel * inputs;

	for (int ky = 0; ky < n->kernel; ky++)
		for (int kx = 0; kx < n->kernel; kx++)
			for (int i = 0; i < inputs; i++)
				acc += *w++ * seen(n, x * n->stride - n->pad + kx, y * n->stride - n->pad + ky, n->op == 2 ? c : i);
	volatile float t = (float)acc * get_f32(n->bytes, n->mult + (size_t)c * 4);
	return t;
}

/* The maximum, or the sum around zero. */
static int pooled(const struct node *n, int x, int y, int c)
{
	int most = 0, sum = 0;

	for (int ky = 0; ky < n->kernel; ky++)
		for (int kx = 0; kx < n->kernel; kx++) {
			int v = seen(n, x * n->stride - n->pad + kx, y * n->stride - n->pad + ky, c);
			most = v > most ? v : most;
			sum += v - n->src->zero_point;
		}
	return n->op == 3 ? most : sum;
}

static uint8_t value(const struct node *n, const struct picture *dst, int x, int y, int c)
{
	volatile float t = 0, other = 0;

	if (n->op == 3)
		return (uint8_t)pooled(n, x, y, c);
	if (n->op == 4)
		t = (float)pooled(n, x, y, c) * (n->kernel == 2 ? 0.25f : 1.0f / 9.0f);
	else if (n->op <= 2)
		t = convolved(n, x, y, c);
	else if (n->op == 5 || c < n->src->channels)
		t = (float)(at(n->src, x, y, c) - n->src->zero_point) * get_f32(n->bytes, n->mult);
	if (n->op == 6 && c >= n->src->channels) {
		t = (float)(at(n->other, x, y, c - n->src->channels) - n->other->zero_point) * n->other_mult;
	} else if (n->op != 6 && n->other) {
		other = (float)(at(n->other, x, y, c) - n->other->zero_point) * n->other_mult;
		t = t + other;
	}
	return (uint8_t)clamp((int)lrintf(t) + dst->zero_point, n->lo, n->hi);
}

/* Runs a file that opens; all[0].data is the image. The caller frees the others' data. */
static void reference(const uint8_t *bytes, struct picture *all, int width, int height)
{
	const int tensors = (int)net_get_u32(bytes, 48);
	const size_t nodes = NET_HEADER_BYTES + (size_t)tensors * NET_TENSOR_BYTES;

	for (int i = 0; i < tensors; i++) {
		const size_t t = NET_HEADER_BYTES + (size_t)i * NET_TENSOR_BYTES;
		all[i].channels = (int)net_get_u32(bytes, t);
		all[i].stride = (int)net_get_u32(bytes, t + 4);
		all[i].zero_point = (int)net_get_u32(bytes, t + 8);
		all[i].width = width / all[i].stride;
		all[i].height = height / all[i].stride;
	}
	for (int i = 0; i < tensors - 1; i++) {
		const size_t f = nodes + (size_t)i * NET_NODE_BYTES;
		struct picture *dst = &all[net_get_u32(bytes, f + 8)];
		struct node n = {.src = &all[net_get_u32(bytes, f + 4)],
						 .op = (int)net_get_u32(bytes, f),
						 .kernel = (int)net_get_u32(bytes, f + 16),
						 .stride = (int)net_get_u32(bytes, f + 20),
						 .lo = (int)net_get_u32(bytes, f + 24),
						 .hi = (int)net_get_u32(bytes, f + 28),
						 .other_mult = get_f32(bytes, f + 32),
						 .weights = (const int8_t *)bytes + net_get_u32(bytes, f + 36),
						 .bytes = bytes,
						 .bias = net_get_u32(bytes, f + 40),
						 .mult = net_get_u32(bytes, f + 44),
						 .border = (int)net_get_u32(bytes, f + 48)};
		n.pad = n.stride == 1 ? (n.kernel - 1) / 2 : (int)net_get_u32(bytes, f + 52);
		if ((int32_t)net_get_u32(bytes, f + 12) >= 0)
			n.other = &all[net_get_u32(bytes, f + 12)];
		uint8_t *out = dst->data = malloc((size_t)dst->width * (size_t)dst->height * (size_t)dst->channels);
		for (int y = 0; y < dst->height; y++)
			for (int x = 0; x < dst->width; x++)
				for (int c = 0; c < dst->channels; c++)
					*out++ = value(&n, dst, x, y, c);
	}
}

static uint8_t *make_image(int width, int height, enum input kind, uint64_t seed)
{
	uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);

	for (int i = 0; i < width * height * 3; i++)
		rgb[i] = kind == INPUT_RANDOM								 ? (uint8_t)net_random(&seed)
				 : kind == INPUT_ZERO								 ? 0
				 : kind == INPUT_FULL || (i / 3 + i / 3 / width) & 1 ? 255
																	 : 0;
	return rgb;
}

static void compare_tap(const struct picture *want, const struct assay__map *got, const char *isa)
{
	assert_int_equal(want->width, got->width);
	assert_int_equal(want->height, got->height);
	assert_int_equal(want->channels, got->channels);
	for (int y = 0; y < want->height; y++)
		for (int x = 0; x < want->width; x++)
			for (int c = 0; c < want->channels; c++) {
				int g = got->data[(size_t)y * got->row_bytes + (size_t)x * got->pixel_bytes + (size_t)c];
				if (g != at(want, x, y, c))
					fail_msg("%s: %d x %d x %d, pixel %d %d channel %d: %d, by definition %d", isa, want->width,
							 want->height, want->channels, x, y, c, g, at(want, x, y, c));
			}
}

/* Every kernel against the definition. Frees bytes. */
static void check(uint8_t *bytes, size_t size, int width, int height, enum input kind, uint64_t seed)
{
	const size_t tensors = net_get_u32(bytes, 48), taps = net_get_u32(bytes, 56);
	const size_t taps_at = NET_HEADER_BYTES + tensors * NET_TENSOR_BYTES + (tensors - 1) * NET_NODE_BYTES;
	struct picture all[NET_MAX] = {{.data = make_image(width, height, kind, seed)}};
	struct assay_error error = {0};

	reference(bytes, all, width, height);
	for (int isa = ASSAY_ISA_SCALAR; isa <= ASSAY_ISA_NEONDOT; isa++) {
		struct assay__net *net;
		struct assay__plan *plan = NULL;
		struct assay__map maps[ASSAY__MAX_TAPS];
		size_t row_bytes;
		if (!assay__kernels_find((enum assay_isa)isa))
			continue;
		if (assay__net_open(bytes, size, (enum assay_isa)isa, NULL, &net, &error) ||
			assay__plan_open(net, width, height, NULL, &plan, &error))
			fail_msg("%s", error.message);
		uint8_t *in = assay__plan_input(plan, &row_bytes);
		for (int y = 0; y < height; y++)
			for (int x = 0; x < width; x++)
				memcpy(in + (size_t)y * row_bytes + (size_t)x * 4, all[0].data + (y * width + x) * 3, 3);
		assay__plan_run(plan, maps);
		for (size_t i = 0; i < taps; i++)
			compare_tap(&all[net_get_u32(bytes, taps_at + i * NET_TAP_BYTES)], &maps[i],
						assay_isa_name((enum assay_isa)isa));
		assay__plan_close(plan);
		assay__net_close(net);
	}
	for (size_t i = 0; i < tensors; i++)
		free(all[i].data);
	free(bytes);
}

/* What may stand in a node. */
static const struct shape {
	int op, kernel, stride, border, pad_before;
} shapes[] = {
	{1, 1, 1, 0, 0}, {1, 1, 2, 0, 0}, {1, 3, 1, 0, 0}, {1, 3, 1, 1, 0}, {1, 3, 2, 0, 0}, {1, 3, 2, 0, 1},
	{1, 3, 2, 1, 0}, {1, 3, 2, 1, 1}, {1, 5, 1, 0, 0}, {1, 5, 1, 1, 0}, {1, 5, 2, 0, 2}, {1, 5, 2, 1, 1},
	{1, 7, 1, 0, 0}, {1, 7, 1, 1, 0}, {1, 7, 2, 0, 0}, {1, 7, 2, 0, 3}, {1, 7, 2, 1, 3}, {2, 3, 1, 0, 0},
	{2, 3, 1, 1, 0}, {2, 3, 2, 0, 0}, {2, 3, 2, 0, 1}, {2, 3, 2, 1, 0}, {2, 3, 2, 1, 1}, {3, 2, 1, 0, 0},
	{3, 2, 2, 0, 0}, {3, 3, 1, 0, 0}, {3, 3, 2, 0, 0}, {3, 3, 2, 0, 1}, {4, 2, 1, 0, 0}, {4, 2, 1, 1, 0},
	{4, 2, 2, 0, 0}, {4, 3, 1, 0, 0}, {4, 3, 1, 1, 0}, {4, 3, 2, 0, 1}, {4, 3, 2, 1, 1}, {5, 1, 1, 0, 0},
	{6, 1, 1, 0, 0},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* image -> cin by 1x1 -> the node under test, with a second input made from the image where it takes one. */
static uint8_t *one_node(const struct shape *shape, int cin, enum net_fill fill, uint64_t seed, size_t *size)
{
	struct net_builder b;
	bool two = shape->op >= 5 || (shape->op <= 2 && net_random_range(&seed, 0, 1));
	int zero_point = net_random_range(&seed, 0, 255);

	net_builder_begin(&b, "one", shape->stride, seed);
	int t = net_builder_conv(
		&b, 0,
		&(struct net_conv){.cout = cin, .kernel = 1, .stride = 1, .residual = -1, .zero_point = zero_point, .hi = 255});
	struct net_conv conv = {.op = shape->op,
							.cout = shape->op == 1 ? net_random_range(&seed, 1, 40) : cin,
							.kernel = shape->kernel,
							.stride = shape->stride,
							.residual = -1,
							.hi = 255,
							.fill = fill,
							.border = shape->border,
							.pad_before = shape->pad_before};
	if (two) {
		struct net_conv side = {.cout = shape->op == 6 ? net_random_range(&seed, 1, 40) : conv.cout,
								.kernel = 1,
								.stride = shape->stride,
								.residual = -1,
								.zero_point = net_random_range(&seed, 0, 255),
								.hi = 255};
		conv.residual = net_builder_conv(&b, 0, &side);
		conv.cout += shape->op == 6 ? side.cout : 0;
	}
	if (shape->op == 3 || shape->op == 4) {
		conv.zero_point = zero_point;
	} else {
		conv.zero_point = net_random_range(&seed, 0, 255);
		conv.lo = net_random_range(&seed, 0, 60);
		conv.hi = net_random_range(&seed, 180, 255);
	}
	net_builder_tap(&b, net_builder_conv(&b, t, &conv));
	return net_builder_end(&b, size);
}

static void every_width(void **state)
{
	(void)state;
	static const int channels[] = {1, 3, 4, 8, 13, 16, 17, 24, 32, 35};
	uint64_t seed = 1;

	for (int width = 1; width <= 130; width++)
		for (size_t s = 0; s < SHAPES; s++) {
			size_t size;
			int cin = channels[((size_t)width + s) % (shapes[s].kernel > 3 ? 4 : 10)], stride = shapes[s].stride;
			uint8_t *bytes = one_node(&shapes[s], cin, NET_RANDOM, ++seed, &size);
			check(bytes, size, width * stride, (1 + width % 3 * 2) * stride, INPUT_RANDOM, seed);
		}
}

/* More rows than are copied at a time. */
static void every_height(void **state)
{
	(void)state;
	uint64_t seed = 100000;

	for (int height = 1; height <= 26; height++)
		for (size_t s = 0; s < SHAPES; s++) {
			size_t size;
			uint8_t *bytes = one_node(&shapes[s], 5, NET_RANDOM, ++seed, &size);
			check(bytes, size, 3 * shapes[s].stride, height * shapes[s].stride, INPUT_RANDOM, seed);
		}
}

static void extremes(void **state)
{
	(void)state;
	uint64_t seed = 200000;

	for (int fill = NET_RANDOM; fill <= NET_EXTREMES; fill++)
		for (int input = 0; input < INPUT_COUNT; input++)
			for (size_t s = 0; s < SHAPES; s++) {
				size_t size;
				uint8_t *bytes = one_node(&shapes[s], 50, (enum net_fill)fill, ++seed, &size);
				check(bytes, size, 9 * shapes[s].stride, 3 * shapes[s].stride, (enum input)input, seed);
			}
}

/* One map under windows with one border and with the other, whichever comes first, and under larger ones. */
static void borders_of_one_map(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		struct net_builder b;
		struct net_conv conv = {.cout = 6, .kernel = 3, .stride = 1, .residual = -1, .zero_point = 77, .hi = 255};
		size_t size;
		net_builder_begin(&b, "borders", 1, 5);
		int t = net_builder_conv(&b, 0, &conv);
		conv.border = first;
		net_builder_tap(&b, net_builder_conv(&b, t, &conv));
		conv.border = !first;
		net_builder_tap(&b, net_builder_conv(&b, t, &conv));
		conv.kernel = 5;
		net_builder_tap(&b, net_builder_conv(&b, t, &conv));
		net_builder_tap(&b, net_builder_op(&b, 3, t, -1, 3, 1));
		uint8_t *bytes = net_builder_end(&b, &size);
		check(bytes, size, 11, 19, INPUT_RANDOM, 5);
	}
}

/* Averages of whole numbers, without a float: halves go to the even neighbour. */
static void average_by_integers(void **state)
{
	(void)state;
	for (int zero_point = 0; zero_point <= 255; zero_point += 51)
		for (int sum = 0; sum <= 4 * 255; sum++) {
			struct picture src = {
				.width = 2, .height = 2, .channels = 1, .zero_point = zero_point, .data = (uint8_t[4]){0}};
			struct node n = {.src = &src, .op = 4, .kernel = 2, .stride = 2, .hi = 255};
			for (int i = 0, left = sum; i < 4; left -= src.data[i++])
				src.data[i] = (uint8_t)(left > 255 ? 255 : left);
			int shifted = sum - 4 * zero_point + 4 * 256, down = shifted / 4, rest = shifted % 4;
			int want = down - 256 + (rest == 3 || (rest == 2 && down % 2)) + zero_point;
			assert_int_equal(value(&n, &src, 0, 0, 0), want);
		}
}

/* The beginnings of a ResNet and of a MobileNetV2. */
static uint8_t *imported(size_t *size)
{
	struct net_builder b;
	struct net_conv relu = {
		.cout = 32, .kernel = 7, .stride = 2, .residual = -1, .hi = 255, .border = 1, .pad_before = 3};
	struct net_conv linear = {.cout = 32, .kernel = 3, .stride = 1, .residual = -1, .zero_point = 120, .hi = 255};

	net_builder_begin(&b, "imported", 8, 6);
	int stem = net_builder_conv(&b, 0, &relu);
	int t = net_builder_conv(
		&b, stem,
		&(struct net_conv){.op = 3, .cout = 32, .kernel = 3, .stride = 2, .residual = -1, .hi = 255, .pad_before = 1});
	relu.kernel = 3;
	relu.stride = 1;
	relu.pad_before = 0;
	linear.border = 1;
	int branch = net_builder_conv(&b, net_builder_conv(&b, t, &relu), &linear);
	int sum = net_builder_conv(
		&b, branch, &(struct net_conv){.op = 5, .cout = 32, .kernel = 1, .stride = 1, .residual = t, .hi = 255});
	net_builder_tap(&b, sum);
	relu.cout = 56;
	relu.kernel = linear.kernel = 1;
	linear.border = relu.border = 0;
	linear.cout = 24;
	int deep = net_builder_conv(
		&b, net_builder_conv(&b, sum, &relu),
		&(struct net_conv){
			.op = 2, .cout = 56, .kernel = 3, .stride = 2, .residual = -1, .hi = 240, .border = 1, .pad_before = 1});
	int thin = net_builder_conv(&b, deep, &linear);
	net_builder_tap(&b, net_builder_op(&b, 6, thin, net_builder_op(&b, 4, sum, -1, 2, 2), 1, 1));
	return net_builder_end(&b, size);
}

static void networks_like_those_imported(void **state)
{
	(void)state;
	static const int sizes[][2] = {{8, 8}, {16, 40}, {88, 72}};
	size_t size;

	for (size_t i = 0; i < 3; i++) {
		uint8_t *bytes = imported(&size);
		check(bytes, size, sizes[i][0], sizes[i][1], INPUT_RANDOM, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_width),
		cmocka_unit_test(every_height),
		cmocka_unit_test(extremes),
		cmocka_unit_test(borders_of_one_map),
		cmocka_unit_test(average_by_integers),
		cmocka_unit_test(networks_like_those_imported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
