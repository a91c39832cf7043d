/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "vision/bank.h"

static uint64_t seed;

static uint32_t next(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

/* span 256: any s8; smaller: few values, so ties; 0: only the extremes -128 and 127. */
static int8_t *vectors(int count, int dim, int span)
{
	int8_t *v = malloc((size_t)count * (size_t)dim);
	assert_non_null(v);
	for (int i = 0; i < count * dim; i++)
		v[i] = (int8_t)(span ? (int)(next() % (uint32_t)span) - span / 2 : next() % 2 ? 127 : -128);
	return v;
}

static void plain_nearest(const int8_t *bank, int count, int dim, const int8_t *query, int32_t *d2, int32_t *index)
{
	int64_t best = INT64_MAX;
	for (int v = 0; v < count; v++) {
		int64_t sum = 0;
		for (int k = 0; k < dim; k++) {
			int difference = query[k] - bank[(size_t)v * (size_t)dim + (size_t)k];
			sum += difference * difference;
		}
		if (sum < best) {
			best = sum;
			*index = v;
		}
	}
	*d2 = (int32_t)best;
}

/* Both, of dim values each, are freed. */
static void check_these(int8_t *bank_vectors, int count, int8_t *queries, int n, int dim)
{
	int32_t *want_d2 = malloc((size_t)n * 4), *want_index = malloc((size_t)n * 4);
	int32_t *d2 = malloc((size_t)n * 4 + 4), *index = malloc((size_t)n * 4 + 4);
	for (int i = 0; i < n; i++)
		plain_nearest(bank_vectors, count, dim, queries + (size_t)i * (size_t)dim, &want_d2[i], &want_index[i]);
	for (enum assay_isa isa = ASSAY_ISA_SCALAR; isa <= assay_isa_best(); isa++) {
		struct assay__bank *bank;
		assert_int_equal(assay__bank_open(bank_vectors, count, dim, isa, NULL, &bank, NULL), 0);
		d2[n] = index[n] = -77;
		assay__bank_nearest(bank, queries, n, d2, index);
		assert_memory_equal(d2, want_d2, (size_t)n * 4);
		assert_memory_equal(index, want_index, (size_t)n * 4);
		assert_int_equal(d2[n], -77);
		assert_int_equal(index[n], -77);
		memset(d2, 0x55, (size_t)n * 4);
		assay__bank_nearest(bank, queries, n, d2, NULL);
		assert_memory_equal(d2, want_d2, (size_t)n * 4);
		assay__bank_close(bank);
	}
	free(bank_vectors);
	free(queries);
	free(want_d2);
	free(want_index);
	free(d2);
	free(index);
}

static void check(int count, int dim, int n, int span)
{
	int8_t *bank_vectors = vectors(count, dim, span), *queries = vectors(n, dim, span);
	if (n > 2 && count > 1)
		memcpy(queries + dim, bank_vectors + (size_t)(count - 1) * (size_t)dim, (size_t)dim);
	check_these(bank_vectors, count, queries, n, dim);
}

static void every_dim_is_exact(void **state)
{
	(void)state;
	seed = 1;
	for (int dim = 1; dim <= 200; dim++)
		check(53, dim, 11, 256);
	for (int dim = 250; dim <= 1024; dim += 43)
		check(50, dim, 20, 256);
	check(100, 1024, 33, 256);
}

static void every_count_is_exact(void **state)
{
	(void)state;
	seed = 2;
	for (int count = 1; count <= 150; count++)
		check(count, 13, 9, 256);
	for (int n = 0; n <= 140; n++)
		check(70, 24, n, 256);
	check(700, 152, 300, 256);
}

static void ties_go_to_the_lowest_index(void **state)
{
	(void)state;
	seed = 3;
	for (int count = 1; count <= 130; count += 3) {
		check(count, 4, 40, 2);
		check(count, 9, 40, 3);
		check(count, 1, 40, 5);
	}
}

static void extremes_do_not_overflow(void **state)
{
	(void)state;
	seed = 4;
	for (int dim = 1; dim <= 1024; dim = dim < 8 ? dim + 1 : dim * 2)
		check(49, dim, 17, 0);

	/* The farthest two vectors there can be: 1024 times 255^2. */
	int8_t low[1024], high[1024];
	memset(low, -128, sizeof low);
	memset(high, 127, sizeof high);
	for (enum assay_isa isa = ASSAY_ISA_SCALAR; isa <= assay_isa_best(); isa++) {
		for (int swap = 0; swap < 2; swap++) {
			struct assay__bank *bank;
			int32_t d2, index;
			assert_int_equal(assay__bank_open(swap ? high : low, 1, 1024, isa, NULL, &bank, NULL), 0);
			assay__bank_nearest(bank, swap ? low : high, 1, &d2, &index);
			assert_int_equal(d2, 1024 * 255 * 255);
			assert_int_equal(index, 0);
			assay__bank_close(bank);
		}
	}
}

/* Vectors as pictures give them: a few directions hold most of the spread, and like ones lie together. */
static int8_t *like_features(int count, int dim, uint64_t same_seed, int spread, int noise)
{
	enum { AXES = 6 };
	int8_t *v = malloc((size_t)count * (size_t)dim), *axes;
	const uint64_t kept = seed;
	seed = same_seed;
	axes = vectors(AXES, dim, 64);
	seed = kept;
	assert_non_null(v);
	for (int i = 0; i < count; i++) {
		int along[AXES];
		for (int a = 0; a < AXES; a++)
			along[a] = (int)(next() % (uint32_t)(2 * spread + 1)) - spread;
		for (int k = 0; k < dim; k++) {
			int value = noise ? (int)(next() % (uint32_t)(2 * noise + 1)) - noise : 0;
			for (int a = 0; a < AXES; a++)
				value += along[a] * axes[a * dim + k] / 16;
			v[(size_t)i * (size_t)dim + (size_t)k] = (int8_t)(value > 127 ? 127 : value < -128 ? -128 : value);
		}
	}
	free(axes);
	return v;
}

/* Where the nearest ones are closer than codes can tell: copies of a few vectors, some values one off. */
static int8_t *near_twins(const int8_t *of, int of_count, int count, int dim)
{
	int8_t *v = malloc((size_t)count * (size_t)dim);
	assert_non_null(v);
	for (int i = 0; i < count; i++)
		for (int k = 0; k < dim; k++)
			v[(size_t)i * (size_t)dim + (size_t)k] =
				(int8_t)(of[(size_t)(i % of_count) * (size_t)dim + (size_t)k] / 2 + (next() % 8 == 0));
	return v;
}

/* Large banks are searched by way of codes. */
static void codes_lose_no_vector(void **state)
{
	static const int dims[] = {32, 33, 63, 64, 65, 100, 152, 255, 1024};
	(void)state;
	seed = 5;
	for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++)
		for (int spread = 1; spread <= 64; spread *= 4)
			for (int noise = 0; noise <= 30; noise += 6)
				check_these(like_features(255 + noise, dims[d], 9, spread, noise), 255 + noise,
							like_features(21, dims[d], 9, spread + noise / 2, noise), 21, dims[d]);
	/* several chunks of tiles, the last one short */
	check_these(like_features(8300, 40, 9, 20, 5), 8300, like_features(200, 40, 9, 20, 5), 200, 40);
	for (int n = 0; n < 20; n++)
		check_these(like_features(640, 48, 9, 20, 2), 640, like_features(n, 48, 9, 20, 2), n, 48);
	int8_t *originals = like_features(40, 64, 9, 40, 20);
	for (int i = 0; i < 30; i++)
		check_these(near_twins(originals, 40, 400, 64), 400, near_twins(originals, 40, 200, 64), 200, 64);
	free(originals);
	/* all alike, and queries far from all of them or on both sides of far */
	check_these(like_features(300, 64, 9, 0, 0), 300, like_features(40, 64, 9, 30, 3), 40, 64);
	check_these(like_features(300, 64, 9, 0, 1), 300, vectors(40, 64, 0), 40, 64);
	check_these(like_features(1000, 152, 9, 10, 3), 1000, vectors(150, 152, 0), 150, 152);
	check_these(vectors(1000, 152, 0), 1000, vectors(150, 152, 0), 150, 152);
	check_these(vectors(1000, 152, 2), 1000, vectors(150, 152, 3), 150, 152);
}

