/* SPDX-License-Identifier: Apache-2.0 */
/* Vitals over the virtual line: each upset gets its own name, and a line that nothing upsets gives no alarm. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "station/source/virtual_line.h"
#include "station/vital_watch.h"

#define SIDE_PX 128
#define REFERENCE 100

static const struct assay__vital_limits limits = {
	.parts = REFERENCE, .light = 0.05, .clipped = 0.005, .tilt = 0.02, .focus = 0.05, .shift_px = 2, .run_length = 1e6};
static const struct assay_rect_px whole = {0, 0, SIDE_PX, SIDE_PX};

/* A line of pictures, and scores that are even between 8 and 12 and know nothing of the pictures. */
struct run {
	struct assay__virtual_line *line;
	struct assay_image image;
	void *scratch;
	uint64_t next, random;
	struct assay__vital_watch watch;
	uint32_t surplus_q8; /* onto each score: another process */
};

static void run_upset(struct run *run, struct assay__virtual_upset upset)
{
	struct assay__virtual_options options = {.seed = 3, .width_px = SIDE_PX, .height_px = SIDE_PX, .upset = upset};

	assay__virtual_close(run->line);
	assert_int_equal(assay__virtual_open(&options, NULL, &run->line, NULL), 0);
}

static void run_open(struct run *run)
{
	memset(run, 0, sizeof(*run));
	run->random = 88172645463325252u;
	assert_int_equal(assay_image_create(SIDE_PX, SIDE_PX, 1, 8, NULL, &run->image, NULL), 0);
	run->scratch = malloc(assay__vital_scratch_bytes(&whole));
	run_upset(run, (struct assay__virtual_upset){0});
	assay__vital_watch_start(&run->watch, &limits);
}

static void run_close(struct run *run)
{
	assay__virtual_close(run->line);
	assay_image_free(&run->image, NULL);
	free(run->scratch);
}

/* One part; whether the cause told changed. */
static bool step(struct run *run)
{
	struct assay__vital vital;

	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	assert_int_equal(assay__virtual_render(run->line, run->next++, NULL, &run->image, NULL, NULL, NULL), 0);
	assert_true(assay__vital_measure(&run->image, &whole, 0, run->scratch, &vital));
	return assay__vital_watch_wants(&run->watch, ASSAY_PASS) &&
		   assay__vital_watch_add(&run->watch, &vital, &whole, 2048 + (uint32_t)(run->random % 1024) + run->surplus_q8);
}

/* Steps until something is told, at most `most` parts; how many it took. */
static int until_told(struct run *run, int most)
{
	for (int i = 1; i <= most; i++)
		if (step(run))
			return i;
	return 0;
}

struct trial {
	const char *name;
	struct assay__virtual_upset upset;
	uint32_t surplus_q8;
	enum assay__vital_cause cause;
	const char *words;
};

static const struct trial trials[] = {
	{"shifted right", {.shift_x_px = 5}, 0, ASSAY__VITAL_MOVED, "the camera moved: parts lie "},
	{"shifted up", {.shift_y_px = -4}, 0, ASSAY__VITAL_MOVED, "higher"},
	{"shifted, scores up", {.shift_x_px = 5}, 800, ASSAY__VITAL_MOVED, "the camera moved"},
	{"blurred", {.blur_px = 0.7}, 0, ASSAY__VITAL_BLURRED, "focus is going: sharpness -"},
	{"blurred, scores up", {.blur_px = 1}, 800, ASSAY__VITAL_BLURRED, "focus is going"},
	{"dimmed", {.dim = 0.15}, 0, ASSAY__VITAL_LAMP, "the lamp ages: mean brightness"},
	{"dimmed slowly, scores up", {.dim = 0.2, .over = 400}, 200, ASSAY__VITAL_LAMP, "the lamp ages"},
	{"one side dimmed", {.lean = 0.12}, 0, ASSAY__VITAL_LAMP, "the lamp ages unevenly: the left half is"},
	{"brighter", {.dim = -0.2}, 0, ASSAY__VITAL_LAMP, "the lamp changed"},
	{"scores up", {0}, 500, ASSAY__VITAL_PROCESS, "the process changed: good parts score higher"},
};

