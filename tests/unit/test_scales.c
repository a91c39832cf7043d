/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching and judging at several scales, and in changing light. */
#include "vision_util.h"

#include "vision/recipe.h"

static uint8_t *network;
static size_t network_size;

static struct assay_env env_of(const struct assay_allocator *allocator)
{
	return (struct assay_env){.allocator = allocator, .network = network, .network_size_bytes = network_size};
}

static void shelf_of(struct shelf *shelf, int count, int width, int height)
{
	memset(shelf, 0, sizeof(*shelf));
	for (int i = 0; i < count; i++)
		shelf_put(shelf, make_part(width, height, 1, 8, (uint64_t)i + 1));
}

/* Judges, and checks what holds for every result. With several scales the map's largest may be below the score. */
static struct assay_result judged(struct assay_worker *worker, const struct assay_image *image)
{
	struct assay_result r;
	uint32_t largest = 0;
	assert_int_equal(assay_inspect(worker, image, &r, NULL), 0);
	assert_int_not_equal(r.verdict, ASSAY_FAULT);
	for (int i = 0; i < r.grid_width * r.grid_height; i++)
		largest = r.map_q8[i] > largest ? r.map_q8[i] : largest;
	assert_true(largest > 0 && largest <= r.score_q8);
	assert_int_equal(r.verdict == ASSAY_FAIL, r.score_q8 > r.threshold_q8);
	assert_int_equal(r.region_count > 0, r.verdict == ASSAY_FAIL);
	if (r.region_count)
		assert_int_equal(r.regions[0].peak_q8, r.score_q8);
	return r;
}

static void the_worst_scale_counts(void **state)
{
	struct shelf shelf;
	struct assay_teach_options options = {.bank_size = 60};
	struct assay_recipe *recipes[3];
	struct assay_recipe_info infos[3];
	struct assay_worker *workers[3];
	static const int sizes[3] = {160, 320, 0};
	bool decided[2] = {false};
	(void)state;
	shelf_of(&shelf, 6, PART_WIDTH, PART_HEIGHT);
	struct assay_env env = env_of(NULL);
	for (int i = 0; i < 3; i++) {
		options.working_px = sizes[i];
		recipes[i] = must_teach(&env, &options, &shelf, NULL);
		assay_recipe_get_info(recipes[i], &infos[i]);
		assert_int_equal(assay_worker_open(recipes[i], &workers[i], NULL), 0);
	}
	assert_int_equal(infos[2].scale_count, 2);
	assert_int_equal(infos[2].working_height_px, 320);
	assert_int_equal(infos[2].scales[0].working_height_px, 160);
	assert_int_equal(infos[2].report.patches, infos[0].report.patches + infos[1].report.patches);
	assert_int_equal(infos[2].report.bank_size, 120);
	assert_true(infos[2].macs == infos[0].macs + infos[1].macs);
	/* the network's buffers are shared */
	assert_true(infos[2].workspace_bytes < infos[0].workspace_bytes + infos[1].workspace_bytes - 100000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(infos[2].scales[i].mean_q8, infos[i].scales[0].mean_q8);
		assert_int_equal(infos[2].scales[i].sd_q8, infos[i].scales[0].sd_q8);
	}
	for (int i = 0; i < 12; i++) {
		struct assay_image image = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, (uint64_t)i + 1);
		if (i >= 6)
			spoil(&image, 5 * i, 4 * i, i - 4);
		uint32_t a = judged(workers[0], &image).score_q8, b = judged(workers[1], &image).score_q8;
		assert_int_equal(judged(workers[2], &image).score_q8, a > b ? a : b);
		decided[a < b] = true;
		assay_image_free(&image, NULL);
	}
	assert_true(decided[0] && decided[1]);
	for (int i = 0; i < 3; i++) {
		assay_worker_close(workers[i]);
		assay_recipe_close(recipes[i]);
	}
	shelf_clear(&shelf);
}

