/* SPDX-License-Identifier: Apache-2.0 */
#include "record_util.h"

#include <math.h>

#include "station/review/reviews.h"

static struct assay__review say(struct assay__reviews *reviews, uint64_t sequence, const char *who,
								enum assay__judgement judgement)
{
	struct assay__review review = {.sequence = sequence, .wall_us = wall_now_us(), .judgement = judgement};
	struct assay_error error = {0};
	strcpy(review.reviewer, who);
	if (assay__reviews_add(reviews, &review, &error))
		fail_msg("%s", error.message);
	return review;
}

static struct assay__reviews *begin(struct room_test *test, int parts)
{
	struct assay__reviews *reviews = NULL;
	struct assay_error error = {0};
	room_test_begin(test);
	test->settings.keep_every = 1;
	room_open(test);
	room_put_some(test, parts);
	room_close(test);
	if (assay__reviews_open(test->dir, &reviews, &error))
		fail_msg("%s", error.message);
	return reviews;
}

static void test_last_word(void **state)
{
	struct room_test test;
	struct assay__reviews *reviews = begin(&test, 12);
	struct assay__review *list = calloc(20, sizeof(*list));
	struct assay_error error = {0};
	uint64_t cursor = 0;
	int count = 0;
	(void)state;
	say(reviews, 5, "li", ASSAY__JUDGED_BAD);
	say(reviews, 5, "li", ASSAY__JUDGED_GOOD);
	say(reviews, 5, "wei", ASSAY__JUDGED_BAD);
	assert_int_equal(assay__reviews_page(reviews, 5, true, &cursor, list, 20, &count, &error), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].reviewer, "wei");
	assert_int_equal(list[1].judgement, ASSAY__JUDGED_GOOD);
	assert_int_equal(assay__reviews_withdraw(reviews, 5, "li", 1, &error), 0);
	cursor = 0;
	assert_int_equal(assay__reviews_page(reviews, 0, true, &cursor, list, 20, &count, &error), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[1].judgement, ASSAY__JUDGED_BAD);
	/* what was withdrawn stays on file, and pages meet without a gap */
	cursor = 0;
	assert_int_equal(assay__reviews_page(reviews, 5, false, &cursor, list, 2, &count, &error), 0);
	assert_int_equal(count, 2);
	assert_true(list[1].withdrawn);
	assert_int_equal(assay__reviews_page(reviews, 5, false, &cursor, list, 2, &count, &error), 0);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].judgement, ASSAY__JUDGED_BAD);
	assert_int_equal(cursor, 0);
	assert_int_equal(assay__reviews_withdraw(reviews, 6, "li", 1, &error), ASSAY_E_ARGUMENT);
	free(list);
	assay__reviews_close(reviews);
	room_test_end(&test);
}

static void test_marks_survive(void **state)
{
	struct room_test test;
	struct assay__reviews *reviews = begin(&test, 5);
	struct assay__review *review = calloc(2, sizeof(*review));
	struct assay_error error = {0};
	uint64_t cursor = 0;
	int count = 0;
	(void)state;
	*review =
		(struct assay__review){.sequence = 5, .judgement = ASSAY__JUDGED_BAD, .kind = "pore", .note = "at the \"rim\""};
	strcpy(review->reviewer, "li");
	review->marks.count = 2;
	review->marks.marks[0] = (struct assay__mark){.radius_px = 0, .first_point = 0, .points = 2};
	review->marks.marks[1] =
		(struct assay__mark){.radius_px = 5, .first_point = 2, .points = ASSAY__MARK_POINTS_MOST - 2};
	review->marks.points = ASSAY__MARK_POINTS_MOST;
	for (int i = 0; i < ASSAY__MARK_POINTS_MOST; i++) {
		review->marks.x[i] = i;
		review->marks.y[i] = 65535 - i;
	}
	assert_int_equal(assay__reviews_add(reviews, review, &error), 0);
	assay__reviews_close(reviews);
	assert_int_equal(assay__reviews_open(test.dir, &reviews, &error), 0);
	assert_int_equal(assay__reviews_page(reviews, 0, true, &cursor, review + 1, 1, &count, &error), 0);
	assert_int_equal(count, 1);
	assert_string_equal(review[1].kind, "pore");
	assert_string_equal(review[1].note, "at the \"rim\"");
	assert_memory_equal(&review[1].marks, &review[0].marks, sizeof(review->marks));
	/* a view that the part does not have, and a part that is not there */
	review->marks.marks[1].view = 1;
	assert_int_equal(assay__reviews_add(reviews, review, &error), ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "mark 2"));
	review->sequence = 77;
	assert_int_equal(assay__reviews_add(reviews, review, &error), ASSAY_E_ARGUMENT);
	free(review);
	assay__reviews_close(reviews);
	room_test_end(&test);
}

