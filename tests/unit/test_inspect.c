/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "vision/inspect.h"

static uint8_t *network;
static size_t network_size;

struct bench {
	struct failing failing;
	struct shelf shelf;
	struct assay_recipe *recipe;
	struct assay_worker *worker;
};

static void bench_open(struct bench *b, const struct assay_teach_options *options, int parts, enum assay_isa isa)
{
	failing_open(&b->failing, 0);
	shelf_fill(&b->shelf, parts);
	struct assay_env env = {
		.allocator = &b->failing.allocator, .isa = isa, .network = network, .network_size_bytes = network_size};
	b->recipe = must_teach(&env, options, &b->shelf, NULL);
	assert_int_equal(assay_worker_open(b->recipe, &b->worker, NULL), 0);
}

static void bench_close(struct bench *b)
{
	assay_worker_close(b->worker);
	assay_recipe_close(b->recipe);
	shelf_clear(&b->shelf);
	assert_int_equal(b->failing.alive, 0);
}

static void finds_the_place(void **state)
{
	struct bench b;
	struct assay_teach_options options = quick_options();
	struct assay_result result;
	(void)state;
	bench_open(&b, &options, 20, ASSAY_ISA_BEST);
	struct assay_image image = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 1);
	assert_int_equal(assay_inspect(b.worker, &image, &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_PASS);
	assert_int_equal(result.region_count, 0);
	assert_int_equal(result.fault.code, ASSAY_OK);
	assert_true(result.score_q8 <= result.threshold_q8);
	assert_true(result.p_value > 0 && result.p_value <= 1);
	spoil(&image, 60, 10, 16);
	assert_int_equal(assay_inspect(b.worker, &image, &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_FAIL);
	assert_true(result.p_value == 1.0 / 21);
	assert_true(result.region_count >= 1 && result.regions_total >= result.region_count);
	const struct assay_region *r = &result.regions[0];
	assert_int_equal(r->peak_q8, result.score_q8);
	assert_true(r->mean_q8 > result.threshold_q8 && r->mean_q8 <= r->peak_q8);
	assert_true(r->peak_x_px > 48 && r->peak_x_px < 90 && r->peak_y_px < 40);
	assert_true(r->box.x <= r->peak_x_px && r->box.x + r->box.width > r->peak_x_px);
	assert_true(r->box.x + r->box.width <= PART_WIDTH && r->box.y + r->box.height <= PART_HEIGHT);
	assert_int_equal(result.grid_width, 10);
	assert_int_equal(result.grid_height, 8);
	assert_int_equal(result.map_area.width, PART_WIDTH);
	uint32_t largest = 0;
	for (int i = 0; i < 80; i++)
		largest = result.map_q8[i] > largest ? result.map_q8[i] : largest;
	assert_int_equal(largest, result.score_q8);
	assay_image_free(&image, NULL);
	bench_close(&b);
}

static void expect_fault(struct bench *b, const struct assay_image *image, enum assay_err code, const char *words)
{
	struct assay_result result;
	memset(&result, 0x77, sizeof(result));
	int requests = b->failing.requests;
	assert_int_equal(assay_inspect(b->worker, image, &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_FAULT);
	assert_int_equal(result.fault.code, code);
	if (!strstr(result.fault.message, words))
		fail_msg("\"%s\", wanted \"%s\"", result.fault.message, words);
	assert_int_equal(result.region_count, 0);
	assert_int_equal(result.score_q8, 0);
	assert_null(result.map_q8);
	assert_true(result.threshold_q8 > 0);
	assert_int_equal(b->failing.requests, requests);
}

static void faults_in_words(void **state)
{
	struct bench b;
	struct assay_teach_options options = quick_options();
	struct assay_image image;
	struct assay_result result;
	(void)state;
	bench_open(&b, &options, 4, ASSAY_ISA_BEST);
	image = make_part(20000, 1, 1, 8, 1);
	expect_fault(&b, &image, ASSAY_E_MISMATCH, "expected a picture of 96x80 grey 8-bit, got 20000x1 grey 8-bit");
	assay_image_free(&image, NULL);
	image = make_part(PART_WIDTH, PART_HEIGHT, 3, 8, 1);
	expect_fault(&b, &image, ASSAY_E_MISMATCH, "got 96x80 RGB 8-bit");
	image.stride_bytes = 10;
	expect_fault(&b, &image, ASSAY_E_ARGUMENT, "impossible");
	assay_image_free(&image, NULL);
	image = make_part(PART_WIDTH, PART_HEIGHT, 1, 16, 1);
	expect_fault(&b, &image, ASSAY_E_MISMATCH, "got 96x80 grey 16-bit");
	assay_image_free(&image, NULL);
	expect_fault(&b, NULL, ASSAY_E_ARGUMENT, "there is no picture");
	image = (struct assay_image){0};
	expect_fault(&b, &image, ASSAY_E_ARGUMENT, "there is no picture");
	assert_int_equal(assay_inspect(b.worker, &b.shelf.images[0], &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_PASS);
	bench_close(&b);
}

static void nothing_allocated_per_picture(void **state)
{
	struct bench b;
	struct assay_teach_options options = quick_options();
	struct assay_result result;
	struct assay_image mask = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 1);
	(void)state;
	memset(mask.pixels, 0, 4000);
	options.mask = &mask;
	options.roi = (struct assay_rect_px){5, 5, 80, 70};
	bench_open(&b, &options, 6, ASSAY_ISA_BEST);
	int requests = b.failing.requests;
	for (int i = 0; i < 20; i++) {
		spoil(&b.shelf.images[i % 6], 40, 50, 10 + i % 5);
		assert_int_equal(assay_inspect(b.worker, &b.shelf.images[i % 6], &result, NULL), 0);
		assert_int_not_equal(result.verdict, ASSAY_FAULT);
	}
	assert_int_equal(b.failing.requests, requests);
	assay_image_free(&mask, NULL);
	bench_close(&b);
}

static void masked_defect_is_not_seen(void **state)
{
	struct bench b;
	struct assay_teach_options options = quick_options();
	struct assay_result result;
	struct assay_image mask;
	(void)state;
	assay_image_create(PART_WIDTH, PART_HEIGHT, 1, 8, NULL, &mask, NULL);
	for (int y = 0; y < PART_HEIGHT; y++)
		memset(mask.pixels + (size_t)y * mask.stride_bytes, 1, PART_WIDTH / 2);
	options.mask = &mask;
	bench_open(&b, &options, 12, ASSAY_ISA_BEST);
	struct assay_image image = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 3);
	spoil(&image, 86, 60, 8);
	assert_int_equal(assay_inspect(b.worker, &image, &result, NULL), 0);
	for (int i = 0; i < 80; i++)
		assert_int_equal(result.map_q8[i] > 0, i % 10 < 5);
	uint32_t hidden = result.score_q8;
	assert_true(hidden <= result.threshold_q8 * 11 / 10);
	spoil(&image, 10, 30, 16);
	assert_int_equal(assay_inspect(b.worker, &image, &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_FAIL);
	assert_true(result.score_q8 > hidden);
	assay_image_free(&image, NULL);
	assay_image_free(&mask, NULL);
	bench_close(&b);
}

static void scale_takes_any_size(void **state)
{
	static const int sizes[][3] = {{96, 80, 1}, {150, 80, 3}, {80, 150, 1}, {150, 80, 3}, {300, 160, 1}};
	struct bench b;
	struct assay_teach_options options = quick_options();
	struct assay_result result;
	(void)state;
	options.scale = true;
	bench_open(&b, &options, 6, ASSAY_ISA_BEST);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct assay_image image = make_part(sizes[i][0], sizes[i][1], sizes[i][2], 8, 5);
		assert_int_equal(assay_inspect(b.worker, &image, &result, NULL), 0);
		assert_int_not_equal(result.verdict, ASSAY_FAULT);
		assert_int_equal(result.map_area.width, sizes[i][0]);
		int requests = b.failing.requests;
		uint32_t score = result.score_q8;
		assert_int_equal(assay_inspect(b.worker, &image, &result, NULL), 0);
		assert_int_equal(b.failing.requests, requests);
		assert_int_equal(result.score_q8, score);
		assay_image_free(&image, NULL);
	}
	struct assay_image strip = make_part(20000, 1, 1, 8, 1);
	expect_fault(&b, &strip, ASSAY_E_MISMATCH, "20000x1 is longer than 8:1");
	assay_image_free(&strip, NULL);

	/* a new shape without memory is a FAULT and an error, and the worker recovers */
	struct assay_image image = make_part(80, 200, 1, 8, 5);
	for (int k = 1;; k++) {
		struct assay_error error = {0};
		b.failing.fail_at = b.failing.requests + k;
		int rc = assay_inspect(b.worker, &image, &result, &error);
		b.failing.fail_at = 0;
		if (rc == 0)
			break;
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_int_equal(error.code, ASSAY_E_NOMEM);
		assert_int_equal(result.verdict, ASSAY_FAULT);
		assert_int_equal(result.fault.code, ASSAY_E_NOMEM);
		assert_int_equal(assay_inspect(b.worker, &b.shelf.images[0], &result, NULL), 0);
		assert_int_not_equal(result.verdict, ASSAY_FAULT);
	}
	assay_image_free(&image, NULL);
	bench_close(&b);
}

static void same_bits_on_every_kernel(void **state)
{
	static const enum assay_isa isas[] = {ASSAY_ISA_SCALAR, ASSAY_ISA_AVX2, ASSAY_ISA_AVX512VNNI};
	uint32_t want[3][81];
	struct assay_teach_options options = quick_options();
	(void)state;
	for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
		struct bench b;
		struct assay_result result;
		enum assay_isa isa;
		if (assay_isa_from_name(assay_isa_name(isas[i]), &isa, NULL))
			continue; /* this processor lacks it */
		bench_open(&b, &options, 7, isas[i]);
		spoil(&b.shelf.images[1], 20, 20, 9);
		for (int n = 0; n < 3; n++) {
			assert_int_equal(assay_inspect(b.worker, &b.shelf.images[n], &result, NULL), 0);
			if (i == 0) {
				memcpy(want[n], result.map_q8, 80 * sizeof(uint32_t));
				want[n][80] = result.score_q8;
			}
			assert_memory_equal(want[n], result.map_q8, 80 * sizeof(uint32_t));
			assert_int_equal(want[n][80], result.score_q8);
		}
		bench_close(&b);
	}
}

