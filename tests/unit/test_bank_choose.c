/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "failing.h"
#include "vision/bank.h"

static uint64_t seed;

static uint32_t next(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

enum shape { RANDOM, CLUSTERED, DUPLICATED, FEW_VALUES, LINE, OUTLIERS, CROWDS };

static int8_t *make_points(enum shape shape, int n, int dim)
{
	int8_t *p = malloc((size_t)n * (size_t)dim);
	assert_non_null(p);
	for (int i = 0; i < n; i++) {
		int8_t *to = p + (size_t)i * (size_t)dim;
		for (int k = 0; k < dim; k++) {
			switch (shape) {
			case RANDOM:
				to[k] = (int8_t)next();
				break;
			case CLUSTERED: /* 12 centers of different spread */
				to[k] = (int8_t)((i % 12 * 37 + k * 91) % 160 - 80 + (int)(next() % (1u + (uint32_t)(i % 12) * 2)));
				break;
			case DUPLICATED: /* 50 distinct points */
				to[k] = (int8_t)((i % 50) * (k % 7 + 1) % 200 - 100);
				break;
			case FEW_VALUES:
				to[k] = (int8_t)(next() % 3);
				break;
			case LINE:
				to[k] = (int8_t)(i % 256 - 128);
				break;
			case OUTLIERS: /* a dense bulk and a few far away */
				to[k] = (int8_t)(i % 500 == 7 ? next() : next() % 9);
				break;
			case CROWDS: /* three crowds on two axes, the middle one with the mean */
				to[k] = (int8_t)(next() % 7 + (k == 0 && i % 33 < 8 ? 100 : 0) + (k == 1 && i % 33 > 22 ? -70 : 0));
				break;
			}
		}
	}
	return p;
}

static int64_t distance2(const int8_t *a, const int8_t *b, int dim)
{
	int64_t sum = 0;
	for (int k = 0; k < dim; k++)
		sum += (a[k] - b[k]) * (a[k] - b[k]);
	return sum;
}

/* Greedy k-center as the definition says it. */
static int plain_choose(const int8_t *points, const uint8_t *skip, int n, int dim, int want, int64_t *chosen)
{
	int64_t *d2 = malloc((size_t)n * sizeof *d2), used = 0, at = -1;
	int8_t middle[ASSAY__BANK_MAX_DIM];
	for (int i = 0; i < n; i++)
		used += !(skip && skip[i]);
	for (int k = 0; k < dim; k++) {
		int64_t sum = 0;
		for (int i = 0; i < n; i++)
			sum += skip && skip[i] ? 0 : points[(size_t)i * (size_t)dim + (size_t)k];
		int64_t magnitude = ((sum < 0 ? -sum : sum) * 2 + used) / (2 * used);
		middle[k] = (int8_t)(sum < 0 ? -magnitude : magnitude);
	}
	for (int i = 0; i < n; i++) {
		d2[i] = distance2(points + (size_t)i * (size_t)dim, middle, dim);
		if (!(skip && skip[i]) && (at < 0 || d2[i] < d2[at]))
			at = i;
	}
	for (int i = 0; i < n; i++)
		d2[i] = skip && skip[i] ? 0 : INT64_MAX;
	int count = 0;
	while (count < want) {
		chosen[count++] = at;
		for (int i = 0; i < n; i++) {
			int64_t d = distance2(points + (size_t)i * (size_t)dim, points + (size_t)at * (size_t)dim, dim);
			d2[i] = d < d2[i] ? d : d2[i];
		}
		at = 0;
		for (int i = 1; i < n; i++)
			at = d2[i] > d2[at] ? i : at;
		if (d2[at] == 0)
			break;
	}
	free(d2);
	return count;
}

/* Does the pieces backwards, each as another worker. */
static void run_backwards(void *ctx, int count, void (*task)(void *arg, int index, int worker), void *arg)
{
	for (int i = count; i-- > 0;)
		task(arg, i, i % *(int *)ctx);
}

static void expect(const int8_t *points, const uint8_t *skip, int n, int dim, int want, enum assay_isa isa,
				   const struct assay_runner *runner, const int64_t *wanted, int wanted_count)
{
	int64_t *chosen = malloc(((size_t)want + 1) * sizeof *chosen);
	int count = -1;
	chosen[want] = -5;
	assert_int_equal(assay__bank_choose(points, skip, n, dim, want, isa, runner, NULL, NULL, chosen, &count, NULL), 0);
	assert_int_equal(count, wanted_count);
	for (int i = 0; i < count; i++)
		assert_int_equal(chosen[i], wanted[i]);
	assert_int_equal(chosen[want], -5);
	free(chosen);
}

static void check(enum shape shape, int n, int dim, int want, int skipping)
{
	int8_t *points = make_points(shape, n, dim);
	uint8_t *skip = skipping ? malloc((size_t)n) : NULL;
	int64_t *wanted = malloc((size_t)want * sizeof *wanted);
	for (int i = 0; skip && i < n; i++)
		skip[i] = i != n / 2 && (next() % 3 == 0 || i < n / 5);
	int count = plain_choose(points, skip, n, dim, want, wanted);
	for (enum assay_isa isa = ASSAY_ISA_SCALAR; isa <= assay_isa_best(); isa++)
		expect(points, skip, n, dim, want, isa, NULL, wanted, count);
	int workers = 5;
	struct assay_runner backwards = {.workers = workers, .run = run_backwards, .ctx = &workers};
	expect(points, skip, n, dim, want, ASSAY_ISA_BEST, &backwards, wanted, count);
	free(points);
	free(skip);
	free(wanted);
}

static void it_is_the_greedy_choice(void **state)
{
	(void)state;
	seed = 11;
	for (enum shape shape = RANDOM; shape <= OUTLIERS; shape++) {
		for (int skipping = 0; skipping < 2; skipping++) {
			check(shape, 1, 3, 1, 0);
			check(shape, 2, 1, 5, skipping);
			check(shape, 17, 5, 17, skipping);
			check(shape, 300, 7, 120, skipping);
			check(shape, 2500, 20, 400, skipping);
		}
	}
	check(RANDOM, 1500, 152, 700, 0);
	check(CLUSTERED, 3000, 33, 600, 1);
	check(OUTLIERS, 6500, 40, 300, 1);
	check(RANDOM, 400, 1024, 60, 0);
}

/* More points at the largest distance than the pool holds. */
static void ties_beyond_the_pool_are_exact(void **state)
{
	(void)state;
	seed = 12;
	check(LINE, 20000, 1, 300, 0);
	check(LINE, 12000, 3, 100, 1);
	check(FEW_VALUES, 15000, 2, 9, 0);
	check(FEW_VALUES, 15000, 4, 81, 1);
	check(FEW_VALUES, 12000, 12, 250, 0);
	check(DUPLICATED, 11000, 6, 60, 1);
}

/* 16,000 points turn out to be near while 20,000 others, more than the pool holds, turn out to be the farthest. */
static void crowds_beyond_the_pool_are_exact(void **state)
{
	(void)state;
	seed = 16;
	check(CROWDS, 66000, 4, 700, 0);
}

static void workers_do_not_matter(void **state)
{
	(void)state;
	seed = 13;
	enum { N = 9000, DIM = 24, WANT = 500 };
	static int64_t wanted[WANT];
	for (enum shape shape = RANDOM; shape <= OUTLIERS; shape++) {
		int8_t *points = make_points(shape, N, DIM);
		int count = plain_choose(points, NULL, N, DIM, WANT, wanted);
		static const int workers[] = {1, 2, 3, 7};
		for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
			struct assay__parallel *parallel;
			assert_int_equal(assay__parallel_open(workers[w], NULL, &parallel, NULL), 0);
			for (enum assay_isa isa = ASSAY_ISA_SCALAR; isa <= assay_isa_best(); isa++)
				expect(points, NULL, N, DIM, WANT, isa, assay__parallel_runner(parallel), wanted, count);
			assay__parallel_close(parallel);
		}
		free(points);
	}
}

