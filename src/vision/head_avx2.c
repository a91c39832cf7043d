/* SPDX-License-Identifier: Apache-2.0 */
/* The head's first layer for AVX2: pairs of dims by vpmaddwd, which cannot saturate at 12-bit weights. */
#include <immintrin.h>

#include "vision/head.h"

#define BLOCKS (ASSAY__HEAD_HIDDEN / 8)

void assay__head_sums_avx2(const struct assay__head *head, const int8_t *vector, int32_t sums[ASSAY__HEAD_HIDDEN])
{
	__m256i acc[BLOCKS];
	for (int k = 0; k < BLOCKS; k++)
		acc[k] = _mm256_loadu_si256((const __m256i *)(head->bias1 + 8 * k));
	for (int i = 0; i < head->dim; i += 2) {
		uint32_t a = (uint16_t)vector[i], b = i + 1 < head->dim ? (uint16_t)vector[i + 1] : 0;
		__m256i x = _mm256_set1_epi32((int32_t)(a | b << 16));
		const __m256i *w = (const __m256i *)(head->w1 + (size_t)i * ASSAY__HEAD_HIDDEN);
		for (int k = 0; k < BLOCKS; k++)
			acc[k] = _mm256_add_epi32(acc[k], _mm256_madd_epi16(x, _mm256_load_si256(w + k)));
	}
	for (int k = 0; k < BLOCKS; k++)
		_mm256_storeu_si256((__m256i *)(sums + 8 * k), acc[k]);
}
