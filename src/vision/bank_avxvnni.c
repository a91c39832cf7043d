/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bank kernels for AVX-VNNI: u8 queries (biased by 128) x s8 vectors. A tile is 4 queries x 3 blocks of 8 vectors,
 * 12 accumulators; in assembly for the reasons given in kernel_avxvnni.c.
 */
#include <immintrin.h>
#include <string.h>

#include "vision/bank_kernels.h"

#define ROWS 4
#define LANES 8
#define BIAS 128
#define MOST_BLOCKS 3

#ifdef ASSAY__VNNI_EVEX
#define VPDPBUSD "%{evex%} vpdpbusd "
#else
#define VPDPBUSD "%{vex%} vpdpbusd "
#endif

/* Four queries side by side, four dims of each in turn, so that the kernel walks one pointer. */
static void prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm)
{
	const int padded = (dim + 3) / 4 * 4;
	memset(panel, BIAS, (size_t)padded * ROWS);
	for (int i = 0; i < ROWS; i++) {
		uint8_t *to = (uint8_t *)panel + 4 * i;
		int32_t sum = 0;
		for (int j = 0; i < count && j < dim; j++) {
			const int x = queries[i][j];
			to[(j >> 2) * 4 * ROWS + (j & 3)] = (uint8_t)(x + BIAS);
			sum += x * x;
		}
		norm[i] = sum;
	}
}

static inline __m256i load(const int32_t *from)
{
	return _mm256_load_si256((const __m256i *)from);
}

/* The lowest-indexed vector among `width` blocks of keys that beats best: rare, so not tuned. */
static void take(const __m256i *keys, int width, int base, int32_t norm, int32_t *d2, int32_t *index)
{
	int32_t key[MOST_BLOCKS * LANES];
	memcpy(key, keys, (size_t)width * sizeof *keys);
	for (int v = 0; v < width * LANES; v++) {
		if (norm - key[v] >= *d2)
			continue;
		*d2 = norm - key[v];
		if (index)
			*index = base + v;
	}
}

/* From a query's accumulators to its nearest vector so far. */
static inline void finish(const __m256i *acc, int width, const int32_t *odd, int base, int32_t norm, int32_t *d2,
						  int32_t *index)
{
	__m256i keys[MOST_BLOCKS], top = _mm256_set1_epi32(INT32_MIN);
	for (int j = 0; j < width; j++) {
		keys[j] = _mm256_add_epi32(_mm256_add_epi32(acc[j], acc[j]), load(odd + j * LANES));
		top = _mm256_max_epi32(top, keys[j]);
	}
	const __m256i nearer = _mm256_cmpgt_epi32(top, _mm256_set1_epi32(norm - *d2));
	if (!_mm256_testz_si256(nearer, nearer))
		take(keys, width, base, norm, d2, index);
}

/* Registers: vectors in ymm12..14, one query in ymm15. */
/* clang-format off */
#define MAC(block, acc) VPDPBUSD "%%ymm" #block ", %%ymm15, %" #acc "\n\t"
#define QUERY(at) "vpbroadcastd " #at "(%[q]), %%ymm15\n\t"
#define COPY(from, to) "vmovdqa %" #from ", %" #to "\n\t"
#define OUT3(a) "=&x"((a)[0]), "=&x"((a)[1]), "=&x"((a)[2])
#define CLOBBERS "cc", "memory", "xmm12", "xmm13", "xmm14", "xmm15"

static void tile_3(const uint8_t *b, size_t stride_bytes, const uint8_t *q, int groups, const int32_t *start,
                   __m256i acc[ROWS][MOST_BLOCKS])
{
	__m256i a0[3], a1[3], a2[3], a3[3];
	__asm__ volatile(
		"vmovdqa (%[start]), %0\n\t"
		"vmovdqa 32(%[start]), %1\n\t"
		"vmovdqa 64(%[start]), %2\n\t"
		COPY(0, 3) COPY(1, 4) COPY(2, 5) COPY(0, 6) COPY(1, 7) COPY(2, 8) COPY(0, 9) COPY(1, 10) COPY(2, 11)
		".p2align 4\n"
		"2:\n\t"
		"vmovdqa (%[b]), %%ymm12\n\t"
		"vmovdqa (%[b],%[stride]), %%ymm13\n\t"
		"vmovdqa (%[b],%[stride],2), %%ymm14\n\t"
		QUERY(0) MAC(12, 0) MAC(13, 1) MAC(14, 2)
		QUERY(4) MAC(12, 3) MAC(13, 4) MAC(14, 5)
		QUERY(8) MAC(12, 6) MAC(13, 7) MAC(14, 8)
		QUERY(12) MAC(12, 9) MAC(13, 10) MAC(14, 11)
		"addq $32, %[b]\n\t"
		"addq $16, %[q]\n\t"
		"decl %[groups]\n\t"
		"jnz 2b"
		: OUT3(a0), OUT3(a1), OUT3(a2), OUT3(a3), [b] "+&r"(b), [q] "+&r"(q), [groups] "+&r"(groups)
		: [stride] "r"(stride_bytes), [start] "r"(start)
		: CLOBBERS);
	for (int j = 0; j < 3; j++) {
		acc[0][j] = a0[j];
		acc[1][j] = a1[j];
		acc[2][j] = a2[j];
		acc[3][j] = a3[j];
	}
}

