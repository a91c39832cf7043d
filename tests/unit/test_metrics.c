/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "vision/metrics.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t seed = 1;

static uint32_t next(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

static void near(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("got %.17g, wanted %.17g", got, wanted);
}

static void auroc_of_hand_made_scores(void **state)
{
	(void)state;
	uint32_t good[] = {5, 1, 3}, bad[] = {6, 4};
	assert_true(assay__auroc(good, 3, bad, 2) == 5.0 / 6.0);
	assert_int_equal(good[0], 1);
	assert_int_equal(good[2], 5);

	uint32_t low[] = {1, 2}, high[] = {UINT32_MAX, 3};
	assert_true(assay__auroc(low, 2, high, 2) == 1.0);
	assert_true(assay__auroc(high, 2, low, 2) == 0.0);

	/* 2 beats 1 of 4 and ties 2: (1 + 1) / 4; 7 beats all. */
	uint32_t tied[] = {2, 1, 2, 3}, other[] = {2, 7};
	assert_true(assay__auroc(tied, 4, other, 2) == (2.0 + 4.0) / 8.0);
	uint32_t same[] = {0, 0, 0};
	assert_true(assay__auroc(same, 3, same, 3) == 0.5);

	assert_true(isnan(assay__auroc(good, 0, bad, 2)));
	assert_true(isnan(assay__auroc(good, 3, NULL, 0)));
}

static void auroc_is_the_share_of_pairs(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		uint32_t good[40], bad[40], range = 1 + next() % 50;
		size_t g = 1 + next() % 40, b = 1 + next() % 40;
		uint64_t twice = 0;
		for (size_t i = 0; i < g; i++)
			good[i] = next() % range;
		for (size_t i = 0; i < b; i++)
			bad[i] = next() % range + next() % 5;
		for (size_t i = 0; i < g; i++)
			for (size_t j = 0; j < b; j++)
				twice += bad[j] > good[i] ? 2 : bad[j] == good[i];
		assert_true(assay__auroc(good, g, bad, b) == (double)twice / (2.0 * (double)(g * b)));
		for (size_t i = 1; i < g; i++)
			assert_true(good[i - 1] <= good[i]);
		for (size_t i = 1; i < b; i++)
			assert_true(bad[i - 1] <= bad[i]);
	}
}

static void operating_points(void **state)
{
	(void)state;
	const uint32_t good[] = {4, 9, 1, 7, 5}, bad[] = {8, 5, 20, 3};
	assert_true(assay__overkill_at_zero_escape(good, 5, bad, 4) == 4.0 / 5.0);
	assert_true(assay__escape_at_zero_overkill(good, 5, bad, 4) == 3.0 / 4.0);
	/* A tie with the worst bad part is overkill, with the worst good part an escape. */
	assert_true(assay__overkill_at_zero_escape(good, 5, good + 1, 1) == 1.0 / 5.0);
	assert_true(assay__escape_at_zero_overkill(good, 5, good + 1, 1) == 1.0);
	assert_true(assay__overkill_at_zero_escape(good, 5, bad + 2, 1) == 0.0);
	assert_true(assay__escape_at_zero_overkill(good, 5, bad + 2, 1) == 0.0);
	assert_true(isnan(assay__overkill_at_zero_escape(good, 5, bad, 0)));
	assert_true(isnan(assay__overkill_at_zero_escape(good, 0, bad, 4)));
	assert_true(isnan(assay__escape_at_zero_overkill(good, 5, bad, 0)));
	assert_true(isnan(assay__escape_at_zero_overkill(good, 0, bad, 4)));

	assert_true(assay__share_above(good, 5, 5) == 2.0 / 5.0);
	assert_true(assay__share_above(good, 5, 0) == 1.0);
	assert_true(assay__share_above(good, 5, UINT32_MAX) == 0.0);
	assert_true(isnan(assay__share_above(good, 0, 1)));
}

