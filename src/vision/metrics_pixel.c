/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "vision/metrics.h"

#define EXACT_BITS 15
#define MANTISSA_BITS 14
#define BINS ((1 << EXACT_BITS) + (32 - EXACT_BITS) * (1 << MANTISSA_BITS))
/* A region's whole weight: each of its pixels weighs this divided by its area. */
#define REGION_WEIGHT ((uint64_t)1 << 40)

/* Defect pixels [from, to) of one mask row; label is the run's region while its mask is being read. */
struct run {
	int y, from, to;
	int label; /* index of a run of the same region; of itself at the root */
	int64_t area;
};

struct assay__pixel_metrics {
	const struct assay_allocator *allocator;
	int64_t regions;
	uint64_t good_pixels, bad_pixels;
	uint64_t *good, *bad; /* pixels by score */
	uint64_t *overlap;	  /* weights of defect pixels by score */
	struct run *runs;
	int run_room;
};

/* Monotone in score. */
static int bin_of(uint32_t score)
{
	if (score < 1u << EXACT_BITS)
		return (int)score;
	const int top = 31 - __builtin_clz(score);
	const int mantissa = (int)((score >> (top - MANTISSA_BITS)) & ((1u << MANTISSA_BITS) - 1));
	return (1 << EXACT_BITS) + (top - EXACT_BITS) * (1 << MANTISSA_BITS) + mantissa;
}

int assay__pixel_metrics_open(const struct assay_allocator *allocator, struct assay__pixel_metrics **out,
							  struct assay_error *error)
{
	struct assay__pixel_metrics *m = assay__calloc(allocator, 1, sizeof *m);
	if (m) {
		m->allocator = allocator;
		m->good = assay__calloc(allocator, BINS, sizeof *m->good);
		m->bad = assay__calloc(allocator, BINS, sizeof *m->bad);
		m->overlap = assay__calloc(allocator, BINS, sizeof *m->overlap);
	}
	if (!m || !m->good || !m->bad || !m->overlap) {
		assay__pixel_metrics_close(m);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for pixel figures");
	}
	*out = m;
	return 0;
}

void assay__pixel_metrics_close(struct assay__pixel_metrics *metrics)
{
	if (!metrics)
		return;
	const struct assay_allocator *allocator = metrics->allocator;
	assay__free(allocator, metrics->good);
	assay__free(allocator, metrics->bad);
	assay__free(allocator, metrics->overlap);
	assay__free(allocator, metrics->runs);
	assay__free(allocator, metrics);
}

static int root(struct run *runs, int i)
{
	while (runs[i].label != i) {
		runs[i].label = runs[runs[i].label].label;
		i = runs[i].label;
	}
	return i;
}

static void join(struct run *runs, int a, int b)
{
	a = root(runs, a);
	b = root(runs, b);
	if (a < b)
		runs[b].label = a;
	else
		runs[a].label = b;
}

static int grow(struct assay__pixel_metrics *m, struct assay_error *error)
{
	const int64_t room = m->run_room ? 2 * (int64_t)m->run_room : 1024;
	struct run *runs = room <= INT32_MAX ? assay__alloc(m->allocator, (size_t)room * sizeof *runs) : NULL;
	if (!runs)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the regions of a mask");
	if (m->run_room)
		memcpy(runs, m->runs, (size_t)m->run_room * sizeof *runs);
	assay__free(m->allocator, m->runs);
	m->runs = runs;
	m->run_room = (int)room;
	return 0;
}

