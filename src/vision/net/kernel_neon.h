/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernels for NEON with and without dot product share. Both multiply s8 by s8: pixels are copied to scratch
 * less 128, and 128 times the sum of a channel's weights is added to its bias, which is exact modulo 2^32.
 *
 * Packed weights: for each group of channels, s32 [lanes] bias, then for each ky, for each `unit` bytes of the window's
 * row of kernel * pixel_bytes: s8 [lanes][unit], zero where a channel or an input does not exist.
 * Scratch: the window's rows of the input, for all tiles of an output row.
 */
#ifndef ASSAY_SRC_VISION_NET_KERNEL_NEON_H
#define ASSAY_SRC_VISION_NET_KERNEL_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <string.h>

#include "vision/net/kernel.h"

#define INLINE static inline __attribute__((always_inline))
/** Neighbouring pixels in a tile. */
#define TILE 4
#define MOST_LANES 24

/** Where a tile reads and writes. The assembly reads the first seven and knows their offsets. */
struct tile {
	const int8_t *x;	 /**< 0: first byte of the first pixel's window */
	size_t step;		 /**< 8: bytes from one pixel's window to the next */
	size_t row;			 /**< 16: bytes from one row of the window to the next */
	const int8_t *w;	 /**< 24: the group's weights */
	const int32_t *bias; /**< 32 */
	size_t rows;		 /**< 40 */
	size_t row_bytes;	 /**< 48: that the window has of a row */
	const struct assay__conv *conv;
	const float *mult;
	uint8_t *dst;
	const uint8_t *residual;
	size_t pixel_bytes;
	int pixels, channels; /**< to store */
};

_Static_assert(offsetof(struct tile, bias) == 32 && offsetof(struct tile, row_bytes) == 48,
			   "the assembly counts on it");

/** How many of the `left` channels the next group takes. */
typedef int neon_group_lanes(int left);

INLINE size_t neon_row_bytes(const struct assay__conv *conv)
{
	return (size_t)(conv->kernel * assay__pixel_bytes(conv->cin));
}

INLINE size_t neon_packed_bytes(const struct assay__conv *conv, neon_group_lanes *group_lanes)
{
	size_t lanes = 0;

	for (int c = 0; c < conv->cout; c += group_lanes(conv->cout - c))
		lanes += (size_t)group_lanes(conv->cout - c);
	return lanes * ((size_t)conv->kernel * neon_row_bytes(conv) + sizeof(int32_t));
}

/* Channel c's bias and 128 times the sum of its weights. */
INLINE uint32_t neon_bias(const struct assay__conv *conv, const int8_t *weights, int c)
{
	const size_t window = (size_t)(conv->kernel * conv->kernel) * (size_t)conv->cin;
	uint32_t bias = (uint32_t)conv->bias[c];

	for (size_t i = 0; i < window; i++)
		bias += 128 * (uint32_t)weights[(size_t)c * window + i];
	return bias;
}

INLINE void neon_pack(const struct assay__conv *conv, const int8_t *weights, int8_t *out, int unit,
					  neon_group_lanes *group_lanes)
{
	const int pixel = assay__pixel_bytes(conv->cin), window = conv->kernel * conv->kernel;

	for (int c0 = 0, lanes; c0 < conv->cout; c0 += lanes) {
		lanes = group_lanes(conv->cout - c0);
		for (int lane = 0; lane < lanes; lane++, out += sizeof(uint32_t)) {
			uint32_t bias = c0 + lane < conv->cout ? neon_bias(conv, weights, c0 + lane) : 0;
			memcpy(out, &bias, sizeof(bias));
		}
		for (int tap = 0; tap < window; tap++)
			for (int i0 = 0; i0 < pixel; i0 += unit)
				for (int lane = 0; lane < lanes; lane++)
					for (int i = i0; i < i0 + unit; i++) {
						size_t c = (size_t)(c0 + lane);
						bool there = c0 + lane < conv->cout && i < conv->cin;
						*out++ =
							there ? weights[(c * (size_t)window + (size_t)tap) * (size_t)conv->cin + (size_t)i] : 0;
					}
	}
}

/* Bytes of a row in scratch: the pixels under whole tiles, in whole vectors. */
INLINE size_t neon_scratch_row(const struct assay__conv *conv, int width)
{
	const size_t past = conv->kernel > 3 ? (size_t)conv->kernel - 1 : 2;
	size_t pixels = ((size_t)width + TILE - 1) / TILE * TILE * (size_t)conv->stride + past;
	return (pixels * (size_t)assay__pixel_bytes(conv->cin) + 15) & ~(size_t)15;
}

INLINE void neon_fill_scratch(const struct assay__conv *conv, const uint8_t *src, size_t row_bytes, int width,
							  uint8_t *out)
{
	const size_t bytes = neon_scratch_row(conv, width);

	for (int ky = 0; ky < conv->kernel; ky++, src += row_bytes)
		for (size_t i = 0; i < bytes; i += 16, out += 16)
			vst1q_u8(out, veorq_u8(vld1q_u8(src + i), vdupq_n_u8(128)));
}

