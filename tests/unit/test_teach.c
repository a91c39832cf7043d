/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "base/parallel.h"
#include "vision/calibrate.h"
#include "vision/parts.h"
#include "vision/teach.h"

static uint8_t *network;
static size_t network_size;

static struct assay_env env_of(const struct assay_allocator *allocator, enum assay_isa isa)
{
	return (struct assay_env){
		.allocator = allocator, .isa = isa, .network = network, .network_size_bytes = network_size};
}

static void refused(const struct assay_teach_options *options, struct shelf *shelf, int code, const char *words)
{
	struct failing failing;
	struct assay_error error = {0};
	struct assay_recipe *recipe = NULL;
	struct assay_parts parts = shelf_parts(shelf);
	struct assay_teach_report report = {.parts_offered = 1234};
	failing_open(&failing, 0);
	struct assay_env env = env_of(&failing.allocator, ASSAY_ISA_SCALAR);
	int rc = assay_teach(&env, options, &parts, NULL, NULL, &recipe, &report, &error);
	if (rc != code || !strstr(error.message, words))
		fail_msg("code %d \"%s\", wanted %d \"%s\"", rc, error.message, code, words);
	assert_int_equal(error.code, code);
	assert_null(recipe);
	assert_int_equal(report.parts_offered, 1234);
	assert_int_equal(failing.alive, 0);
	assert_int_equal(assay_teach(&env, options, &parts, NULL, NULL, &recipe, NULL, NULL), code);
}

static void options_out_of_range(void **state)
{
	struct shelf shelf;
	struct assay_image mask = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 1), nothing = {0};
	const struct {
		struct assay_teach_options options;
		const char *words;
	} cases[] = {
		{{.working_px = 63}, "the working size is 63; it must be 64 to 2048"},
		{{.working_px = 2049}, "2049"},
		{{.working_px = -1}, "-1"},
		{{.smallest_defect_px = -1}, "the smallest defect is -1; it must be 1 to 4096"},
		{{.smallest_defect_px = 4097}, "4097"},
		{{.working_px = 64, .smallest_defect_px = 5}, "give one of them"},
		{{.light_tolerance = 1.1}, "the light tolerance is 1.1"},
		{{.light_tolerance = 0.0 / 0.0}, "the light tolerance is"},
		{{.bank_size = 15}, "the bank size is 15; it must be 16 to 16384"},
		{{.bank_size = 16385}, "16385"},
		{{.folds = 1}, "the number of folds is 1; it must be 2 to 20"},
		{{.folds = 21}, "21"},
		{{.white_level = 254}, "the white level is 254"},
		{{.white_level = 65536}, "65536"},
		{{.overkill = -0.1}, "the wanted overkill is -0.1"},
		{{.overkill = 0.21}, "at most 0.2 (20 %)"},
		{{.overkill = 0.0 / 0.0}, "the wanted overkill is"},
		{{.roi = {.width = -5, .height = 5}}, "the region of interest is -5x5"},
		{{.roi = {.width = 5, .height = 0}}, "the region of interest is 5x0"},
		{{.roi = {.x = -1, .width = 5, .height = 5}}, "at -1,0"},
		{{.mask = &mask, .scale = true}, "--scale"},
		{{.mask = &nothing}, "the mask is not a picture"},
	};
	(void)state;
	shelf_fill(&shelf, 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(&cases[i].options, &shelf, ASSAY_E_ARGUMENT, cases[i].words);
	struct assay_teach_options options = quick_options();
	options.roi = (struct assay_rect_px){50, 0, 50, 50};
	refused(&options, &shelf, ASSAY_E_MISMATCH, "does not lie inside a picture of 96x80");
	options = quick_options();
	memset(mask.pixels, 0, mask.stride_bytes * PART_HEIGHT);
	options.mask = &mask;
	refused(&options, &shelf, ASSAY_E_MISMATCH, "leaves nothing to inspect");
	assay_image_free(&mask, NULL);
	mask = make_part(20, 20, 1, 8, 1);
	refused(&options, &shelf, ASSAY_E_MISMATCH, "the mask is 20x20, the picture 96x80");
	assay_image_free(&mask, NULL);
	shelf_clear(&shelf);
}

