/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/calibrate.h"

#include <assert.h>
#include <limits.h>
#include <math.h>

#include "vision/metrics.h"

/* Products such as 0.05 * 20 may come out a hair below the whole number they mean. */
#define HAIR 1e-9

int assay__fold_of(int rank, int folds)
{
	return rank % folds;
}

int assay__conformal_rank(int n, double overkill)
{
	double k = floor(overkill * ((double)n + 1.0) + HAIR);
	return k < 1 ? 1 : k > n ? n : (int)k;
}

uint32_t assay__conformal_threshold(const uint32_t *ascending, int n, double overkill)
{
	assert(n >= 1);
	return ascending[n - assay__conformal_rank(n, overkill)];
}

/* How many are below score. */
static int count_below(const uint32_t *ascending, int n, uint32_t score)
{
	int lo = 0, hi = n;
	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		if (ascending[mid] < score)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

double assay__conformal_p(const uint32_t *ascending, int n, uint32_t score)
{
	return (1.0 + (n - count_below(ascending, n, score))) / (1.0 + n);
}

int assay__parts_for(double overkill)
{
	double parts = ceil(1.0 / overkill - HAIR) - 1.0;
	return parts < 1 ? 1 : parts > INT_MAX ? INT_MAX : (int)parts;
}

void assay__calibration_report(const uint32_t *ascending, int n, double overkill, uint32_t threshold,
							   struct assay_teach_report *report)
{
	assert(n >= 1);
	int above = threshold == UINT32_MAX ? 0 : n - count_below(ascending, n, threshold + 1);
	double supported = (above + 1.0) / (1.0 + n); /* more than the wanted only if the threshold was lowered */
	report->parts_used = n;
	report->overkill_wanted = overkill;
	report->overkill_stated = overkill > supported ? overkill : supported;
	assay__clopper_pearson(above, n, 0.05, &report->overkill_low, &report->overkill_high);
	report->parts_for_wanted = assay__parts_for(overkill);
	report->threshold_q8 = threshold;
	report->score_min_q8 = ascending[0];
	report->score_median_q8 = ascending[(n - 1) / 2];
	report->score_max_q8 = ascending[n - 1];
}