static void three_scales(void **state)
{
	char path[] = "/tmp/assay_scales_XXXXXX";
	struct failing failing;
	struct shelf shelf;
	struct assay_recipe *recipe, *again = NULL;
	struct assay_recipe_info info, same;
	struct assay_worker *worker, *other;
	struct assay_error error = {0};
	struct assay_teach_options options = {.bank_size = 60, .smallest_defect_px = 8};
	(void)state;
	failing_open(&failing, 0);
	shelf_of(&shelf, 5, 480, 432);
	struct assay_env env = env_of(&failing.allocator);
	recipe = must_teach(&env, &options, &shelf, NULL);
	assay_recipe_get_info(recipe, &info);
	assert_int_equal(info.scale_count, 3);
	assert_int_equal(info.scales[2].working_height_px, 432);
	assert_int_equal(info.scales[2].working_width_px, 480);
	assert_int_equal(info.grid_width, 60);
	assert_int_equal(info.smallest_defect_px, 8);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);

	close(mkstemp(path));
	assert_int_equal(assay_recipe_save(recipe, path, &error), 0);
	if (assay_recipe_open(NULL, path, &again, &error))
		fail_msg("%s", error.message);
	assay_recipe_get_info(again, &same);
	assert_memory_equal(info.content_hash, same.content_hash, ASSAY_HASH_BYTES);
	assert_memory_equal(info.scales, same.scales, sizeof(info.scales));
	assert_memory_equal(&info.report, &same.report, sizeof(info.report));
	assert_int_equal(info.workspace_bytes, same.workspace_bytes);
	assert_int_equal(assay_worker_open(again, &other, NULL), 0);

	int requests = failing.requests;
	spoil(&shelf.images[0], 300, 100, 24);
	struct assay_result r = judged(worker, &shelf.images[0]);
	assert_int_equal(r.verdict, ASSAY_FAIL);
	assert_true(abs(r.regions[0].peak_x_px - 312) < 24 && abs(r.regions[0].peak_y_px - 112) < 24);
	assert_int_equal(judged(other, &shelf.images[0]).score_q8, r.score_q8);
	for (int i = 1; i < 5; i++)
		assert_int_equal(judged(worker, &shelf.images[i]).score_q8, judged(other, &shelf.images[i]).score_q8);
	assert_int_equal(failing.requests, requests);
	assay_worker_close(worker);
	assay_worker_close(other);
	assay_recipe_close(recipe);
	assay_recipe_close(again);
	unlink(path);
	shelf_clear(&shelf);
	assert_int_equal(failing.alive, 0);
}

static void strips(void **state)
{
	static const int sizes[][4] = {{100, 252, 160, 400}, {252, 100, 400, 160}, {40, 320, 160, 1280}};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct shelf shelf;
		struct assay_recipe_info info;
		struct assay_worker *worker;
		struct assay_teach_options options = {.bank_size = 40};
		shelf_of(&shelf, 3, sizes[i][0], sizes[i][1]);
		struct assay_env env = env_of(NULL);
		struct assay_recipe *recipe = must_teach(&env, &options, &shelf, NULL);
		assay_recipe_get_info(recipe, &info);
		assert_int_equal(info.scales[0].working_width_px, sizes[i][2]);
		assert_int_equal(info.scales[0].working_height_px, sizes[i][3]);
		assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
		spoil(&shelf.images[1], 14, 70, 16);
		struct assay_result r = judged(worker, &shelf.images[1]);
		assert_int_equal(r.verdict, ASSAY_FAIL);
		assert_true(abs(r.regions[0].peak_x_px - 22) < 12 && abs(r.regions[0].peak_y_px - 78) < 12);
		assay_worker_close(worker);
		assay_recipe_close(recipe);
		shelf_clear(&shelf);
	}
}

static void masked_at_every_scale(void **state)
{
	struct shelf shelf;
	struct assay_image mask;
	struct assay_worker *worker;
	struct assay_teach_options options = {.bank_size = 60, .roi = {8, 0, 80, 80}, .mask = &mask};
	(void)state;
	assay_image_create(PART_WIDTH, PART_HEIGHT, 1, 8, NULL, &mask, NULL);
	for (int y = 0; y < PART_HEIGHT; y++)
		memset(mask.pixels + (size_t)y * mask.stride_bytes, 1, 48);
	shelf_of(&shelf, 6, PART_WIDTH, PART_HEIGHT);
	struct assay_env env = env_of(NULL);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, NULL);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	struct assay_result plain = judged(worker, &shelf.images[0]);
	assert_int_equal(plain.map_area.x, 8);
	for (int i = 0; i < plain.grid_width * plain.grid_height; i++)
		assert_int_equal(plain.map_q8[i] > 0, i % plain.grid_width < plain.grid_width / 2);
	uint32_t before = plain.score_q8;
	spoil(&shelf.images[0], 89, 10, 7); /* outside the region of interest */
	spoil(&shelf.images[0], 78, 60, 8); /* under the mask, beyond what a cell sees */
	uint32_t hidden = judged(worker, &shelf.images[0]).score_q8;
	assert_true(hidden < before + 512);
	spoil(&shelf.images[0], 20, 30, 12);
	assert_int_equal(judged(worker, &shelf.images[0]).verdict, ASSAY_FAIL);
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	/* a mask that one scale cannot see */
	memset(mask.pixels, 0, mask.stride_bytes * PART_HEIGHT);
	for (int y = 30; y < 33; y++)
		memset(mask.pixels + (size_t)y * mask.stride_bytes + 40, 1, 3);
	struct assay_parts parts = shelf_parts(&shelf);
	struct assay_error error = {0};
	recipe = NULL;
	assert_int_equal(assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error), ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "leaves nothing to inspect: at a working size of "));
	assert_null(recipe);
	assay_image_free(&mask, NULL);
	shelf_clear(&shelf);
}

static struct assay_image in_light(const struct assay_image *image, int percent)
{
	struct assay_image to;
	assay_image_create(image->width_px, image->height_px, 1, 8, NULL, &to, NULL);
	for (size_t i = 0; i < image->stride_bytes * (size_t)image->height_px; i++) {
		int v = (image->pixels[i] * percent + 50) / 100;
		to.pixels[i] = (uint8_t)(v > 255 ? 255 : v);
	}
	return to;
}