static void defaults(void **state)
{
	struct assay__settings s;
	(void)state;
	assert_int_equal(assay__settings_from(NULL, &s, NULL), 0);
	assert_int_equal(s.working_px, 0);
	assert_int_equal(s.smallest_defect_px, 0);
	assert_true(s.exposure);
	assert_true(s.light_tolerance == 0.2);
	assert_int_equal(s.bank_size, 2000);
	assert_int_equal(s.folds, 10);
	assert_true(s.overkill == 0.005);
	assert_int_equal(s.view.white_level, 65535);
	assert_int_equal(s.view.roi.width, 0);
	struct assay_teach_options options = {.light_tolerance = -1};
	assert_int_equal(assay__settings_from(&options, &s, NULL), 0);
	assert_true(s.exposure && s.light_tolerance == 0);
	options = (struct assay_teach_options){.no_exposure = true};
	assert_int_equal(assay__settings_from(&options, &s, NULL), 0);
	assert_true(!s.exposure && s.light_tolerance == 0);
}

static void too_few_pictures(void **state)
{
	struct shelf shelf;
	struct assay_teach_options options = quick_options();
	(void)state;
	memset(&shelf, 0, sizeof(shelf));
	refused(&options, &shelf, ASSAY_E_ARGUMENT, "0 images");
	shelf_fill(&shelf, 1);
	refused(&options, &shelf, ASSAY_E_ARGUMENT, "only one picture of a good part (good/part_00.png)");
	for (int i = 0; i < 4; i++)
		shelf_put(&shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 1));
	refused(&options, &shelf, ASSAY_E_ARGUMENT, "one image repeated 5 times (good/part_00.png)");
	for (int i = 0; i < 5; i++)
		shelf.broken[i] = true;
	refused(&options, &shelf, ASSAY_E_ARGUMENT, "none of the 5 pictures could be read");
	shelf_clear(&shelf);
}

static void odd_shapes_are_named(void **state)
{
	struct shelf shelf;
	struct assay_teach_options options = quick_options();
	(void)state;
	shelf_fill(&shelf, 4);
	shelf_put(&shelf, make_part(70, 80, 1, 8, 9));
	refused(&options, &shelf, ASSAY_E_MISMATCH,
			"part_04.png is 70x80 grey 8-bit, the other 4 are 96x80 grey 8-bit; --scale accepts mixed sizes");
	shelf_put(&shelf, make_part(96, 80, 3, 8, 10));
	shelf_put(&shelf, make_part(96, 80, 1, 16, 11));
	refused(
		&options, &shelf, ASSAY_E_MISMATCH,
		"part_04.png is 70x80 grey 8-bit, part_05.png is 96x80 RGB 8-bit, part_06.png is 96x80 grey 16-bit, the other "
		"4 are");
	shelf_put(&shelf, make_part(96, 81, 1, 8, 12));
	shelf_put(&shelf, make_part(96, 80, 1, 8, 13));
	refused(&options, &shelf, ASSAY_E_MISMATCH, " and 1 more differ, the other 5");
	shelf_put(&shelf, make_part(60, 60, 1, 8, 14));
	shelf_put(&shelf, make_part(60, 62, 1, 8, 15));
	refused(&options, &shelf, ASSAY_E_MISMATCH,
			"the 11 pictures have 7 different sizes or kinds (part_04.png is 70x80");
	shelf_clear(&shelf);
}

static void mixed_sizes_with_scale(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_recipe_info info;
	struct assay_teach_options options = quick_options();
	(void)state;
	options.scale = true;
	shelf_fill(&shelf, 3);
	shelf_put(&shelf, make_part(150, 80, 3, 8, 9));
	shelf_put(&shelf, make_part(80, 96, 1, 16, 10));
	struct assay_env env = env_of(NULL, ASSAY_ISA_BEST);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.parts_used, 5);
	/* 96x80 becomes 80x64, 150x80 128x64 (120 lies half way), 80x96 64x80 */
	assert_int_equal(report.patches, 3 * 10 * 8 + 16 * 8 + 8 * 10);
	assay_recipe_get_info(recipe, &info);
	assert_true(info.scale);
	assay_recipe_close(recipe);
	shelf_put(&shelf, make_part(90, 10, 1, 8, 12));
	refused(&options, &shelf, ASSAY_E_MISMATCH, "good/part_05.png: 90x10 is longer than 8:1");
	shelf_clear(&shelf);
}

struct heard {
	int indices[PARTS_MOST], count, reports, cancel_at;
	char stages[2000], last[64];
	bool backwards;
	int done;
};

static void hear_unreadable(void *ctx, int index, const struct assay_error *error)
{
	struct heard *heard = ctx;
	assert_non_null(strstr(error->message, "broken on purpose"));
	heard->indices[heard->count++] = index;
}