static void binomial_distribution(void **state)
{
	(void)state;
	near(assay__binomial_cdf(5, 10, 0.5), 638.0 / 1024.0, 1e-15);
	near(assay__binomial_cdf(3, 20, 0.1), 0.86704667656566492, 1e-14);
	near(assay__binomial_cdf(80, 1000, 0.1), 1.76115746758360865e-2, 1e-14);
	assert_true(assay__binomial_cdf(-1, 10, 0.3) == 0);
	assert_true(assay__binomial_cdf(10, 10, 0.3) == 1);
	assert_true(assay__binomial_cdf(0, 10, 0) == 1);
	assert_true(assay__binomial_cdf(9, 10, 1) == 0);
	assert_true(assay__binomial_cdf(0, 0, 0.5) == 1);
	/* Plain sums would underflow here; by symmetry this is one half plus half of the middle term. */
	near(assay__binomial_cdf(500000, 1000000, 0.5), 0.5 + 0.5 * 7.978843613e-4, 1e-9);
	near(assay__binomial_cdf(0, 1000000, 1e-6), 0.36787925723164, 1e-13);
}

static void clopper_pearson_of_known_cases(void **state)
{
	(void)state;
	/* Solved with 60 digits; the first by hand: 1 - 0.025^(1/10). */
	static const struct {
		int hits, trials;
		double low, high;
	} known[] = {
		{0, 10, 0, 0.30849710781876082},
		{5, 10, 0.18708602844739853, 0.81291397155260147},
		{9, 10, 0.55498388297180458, 0.99747142145553822},
		{1, 100, 0.00025314603297742, 0.05445938539208066},
		{3, 60, 0.01043232964434822, 0.13924324672107279},
		{2, 1200, 0.00020190483438782, 0.00600748079611804},
		{60, 60, 0.94037050771383307, 1},
	};
	double low, high;
	for (size_t i = 0; i < COUNT(known); i++) {
		assay__clopper_pearson(known[i].hits, known[i].trials, 0.05, &low, &high);
		near(low, known[i].low, 1e-13);
		near(high, known[i].high, 1e-13);
		double mirrored_low, mirrored_high;
		assay__clopper_pearson(known[i].trials - known[i].hits, known[i].trials, 0.05, &mirrored_low, &mirrored_high);
		near(mirrored_low, 1 - high, 1e-13);
		near(mirrored_high, 1 - low, 1e-13);
	}
	assay__clopper_pearson(0, 1, 0.05, &low, &high);
	assert_true(low == 0);
	near(high, 0.975, 1e-15);
	assay__clopper_pearson(1000, 1000000, 0.05, &low, &high);
	assert_true(low > 0.00093 && low < 0.00095 && high > 0.00106 && high < 0.00107);
}

static void binomial_ranges(void **state)
{
	(void)state;
	static const struct {
		int trials;
		double p;
		int low, high;
	} known[] = {{100, 0.005, 0, 2}, {60, 0.05, 0, 7}, {500, 0.3, 130, 170}, {10, 0.5, 2, 8},
				 {7, 0, 0, 0},		 {7, 1, 7, 7},	   {0, 0.4, 0, 0}};
	for (size_t i = 0; i < COUNT(known); i++) {
		int64_t low = -1, high = -1;
		assay__binomial_range(known[i].trials, known[i].p, 0.05, &low, &high);
		assert_int_equal(low, known[i].low);
		assert_int_equal(high, known[i].high);
	}
}

static struct assay__pixel_metrics *open_metrics(void)
{
	struct assay__pixel_metrics *m = NULL;
	assert_int_equal(assay__pixel_metrics_open(NULL, &m, NULL), 0);
	return m;
}

static void add(struct assay__pixel_metrics *m, const uint32_t *scores, const uint8_t *mask, int width, int height)
{
	assert_int_equal(assay__pixel_metrics_add(m, scores, mask, width, height, NULL), 0);
}

static void pixel_figures_by_hand(void **state)
{
	(void)state;
	/* Two regions, of 1 and 2 pixels; 5 other pixels and 2 of a good image. */
	static const uint32_t scores[8] = {9, 1, 6, 5, 2, 8, 3, 4}, more[2] = {0, 7};
	static const uint8_t mask[8] = {1, 0, 9, 255, 0, 0, 0, 0};
	struct assay__pixel_metrics *m = open_metrics();
	add(m, scores, mask, 8, 1);
	add(m, more, NULL, 1, 2);
	assert_int_equal(assay__pixel_metrics_regions(m), 2);
	/* 9 beats 7 pixels, 6 beats 5 and 5 beats 5 of {1 2 8 3 4 0 7}. */
	near(assay__pixel_auroc(m), 17.0 / 21.0, 1e-15);
	/* From the top: 9 found (1/2), 8 and 7 false (2/7), 6 and 5 found (1): 2/7 at 1/2, then 1 to the end. */
	near(assay__aupro(m, 1), (2.0 / 7) * 0.5 + 5.0 / 7, 1e-11);
	near(assay__aupro(m, 0.2), 0.5, 1e-11);
	near(assay__aupro(m, 0.3), ((2.0 / 7) * 0.5 + (0.3 - 2.0 / 7)) / 0.3, 1e-11);
	assay__pixel_metrics_close(m);
}