/* Finds the runs of a mask, joined into 8-connected regions, with the area of each at its root. */
static int find_runs(struct assay__pixel_metrics *m, const uint8_t *mask, int width, int height, int *count,
					 struct assay_error *error)
{
	int n = 0, above = 0, row_start = 0; /* above: the first run of the row before that may still touch */
	for (int y = 0; y < height; y++) {
		const uint8_t *row = mask + (size_t)y * (size_t)width;
		const int above_end = n;
		above = row_start;
		row_start = n;
		for (int x = 0; x < width;) {
			if (!row[x]) {
				x++;
				continue;
			}
			int err = n == m->run_room ? grow(m, error) : 0;
			if (err)
				return err;
			struct run *runs = m->runs, *r = &runs[n];
			*r = (struct run){.y = y, .from = x, .label = n};
			while (x < width && row[x])
				x++;
			r->to = x;
			/* Runs touch when they overlap or meet at a corner. */
			while (above < above_end && runs[above].to < r->from)
				above++;
			for (int j = above; j < above_end && runs[j].from <= r->to; j++)
				join(runs, j, n);
			n++;
		}
	}
	for (int i = 0; i < n; i++)
		m->runs[root(m->runs, i)].area += m->runs[i].to - m->runs[i].from;
	*count = n;
	return 0;
}

int assay__pixel_metrics_add(struct assay__pixel_metrics *metrics, const uint32_t *scores, const uint8_t *mask,
							 int width, int height, struct assay_error *error)
{
	struct assay__pixel_metrics *m = metrics;
	int runs = 0;
	if (width < 1 || height < 1 || width > INT32_MAX / height)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a score map of %d x %d pixels", width, height);
	int err = mask ? find_runs(m, mask, width, height, &runs, error) : 0;
	if (err)
		return err;

	const size_t pixels = (size_t)width * (size_t)height;
	uint64_t defects = 0;
	for (size_t i = 0; i < pixels; i++)
		if (!mask || !mask[i])
			m->good[bin_of(scores[i])]++;
	for (int i = 0; i < runs; i++) {
		const struct run *r = &m->runs[i];
		const int top = root(m->runs, i);
		const uint64_t weight = REGION_WEIGHT / (uint64_t)m->runs[top].area;
		m->regions += top == i;
		for (int x = r->from; x < r->to; x++) {
			const int bin = bin_of(scores[(size_t)r->y * (size_t)width + (size_t)x]);
			m->bad[bin]++;
			m->overlap[bin] += weight;
		}
		defects += (uint64_t)(r->to - r->from);
	}
	m->bad_pixels += defects;
	m->good_pixels += pixels - defects;
	return 0;
}

int64_t assay__pixel_metrics_regions(const struct assay__pixel_metrics *metrics)
{
	return metrics->regions;
}

double assay__pixel_auroc(const struct assay__pixel_metrics *metrics)
{
	if (!metrics->good_pixels || !metrics->bad_pixels)
		return (double)NAN;
	uint64_t below = 0;
	double pairs = 0;
	for (int b = 0; b < BINS; b++) {
		pairs += (double)metrics->bad[b] * ((double)below + 0.5 * (double)metrics->good[b]);
		below += metrics->good[b];
	}
	return pairs / ((double)metrics->good_pixels * (double)metrics->bad_pixels);
}

double assay__aupro(const struct assay__pixel_metrics *metrics, double max_fpr)
{
	assert(max_fpr > 0 && max_fpr <= 1);
	if (!metrics->good_pixels || !metrics->bad_pixels)
		return (double)NAN;
	uint64_t all = 0, false_pixels = 0, found = 0;
	for (int b = 0; b < BINS; b++)
		all += metrics->overlap[b];

	/* Lowering the threshold bin by bin; the curve is linear within a bin. */
	double area = 0, fpr = 0, pro = 0;
	for (int b = BINS; b-- > 0 && fpr < max_fpr;) {
		if (!metrics->good[b] && !metrics->bad[b])
			continue;
		false_pixels += metrics->good[b];
		found += metrics->overlap[b];
		double next_fpr = (double)false_pixels / (double)metrics->good_pixels;
		double next_pro = (double)found / (double)all;
		if (next_fpr > max_fpr) {
			next_pro = pro + (next_pro - pro) * (max_fpr - fpr) / (next_fpr - fpr);
			next_fpr = max_fpr;
		}
		area += (next_fpr - fpr) * (pro + next_pro) / 2;
		fpr = next_fpr;
		pro = next_pro;
	}
	return area / max_fpr;
}
