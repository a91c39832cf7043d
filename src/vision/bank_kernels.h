/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instruction set does for the feature bank. One file per set, each ending in one ops table.
 *
 * With n = |b|^2, distance^2 = |q|^2 + n - 2 q.b. A kernel accumulates a = q.b - ceil(n / 2), exact in s32 for up to
 * 1024 dims, by starting from `start` (which also takes back the bias of u8 queries); then distance^2 = |q|^2 - key
 * with key = 2 a + odd, odd = n & 1. The nearest vector is the one with the largest key.
 */
#ifndef ASSAY_SRC_VISION_BANK_KERNELS_H
#define ASSAY_SRC_VISION_BANK_KERNELS_H

#include "assay/base.h"
#include "assay/recipe.h"
#include "vision/bank_coarse.h"

/** Larger than any distance^2; what a search starts from. */
#define ASSAY__BANK_FAR (1 << 28)
/** `start` of a slot without a vector: its distance^2 is beyond ASSAY__BANK_FAR and still an s32. */
#define ASSAY__BANK_EMPTY (-(1 << 29))
/** Bytes of prepared queries that one call of `nearest` sees: they stay in the first-level cache. */
#define ASSAY__BANK_PANEL_BYTES 24576
#define ASSAY__BANK_PANEL_QUERIES 128

struct assay__bank_kernels;

/**
 * Vectors packed for one instruction set: blocks of `lanes` vectors, in them groups of `group` dims of each vector in
 * turn. Dims are padded with zeros to a multiple of 4, the last block with empty slots.
 */
struct assay__bank_packed {
	const struct assay__bank_kernels *kernels;
	int dim, dim_padded;
	int capacity;  /* vectors, a multiple of lanes */
	uint8_t *data; /* capacity * dim_padded elements */
	int32_t *start, *odd;
};

struct assay__bank_kernels {
	enum assay_isa isa;
	int lanes, group;
	int element_bytes; /* of packed vectors and of prepared queries */
	int bias;		   /* added to every query element by prepare */
	int rows;		   /* queries are prepared and searched this many at a time */
	/** Writes `rows` queries to panel and their |q|^2 to norm; those from `count` on are zeros. */
	void (*prepare)(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm);
	/**
	 * Lowers d2[i] and sets index[i] (nullable) where a vector in blocks [first, end) is nearer to query i than d2[i];
	 * the lowest such vector. n is a multiple of `rows`, at most ASSAY__BANK_PANEL_QUERIES.
	 */
	void (*nearest)(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index);
	/** Lowers d2[v] to the distance^2 between vector v and the first query of panel, for all v in blocks [0, end);
	 * returns the largest. */
	int32_t (*relax)(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2);
	/**
	 * Nullable: the smallest distance^2 of each of n queries (dim s8, tight rows) to a whole bank, by way of its codes.
	 * Queries for which that does not pay are left out, their numbers written to hard. Returns how many those are.
	 */
	int (*sift)(const struct assay__bank_coarse *coarse, const int8_t *queries, int n, int32_t *d2, int64_t *hard);
};

extern const struct assay__bank_kernels assay__bank_kernels_scalar;
#if defined(__x86_64__)
extern const struct assay__bank_kernels assay__bank_kernels_avx2;
extern const struct assay__bank_kernels assay__bank_kernels_avxvnni;
extern const struct assay__bank_kernels assay__bank_kernels_avx512vnni;
#elif defined(__aarch64__)
extern const struct assay__bank_kernels assay__bank_kernels_neon;
extern const struct assay__bank_kernels assay__bank_kernels_neondot;
#endif

/** The kernels of an instruction set; the scalar ones if this CPU lacks it. */
const struct assay__bank_kernels *assay__bank_kernels_get(enum assay_isa isa);

/** Room for count vectors, all slots empty. Errors: NOMEM. */
int assay__bank_packed_open(struct assay__bank_packed *packed, const struct assay__bank_kernels *kernels, int count,
							int dim, const struct assay_allocator *allocator, struct assay_error *error);
void assay__bank_packed_close(struct assay__bank_packed *packed, const struct assay_allocator *allocator);
/** Fills slot `at`. */
void assay__bank_packed_put(struct assay__bank_packed *packed, int at, const int8_t *vector);

/**
 * As kernels->nearest for any number of queries of dim s8: query i is row pick[i] of points, or row i without pick.
 * d2 (and index, nullable) go in and come out.
 */
void assay__bank_search(const struct assay__bank_packed *packed, int first, int end, const int8_t *points,
						const int64_t *pick, int n, int32_t *d2, int32_t *index);

#endif