static void a_tie_is_a_slope(void **state)
{
	(void)state;
	static const uint32_t same[4] = {3, 3, 3, 3};
	static const uint8_t mask[4] = {1, 0, 0, 0};
	struct assay__pixel_metrics *m = open_metrics();
	add(m, same, mask, 2, 2);
	near(assay__pixel_auroc(m), 0.5, 0);
	near(assay__aupro(m, 1), 0.5, 1e-12);
	near(assay__aupro(m, 0.3), 0.15, 1e-12);
	assay__pixel_metrics_close(m);
}

static void regions_are_8_connected(void **state)
{
	(void)state;
	static const char *const drawn[] = {
		"#.#.....#",													 /* a comb that joins late, */
		"#.#..#.#.",													 /* two corners, */
		"###......", "........#", "##.##..#.", "..#...#..", ".....#..#", /* a diagonal, and one alone */
	};
	enum { W = 9, H = 7 };
	uint8_t mask[W * H];
	uint32_t scores[W * H] = {0};
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			mask[y * W + x] = drawn[y][x] == '#';
	struct assay__pixel_metrics *m = open_metrics();
	add(m, scores, mask, W, H);
	/* comb; (5,1); (7,1)-(8,0); the V of rows 4 and 5; the diagonal; (8,6). */
	assert_int_equal(assay__pixel_metrics_regions(m), 6);
	/* The order of images and what lies between them does not matter. */
	add(m, scores, NULL, W, H);
	add(m, scores, mask, W, H);
	assert_int_equal(assay__pixel_metrics_regions(m), 12);
	assay__pixel_metrics_close(m);
}

/* Flood fill, for comparison. */
static int fill(const uint8_t *mask, int *label, int width, int height, int x, int y, int value)
{
	if (x < 0 || y < 0 || x >= width || y >= height || !mask[y * width + x] || label[y * width + x])
		return 0;
	int area = 1;
	label[y * width + x] = value;
	for (int dy = -1; dy <= 1; dy++)
		for (int dx = -1; dx <= 1; dx++)
			area += fill(mask, label, width, height, x + dx, y + dy, value);
	return area;
}

static void random_masks_agree_with_definition(void **state)
{
	(void)state;
	enum { W = 23, H = 17, LEVELS = 60 };
	for (int round = 0; round < 100; round++) {
		uint32_t scores[W * H];
		uint8_t mask[W * H];
		int label[W * H] = {0}, area[W * H + 1] = {0}, regions = 0;
		const uint32_t density = 1 + next() % 9;
		for (int i = 0; i < W * H; i++) {
			mask[i] = next() % 10 < density;
			scores[i] = next() % LEVELS + (mask[i] ? next() % 20 : 0);
		}
		mask[0] = 1;
		mask[W * H - 1] = 0;
		for (int i = 0; i < W * H; i++)
			if (mask[i] && !label[i]) {
				regions++;
				area[regions] = fill(mask, label, W, H, i % W, i / W, regions);
			}
		double others = 0, aupro = 0, fpr = 0, pro = 0;
		for (int i = 0; i < W * H; i++)
			others += !mask[i];
		for (int t = LEVELS + 20; t >= 0 && fpr < 0.3; t--) {
			double next_fpr = 0, next_pro = 0;
			for (int i = 0; i < W * H; i++)
				if (scores[i] >= (uint32_t)t) {
					if (mask[i])
						next_pro += 1.0 / area[label[i]] / regions;
					else
						next_fpr += 1 / others;
				}
			if (next_fpr > 0.3) {
				next_pro = pro + (next_pro - pro) * (0.3 - fpr) / (next_fpr - fpr);
				next_fpr = 0.3;
			}
			aupro += (next_fpr - fpr) * (pro + next_pro) / 2;
			fpr = next_fpr;
			pro = next_pro;
		}
		struct assay__pixel_metrics *m = open_metrics();
		add(m, scores, mask, W, H);
		assert_int_equal(assay__pixel_metrics_regions(m), regions);
		near(assay__aupro(m, 0.3), aupro / 0.3, 1e-9);

		uint32_t good[W * H], bad[W * H];
		size_t g = 0, b = 0;
		for (int i = 0; i < W * H; i++)
			*(mask[i] ? &bad[b++] : &good[g++]) = scores[i];
		near(assay__pixel_auroc(m), assay__auroc(good, g, bad, b), 1e-14);
		assay__pixel_metrics_close(m);
	}
}