static void test_queue(void **state)
{
	struct room_test test;
	struct assay__reviews *reviews = begin(&test, 40);
	struct assay__queued list[50];
	struct assay_error error = {0};
	int count = 0, near = 0, unlike = 0;
	(void)state;
	assert_int_equal(assay__reviews_queue(reviews, "li", list, 50, &count, &error), 0);
	/* 40 parts, three of them FAULT, each once */
	assert_int_equal(count, 37);
	for (int i = 0; i < count; i++) {
		assert_int_not_equal(list[i].part.verdict, ASSAY_FAULT);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(list[i].part.sequence, list[j].part.sequence);
		near += list[i].worth == ASSAY__WORTH_NEAR;
		unlike += list[i].worth == ASSAY__WORTH_UNLIKE;
	}
	assert_true(near > 0 && unlike > 0);
	/* the nearest comes first: FAIL scores lie 0.56 and more above the threshold, PASS 0.61 below */
	assert_int_equal(list[0].part.sequence, 5);
	assert_int_equal(list[2].worth, ASSAY__WORTH_UNLIKE);
	/* what I judged is gone for me; what we differ about comes first for a third */
	say(reviews, 5, "li", ASSAY__JUDGED_BAD);
	say(reviews, 5, "wei", ASSAY__JUDGED_GOOD);
	assert_int_equal(assay__reviews_queue(reviews, "li", list, 50, &count, &error), 0);
	assert_int_equal(count, 36);
	assert_int_equal(assay__reviews_queue(reviews, "zhao", list, 5, &count, &error), 0);
	assert_int_equal(count, 5);
	assert_int_equal(list[0].part.sequence, 5);
	assert_int_equal(list[0].worth, ASSAY__WORTH_DISPUTED);
	assay__reviews_close(reviews);
	room_test_end(&test);
}

static void test_counts_and_kappa(void **state)
{
	struct room_test test;
	struct assay__reviews *reviews = begin(&test, 60);
	struct assay__review_counts counts;
	struct assay__agreement pairs[4];
	struct assay_error error = {0};
	int count = 0;
	(void)state;
	/* 20 both bad, 15 both good, 5 only li bad, 10 only wei bad: the textbook's table, kappa 0.4 */
	for (uint64_t i = 1; i <= 50; i++) {
		say(reviews, i, "li", i <= 20 || (i > 35 && i <= 40) ? ASSAY__JUDGED_BAD : ASSAY__JUDGED_GOOD);
		say(reviews, i, "wei", i <= 20 || i > 40 ? ASSAY__JUDGED_BAD : ASSAY__JUDGED_GOOD);
	}
	say(reviews, 51, "li", ASSAY__JUDGED_UNSURE);
	assert_int_equal(assay__reviews_agreement(reviews, pairs, 4, &count, &error), 0);
	assert_int_equal(count, 1);
	assert_string_equal(pairs[0].first, "li");
	assert_int_equal(pairs[0].both_bad, 20);
	assert_int_equal(pairs[0].only_second_bad, 10);
	assert_true(fabs(pairs[0].kappa - 0.4) < 1e-12);
	assert_int_equal(assay__reviews_counts(reviews, &counts, &error), 0);
	assert_int_equal(counts.parts, 51);
	assert_int_equal(counts.unsure, 1);
	assert_int_equal(counts.disputed, 15);
	/* by the last word, wei's: 21..40 are good, of which 25, 30, 35 and 40 are FAIL; 1..20 and 41..50 bad */
	assert_int_equal(counts.good, 20);
	assert_int_equal(counts.bad, 30);
	assert_int_equal(counts.overkill, 4);
	assert_true(counts.escapes > 15);
	assert_true(isnan(assay__kappa(&(struct assay__agreement){.both_good = 7})));
	assay__reviews_close(reviews);
	room_test_end(&test);
}

static void test_other_files(void **state)
{
	struct room_test test;
	struct assay__reviews *reviews = NULL;
	struct assay_error error = {0};
	char path[128];
	(void)state;
	room_test_begin(&test);
	/* no record yet: said, and none is made */
	assert_true(assay__reviews_open(test.dir, &reviews, &error) < 0);
	snprintf(path, sizeof(path), "%s/record.db", test.dir);
	assert_int_not_equal(access(path, F_OK), 0);
	room_open(&test);
	room_put_some(&test, 3);
	room_close(&test);
	snprintf(path, sizeof(path), "%s/reviews.db", test.dir);
	FILE *file = fopen(path, "w");
	fputs("these are no reviews at all, but long enough to look like a file of something else, which is refused", file);
	fclose(file);
	assert_true(assay__reviews_open(test.dir, &reviews, &error) < 0);
	assert_non_null(strstr(error.message, "reviews.db"));
	room_test_end(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_word),		 cmocka_unit_test(test_marks_survive), cmocka_unit_test(test_queue),
		cmocka_unit_test(test_counts_and_kappa), cmocka_unit_test(test_other_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