static void test_causes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		const struct trial *trial = &trials[i];
		struct run run;
		char text[200];
		int took;

		run_open(&run);
		assert_int_equal(until_told(&run, 150), 0);
		assert_true(run.watch.learned);
		run_upset(&run, trial->upset);
		/* A slow one begins where it is now. */
		if (trial->upset.over) {
			struct assay__virtual_upset slow = trial->upset;

			slow.from = run.next;
			run_upset(&run, slow);
		} else {
			run.surplus_q8 = trial->surplus_q8;
		}
		took = until_told(&run, 1000);
		assay__vital_watch_text(&run.watch, text, sizeof(text));
		print_message("%-26s after %3d parts: %s\n", trial->name, took, text);
		assert_true(took > 0);
		assert_string_equal(assay__vital_cause_name(run.watch.told), assay__vital_cause_name(trial->cause));
		assert_non_null(strstr(text, trial->words));
		/* It stays told, and goes when all is as before. */
		assert_int_equal(until_told(&run, 40), 0);
		run_upset(&run, (struct assay__virtual_upset){0});
		run.surplus_q8 = 0;
		took = until_told(&run, 300);
		assert_true(took > 0);
		assert_int_equal(run.watch.told, ASSAY__VITAL_FINE);
		assert_int_equal(until_told(&run, 40), 0);
		run_close(&run);
	}
}

static void test_undisturbed(void **state)
{
	struct run run;

	(void)state;
	run_open(&run);
	assert_int_equal(until_told(&run, 4000), 0);
	assert_int_equal(run.watch.parts, 4000 - REFERENCE);
	run_close(&run);
}

/* The process alone, whose false alarms have a promise: on average a million parts between two. */
static void test_false_alarms(void **state)
{
	struct assay__vital vital = {.mean_q8 = 20000, .centre_q8 = 20000, .quadrant_q8 = {20000, 20000, 20000, 20000}};
	struct assay__vital_watch *watch = malloc(sizeof(*watch));
	uint64_t random = 1;
	int alarms = 0;

	(void)state;
	vital.columns = vital.rows = 64;
	for (int run = 0; run < 20; run++) {
		assay__vital_watch_start(watch, &limits);
		watch->random += (uint64_t)run;
		for (int i = 0; i < 5000; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			alarms += assay__vital_watch_add(watch, &vital, &whole, 2000 + (uint32_t)(random >> 54)) && watch->told;
		}
	}
	free(watch);
	/* 100,000 parts at one in 1,000,000 at most: two would come with less than 1 in 200. */
	assert_in_range(alarms, 0, 1);
}

/* FAIL parts count only when there are many in a row. */
static void test_wants(void **state)
{
	struct assay__vital_watch *watch = calloc(1, sizeof(*watch));

	(void)state;
	assay__vital_watch_start(watch, &limits);
	for (int i = 0; i < 50; i++)
		assert_false(assay__vital_watch_wants(watch, ASSAY_FAIL));
	assert_true(assay__vital_watch_wants(watch, ASSAY_PASS));
	watch->learned = true;
	for (int i = 1; i < ASSAY__VITAL_FAILS; i++)
		assert_false(assay__vital_watch_wants(watch, ASSAY_FAIL));
	assert_false(assay__vital_watch_wants(watch, ASSAY_FAULT));
	assert_true(assay__vital_watch_wants(watch, ASSAY_FAIL));
	assert_true(assay__vital_watch_wants(watch, ASSAY_PASS));
	assert_false(assay__vital_watch_wants(watch, ASSAY_FAIL));
	free(watch);
}

