/* SPDX-License-Identifier: Apache-2.0 */
/* Reading .net files: facts, hostile bytes, failing allocations. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "failing.h"
#include "net_builder.h"
#include "vision/net/kernel.h"
#include "vision/net/net.h"

/* Tables of the network below: 5 tensors, 4 nodes, 2 taps. */
#define TENSOR(i, field) (NET_HEADER_BYTES + (size_t)(i)*NET_TENSOR_BYTES + 4 * (size_t)(field))
#define NODE(i, field) (TENSOR(5, 0) + (size_t)(i)*NET_NODE_BYTES + 4 * (size_t)(field))
#define TAP(i, field) (NODE(4, 0) + (size_t)(i)*NET_TAP_BYTES + 4 * (size_t)(field))
enum { T_CHANNELS, T_STRIDE, T_ZERO, T_SCALE };
enum {
	N_OP,
	N_SRC,
	N_DST,
	N_RESIDUAL,
	N_KERNEL,
	N_STRIDE,
	N_LO,
	N_HI,
	N_RMULT,
	N_WEIGHTS,
	N_BIAS,
	N_MULT,
	N_BORDER,
	N_PAD,
	N_RESERVED
};

/* image -> 3x3/2 -> 3x3 -> 1x1 + residual -> 3x3/2, with all that the format has. */
static uint8_t *build(size_t *size)
{
	struct net_builder b;

	net_builder_begin(&b, "small", 4, 11);
	int a = net_builder_conv(&b, 0, &(struct net_conv){.cout = 4, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
	int h = net_builder_conv(&b, a, &(struct net_conv){.cout = 5, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
	int c = net_builder_conv(
		&b, h, &(struct net_conv){.cout = 4, .kernel = 1, .stride = 1, .residual = a, .zero_point = 128, .hi = 255});
	int d = net_builder_conv(
		&b, c, &(struct net_conv){.cout = 3, .kernel = 3, .stride = 2, .residual = -1, .lo = 1, .hi = 254});
	net_builder_tap(&b, c);
	net_builder_tap(&b, d);
	return net_builder_end(&b, size);
}

/* Node i's field in the network of build_operations. */
#define OP(i, field) (TENSOR(9, 0) + (size_t)(i)*NET_NODE_BYTES + 4 * (size_t)(field))

/* image -> 7x7/2 -> depthwise -> maximum -> average/2, beside it a 3x3/2; their sum, a concatenation, and the tap. */
static uint8_t *build_operations(size_t *size)
{
	struct net_builder b;
	struct net_conv conv = {.cout = 4, .kernel = 7, .stride = 2, .residual = -1, .zero_point = 9, .hi = 255};

	net_builder_begin(&b, "operations", 4, 12);
	int stem = net_builder_conv(&b, 0, &conv);
	conv.op = 2;
	conv.kernel = 3;
	conv.stride = 1;
	int deep = net_builder_conv(&b, stem, &conv);
	int most = net_builder_op(&b, 3, deep, -1, 3, 1);
	int mean = net_builder_op(&b, 4, most, -1, 3, 2);
	conv.op = 1;
	conv.stride = 2;
	conv.zero_point = 0;
	int other = net_builder_conv(&b, stem, &conv);
	int sum = net_builder_op(&b, 5, mean, other, 1, 1);
	int both = net_builder_op(&b, 6, sum, other, 1, 1);
	conv.cout = 3;
	conv.stride = 1;
	net_builder_tap(&b, net_builder_conv(&b, both, &conv));
	return net_builder_end(&b, size);
}

/* Opens; if that succeeds, runs the network on a small image, so that a sanitizer sees what slipped through. */
static int try(const uint8_t *bytes, size_t size, enum assay_isa isa, struct assay_error *error)
{
	struct assay__net *net = NULL;
	struct assay__plan *plan;
	struct assay__net_info info;
	struct assay__map maps[ASSAY__MAX_TAPS];
	size_t row_bytes;

	int err = assay__net_open(bytes, size, isa, NULL, &net, error);
	if (err) {
		assert_null(net);
		assert_int_equal(err, error->code);
		assert_true(err == ASSAY_E_FORMAT || err == ASSAY_E_UNSUPPORTED);
		assert_in_range(error->position, 0, size);
		return err;
	}
	assay__net_get_info(net, &info);
	assert_int_equal(assay__plan_open(net, info.align * 2, info.align, NULL, &plan, error), 0);
	memset(assay__plan_input(plan, &row_bytes), 200, (size_t)info.align * 8);
	assay__plan_run(plan, maps);
	for (int i = 0; i < info.tap_count; i++)
		assert_int_equal(maps[i].width, info.align * 2 / info.taps[i].stride);
	assay__plan_close(plan);
	assay__net_close(net);
	return 0;
}

static void facts(void **state)
{
	(void)state;
	struct assay__net *net;
	struct assay__net_info info;
	size_t size;
	uint8_t *bytes = build(&size);

	assert_int_equal(assay__net_open(bytes, size, ASSAY_ISA_BEST, NULL, &net, NULL), 0);
	assay__net_get_info(net, &info);
	assert_string_equal(info.name, "small");
	assert_memory_equal(info.hash, bytes + size - 32, 32);
	free(bytes);
	assert_int_equal(info.isa, assay_isa_best());
	assert_int_equal(info.align, 4);
	assert_int_equal(info.tap_count, 2);
	assert_int_equal(info.taps[0].channels, 4);
	assert_int_equal(info.taps[0].stride, 2);
	assert_int_equal(info.taps[0].zero_point, 128);
	assert_int_equal(info.taps[0].gain[3], 256);
	assert_int_equal(info.taps[1].channels, 3);
	assert_int_equal(info.taps[1].stride, 4);
	assert_int_equal(info.taps[1].zero_point, 0);
	/* 8 x 4: 8 pixels at stride 2, 2 at stride 4 */
	assert_int_equal(assay__net_macs(net, 8, 4), 8 * (27 * 4 + 36 * 5 + 5 * 4) + 2 * 36 * 3);
	assay__net_close(net);
	assay__net_close(NULL);

	bytes = build_operations(&size);
	assert_int_equal(assay__net_open(bytes, size, ASSAY_ISA_SCALAR, NULL, &net, NULL), 0);
	/* 8 pixels at stride 2, 2 at stride 4; pooling, sum and concatenation multiply nothing */
	assert_int_equal(assay__net_macs(net, 8, 4), 8 * (147 * 4 + 9 * 4) + 2 * (36 * 4 + 72 * 3));
	assay__net_close(net);
	free(bytes);

	bytes = net_build_base(1, &size);
	assert_int_equal(assay__net_open(bytes, size, ASSAY_ISA_SCALAR, NULL, &net, NULL), 0);
	assert_int_equal(assay__net_macs(net, 256, 256), 684457984);
	assay__net_close(net);
	free(bytes);
}

static void builtin_opens(void **state)
{
	(void)state;
	struct assay_error error = {0};
	size_t size;
	const void *bytes = assay__net_builtin(&size);

	assert_int_equal((uintptr_t)bytes % 64, 0);
	if (try(bytes, size, ASSAY_ISA_BEST, &error))
		fail_msg("%s", error.message);
}

static void every_truncation(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = build(&size);

	for (size_t cut = 0; cut < size; cut++) {
		struct assay_error error = {0};
		/* A copy of the exact size, so that a sanitizer sees a read past the end. */
		uint8_t *part = malloc(cut ? cut : 1);
		memcpy(part, bytes, cut);
		assert_int_equal(try(part, cut, ASSAY_ISA_BEST, &error), ASSAY_E_FORMAT);
		if (cut >= NET_HEADER_BYTES + NET_HASH_BYTES) {
			/* The same with a header that agrees. */
			net_put_u32(part, 12, (uint32_t)cut);
			net_rehash(part, cut);
			int err = try(part, cut, ASSAY_ISA_BEST, &error);
			/* The last array ends in two bytes of padding, which nobody misses. */
			assert_true(cut + 2 < size ? err != 0 : true);
		}
		free(part);
	}
	uint8_t *longer = calloc(1, size + 1);
	struct assay_error error = {0};
	memcpy(longer, bytes, size);
	assert_int_equal(try(longer, size + 1, ASSAY_ISA_BEST, &error), ASSAY_E_FORMAT);
	assert_int_equal(error.position, 12);
	free(longer);
	free(bytes);
}

static void every_corrupted_byte(void **state)
{
	(void)state;
	static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x24};
	size_t size, accepted = 0;
	uint8_t *bytes = build(&size);

	for (size_t at = 0; at < size; at++)
		for (size_t f = 0; f < sizeof(flips); f++) {
			struct assay_error error = {0};
			uint8_t saved = bytes[at];
			bytes[at] ^= flips[f];
			assert_int_not_equal(try(bytes, size, ASSAY_ISA_BEST, &error), 0);
			net_rehash(bytes, size);
			accepted += try(bytes, size, ASSAY_ISA_BEST, &error) == 0;
			bytes[at] = saved;
			net_rehash(bytes, size);
		}
	/* Weights, biases, gains and the like may change; that they did shows that networks were run. */
	assert_true(accepted > size / 4);
	free(bytes);
}

static void random_corruption(void **state)
{
	(void)state;
	uint64_t seed = 5;
	size_t size;
	uint8_t *bytes = build(&size), *copy = malloc(size);

	for (int round = 0; round < 3000; round++) {
		struct assay_error error = {0};
		memcpy(copy, bytes, size);
		for (int i = net_random_range(&seed, 1, 4); i > 0; i--)
			net_put_u32(copy, (size_t)net_random_range(&seed, 12, (int)TAP(2, 0) / 4) / 4 * 4,
						(uint32_t)net_random(&seed) >> net_random_range(&seed, 0, 31));
		net_rehash(copy, size);
		try(copy, size, ASSAY_ISA_SCALAR, &error);
	}
	free(copy);
	free(bytes);
}

static uint32_t float_bits(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* One field changed, checksum right: the code, the byte named, and the words. */
static void hostile_fields(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = build(&size);
	const uint32_t bias_at = net_get_u32(bytes, NODE(1, N_BIAS)), mult_at = net_get_u32(bytes, NODE(1, N_MULT));
	const uint32_t end = (uint32_t)(size - NET_HASH_BYTES);
	const struct {
		size_t at;
		uint32_t value;
		int code;
		size_t position;
		const char *words;
	} cases[] = {
		{0, 0x41535342, ASSAY_E_FORMAT, 0, "ASSAYNET"},
		{8, 2, ASSAY_E_UNSUPPORTED, 8, "version 2"},
		{12, (uint32_t)size - 4, ASSAY_E_FORMAT, 12, "header says"},
		{16, 0x0a0a0a0a, ASSAY_E_FORMAT, 16, "name"},
		{24, 'x', ASSAY_E_FORMAT, 24, "then zeros"},
		{48, 0, ASSAY_E_FORMAT, 48, "tensors"},
		{48, 129, ASSAY_E_FORMAT, 48, "2 to 128"},
		{48, 6, ASSAY_E_FORMAT, 52, "4 nodes for 6 tensors"},
		{52, 0xffffffff, ASSAY_E_FORMAT, 52, "nodes"},
		{56, 0, ASSAY_E_FORMAT, 56, "taps"},
		{56, 5, ASSAY_E_FORMAT, 56, "taps"},
		{60, 0, ASSAY_E_FORMAT, 60, "alignment"},
		{60, 2, ASSAY_E_FORMAT, TENSOR(4, T_STRIDE), "divisor"},
		{TENSOR(0, T_CHANNELS), 4, ASSAY_E_FORMAT, TENSOR(0, 0), "image"},
		{TENSOR(2, T_CHANNELS), 0, ASSAY_E_FORMAT, TENSOR(2, T_CHANNELS), "1 to 1024"},
		{TENSOR(2, T_CHANNELS), 1025, ASSAY_E_FORMAT, TENSOR(2, T_CHANNELS), "1025"},
		{TENSOR(2, T_STRIDE), 3, ASSAY_E_FORMAT, TENSOR(2, T_STRIDE), "divisor"},
		{TENSOR(2, T_STRIDE), 4, ASSAY_E_FORMAT, NODE(1, N_STRIDE), "stride"},
		{TENSOR(3, T_ZERO), 256, ASSAY_E_FORMAT, TENSOR(3, T_ZERO), "zero point"},
		{TENSOR(3, T_SCALE), 0x7fc00000, ASSAY_E_FORMAT, TENSOR(3, T_SCALE), "scale"},
		{TENSOR(3, T_SCALE), 0, ASSAY_E_FORMAT, TENSOR(3, T_SCALE), "scale"},
		{NODE(1, N_OP), 0, ASSAY_E_UNSUPPORTED, NODE(1, N_OP), "operation 0"},
		{NODE(1, N_OP), 7, ASSAY_E_UNSUPPORTED, NODE(1, N_OP), "operation 7"},
		{NODE(0, N_SRC), 1, ASSAY_E_FORMAT, NODE(0, N_SRC), "not made before"},
		{NODE(1, N_SRC), 4, ASSAY_E_FORMAT, NODE(1, N_SRC), "not made before"},
		{NODE(1, N_SRC), 5, ASSAY_E_FORMAT, NODE(1, N_SRC), "0 to 4"},
		{NODE(1, N_DST), 1, ASSAY_E_FORMAT, NODE(1, N_DST), "exists already"},
		{NODE(1, N_DST), 0, ASSAY_E_FORMAT, NODE(1, N_DST), "1 to 4"},
		{NODE(1, N_KERNEL), 2, ASSAY_E_FORMAT, NODE(1, N_KERNEL), "kernel 2"},
		{NODE(1, N_KERNEL), 8, ASSAY_E_FORMAT, NODE(1, N_KERNEL), "1 to 7"},
		{NODE(2, N_STRIDE), 2, ASSAY_E_FORMAT, NODE(2, N_STRIDE), "a stride of 2"},
		{NODE(1, N_STRIDE), 0, ASSAY_E_FORMAT, NODE(1, N_STRIDE), "1 to 2"},
		{NODE(1, N_HI), 256, ASSAY_E_FORMAT, NODE(1, N_HI), "upper"},
		{NODE(3, N_LO), 255, ASSAY_E_FORMAT, NODE(3, N_LO), "lower"},
		{NODE(3, N_LO), 0xffffffff, ASSAY_E_FORMAT, NODE(3, N_LO), "lower"},
		{NODE(2, N_RESIDUAL), 3, ASSAY_E_FORMAT, NODE(2, N_RESIDUAL), "not made before"},
		{NODE(2, N_RESIDUAL), 2, ASSAY_E_FORMAT, NODE(2, N_RESIDUAL), "5 channels"},
		{NODE(2, N_RESIDUAL), 0xfffffffe, ASSAY_E_FORMAT, NODE(2, N_RESIDUAL), "-2"},
		{NODE(2, N_RMULT), 0x7f800000, ASSAY_E_FORMAT, NODE(2, N_RMULT), "finite"},
		{NODE(1, N_BORDER), 2, ASSAY_E_FORMAT, NODE(1, N_BORDER), "border"},
		{NODE(2, N_BORDER), 1, ASSAY_E_FORMAT, NODE(2, N_BORDER), "border"},
		{NODE(1, N_PAD), 1, ASSAY_E_FORMAT, NODE(1, N_PAD), "0 to 0"},
		{NODE(0, N_PAD), 2, ASSAY_E_FORMAT, NODE(0, N_PAD), "0 to 1"},
		{NODE(1, N_RESERVED), 1, ASSAY_E_FORMAT, NODE(1, N_RESERVED), "reserved"},
		{NODE(1, N_RESERVED + 1), 1, ASSAY_E_FORMAT, NODE(1, N_RESERVED + 1), "reserved"},
		{NODE(1, N_WEIGHTS), 0, ASSAY_E_FORMAT, NODE(1, N_WEIGHTS), "weights"},
		{NODE(1, N_WEIGHTS), bias_at + 1, ASSAY_E_FORMAT, NODE(1, N_WEIGHTS), "in fours"},
		{NODE(1, N_WEIGHTS), 0xfffffffc, ASSAY_E_FORMAT, NODE(1, N_WEIGHTS), "weights"},
		{NODE(1, N_BIAS), end - 16, ASSAY_E_FORMAT, NODE(1, N_BIAS), "biases"},
		{NODE(1, N_MULT), end, ASSAY_E_FORMAT, NODE(1, N_MULT), "factors"},
		{bias_at + 4, 0x7fffffff, ASSAY_E_FORMAT, bias_at + 4, "channel 1"},
		{bias_at + 4, 0x80000000, ASSAY_E_FORMAT, bias_at + 4, "31 bits"},
		{mult_at + 8, 0x7fc00000, ASSAY_E_FORMAT, mult_at + 8, "channel 2"},
		{mult_at + 8, 0xff800000, ASSAY_E_FORMAT, mult_at + 8, "inf"},
		{mult_at + 8, float_bits(1e9f), ASSAY_E_FORMAT, mult_at + 8, "limit"},
		{TAP(0, 0), 0, ASSAY_E_FORMAT, TAP(0, 0), "tap"},
		{TAP(0, 0), 4, ASSAY_E_FORMAT, TAP(1, 0), NULL},
		{TAP(1, 1), 2, ASSAY_E_FORMAT, TAP(1, 1), "gains"},
	};

	/* A later tap of smaller stride is the second one's fault. */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay_error error = {0};
		uint32_t saved = net_get_u32(bytes, cases[i].at), second = net_get_u32(bytes, TAP(1, 0));
		net_put_u32(bytes, cases[i].at, cases[i].value);
		if (cases[i].words == NULL)
			net_put_u32(bytes, TAP(1, 0), 3);
		net_rehash(bytes, size);
		int code = try(bytes, size, ASSAY_ISA_BEST, &error);
		if (code != cases[i].code || error.position != (int64_t)cases[i].position ||
			(cases[i].words && !strstr(error.message, cases[i].words)))
			fail_msg("case %zu: %d at %lld: %s", i, code, (long long)error.position, error.message);
		net_put_u32(bytes, cases[i].at, saved);
		net_put_u32(bytes, TAP(1, 0), second);
	}
	free(bytes);
}

static void hostile_operations(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = build_operations(&size);
	struct assay_error first = {0};
	const uint32_t weights_at = net_get_u32(bytes, OP(1, N_WEIGHTS)), bias_at = net_get_u32(bytes, OP(1, N_BIAS));
	const uint32_t sum_at = net_get_u32(bytes, OP(5, N_MULT)), both_at = net_get_u32(bytes, OP(6, N_MULT));
	const uint32_t end = (uint32_t)(size - NET_HASH_BYTES);
	const struct {
		size_t at;
		uint32_t value;
		size_t position;
		const char *words;
	} cases[] = {
		{OP(0, N_KERNEL), 4, OP(0, N_KERNEL), "1, 3, 5 or 7"},
		{OP(0, N_KERNEL), 6, OP(0, N_KERNEL), "1, 3, 5 or 7"},
		{OP(0, N_PAD), 4, OP(0, N_PAD), "0 to 3"},
		{OP(1, N_KERNEL), 5, OP(1, N_KERNEL), "takes 3"},
		{OP(1, N_KERNEL), 1, OP(1, N_KERNEL), "takes 3"},
		{OP(1, N_STRIDE), 3, OP(1, N_STRIDE), "1 to 2"},
		{OP(1, N_BORDER), 2, OP(1, N_BORDER), "border"},
		{OP(1, N_SRC), 0, OP(1, N_STRIDE), "stride 2 of stride 1"},
		{TENSOR(2, T_CHANNELS), 5, OP(1, N_DST), "makes 5 channels of 4"},
		{OP(1, N_WEIGHTS), end - 32, OP(1, N_WEIGHTS), "weights"},
		{OP(1, N_BIAS), end - 12, OP(1, N_BIAS), "biases"},
		{OP(1, N_RESIDUAL), 2, OP(1, N_RESIDUAL), "not made before"},
		{bias_at, 0x7fffffff, bias_at, "31 bits"},
		{net_get_u32(bytes, OP(1, N_MULT)), 0x7f800000, net_get_u32(bytes, OP(1, N_MULT)), "inf"},
		{OP(2, N_KERNEL), 1, OP(2, N_KERNEL), "2 or 3"},
		{OP(2, N_KERNEL), 5, OP(2, N_KERNEL), "2 or 3"},
		{OP(2, N_RESIDUAL), 1, OP(2, N_RESIDUAL), "takes none"},
		{OP(2, N_RESIDUAL), 0xfffffff0, OP(2, N_RESIDUAL), "takes none"},
		{OP(2, N_HI), 254, OP(2, N_HI), "255 to 255"},
		{OP(2, N_LO), 1, OP(2, N_LO), "0 to 0"},
		{OP(2, N_BORDER), 1, OP(2, N_BORDER), "border"},
		{OP(2, N_RMULT), 1, OP(2, N_RMULT), "unused"},
		{OP(2, N_WEIGHTS), weights_at, OP(2, N_WEIGHTS), "unused"},
		{OP(2, N_BIAS), bias_at, OP(2, N_BIAS), "unused"},
		{OP(2, N_MULT), 4, OP(2, N_MULT), "unused"},
		{OP(2, N_RESERVED + 1), 4, OP(2, N_RESERVED + 1), "reserved"},
		{TENSOR(3, T_ZERO), 10, OP(2, N_DST), "another zero point or scale"},
		{TENSOR(3, T_SCALE), 0x3f800000, OP(2, N_DST), "another zero point or scale"},
		{OP(3, N_PAD), 2, OP(3, N_PAD), "0 to 1"},
		{TENSOR(4, T_ZERO), 0, OP(3, N_DST), "another zero point or scale"},
		{OP(3, N_MULT), sum_at, OP(3, N_MULT), "unused"},
		{OP(5, N_KERNEL), 3, OP(5, N_KERNEL), "takes 1"},
		{OP(5, N_STRIDE), 2, OP(5, N_STRIDE), "1 to 1"},
		{OP(5, N_BORDER), 1, OP(5, N_BORDER), "border"},
		{OP(5, N_PAD), 1, OP(5, N_PAD), "padding"},
		{OP(5, N_RESIDUAL), 0xffffffff, OP(5, N_RESIDUAL), "tensor -1"},
		{OP(5, N_RESIDUAL), 6, OP(5, N_RESIDUAL), "not made before"},
		{OP(5, N_RESIDUAL), 1, OP(5, N_RESIDUAL), "stride 2"},
		{OP(5, N_RMULT), 0x7fc00000, OP(5, N_RMULT), "finite"},
		{OP(5, N_RMULT), float_bits(5e6f), sum_at, "limit"},
		{OP(5, N_WEIGHTS), weights_at, OP(5, N_WEIGHTS), "unused"},
		{OP(5, N_BIAS), weights_at, OP(5, N_BIAS), "unused"},
		{OP(5, N_MULT), 0, OP(5, N_MULT), "the factor"},
		{OP(5, N_MULT), sum_at + 2, OP(5, N_MULT), "in fours"},
		{OP(5, N_MULT), end, OP(5, N_MULT), "the factor"},
		{sum_at, 0x7fc00000, sum_at, "limit"},
		{sum_at, 0xff800000, sum_at, "limit"},
		{sum_at, float_bits(-5e6f), sum_at, "limit"},
		{both_at, float_bits(4.3e6f), both_at, "limit"},
		{OP(6, N_RESIDUAL), 0xffffffff, OP(6, N_RESIDUAL), "tensor -1"},
		{OP(6, N_RESIDUAL), 0, OP(6, N_RESIDUAL), "3 channels"},
		{TENSOR(7, T_CHANNELS), 9, OP(6, N_RESIDUAL), "room for 5"},
		{TENSOR(7, T_CHANNELS), 3, OP(6, N_RESIDUAL), "room for -1"},
	};

	if (try(bytes, size, ASSAY_ISA_BEST, &first))
		fail_msg("%s", first.message);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay_error error = {0};
		uint32_t saved = net_get_u32(bytes, cases[i].at);
		net_put_u32(bytes, cases[i].at, cases[i].value);
		net_rehash(bytes, size);
		int code = try(bytes, size, ASSAY_ISA_BEST, &error);
		if (code != ASSAY_E_FORMAT || error.position != (int64_t)cases[i].position ||
			!strstr(error.message, cases[i].words))
			fail_msg("case %zu: %d at %lld: %s", i, code, (long long)error.position, error.message);
		net_put_u32(bytes, cases[i].at, saved);
	}
	free(bytes);
}

/* Every byte of the tables, in turn wrong in a few ways: no crash, and what opens runs. */
static void corrupted_operations(void **state)
{
	(void)state;
	static const uint8_t flips[] = {0x01, 0x02, 0x04, 0x80, 0xff};
	size_t size;
	uint8_t *bytes = build_operations(&size);
	uint64_t seed = 3;

	for (size_t at = 48; at < OP(8, 2); at++)
		for (size_t f = 0; f < sizeof(flips); f++) {
			struct assay_error error = {0};
			size_t also = (size_t)net_random_range(&seed, (int)TENSOR(0, 0), (int)OP(8, 0) - 1);
			uint8_t saved = bytes[at], saved_also = bytes[also];
			bytes[at] ^= flips[f];
			net_rehash(bytes, size);
			try(bytes, size, ASSAY_ISA_BEST, &error);
			bytes[also] ^= flips[net_random_range(&seed, 0, 2)];
			net_rehash(bytes, size);
			try(bytes, size, ASSAY_ISA_SCALAR, &error);
			bytes[also] = saved_also;
			bytes[at] = saved;
		}
	free(bytes);
}

/* The largest accumulator that fits, and one more. */
static void accumulator_bound(void **state)
{
	(void)state;
	struct assay_error error = {0};
	size_t size;
	uint8_t *bytes = build(&size);
	size_t weights = net_get_u32(bytes, NODE(2, N_WEIGHTS)), bias = net_get_u32(bytes, NODE(2, N_BIAS));
	int32_t sum = 0;

	for (int i = 0; i < 5; i++)
		sum += abs((int8_t)bytes[weights + (size_t)i]) * 255;
	for (int positive = 0; positive <= 1; positive++) {
		uint32_t most = (uint32_t)(INT32_MAX - sum);
		net_put_u32(bytes, bias, positive ? most : -most);
		net_put_f32(bytes, net_get_u32(bytes, NODE(2, N_MULT)), 0.25f);
		net_rehash(bytes, size);
		if (try(bytes, size, ASSAY_ISA_SCALAR, &error))
			fail_msg("%s", error.message);
		assert_int_equal(try(bytes, size, ASSAY_ISA_BEST, &error), 0);
		net_put_u32(bytes, bias, positive ? most + 1 : -most - 1);
		net_rehash(bytes, size);
		assert_int_equal(try(bytes, size, ASSAY_ISA_BEST, &error), ASSAY_E_FORMAT);
	}
	free(bytes);
}

/* A small file must not become a large network by nodes that share weights. */
static void shared_arrays(void **state)
{
	(void)state;
	struct assay_error error = {0};
	struct net_builder b;
	size_t size;

	net_builder_begin(&b, "shared", 1, 1);
	int t = 0;
	for (int i = 0; i < 8; i++)
		t = net_builder_conv(&b, t, &(struct net_conv){.cout = 3, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
	net_builder_tap(&b, t);
	size_t nodes = net_nodes_at(&b);
	uint8_t *bytes = net_builder_end(&b, &size);
	uint32_t first = net_get_u32(bytes, nodes + 36);
	/* All nodes use the first weights; then the rest of the file is cut off. */
	for (size_t i = 1; i < 8; i++)
		for (size_t field = 36; field <= 44; field += 4)
			net_put_u32(bytes, nodes + i * NET_NODE_BYTES + field, net_get_u32(bytes, nodes + field));
	net_put_u32(bytes, nodes + 8 * NET_NODE_BYTES + 4, first);
	size = first + 84 + 24 + NET_HASH_BYTES;
	net_put_u32(bytes, 12, (uint32_t)size);
	net_rehash(bytes, size);
	assert_int_equal(try(bytes, size, ASSAY_ISA_BEST, &error), ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "share"));
	free(bytes);
}

static void failing_allocations(void **state)
{
	(void)state;
	size_t size;
	uint8_t *bytes = build(&size);
	struct assay__net *net = NULL;
	struct assay__plan *plan = NULL;
	struct assay_error error = {0};
	struct failing failing;
	int k = 0, err;

	do {
		failing_open(&failing, ++k);
		err = assay__net_open(bytes, size, ASSAY_ISA_BEST, &failing.allocator, &net, &error);
		if (err) {
			assert_int_equal(err, ASSAY_E_NOMEM);
			assert_null(net);
			assert_int_equal(failing.alive, 0);
		}
	} while (err);
	assert_true(k > 1);
	struct failing other;
	k = 0;
	do {
		failing_open(&other, ++k);
		err = assay__plan_open(net, 8, 8, &other.allocator, &plan, &error);
		if (err) {
			assert_int_equal(err, ASSAY_E_NOMEM);
			assert_null(plan);
			assert_int_equal(other.alive, 0);
		}
	} while (err);
	assert_true(k > 1);
	assay__plan_close(plan);
	assert_int_equal(other.alive, 0);
	assay__net_close(net);
	assert_int_equal(failing.alive, 0);
	free(bytes);
}

static void instruction_set_names(void **state)
{
	(void)state;
	struct assay_error error = {0};
	enum assay_isa isa = ASSAY_ISA_AVX2;

	assert_int_equal(assay_isa_from_name("scalar", &isa, NULL), 0);
	assert_int_equal(isa, ASSAY_ISA_SCALAR);
	assert_int_equal(assay_isa_from_name("best", &isa, NULL), 0);
	assert_int_equal(isa, ASSAY_ISA_BEST);
	assert_int_equal(assay_isa_from_name("sse9", &isa, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(isa, ASSAY_ISA_BEST);
	assert_non_null(strstr(error.message, "sse9"));
	assert_int_equal(assay_isa_from_name("", &isa, NULL), ASSAY_E_ARGUMENT);
	for (int i = ASSAY_ISA_SCALAR; i <= ASSAY_ISA_NEONDOT; i++) {
		bool has = assay__kernels_find((enum assay_isa)i) != NULL;
		int err = assay_isa_from_name(assay_isa_name((enum assay_isa)i), &isa, &error);
		assert_int_equal(err, has ? 0 : ASSAY_E_UNSUPPORTED);
		if (has)
			assert_int_equal(isa, i);
	}
	assert_int_not_equal(assay_isa_best(), ASSAY_ISA_BEST);
	assert_string_equal(assay_isa_name((enum assay_isa)77), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts),
		cmocka_unit_test(builtin_opens),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(every_corrupted_byte),
		cmocka_unit_test(random_corruption),
		cmocka_unit_test(hostile_fields),
		cmocka_unit_test(hostile_operations),
		cmocka_unit_test(corrupted_operations),
		cmocka_unit_test(accumulator_bound),
		cmocka_unit_test(shared_arrays),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(instruction_set_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
