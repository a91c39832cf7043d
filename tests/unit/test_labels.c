/* SPDX-License-Identifier: Apache-2.0 */
#include "labels_util.h"

#include <stdio.h>

#include "base/parallel.h"
#include "failing.h"

static const struct assay__labour alone;

/* On one scale, or on two that see the same. */
static struct assay__labels_plan plan_of(int scales, const struct assay__labour *labour)
{
	return (struct assay__labels_plan){
		.dim = LABELLED_DIM, .scales = scales, .overkill = 0.05, .isa = ASSAY_ISA_BEST, .labour = labour};
}

static struct assay__labels *must_learn(const struct assay__example *examples, int count,
										const struct assay__labour *labour, uint32_t *joined,
										struct assay__labels_report *report)
{
	struct assay__labels_plan plan = plan_of(1, labour);
	struct assay__labels *labels = NULL;
	struct assay_error error = {0};
	if (assay__labels_learn(examples, count, &plan, joined, &labels, report, &error))
		fail_msg("%s", error.message);
	return labels;
}

static void labels_pay(void **unused)
{
	struct labelled *set = labelled_make(60, 40, 80, 1);
	struct assay__labels_report report;
	uint32_t joined[LABELLED_MOST];
	int32_t logits[LABELLED_CELLS];
	(void)unused;
	struct assay__labels *labels = must_learn(set->examples, set->count, &alone, joined, &report);
	assert_non_null(labels);
	assert_true(report.used);
	assert_int_equal(report.folds, ASSAY__LABEL_FOLDS);
	assert_int_equal(report.good_groups, 60);
	assert_int_equal(report.defect_groups, 40);
	assert_true(report.join.joined_auroc > 0.95 && report.join.bank_auroc < 0.9);
	assert_true(report.join.joined_escapes < report.join.bank_escapes);
	for (int i = 0; i < set->count; i++)
		assert_true(joined[i] >= set->examples[i].bank_q8);
	/* the bank's verdicts stand, and its threshold rises only where that pays */
	assert_true(report.join.joined_q8 >= report.join.bank_q8);
	assert_int_equal(labels->join.bank_high_q8, report.join.joined_q8);
	int rejected = 0;
	for (int i = 0; i < 60; i++)
		rejected += joined[i] > report.join.joined_q8;
	assert_true(rejected <= 2); /* 5 % of 61 is 3, and the third largest is the threshold */
	/* defects not seen before, by all heads together */
	struct labelled *unseen = labelled_make(30, 30, 80, 2);
	int wrong = 0;
	for (int i = 0; i < 60; i++) {
		int32_t logit = assay__labels_run(labels, 0, unseen->vectors[i], LABELLED_CELLS, logits);
		wrong += (assay__join_logit(&labels->join, logit) > report.join.joined_q8) != (i >= 30);
		assert_true(logits[0] > -(1 << 28) && logits[0] < 1 << 28);
	}
	assert_true(wrong <= 6);
	free(unseen);
	assay__labels_close(labels);
	free(set);
}

static void heads_of_all_scales_count(void **unused)
{
	struct labelled *set = labelled_make(40, 30, 80, 12), *blind = labelled_make(40, 30, 0, 13);
	struct assay__labels_plan plan = plan_of(2, &alone);
	struct assay__labels_report report;
	struct assay__labels *labels = NULL;
	uint32_t joined[LABELLED_MOST];
	int32_t logits[LABELLED_CELLS], of_scale[2];
	(void)unused;
	for (int i = 0; i < set->count; i++) { /* the coarse scale sees nothing, and has fewer cells */
		set->examples[i].vectors[1] = set->examples[i].vectors[0];
		set->examples[i].cells[1] = LABELLED_CELLS;
		set->examples[i].vectors[0] = blind->vectors[i];
		set->examples[i].cells[0] = 7;
	}
	assert_int_equal(assay__labels_learn(set->examples, set->count, &plan, joined, &labels, &report, NULL), 0);
	assert_non_null(labels);
	assert_int_equal(labels->scales, 2);
	assert_int_equal(labels->folds, report.folds);
	for (int s = 0; s < 2; s++)
		of_scale[s] = assay__labels_run(labels, s, set->examples[60].vectors[s], set->examples[60].cells[s], logits);
	assert_true(assay__labels_mean(of_scale, 2) >= (of_scale[0] < of_scale[1] ? of_scale[0] : of_scale[1]));
	assay__labels_close(labels);
	free(set);
	free(blind);
}

