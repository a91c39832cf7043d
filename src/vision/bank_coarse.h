/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short code for every vector of a bank, from which a kernel knows that most of them cannot be the nearest.
 *
 * code(x) = clamp(round((A x - A mean) scale)), sixteen s8; the rows of A are spread over the directions in which the
 * bank varies most. Then |code(q) - code(b)| <= reach |q - b| + slack: reach is scale times a bound of A's norm, slack
 * is the rounding of sixteen values on either side (clamping brings codes together, never apart). A vector whose code
 * lies farther away than that from the query's, for the smallest |q - b| known, is not nearer; all others are
 * measured in full. So the distances found are those of a plain search, whatever A is.
 */
#ifndef ASSAY_SRC_VISION_BANK_COARSE_H
#define ASSAY_SRC_VISION_BANK_COARSE_H

#include <stddef.h>
#include <stdint.h>

#include "assay/base.h"

#define ASSAY__COARSE_DIM 16
/** Vectors come in fours, and sixteen fours are a tile. */
#define ASSAY__COARSE_TILE 64
/** Vectors in a bank for which codes are worth it, and possible. */
#define ASSAY__COARSE_LEAST 256
#define ASSAY__COARSE_MOST (1 << 20)
#define ASSAY__COARSE_BIAS 128
#define ASSAY__COARSE_SLACK 4.01 /* sqrt(16), and float's rounding */

struct assay__bank_coarse {
	int dim, tiles;
	size_t row_bytes; /* dim, rounded up to whole registers of 64 */
	float scale;
	double reach;
	/* A: for four dims of the vector in turn, all sixteen rows' four values; start takes back bias and mean. */
	int8_t *axes;
	int32_t *axes_start;
	/* Biased codes: for each tile, for member 0..3 of a four, for four values in turn, those of all sixteen fours;
	 * start is -ceil(|code|^2 / 2). */
	uint8_t *codes;
	int32_t *codes_start;
	/* The vectors whole, padded with zeros; start is -|b|^2 and takes back the bias of the query. */
	int8_t *rows;
	int32_t *rows_start;
};

/** *coarse is the caller's, close it. Errors: NOMEM. */
int assay__bank_coarse_open(struct assay__bank_coarse *coarse, const int8_t *vectors, int count, int dim,
							const struct assay_allocator *allocator, struct assay_error *error);
/** One that is all zero is fine. */
void assay__bank_coarse_close(struct assay__bank_coarse *coarse, const struct assay_allocator *allocator);

#if defined(__x86_64__)
/** See sift in bank_kernels.h. */
int assay__bank_sift_avx512vnni(const struct assay__bank_coarse *coarse, const int8_t *queries, int n, int32_t *d2,
								int64_t *hard);
#endif

#endif
