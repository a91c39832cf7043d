/* SPDX-License-Identifier: Apache-2.0 */
#include "labels_util.h"

#include <math.h>

#include "failing.h"
#include "vision/bank.h"

/* Numbers anywhere within what a stored head may hold. */
static struct assay__head *random_head(int dim, uint64_t seed, int extreme)
{
	struct assay__head *head = NULL;
	uint64_t state = seed;
	assert_int_equal(assay__head_open(dim, ASSAY_ISA_BEST, NULL, &head, NULL), 0);
	for (int i = 0; i < dim; i++)
		for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++)
			head->w1[assay__head_at(i, j)] =
				extreme ? ASSAY__HEAD_WEIGHT_MOST : (int16_t)((int)(labelled_draw(&state) % 4095) - 2047);
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++) {
		head->bias1[j] = extreme ? ASSAY__HEAD_BIAS_MOST : (int32_t)(labelled_draw(&state) % 200000) - 100000;
		head->w2[j] = extreme ? ASSAY__HEAD_WEIGHT_MOST : (int16_t)((int)(labelled_draw(&state) % 4095) - 2047);
	}
	head->bias2 = extreme ? ASSAY__HEAD_BIAS_MOST : -12345;
	head->shift1 = extreme ? 0 : 9;
	head->shift2 = extreme ? 0 : 5;
	return head;
}

/* The formula of head.h, in 64 bits. */
static int64_t reference(const struct assay__head *head, const int8_t *x)
{
	int64_t sum = head->bias2;
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++) {
		int64_t unit = head->bias1[j];
		for (int i = 0; i < head->dim; i++)
			unit += (int64_t)x[i] * head->w1[assay__head_at(i, j)];
		assert_true(unit >= INT32_MIN && unit <= INT32_MAX);
		unit >>= head->shift1;
		unit = unit < 0 ? 0 : unit > ASSAY__HEAD_UNIT_MOST ? ASSAY__HEAD_UNIT_MOST : unit;
		sum += unit * head->w2[j];
	}
	assert_true(sum >= INT32_MIN && sum <= INT32_MAX);
	sum = head->shift2 >= 0 ? sum >> head->shift2 : sum * (1 << -head->shift2);
	return sum > ASSAY__HEAD_LOGIT_MOST ? ASSAY__HEAD_LOGIT_MOST : sum;
}

static void every_path_gives_the_formula(void **unused)
{
	static const int dims[] = {1, 2, 3, 7, 19, 64, 151, 152, 1023, 1024};
	(void)unused;
	for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
		for (int extreme = 0; extreme < 2; extreme++) {
			int dim = dims[d];
			struct assay__head *head = random_head(dim, d + 1, extreme);
			int8_t *x = malloc((size_t)dim * 5);
			uint64_t state = d;
			int32_t logits[5], again[5];
			for (int i = 0; i < 5 * dim; i++)
				x[i] = extreme ? 127 : (int8_t)((int)(labelled_draw(&state) % 255) - 127);
			assay__head_run(head, x, 5, logits);
			for (int i = 0; i < 5; i++)
				assert_int_equal(logits[i], reference(head, x + i * dim));
			enum assay_isa isa = head->isa;
			head->isa = ASSAY_ISA_SCALAR;
			assay__head_run(head, x, 5, again);
			head->isa = isa;
			assert_memory_equal(logits, again, sizeof(logits));
			free(x);
			assay__head_close(head);
		}
}

static void highest_three(void **unused)
{
	int top[ASSAY__HEAD_TOP];
	const int32_t a[] = {5, 9, 9, -4, 7, 9};
	(void)unused;
	assert_int_equal(assay__head_top(a, 6, top), 3);
	assert_int_equal(top[0], 1);
	assert_int_equal(top[1], 2);
	assert_int_equal(top[2], 5);
	assert_int_equal(assay__head_mean(a, 6), 9);
	assert_int_equal(assay__head_top(a, 1, top), 1);
	assert_int_equal(assay__head_mean(a, 1), 5);
	assert_int_equal(assay__head_mean((const int32_t[]){-1, -2}, 2), -2); /* -1.5, rounded down */
	assert_int_equal(assay__head_mean((const int32_t[]){1 << 30, 1 << 30, 1 << 30}, 3), 1 << 30);
}