static void useless_labels_change_nothing(void **unused)
{
	struct labelled *set = labelled_make(60, 40, 0, 3);
	struct assay__labels_report report;
	uint32_t joined[LABELLED_MOST];
	(void)unused;
	for (int i = 0; i < set->count; i++) /* the bank knows all there is to know */
		set->examples[i].bank_q8 += set->examples[i].defect ? 100000 : 0;
	assert_null(must_learn(set->examples, set->count, &alone, joined, &report));
	assert_false(report.used);
	for (int i = 0; i < set->count; i++)
		assert_int_equal(joined[i], set->examples[i].bank_q8);
	/* one defect cannot be cross-validated */
	assert_null(must_learn(set->examples, 61, &alone, joined, &report));
	assert_int_equal(report.folds, 0);
	/* nor can a single kind be learnt from */
	struct assay__labels_plan plan = plan_of(1, &alone);
	struct assay__labels *labels = NULL;
	assert_int_equal(assay__labels_learn(set->examples, 60, &plan, joined, &labels, &report, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__labels_learn(set->examples, 0, &plan, joined, &labels, &report, NULL), ASSAY_E_ARGUMENT);
	free(set);
}

static void one_part_stays_in_one_fold(void **unused)
{
	struct labelled *set = labelled_make(20, 20, 50, 4);
	struct assay__labels_report report;
	uint32_t joined[LABELLED_MOST];
	char names[20][16];
	(void)unused;
	for (int i = 0; i < 20; i++) { /* ten parts of two pictures, good and bad alike */
		snprintf(names[i], sizeof(names[i]), "p%d", i / 2);
		set->examples[i].group = names[i];
		set->examples[20 + i].group = i < 4 ? "p0" : NULL;
	}
	memcpy(set->hashes[39], set->hashes[38], ASSAY_HASH_BYTES); /* pixel-identical */
	assay__labels_close(must_learn(set->examples, set->count, &alone, joined, &report));
	assert_int_equal(report.good_groups, 9); /* p0 has a defect in some of its pictures */
	assert_int_equal(report.defect_groups, 16);
	/* all defects are one part: nothing to hold out */
	for (int i = 20; i < 40; i++)
		set->examples[i].group = "same";
	assert_null(must_learn(set->examples, set->count, &alone, joined, &report));
	assert_int_equal(report.defect_groups, 1);
	assert_int_equal(report.folds, 0);
	free(set);
}

static void same_bits_in_any_order_and_with_any_threads(void **unused)
{
	struct labelled *set = labelled_make(30, 25, 80, 8);
	struct assay__labels_report report, again;
	uint32_t joined[LABELLED_MOST], turned_joined[LABELLED_MOST];
	struct assay__example turned[LABELLED_MOST];
	size_t size = assay__labels_bytes(LABELLED_DIM, 1, ASSAY__LABEL_FOLDS);
	uint8_t *a = malloc(size), *b = malloc(size);
	struct assay__parallel *parallel = NULL;
	(void)unused;
	struct assay__labels *labels = must_learn(set->examples, set->count, &alone, joined, &report);
	assert_non_null(labels);
	assay__labels_encode(labels, a);
	assay__labels_close(labels);
	for (int i = 0; i < set->count; i++)
		turned[i] = set->examples[set->count - 1 - i];
	assert_int_equal(assay__parallel_open(3, NULL, &parallel, NULL), 0);
	struct assay__labour three = {.runner = assay__parallel_runner(parallel)};
	labels = must_learn(turned, set->count, &three, turned_joined, &again);
	assert_non_null(labels);
	assay__labels_encode(labels, b);
	assert_memory_equal(a, b, size);
	for (int i = 0; i < set->count; i++)
		assert_int_equal(joined[i], turned_joined[set->count - 1 - i]);
	assert_int_equal(report.join.joined_q8, again.join.joined_q8);
	assay__labels_close(labels);
	assay__parallel_close(parallel);
	/* stored, read, and damaged */
	struct assay_error error;
	assert_int_equal(assay__labels_decode(b, size, LABELLED_DIM, 1, ASSAY_ISA_BEST, NULL, &labels, &error), 0);
	assay__labels_encode(labels, a);
	assert_memory_equal(a, b, size);
	assay__labels_close(labels);
	for (size_t cut = 0; cut < size; cut += 97)
		assert_int_equal(assay__labels_decode(b, cut, LABELLED_DIM, 1, ASSAY_ISA_BEST, NULL, &labels, &error),
						 ASSAY_E_FORMAT);
	assert_int_equal(assay__labels_decode(b, size, LABELLED_DIM, 2, ASSAY_ISA_BEST, NULL, &labels, &error),
					 ASSAY_E_FORMAT);
	memset(b, 0, 20);
	assert_int_equal(assay__labels_decode(b, size, LABELLED_DIM, 1, ASSAY_ISA_BEST, NULL, &labels, &error),
					 ASSAY_E_FORMAT);
	free(a);
	free(b);
	free(set);
}

static void the_line(void **unused)
{
	const struct assay__join join = {-1000, 3000, 100, 500};
	(void)unused;
	assert_int_equal(assay__join_logit(&join, -1000), 100);
	assert_int_equal(assay__join_logit(&join, 3000), 500);
	assert_int_equal(assay__join_logit(&join, 2999), 499); /* rounded down */
	assert_int_equal(assay__join_logit(&join, 3009), 500);
	assert_int_equal(assay__join_logit(&join, 3010), 501);
	assert_int_equal(assay__join_logit(&join, -1001), 99);
	assert_int_equal(assay__join_logit(&join, -(1 << 30)), 0);
	assert_true(assay__join_logit(&(struct assay__join){0, 1, 0, 1u << 30}, 1 << 30) == UINT32_MAX / 2);
	assert_int_equal(assay__join_score(&join, 400, -1000), 400);
	assert_int_equal(assay__join_score(&join, 400, 3000), 500);
	assert_false(assay__join_sane(&(struct assay__join){0, 0, 1, 2}));
	assert_false(assay__join_sane(&(struct assay__join){0, 1, 2, 2}));
	assert_false(assay__join_sane(&(struct assay__join){INT32_MIN, 1, 1, 2}));
	assert_false(assay__join_sane(&(struct assay__join){0, 1, 1, UINT32_MAX}));
}

static void flat_scores_do_not_join(void **unused)
{
	uint32_t bank[4] = {7, 7, 7, 9};
	int32_t logits[4] = {1, 2, 3, 9};
	uint8_t defect[4] = {0, 0, 0, 1};
	struct assay__join join;
	struct assay__join_report report;
	bool fits = true;
	(void)unused;
	assert_int_equal(assay__join_fit(bank, logits, defect, 4, 0.01, NULL, &join, &report, &fits, NULL), 0);
	assert_false(fits);
	bank[0] = 5;
	bank[2] = 8;
	bank[3] = 6; /* the heads alone find it */
	assert_int_equal(assay__join_fit(bank, logits, defect, 4, 0.01, NULL, &join, &report, &fits, NULL), 0);
	assert_true(fits);
	assert_int_equal(join.head_low_q12, 2);
	assert_int_equal(join.head_high_q12, 4); /* a quarter of the gap from 3 to 9, rounded down */
	assert_int_equal(join.bank_low_q8, 7);
	assert_int_equal(join.bank_high_q8, 8);
}

/* 99 good parts scoring 1..99, five of them may go; one good part in ten looks bad to the heads. */
static void thresholds_share_the_overkill(void **unused)
{
	uint32_t bank[104];
	int32_t logits[104];
	uint8_t defect[104] = {0};
	struct assay__join join;
	struct assay__join_report report;
	bool fits = false;
	(void)unused;
	for (int i = 0; i < 99; i++) {
		bank[i] = (uint32_t)i + 1;
		logits[i] = i < 3 ? 5000 + i : i;
	}
	for (int i = 99; i < 104; i++) { /* only the heads find them, and not without those three */
		bank[i] = 50;
		logits[i] = 4000;
		defect[i] = 1;
	}
	assert_int_equal(assay__join_fit(bank, logits, defect, 104, 0.05, NULL, &join, &report, &fits, NULL), 0);
	assert_true(fits);
	assert_int_equal(report.bank_q8, 95);
	assert_int_equal(report.bank_escapes, 5);
	assert_int_equal(report.joined_escapes, 0);
	assert_true(report.joined_q8 > 95 &&
				report.joined_q8 <= 98); /* it had to make room, to half its overkill at most */
	assert_true(report.better);
	int rejected = 0;
	for (int i = 0; i < 99; i++)
		rejected += assay__join_score(&join, bank[i], logits[i]) > report.joined_q8;
	assert_true(rejected <= 4);
	/* defects that nobody can tell are no reason to let the bank see less */
	for (int i = 99; i < 104; i++)
		logits[i] = 0;
	assert_int_equal(assay__join_fit(bank, logits, defect, 104, 0.05, NULL, &join, &report, &fits, NULL), 0);
	assert_true(fits);
	assert_int_equal(report.joined_q8, 95);
	assert_false(report.joined_escapes < 5);
}

static void parts_by_name(void **unused)
{
	static const struct {
		const char *path, *group;
	} cases[] = {
		{"ng/cast_def_0_123.jpeg", ""}, {"housing17__top.png", "housing17"}, {"a/b__c/x", ""}, {"/z/__x.png", ""},
		{"a__b__c.png", "a"},			{"two.dots__1.tif", "two.dots"},	 {"", ""},
	};
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *start = NULL;
		size_t length = assay__labels_group(cases[i].path, &start);
		assert_int_equal(length, strlen(cases[i].group));
		assert_memory_equal(start, cases[i].group, length);
	}
}