static int hear_progress(void *ctx, const char *stage, int done, int total)
{
	struct heard *heard = ctx;
	if (strcmp(stage, heard->last) != 0) {
		snprintf(heard->last, sizeof(heard->last), "%s", stage ? stage : "(no stage)");
		strncat(heard->stages, stage, sizeof(heard->stages) - strlen(heard->stages) - 1);
		strncat(heard->stages, ";", sizeof(heard->stages) - strlen(heard->stages) - 1);
	}
	assert_true(done >= 0 && done <= total);
	return ++heard->reports == heard->cancel_at;
}

static void unreadable_and_repeated(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_error error = {0};
	struct assay_recipe *recipe = NULL;
	struct heard heard = {0};
	struct assay_teach_hooks hooks = {
		.progress = {hear_progress, &heard}, .unreadable = hear_unreadable, .ctx = &heard};
	struct assay_teach_options options = quick_options();
	(void)state;
	shelf_fill(&shelf, 12);
	shelf_put(&shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 3));
	shelf.broken[4] = shelf.broken[9] = true;
	shelf.images[4].width_px = 0; /* what cannot be read has no size to agree in */
	struct assay_env env = env_of(NULL, ASSAY_ISA_BEST);
	struct assay_parts parts = shelf_parts(&shelf);
	assert_int_equal(assay_teach(&env, &options, &parts, NULL, &hooks, &recipe, &report, &error), 0);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.indices[0], 4);
	assert_int_equal(heard.indices[1], 9);
	assert_int_equal(report.parts_offered, 13);
	assert_int_equal(report.parts_unreadable, 2);
	assert_int_equal(report.parts_repeated, 1);
	assert_int_equal(report.parts_used, 10);
	assert_int_equal(report.patches, 10 * 10 * 8);
	assert_int_equal(report.folds, 10);
	assert_int_equal(report.bank_size, 60);
	assert_true(report.odd_part >= 0 && report.odd_part < 12 && report.odd_part != 4 && report.odd_part != 9);
	assert_true(report.overkill_stated == 1.0 / 11);
	assert_int_equal(report.threshold_q8, report.score_max_q8);
	assert_true(report.score_min_q8 > 0 && report.score_min_q8 <= report.score_median_q8);
	assert_string_equal(heard.stages,
						"reading;light;position;features at 64 px;fold 1 of 10 at 64 px;fold 2 of 10 at 64 px;"
						"fold 3 of 10 at 64 px;fold 4 of 10 at 64 px;fold 5 of 10 at 64 px;fold 6 of 10 at 64 px;"
						"fold 7 of 10 at 64 px;fold 8 of 10 at 64 px;fold 9 of 10 at 64 px;fold 10 of 10 at 64 px;"
						"bank at 64 px;");
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static void cancelled_anywhere(void **state)
{
	struct shelf shelf;
	struct assay_teach_options options = quick_options();
	(void)state;
	shelf_fill(&shelf, 4);
	struct assay_parts parts = shelf_parts(&shelf);
	for (int at = 1;; at++) {
		struct failing failing;
		struct assay_recipe *recipe = NULL;
		struct assay_error error = {0};
		struct heard heard = {.cancel_at = at};
		struct assay_teach_hooks hooks = {.progress = {hear_progress, &heard}};
		failing_open(&failing, 0);
		struct assay_env env = env_of(&failing.allocator, ASSAY_ISA_BEST);
		int rc = assay_teach(&env, &options, &parts, NULL, &hooks, &recipe, NULL, &error);
		if (rc == 0) {
			assert_true(at > 10);
			assay_recipe_close(recipe);
			break;
		}
		assert_int_equal(rc, ASSAY_E_CANCELLED);
		assert_int_equal(heard.reports, at);
		assert_null(recipe);
		assert_int_equal(failing.alive, 0);
	}
	shelf_clear(&shelf);
}

static void hash_of(const struct assay_env *env, const struct assay_teach_options *options, struct shelf *shelf,
					int workers, uint8_t hash[ASSAY_HASH_BYTES])
{
	struct assay__parallel *parallel = NULL;
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	struct assay_recipe_info info;
	struct assay_parts parts = shelf_parts(shelf);
	if (workers)
		assert_int_equal(assay__parallel_open(workers, NULL, &parallel, NULL), 0);
	if (assay_teach(env, options, &parts, workers ? assay__parallel_runner(parallel) : NULL, NULL, &recipe, NULL,
					&error))
		fail_msg("%s", error.message);
	assay_recipe_get_info(recipe, &info);
	memcpy(hash, info.content_hash, ASSAY_HASH_BYTES);
	assay_recipe_close(recipe);
	assay__parallel_close(parallel);
}

