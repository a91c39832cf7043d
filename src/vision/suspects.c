/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/suspects.h"

#include <stdlib.h>

#include "base/err.h"

#define QUESTIONED_ONE_IN 5
#define ACCUSED_ONE_IN 8
/* How telling a gap must be: those of clean real sets reach 2.6, of virtual lines with ten defects 7 and more. */
#define TELLING 6.0
/* How many times farther from the median than the tail's beginning the last accused must be. */
#define FAR 3.0
/* So far is too far however smooth the tail; clean sets reach 10.4. */
#define TOO_FAR 12.0
/* A tail is at least so much of the way from the median to its beginning, and that way at least 1 % in log2. */
#define LEAST_TAIL 0.12
#define LEAST_SPREAD_Q16 941.0

int32_t assay__log2_q16(uint32_t value)
{
	int whole = 31;
	if (value == 0)
		return 0;
	while (!(value >> whole))
		whole--;
	uint64_t x = (uint64_t)value << (31 - whole); /* 1 <= x < 2 in 2^-31 */
	int32_t log = whole;
	for (int i = 0; i < 16; i++) {
		x = x * x >> 31;
		int bit = x >> 32 != 0;
		x >>= bit;
		log = log * 2 + bit;
	}
	return log;
}

static int descending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x > y ? -1 : x < y;
}

static uint32_t *sorted(const uint32_t *scores_q8, int n, const struct assay_allocator *allocator)
{
	uint32_t *scores = assay__calloc(allocator, (size_t)n, sizeof(*scores));
	for (int i = 0; scores && i < n; i++)
		scores[i] = scores_q8[i];
	if (scores)
		qsort(scores, (size_t)n, sizeof(*scores), descending);
	return scores;
}

static int mark_above(const uint32_t *scores_q8, int n, uint32_t limit, bool *marked)
{
	int count = 0;
	for (int i = 0; i < n; i++)
		count += marked[i] = scores_q8[i] > limit;
	return count;
}

int assay__suspects_question(const uint32_t *scores_q8, int n, const struct assay_allocator *allocator, bool *marked)
{
	if (n < ASSAY__SUSPECTS_LEAST_PARTS)
		return mark_above(scores_q8, n, UINT32_MAX, marked);
	uint32_t *scores = sorted(scores_q8, n, allocator);
	if (!scores)
		return ASSAY_E_NOMEM;
	uint32_t limit = scores[n / QUESTIONED_ONE_IN];
	assay__free(allocator, scores);
	return mark_above(scores_q8, n, limit, marked);
}

/* The score below the deepest telling gap of n descending scores, UINT32_MAX if none tells enough. */
static uint32_t telling_gap(const uint32_t *scores, int n)
{
	int tail = n / QUESTIONED_ONE_IN;
	double middle = assay__log2_q16(scores[n / 2]), start = assay__log2_q16(scores[tail]);
	double spread = start - middle > LEAST_SPREAD_Q16 ? start - middle : LEAST_SPREAD_Q16, excess = 0;
	uint32_t below = UINT32_MAX;
	/* from the beginning of the tail up: the first found is the deepest */
	for (int j = tail - 1; j > 0; j--) {
		double next = assay__log2_q16(scores[j]), here = assay__log2_q16(scores[j - 1]);
		excess += next - start;
		double mean = excess / (tail - j), gap = here - next;
		mean = mean > LEAST_TAIL * spread ? mean : LEAST_TAIL * spread;
		bool tells = here - middle >= FAR * spread && gap * gap * j >= TELLING * TELLING * mean * mean;
		if (j <= n / ACCUSED_ONE_IN && (tells || here - middle >= TOO_FAR * spread) && below == UINT32_MAX)
			below = scores[j];
	}
	return below;
}

int assay__suspects_accuse(const uint32_t *scores_q8, int n, const struct assay_allocator *allocator, bool *marked)
{
	if (n < ASSAY__SUSPECTS_LEAST_PARTS)
		return mark_above(scores_q8, n, UINT32_MAX, marked);
	uint32_t *scores = sorted(scores_q8, n, allocator);
	if (!scores)
		return ASSAY_E_NOMEM;
	uint32_t limit = telling_gap(scores, n);
	assay__free(allocator, scores);
	return mark_above(scores_q8, n, limit, marked);
}