static void scores_keep_their_order(void **state)
{
	(void)state;
	/* Every pair of neighbours in this ladder is told apart, up to the largest score there is. */
	static const uint32_t ladder[] = {0,		  1,		  32766,	  32767,	  32768,
									  32770,	  65535,	  65536,	  65540,	  0x7FFE0000,
									  0x7FFF0000, 0x80000000, 0x80020000, 0xFFFC0000, UINT32_MAX};
	static const uint8_t mask[2] = {0, 1};
	for (size_t i = 1; i < COUNT(ladder); i++) {
		const uint32_t pair[2] = {ladder[i - 1], ladder[i]};
		struct assay__pixel_metrics *m = open_metrics();
		add(m, pair, mask, 2, 1);
		assert_true(assay__pixel_auroc(m) == 1.0);
		assay__pixel_metrics_close(m);
	}
}

static void empty_classes_are_nan(void **state)
{
	(void)state;
	static const uint32_t scores[2] = {1, 2};
	static const uint8_t all[2] = {1, 1}, none[2] = {0, 0};
	struct assay__pixel_metrics *m = open_metrics();
	assert_true(isnan(assay__pixel_auroc(m)) && isnan(assay__aupro(m, 0.3)));
	add(m, scores, none, 2, 1);
	assert_true(isnan(assay__pixel_auroc(m)) && isnan(assay__aupro(m, 0.3)));
	assay__pixel_metrics_close(m);
	m = open_metrics();
	add(m, scores, all, 2, 1);
	assert_true(isnan(assay__pixel_auroc(m)) && isnan(assay__aupro(m, 0.3)));
	add(m, scores, none, 2, 1);
	assert_true(assay__pixel_auroc(m) == 0.5);

	struct assay_error error;
	assert_int_equal(assay__pixel_metrics_add(m, scores, all, 0, 1, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__pixel_metrics_add(m, scores, all, 1 << 16, 1 << 16, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "a score map of 65536 x 65536 pixels");
	assay__pixel_metrics_close(m);
	assay__pixel_metrics_close(NULL);
}

static void failing_memory_is_survived(void **state)
{
	(void)state;
	/* 5000 runs: the run list grows more than once. */
	enum { W = 100, H = 100 };
	static uint32_t scores[W * H];
	static uint8_t mask[W * H];
	for (int i = 0; i < W * H; i++) {
		mask[i] = (uint8_t)(i % 2);
		scores[i] = (uint32_t)i;
	}
	int opened = 0;
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay__pixel_metrics *m = NULL;
		struct assay_error error = {0};
		failing_open(&failing, k);
		int err = assay__pixel_metrics_open(&failing.allocator, &m, &error);
		if (!err) {
			opened++;
			add(m, scores, NULL, W, H);
			err = assay__pixel_metrics_add(m, scores, mask, W, H, &error);
			assert_int_equal(assay__pixel_metrics_regions(m), err ? 0 : W / 2);
			assert_int_equal(isnan(assay__pixel_auroc(m)) != 0, err != 0);
		} else {
			assert_null(m);
		}
		assay__pixel_metrics_close(m);
		assert_int_equal(failing.alive, 0);
		if (!err)
			break;
		assert_int_equal(err, ASSAY_E_NOMEM);
		assert_int_equal(error.code, ASSAY_E_NOMEM);
	}
	assert_true(opened > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auroc_of_hand_made_scores),
		cmocka_unit_test(auroc_is_the_share_of_pairs),
		cmocka_unit_test(operating_points),
		cmocka_unit_test(binomial_distribution),
		cmocka_unit_test(clopper_pearson_of_known_cases),
		cmocka_unit_test(binomial_ranges),
		cmocka_unit_test(pixel_figures_by_hand),
		cmocka_unit_test(a_tie_is_a_slope),
		cmocka_unit_test(regions_are_8_connected),
		cmocka_unit_test(random_masks_agree_with_definition),
		cmocka_unit_test(scores_keep_their_order),
		cmocka_unit_test(empty_classes_are_nan),
		cmocka_unit_test(failing_memory_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