static void same_set_same_hash(void **state)
{
	struct shelf shelf;
	uint8_t want[ASSAY_HASH_BYTES], got[ASSAY_HASH_BYTES];
	uint64_t seed = 3;
	struct assay_teach_options options = quick_options();
	(void)state;
	shelf_fill(&shelf, 23);
	struct assay_env env = env_of(NULL, ASSAY_ISA_SCALAR);
	hash_of(&env, &options, &shelf, 0, want);
	for (int round = 0; round < 6; round++) {
		static const int workers[6] = {1, 2, 5, 0, 2, 5};
		static const enum assay_isa isas[6] = {ASSAY_ISA_BEST,	 ASSAY_ISA_AVX2,	   ASSAY_ISA_AVX512VNNI,
											   ASSAY_ISA_SCALAR, ASSAY_ISA_AVX512VNNI, ASSAY_ISA_BEST};
		enum assay_isa isa;
		for (int i = shelf.count - 1; i > 0; i--) {
			int j = net_random_range(&seed, 0, i), swap = shelf.order[i];
			shelf.order[i] = shelf.order[j];
			shelf.order[j] = swap;
		}
		if (isas[round] != ASSAY_ISA_BEST && assay_isa_from_name(assay_isa_name(isas[round]), &isa, NULL))
			continue; /* this processor lacks it */
		env = env_of(NULL, isas[round]);
		hash_of(&env, &options, &shelf, workers[round], got);
		assert_memory_equal(got, want, sizeof(want));
	}
	/* a repeated picture and other names change nothing; one pixel or one option does */
	shelf_put(&shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 5));
	hash_of(&env, &options, &shelf, 0, got);
	assert_memory_equal(got, want, sizeof(want));
	options.overkill = 0.006;
	hash_of(&env, &options, &shelf, 0, got);
	assert_memory_not_equal(got, want, sizeof(want));
	options.overkill = 0;
	shelf.images[0].pixels[0] ^= 1;
	hash_of(&env, &options, &shelf, 0, got);
	assert_memory_not_equal(got, want, sizeof(want));
	shelf_clear(&shelf);
}

static void very_few_parts(void **state)
{
	static const int counts[] = {2, 3, 5, 6};
	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct shelf shelf;
		struct assay_teach_report report;
		struct assay_recipe_info info;
		struct assay_teach_options options = quick_options();
		int n = counts[i];
		shelf_fill(&shelf, n);
		struct assay_env env = env_of(NULL, ASSAY_ISA_BEST);
		struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
		assert_int_equal(report.parts_used, n);
		assert_int_equal(report.folds, n < 10 ? n : 10);
		assert_true(report.overkill_stated == 1.0 / (n + 1));
		assert_int_equal(report.threshold_q8, report.score_max_q8);
		assay_recipe_get_info(recipe, &info);
		assert_int_equal(info.folds, report.folds);
		assert_int_equal(info.feature_dim, 32);
		assert_int_equal(info.grid_width, 10);
		assert_int_equal(info.grid_height, 8);
		assert_int_equal(info.working_width_px, 80);
		assert_int_equal(info.roi.width, PART_WIDTH);
		assert_string_equal(info.network_name, "small");
		assert_true(info.macs > 0 && info.workspace_bytes > 0);
		for (int k = 1; k < n; k++)
			assert_true(info.calibration_q8[k - 1] <= info.calibration_q8[k]);
		assert_int_equal(info.calibration_q8[n - 1], report.score_max_q8);
		assay_recipe_close(recipe);
		shelf_clear(&shelf);
	}
}

/* Parts that differ only where the mask hides them look the same, and their patches are not in the bank. */
static void masked_cells_take_no_part(void **state)
{
	struct shelf shelf;
	struct assay_image mask;
	struct assay_teach_report report;
	struct assay_recipe_info info;
	struct assay_teach_options options = quick_options();
	(void)state;
	assay_image_create(PART_WIDTH, PART_HEIGHT, 1, 8, NULL, &mask, NULL);
	for (int y = 0; y < PART_HEIGHT; y++)
		memset(mask.pixels + (size_t)y * mask.stride_bytes, 255, PART_WIDTH / 2);
	options.mask = &mask;
	shelf_fill(&shelf, 6);
	struct assay_env env = env_of(NULL, ASSAY_ISA_BEST);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.patches, 6 * 5 * 8);
	assay_recipe_get_info(recipe, &info);
	assert_true(info.masked);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
	assay_image_free(&mask, NULL);
}

