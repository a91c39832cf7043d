/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "station/source/virtual_line.h"
#include "station/source/virtual_math.h"

static const struct assay__virtual_wish good = {ASSAY__VIRTUAL_GOOD, -1};

static struct assay__virtual_line *open_line(const struct assay__virtual_options *options)
{
	struct assay__virtual_line *line = NULL;
	struct assay_error error;

	assert_int_equal(assay__virtual_open(options, NULL, &line, &error), 0);
	assert_non_null(line);
	return line;
}

static struct assay_image blank(int width, int height, int channels)
{
	size_t row = (size_t)width * (size_t)channels;
	struct assay_image image = {width, height, channels, 8, row, malloc(row * (size_t)height)};

	assert_non_null(image.pixels);
	memset(image.pixels, 0x55, row * (size_t)height);
	return image;
}

static size_t image_bytes(const struct assay_image *image)
{
	return image->stride_bytes * (size_t)image->height_px;
}

static void render(const struct assay__virtual_line *line, uint64_t index, const struct assay__virtual_wish *wish,
				   struct assay_image *out, struct assay_image *mask, struct assay__virtual_truth *truth)
{
	struct assay_error error;

	assert_int_equal(assay__virtual_render(line, index, wish, out, mask, truth, &error), 0);
}

/* FNV-1a */
static uint64_t hash_of(const struct assay_image *image)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < image_bytes(image); i++)
		h = (h ^ image->pixels[i]) * 1099511628211u;
	return h;
}

static void own_sine_is_near(void **state)
{
	(void)state;
	static const double known[][3] = {
		{0, 0, 1},
		{0.25, 1, 0},
		{-0.25, -1, 0},
		{0.5, 0, -1},
		{1.0 / 12, 0.5, 0.86602540378443865},
		{0.125, 0.70710678118654752, 0.70710678118654752},
		{-7.0 / 12, 0.5, -0.86602540378443865},
		{100.75, -1, 0},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		double s, c;

		sincos_turns(known[i][0], &s, &c);
		assert_true(s - known[i][1] < 1e-9 && known[i][1] - s < 1e-9);
		assert_true(c - known[i][2] < 1e-9 && known[i][2] - c < 1e-9);
	}
	assert_int_equal(floor_int(-0.5), -1);
	assert_int_equal(floor_int(-2.0), -2);
	assert_int_equal(floor_int(2.9), 2);
}

static void noise_is_continuous_and_repeats(void **state)
{
	(void)state;
	for (int i = -40; i < 40; i++) {
		double x = i * 0.375, a = noise_xy(x, -x, 9, 0), b = noise_xy(x + 1e-6, -x, 9, 0);

		assert_true(a >= -1 && a <= 1);
		assert_true(a - b < 1e-5 && b - a < 1e-5);
		assert_true(noise_xy(x, 2.5, 3, 8) == noise_xy(x + 8, 2.5 - 16, 3, 8));
	}
	assert_true(noise_xy(0.5, 0.5, 1, 0) != noise_xy(0.5, 0.5, 2, 0));
}

static void same_bits_in_any_order(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 5, .width_px = 320, .height_px = 240, .defect_rate = 0.5};
	struct assay__virtual_line *line = open_line(&options), *other = open_line(&options);
	struct assay_image image = blank(320, 240, 1);
	uint64_t first[6];

	for (int i = 0; i < 6; i++) {
		render(line, (uint64_t)i, NULL, &image, NULL, NULL);
		first[i] = hash_of(&image);
		for (int j = 0; j < i; j++)
			assert_true(first[j] != first[i]);
	}
	for (int i = 5; i >= 0; i--) {
		render(other, (uint64_t)i, NULL, &image, NULL, NULL);
		assert_true(hash_of(&image) == first[i]);
	}
	free(image.pixels);
	assay__virtual_close(line);
	assay__virtual_close(other);
}

struct batch {
	struct assay__virtual_line *line;
	uint64_t hashes[8];
};