static void degenerate_sets_end_early(void **state)
{
	(void)state;
	int8_t same[40];
	uint8_t skip[10];
	int64_t chosen[10] = {0};
	int count = 0;
	memset(same, 9, sizeof same);
	memset(skip, 1, sizeof skip);
	assert_int_equal(assay__bank_choose(same, NULL, 10, 4, 10, ASSAY_ISA_BEST, NULL, NULL, NULL, chosen, &count, NULL),
					 0);
	assert_int_equal(count, 1);
	assert_int_equal(chosen[0], 0);

	struct assay_error error;
	chosen[0] = 123;
	assert_int_equal(
		assay__bank_choose(same, skip, 10, 4, 10, ASSAY_ISA_BEST, NULL, NULL, NULL, chosen, &count, &error),
		ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "all 10 points are left out; none can be chosen");
	skip[6] = 0;
	assert_int_equal(assay__bank_choose(same, skip, 10, 4, 10, ASSAY_ISA_BEST, NULL, NULL, NULL, chosen, &count, NULL),
					 0);
	assert_int_equal(count, 1);
	assert_int_equal(chosen[0], 6);
}

static void bad_arguments_are_refused(void **state)
{
	(void)state;
	int8_t point[4] = {0};
	int64_t chosen = 55;
	int count = 66;
	struct assay_error error;
	assert_int_equal(
		assay__bank_choose(point, NULL, 0, 4, 1, ASSAY_ISA_BEST, NULL, NULL, NULL, &chosen, &count, &error),
		ASSAY_E_ARGUMENT);
	assert_int_equal(
		assay__bank_choose(point, NULL, 1, 4, 0, ASSAY_ISA_BEST, NULL, NULL, NULL, &chosen, &count, &error),
		ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "cannot choose 0 of 1 points");
	assert_int_equal(
		assay__bank_choose(point, NULL, 1, 0, 1, ASSAY_ISA_BEST, NULL, NULL, NULL, &chosen, &count, &error),
		ASSAY_E_ARGUMENT);
	assert_int_equal(
		assay__bank_choose(point, NULL, 1, 1025, 1, ASSAY_ISA_BEST, NULL, NULL, NULL, &chosen, &count, NULL),
		ASSAY_E_ARGUMENT);
	assert_int_equal(chosen, 55);
	assert_int_equal(count, 66);
}

