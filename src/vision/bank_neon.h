/* SPDX-License-Identifier: Apache-2.0 */
/* What the bank kernels for NEON with and without dot product share: all but the sums of products. */
#ifndef ASSAY_SRC_VISION_BANK_NEON_H
#define ASSAY_SRC_VISION_BANK_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "vision/bank_kernels.h"

/** Most registers of four vectors in a tile. */
#define MOST_REGISTERS 4

/** `rows` queries side by side, `unit` dims of each in turn, so that the kernel walks one pointer. */
static inline void neon_prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm, int rows,
								int unit)
{
	const int padded = (dim + 3) / 4 * 4;
	memset(panel, 0, (size_t)(padded * rows));
	for (int i = 0; i < rows; i++) {
		int8_t *to = (int8_t *)panel + unit * i;
		int32_t sum = 0;
		for (int j = 0; i < count && j < dim; j++) {
			const int8_t x = queries[i][j];
			to[j / unit * unit * rows + j % unit] = x;
			sum += x * x;
		}
		norm[i] = sum;
	}
}

/* The lowest-indexed of `width` vectors that beats best: rare, so not tuned. */
static inline void neon_take(const int32x4_t *keys, int width, int base, int32_t norm, int32_t *d2, int32_t *index)
{
	int32_t key[MOST_REGISTERS * 4];
	memcpy(key, keys, (size_t)width * sizeof *key);
	for (int v = 0; v < width; v++) {
		if (norm - key[v] >= *d2)
			continue;
		*d2 = norm - key[v];
		if (index)
			*index = base + v;
	}
}

/** From a query's sums, four vectors in each of `registers`, to its nearest vector so far. */
static inline void neon_finish(const int32x4_t *acc, int registers, const int32_t *odd, int base, int32_t norm,
							   int32_t *d2, int32_t *index)
{
	int32x4_t keys[MOST_REGISTERS], top = vdupq_n_s32(INT32_MIN);
	for (int j = 0; j < registers; j++) {
		keys[j] = vaddq_s32(vaddq_s32(acc[j], acc[j]), vld1q_s32(odd + 4 * j));
		top = vmaxq_s32(top, keys[j]);
	}
	if (vmaxvq_s32(top) > norm - *d2)
		neon_take(keys, 4 * registers, base, norm, d2, index);
}

/** Lowers four distances; returns the larger of each and `largest`. */
static inline int32x4_t neon_relax(int32x4_t acc, const int32_t *odd, int32_t norm, int32_t *d2, int32x4_t largest)
{
	const int32x4_t key = vaddq_s32(vaddq_s32(acc, acc), vld1q_s32(odd));
	const int32x4_t distance = vminq_s32(vsubq_s32(vdupq_n_s32(norm), key), vld1q_s32(d2));
	vst1q_s32(d2, distance);
	return vmaxq_s32(largest, distance);
}

#endif