/* Four channels of a pixel to s32 around zero, not yet clamped: net.h keeps them far from overflow. */
INLINE int32x4_t neon_requantise(int32x4_t acc, float32x4_t mult, const struct tile *t, uint16x4_t residual)
{
	float32x4_t v = vmulq_f32(vcvtq_f32_s32(acc), mult);

	if (t->residual) {
		int32x4_t r = vsubq_s32(vreinterpretq_s32_u32(vmovl_u16(residual)), vdupq_n_s32(t->conv->residual_zero_point));
		v = vaddq_f32(v, vmulq_f32(vcvtq_f32_s32(r), vdupq_n_f32(t->conv->residual_mult)));
	}
	return vcvtnq_s32_f32(v);
}

/* Eight channels of a pixel; saturating narrowing clamps as net.h does: 0 <= lo and hi <= 255. */
INLINE uint8x8_t neon_finish(int32x4_t a, int32x4_t b, const struct tile *t, int pixel, int block)
{
	const struct assay__conv *conv = t->conv;
	uint16x8_t r = vdupq_n_u16(0);

	if (t->residual)
		r = vmovl_u8(vld1_u8(t->residual + (size_t)pixel * t->pixel_bytes + block * 8));
	a = neon_requantise(a, vld1q_f32(t->mult + block * 8), t, vget_low_u16(r));
	b = neon_requantise(b, vld1q_f32(t->mult + block * 8 + 4), t, vget_high_u16(r));
	int16x8_t wide = vqaddq_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)), vdupq_n_s16((int16_t)conv->zero_point));
	uint8x8_t y = vmax_u8(vqmovun_s16(wide), vdup_n_u8((uint8_t)conv->lo));
	return vmin_u8(y, vdup_n_u8((uint8_t)conv->hi));
}

/* Stores a pixel of `lanes` channels. */
INLINE void neon_store(const int32x4_t *acc, const struct tile *t, int pixel, int lanes)
{
	uint8_t bytes[MOST_LANES], *dst = t->dst + (size_t)pixel * t->pixel_bytes;
	uint8_t *to = t->channels == lanes ? dst : bytes;

#pragma GCC unroll 3
	for (int block = 0; block < lanes / 8; block++)
		vst1_u8(to + block * 8, neon_finish(acc[2 * block], acc[2 * block + 1], t, pixel, block));
	if (to != dst)
		memcpy(dst, bytes, (size_t)t->channels);
}

INLINE void neon_store_tile(const int32x4_t acc[TILE][MOST_LANES / 4], const struct tile *t, int lanes)
{
#pragma GCC unroll 4
	for (int p = 0; p < TILE; p++)
		if (p < t->pixels)
			neon_store(acc[p], t, p, lanes);
}

/* clang-format off */
/** Outputs of the assembly: block b of four channels of all pixels. */
#define OUT(b) "=&w"(acc[0][b]), "=&w"(acc[1][b]), "=&w"(acc[2][b]), "=&w"(acc[3][b])
/** A block's accumulators, numbered one after the other, start from its bias; `at` is its offset, x13 the bias. */
#define BIAS(at, a, b, c, d) \
	"ldr %q" #a ", [x13, " #at "]\n\tmov %" #b ".16b, %" #a ".16b\n\tmov %" #c ".16b, %" #a ".16b\n\t" \
	"mov %" #d ".16b, %" #a ".16b\n\t"
/* clang-format on */

/** Everything around the tiles; run_tile is given the lanes of the group. */
INLINE void neon_run(const struct assay__conv *conv, const struct assay__conv_io *io, neon_group_lanes *group_lanes,
					 void (*run_tile)(const struct tile *t, int lanes))
{
	struct tile t = {
		.step = (size_t)(conv->stride * assay__pixel_bytes(conv->cin)),
		.row = neon_scratch_row(conv, io->width),
		.rows = (size_t)conv->kernel,
		.row_bytes = neon_row_bytes(conv),
		.conv = conv,
		.pixel_bytes = (size_t)assay__pixel_bytes(conv->cout),
	};

	for (int y = 0; y < io->height; y++) {
		const int8_t *packed = conv->packed;
		neon_fill_scratch(conv, io->src + (size_t)(y * conv->stride) * io->src_row_bytes, io->src_row_bytes, io->width,
						  io->scratch);
		for (int c0 = 0, lanes; c0 < conv->cout; c0 += lanes) {
			lanes = group_lanes(conv->cout - c0);
			t.channels = conv->cout - c0 < lanes ? conv->cout - c0 : lanes;
			t.bias = (const int32_t *)(const void *)packed;
			t.w = packed + (size_t)lanes * sizeof(int32_t);
			t.mult = conv->mult + c0;
			for (int x = 0; x < io->width; x += TILE) {
				size_t at = (size_t)x * t.pixel_bytes + (size_t)c0;
				t.x = (const int8_t *)io->scratch + (size_t)x * t.step;
				t.dst = io->dst + (size_t)y * io->dst_row_bytes + at;
				t.residual = io->residual ? io->residual + (size_t)y * io->residual_row_bytes + at : NULL;
				t.pixels = io->width - x < TILE ? io->width - x : TILE;
				run_tile(&t, lanes);
			}
			packed = t.w + (size_t)lanes * (size_t)conv->kernel * t.row_bytes;
		}
	}
}

#endif
