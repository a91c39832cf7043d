/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bank kernels for AVX-512 VNNI: u8 queries (biased by 128) x s8 vectors. A tile is 8 queries x 3 blocks of 16
 * vectors, 24 accumulators; in assembly, because compilers spill them.
 */
#include <immintrin.h>
#include <string.h>

#include "vision/bank_kernels.h"

#define ROWS 8
#define LANES 16
#define BIAS 128

/* Eight queries side by side, four dims of each in turn, so that the kernel walks one pointer. */
static void prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm)
{
	const int padded = (dim + 3) / 4 * 4;
	const __m512i bias = _mm512_set1_epi8((char)BIAS), zero = _mm512_setzero_si512();
	const __m512i step = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
											_mm512_set1_epi32(ROWS));
	uint32_t *to = panel;
	for (int i = 0; i < ROWS; i++) {
		__m512i even = zero, odd = zero;
		for (int j = 0; j < padded; j += 64) {
			const int left = dim - j, groups = (padded - j) / 4;
			const __mmask64 bytes = left >= 64 ? ~0ull : left > 0 ? (1ull << left) - 1 : 0;
			const __mmask16 words = groups >= 16 ? 0xFFFF : (__mmask16)((1u << groups) - 1);
			const __m512i x = i < count ? _mm512_maskz_loadu_epi8(bytes, queries[i] + j) : zero;
			const __m512i low = _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), high = _mm512_srai_epi16(x, 8);
			even = _mm512_add_epi32(even, _mm512_madd_epi16(low, low));
			odd = _mm512_add_epi32(odd, _mm512_madd_epi16(high, high));
			_mm512_mask_i32scatter_epi32(to + i + (size_t)j / 4 * ROWS, words, step, _mm512_xor_si512(x, bias), 4);
		}
		norm[i] = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
	}
}

/*
 * Registers: accumulators of query i and block j in zmm(3i + j), vectors in zmm24..26, one query in zmm27.
 * A tile starts all queries from `start`, walks the dims, and then stores the accumulators of those queries to keep
 * (3 blocks each) whose largest reaches the query's `bar`; returns a bit for each.
 */
/* clang-format off */
#define MAC(block, acc) "vpdpbusd %%zmm" #block ", %%zmm27, %%zmm" #acc "\n\t"
#define QUERY(at) "vpbroadcastd " #at "(%[q]), %%zmm27\n\t"
#define COPY(from, to) "vmovdqa32 %%zmm" #from ", %%zmm" #to "\n\t"
#define TOP(a, b) "vpmaxsd %%zmm" #a ", %%zmm" #b ", %%zmm24\n\t"
#define TOP_TOO(c) "vpmaxsd %%zmm" #c ", %%zmm24, %%zmm24\n\t"
#define KEEP(acc, at) "vmovdqa32 %%zmm" #acc ", " #at "(%[keep])\n\t"
/* Predicate 5 is "not less": top >= bar in any lane. */
#define IF_REACHED(i, top, ...) \
	"vpcmpd $5, " #i "*4(%[bar])%{1to16%}, %%zmm" #top ", %%k1\n\t" \
	"kortestw %%k1, %%k1\n\t" \
	"jz 1f\n\t" \
	"orl $1 << " #i ", %[hits]\n\t" __VA_ARGS__ \
	"1:\n\t"

#define CLOBBERS_16_TO_27 \
	"xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27"
#define CLOBBERS \
	"cc", "memory", "k1", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15", CLOBBERS_16_TO_27