static void light_does_not_count(void **state)
{
	static const int percents[] = {80, 90, 110, 120};
	struct shelf shelf;
	struct assay_worker *worker, *plain;
	struct assay_teach_options options = {.working_px = 160, .bank_size = 200};
	struct assay_teach_report report;
	struct assay_recipe_info info;
	(void)state;
	shelf_of(&shelf, 10, PART_WIDTH, PART_HEIGHT);
	struct assay_env env = env_of(NULL);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.parts_brightened, 0);
	assay_recipe_get_info(recipe, &info);
	assert_true(info.exposure && info.light_tolerance == 0.2);
	options.no_exposure = true;
	struct assay_recipe *without = must_teach(&env, &options, &shelf, NULL);
	assay_recipe_get_info(without, &info);
	assert_true(!info.exposure && info.light_tolerance == 0);
	assert_int_equal(without->scales.at[0].light_q8, 0);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	assert_int_equal(assay_worker_open(without, &plain, NULL), 0);
	for (int i = 0; i < 10; i++)
		for (size_t k = 0; k < sizeof(percents) / sizeof(percents[0]); k++) {
			struct assay_image image = in_light(&shelf.images[i], percents[k]);
			int as_it_is = (int)judged(worker, &shelf.images[i]).score_q8;
			int score = (int)judged(worker, &image).score_q8;
			if (abs(score - as_it_is) > 768)
				fail_msg("part %d at %d %%: %d instead of %d", i, percents[k], score, as_it_is);
			if (percents[k] == 80 || percents[k] == 120)
				assert_true((int)judged(plain, &image).score_q8 > score + 2560);
			assay_image_free(&image, NULL);
		}
	assay_worker_close(worker);
	assay_worker_close(plain);
	assay_recipe_close(recipe);
	assay_recipe_close(without);
	shelf_clear(&shelf);
}

static void brighten(struct assay_image *image, int x0, int y0, int side, uint8_t value)
{
	for (int y = y0; y < y0 + side; y++)
		memset(image->pixels + (size_t)y * image->stride_bytes + x0, value, (size_t)side);
}

static void bright_parts_are_taught_brighter(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report, none, hardly;
	struct assay_teach_options options = {.working_px = 160, .bank_size = 400};
	(void)state;
	shelf_of(&shelf, 8, PART_WIDTH, PART_HEIGHT);
	for (int i = 0; i < 8; i++) /* some have a plain white place, one place so small that it is not worth it */
		brighten(&shelf.images[i], 20, 20, i < 5 ? 12 : i == 5 ? 1 : 0, 255);
	struct assay_env env = env_of(NULL);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.parts_brightened, 5);
	assert_int_equal(report.patches, (8 + 5) * 24 * 20);
	assay_recipe_close(recipe);

	options.light_tolerance = -1;
	recipe = must_teach(&env, &options, &shelf, &none);
	assert_int_equal(none.parts_brightened, 0);
	assert_int_equal(none.patches, 8 * 24 * 20);
	assay_recipe_close(recipe);

	/* in hardly brighter light the copy is the part itself: it must not be in the bank that judges the part */
	options.light_tolerance = 0.0023;
	recipe = must_teach(&env, &options, &shelf, &hardly);
	assert_int_equal(hardly.parts_brightened, 5);
	assert_true(recipe->scales.at[0].unit.mean_q8 > 0);
	struct assay_recipe_info info;
	assay_recipe_get_info(recipe, &info);
	uint32_t with_copies = info.scales[0].mean_q8;
	assay_recipe_close(recipe);
	options.light_tolerance = -1;
	recipe = must_teach(&env, &options, &shelf, NULL);
	assay_recipe_get_info(recipe, &info);
	assert_true(with_copies > info.scales[0].mean_q8 * 9 / 10);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static void two_parts_are_enough(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_worker *worker;
	struct assay_teach_options options = {.bank_size = 2000};
	(void)state;
	shelf_of(&shelf, 2, PART_WIDTH, PART_HEIGHT);
	struct assay_env env = env_of(NULL);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.folds, 2);
	/* of two, the worse one is one standard deviation above the mean at most */
	assert_true(report.threshold_q8 >= 2560 && report.threshold_q8 <= 2560 + 256);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	assert_int_equal(judged(worker, &shelf.images[0]).verdict, ASSAY_PASS);
	spoil(&shelf.images[0], 30, 30, 10);
	assert_int_equal(judged(worker, &shelf.images[0]).verdict, ASSAY_FAIL);
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
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
		cmocka_unit_test(the_worst_scale_counts),
		cmocka_unit_test(three_scales),
		cmocka_unit_test(strips),
		cmocka_unit_test(masked_at_every_scale),
		cmocka_unit_test(light_does_not_count),
		cmocka_unit_test(bright_parts_are_taught_brighter),
		cmocka_unit_test(two_parts_are_enough),
	};
	return cmocka_run_group_tests(tests, open_network, close_network);
}
