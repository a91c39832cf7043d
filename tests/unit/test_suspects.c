/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "failing.h"
#include "vision/suspects.h"
#include "vision_util.h"

#define MOST 200

/* Scores of ordinary parts: log scores with an exponential tail. */
static void ordinary(uint32_t *scores, int n, uint64_t seed)
{
	uint64_t state = seed;
	for (int i = 0; i < n; i++) {
		int64_t score = 2000 + net_random_range(&state, -60, 60);
		while (net_random_range(&state, 0, 9) < 4)
			score += score * net_random_range(&state, 1, 6) / 100;
		scores[i] = (uint32_t)score;
	}
}

static int accuse(const uint32_t *scores, int n, bool *marked)
{
	return assay__suspects_accuse(scores, n, NULL, marked);
}

static void long_tail_accuses_nobody(void **state)
{
	uint32_t scores[MOST];
	bool marked[MOST];
	(void)state;
	int accused = 0;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		ordinary(scores, 100, seed);
		accused += accuse(scores, 100, marked);
	}
	assert_true(accused <= 10); /* of 5000 */
}

static void bad_parts_are_found(void **state)
{
	uint32_t scores[MOST];
	bool marked[MOST];
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		ordinary(scores, 100, seed);
		for (int i = 0; i < 10; i++)
			scores[7 * i] = 5000 + 300 * (uint32_t)i;
		int found = accuse(scores, 100, marked);
		assert_true(found >= 10 && found <= 12);
		for (int i = 0; i < 10; i++)
			assert_true(marked[7 * i]);
	}
}

static void order_does_not_matter(void **state)
{
	uint32_t scores[MOST], turned[MOST];
	bool marked[MOST], other[MOST];
	(void)state;
	ordinary(scores, 100, 3);
	scores[20] = scores[60] = 6000;
	for (int i = 0; i < 100; i++)
		turned[i] = scores[99 - i];
	assert_int_equal(accuse(scores, 100, marked), accuse(turned, 100, other));
	for (int i = 0; i < 100; i++)
		assert_int_equal(marked[i], other[99 - i]);
}

static void few_parts_and_many_bad(void **state)
{
	uint32_t scores[MOST];
	bool marked[MOST];
	(void)state;
	ordinary(scores, ASSAY__SUSPECTS_LEAST_PARTS - 1, 3);
	scores[0] = 90000;
	assert_int_equal(accuse(scores, ASSAY__SUSPECTS_LEAST_PARTS - 1, marked), 0);
	assert_int_equal(assay__suspects_question(scores, ASSAY__SUSPECTS_LEAST_PARTS - 1, NULL, marked), 0);
	assert_false(marked[0]);
	/* a second kind of good parts, a third of all, is no suspicion */
	ordinary(scores, 99, 3);
	for (int i = 0; i < 33; i++)
		scores[i] += 9000;
	assert_int_equal(accuse(scores, 99, marked), 0);
	/* parts all alike */
	for (int i = 0; i < 100; i++)
		scores[i] = 500;
	assert_int_equal(accuse(scores, 100, marked), 0);
	assert_int_equal(assay__suspects_question(scores, 100, NULL, marked), 0);
}

static void questions_a_fifth(void **state)
{
	uint32_t scores[MOST];
	bool marked[MOST];
	(void)state;
	for (int i = 0; i < 100; i++)
		scores[i] = 1000 + (uint32_t)i;
	assert_int_equal(assay__suspects_question(scores, 100, NULL, marked), 20);
	for (int i = 0; i < 100; i++)
		assert_int_equal(marked[i], i >= 80);
}

static void logarithm(void **state)
{
	(void)state;
	assert_int_equal(assay__log2_q16(0), 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(assay__log2_q16((uint32_t)1 << i), i << 16);
	assert_int_equal(assay__log2_q16(3), 103872); /* 1.5849625 * 65536, rounded down */
	for (uint32_t i = 1; i < 4000; i++)
		assert_true(assay__log2_q16(i) <= assay__log2_q16(i + 1));
}

static void no_memory(void **state)
{
	uint32_t scores[MOST];
	bool marked[MOST];
	struct failing failing;
	(void)state;
	ordinary(scores, 100, 3);
	failing_open(&failing, 1);
	assert_int_equal(assay__suspects_accuse(scores, 100, &failing.allocator, marked), ASSAY_E_NOMEM);
	failing_open(&failing, 1);
	assert_int_equal(assay__suspects_question(scores, 100, &failing.allocator, marked), ASSAY_E_NOMEM);
}

/* Through teach: three spoiled parts among thirty, of one kind so that they support each other. */
static void teach_leaves_them_out(void **state)
{
	static struct shelf shelf, clean;
	size_t size;
	uint8_t *network = small_network(5, &size);
	struct assay_env env = {.network = network, .network_size_bytes = size};
	struct assay_teach_options options = quick_options();
	struct assay_teach_report report;
	struct assay_recipe_info info, other;
	(void)state;
	shelf_fill(&clean, 30);
	shelf_fill(&shelf, 30);
	for (int i = 0; i < 3; i++) {
		shelf_put(&shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 500 + (uint64_t)i));
		spoil(&shelf.images[30 + i], 10 + 10 * i, 20, 50);
	}
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assay_recipe_get_info(recipe, &info);
	assert_int_equal(report.suspect_count, 3);
	assert_int_equal(report.parts_used, 30);
	for (int i = 0; i < 3; i++) {
		assert_true(info.suspects[i].index >= 30);
		assert_false(info.suspects[i].learnt);
		assert_true(info.suspects[i].score_q8 > report.threshold_q8);
		assert_true(i == 0 || info.suspects[i].score_q8 <= info.suspects[i - 1].score_q8);
	}
	/* what is learnt is what the others alone teach */
	struct assay_recipe *without = must_teach(&env, &options, &clean, &report);
	assay_recipe_get_info(without, &other);
	assert_int_equal(report.suspect_count, 0);
	assert_int_equal(other.report.threshold_q8, info.report.threshold_q8);
	assert_int_equal(other.report.patches, info.report.patches);
	assert_memory_equal(other.calibration_q8, info.calibration_q8, 30 * sizeof(uint32_t));
	/* and with them all the same */
	options.keep_suspects = true;
	struct assay_recipe *kept = must_teach(&env, &options, &shelf, &report);
	assay_recipe_get_info(kept, &other);
	assert_int_equal(report.suspect_count, 3);
	assert_int_equal(report.parts_used, 33);
	assert_true(other.suspects[0].learnt);
	assay_recipe_close(kept);
	assay_recipe_close(without);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
	shelf_clear(&clean);
	free(network);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_tail_accuses_nobody),
		cmocka_unit_test(bad_parts_are_found),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(few_parts_and_many_bad),
		cmocka_unit_test(questions_a_fifth),
		cmocka_unit_test(logarithm),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(teach_leaves_them_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