static void odd_part_is_found(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_teach_options options = quick_options();
	(void)state;
	shelf_fill(&shelf, 15);
	spoil(&shelf.images[7], 30, 30, 20);
	struct assay_env env = env_of(NULL, ASSAY_ISA_BEST);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.odd_part, 7);
	assert_true(report.score_max_q8 > report.score_median_q8 * 5 / 4);
	assay_recipe_close(recipe);
	options.overkill = 0.2; /* floor(0.2 * 16) = 3 */
	recipe = must_teach(&env, &options, &shelf, &report);
	assert_true(report.threshold_q8 < report.score_max_q8);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static void picture_read_again(void **state)
{
	struct shelf shelf;
	struct assay_image image;
	struct assay_error error = {0};
	bool owned = false;
	(void)state;
	shelf_fill(&shelf, 2);
	struct assay_parts parts = shelf_parts(&shelf);
	struct assay__part part = {.index = 1, .shape = assay__shape_of(&shelf.images[1])};
	assay_image_hash(&shelf.images[1], part.hash);
	assert_int_equal(assay__part_picture(&parts, &part, NULL, &image, &owned, &error), 0);
	assert_true(owned);
	assay_image_free(&image, NULL);
	shelf.images[1].pixels[5] ^= 4;
	assert_int_equal(assay__part_picture(&parts, &part, NULL, &image, &owned, &error), ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "part_01.png: the picture changed"));
	part.image = shelf.images[1];
	assert_int_equal(assay__part_picture(&parts, &part, NULL, &image, &owned, &error), 0);
	assert_false(owned);
	assert_ptr_equal(image.pixels, shelf.images[1].pixels);
	shelf_clear(&shelf);
}

static void bad_networks(void **state)
{
	struct shelf shelf;
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	struct assay_teach_options options = quick_options();
	uint8_t *bad = malloc(network_size);
	(void)state;
	memcpy(bad, network, network_size);
	bad[network_size / 2] ^= 1;
	shelf_fill(&shelf, 2);
	struct assay_parts parts = shelf_parts(&shelf);
	struct assay_env env = {.network = bad, .network_size_bytes = network_size};
	assert_int_equal(assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error), ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "network"));
	free(bad);
	struct net_builder b;
	net_builder_begin(&b, "stride 2", 2, 1);
	net_builder_tap(&b, net_builder_conv(
							&b, 0, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 2, .residual = -1, .hi = 255}));
	size_t size;
	bad = net_builder_end(&b, &size);
	env = (struct assay_env){.network = bad, .network_size_bytes = size};
	assert_int_equal(assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error), ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "strides of 4, 8 or 16"));
	assert_null(recipe);
	free(bad);
	shelf_clear(&shelf);
}

static void failing_allocations(void **state)
{
	struct shelf shelf;
	struct assay_image mask = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 1);
	struct assay_teach_options options = quick_options();
	(void)state;
	options.mask = &mask;
	options.bank_size = 16;
	shelf_fill(&shelf, 2);
	struct assay_parts parts = shelf_parts(&shelf);
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay_recipe *recipe = NULL;
		struct assay_error error = {0};
		failing_open(&failing, k);
		struct assay_env env = env_of(&failing.allocator, ASSAY_ISA_BEST);
		int rc = assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error);
		if (rc == 0) {
			assert_true(k > 40);
			assay_recipe_close(recipe);
			assert_int_equal(failing.alive, 0);
			break;
		}
		if (rc != ASSAY_E_NOMEM || error.code != ASSAY_E_NOMEM || failing.alive != 0)
			fail_msg("allocation %d: code %d, %d alive, %s", k, rc, failing.alive, error.message);
		assert_null(recipe);
	}
	assay_image_free(&mask, NULL);
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
		cmocka_unit_test(options_out_of_range),	  cmocka_unit_test(defaults),
		cmocka_unit_test(too_few_pictures),		  cmocka_unit_test(odd_shapes_are_named),
		cmocka_unit_test(mixed_sizes_with_scale), cmocka_unit_test(unreadable_and_repeated),
		cmocka_unit_test(cancelled_anywhere),	  cmocka_unit_test(same_set_same_hash),
		cmocka_unit_test(very_few_parts),		  cmocka_unit_test(masked_cells_take_no_part),
		cmocka_unit_test(odd_part_is_found),	  cmocka_unit_test(picture_read_again),
		cmocka_unit_test(bad_networks),			  cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, open_network, close_network);
}
