/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes small .net files in memory, for tests, fuzz seeds and benchmarks. Seeded, so that a network is reproducible.
 *
 *	struct net_builder b;
 *	net_builder_begin(&b, "name", align, seed);
 *	int t = net_builder_conv(&b, 0, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 1, .residual = -1,
 *	                                                   .hi = 255});
 *	net_builder_tap(&b, t);
 *	uint8_t *bytes = net_builder_end(&b, &size);      free() it
 */
#ifndef ASSAY_TESTS_NET_BUILDER_H
#define ASSAY_TESTS_NET_BUILDER_H

#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NET_MAX 64
#define NET_HEADER_BYTES 64
#define NET_TENSOR_BYTES 16
#define NET_NODE_BYTES 64
#define NET_TAP_BYTES 8
#define NET_HASH_BYTES 32

/* What the weights look like; the factors are chosen so that outputs spread over 0..255 in each case. */
enum net_fill { NET_RANDOM, NET_ALL_MAX, NET_ALL_MIN, NET_EXTREMES };

struct net_conv {
	int cout, kernel, stride;
	int residual; /* tensor, or -1 */
	int zero_point, lo, hi;
	enum net_fill fill;
	int op; /* net.h's; 0 means 1 */
	int border, pad_before;
};

struct net_builder {
	uint64_t seed;
	uint32_t align;
	char name[32];
	int tensor_count, node_count, tap_count;
	struct {
		int channels, stride, zero_point;
	} tensors[NET_MAX];
	struct {
		int src, dst;
		struct net_conv conv;
		float residual_mult;
		int8_t *weights;
		int32_t *bias;
		float *mult;
		uint32_t weights_at, bias_at, mult_at;
	} nodes[NET_MAX];
	struct {
		int tensor;
		uint32_t gain_at;
	} taps[4];
};

