/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bank kernels for NEON without dot product, by smull and sadalp as in kernel_neon.c. A tile is 4 queries x 2
 * blocks of 8 vectors: 16 accumulators of 4.
 */
#include "vision/bank_neon.h"

#define ROWS 4
#define LANES 8
#define UNIT 2
#define MOST_BLOCKS 2

static void prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm)
{
	neon_prepare(queries, count, dim, panel, norm, ROWS, UNIT);
}

/*
 * Registers: x9 block 0, x10 block 1, x12 queries, x13 loops; v16 and v17 vectors, v18..21 two dims of each query again
 * and again, v22..29 products.
 */
/* clang-format off */
#define SMULL(to, w, x) "smull v" #to ".8h, v" #w ".8b, v" #x ".8b\n\t"
#define SMULL2(to, w, x) "smull2 v" #to ".8h, v" #w ".16b, v" #x ".16b\n\t"
#define SADALP(acc, from) "sadalp %" #acc ".4s, v" #from ".8h\n\t"
#define START(at, a, b, c, d) \
	"ldr %q" #a ", [%[start], " #at "]\n\tmov %" #b ".16b, %" #a ".16b\n\tmov %" #c ".16b, %" #a ".16b\n\t" \
	"mov %" #d ".16b, %" #a ".16b\n\t"
#define QUERIES \
	"ld1r {v18.8h}, [x12], 2\n\tld1r {v19.8h}, [x12], 2\n\tld1r {v20.8h}, [x12], 2\n\tld1r {v21.8h}, [x12], 2\n\t"
#define OUT(j) "=&w"(acc[0][j]), "=&w"(acc[1][j]), "=&w"(acc[2][j]), "=&w"(acc[3][j])
#define CLOBBERS \
	"x9", "x10", "x12", "x13", "cc", "memory", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", \
	"v26", "v27", "v28", "v29"

static void tile_2(const int8_t *b, size_t stride_bytes, const int8_t *q, size_t pairs, const int32_t *start,
                   int32x4_t acc[ROWS][MOST_REGISTERS])
{
	__asm__ volatile(
		"mov x9, %[b]\n\tadd x10, x9, %[stride]\n\tmov x12, %[q]\n\tmov x13, %[pairs]\n\t"
		START(0, 0, 1, 2, 3) START(16, 4, 5, 6, 7) START(32, 8, 9, 10, 11) START(48, 12, 13, 14, 15)
		"2:\n\t" QUERIES "ldr q16, [x9], 16\n\tldr q17, [x10], 16\n\t"
		SMULL(22, 16, 18) SMULL2(23, 16, 18) SMULL(24, 17, 18) SMULL2(25, 17, 18)
		SMULL(26, 16, 19) SADALP(0, 22) SMULL2(27, 16, 19) SADALP(4, 23)
		SMULL(28, 17, 19) SADALP(8, 24) SMULL2(29, 17, 19) SADALP(12, 25)
		SMULL(22, 16, 20) SADALP(1, 26) SMULL2(23, 16, 20) SADALP(5, 27)
		SMULL(24, 17, 20) SADALP(9, 28) SMULL2(25, 17, 20) SADALP(13, 29)
		SMULL(26, 16, 21) SADALP(2, 22) SMULL2(27, 16, 21) SADALP(6, 23)
		SMULL(28, 17, 21) SADALP(10, 24) SMULL2(29, 17, 21) SADALP(14, 25)
		SADALP(3, 26) SADALP(7, 27) SADALP(11, 28) SADALP(15, 29)
		"subs x13, x13, 1\n\tb.ne 2b"
		: OUT(0), OUT(1), OUT(2), OUT(3)
		: [b] "r"(b), [stride] "r"(stride_bytes), [q] "r"(q), [pairs] "r"(pairs), [start] "r"(start)
		: CLOBBERS);
}

static void tile_1(const int8_t *b, const int8_t *q, size_t pairs, const int32_t *start,
                   int32x4_t acc[ROWS][MOST_REGISTERS])
{
	__asm__ volatile(
		"mov x9, %[b]\n\tmov x12, %[q]\n\tmov x13, %[pairs]\n\t"
		START(0, 0, 1, 2, 3) START(16, 4, 5, 6, 7)
		"2:\n\t" QUERIES "ldr q16, [x9], 16\n\t"
		SMULL(22, 16, 18) SMULL2(23, 16, 18) SMULL(24, 16, 19) SMULL2(25, 16, 19)
		SMULL(26, 16, 20) SADALP(0, 22) SMULL2(27, 16, 20) SADALP(4, 23)
		SMULL(28, 16, 21) SADALP(1, 24) SMULL2(29, 16, 21) SADALP(5, 25)
		SADALP(2, 26) SADALP(6, 27) SADALP(3, 28) SADALP(7, 29)
		"subs x13, x13, 1\n\tb.ne 2b"
		: OUT(0), OUT(1)
		: [b] "r"(b), [q] "r"(q), [pairs] "r"(pairs), [start] "r"(start)
		: CLOBBERS);
}

/* clang-format on */

static void nearest(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index)
{
	const size_t pairs = (size_t)packed->dim_padded / UNIT, stride = (size_t)packed->dim_padded * LANES;
	int32x4_t acc[ROWS][MOST_REGISTERS];
	int width;
	for (int block = first; block < end; block += width) {
		const int8_t *query = panel, *b = (const int8_t *)packed->data + (size_t)block * stride;
		const int base = block * LANES;
		width = end - block >= MOST_BLOCKS ? MOST_BLOCKS : 1;
		for (int i = 0; i < n; i += ROWS, query += (size_t)ROWS * packed->dim_padded) {
			if (width == MOST_BLOCKS)
				tile_2(b, stride, query, pairs, packed->start + base, acc);
			else
				tile_1(b, query, pairs, packed->start + base, acc);
			for (int r = 0; r < ROWS; r++)
				neon_finish(acc[r], 2 * width, packed->odd + base, base, norm[i + r], d2 + i + r,
							index ? index + i + r : NULL);
		}
	}
}

/* One query against many vectors; its pairs lie ROWS apart in the panel. */
static int32_t relax(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2)
{
	const int pairs = packed->dim_padded / UNIT;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	int32x4_t largest = vdupq_n_s32(0);
	for (int block = 0; block < end; block++) {
		const int8_t *b = (const int8_t *)packed->data + (size_t)block * stride;
		const int8_t *query = panel;
		const int at = block * LANES;
		int32x4_t low = vld1q_s32(packed->start + at), high = vld1q_s32(packed->start + at + 4);
		for (int k = 0; k < pairs; k++, b += LANES * UNIT, query += UNIT * ROWS) {
			int16_t both;
			memcpy(&both, query, sizeof both);
			const int8x16_t q = vreinterpretq_s8_s16(vdupq_n_s16(both)), vectors = vld1q_s8(b);
			low = vpadalq_s16(low, vmull_s8(vget_low_s8(vectors), vget_low_s8(q)));
			high = vpadalq_s16(high, vmull_high_s8(vectors, q));
		}
		largest = neon_relax(low, packed->odd + at, norm, d2 + at, largest);
		largest = neon_relax(high, packed->odd + at + 4, norm, d2 + at + 4, largest);
	}
	return vmaxvq_s32(largest);
}

const struct assay__bank_kernels assay__bank_kernels_neon = {
	.isa = ASSAY_ISA_NEON,
	.lanes = LANES,
	.group = UNIT,
	.element_bytes = 1,
	.bias = 0,
	.rows = ROWS,
	.prepare = prepare,
	.nearest = nearest,
	.relax = relax,
};
