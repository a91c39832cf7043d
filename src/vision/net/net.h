/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The integer network: u8 activations x s8 weights -> s32, requantised per channel. Same bits on every kernel.
 *
 * A .net file, little endian:
 *   0  8 bytes "ASSAYNET"
 *   8  u32 version = 1
 *  12  u32 size of the file
 *  16  32 bytes name, NUL padded
 *  48  u32 tensors T, 52 u32 nodes N, 56 u32 taps P, 60 u32 align (input width and height are multiples of it)
 *  64  T x { u32 channels, u32 stride, i32 zero_point, f32 scale }      tensor 0 is the image, 3 channels, stride 1
 *      N x { u32 op, u32 src, u32 dst, i32 residual, u32 kernel, u32 stride, i32 lo, i32 hi,
 *            f32 residual_mult, u32 weights, u32 bias, u32 mult, u32 border, u32 pad_before,
 *            u32 reserved x 2 }                                                                            64 bytes
 *      P x { u32 tensor, u32 gain }                                      taps in ascending stride
 *      data: weights s8 [cout][ky][kx][cin], bias s32 [cout], mult f32 [cout], gain u16 [channels] (256 = 1.0);
 *            the u32 above are byte offsets from the start of the file, multiples of 4
 *  end 32 bytes: BLAKE2b-256 of everything before
 *
 * Windows: at output (y, x) one covers rows s*y-p .. s*y-p+kernel-1, columns likewise; s is the node's stride, p is
 * (kernel-1)/2 rounded down at stride 1 (where pad_before is 0) and pad_before, at most that, at stride 2. Beyond the edge
 * lies, with border 0, the nearest pixel of the edge, and with border 1 the zero point of src (which stands for zero).
 *
 * op 1, convolution (kernel 1, 3, 5 or 7, stride 1 or 2):
 *   acc = bias[c] + sum w[c][ky][kx][i] * x[...]       exact in s32 (checked at load); zero point of src is folded in bias
 *   t   = (float)acc * mult[c]                         every operation rounds to nearest even, none is fused
 *   t   = t + (float)(r - zero_point_r) * residual_mult    if residual >= 0; r is a tensor of dst's shape
 *   y   = round_to_even(clamp(t, lo - zero_point, hi - zero_point)) + zero_point      (dst's zero point)
 *   0 <= lo <= hi <= 255, and |t| < 2^30 whatever the input, so that kernels may round before they clamp
 *   (checked at load: max |acc| * |mult| + 255 * |residual_mult|)
 * op 2, depthwise convolution (kernel 3, stride 1 or 2): as op 1 with one input channel for each output channel,
 *   acc = bias[c] + sum w[c][ky][kx] * x[...][c]       weights s8 [c][ky][kx]; dst has src's channels
 * op 3, maximum of the window (kernel 2 or 3, stride 1 or 2, border 0, which is as good as leaving out what lies beyond
 *   the edge)
 * op 4, average (kernel 2 or 3, stride 1 or 2): t = (float)(sum (x - zero_point)) * (1.0f / (float)(kernel * kernel)),
 *   y = round_to_even(t) + zero_point
 *   ops 3 and 4: dst has src's channels, zero point and scale; residual -1, lo 0, hi 255
 * op 5, sum of src and residual, of dst's shape: t = (float)(x - zero_point_x) * mult[0], from there on as op 1
 * op 6, src's channels and then residual's, of dst's stride, which has as many as both:
 *   t = (float)(x - zero_point_x) * mult[0] or (float)(r - zero_point_r) * residual_mult, y as op 1
 *   ops 5 and 6: kernel 1, stride 1, border 0; mult is one f32
 * Fields without a use are 0: residual_mult without residual (ops 3 and 4), weights and bias (ops 3 to 6), mult (3 and 4).
 *
 * The image is 3 channels; every other tensor is made by exactly one node, after those that it is made from; arrays do
 * not overlap; reserved fields are 0; at most 128 tensors of at most 1024 channels.
 */
#ifndef ASSAY_SRC_VISION_NET_H
#define ASSAY_SRC_VISION_NET_H

#include "assay/base.h"
#include "assay/recipe.h"

#define ASSAY__MAX_TAPS 4

struct assay__net;
struct assay__plan;

/** Facts of a network; pointers live as long as it. */
struct assay__net_info {
	const char *name;
	uint8_t hash[32];
	enum assay_isa isa; /**< the one in use, never BEST */
	int align;
	int tap_count;
	struct {
		int channels, stride, zero_point;
		const uint16_t *gain; /**< per channel, 256 = 1.0 */
	} taps[ASSAY__MAX_TAPS];
};

/** One tap's map: pixel (x, y) channel c is data[y * row_bytes + x * pixel_bytes + c]. */
struct assay__map {
	const uint8_t *data;
	int width, height, channels, zero_point;
	size_t pixel_bytes, row_bytes;
};

/**
 * Reads and packs a network for one instruction set. `bytes` may go away afterwards. *out is the caller's.
 * Errors: FORMAT with the byte offset (every length, index and accumulator bound is checked), UNSUPPORTED, NOMEM.
 */
int assay__net_open(const void *bytes, size_t size_bytes, enum assay_isa isa, const struct assay_allocator *allocator,
					struct assay__net **out, struct assay_error *error);
void assay__net_close(struct assay__net *net);
void assay__net_get_info(const struct assay__net *net, struct assay__net_info *info);
/** Multiply-accumulates for one image of width x height. */
int64_t assay__net_macs(const struct assay__net *net, int width, int height);

/**
 * Buffers for one image size and one thread, at most 2 GiB. width, height: multiples of align, at most 8192. `net` must
 * outlive the plan; any number of plans may share it. Errors: ARGUMENT, NOMEM.
 */
int assay__plan_open(const struct assay__net *net, int width, int height, const struct assay_allocator *allocator,
					 struct assay__plan **out, struct assay_error *error);
/**
 * As above, in the buffers of `lender` (nullable, of the same network) if they are large enough. The lender must outlive
 * the plan; a run of either makes the maps of the other's last run invalid, and the two run one after the other.
 */
int assay__plan_open_beside(const struct assay__net *net, int width, int height, const struct assay__plan *lender,
							const struct assay_allocator *allocator, struct assay__plan **out,
							struct assay_error *error);
void assay__plan_close(struct assay__plan *plan);
/** Borrowed buffers are not counted. */
size_t assay__plan_bytes(const struct assay__plan *plan);
/**
 * Where to put the image: 4 bytes a pixel, R G B and one ignored; rows *row_bytes apart. A run uses this memory up:
 * write the whole image before each.
 */
uint8_t *assay__plan_input(struct assay__plan *plan, size_t *row_bytes);
/** Runs the network; afterwards maps[0..tap_count) are valid until the next run. Allocates nothing. */
void assay__plan_run(struct assay__plan *plan, struct assay__map maps[ASSAY__MAX_TAPS]);

/** The network built into the library that is used where none is asked for. */
const void *assay__net_builtin(size_t *size_bytes);
/** Names of the networks built in, from index 0, which is the default; NULL past the last. */
const char *assay__net_builtin_name(int index);
/** The network built in under that name, or NULL with *size_bytes untouched. */
const void *assay__net_builtin_find(const char *name, size_t *size_bytes);

#endif
