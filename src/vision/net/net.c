/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a .net file: nothing in it is believed before it is checked, and a network that opens cannot go wrong later. */
#include <math.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "vision/net/network.h"

#define HEADER_BYTES 64
#define TENSOR_BYTES 16
#define NODE_BYTES 64
#define TAP_BYTES 8
#define HASH_BYTES 32
#define NAME_OFFSET 16
#define NAME_BYTES 32
/* Requantised values stay below this, so that they convert to s32 before they are clamped and no NaN can arise. */
#define MAX_VALUE 1073741824.0
#define MEMORY_ALIGN 64

struct file {
	const uint8_t *bytes;
	size_t size, data_end;
	size_t tensors, nodes, taps; /* offsets of the tables */
	size_t data_bytes; /* of all arrays together: no two may share bytes, which bounds the memory of a small file */
	struct assay_error *error;
};

/* Where in the file one node's arrays begin. */
struct arrays {
	size_t weights, bias, mult;
};

enum second { NONE, OPTIONAL, REQUIRED };

/* What an operation takes; the order is that of enum assay__op. */
static const struct rule {
	unsigned kernels; /* bit k: kernel k */
	const char *kernel_names;
	uint32_t max_stride, max_border;
	enum second residual;
	bool weights; /* and biases, and a factor for each channel */
	bool clamp;
} rules[] = {
	[ASSAY__CONV] = {1 << 1 | 1 << 3 | 1 << 5 | 1 << 7, "1, 3, 5 or 7", 2, 1, OPTIONAL, true, true},
	[ASSAY__DEPTHWISE] = {1 << 3, "3", 2, 1, OPTIONAL, true, true},
	[ASSAY__MAX_POOL] = {1 << 2 | 1 << 3, "2 or 3", 2, 0, NONE, false, false},
	[ASSAY__AVERAGE_POOL] = {1 << 2 | 1 << 3, "2 or 3", 2, 1, NONE, false, false},
	[ASSAY__ADD] = {1 << 1, "1", 1, 0, REQUIRED, false, true},
	[ASSAY__CONCAT] = {1 << 1, "1", 1, 0, REQUIRED, false, true},
};