static void test_reference(void **state)
{
	struct assay__vital_reference back;
	struct assay__vital_watch again;
	struct run run;
	char *text = NULL;
	size_t size = 0;
	FILE *file;

	(void)state;
	run_open(&run);
	while (!run.watch.learned)
		step(&run);
	file = open_memstream(&text, &size);
	assert_true(assay__vital_reference_write(&run.watch.reference, file));
	fclose(file);
	file = fmemopen(text, size, "r");
	assert_true(assay__vital_reference_read(&back, file));
	fclose(file);
	assert_memory_equal(back.mean, run.watch.reference.mean, sizeof(back.mean));
	assert_memory_equal(back.sd, run.watch.reference.sd, sizeof(back.sd));
	assert_memory_equal(back.scores, run.watch.reference.scores, sizeof(back.scores));
	assert_true(assay__vital_watch_resume(&again, &limits, &back));
	assert_true(again.learned && again.pool_count == REFERENCE);
	/* Cut anywhere it is refused. */
	for (size_t cut = 0; cut < size - 1; cut += 1 + cut / 50) {
		file = fmemopen(text, cut + 1, "r");
		if (file) {
			assert_false(assay__vital_reference_read(&back, file));
			fclose(file);
		}
	}
	free(text);
	run_close(&run);
}

/* Numbers that can be worked out by hand, in all kinds of pictures. */
static void test_measure(void **state)
{
	static const struct {
		int channels, depth;
	} kinds[] = {{1, 8}, {3, 8}, {1, 16}, {3, 16}};

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct assay_image image;
		struct assay__vital vital;
		struct assay_rect_px area = {4, 2, 64, 40}, small = {0, 0, 31, 40}, outside = {20, 0, 64, 40};
		void *scratch = malloc(assay__vital_scratch_bytes(&area));
		int bytes = kinds[k].depth / 8;

		assert_int_equal(assay_image_create(80, 44, kinds[k].channels, kinds[k].depth, NULL, &image, NULL), 0);
		/* The left half of the area is a quarter of white, the right half white. */
		for (int y = 0; y < 44; y++)
			for (int x = 0; x < 80 * kinds[k].channels; x++) {
				int white = x / kinds[k].channels >= 36;
				uint16_t value = (uint16_t)(bytes == 1 ? (white ? 255 : 51) : (white ? 4095 : 819));

				memcpy(image.pixels + (size_t)y * image.stride_bytes + (size_t)(x * bytes), &value, (size_t)bytes);
			}
		assert_true(assay__vital_measure(&image, &area, bytes == 1 ? 0 : 4095, scratch, &vital));
		assert_int_equal(vital.mean_q8, (65280 + 13056) / 2);
		assert_int_equal(vital.clipped_ppm, 500000);
		assert_int_equal(vital.quadrant_q8[0], 13056);
		assert_int_equal(vital.quadrant_q8[3], 65280);
		assert_int_equal(vital.centre_q8, (65280 + 13056) / 2);
		assert_int_equal(vital.columns, 32);
		assert_int_equal(vital.column_q8[15], 13056);
		assert_int_equal(vital.column_q8[16], 65280);
		assert_int_equal(vital.row_q8[7], vital.mean_q8);
		/* One edge: seen once by neighbours, four times by places four apart. */
		assert_int_equal(vital.sharp_q16, 65536 / 4);
		assert_false(assay__vital_measure(&image, &small, 0, scratch, &vital));
		assert_false(assay__vital_measure(&image, &outside, 0, scratch, &vital));
		assay_image_free(&image, NULL);
		free(scratch);
	}
}

static void test_shift(void **state)
{
	uint16_t then[ASSAY__VITAL_BINS], now[ASSAY__VITAL_BINS];

	(void)state;
	for (int shift = -12; shift <= 12; shift++) {
		for (int i = 0; i < ASSAY__VITAL_BINS; i++) {
			double a = (i - 64) / 12.0, b = (i - 64 - shift / 2.0) / 12.0;

			then[i] = (uint16_t)(20000 / (1 + a * a * a * a));
			/* other light: half as much, and a slope */
			now[i] = (uint16_t)(10000 / (1 + b * b * b * b) + 10 * i);
		}
		assert_true(fabs(assay__vital_shift(then, now, ASSAY__VITAL_BINS) - shift / 2.0) < 0.2);
	}
	memset(now, 0, sizeof(now));
	assert_true(assay__vital_shift(then, now, ASSAY__VITAL_BINS) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_measure),	  cmocka_unit_test(test_shift),		  cmocka_unit_test(test_wants),
		cmocka_unit_test(test_causes),	  cmocka_unit_test(test_undisturbed), cmocka_unit_test(test_false_alarms),
		cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