struct reports {
	int calls, last_done, last_total, stop_at;
};

static int report(void *ctx, const char *stage, int done, int total)
{
	struct reports *r = ctx;
	assert_string_equal(stage, "choose");
	assert_true(done >= r->last_done && done <= total);
	r->last_done = done;
	r->last_total = total;
	return ++r->calls == r->stop_at;
}

static void progress_is_told_and_cancel_obeyed(void **state)
{
	(void)state;
	seed = 14;
	enum { N = 3000, WANT = 1500 };
	int8_t *points = make_points(RANDOM, N, 10);
	static int64_t chosen[WANT];
	int count = 77, calls;
	struct reports r = {0};
	struct assay_progress progress = {.report = report, .ctx = &r};
	struct failing failing;
	struct assay_error error;

	assert_int_equal(
		assay__bank_choose(points, NULL, N, 10, WANT, ASSAY_ISA_BEST, NULL, &progress, NULL, chosen, &count, NULL), 0);
	assert_int_equal(count, WANT);
	assert_int_equal(r.last_done, WANT);
	assert_int_equal(r.last_total, WANT);
	calls = r.calls;
	assert_true(calls >= 2);
	for (int stop = 1; stop <= calls; stop++) {
		failing_open(&failing, 0);
		r = (struct reports){.stop_at = stop};
		count = 77;
		chosen[0] = -9;
		assert_int_equal(assay__bank_choose(points, NULL, N, 10, WANT, ASSAY_ISA_BEST, NULL, &progress,
											&failing.allocator, chosen, &count, &error),
						 ASSAY_E_CANCELLED);
		assert_int_equal(error.code, ASSAY_E_CANCELLED);
		assert_int_equal(r.calls, stop);
		assert_int_equal(count, 77);
		assert_int_equal(chosen[0], -9);
		assert_int_equal(failing.alive, 0);
	}
	free(points);
}

static void failing_memory_is_survived(void **state)
{
	(void)state;
	seed = 15;
	int8_t *points = make_points(RANDOM, 500, 6);
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay_error error = {0};
		int64_t chosen[20] = {-9};
		int count = 77;
		failing_open(&failing, k);
		int err = assay__bank_choose(points, NULL, 500, 6, 20, ASSAY_ISA_BEST, NULL, NULL, &failing.allocator, chosen,
									 &count, &error);
		assert_int_equal(failing.alive, 0);
		if (!err) {
			assert_int_equal(count, 20);
			assert_true(k > 6);
			break;
		}
		assert_int_equal(err, ASSAY_E_NOMEM);
		assert_int_equal(error.code, ASSAY_E_NOMEM);
		assert_int_equal(count, 77);
		assert_int_equal(chosen[0], -9);
	}
	free(points);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_greedy_choice),
		cmocka_unit_test(ties_beyond_the_pool_are_exact),
		cmocka_unit_test(crowds_beyond_the_pool_are_exact),
		cmocka_unit_test(workers_do_not_matter),
		cmocka_unit_test(degenerate_sets_end_early),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(progress_is_told_and_cancel_obeyed),
		cmocka_unit_test(failing_memory_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