static void bad_arguments_are_refused(void **state)
{
	(void)state;
	int8_t v[4] = {0};
	struct assay__bank *bank = (struct assay__bank *)v;
	struct assay_error error;
	assert_int_equal(assay__bank_open(v, 0, 4, ASSAY_ISA_BEST, NULL, &bank, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "a bank of 0 vectors; 1 to 2147483583 are possible");
	assert_int_equal(assay__bank_open(v, 1, 0, ASSAY_ISA_BEST, NULL, &bank, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__bank_open(v, 1, 1025, ASSAY_ISA_BEST, NULL, &bank, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__bank_open(v, -1, 4, ASSAY_ISA_BEST, NULL, &bank, NULL), ASSAY_E_ARGUMENT);
	assert_ptr_equal(bank, v);
	assay__bank_close(NULL);
}

static void survive(int count, int dim, int least)
{
	int8_t *v = vectors(count, dim, 9);
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay__bank *bank = NULL;
		struct assay_error error = {0};
		failing_open(&failing, k);
		int err = assay__bank_open(v, count, dim, ASSAY_ISA_BEST, &failing.allocator, &bank, &error);
		if (!err) {
			assert_true(k > least);
			int before = failing.requests;
			int32_t d2[16];
			assay__bank_nearest(bank, v, 16, d2, NULL);
			assert_int_equal(failing.requests, before);
			assay__bank_close(bank);
			assert_int_equal(failing.alive, 0);
			break;
		}
		assert_int_equal(err, ASSAY_E_NOMEM);
		assert_int_equal(error.code, ASSAY_E_NOMEM);
		assert_null(bank);
		assert_int_equal(failing.alive, 0);
	}
	free(v);
}

static void failing_memory_is_survived(void **state)
{
	(void)state;
	seed = 6;
	survive(16, 4, 3);
	survive(300, 40, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dim_is_exact),		   cmocka_unit_test(every_count_is_exact),
		cmocka_unit_test(ties_go_to_the_lowest_index), cmocka_unit_test(extremes_do_not_overflow),
		cmocka_unit_test(codes_lose_no_vector),		   cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(failing_memory_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
