/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <math.h>

#include "vision/calibrate.h"

static void ranks(void **state)
{
	static const struct {
		int n;
		double overkill;
		int k;
	} cases[] = {
		{19, 0.05, 1},	{18, 0.05, 1},	 {39, 0.05, 2},	  {38, 0.05, 1},   {29, 0.1, 3},	{99, 0.07, 7},
		{60, 0.005, 1}, {199, 0.005, 1}, {399, 0.005, 2}, {398, 0.005, 1}, {999, 0.005, 5}, {2, 0.2, 1},
		{9, 0.2, 2},	{4, 0.2, 1},	 {1, 0.2, 1},	  {99, 0.29, 29},  {5, 0.999, 5},	{2, 1e-12, 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (assay__conformal_rank(cases[i].n, cases[i].overkill) != cases[i].k)
			fail_msg("%d parts at %g: %d, wanted %d", cases[i].n, cases[i].overkill,
					 assay__conformal_rank(cases[i].n, cases[i].overkill), cases[i].k);
	/* whole percents of n + 1 = 100 m are exact, whatever floating point makes of them */
	for (int percent = 1; percent <= 20; percent++)
		for (int m = 1; m <= 50; m++)
			assert_int_equal(assay__conformal_rank(100 * m - 1, percent / 100.0), percent * m);
}

static void thresholds_by_hand(void **state)
{
	static const uint32_t scores[10] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
	(void)state;
	assert_int_equal(assay__conformal_threshold(scores, 10, 0.005), 100);
	assert_int_equal(assay__conformal_threshold(scores, 10, 0.1), 100); /* 1.1: one */
	assert_int_equal(assay__conformal_threshold(scores, 10, 0.2), 90);	/* 2.2: two */
	assert_int_equal(assay__conformal_threshold(scores, 9, 0.2), 80);	/* exactly two */
	assert_int_equal(assay__conformal_threshold(scores, 1, 0.2), 10);
	static const uint32_t ties[5] = {7, 7, 7, 7, 7};
	assert_int_equal(assay__conformal_threshold(ties, 5, 0.2), 7);
}

static void p_values(void **state)
{
	static const uint32_t scores[4] = {10, 20, 20, 30};
	(void)state;
	assert_true(assay__conformal_p(scores, 4, 0) == 1.0);
	assert_true(assay__conformal_p(scores, 4, 10) == 1.0);
	assert_true(assay__conformal_p(scores, 4, 11) == 0.8);
	assert_true(assay__conformal_p(scores, 4, 20) == 0.8);
	assert_true(assay__conformal_p(scores, 4, 21) == 0.4);
	assert_true(assay__conformal_p(scores, 4, 30) == 0.4);
	assert_true(assay__conformal_p(scores, 4, 31) == 0.2);
	assert_true(assay__conformal_p(scores, 4, UINT32_MAX) == 0.2);
}

static void parts_that_support(void **state)
{
	(void)state;
	assert_int_equal(assay__parts_for(0.005), 199);
	assert_int_equal(assay__parts_for(0.02), 49);
	assert_int_equal(assay__parts_for(0.05), 19);
	assert_int_equal(assay__parts_for(0.2), 4);
	assert_int_equal(assay__parts_for(0.03), 33); /* 1 / 34 < 0.03 < 1 / 33 */
	assert_int_equal(assay__parts_for(0.001), 999);
	assert_int_equal(assay__parts_for(1e-300), INT32_MAX);
	for (int permille = 1; permille <= 200; permille++) {
		int n = assay__parts_for(permille / 1000.0);
		assert_true(1000 <= permille * (n + 1) && 1000 > permille * n);
	}
}

static void reports(void **state)
{
	static const uint32_t scores[60] = {[59] = 500};
	uint32_t many[200];
	struct assay_teach_report report = {0};
	(void)state;
	assay__calibration_report(scores, 60, 0.005, 500, &report);
	assert_int_equal(report.parts_used, 60);
	assert_true(report.overkill_wanted == 0.005);
	assert_true(report.overkill_stated == 1.0 / 61);
	assert_true(report.overkill_low == 0);
	assert_true(fabs(report.overkill_high - (1 - pow(0.025, 1.0 / 60))) < 1e-9);
	assert_int_equal(report.parts_for_wanted, 199);
	assert_int_equal(report.threshold_q8, 500);
	assert_int_equal(report.score_min_q8, 0);
	assert_int_equal(report.score_max_q8, 500);
	for (uint32_t i = 0; i < 200; i++)
		many[i] = i;
	assay__calibration_report(many, 200, 0.05, assay__conformal_threshold(many, 200, 0.05), &report);
	assert_int_equal(report.threshold_q8, 190); /* floor(0.05 * 201) = 10th largest; nine lie above */
	assert_true(report.overkill_stated == 0.05);
	assert_true(report.overkill_low < 9.0 / 200 && report.overkill_high > 9.0 / 200);
	assert_int_equal(report.score_median_q8, 99);
	assay__calibration_report(many, 200, 0.05, UINT32_MAX, &report);
	assert_true(report.overkill_low == 0);
}

static int ascending(const void *a, const void *b)
{
	uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
	return p < q ? -1 : p > q;
}

/* What the threshold promises, on exchangeable scores: the share of new ones above is at most stated, and near it. */
static void promise_holds(void **state)
{
	static const struct {
		int n;
		double overkill;
	} cases[] = {{20, 0.05}, {60, 0.005}, {99, 0.1}, {33, 0.2}};
	uint64_t seed = 11;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = cases[i].n, rounds = 40000, above = 0;
		uint32_t scores[128];
		for (int r = 0; r < rounds; r++) {
			for (int s = 0; s < n; s++)
				scores[s] = (uint32_t)(net_random(&seed) >> 40);
			qsort(scores, (size_t)n, sizeof(*scores), ascending);
			above += (uint32_t)(net_random(&seed) >> 40) > assay__conformal_threshold(scores, n, cases[i].overkill);
		}
		double stated = assay__conformal_rank(n, cases[i].overkill) / (n + 1.0), share = (double)above / rounds;
		double spread = 4 * sqrt(stated / rounds);
		assert_true(fabs(share - stated) < spread);
	}
}

static void folds_go_round(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(assay__fold_of(i, 5), i % 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks),		  cmocka_unit_test(thresholds_by_hand),
		cmocka_unit_test(p_values),		  cmocka_unit_test(parts_that_support),
		cmocka_unit_test(reports),		  cmocka_unit_test(promise_holds),
		cmocka_unit_test(folds_go_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
