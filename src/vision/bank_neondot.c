/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bank kernels for NEON with dot product: s8 queries x s8 vectors. A tile is 8 queries x 3 blocks of 4 vectors,
 * 24 accumulators; in assembly, because compilers spill them.
 */
#include "vision/bank_neon.h"

#define ROWS 8
#define LANES 4
#define UNIT 4
#define MOST_BLOCKS 3
#define STRIP 4

static void prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm)
{
	neon_prepare(queries, count, dim, panel, norm, ROWS, UNIT);
}

/* Registers: x9 block 0, x10 block 1, x11 block 2, x12 queries, x13 loops; v24 and v25 queries, v26..28 vectors. */
/* clang-format off */
#define SDOT(acc, w, x, lane) "sdot %" #acc ".4s, v" #w ".16b, v" #x ".4b[" #lane "]\n\t"
#define COPY(from, to) "mov %" #to ".16b, %" #from ".16b\n\t"
/* A block's accumulators: queries 0 to 7. */
#define BLOCK(w, a, b, c, d, e, f, g, h) \
	SDOT(a, w, 24, 0) SDOT(b, w, 24, 1) SDOT(c, w, 24, 2) SDOT(d, w, 24, 3) \
	SDOT(e, w, 25, 0) SDOT(f, w, 25, 1) SDOT(g, w, 25, 2) SDOT(h, w, 25, 3)
#define COPY7(a, b, c, d, e, f, g, h) COPY(a, b) COPY(a, c) COPY(a, d) COPY(a, e) COPY(a, f) COPY(a, g) COPY(a, h)
#define OUT(j) \
	"=&w"(acc[0][j]), "=&w"(acc[1][j]), "=&w"(acc[2][j]), "=&w"(acc[3][j]), \
	"=&w"(acc[4][j]), "=&w"(acc[5][j]), "=&w"(acc[6][j]), "=&w"(acc[7][j])
#define CLOBBERS "x9", "x10", "x11", "x12", "x13", "cc", "memory", "v24", "v25", "v26", "v27", "v28"

static void tile_3(const int8_t *b, size_t stride_bytes, const int8_t *q, size_t groups, const int32_t *start,
                   int32x4_t acc[ROWS][MOST_BLOCKS])
{
	__asm__ volatile(
		"mov x9, %[b]\n\tadd x10, x9, %[stride]\n\tadd x11, x10, %[stride]\n\tmov x12, %[q]\n\tmov x13, %[groups]\n\t"
		"ldr %q0, [%[start]]\n\tldr %q8, [%[start], 16]\n\tldr %q16, [%[start], 32]\n\t"
		COPY7(0, 1, 2, 3, 4, 5, 6, 7) COPY7(8, 9, 10, 11, 12, 13, 14, 15) COPY7(16, 17, 18, 19, 20, 21, 22, 23)
		"2:\n\t"
		"ldp q24, q25, [x12], 32\n\tldr q26, [x9], 16\n\tldr q27, [x10], 16\n\tldr q28, [x11], 16\n\t"
		BLOCK(26, 0, 1, 2, 3, 4, 5, 6, 7) BLOCK(27, 8, 9, 10, 11, 12, 13, 14, 15)
		BLOCK(28, 16, 17, 18, 19, 20, 21, 22, 23)
		"subs x13, x13, 1\n\tb.ne 2b"
		: OUT(0), OUT(1), OUT(2)
		: [b] "r"(b), [stride] "r"(stride_bytes), [q] "r"(q), [groups] "r"(groups), [start] "r"(start)
		: CLOBBERS);
}

static void tile_1(const int8_t *b, const int8_t *q, size_t groups, const int32_t *start,
                   int32x4_t acc[ROWS][MOST_BLOCKS])
{
	__asm__ volatile(
		"mov x9, %[b]\n\tmov x12, %[q]\n\tmov x13, %[groups]\n\tldr %q0, [%[start]]\n\t"
		COPY7(0, 1, 2, 3, 4, 5, 6, 7)
		"2:\n\t"
		"ldp q24, q25, [x12], 32\n\tldr q26, [x9], 16\n\t"
		BLOCK(26, 0, 1, 2, 3, 4, 5, 6, 7)
		"subs x13, x13, 1\n\tb.ne 2b"
		: OUT(0)
		: [b] "r"(b), [q] "r"(q), [groups] "r"(groups), [start] "r"(start)
		: CLOBBERS);
}

/* clang-format on */

static void nearest(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index)
{
	const size_t groups = (size_t)packed->dim_padded / UNIT, stride = (size_t)packed->dim_padded * LANES;
	int32x4_t acc[ROWS][MOST_BLOCKS];
	int width;
	for (int block = first; block < end; block += width) {
		const int8_t *query = panel, *b = (const int8_t *)packed->data + (size_t)block * stride;
		const int base = block * LANES;
		width = end - block >= MOST_BLOCKS ? MOST_BLOCKS : 1;
		for (int i = 0; i < n; i += ROWS, query += (size_t)ROWS * packed->dim_padded) {
			if (width == MOST_BLOCKS)
				tile_3(b, stride, query, groups, packed->start + base, acc);
			else
				tile_1(b, query, groups, packed->start + base, acc);
			for (int r = 0; r < ROWS; r++)
				neon_finish(acc[r], width, packed->odd + base, base, norm[i + r], d2 + i + r,
							index ? index + i + r : NULL);
		}
	}
}

/* One query against many vectors is bound by memory. */
static int32_t relax(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2)
{
	const int groups = packed->dim_padded / UNIT;
	const size_t stride = (size_t)packed->dim_padded * LANES;
	int32x4_t largest = vdupq_n_s32(0);
	int width;
	for (int block = 0; block < end; block += width) {
		const int8_t *b = (const int8_t *)packed->data + (size_t)block * stride;
		const int32_t *start = packed->start + block * LANES;
		const int8_t *query = panel;
		int32x4_t a[STRIP];
		width = end - block >= STRIP ? STRIP : 1;
		for (int j = 0; j < width; j++)
			a[j] = vld1q_s32(start + j * LANES);
		for (int g = 0; g < groups; g++, b += LANES * UNIT, query += UNIT * ROWS) {
			int32_t four;
			memcpy(&four, query, sizeof four);
			const int8x16_t q = vreinterpretq_s8_s32(vdupq_n_s32(four));
			a[0] = vdotq_s32(a[0], vld1q_s8(b), q);
			if (width == 1)
				continue;
			a[1] = vdotq_s32(a[1], vld1q_s8(b + stride), q);
			a[2] = vdotq_s32(a[2], vld1q_s8(b + 2 * stride), q);
			a[3] = vdotq_s32(a[3], vld1q_s8(b + 3 * stride), q);
		}
		for (int j = 0; j < width; j++) {
			const int at = (block + j) * LANES;
			largest = neon_relax(a[j], packed->odd + at, norm, d2 + at, largest);
		}
	}
	return vmaxvq_s32(largest);
}

const struct assay__bank_kernels assay__bank_kernels_neondot = {
	.isa = ASSAY_ISA_NEONDOT,
	.lanes = LANES,
	.group = UNIT,
	.element_bytes = 1,
	.bias = 0,
	.rows = ROWS,
	.prepare = prepare,
	.nearest = nearest,
	.relax = relax,
};
