/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/metrics.h"

#include <assert.h>
#include <math.h>

static void sift_down(uint32_t *a, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && a[child + 1] > a[child])
			child++;
		if (a[root] >= a[child])
			return;
		uint32_t t = a[root];
		a[root] = a[child];
		a[child] = t;
	}
}

/* Heap sort: no memory, no bad case. */
static void sort(uint32_t *a, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(a, i, count);
	for (size_t end = count; end-- > 1;) {
		uint32_t t = a[0];
		a[0] = a[end];
		a[end] = t;
		sift_down(a, 0, end);
	}
}

double assay__auroc(uint32_t *good, size_t good_count, uint32_t *bad, size_t bad_count)
{
	if (!good_count || !bad_count)
		return (double)NAN;
	sort(good, good_count);
	sort(bad, bad_count);
	uint64_t twice = 0;
	size_t below = 0, up_to = 0;
	for (size_t i = 0; i < bad_count; i++) {
		while (below < good_count && good[below] < bad[i])
			below++;
		while (up_to < good_count && good[up_to] <= bad[i])
			up_to++;
		twice += below + up_to;
	}
	return (double)twice / (2.0 * (double)good_count * (double)bad_count);
}

double assay__overkill_at_zero_escape(const uint32_t *good, size_t good_count, const uint32_t *bad, size_t bad_count)
{
	if (!good_count || !bad_count)
		return (double)NAN;
	uint32_t lowest = bad[0];
	size_t rejected = 0;
	for (size_t i = 1; i < bad_count; i++)
		lowest = bad[i] < lowest ? bad[i] : lowest;
	for (size_t i = 0; i < good_count; i++)
		rejected += good[i] >= lowest;
	return (double)rejected / (double)good_count;
}

double assay__escape_at_zero_overkill(const uint32_t *good, size_t good_count, const uint32_t *bad, size_t bad_count)
{
	if (!good_count || !bad_count)
		return (double)NAN;
	uint32_t highest = good[0];
	size_t passed = 0;
	for (size_t i = 1; i < good_count; i++)
		highest = good[i] > highest ? good[i] : highest;
	for (size_t i = 0; i < bad_count; i++)
		passed += bad[i] <= highest;
	return (double)passed / (double)bad_count;
}

double assay__share_above(const uint32_t *scores, size_t count, uint32_t threshold)
{
	size_t above = 0;
	for (size_t i = 0; i < count; i++)
		above += scores[i] > threshold;
	return count ? (double)above / (double)count : (double)NAN;
}

/*
 * Terms of the distribution relative to its largest one, by recurrence outwards from there, and their sum: needs no
 * logarithm and cannot underflow where it matters.
 */
double assay__binomial_cdf(int64_t k, int64_t trials, double p)
{
	assert(trials >= 0 && p >= 0 && p <= 1);
	if (k < 0)
		return 0;
	if (k >= trials || p == 0)
		return 1;
	if (p == 1)
		return 0;
	const double n = (double)trials, odds = p / (1 - p);
	int64_t mode = (int64_t)((n + 1) * p);
	if (mode > trials)
		mode = trials;
	double all = 1, part = mode <= k ? 1 : 0, term = 1;
	for (int64_t i = mode; i > 0 && term > 1e-25; i--) {
		term *= (double)i / ((double)(trials - i + 1) * odds);
		all += term;
		part += i - 1 <= k ? term : 0;
	}
	term = 1;
	for (int64_t i = mode; i < trials && term > 1e-25; i++) {
		term *= (double)(trials - i) * odds / (double)(i + 1);
		all += term;
		part += i + 1 <= k ? term : 0;
	}
	return part / all;
}

/* The p at which P(X <= k) falls to `wanted`; it falls as p grows. */
static double invert_cdf(int64_t k, int64_t trials, double wanted)
{
	double low = 0, high = 1;
	for (int i = 0; i < 100; i++) {
		double middle = low + (high - low) / 2;
		if (middle <= low || middle >= high)
			break;
		if (assay__binomial_cdf(k, trials, middle) > wanted)
			low = middle;
		else
			high = middle;
	}
	return low + (high - low) / 2;
}

void assay__clopper_pearson(int64_t hits, int64_t trials, double alpha, double *low, double *high)
{
	assert(hits >= 0 && hits <= trials && trials >= 1 && alpha > 0 && alpha < 1);
	*low = hits == 0 ? 0 : invert_cdf(hits - 1, trials, 1 - alpha / 2);
	*high = hits == trials ? 1 : invert_cdf(hits, trials, alpha / 2);
}

static int64_t quantile(int64_t trials, double p, double wanted)
{
	int64_t low = 0, high = trials;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (assay__binomial_cdf(middle, trials, p) >= wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void assay__binomial_range(int64_t trials, double p, double alpha, int64_t *low, int64_t *high)
{
	*low = quantile(trials, p, alpha / 2);
	*high = quantile(trials, p, 1 - alpha / 2);
}