static unsigned tile_3(const uint8_t *b, size_t stride_bytes, const uint8_t *q, int groups, const int32_t *start,
                       const int32_t *bar, int32_t *keep)
{
	unsigned hits = 0;
	__asm__ volatile(
		"vmovdqa32 (%[start]), %%zmm0\n\t"
		"vmovdqa32 64(%[start]), %%zmm1\n\t"
		"vmovdqa32 128(%[start]), %%zmm2\n\t"
		COPY(0, 3) COPY(1, 4) COPY(2, 5) COPY(0, 6) COPY(1, 7) COPY(2, 8)
		COPY(0, 9) COPY(1, 10) COPY(2, 11) COPY(0, 12) COPY(1, 13) COPY(2, 14)
		COPY(0, 15) COPY(1, 16) COPY(2, 17) COPY(0, 18) COPY(1, 19) COPY(2, 20)
		COPY(0, 21) COPY(1, 22) COPY(2, 23)
		".p2align 5\n"
		"2:\n\t"
		"vmovdqa64 (%[b]), %%zmm24\n\t"
		"vmovdqa64 (%[b],%[stride]), %%zmm25\n\t"
		"vmovdqa64 (%[b],%[stride],2), %%zmm26\n\t"
		QUERY(0) MAC(24, 0) MAC(25, 1) MAC(26, 2)
		QUERY(4) MAC(24, 3) MAC(25, 4) MAC(26, 5)
		QUERY(8) MAC(24, 6) MAC(25, 7) MAC(26, 8)
		QUERY(12) MAC(24, 9) MAC(25, 10) MAC(26, 11)
		QUERY(16) MAC(24, 12) MAC(25, 13) MAC(26, 14)
		QUERY(20) MAC(24, 15) MAC(25, 16) MAC(26, 17)
		QUERY(24) MAC(24, 18) MAC(25, 19) MAC(26, 20)
		QUERY(28) MAC(24, 21) MAC(25, 22) MAC(26, 23)
		"addq $64, %[b]\n\t"
		"addq $32, %[q]\n\t"
		"decl %[groups]\n\t"
		"jnz 2b\n\t"
		TOP(0, 1) TOP_TOO(2) IF_REACHED(0, 24, KEEP(0, 0) KEEP(1, 64) KEEP(2, 128))
		TOP(3, 4) TOP_TOO(5) IF_REACHED(1, 24, KEEP(3, 192) KEEP(4, 256) KEEP(5, 320))
		TOP(6, 7) TOP_TOO(8) IF_REACHED(2, 24, KEEP(6, 384) KEEP(7, 448) KEEP(8, 512))
		TOP(9, 10) TOP_TOO(11) IF_REACHED(3, 24, KEEP(9, 576) KEEP(10, 640) KEEP(11, 704))
		TOP(12, 13) TOP_TOO(14) IF_REACHED(4, 24, KEEP(12, 768) KEEP(13, 832) KEEP(14, 896))
		TOP(15, 16) TOP_TOO(17) IF_REACHED(5, 24, KEEP(15, 960) KEEP(16, 1024) KEEP(17, 1088))
		TOP(18, 19) TOP_TOO(20) IF_REACHED(6, 24, KEEP(18, 1152) KEEP(19, 1216) KEEP(20, 1280))
		TOP(21, 22) TOP_TOO(23) IF_REACHED(7, 24, KEEP(21, 1344) KEEP(22, 1408) KEEP(23, 1472))
		: [b] "+r"(b), [q] "+r"(q), [groups] "+r"(groups), [hits] "+r"(hits)
		: [stride] "r"(stride_bytes), [start] "r"(start), [bar] "r"(bar), [keep] "r"(keep)
		: CLOBBERS);
	return hits;
}

/* As tile_3 for one block. */
static unsigned tile_1(const uint8_t *b, const uint8_t *q, int groups, const int32_t *start, const int32_t *bar,
                       int32_t *keep)
{
	unsigned hits = 0;
	__asm__ volatile(
		"vmovdqa32 (%[start]), %%zmm0\n\t"
		COPY(0, 3) COPY(0, 6) COPY(0, 9) COPY(0, 12) COPY(0, 15) COPY(0, 18) COPY(0, 21)
		"2:\n\t"
		"vmovdqa64 (%[b]), %%zmm24\n\t"
		QUERY(0) MAC(24, 0) QUERY(4) MAC(24, 3) QUERY(8) MAC(24, 6) QUERY(12) MAC(24, 9)
		QUERY(16) MAC(24, 12) QUERY(20) MAC(24, 15) QUERY(24) MAC(24, 18) QUERY(28) MAC(24, 21)
		"addq $64, %[b]\n\t"
		"addq $32, %[q]\n\t"
		"decl %[groups]\n\t"
		"jnz 2b\n\t"
		IF_REACHED(0, 0, KEEP(0, 0)) IF_REACHED(1, 3, KEEP(3, 192))
		IF_REACHED(2, 6, KEEP(6, 384)) IF_REACHED(3, 9, KEEP(9, 576))
		IF_REACHED(4, 12, KEEP(12, 768)) IF_REACHED(5, 15, KEEP(15, 960))
		IF_REACHED(6, 18, KEEP(18, 1152)) IF_REACHED(7, 21, KEEP(21, 1344))
		: [b] "+r"(b), [q] "+r"(q), [groups] "+r"(groups), [hits] "+r"(hits)
		: [start] "r"(start), [bar] "r"(bar), [keep] "r"(keep)
		: CLOBBERS);
	return hits;
}

/* clang-format on */

/* Reached when 2 a + odd can exceed norm - d2: a >= ceil((norm - d2) / 2). */
static inline int32_t bar_for(int32_t norm, int32_t d2)
{
	return (norm - d2 + 1) >> 1;
}