static uint32_t read_u32(const struct file *file, size_t at)
{
	const uint8_t *b = file->bytes + at;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static int32_t read_i32(const struct file *file, size_t at)
{
	uint32_t u = read_u32(file, at);
	int32_t i;
	memcpy(&i, &u, sizeof(i));
	return i;
}

static float read_f32(const struct file *file, size_t at)
{
	uint32_t u = read_u32(file, at);
	float f;
	memcpy(&f, &u, sizeof(f));
	return f;
}

#define BAD(file, at, ...) assay__fail((file)->error, ASSAY_E_FORMAT, (int64_t)(at), "network file: " __VA_ARGS__)
#define UNKNOWN(file, at, ...)                                                                                         \
	assay__fail((file)->error, ASSAY_E_UNSUPPORTED, (int64_t)(at), "network file: " __VA_ARGS__)

/* An unsigned field with its allowed range. */
static int read_range(const struct file *file, size_t at, const char *what, uint32_t low, uint32_t high, int *value)
{
	uint32_t v = read_u32(file, at);
	if (v < low || v > high)
		return BAD(file, at, "%s at byte %zu is %u, expected %u to %u", what, at, v, low, high);
	*value = (int)v;
	return 0;
}

static int check_frame(struct file *file)
{
	if (file->size < HEADER_BYTES + HASH_BYTES)
		return BAD(file, file->size, "%zu bytes long, shorter than its header of %d", file->size,
				   HEADER_BYTES + HASH_BYTES);
	if (memcmp(file->bytes, "ASSAYNET", 8) != 0)
		return BAD(file, 0, "does not begin with \"ASSAYNET\"");
	if (read_u32(file, 8) != 1)
		return UNKNOWN(file, 8, "version %u, this program reads version 1", read_u32(file, 8));
	if (read_u32(file, 12) != file->size)
		return BAD(file, 12, "%zu bytes long, its header says %u", file->size, read_u32(file, 12));

	uint8_t hash[HASH_BYTES];
	file->data_end = file->size - HASH_BYTES;
	crypto_generichash(hash, sizeof(hash), file->bytes, file->data_end, NULL, 0);
	if (memcmp(hash, file->bytes + file->data_end, sizeof(hash)) != 0)
		return BAD(file, file->data_end, "damaged, its checksum does not match");
	return 0;
}

static int read_header(struct file *file, struct assay__net *net)
{
	const uint8_t *name = file->bytes + NAME_OFFSET;
	size_t length = strnlen((const char *)name, NAME_BYTES);
	int err;

	for (size_t i = 0; i < NAME_BYTES; i++)
		if (i < length ? name[i] < 0x20 || name[i] > 0x7e : name[i] != 0)
			return BAD(file, NAME_OFFSET + i, "byte %zu of its name is 0x%02x, expected printable ASCII, then zeros", i,
					   name[i]);
	memcpy(net->name, name, length);
	if ((err = read_range(file, 48, "number of tensors", 2, ASSAY__MAX_TENSORS, &net->tensor_count)) ||
		(err = read_range(file, 52, "number of nodes", 1, ASSAY__MAX_TENSORS - 1, &net->node_count)) ||
		(err = read_range(file, 56, "number of taps", 1, ASSAY__MAX_TAPS, &net->tap_count)) ||
		(err = read_range(file, 60, "alignment", 1, ASSAY__MAX_ALIGN, &net->align)))
		return err;
	if (net->node_count != net->tensor_count - 1)
		return BAD(file, 52, "%d nodes for %d tensors, expected one for each but the image", net->node_count,
				   net->tensor_count);
	file->tensors = HEADER_BYTES;
	file->nodes = file->tensors + (size_t)net->tensor_count * TENSOR_BYTES;
	file->taps = file->nodes + (size_t)net->node_count * NODE_BYTES;
	file->data_bytes = file->taps + (size_t)net->tap_count * TAP_BYTES;
	if (file->data_bytes > file->data_end)
		return BAD(file, 48, "its tables need %zu bytes, it has %zu", file->data_bytes, file->data_end);
	memcpy(net->hash, file->bytes + file->data_end, HASH_BYTES);
	return 0;
}

static int read_tensors(const struct file *file, struct assay__net *net)
{
	for (int i = 0; i < net->tensor_count; i++) {
		struct assay__tensor *tensor = &net->tensors[i];
		size_t at = file->tensors + (size_t)i * TENSOR_BYTES;
		int err;

		if ((err = read_range(file, at, "channels of a tensor", 1, ASSAY__MAX_CHANNELS, &tensor->channels)) ||
			(err = read_range(file, at + 4, "stride of a tensor", 1, ASSAY__MAX_ALIGN, &tensor->stride)) ||
			(err = read_range(file, at + 8, "zero point of a tensor", 0, 255, &tensor->zero_point)))
			return err;
		if (net->align % tensor->stride != 0)
			return BAD(file, at + 4, "tensor %d has stride %d, not a divisor of the alignment %d", i, tensor->stride,
					   net->align);
		float scale = read_f32(file, at + 12);
		if (!isfinite(scale) || scale <= 0)
			return BAD(file, at + 12, "tensor %d has scale %g, expected a positive number", i, (double)scale);
	}
	if (net->tensors[0].channels != 3 || net->tensors[0].stride != 1)
		return BAD(file, file->tensors, "its image has %d channels and stride %d, expected 3 and 1",
				   net->tensors[0].channels, net->tensors[0].stride);
	return 0;
}

/* The offset stored at `at`, of an array of size_bytes. */
static int read_offset(struct file *file, size_t at, const char *what, size_t size_bytes, size_t *offset)
{
	size_t value = read_u32(file, at);

	if (value % 4 != 0 || value < file->taps || value > file->data_end || size_bytes > file->data_end - value)
		return BAD(file, at, "%s at byte %zu lie at %zu and take %zu bytes; data lie between %zu and %zu, in fours",
				   what, at, value, size_bytes, file->taps, file->data_end);
	if (size_bytes > file->data_end - file->data_bytes)
		return BAD(file, at, "%s at byte %zu share bytes with others", what, at);
	file->data_bytes += size_bytes;
	*offset = value;
	return 0;
}

/* Weights of one output channel. */
static size_t window_weights(const struct assay__node *node)
{
	const size_t inputs = node->op == ASSAY__DEPTHWISE ? 1 : (size_t)node->conv.cin;
	return (size_t)(node->conv.kernel * node->conv.kernel) * inputs;
}

/* Channel c's accumulator and value for the worst image that there can be. */
static int check_channel(const struct file *file, const struct assay__node *node, const struct arrays *arrays, int c)
{
	const struct assay__conv *conv = &node->conv;
	size_t window = window_weights(node);
	const int8_t *weights = (const int8_t *)file->bytes + arrays->weights + (size_t)c * window;
	int64_t bound = read_i32(file, arrays->bias + (size_t)c * 4);
	float mult = read_f32(file, arrays->mult + (size_t)c * 4);
	int64_t sum = 0;

	for (size_t i = 0; i < window; i++)
		sum += weights[i] < 0 ? -weights[i] : weights[i];
	bound = (bound < 0 ? -bound : bound) + sum * 255;
	if (bound > INT32_MAX)
		return BAD(file, arrays->bias + (size_t)c * 4, "the sum for channel %d can reach %lld, more than 31 bits hold",
				   c, (long long)bound);
	double value = (double)bound * fabs((double)mult);
	if (conv->has_residual)
		value += 255.0 * fabs((double)conv->residual_mult);
	/* Written so that a NaN fails too. */
	if (!(isfinite(mult) && value < MAX_VALUE))
		return BAD(file, arrays->mult + (size_t)c * 4, "channel %d is scaled by %g and can reach %g, the limit is %g",
				   c, (double)mult, value, MAX_VALUE);
	return 0;
}

static int read_residual(const struct file *file, struct assay__net *net, struct assay__node *node, size_t at,
						 const bool *made)
{
	const struct assay__tensor *dst = &net->tensors[node->dst];

	const enum second wanted = rules[node->op].residual;
	node->residual = read_i32(file, at + 12);
	if (node->residual == -1 && wanted != REQUIRED)
		return 0;
	if (wanted == NONE)
		return BAD(file, at + 12, "residual at byte %zu is tensor %d, operation %d takes none", at + 12, node->residual,
				   (int)node->op);
	if (node->residual < 0 || node->residual >= net->tensor_count || !made[node->residual])
		return BAD(file, at + 12, "residual at byte %zu is tensor %d, which is not made before", at + 12,
				   node->residual);
	const struct assay__tensor *tensor = &net->tensors[node->residual];
	const int channels = dst->channels - (node->op == ASSAY__CONCAT ? node->conv.cin : 0);
	if (tensor->channels != channels || tensor->stride != dst->stride)
		return BAD(file, at + 12,
				   "residual at byte %zu has %d channels and stride %d, its output has room for %d and %d", at + 12,
				   tensor->channels, tensor->stride, channels, dst->stride);
	node->conv.has_residual = true;
	node->conv.residual_zero_point = tensor->zero_point;
	node->conv.residual_mult = read_f32(file, at + 32);
	if (!isfinite(node->conv.residual_mult))
		return BAD(file, at + 32, "the factor of the residual at byte %zu is not a finite number", at + 32);
	return 0;
}

/* Fields that must be zero, the first count after at. */
static int check_zeros(const struct file *file, size_t at, size_t count, const char *what)
{
	for (size_t i = 0; i < count; i++, at += 4)
		if (read_u32(file, at) != 0)
			return BAD(file, at, "%s at byte %zu is not zero", what, at);
	return 0;
}

/* Kernel, stride, clamps and border: what can be checked without the tensors. */
static int read_shape(const struct file *file, struct assay__node *node, int index, size_t at)
{
	struct assay__conv *conv = &node->conv;
	const struct rule *rule = &rules[node->op];
	int err;

	if ((err = read_range(file, at + 16, "kernel", 1, 7, &conv->kernel)) ||
		(err = read_range(file, at + 20, "stride of a node", 1, rule->max_stride, &conv->stride)) ||
		(err = read_range(file, at + 28, "upper clamp", rule->clamp ? 0 : 255, 255, &conv->hi)) ||
		(err = read_range(file, at + 24, "lower clamp", 0, rule->clamp ? (uint32_t)conv->hi : 0, &conv->lo)))
		return err;
	if (!(rule->kernels >> conv->kernel & 1))
		return BAD(file, at + 16, "node %d has kernel %d, operation %d takes %s", index, conv->kernel, (int)node->op,
				   rule->kernel_names);
	const int half = (conv->kernel - 1) / 2;
	if ((err = read_range(file, at + 48, "border", 0, conv->kernel > 1 ? rule->max_border : 0, &node->border)) ||
		(err = read_range(file, at + 52, "padding before", 0, conv->stride == 2 ? (uint32_t)half : 0, &node->pad)) ||
		(err = check_zeros(file, at + 56, 2, "reserved field")))
		return err;
	if (conv->stride == 1)
		node->pad = half;
	return 0;
}

/* What src and dst must have in common. */
static int check_tensors(const struct file *file, const struct assay__net *net, struct assay__node *node, int index,
						 size_t at)
{
	const struct assay__tensor *src = &net->tensors[node->src], *dst = &net->tensors[node->dst];
	struct assay__conv *conv = &node->conv;

	if (dst->stride != src->stride * conv->stride)
		return BAD(file, at + 20, "node %d makes stride %d of stride %d by a stride of %d", index, dst->stride,
				   src->stride, conv->stride);
	conv->cin = src->channels;
	conv->cout = dst->channels;
	conv->zero_point = dst->zero_point;
	conv->src_zero_point = src->zero_point;
	if (node->op != ASSAY__CONV && node->op != ASSAY__CONCAT && src->channels != dst->channels)
		return BAD(file, at + 8, "node %d makes %d channels of %d, operation %d keeps them", index, dst->channels,
				   src->channels, (int)node->op);
	if (node->op != ASSAY__MAX_POOL && node->op != ASSAY__AVERAGE_POOL)
		return 0;
	const size_t src_scale = file->tensors + (size_t)node->src * TENSOR_BYTES + 12;
	const size_t dst_scale = file->tensors + (size_t)node->dst * TENSOR_BYTES + 12;
	if (src->zero_point != dst->zero_point || read_u32(file, src_scale) != read_u32(file, dst_scale))
		return BAD(file, at + 8, "node %d pools tensor %d into tensor %d of another zero point or scale", index,
				   node->src, node->dst);
	conv->src_mult = 1.0f / (float)(conv->kernel * conv->kernel);
	return 0;
}

static int read_weights(struct file *file, const struct assay__node *node, size_t at, struct arrays *arrays)
{
	const size_t channels = (size_t)node->conv.cout;
	int err;

	if ((err = read_offset(file, at + 36, "weights", channels * window_weights(node), &arrays->weights)) ||
		(err = read_offset(file, at + 40, "biases", channels * 4, &arrays->bias)) ||
		(err = read_offset(file, at + 44, "factors", channels * 4, &arrays->mult)))
		return err;
	for (int c = 0; c < node->conv.cout; c++)
		if ((err = check_channel(file, node, arrays, c)))
			return err;
	return 0;
}

/* The one factor of operations on two tensors, and the empty fields of those without weights. */
static int read_factor(struct file *file, struct assay__node *node, size_t at)
{
	struct assay__conv *conv = &node->conv;
	size_t mult;
	int err;

	if (!conv->has_residual)
		return check_zeros(file, at + 32, 4, "unused field");
	if ((err = check_zeros(file, at + 36, 2, "unused field")) ||
		(err = read_offset(file, at + 44, "the factor", sizeof(float), &mult)))
		return err;
	conv->src_mult = read_f32(file, mult);
	/* Written so that a NaN fails too. */
	const double value = 255 * (fabs((double)conv->src_mult) + fabs((double)conv->residual_mult));
	if (!(value < MAX_VALUE))
		return BAD(file, mult, "factors of %g and %g reach %g, the limit is %g", (double)conv->src_mult,
				   (double)conv->residual_mult, value, MAX_VALUE);
	return 0;
}

/* One node; made[t]: tensor t exists before it. */
static int read_node(struct file *file, struct assay__net *net, int index, bool *made, struct arrays *arrays)
{
	struct assay__node *node = &net->nodes[index];
	const size_t at = file->nodes + (size_t)index * NODE_BYTES;
	const uint32_t op = read_u32(file, at), last = (uint32_t)net->tensor_count - 1;
	int err;

	if (op < ASSAY__CONV || op > ASSAY__CONCAT)
		return UNKNOWN(file, at, "operation %u at byte %zu, this program knows 1 to %d", op, at, (int)ASSAY__CONCAT);
	node->op = (enum assay__op)op;
	if ((err = read_range(file, at + 4, "input of a node", 0, last, &node->src)) ||
		(err = read_range(file, at + 8, "output of a node", 1, last, &node->dst)) ||
		(err = read_shape(file, node, index, at)))
		return err;
	if (!made[node->src])
		return BAD(file, at + 4, "node %d reads tensor %d, which is not made before", index, node->src);
	if (made[node->dst])
		return BAD(file, at + 8, "node %d makes tensor %d, which exists already", index, node->dst);
	if ((err = check_tensors(file, net, node, index, at)) || (err = read_residual(file, net, node, at, made)) ||
		(err = rules[op].weights ? read_weights(file, node, at, arrays) : read_factor(file, node, at)))
		return err;
	made[node->dst] = true;
	return 0;
}

static int read_taps(struct file *file, struct assay__net *net)
{
	for (int i = 0; i < net->tap_count; i++) {
		size_t at = file->taps + (size_t)i * TAP_BYTES, gain;
		int err = read_range(file, at, "tensor of a tap", 1, (uint32_t)net->tensor_count - 1, &net->taps[i]);
		if (err)
			return err;
		const struct assay__tensor *tensor = &net->tensors[net->taps[i]];
		if (i > 0 && tensor->stride < net->tensors[net->taps[i - 1]].stride)
			return BAD(file, at, "tap %d has stride %d, less than the one before", i, tensor->stride);
		if ((err = read_offset(file, at + 4, "gains", (size_t)tensor->channels * 2, &gain)))
			return err;
		for (int c = 0; c < tensor->channels; c++) {
			const uint8_t *b = file->bytes + gain + (size_t)c * 2;
			net->gains[i][c] = (uint16_t)(b[0] | b[1] << 8);
		}
	}
	return 0;
}

static size_t aligned(size_t size_bytes)
{
	return (size_bytes + MEMORY_ALIGN - 1) & ~(size_t)(MEMORY_ALIGN - 1);
}

/* Bytes of one channel array, with the lanes that kernels read past its end. */
static size_t lanes_bytes(const struct assay__conv *conv)
{
	return aligned(((size_t)conv->cout + ASSAY__LANES - 1) / ASSAY__LANES * ASSAY__LANES * 4);
}

static size_t packed_bytes(const struct assay__net *net, const struct assay__node *node)
{
	if (node->op == ASSAY__DEPTHWISE)
		return 9 * assay__depthwise_lanes(node->conv.cout) * sizeof(int16_t);
	return net->kernels->packed_bytes(&node->conv);
}

static void pack_weights(const struct assay__net *net, const struct assay__node *node, const int8_t *weights)
{
	const struct assay__conv *conv = &node->conv;

	if (node->op != ASSAY__DEPTHWISE) {
		net->kernels->pack(conv, weights, conv->packed);
		return;
	}
	int16_t *packed = conv->packed;
	const size_t lanes = assay__depthwise_lanes(conv->cout);
	for (size_t c = 0; c < (size_t)conv->cout; c++)
		for (size_t tap = 0; tap < 9; tap++)
			packed[tap * lanes + c] = weights[c * 9 + tap];
}

static int pack_nodes(const struct file *file, struct assay__net *net, const struct arrays *arrays)
{
	size_t total = MEMORY_ALIGN; /* some, even for a network that only pools */

	for (int i = 0; i < net->node_count; i++)
		if (rules[net->nodes[i].op].weights)
			total += 2 * lanes_bytes(&net->nodes[i].conv) + aligned(packed_bytes(net, &net->nodes[i]));
	uint8_t *memory = assay__alloc_aligned(net->allocator, total);
	if (!memory)
		return assay__fail(file->error, ASSAY_E_NOMEM, -1, "no memory for a network of %zu bytes", total);
	memset(memory, 0, total);
	net->memory = memory;
	for (int i = 0; i < net->node_count; i++) {
		struct assay__conv *conv = &net->nodes[i].conv;
		if (!rules[net->nodes[i].op].weights)
			continue;
		int32_t *bias = (int32_t *)(void *)memory;
		memory += lanes_bytes(conv);
		float *mult = (float *)(void *)memory;
		memory += lanes_bytes(conv);
		for (int c = 0; c < conv->cout; c++) {
			bias[c] = read_i32(file, arrays[i].bias + (size_t)c * 4);
			mult[c] = read_f32(file, arrays[i].mult + (size_t)c * 4);
		}
		conv->bias = bias;
		conv->mult = mult;
		conv->packed = memory;
		memory += aligned(packed_bytes(net, &net->nodes[i]));
		pack_weights(net, &net->nodes[i], (const int8_t *)file->bytes + arrays[i].weights);
	}
	return 0;
}

static int read_net(struct file *file, struct assay__net *net)
{
	bool made[ASSAY__MAX_TENSORS] = {true};
	struct arrays arrays[ASSAY__MAX_TENSORS];
	int err;

	if ((err = check_frame(file)) || (err = read_header(file, net)) || (err = read_tensors(file, net)))
		return err;
	for (int i = 0; i < net->node_count; i++)
		if ((err = read_node(file, net, i, made, &arrays[i])))
			return err;
	if ((err = read_taps(file, net)))
		return err;
	return pack_nodes(file, net, arrays);
}

int assay__net_open(const void *bytes, size_t size_bytes, enum assay_isa isa, const struct assay_allocator *allocator,
					struct assay__net **out, struct assay_error *error)
{
	const struct assay__kernels *kernels = assay__kernels_find(isa);
	struct file file = {.bytes = bytes, .size = size_bytes, .error = error};

	if (!kernels)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "this CPU does not have %s", assay_isa_name(isa));
	struct assay__net *net = assay__calloc(allocator, 1, sizeof(*net));
	if (!net)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a network");
	net->allocator = allocator;
	net->kernels = kernels;
	int err = read_net(&file, net);
	if (err) {
		assay__net_close(net);
		return err;
	}
	*out = net;
	return 0;
}