static void stored_and_read(void **unused)
{
	struct assay__head *head = random_head(19, 3, 0), *back = NULL;
	size_t size = assay__head_bytes(19);
	uint8_t *bytes = malloc(size), *again = malloc(size);
	struct assay_error error;
	(void)unused;
	assay__head_encode(head, bytes);
	assert_int_equal(assay__head_decode(bytes, size, 19, ASSAY_ISA_BEST, NULL, &back, &error), 0);
	assay__head_encode(back, again);
	assert_memory_equal(bytes, again, size);
	assay__head_close(back);
	back = NULL;
	assert_int_equal(assay__head_decode(bytes, size - 1, 19, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_FORMAT);
	assert_int_equal(assay__head_decode(bytes, size, 20, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_FORMAT);
	assert_int_equal(assay__head_decode(bytes, size, 0, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_FORMAT);
	assert_int_equal(assay__head_decode(bytes, size, -5, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_FORMAT);
	/* the second byte of each kind of number in turn made huge: dim, shift, w1, bias1, w2, bias2 */
	const size_t w1 = 4, b1 = w1 + 19 * 128, w2 = b1 + 256, b2 = w2 + 128;
	const size_t hurt[] = {1, 2, 3, w1 + 1, b1 - 1, b1 + 3, w2 - 1, w2 + 1, b2 - 1, b2 + 3};
	for (size_t i = 0; i < sizeof(hurt) / sizeof(hurt[0]); i++) {
		uint8_t kept = bytes[hurt[i]];
		bytes[hurt[i]] = 0x60;
		assert_int_equal(assay__head_decode(bytes, size, 19, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_FORMAT);
		assert_null(back);
		bytes[hurt[i]] = kept;
	}
	assert_int_equal(assay__head_open(0, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__head_open(ASSAY__BANK_MAX_DIM + 1, ASSAY_ISA_BEST, NULL, &back, &error), ASSAY_E_ARGUMENT);
	free(bytes);
	free(again);
	assay__head_close(head);
}

static struct assay__head *must_train(const struct labelled *set, enum assay_isa isa)
{
	struct assay__head *head = NULL;
	struct assay_error error = {0};
	if (assay__head_train(set->examples, NULL, set->count, 0, LABELLED_DIM, isa, NULL, NULL, NULL, &head, &error))
		fail_msg("%s", error.message);
	return head;
}

/* Share of (good, bad) pairs in the right order on a set it has not seen. */
static double unseen_auroc(const struct assay__head *head, int lean)
{
	struct labelled *test = labelled_make(60, 60, lean, 99);
	int32_t logits[LABELLED_CELLS], means[LABELLED_MOST];
	double right = 0;
	for (int i = 0; i < test->count; i++) {
		assay__head_run(head, test->vectors[i], LABELLED_CELLS, logits);
		means[i] = assay__head_mean(logits, LABELLED_CELLS);
	}
	for (int g = 0; g < 60; g++)
		for (int b = 60; b < 120; b++)
			right += means[b] > means[g] ? 1 : means[b] == means[g] ? 0.5 : 0;
	free(test);
	return right / 3600;
}

static void learns_what_can_be_learnt(void **unused)
{
	struct labelled *set = labelled_make(60, 40, 80, 1);
	struct assay__head *head = must_train(set, ASSAY_ISA_BEST);
	(void)unused;
	assert_true(unseen_auroc(head, 80) > 0.97);
	assay__head_close(head);
	for (int i = 60; i < 100; i++)
		set->examples[i].marks[0] = set->marks[i];
	head = must_train(set, ASSAY_ISA_BEST);
	assert_true(unseen_auroc(head, 80) > 0.97);
	assay__head_close(head);
	free(set);
	set = labelled_make(60, 40, 0, 1); /* nothing to be seen but two cells with less noise */
	head = must_train(set, ASSAY_ISA_BEST);
	assert_true(unseen_auroc(head, 0) < 0.8);
	assay__head_close(head);
	free(set);
}

static void marks_say_where(void **unused)
{
	struct labelled *set = labelled_make(40, 40, 60, 5);
	int32_t logits[LABELLED_CELLS];
	int hits = 0;
	(void)unused;
	for (int i = 40; i < 80; i++)
		set->examples[i].marks[0] = set->marks[i];
	struct assay__head *head = must_train(set, ASSAY_ISA_BEST);
	for (int i = 40; i < 80; i++) {
		int top[ASSAY__HEAD_TOP];
		assay__head_run(head, set->vectors[i], LABELLED_CELLS, logits);
		assay__head_top(logits, LABELLED_CELLS, top);
		hits += set->marks[i][top[0]];
	}
	assert_true(hits >= 38);
	assay__head_close(head);
	free(set);
}

static void same_bits(void **unused)
{
	struct labelled *set = labelled_make(30, 20, 40, 7);
	struct assay__head *a = must_train(set, ASSAY_ISA_BEST), *b = must_train(set, ASSAY_ISA_SCALAR);
	size_t size = assay__head_bytes(LABELLED_DIM);
	uint8_t *x = malloc(size), *y = malloc(size);
	uint32_t sum = 2166136261u;
	(void)unused;
	assay__head_encode(a, x);
	assay__head_encode(b, y);
	assert_memory_equal(x, y, size);
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ x[i]) * 16777619u;
	/* what every machine and compiler must arrive at */
	assert_int_equal(sum, 0x11beddc5u);
	free(x);
	free(y);
	assay__head_close(a);
	assay__head_close(b);
	free(set);
}

static void logistic_is_close(void **unused)
{
	(void)unused;
	for (double x = -45; x < 45; x += 0.37) {
		double clamped = x > 40 ? 40 : x < -40 ? -40 : x, want = 1 / (1 + exp(-clamped));
		assert_true(fabs(assay__logistic(x) - want) <= 1e-12 * want);
	}
}

static int stop_at_once(void *ctx)
{
	return ++*(int *)ctx > 3;
}

static void refusals(void **unused)
{
	struct labelled *set = labelled_make(4, 4, 40, 2);
	struct assay__head *head = NULL;
	struct assay_error error;
	int asked = 0;
	(void)unused;
	assert_int_equal(
		assay__head_train(set->examples, NULL, 4, 0, LABELLED_DIM, ASSAY_ISA_BEST, NULL, NULL, NULL, &head, &error),
		ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "4 good and 0 defective pictures; labels teach from at least one of each");
	assert_int_equal(
		assay__head_train(set->examples + 4, NULL, 4, 0, LABELLED_DIM, ASSAY_ISA_BEST, NULL, NULL, NULL, &head, &error),
		ASSAY_E_ARGUMENT);
	assert_int_equal(
		assay__head_train(set->examples, NULL, 0, 0, LABELLED_DIM, ASSAY_ISA_BEST, NULL, NULL, NULL, &head, &error),
		ASSAY_E_ARGUMENT);
	assert_int_equal(assay__head_train(set->examples, NULL, 8, 0, LABELLED_DIM, ASSAY_ISA_BEST, stop_at_once, &asked,
									   NULL, &head, &error),
					 ASSAY_E_CANCELLED);
	assert_null(head);
	free(set);
}

static void survives_failing_allocations(void **unused)
{
	struct labelled *set = labelled_make(2, 2, 40, 2);
	int rc = ASSAY_E_NOMEM, asked = 3; /* stopped at the first step: only opening is of interest */
	(void)unused;
	for (int k = 1; rc == ASSAY_E_NOMEM; k++) {
		struct failing failing;
		struct assay__head *head = NULL;
		failing_open(&failing, k);
		rc = assay__head_train(set->examples, NULL, 4, 0, LABELLED_DIM, ASSAY_ISA_BEST, stop_at_once, &asked,
							   &failing.allocator, &head, NULL);
		assert_int_equal(atomic_load(&failing.alive), 0);
		assert_null(head);
		assert_true(k < 40);
	}
	assert_int_equal(rc, ASSAY_E_CANCELLED);
	free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_gives_the_formula),
		cmocka_unit_test(highest_three),
		cmocka_unit_test(stored_and_read),
		cmocka_unit_test(learns_what_can_be_learnt),
		cmocka_unit_test(marks_say_where),
		cmocka_unit_test(same_bits),
		cmocka_unit_test(logistic_is_close),
		cmocka_unit_test(refusals),
		cmocka_unit_test(survives_failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