static int cancel(void *ctx, const char *stage, int done, int total)
{
	(void)ctx, (void)stage, (void)done, (void)total;
	return 1;
}

static void survives_failing_allocations(void **unused)
{
	struct labelled *set = labelled_make(6, 6, 50, 2);
	int rc = ASSAY_E_NOMEM, k = 1;
	(void)unused;
	for (; rc == ASSAY_E_NOMEM; k++) {
		struct failing failing;
		struct assay__labels *labels = NULL;
		struct assay__labels_report report = {.folds = -7};
		uint32_t joined[LABELLED_MOST] = {0};
		failing_open(&failing, k);
		struct assay__labels_plan plan = plan_of(1, &alone);
		plan.allocator = &failing.allocator;
		rc = assay__labels_learn(set->examples, set->count, &plan, joined, &labels, &report, NULL);
		if (rc) {
			assert_int_equal(rc, ASSAY_E_NOMEM);
			assert_null(labels);
			assert_int_equal(report.folds, -7);
		}
		assay__labels_close(labels);
		assert_int_equal(atomic_load(&failing.alive), 0);
		assert_true(k < 200);
	}
	assert_true(k > 20);
	struct assay_teach_hooks hooks = {.progress = {.report = cancel}};
	struct assay__labour labour = {.hooks = &hooks};
	struct assay__labels *labels = NULL;
	struct assay__labels_report report;
	uint32_t joined[LABELLED_MOST];
	struct assay__labels_plan plan = plan_of(1, &labour);
	assert_int_equal(assay__labels_learn(set->examples, set->count, &plan, joined, &labels, &report, NULL),
					 ASSAY_E_CANCELLED);
	free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_pay),
		cmocka_unit_test(heads_of_all_scales_count),
		cmocka_unit_test(useless_labels_change_nothing),
		cmocka_unit_test(one_part_stays_in_one_fold),
		cmocka_unit_test(same_bits_in_any_order_and_with_any_threads),
		cmocka_unit_test(the_line),
		cmocka_unit_test(flat_scores_do_not_join),
		cmocka_unit_test(thresholds_share_the_overkill),
		cmocka_unit_test(parts_by_name),
		cmocka_unit_test(survives_failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