void assay__net_close(struct assay__net *net)
{
	if (!net)
		return;
	assay__free_aligned(net->allocator, net->memory);
	assay__free(net->allocator, net);
}

void assay__net_get_info(const struct assay__net *net, struct assay__net_info *info)
{
	*info = (struct assay__net_info){
		.name = net->name, .isa = net->kernels->isa, .align = net->align, .tap_count = net->tap_count};
	memcpy(info->hash, net->hash, sizeof(info->hash));
	for (int i = 0; i < net->tap_count; i++) {
		const struct assay__tensor *tensor = &net->tensors[net->taps[i]];
		info->taps[i].channels = tensor->channels;
		info->taps[i].stride = tensor->stride;
		info->taps[i].zero_point = tensor->zero_point;
		info->taps[i].gain = net->gains[i];
	}
}

int64_t assay__node_macs(const struct assay__net *net, int index, int width, int height)
{
	const struct assay__node *node = &net->nodes[index];
	const int stride = net->tensors[node->dst].stride;

	if (!rules[node->op].weights)
		return 0;
	return (int64_t)(width / stride) * (height / stride) * node->conv.cout * (int64_t)window_weights(node);
}

int64_t assay__net_macs(const struct assay__net *net, int width, int height)
{
	int64_t macs = 0;

	for (int i = 0; i < net->node_count; i++)
		macs += assay__node_macs(net, i, width, height);
	return macs;
}
