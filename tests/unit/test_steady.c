/* SPDX-License-Identifier: Apache-2.0 */
/* Inspection for ever: no allocation per picture, and memory that does not grow. */
#include <malloc.h>

#include "vision_util.h"

#define GOOD 20
#define INSPECTIONS 4000 /* at one small scale; fewer where each takes longer */
#define INSPECTIONS_LONG 420
/* Growth that is noise; a leak of a hundred bytes a picture is beyond it. */
#define NOISE_BYTES (256 << 10)

/* AddressSanitizer finds leaks itself and holds freed memory back, so resident memory says nothing there. */
#if defined(__SANITIZE_ADDRESS__)
#define RESIDENT_TELLS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RESIDENT_TELLS 0
#endif
#endif
#ifndef RESIDENT_TELLS
#define RESIDENT_TELLS 1
#endif

static uint8_t *network;
static size_t network_size;

static long resident_bytes(void)
{
	long total, resident;
	FILE *file = fopen("/proc/self/statm", "r");
	if (!file)
		skip();
	assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

/* Good parts, defective ones, and what cannot be judged, in turn. */
static void inspect_for_long(const struct assay_teach_options *options, int inspections)
{
	struct failing counting;
	struct shelf shelf;
	struct assay_worker *worker;
	struct assay_result result;
	struct assay_image other = make_part(40, 30, 3, 16, 1);
	int verdicts[3] = {0}, warm = 0;
	long start = 0;

	failing_open(&counting, 0);
	shelf_fill(&shelf, GOOD);
	struct assay_env env = {.allocator = &counting.allocator, .network = network, .network_size_bytes = network_size};
	struct assay_recipe *recipe = must_teach(&env, options, &shelf, NULL);
	for (int i = 0; i < GOOD; i += 2)
		spoil(&shelf.images[i], 40, 10 + 2 * i, 12);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	for (int i = 0; i < inspections; i++) {
		if (i == inspections / 10) {
			warm = counting.requests;
			malloc_trim(0); /* what teaching has freed would hide a leak */
			start = resident_bytes();
		}
		const struct assay_image *image = i % 7 == 6 ? i % 2 ? &other : NULL : &shelf.images[i % GOOD];
		assert_int_equal(assay_inspect(worker, image, &result, NULL), 0);
		verdicts[result.verdict]++;
	}
	long grown = resident_bytes() - start;
	assert_int_equal(counting.requests, warm);
	if (RESIDENT_TELLS && grown > NOISE_BYTES)
		fail_msg("resident memory grew by %ld bytes in %d inspections", grown, inspections * 9 / 10);
	assert_true(verdicts[ASSAY_PASS] > 0 && verdicts[ASSAY_FAIL] > 0);
	assert_int_equal(verdicts[ASSAY_FAULT], inspections / 7);
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	assay_image_free(&other, NULL);
	shelf_clear(&shelf);
	assert_int_equal(counting.alive, 0);
}

static void plain_search(void **state)
{
	struct assay_teach_options options = quick_options();
	(void)state;
	inspect_for_long(&options, INSPECTIONS);
}

static void search_by_codes(void **state)
{
	struct assay_teach_options options = quick_options();
	(void)state;
	options.bank_size = 400;
	inspect_for_long(&options, INSPECTIONS);
}

static void region_and_mask(void **state)
{
	struct assay_teach_options options = quick_options();
	struct assay_image mask = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 1);
	(void)state;
	memset(mask.pixels, 0, 2000);
	options.mask = &mask;
	options.roi = (struct assay_rect_px){5, 5, 80, 70};
	inspect_for_long(&options, INSPECTIONS);
	assay_image_free(&mask, NULL);
}

static void several_scales(void **state)
{
	struct assay_teach_options options = {.bank_size = 60};
	(void)state;
	inspect_for_long(&options, INSPECTIONS_LONG);
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
		cmocka_unit_test(plain_search),
		cmocka_unit_test(search_by_codes),
		cmocka_unit_test(region_and_mask),
		cmocka_unit_test(several_scales),
	};
	return cmocka_run_group_tests(tests, open_network, close_network);
}
