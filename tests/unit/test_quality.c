/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over a record against counts made by hand, and the plan: none of them may read the parts themselves. */
#include "record_util.h"

#include "station/record/quality.h"
#include "station/record/query.h"

#define BEGIN_US 1700000000000000LL
#define PARTS 60

static struct room_test test;

/* One a second. */
static void put_parts(int *pass, int *fail, int *fault)
{
	static const uint32_t map[12];
	uint8_t pixels[16 * 12] = {0};
	struct assay_image image = {
		.pixels = pixels, .stride_bytes = 16, .width_px = 16, .height_px = 12, .channels = 1, .depth_bits = 8};

	for (int i = 0; i < PARTS; i++) {
		enum assay_verdict verdict = i % 10 == 3 ? ASSAY_FAIL : i % 15 == 7 ? ASSAY_FAULT : ASSAY_PASS;
		struct assay__part part = make_station_part(assay__record_next(test.record), verdict, &image, map);

		part.wall_us = BEGIN_US + i * 1000000LL;
		if (i == 20)
			part.challenge = true; /* a PASS: an escape of a known bad part */
		if (i == 30)
			strcpy(part.recipe_name, "cover");
		*pass += verdict == ASSAY_PASS && i != 20;
		*fail += verdict == ASSAY_FAIL;
		*fault += verdict == ASSAY_FAULT;
		assert_int_equal(assay__record_put(test.record, &part), 0);
	}
	assert_true(assay__record_flush(test.record, 60000));
}

static uint64_t sum_of(const uint64_t *values, int count)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += values[i];
	return sum;
}

static void test_counts(void **state)
{
	struct assay__quality *sum = malloc(sizeof(*sum));
	struct assay__quality_ask ask = {.from_us = BEGIN_US, .to_us = BEGIN_US + PARTS * 1000000LL, .steps = 6};
	struct assay__quality_reader *reader;
	struct assay_error error;
	int pass = 0, fail = 0, fault = 0;
	uint64_t placed = 0, in_steps = 0;

	(void)state;
	room_test_begin(&test);
	room_open(&test);
	put_parts(&pass, &fail, &fault);
	assert_int_equal(assay__quality_open(test.dir, &reader, &error), 0);
	assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), 0);
	assert_int_equal(sum->total.pass, pass);
	assert_int_equal(sum->total.fail, fail);
	assert_int_equal(sum->total.fault, fault);
	assert_int_equal(sum->challenge, 1);
	assert_int_equal(sum->challenge_caught, 0);
	assert_int_equal(sum->by_fault[ASSAY__FAULT_NO_IMAGE], fault);
	assert_int_equal(sum_of(sum->bins_pass, ASSAY__QUALITY_BINS), pass);
	assert_int_equal(sum_of(sum->bins_fail, ASSAY__QUALITY_BINS), fail);
	assert_int_equal(sum->threshold_q8, 2560);
	/* every PASS scores 1000: one bin has them all */
	assert_int_equal(sum->bins_pass[1000 / sum->bin_q8], pass);
	for (int i = 0; i < 6; i++) {
		in_steps += sum->steps[i].pass + sum->steps[i].fail + sum->steps[i].fault;
		assert_int_equal(sum->steps[i].fail, 1);
	}
	assert_int_equal(in_steps, PARTS - 1);
	assert_int_equal(sum->place_count, 1);
	assert_string_equal(sum->places[0].camera, "top");
	for (int i = 0; i < ASSAY__QUALITY_GRID_WIDTH * ASSAY__QUALITY_GRID_HEIGHT; i++)
		placed += (&sum->places[0].cells[0][0])[i];
	assert_true(placed <= (uint64_t)fail);
	/* half the time, the end not included */
	ask.to_us = BEGIN_US + PARTS / 2 * 1000000LL;
	assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), 0);
	assert_int_equal(sum->total.pass + sum->total.fail + sum->total.fault + sum->challenge, PARTS / 2);
	ask.to_us = BEGIN_US + PARTS * 1000000LL;
	ask.recipe = "cover";
	assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), 0);
	assert_int_equal(sum->total.pass + sum->total.fail + sum->total.fault, 1);
	ask.recipe = "none";
	assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), 0);
	assert_int_equal(sum->total.pass + sum->total.fail + sum->total.fault, 0);
	assert_int_equal(sum->place_count, 0);
	ask.to_us = ask.from_us;
	assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), ASSAY_E_ARGUMENT);
	ask.to_us = ask.from_us + 1;
	ask.steps = ASSAY__QUALITY_STEPS_MOST + 1;
	assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), ASSAY_E_ARGUMENT);
	assay__quality_close(reader);
	room_test_end(&test);
	free(sum);
}

/* More steps than microseconds, and a time that steps do not divide: no part may fall beyond the last one. */
static void test_odd_steps(void **state)
{
	struct assay__quality *sum = malloc(sizeof(*sum));
	struct assay__quality_reader *reader;
	struct assay_error error;
	int pass = 0, fail = 0, fault = 0;

	(void)state;
	room_test_begin(&test);
	room_open(&test);
	put_parts(&pass, &fail, &fault);
	assert_int_equal(assay__quality_open(test.dir, &reader, &error), 0);
	for (int steps = 1; steps <= ASSAY__QUALITY_STEPS_MOST; steps += 7) {
		struct assay__quality_ask ask = {.from_us = BEGIN_US - 1, .to_us = BEGIN_US + 59000001, .steps = steps};
		uint64_t in_steps = 0;

		assert_int_equal(assay__quality_sum(reader, &ask, sum, &error), 0);
		for (int i = 0; i < steps; i++)
			in_steps += sum->steps[i].pass + sum->steps[i].fail + sum->steps[i].fault;
		assert_int_equal(in_steps, PARTS - 1);
	}
	assert_int_equal(assay__quality_sum(reader,
										&(struct assay__quality_ask){.from_us = BEGIN_US,
																	 .to_us = BEGIN_US + 1,
																	 .steps = ASSAY__QUALITY_STEPS_MOST},
										sum, &error),
					 0);
	assert_int_equal(sum->steps[0].pass, 1);
	assay__quality_close(reader);
	room_test_end(&test);
	free(sum);
}

static void test_nothing_there(void **state)
{
	struct assay__quality_reader *reader;
	struct assay_error error;

	(void)state;
	room_test_begin(&test);
	assert_int_equal(assay__quality_open(test.dir, &reader, &error), ASSAY_E_IO);
	room_test_end(&test);
}

static void test_seal(void **state)
{
	struct assay__part_seal seal, next;
	struct assay__reader *reader;
	struct assay_error error;
	int pass = 0, fail = 0, fault = 0;

	(void)state;
	room_test_begin(&test);
	room_open(&test);
	put_parts(&pass, &fail, &fault);
	room_close(&test);
	assert_int_equal(assay__reader_open(test.dir, &reader, &error), 0);
	assert_int_equal(assay__query_seal(reader, 1, &seal, &error), 0);
	assert_int_equal(assay__query_seal(reader, 2, &next, &error), 0);
	assert_memory_equal(next.before, seal.hash, ASSAY_HASH_BYTES);
	/* closing has signed */
	assert_true(seal.signed_link >= seal.link);
	assert_true(seal.signed_us > 0);
	assert_int_equal(assay__query_seal(reader, PARTS + 1, &seal, &error), ASSAY_E_ARGUMENT);
	assay__reader_close(reader);
	room_test_end(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_odd_steps),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
