/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head: what labelled defects taught, on top of the frozen features. Per cell an integer layer of 64 units with
 * ReLU and one logit; the picture's logit is the mean of its three highest cells. Same bits on every instruction set.
 */
#ifndef ASSAY_SRC_VISION_HEAD_H
#define ASSAY_SRC_VISION_HEAD_H

#include <stdbool.h>

#include "assay/base.h"
#include "assay/recipe.h"

#define ASSAY__HEAD_HIDDEN 64
#define ASSAY__HEAD_TOP 3
#define ASSAY__HEAD_WEIGHT_MOST 2047 /* 12 bits and a sign: 1024 of them times 127 and a bias stay within s32 */
#define ASSAY__HEAD_UNIT_MOST 8191	 /* of a hidden unit, likewise */
#define ASSAY__HEAD_BIAS_MOST (1 << 29)
#define ASSAY__HEAD_SHIFT1_MOST 30
#define ASSAY__HEAD_SHIFT2_MOST 16
#define ASSAY__HEAD_LOGIT_MOST (1 << 30)

/**
 * Fields are for reading, and for the trainer. Weights of the first layer stand in pairs of dims: that of dim i and
 * unit j at (i / 2 * 64 + j) * 2 + i % 2.
 *   unit_j = clamp((sum_i w1_ij x_i + bias1_j) >> shift1, 0, 8191);  logit_q12 = (sum_j w2_j unit_j + bias2) >> shift2
 * A negative shift2 multiplies. Shifts are arithmetic.
 */
struct assay__head {
	const struct assay_allocator *allocator;
	enum assay_isa isa;
	int dim, shift1, shift2;
	int16_t *w1;
	int32_t bias1[ASSAY__HEAD_HIDDEN];
	int16_t w2[ASSAY__HEAD_HIDDEN];
	int32_t bias2;
};

/** A head of all zeros; *out is the caller's. 1 <= dim <= ASSAY__BANK_MAX_DIM. Errors: ARGUMENT, NOMEM. */
int assay__head_open(int dim, enum assay_isa isa, const struct assay_allocator *allocator, struct assay__head **out,
					 struct assay_error *error);
/** NULL is fine. */
void assay__head_close(struct assay__head *head);

/** Where the weight of dim i and hidden unit j is in head->w1. */
size_t assay__head_at(int i, int j);

/** Bytes of a stored head. */
size_t assay__head_bytes(int dim);
/** Writes assay__head_bytes(head->dim) bytes, little endian, the same everywhere. */
void assay__head_encode(const struct assay__head *head, uint8_t *bytes);
/** Opens a stored head. Errors: FORMAT (what does not belong to a head of `dim`, or could overflow), NOMEM. */
int assay__head_decode(const uint8_t *bytes, size_t size, int dim, enum assay_isa isa,
					   const struct assay_allocator *allocator, struct assay__head **out, struct assay_error *error);

/** The logit of each of `cells` vectors (dim s8, tight rows), q12. Allocates nothing; any number of threads at once. */
void assay__head_run(const struct assay__head *head, const int8_t *vectors, int cells, int32_t *logits_q12);

/** The indices of the (at most three) highest logits, highest first, lowest index among equals; how many. */
int assay__head_top(const int32_t *logits_q12, int cells, int top[ASSAY__HEAD_TOP]);

/** The picture's logit: the mean of the highest, rounded down. cells >= 1. */
int32_t assay__head_mean(const int32_t *logits_q12, int cells);

/** `sums` of the first layer of one cell, before the shift; the reference, and the fast one for x86-64. */
void assay__head_sums_scalar(const struct assay__head *head, const int8_t *vector, int32_t sums[ASSAY__HEAD_HIDDEN]);
#if defined(__x86_64__)
void assay__head_sums_avx2(const struct assay__head *head, const int8_t *vector, int32_t sums[ASSAY__HEAD_HIDDEN]);
#endif

#endif
