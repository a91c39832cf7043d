/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kind of a defect from few examples: the nearest class mean (Mensink et al., Distance-Based Image Classification,
 * PAMI 35, 2013) over a region's mean feature vector, in integers. A region farther from its kind's mean than any
 * example of that kind was is of no known kind.
 */
#ifndef ASSAY_SRC_VISION_KINDS_H
#define ASSAY_SRC_VISION_KINDS_H

#include <stdbool.h>

#include "assay/base.h"

#define ASSAY__KINDS_MOST 64
#define ASSAY__KIND_NAME_BYTES 64 /* with the terminator */
#define ASSAY__KIND_UNKNOWN (-1)
#define ASSAY__KIND_SCALE 16 /* of mean vectors */

struct assay__kinds;

/** One example: the mean vector of its region and which of the names it has. */
struct assay__kind_example {
	const int16_t *mean; /**< dim, as assay__kinds_mean makes it */
	int kind;
};

/** 16 times the mean, rounded half up, of the vectors (dim s8, tight rows) at places cells[0..count), count >= 1. */
void assay__kinds_mean(const int8_t *vectors, const int32_t *cells, int count, int dim, int16_t *mean);

/**
 * The same over the at most nine inspected cells around cell `at` of a grid, the vectors being those of its inspected
 * cells (`live` of them, in order; cells NULL: all). False, and mean untouched, if none of them is inspected.
 */
bool assay__kinds_around(const int8_t *vectors, const int32_t *cells, int live, int width, int height, int at, int dim,
						 int16_t *mean);

/**
 * Learns from examples in any order; a kind without an example is never given. A kind's reach is its farthest example;
 * that of a kind with a single one is the median reach of the others, 0 without others. *out is the caller's; names
 * are copied. Errors: ARGUMENT (no or too many kinds, a name empty, too long or twice, an example of no kind), NOMEM.
 */
int assay__kinds_learn(const char *const *names, int kind_count, const struct assay__kind_example *examples, int count,
					   int dim, const struct assay_allocator *allocator, struct assay__kinds **out,
					   struct assay_error *error);
/** NULL is fine. */
void assay__kinds_close(struct assay__kinds *kinds);

/** The kind of a region, or ASSAY__KIND_UNKNOWN; the lowest among equals. Any number of threads at once. */
int assay__kinds_of(const struct assay__kinds *kinds, const int16_t *mean);
int assay__kinds_count(const struct assay__kinds *kinds);
/** "unknown" for ASSAY__KIND_UNKNOWN; lives as long as kinds. */
const char *assay__kinds_name(const struct assay__kinds *kinds, int kind);

/** Stored form, little endian. */
size_t assay__kinds_bytes(const struct assay__kinds *kinds);
void assay__kinds_encode(const struct assay__kinds *kinds, uint8_t *bytes);
/** Errors: FORMAT, NOMEM. */
int assay__kinds_decode(const uint8_t *bytes, size_t size, int dim, const struct assay_allocator *allocator,
						struct assay__kinds **out, struct assay_error *error);

#endif