static void failing_allocations(void **state)
{
	struct bench b;
	struct assay_teach_options options = quick_options();
	(void)state;
	bench_open(&b, &options, 3, ASSAY_ISA_BEST);
	int alive = b.failing.alive;
	for (int k = 1;; k++) {
		struct assay_worker *worker = NULL;
		struct assay_error error = {0};
		b.failing.fail_at = b.failing.requests + k;
		int rc = assay_worker_open(b.recipe, &worker, &error);
		b.failing.fail_at = 0;
		if (rc == 0) {
			assert_true(k > 10);
			assay_worker_close(worker);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_null(worker);
		assert_int_equal(b.failing.alive, alive);
	}
	assay_worker_close(NULL);
	bench_close(&b);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(assay_verdict_name(ASSAY_PASS), "PASS");
	assert_string_equal(assay_verdict_name(ASSAY_FAIL), "FAIL");
	assert_string_equal(assay_verdict_name(ASSAY_FAULT), "FAULT");
	assert_string_equal(assay_verdict_name((enum assay_verdict)77), "FAULT");
}

static int open_network(void **state)
{
	(void)state;
	network = small_network(1, &network_size);
	return network ? 0 : -1;
}

static int close_network(void **state)
{
	(void)state;
	free(network);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_place),
		cmocka_unit_test(faults_in_words),
		cmocka_unit_test(nothing_allocated_per_picture),
		cmocka_unit_test(masked_defect_is_not_seen),
		cmocka_unit_test(scale_takes_any_size),
		cmocka_unit_test(same_bits_on_every_kernel),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, open_network, close_network);
}