static void render_one(void *arg, int index, int worker)
{
	struct batch *batch = arg;
	struct assay_image image = {320, 240, 1, 8, 320, malloc(320 * 240)};

	(void)worker;
	if (image.pixels && !assay__virtual_render(batch->line, (uint64_t)index, NULL, &image, NULL, NULL, NULL))
		batch->hashes[index] = hash_of(&image);
	free(image.pixels);
}

static void same_bits_by_many_threads(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 5, .width_px = 320, .height_px = 240, .defect_rate = 0.5};
	struct batch alone = {.line = open_line(&options)}, together = {.line = alone.line};
	struct assay__parallel *parallel;
	const struct assay_runner *runner;

	assert_int_equal(assay__parallel_open(4, NULL, &parallel, NULL), 0);
	runner = assay__parallel_runner(parallel);
	runner->run(runner->ctx, 8, render_one, &together);
	for (int i = 0; i < 8; i++)
		render_one(&alone, i, 0);
	assert_memory_equal(alone.hashes, together.hashes, sizeof(alone.hashes));
	assay__parallel_close(parallel);
	assay__virtual_close(alone.line);
}

static void good_parts_have_no_mask(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 1, .width_px = 320, .height_px = 240};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image image = blank(320, 240, 1), mask = blank(320, 240, 1);

	for (uint64_t i = 0; i < 4; i++) {
		/* a rate of 0 and the wish for a good part are the same */
		struct assay__virtual_truth truth = {.area_px = 7};
		uint64_t hash;

		render(line, i, &good, &image, &mask, &truth);
		hash = hash_of(&image);
		assert_int_equal(truth.kind, ASSAY__VIRTUAL_GOOD);
		assert_int_equal(truth.area_px, 0);
		assert_true(truth.contrast == 0 && truth.severity == 0);
		for (size_t k = 0; k < image_bytes(&mask); k++)
			assert_int_equal(mask.pixels[k], 0);
		render(line, i, NULL, &image, NULL, NULL);
		assert_true(hash == hash_of(&image));
	}
	free(image.pixels);
	free(mask.pixels);
	assay__virtual_close(line);
}

/* The mask is what changed: nothing outside, most of the inside, and `truth` describes it. */
static void check_defect(const struct assay__virtual_line *line, uint64_t index, struct assay__virtual_wish wish,
						 int width, int height, int channels)
{
	struct assay_image bad = blank(width, height, channels), clean = blank(width, height, channels),
					   mask = blank(width, height, 1);
	struct assay__virtual_truth truth;
	int area = 0, changed = 0, x0 = width, y0 = height, x1 = -1, y1 = -1;

	render(line, index, &wish, &bad, &mask, &truth);
	render(line, index, &good, &clean, NULL, NULL);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			size_t at = (size_t)y * bad.stride_bytes + (size_t)(x * channels);
			bool differs = memcmp(bad.pixels + at, clean.pixels + at, (size_t)channels) != 0;
			uint8_t marked = mask.pixels[(size_t)y * mask.stride_bytes + (size_t)x];

			if (!marked) {
				assert_false(differs);
				continue;
			}
			assert_int_equal(marked, 255);
			area++;
			changed += differs;
			x0 = x < x0 ? x : x0;
			y0 = y < y0 ? y : y0;
			x1 = x > x1 ? x : x1;
			y1 = y > y1 ? y : y1;
		}
	assert_true(area > 0);
	assert_int_equal(truth.kind, wish.kind);
	assert_true(truth.severity == wish.severity);
	assert_int_equal(truth.area_px, area);
	assert_int_equal(truth.where.x, x0);
	assert_int_equal(truth.where.y, y0);
	assert_int_equal(truth.where.width, x1 - x0 + 1);
	assert_int_equal(truth.where.height, y1 - y0 + 1);
	assert_int_equal(truth.size_px, x1 - x0 > y1 - y0 ? x1 - x0 + 1 : y1 - y0 + 1);
	assert_true(truth.contrast > 0);
	if (wish.severity >= 0.5 && width >= 640) {
		assert_true(changed * 2 > area);
		assert_true(truth.contrast > 3);
	}
	free(bad.pixels);
	free(clean.pixels);
	free(mask.pixels);
}

