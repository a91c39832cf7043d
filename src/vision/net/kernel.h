/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel is: one struct assay__kernels per instruction set, in kernel_<name>.c, and one line in the table of
 * isa.c. All kernels give the same bits; kernel_scalar.c says which.
 */
#ifndef ASSAY_SRC_VISION_NET_KERNEL_H
#define ASSAY_SRC_VISION_NET_KERNEL_H

#include <stdbool.h>

#include "assay/recipe.h"

/** Kernels compute up to this many pixels past the end of a row (and drop them), so maps are readable that far. */
#define ASSAY__TILE_PIXELS 8
/** bias and mult are readable, and zero, up to the next multiple of this many channels. */
#define ASSAY__LANES 64

/** Bytes from one pixel to the next in a map: the channels, rounded up to whole groups of four. */
static inline int assay__pixel_bytes(int channels)
{
	return (channels + 3) & ~3;
}

/** s16 from one tap of a packed depthwise convolution to the next: its weights are [9][lanes], zero where there is no
 * channel. */
static inline size_t assay__depthwise_lanes(int channels)
{
	return ((size_t)channels + 31) & ~(size_t)31;
}

/** net.h's operations. */
enum assay__op { ASSAY__CONV = 1, ASSAY__DEPTHWISE, ASSAY__MAX_POOL, ASSAY__AVERAGE_POOL, ASSAY__ADD, ASSAY__CONCAT };

/** One convolution, or another operation by the same names, as kernels see it. Nothing changes after the network is
 * open. */
struct assay__conv {
	int kernel, stride;
	int cin, cout;
	int lo, hi, zero_point;
	bool has_residual;
	int residual_zero_point;
	float residual_mult;
	int src_zero_point; /**< for operations that take src less its zero point */
	float src_mult;		/**< mult[0] of operations that have one for all channels */
	const int32_t *bias;
	const float *mult;
	void *packed; /**< the weights as this instruction set likes them */
};

/** Where one call reads and writes. Rows and pixels are those of the output; all pointers are at its first pixel. */
struct assay__conv_io {
	const uint8_t *src; /**< first pixel of output (0, 0)'s window; what lies beyond the edge is there to be read */
	uint8_t *dst;
	const uint8_t *residual; /**< of dst's pixel size (op 6: of its own); NULL if there is none */
	size_t src_row_bytes, dst_row_bytes, residual_row_bytes;
	int width, height;
	void *scratch; /**< scratch_bytes(conv, width), 64-byte aligned, contents of no meaning */
};

struct assay__kernels {
	enum assay_isa isa;
	/** Does this CPU, with this operating system, run it? */
	bool (*available)(void);
	/** Bytes of packed weights; at most a small multiple of the weights, so that no overflow is possible. */
	size_t (*packed_bytes)(const struct assay__conv *conv);
	/** Fills packed from weights s8 [cout][ky][kx][cin]. */
	void (*pack)(const struct assay__conv *conv, const int8_t *weights, void *packed);
	/** Memory that run needs beside its maps. */
	size_t (*scratch_bytes)(const struct assay__conv *conv, int width);
	/** Computes height rows of width pixels. */
	void (*run)(const struct assay__conv *conv, const struct assay__conv_io *io);
	/** The same for every other operation: ops.h's, compiled for this instruction set. */
	void (*run_other)(enum assay__op op, const struct assay__conv *conv, const struct assay__conv_io *io);
};

extern const struct assay__kernels assay__kernels_scalar;
extern const struct assay__kernels assay__kernels_avx2, assay__kernels_avxvnni, assay__kernels_avx512vnni; /* x86_64 */
extern const struct assay__kernels assay__kernels_neon, assay__kernels_neondot;							   /* aarch64 */

/** The kernels of an instruction set that this CPU has (BEST: the best of them), or NULL. */
const struct assay__kernels *assay__kernels_find(enum assay_isa isa);

#endif