/* The lowest vector with the largest key among `width` blocks, if it is nearer than d2. */
static inline void take(const int32_t *acc, const int32_t *odd, int width, int base, int32_t norm, int32_t *bar,
						int32_t *d2, int32_t *index)
{
	__m512i key[3], top = _mm512_set1_epi32(INT32_MIN);
	for (int j = 0; j < width; j++) {
		__m512i a = _mm512_load_si512(acc + j * LANES);
		key[j] = _mm512_add_epi32(_mm512_add_epi32(a, a), _mm512_load_si512(odd + j * LANES));
		top = _mm512_max_epi32(top, key[j]);
	}
	const int32_t largest = _mm512_reduce_max_epi32(top);
	if (norm - largest >= *d2)
		return;
	*d2 = norm - largest;
	*bar = bar_for(norm, *d2);
	if (!index)
		return;
	for (int j = width - 1; j >= 0; j--) {
		__mmask16 equal = _mm512_cmpeq_epi32_mask(key[j], _mm512_set1_epi32(largest));
		if (equal)
			*index = base + j * LANES + __builtin_ctz(equal);
	}
}

static void nearest(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index)
{
	const int groups = packed->dim_padded / 4;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	_Alignas(64) int32_t bar[ASSAY__BANK_PANEL_QUERIES], keep[ROWS * 3 * LANES];
	int width;
	for (int i = 0; i < n; i++)
		bar[i] = bar_for(norm[i], d2[i]);

	for (int block = first; block < end; block += width) {
		const uint8_t *query = panel, *b = packed->data + (size_t)block * stride;
		const int base = block * LANES;
		width = end - block >= 3 ? 3 : 1;
		for (int i = 0; i < n; i += ROWS, query += (size_t)ROWS * packed->dim_padded) {
			unsigned hits = width == 3 ? tile_3(b, stride, query, groups, packed->start + base, bar + i, keep)
									   : tile_1(b, query, groups, packed->start + base, bar + i, keep);
			for (; hits; hits &= hits - 1) {
				int r = __builtin_ctz(hits);
				take(keep + r * 3 * LANES, packed->odd + base, width, base, norm[i + r], bar + i + r, d2 + i + r,
					 index ? index + i + r : NULL);
			}
		}
	}
	_mm256_zeroupper();
}

#define RELAX_BLOCKS 4

/* One query against many vectors is bound by memory; four blocks at a time hide the latency of vpdpbusd. */
static int32_t relax(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2)
{
	const int groups = packed->dim_padded / 4;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	__m512i largest = _mm512_setzero_si512();
	int width;
	for (int block = 0; block < end; block += width) {
		const uint8_t *b = packed->data + (size_t)block * stride;
		__m512i a[RELAX_BLOCKS];
		width = end - block >= RELAX_BLOCKS ? RELAX_BLOCKS : 1;
		for (int j = 0; j < width; j++)
			a[j] = _mm512_load_si512(packed->start + (block + j) * LANES);
		if (width == RELAX_BLOCKS) {
			for (int g = 0; g < groups; g++, b += 64) {
				__m512i q = _mm512_set1_epi32(((const int32_t *)panel)[g * ROWS]);
				a[0] = _mm512_dpbusd_epi32(a[0], q, _mm512_load_si512(b));
				a[1] = _mm512_dpbusd_epi32(a[1], q, _mm512_load_si512(b + stride));
				a[2] = _mm512_dpbusd_epi32(a[2], q, _mm512_load_si512(b + 2 * stride));
				a[3] = _mm512_dpbusd_epi32(a[3], q, _mm512_load_si512(b + 3 * stride));
			}
		} else {
			for (int g = 0; g < groups; g++, b += 64)
				a[0] = _mm512_dpbusd_epi32(a[0], _mm512_set1_epi32(((const int32_t *)panel)[g * ROWS]),
										   _mm512_load_si512(b));
		}
		for (int j = 0; j < width; j++) {
			int32_t *at = d2 + (size_t)(block + j) * LANES;
			__m512i key =
				_mm512_add_epi32(_mm512_add_epi32(a[j], a[j]), _mm512_load_si512(packed->odd + (block + j) * LANES));
			__m512i distance = _mm512_min_epi32(_mm512_sub_epi32(_mm512_set1_epi32(norm), key), _mm512_loadu_si512(at));
			_mm512_storeu_si512(at, distance);
			largest = _mm512_max_epi32(largest, distance);
		}
	}
	return _mm512_reduce_max_epi32(largest);
}

const struct assay__bank_kernels assay__bank_kernels_avx512vnni = {
	.isa = ASSAY_ISA_AVX512VNNI,
	.lanes = LANES,
	.group = 4,
	.element_bytes = 1,
	.bias = BIAS,
	.rows = ROWS,
	.prepare = prepare,
	.nearest = nearest,
	.relax = relax,
	.sift = assay__bank_sift_avx512vnni,
};