static void every_defect_is_where_its_mask_is(void **state)
{
	(void)state;
	static const double severities[] = {0, 0.4, 0.8, 1};
	struct assay__virtual_options options = {.seed = 3};
	struct assay__virtual_line *line = open_line(&options);

	for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++)
		for (uint64_t i = 0; i < 4; i++)
			check_defect(line, 100 + i * 17,
						 (struct assay__virtual_wish){(enum assay__virtual_kind)kind, severities[i]}, 640, 480, 1);
	assay__virtual_close(line);
}

static void every_size_renders(void **state)
{
	(void)state;
	static const int sizes[][3] = {{128, 128, 1}, {200, 150, 3}, {128, 1024, 1}, {1300, 200, 1}, {1024, 768, 1}};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct assay__virtual_options options = {
			.seed = 3, .width_px = sizes[s][0], .height_px = sizes[s][1], .channels = sizes[s][2]};
		struct assay__virtual_line *line = open_line(&options);

		for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++)
			check_defect(line, (uint64_t)kind,
						 (struct assay__virtual_wish){(enum assay__virtual_kind)kind, kind % 2 ? 0.1 : 0.9},
						 sizes[s][0], sizes[s][1], sizes[s][2]);
		assay__virtual_close(line);
	}
}

static void the_largest_renders(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 3, .width_px = 4096, .height_px = 128};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image image = blank(4096, 128, 1);

	render(line, 0, NULL, &image, NULL, NULL);
	free(image.pixels);
	assay__virtual_close(line);
}

static void seeds_and_indices_differ(void **state)
{
	(void)state;
	uint64_t seen[12];
	int count = 0;

	for (uint64_t seed = 0; seed < 3; seed++) {
		struct assay__virtual_options options = {.seed = seed, .width_px = 160, .height_px = 128};
		struct assay__virtual_line *line = open_line(&options);
		struct assay_image image = blank(160, 128, 1);

		for (uint64_t i = 0; i < 4; i++) {
			render(line, i ? 1ull << (i * 16) : 0, NULL, &image, NULL, NULL);
			seen[count] = hash_of(&image);
			for (int j = 0; j < count; j++)
				assert_true(seen[j] != seen[count]);
			count++;
		}
		free(image.pixels);
		assay__virtual_close(line);
	}
}

/* Good parts vary more than the sensor's noise, or a comparison with one picture would find everything. */
static void good_parts_vary(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 2};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image a = blank(640, 480, 1), b = blank(640, 480, 1);
	int64_t sum = 0, dark = 0, bright = 0;

	render(line, 0, NULL, &a, NULL, NULL);
	render(line, 1, NULL, &b, NULL, NULL);
	for (size_t i = 0; i < image_bytes(&a); i++) {
		sum += abs(a.pixels[i] - b.pixels[i]);
		dark += a.pixels[i] < 40;
		bright += a.pixels[i] > 120;
	}
	assert_true(sum > 4 * 640 * 480);
	/* a part on a dark belt, neither black nor burnt */
	assert_true(dark > 640 * 480 / 4 && bright > 640 * 480 / 8);
	free(a.pixels);
	free(b.pixels);
	assay__virtual_close(line);
}

static void the_rate_decides(void **state)
{
	(void)state;
	struct assay__virtual_options options = {
		.seed = 4, .width_px = 128, .height_px = 128, .defect_rate = 0.25, .severity_low = 0.5, .severity_high = 0.75};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image image = blank(128, 128, 1);
	int counts[ASSAY__VIRTUAL_KINDS] = {0};

	for (uint64_t i = 0; i < 400; i++) {
		struct assay__virtual_truth truth;

		render(line, i, NULL, &image, NULL, &truth);
		counts[truth.kind]++;
		if (truth.kind)
			assert_true(truth.severity >= 0.5 && truth.severity <= 0.75);
	}
	assert_in_range(400 - counts[0], 70, 130);
	for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++)
		assert_true(counts[kind] > 0);
	free(image.pixels);
	assay__virtual_close(line);
}