static void tile_1(const uint8_t *b, const uint8_t *q, int groups, const int32_t *start,
                   __m256i acc[ROWS][MOST_BLOCKS])
{
	__m256i a[ROWS];
	__asm__ volatile(
		"vmovdqa (%[start]), %0\n\t"
		COPY(0, 1) COPY(0, 2) COPY(0, 3)
		"2:\n\t"
		"vmovdqa (%[b]), %%ymm12\n\t"
		QUERY(0) MAC(12, 0) QUERY(4) MAC(12, 1) QUERY(8) MAC(12, 2) QUERY(12) MAC(12, 3)
		"addq $32, %[b]\n\t"
		"addq $16, %[q]\n\t"
		"decl %[groups]\n\t"
		"jnz 2b"
		: "=&x"(a[0]), "=&x"(a[1]), "=&x"(a[2]), "=&x"(a[3]), [b] "+&r"(b), [q] "+&r"(q), [groups] "+&r"(groups)
		: [start] "r"(start)
		: CLOBBERS);
	for (int i = 0; i < ROWS; i++)
		acc[i][0] = a[i];
}

/* One query against four blocks: bound by memory, and four sums hide the latency of vpdpbusd. */
static void strip_4(const uint8_t *b, size_t stride_bytes, const uint8_t *q, int groups, const int32_t *start,
                    __m256i acc[4])
{
	__asm__ volatile(
		"vmovdqa (%[start]), %0\n\t"
		"vmovdqa 32(%[start]), %1\n\t"
		"vmovdqa 64(%[start]), %2\n\t"
		"vmovdqa 96(%[start]), %3\n\t"
		"2:\n\t"
		QUERY(0)
		VPDPBUSD "(%[b]), %%ymm15, %0\n\t"
		VPDPBUSD "(%[b],%[stride]), %%ymm15, %1\n\t"
		VPDPBUSD "(%[b],%[stride],2), %%ymm15, %2\n\t"
		VPDPBUSD "(%[b],%[stride3]), %%ymm15, %3\n\t"
		"addq $32, %[b]\n\t"
		"addq $16, %[q]\n\t"
		"decl %[groups]\n\t"
		"jnz 2b"
		: "=&x"(acc[0]), "=&x"(acc[1]), "=&x"(acc[2]), "=&x"(acc[3]), [b] "+&r"(b), [q] "+&r"(q),
		  [groups] "+&r"(groups)
		: [stride] "r"(stride_bytes), [stride3] "r"(3 * stride_bytes), [start] "r"(start)
		: CLOBBERS);
}

static void strip_1(const uint8_t *b, const uint8_t *q, int groups, const int32_t *start, __m256i acc[4])
{
	__asm__ volatile(
		"vmovdqa (%[start]), %0\n\t"
		"2:\n\t"
		QUERY(0)
		VPDPBUSD "(%[b]), %%ymm15, %0\n\t"
		"addq $32, %[b]\n\t"
		"addq $16, %[q]\n\t"
		"decl %[groups]\n\t"
		"jnz 2b"
		: "=&x"(acc[0]), [b] "+&r"(b), [q] "+&r"(q), [groups] "+&r"(groups)
		: [start] "r"(start)
		: CLOBBERS);
}

/* clang-format on */

static void nearest(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index)
{
	const int groups = packed->dim_padded / 4;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	__m256i acc[ROWS][MOST_BLOCKS];
	int width;
	for (int block = first; block < end; block += width) {
		const uint8_t *query = panel, *b = packed->data + (size_t)block * stride;
		const int base = block * LANES;
		width = end - block >= MOST_BLOCKS ? MOST_BLOCKS : 1;
		for (int i = 0; i < n; i += ROWS, query += (size_t)ROWS * packed->dim_padded) {
			if (width == MOST_BLOCKS)
				tile_3(b, stride, query, groups, packed->start + base, acc);
			else
				tile_1(b, query, groups, packed->start + base, acc);
			for (int r = 0; r < ROWS; r++)
				finish(acc[r], width, packed->odd + base, base, norm[i + r], d2 + i + r, index ? index + i + r : NULL);
		}
	}
}

static int32_t relax(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2)
{
	const int groups = packed->dim_padded / 4;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	__m256i largest = _mm256_setzero_si256(), acc[4];
	int width;
	for (int block = 0; block < end; block += width) {
		const uint8_t *b = packed->data + (size_t)block * stride;
		width = end - block >= 4 ? 4 : 1;
		if (width == 4)
			strip_4(b, stride, panel, groups, packed->start + block * LANES, acc);
		else
			strip_1(b, panel, groups, packed->start + block * LANES, acc);
		for (int j = 0; j < width; j++) {
			__m256i key = _mm256_add_epi32(_mm256_add_epi32(acc[j], acc[j]), load(packed->odd + (block + j) * LANES));
			__m256i distance = _mm256_sub_epi32(_mm256_set1_epi32(norm), key);
			__m256i *at = (__m256i *)(d2 + (size_t)(block + j) * LANES);
			distance = _mm256_min_epi32(distance, _mm256_loadu_si256(at));
			_mm256_storeu_si256(at, distance);
			largest = _mm256_max_epi32(largest, distance);
		}
	}
	int32_t lane[LANES], top = 0;
	_mm256_storeu_si256((__m256i *)lane, largest);
	for (int v = 0; v < LANES; v++)
		top = lane[v] > top ? lane[v] : top;
	return top;
}

const struct assay__bank_kernels assay__bank_kernels_avxvnni = {
	.isa = ASSAY_ISA_AVXVNNI,
	.lanes = LANES,
	.group = 4,
	.element_bytes = 1,
	.bias = BIAS,
	.rows = ROWS,
	.prepare = prepare,
	.nearest = nearest,
	.relax = relax,
};