/* splitmix64 */
static inline uint64_t net_random(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Evenly from low to high, both included. */
static inline int net_random_range(uint64_t *seed, int low, int high)
{
	return low + (int)(net_random(seed) % (uint64_t)(high - low + 1));
}

static inline void net_builder_begin(struct net_builder *b, const char *name, int align, uint64_t seed)
{
	memset(b, 0, sizeof(*b));
	b->seed = seed;
	b->align = (uint32_t)align;
	strncpy(b->name, name, sizeof(b->name) - 1);
	b->tensors[0].channels = 3;
	b->tensors[0].stride = 1;
	b->tensor_count = 1;
}

static inline int8_t net_weight(struct net_builder *b, enum net_fill fill)
{
	switch (fill) {
	case NET_ALL_MAX:
		return 127;
	case NET_ALL_MIN:
		return -128;
	case NET_EXTREMES:
		return net_random(&b->seed) & 1 ? 127 : -128;
	default:
		return (int8_t)net_random_range(&b->seed, -128, 127);
	}
}

/* Bias and factor of channel c, so that its outputs spread: a deviation near 100 after ReLU, near 45 around a zero
 * point. */
static inline void net_scale(struct net_builder *b, int node, int c, int window)
{
	const struct net_conv *conv = &b->nodes[node].conv;
	int src = b->nodes[node].src, in_zero = b->tensors[src].zero_point;
	bool one_sided = conv->fill == NET_ALL_MAX || conv->fill == NET_ALL_MIN;
	/* What inputs are like, measured from their zero point. */
	double in_deviation = src == 0 ? 147 : in_zero == 0 ? 70 : 45;
	double deviation = one_sided ? 128.0 * 128.0 * window : 74.0 * in_deviation * sqrt(window);
	double jitter = 0.5 + net_random_range(&b->seed, 0, 1000) / 1000.0;
	int32_t sum = 0;

	for (int i = 0; i < window; i++)
		sum += b->nodes[node].weights[(size_t)c * (size_t)window + (size_t)i];
	b->nodes[node].mult[c] = (float)((conv->zero_point == 0 ? 100 : 45) * jitter / deviation);
	b->nodes[node].bias[c] = -(one_sided ? 128 : in_zero) * sum + net_random_range(&b->seed, -1000, 1000);
}

static inline int net_op(const struct net_conv *conv)
{
	return conv->op ? conv->op : 1;
}

/* Weights of one output channel. */
static inline int net_window(const struct net_builder *b, int node)
{
	const struct net_conv *conv = &b->nodes[node].conv;
	int inputs = net_op(conv) == 1 ? b->tensors[b->nodes[node].src].channels : net_op(conv) == 2;
	return conv->kernel * conv->kernel * inputs;
}

/* Factors of a node: one a channel, one, or none. */
static inline int net_mults(const struct net_builder *b, int node)
{
	const struct net_conv *conv = &b->nodes[node].conv;
	return net_op(conv) <= 2 ? conv->cout : net_op(conv) >= 5;
}

/* Adds a node that reads tensor src, with random weights if it has any, and returns its output tensor. */
static inline int net_builder_conv(struct net_builder *b, int src, const struct net_conv *conv)
{
	int node = b->node_count++, dst = b->tensor_count++;

	assert(b->tensor_count <= NET_MAX);
	b->tensors[dst].channels = conv->cout;
	b->tensors[dst].stride = b->tensors[src].stride * conv->stride;
	b->tensors[dst].zero_point = conv->zero_point;
	b->nodes[node].src = src;
	b->nodes[node].dst = dst;
	b->nodes[node].conv = *conv;
	b->nodes[node].residual_mult = conv->residual >= 0 ? 0.75f : 0.0f;
	int window = net_window(b, node);
	b->nodes[node].weights = malloc((size_t)conv->cout * (size_t)window + 1);
	b->nodes[node].bias = malloc((size_t)conv->cout * sizeof(int32_t));
	b->nodes[node].mult = malloc((size_t)conv->cout * sizeof(float));
	b->nodes[node].mult[0] = 0.8f;
	if (window == 0)
		return dst;
	for (int i = 0; i < conv->cout * window; i++)
		b->nodes[node].weights[i] = net_weight(b, conv->fill);
	for (int c = 0; c < conv->cout; c++)
		net_scale(b, node, c, window);
	return dst;
}

/* The same for operations that take what shape and zero point they find. other: the second input, or -1. */
static inline int net_builder_op(struct net_builder *b, int op, int src, int other, int kernel, int stride)
{
	int channels = b->tensors[src].channels + (op == 6 ? b->tensors[other].channels : 0);
	return net_builder_conv(b, src,
							&(struct net_conv){.op = op,
											   .cout = channels,
											   .kernel = kernel,
											   .stride = stride,
											   .residual = other,
											   .zero_point = b->tensors[src].zero_point,
											   .hi = 255});
}

static inline void net_builder_tap(struct net_builder *b, int tensor)
{
	assert(b->tap_count < 4);
	b->taps[b->tap_count++].tensor = tensor;
}

static inline void net_put_u32(uint8_t *bytes, size_t at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[at + (size_t)i] = (uint8_t)(value >> 8 * i);
}

static inline uint32_t net_get_u32(const uint8_t *bytes, size_t at)
{
	return (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 |
		   (uint32_t)bytes[at + 3] << 24;
}

static inline void net_put_f32(uint8_t *bytes, size_t at, float value)
{
	uint32_t u;
	memcpy(&u, &value, sizeof(u));
	net_put_u32(bytes, at, u);
}

/* Makes the checksum right again after a change. */
static inline void net_rehash(uint8_t *bytes, size_t size)
{
	crypto_generichash(bytes + size - NET_HASH_BYTES, NET_HASH_BYTES, bytes, size - NET_HASH_BYTES, NULL, 0);
}

static inline size_t net_nodes_at(const struct net_builder *b)
{
	return NET_HEADER_BYTES + (size_t)b->tensor_count * NET_TENSOR_BYTES;
}

static inline size_t net_taps_at(const struct net_builder *b)
{
	return net_nodes_at(b) + (size_t)b->node_count * NET_NODE_BYTES;
}

/* Gives every array its place after the tables. Returns the size of the file. */
static inline size_t net_place(struct net_builder *b)
{
	size_t at = net_taps_at(b) + (size_t)b->tap_count * NET_TAP_BYTES;

	for (int i = 0; i < b->node_count; i++) {
		size_t channels = (size_t)b->nodes[i].conv.cout, window = (size_t)net_window(b, i);
		size_t mults = (size_t)net_mults(b, i);
		b->nodes[i].weights_at = window ? (uint32_t)at : 0;
		at += (channels * window + 3) & ~(size_t)3;
		b->nodes[i].bias_at = window ? (uint32_t)at : 0;
		at += window ? channels * 4 : 0;
		b->nodes[i].mult_at = mults ? (uint32_t)at : 0;
		at += mults * 4;
	}
	for (int i = 0; i < b->tap_count; i++) {
		b->taps[i].gain_at = (uint32_t)at;
		at += ((size_t)b->tensors[b->taps[i].tensor].channels * 2 + 3) & ~(size_t)3;
	}
	return at + NET_HASH_BYTES;
}

static inline void net_write_node(const struct net_builder *b, int i, uint8_t *bytes)
{
	const struct net_conv *conv = &b->nodes[i].conv;
	size_t at = net_nodes_at(b) + (size_t)i * NET_NODE_BYTES;
	size_t window = (size_t)net_window(b, i);
	const uint32_t fields[] = {(uint32_t)net_op(conv),	 (uint32_t)b->nodes[i].src, (uint32_t)b->nodes[i].dst,
							   (uint32_t)conv->residual, (uint32_t)conv->kernel,	(uint32_t)conv->stride,
							   (uint32_t)conv->lo,		 (uint32_t)conv->hi,		0,
							   b->nodes[i].weights_at,	 b->nodes[i].bias_at,		b->nodes[i].mult_at,
							   (uint32_t)conv->border,	 (uint32_t)conv->pad_before};

	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
		net_put_u32(bytes, at + 4 * f, fields[f]);
	net_put_f32(bytes, at + 32, b->nodes[i].residual_mult);
	memcpy(bytes + b->nodes[i].weights_at, b->nodes[i].weights, (size_t)conv->cout * window);
	for (size_t c = 0; window && c < (size_t)conv->cout; c++)
		net_put_u32(bytes, b->nodes[i].bias_at + 4 * c, (uint32_t)b->nodes[i].bias[c]);
	for (size_t c = 0; c < (size_t)net_mults(b, i); c++)
		net_put_f32(bytes, b->nodes[i].mult_at + 4 * c, b->nodes[i].mult[c]);
}

/* The bytes of the file, the caller's to free(); the builder is empty afterwards. NULL without memory. */
static inline uint8_t *net_builder_end(struct net_builder *b, size_t *size)
{
	*size = net_place(b);
	uint8_t *bytes = calloc(1, *size);

	if (bytes) {
		memcpy(bytes, "ASSAYNET", 8);
		net_put_u32(bytes, 8, 1);
		net_put_u32(bytes, 12, (uint32_t)*size);
		memcpy(bytes + 16, b->name, sizeof(b->name));
		net_put_u32(bytes, 48, (uint32_t)b->tensor_count);
		net_put_u32(bytes, 52, (uint32_t)b->node_count);
		net_put_u32(bytes, 56, (uint32_t)b->tap_count);
		net_put_u32(bytes, 60, b->align);
		for (int i = 0; i < b->tensor_count; i++) {
			size_t at = NET_HEADER_BYTES + (size_t)i * NET_TENSOR_BYTES;
			net_put_u32(bytes, at, (uint32_t)b->tensors[i].channels);
			net_put_u32(bytes, at + 4, (uint32_t)b->tensors[i].stride);
			net_put_u32(bytes, at + 8, (uint32_t)b->tensors[i].zero_point);
			net_put_f32(bytes, at + 12, 1.0f / 32);
		}
		for (int i = 0; i < b->node_count; i++)
			net_write_node(b, i, bytes);
		for (int i = 0; i < b->tap_count; i++) {
			net_put_u32(bytes, net_taps_at(b) + (size_t)i * NET_TAP_BYTES, (uint32_t)b->taps[i].tensor);
			net_put_u32(bytes, net_taps_at(b) + (size_t)i * NET_TAP_BYTES + 4, b->taps[i].gain_at);
			for (int c = 0; c < b->tensors[b->taps[i].tensor].channels; c++)
				bytes[b->taps[i].gain_at + (uint32_t)c * 2 + 1] = 1;
		}
		net_rehash(bytes, *size);
	}
	for (int i = 0; i < b->node_count; i++) {
		free(b->nodes[i].weights);
		free(b->nodes[i].bias);
		free(b->nodes[i].mult);
	}
	b->node_count = 0;
	return bytes;
}

/* A 3x3 with ReLU and a linear 1x1 behind it, with the block's input added where shapes allow. Returns its output. */
static inline int net_builder_block(struct net_builder *b, int src, int hidden, int cout, int stride)
{
	bool same = stride == 1 && b->tensors[src].channels == cout;
	int mid = net_builder_conv(
		b, src, &(struct net_conv){.cout = hidden, .kernel = 3, .stride = stride, .residual = -1, .hi = 255});
	return net_builder_conv(
		b, mid,
		&(struct net_conv){
			.cout = cout, .kernel = 1, .stride = 1, .residual = same ? src : -1, .zero_point = 128, .hi = 255});
}

/* The shape of the network that is shipped, with random weights. */
static inline uint8_t *net_build_base(uint64_t seed, size_t *size)
{
	static const struct {
		int hidden, cout, stride, tap;
	} blocks[] = {{96, 24, 2, 0},  {64, 24, 1, 1},	{192, 32, 2, 0}, {128, 32, 1, 0}, {128, 32, 1, 1}, {320, 64, 2, 0},
				  {192, 64, 1, 0}, {192, 64, 1, 0}, {192, 64, 1, 0}, {384, 96, 1, 0}, {288, 96, 1, 0}, {288, 96, 1, 1}};
	struct net_builder b;

	net_builder_begin(&b, "random", 16, seed);
	int t =
		net_builder_conv(&b, 0, &(struct net_conv){.cout = 16, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
	t = net_builder_conv(&b, t, &(struct net_conv){.cout = 24, .kernel = 3, .stride = 1, .residual = -1, .hi = 255});
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		t = net_builder_block(&b, t, blocks[i].hidden, blocks[i].cout, blocks[i].stride);
		if (blocks[i].tap)
			net_builder_tap(&b, t);
	}
	return net_builder_end(&b, size);
}

#endif