/* Rows may be padded, and what lies beyond them is not ours. */
static void strides_are_kept(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 4, .width_px = 128, .height_px = 128};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image tight = blank(128, 128, 1), wide = blank(150, 128, 1), mask = blank(150, 128, 1);
	struct assay__virtual_wish wish = {ASSAY__VIRTUAL_DENT, 1};

	wide.width_px = mask.width_px = 128;
	render(line, 8, &wish, &tight, NULL, NULL);
	render(line, 8, &wish, &wide, &mask, NULL);
	for (int y = 0; y < 128; y++) {
		assert_memory_equal(tight.pixels + y * 128, wide.pixels + y * 150, 128);
		for (int x = 128; x < 150; x++) {
			assert_int_equal(wide.pixels[y * 150 + x], 0x55);
			assert_int_equal(mask.pixels[y * 150 + x], 0x55);
		}
	}
	free(tight.pixels);
	free(wide.pixels);
	free(mask.pixels);
	assay__virtual_close(line);
}

/* One picture of each path through the renderer. These change only when the pictures are meant to change. */
static void golden_hashes(void **state)
{
	(void)state;
	static const uint64_t golden[ASSAY__VIRTUAL_KINDS] = {0x1a5967a50292fb54, 0x7421ec6801be19b2, 0x4a3835b5ac57eb6c,
														  0xecc9e6a9603fc045, 0x0aacce92e4a5bf3a, 0xcd6cc5415f510118,
														  0x3cc4cecec0cbb085, 0x8fc8f7b450a8ec36};
	struct assay__virtual_options options = {.seed = 2026};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image image = blank(640, 480, 1);

	for (int kind = 0; kind < ASSAY__VIRTUAL_KINDS; kind++) {
		struct assay__virtual_wish wish = {(enum assay__virtual_kind)kind, 0.6};

		render(line, (uint64_t)kind, &wish, &image, NULL, NULL);
		if (hash_of(&image) != golden[kind])
			print_message("%s: found 0x%016llx\n", assay__virtual_kind_name(wish.kind),
						  (unsigned long long)hash_of(&image));
	}
	for (int kind = 0; kind < ASSAY__VIRTUAL_KINDS; kind++) {
		struct assay__virtual_wish wish = {(enum assay__virtual_kind)kind, 0.6};

		render(line, (uint64_t)kind, &wish, &image, NULL, NULL);
		assert_true(hash_of(&image) == golden[kind]);
	}
	free(image.pixels);
	assay__virtual_close(line);
}

static void bad_options_are_refused(void **state)
{
	(void)state;
	static const struct assay__virtual_options bad[] = {
		{.width_px = 127, .height_px = 480},
		{.width_px = 640, .height_px = 4097},
		{.width_px = 640},
		{.channels = 2},
		{.defect_rate = 1.5},
		{.defect_rate = -1},
		{.severity_low = 0.6, .severity_high = 0.5},
		{.severity_high = 2},
	};
	struct assay__virtual_line *line = NULL;
	struct assay_error error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error.message[0] = 0;
		assert_int_equal(assay__virtual_open(&bad[i], NULL, &line, &error), ASSAY_E_ARGUMENT);
		assert_null(line);
		assert_true(strlen(error.message) > 20);
	}
	assay__virtual_close(NULL);
	assert_string_equal(assay__virtual_kind_name(ASSAY__VIRTUAL_COLD_SHUT), "cold_shut");
	assert_string_equal(assay__virtual_kind_name(ASSAY__VIRTUAL_ANY), "unknown");
}

