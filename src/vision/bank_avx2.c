/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bank kernels for AVX2: s16 operands and vpmaddwd, which cannot saturate here. A tile is
 * 4 queries x 2 blocks of 8 vectors: 8 accumulators and what feeds them fit the 16 registers.
 */
#include <immintrin.h>
#include <string.h>

#include "vision/bank_kernels.h"

#define ROWS 4
#define LANES 8

/* Four queries side by side, two dims of each in turn, so that the kernel walks one pointer. */
static void prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm)
{
	const int padded = (dim + 3) / 4 * 4;
	memset(panel, 0, (size_t)padded * ROWS * sizeof(int16_t));
	for (int i = 0; i < ROWS; i++) {
		int16_t *to = (int16_t *)panel + 2 * i;
		int32_t sum = 0;
		for (int j = 0; i < count && j < dim; j++) {
			int16_t x = queries[i][j];
			to[(j >> 1) * 2 * ROWS + (j & 1)] = x;
			sum += x * x;
		}
		norm[i] = sum;
	}
}

static inline __m256i load(const int32_t *from)
{
	return _mm256_load_si256((const __m256i *)from);
}

static inline __m256i pair(const int16_t *query)
{
	int32_t both;
	memcpy(&both, query, sizeof both);
	return _mm256_set1_epi32(both);
}

/* The lowest-indexed vector among `width` blocks of keys that beats best: rare, so not tuned. */
static void take(const __m256i *keys, int width, int base, int32_t norm, int32_t *d2, int32_t *index)
{
	int32_t key[2 * LANES];
	memcpy(key, keys, (size_t)width * sizeof *keys);
	for (int v = 0; v < width * LANES; v++) {
		if (norm - key[v] >= *d2)
			continue;
		*d2 = norm - key[v];
		if (index)
			*index = base + v;
	}
}

#define MAC(acc, vectors) acc = _mm256_add_epi32(acc, _mm256_madd_epi16(q, vectors))

/* 2 acc + odd, and whether any lane is nearer than what the query has. */
#define FINISH(i, a0, a1)                                                                                              \
	do {                                                                                                               \
		__m256i keys[2] = {_mm256_add_epi32(_mm256_add_epi32(a0, a0), load(odd)),                                      \
						   _mm256_add_epi32(_mm256_add_epi32(a1, a1), load(odd + LANES))};                             \
		__m256i nearer = _mm256_cmpgt_epi32(_mm256_max_epi32(keys[0], keys[1]), _mm256_set1_epi32(norm[i] - d2[i]));   \
		if (!_mm256_testz_si256(nearer, nearer))                                                                       \
			take(keys, 2, base, norm[i], d2 + (i), index ? index + (i) : NULL);                                        \
	} while (0)

static void tile_2(const struct assay__bank_packed *packed, int block, const int16_t *q4, const int32_t *norm,
				   int32_t *d2, int32_t *index)
{
	const int base = block * LANES;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	const int16_t *b = (const int16_t *)packed->data + (size_t)block * stride;
	const int32_t *start = packed->start + base, *odd = packed->odd + base;
	__m256i a00 = load(start), a01 = load(start + LANES);
	__m256i a10 = a00, a11 = a01, a20 = a00, a21 = a01, a30 = a00, a31 = a01;
	for (int j = 0; j < packed->dim_padded; j += 2, q4 += 2 * ROWS, b += 2 * LANES) {
		const __m256i b0 = _mm256_load_si256((const __m256i *)b);
		const __m256i b1 = _mm256_load_si256((const __m256i *)(b + stride));
		__m256i q = pair(q4);
		MAC(a00, b0);
		MAC(a01, b1);
		q = pair(q4 + 2);
		MAC(a10, b0);
		MAC(a11, b1);
		q = pair(q4 + 4);
		MAC(a20, b0);
		MAC(a21, b1);
		q = pair(q4 + 6);
		MAC(a30, b0);
		MAC(a31, b1);
	}
	FINISH(0, a00, a01);
	FINISH(1, a10, a11);
	FINISH(2, a20, a21);
	FINISH(3, a30, a31);
}

static void tile_1(const struct assay__bank_packed *packed, int block, const int16_t *q4, const int32_t *norm,
				   int32_t *d2, int32_t *index)
{
	const int base = block * LANES;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	const int16_t *b = (const int16_t *)packed->data + (size_t)block * stride;
	__m256i a[ROWS];
	a[0] = a[1] = a[2] = a[3] = load(packed->start + base);
	for (int j = 0; j < packed->dim_padded; j += 2, q4 += 2 * ROWS, b += 2 * LANES) {
		const __m256i vectors = _mm256_load_si256((const __m256i *)b);
		for (int i = 0; i < ROWS; i++) {
			__m256i q = pair(q4 + 2 * i);
			MAC(a[i], vectors);
		}
	}
	for (int i = 0; i < ROWS; i++) {
		__m256i key = _mm256_add_epi32(_mm256_add_epi32(a[i], a[i]), load(packed->odd + base));
		__m256i nearer = _mm256_cmpgt_epi32(key, _mm256_set1_epi32(norm[i] - d2[i]));
		if (!_mm256_testz_si256(nearer, nearer))
			take(&key, 1, base, norm[i], d2 + i, index ? index + i : NULL);
	}
}

static void nearest(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index)
{
	int width;
	for (int block = first; block < end; block += width) {
		const int16_t *query = panel;
		width = end - block >= 2 ? 2 : 1;
		for (int i = 0; i < n; i += ROWS, query += (size_t)ROWS * packed->dim_padded) {
			if (width == 2)
				tile_2(packed, block, query, norm + i, d2 + i, index ? index + i : NULL);
			else
				tile_1(packed, block, query, norm + i, d2 + i, index ? index + i : NULL);
		}
	}
}

static int32_t relax(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2)
{
	const size_t stride = (size_t)packed->dim_padded * LANES;
	__m256i largest = _mm256_setzero_si256();
	for (int block = 0; block < end; block++) {
		const int16_t *b = (const int16_t *)packed->data + (size_t)block * stride, *query = panel;
		__m256i even = load(packed->start + block * LANES), uneven = _mm256_setzero_si256();
		for (int j = 0; j < packed->dim_padded; j += 4, query += 4 * ROWS, b += 4 * LANES) {
			__m256i q = pair(query);
			MAC(even, _mm256_load_si256((const __m256i *)b));
			q = pair(query + 2 * ROWS);
			MAC(uneven, _mm256_load_si256((const __m256i *)(b + 2 * LANES)));
		}
		even = _mm256_add_epi32(even, uneven);
		__m256i key = _mm256_add_epi32(_mm256_add_epi32(even, even), load(packed->odd + block * LANES));
		__m256i distance = _mm256_sub_epi32(_mm256_set1_epi32(norm), key);
		__m256i *at = (__m256i *)(d2 + (size_t)block * LANES);
		distance = _mm256_min_epi32(distance, _mm256_loadu_si256(at));
		_mm256_storeu_si256(at, distance);
		largest = _mm256_max_epi32(largest, distance);
	}
	int32_t lane[LANES], top = 0;
	_mm256_storeu_si256((__m256i *)lane, largest);
	for (int v = 0; v < LANES; v++)
		top = lane[v] > top ? lane[v] : top;
	return top;
}

const struct assay__bank_kernels assay__bank_kernels_avx2 = {
	.isa = ASSAY_ISA_AVX2,
	.lanes = LANES,
	.group = 2,
	.element_bytes = 2,
	.bias = 0,
	.rows = ROWS,
	.prepare = prepare,
	.nearest = nearest,
	.relax = relax,
};