static void unfit_pictures_are_refused(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 4, .width_px = 128, .height_px = 128};
	struct assay__virtual_line *line = open_line(&options);
	struct assay_image image = blank(128, 128, 1), other;
	struct assay__virtual_wish wish = {ASSAY__VIRTUAL_DENT, 1.5};
	struct assay_error error;

	other = image, other.height_px = 127;
	assert_int_equal(assay__virtual_render(line, 0, NULL, &other, NULL, NULL, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__virtual_render(line, 0, NULL, &image, &other, NULL, &error), ASSAY_E_ARGUMENT);
	other = image, other.channels = 3;
	assert_int_equal(assay__virtual_render(line, 0, NULL, &other, NULL, NULL, &error), ASSAY_E_ARGUMENT);
	other = image, other.depth_bits = 16;
	assert_int_equal(assay__virtual_render(line, 0, NULL, &other, NULL, NULL, NULL), ASSAY_E_ARGUMENT);
	other = image, other.stride_bytes = 100;
	assert_int_equal(assay__virtual_render(line, 0, NULL, &other, NULL, NULL, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__virtual_render(line, 0, &wish, &image, NULL, NULL, &error), ASSAY_E_ARGUMENT);
	wish = (struct assay__virtual_wish){ASSAY__VIRTUAL_KINDS, 0.5};
	assert_int_equal(assay__virtual_render(line, 0, &wish, &image, NULL, NULL, &error), ASSAY_E_ARGUMENT);
	free(image.pixels);
	assay__virtual_close(line);
}

/* Fails the k-th allocation and counts what is not given back. */
struct scarce {
	int until_failure, live;
};

static void *scarce_alloc(void *ctx, size_t size_bytes)
{
	struct scarce *scarce = ctx;

	if (--scarce->until_failure == 0)
		return NULL;
	scarce->live++;
	return malloc(size_bytes);
}

static void scarce_free(void *ctx, void *memory)
{
	struct scarce *scarce = ctx;

	scarce->live -= memory != NULL;
	free(memory);
}

static void failing_memory_is_survived(void **state)
{
	(void)state;
	struct assay__virtual_options options = {.seed = 4, .width_px = 128, .height_px = 128};
	struct assay__virtual_wish wish = {ASSAY__VIRTUAL_CRACK, 0.7};
	struct assay_image image = blank(128, 128, 1);
	int failures = 0;

	for (int k = 1;; k++) {
		struct scarce scarce = {.until_failure = k};
		struct assay_allocator allocator = {scarce_alloc, scarce_free, &scarce};
		struct assay__virtual_line *line = NULL;
		struct assay_error error;
		int rc = assay__virtual_open(&options, &allocator, &line, &error);

		if (!rc) {
			rc = assay__virtual_render(line, 0, &wish, &image, NULL, NULL, &error);
			assay__virtual_close(line);
		} else {
			assert_null(line);
		}
		assert_int_equal(scarce.live, 0);
		if (!rc)
			break;
		failures++;
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_int_equal(error.code, ASSAY_E_NOMEM);
	}
	/* the line, its texture, its cells and their scratch; the picture and the defect */
	assert_int_equal(failures, 6);
	free(image.pixels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_sine_is_near),
		cmocka_unit_test(noise_is_continuous_and_repeats),
		cmocka_unit_test(same_bits_in_any_order),
		cmocka_unit_test(same_bits_by_many_threads),
		cmocka_unit_test(good_parts_have_no_mask),
		cmocka_unit_test(every_defect_is_where_its_mask_is),
		cmocka_unit_test(every_size_renders),
		cmocka_unit_test(the_largest_renders),
		cmocka_unit_test(seeds_and_indices_differ),
		cmocka_unit_test(good_parts_vary),
		cmocka_unit_test(the_rate_decides),
		cmocka_unit_test(strides_are_kept),
		cmocka_unit_test(golden_hashes),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(unfit_pictures_are_refused),
		cmocka_unit_test(failing_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
