/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture_util.h"

#include <sqlite3.h>

#include "base/parallel.h"
#include "vision/recipe.h"

#define GOODS 24
#define JUDGED 24

static uint8_t *network;
static size_t network_size;
static char folder[] = "/tmp/assay_position_XXXXXX";
static char path[64];

static struct assay_env small_env(const struct assay_allocator *allocator, enum assay_isa isa)
{
	return (struct assay_env){
		.allocator = allocator, .isa = isa, .network = network, .network_size_bytes = network_size};
}

static struct assay_teach_options plate_options(enum assay_position position)
{
	return (struct assay_teach_options){.working_px = 128, .bank_size = 300, .folds = 4, .position = position};
}

static struct assay_recipe *teach_fixed(const struct assay_env *env, struct shelf *shelf)
{
	struct assay_teach_options options = plate_options(ASSAY_POSITION_FIXED);
	return must_teach(env, &options, shelf, NULL);
}

static uint32_t judge(struct assay_worker *worker, const struct assay_image *image, enum assay_verdict *verdict)
{
	struct assay_result result;
	assert_int_equal(assay_inspect(worker, image, &result, NULL), 0);
	if (verdict)
		*verdict = result.verdict;
	return result.score_q8;
}

struct tally {
	double auroc, least; /* of the plates with a fault */
	int escapes, rejects;
};

/* Good plates that were not taught, and plates with a fault: the same for every recipe. */
static struct tally compare(const struct assay_recipe *recipe)
{
	struct assay_worker *worker;
	uint32_t good[JUDGED], bad[JUDGED];
	struct tally tally = {.least = 1e9};
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	for (int i = 0; i < JUDGED; i++) {
		enum assay_verdict verdict;
		struct assay_image image = make_plate(&plate_fixed, PLATE_GOOD, -1, 1000 + (uint64_t)i);
		good[i] = judge(worker, &image, &verdict);
		tally.rejects += verdict != ASSAY_PASS;
		assay_image_free(&image, NULL);
		image = make_plate(&plate_fixed, i % 2 ? PLATE_MISSING : PLATE_SWAPPED, i / 2 % PLATE_COMPONENTS,
						   2000 + (uint64_t)i);
		bad[i] = judge(worker, &image, &verdict);
		tally.escapes += verdict == ASSAY_PASS;
		tally.least = fmin(tally.least, bad[i] / 256.0);
		assay_image_free(&image, NULL);
	}
	for (int i = 0; i < JUDGED; i++)
		for (int j = 0; j < JUDGED; j++)
			tally.auroc += bad[i] > good[j] ? 1 : bad[i] == good[j] ? 0.5 : 0;
	tally.auroc /= JUDGED * JUDGED;
	assay_worker_close(worker);
	return tally;
}

static void what_is_not_in_its_place_shows(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_teach_options options = {.working_px = 224, .folds = 4, .position = ASSAY_POSITION_FREE};
	(void)state;
	shelf_fill_plates(&shelf, &plate_fixed, GOODS);
	struct assay_recipe *recipe = must_teach(NULL, &options, &shelf, &report);
	assert_int_equal(report.position.chosen, ASSAY_POSITION_FREE);
	assert_int_equal(report.position.why, ASSAY_POSITION_TOLD);
	struct tally free_one = compare(recipe);
	assay_recipe_close(recipe);
	options.position = ASSAY_POSITION_AUTO;
	recipe = must_teach(NULL, &options, &shelf, &report);
	if (report.position.chosen != ASSAY_POSITION_FIXED || report.position.why != ASSAY_POSITION_EVEN)
		fail_msg("why %d, fit %.3f, spread %.3f", report.position.why, report.position.fit, report.position.spread);
	struct tally fixed = compare(recipe);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
	if (fixed.least < free_one.least + 4 || fixed.auroc < free_one.auroc || fixed.escapes > 0 ||
		fixed.rejects > free_one.rejects + 1)
		fail_msg("free: AUROC %.4f, least %.2f, %d escapes, %d rejects of %d; by place: %.4f, %.2f, %d, %d",
				 free_one.auroc, free_one.least, free_one.escapes, free_one.rejects, JUDGED, fixed.auroc, fixed.least,
				 fixed.escapes, fixed.rejects);
}

static void hash_of(const struct assay_recipe *recipe, uint8_t hash[ASSAY_HASH_BYTES])
{
	struct assay_recipe_info info;
	assay_recipe_get_info(recipe, &info);
	memcpy(hash, info.content_hash, ASSAY_HASH_BYTES);
}

static void loose_parts_stay_free(void **state)
{
	static const struct plate_play none = {0, 0, 0};
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST);
	struct assay_teach_options options = plate_options(ASSAY_POSITION_AUTO);
	uint8_t a[ASSAY_HASH_BYTES], b[ASSAY_HASH_BYTES];
	(void)state;
	shelf_fill_plates(&shelf, &plate_loose, 12);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, &report);
	assert_int_equal(report.position.chosen, ASSAY_POSITION_FREE);
	assert_int_equal(report.position.why, ASSAY_POSITION_LOOSE);
	assert_true(report.position.fit > 0 && report.position.fit < 0.92);
	hash_of(recipe, a);
	assay_recipe_close(recipe);
	/* told so, it is the same recipe */
	options.position = ASSAY_POSITION_FREE;
	recipe = must_teach(&env, &options, &shelf, NULL);
	hash_of(recipe, b);
	assert_memory_equal(a, b, sizeof(a));
	assay_recipe_close(recipe);
	shelf_clear(&shelf);

	options.position = ASSAY_POSITION_AUTO;
	shelf_fill_plates(&shelf, &none, 9);
	assay_recipe_close(must_teach(&env, &options, &shelf, &report));
	assert_int_equal(report.position.why, ASSAY_POSITION_FEW);
	shelf_clear(&shelf);
}

static void nothing_to_see(void **state)
{
	struct shelf shelf = {.count = 0};
	struct assay_teach_report report;
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST);
	struct assay_teach_options options = plate_options(ASSAY_POSITION_AUTO);
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	(void)state;
	for (int i = 0; i < 12; i++) {
		struct assay_image image;
		assert_int_equal(assay_image_create(PLATE_PX, PLATE_PX, 1, 8, NULL, &image, NULL), 0);
		memset(image.pixels, 60 + i, image.stride_bytes * PLATE_PX);
		shelf_put(&shelf, image);
	}
	assay_recipe_close(must_teach(&env, &options, &shelf, &report));
	assert_int_equal(report.position.why, ASSAY_POSITION_FLAT);
	options.position = ASSAY_POSITION_FIXED;
	struct assay_parts parts = shelf_parts(&shelf);
	assert_int_equal(assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error), ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "no edges"));
	shelf_clear(&shelf);
}

static void other_proportions(void **state)
{
	struct shelf shelf;
	struct assay_teach_report report;
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST);
	struct assay_teach_options options = plate_options(ASSAY_POSITION_FIXED);
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	struct assay_worker *worker;
	struct assay_result result;
	(void)state;
	options.scale = true;
	shelf_fill_plates(&shelf, &plate_fixed, 12);
	recipe = must_teach(&env, &options, &shelf, NULL);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	struct assay_image wide = make_part(PLATE_PX * 2, PLATE_PX, 1, 8, 3);
	assert_int_equal(assay_inspect(worker, &wide, &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_FAULT);
	assert_non_null(strstr(result.fault.message, "proportions"));
	assert_int_equal(assay_inspect(worker, &shelf.images[0], &result, NULL), 0);
	assert_int_equal(result.verdict, ASSAY_PASS);
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	/* among the good parts */
	shelf_put(&shelf, wide);
	struct assay_parts parts = shelf_parts(&shelf);
	assert_int_equal(assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error), ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "equal proportions"));
	options.position = ASSAY_POSITION_AUTO;
	assay_recipe_close(must_teach(&env, &options, &shelf, &report));
	assert_int_equal(report.position.why, ASSAY_POSITION_SIZES);
	shelf_clear(&shelf);
}

static void order_threads_and_kernels_do_not_matter(void **state)
{
	struct shelf shelf;
	uint8_t hash[ASSAY_HASH_BYTES], other[ASSAY_HASH_BYTES];
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST), scalar = small_env(NULL, ASSAY_ISA_SCALAR);
	struct assay_teach_options options = plate_options(ASSAY_POSITION_FIXED);
	struct assay__parallel *pool = NULL;
	struct assay_recipe *recipe = NULL;
	(void)state;
	shelf_fill_plates(&shelf, &plate_fixed, 12);
	recipe = teach_fixed(&env, &shelf);
	hash_of(recipe, hash);
	assay_recipe_close(recipe);
	for (int i = 0; i < shelf.count; i++)
		shelf.order[i] = (i * 5 + 3) % shelf.count;
	recipe = teach_fixed(&scalar, &shelf);
	hash_of(recipe, other);
	assert_memory_equal(hash, other, sizeof(hash));
	assay_recipe_close(recipe);
	assert_int_equal(assay__parallel_open(3, NULL, &pool, NULL), 0);
	struct assay_parts parts = shelf_parts(&shelf);
	assert_int_equal(assay_teach(&env, &options, &parts, assay__parallel_runner(pool), NULL, &recipe, NULL, NULL), 0);
	hash_of(recipe, other);
	assert_memory_equal(hash, other, sizeof(hash));
	assay_recipe_close(recipe);
	assay__parallel_close(pool);
	shelf_clear(&shelf);
}

static void kept_in_a_file(void **state)
{
	struct shelf shelf;
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST), scalar = {.isa = ASSAY_ISA_SCALAR};
	struct assay_recipe *read;
	struct assay_recipe_info p, q;
	struct assay_worker *a, *b;
	(void)state;
	shelf_fill_plates(&shelf, &plate_fixed, 12);
	struct assay_recipe *recipe = teach_fixed(&env, &shelf);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	assert_int_equal(assay_recipe_open(&scalar, path, &read, NULL), 0);
	assay_recipe_get_info(recipe, &p);
	assay_recipe_get_info(read, &q);
	assert_memory_equal(p.content_hash, q.content_hash, ASSAY_HASH_BYTES);
	assert_int_equal(q.report.position.wanted, ASSAY_POSITION_FIXED);
	assert_int_equal(q.report.position.chosen, ASSAY_POSITION_FIXED);
	assert_int_equal(q.report.position.why, ASSAY_POSITION_TOLD);
	assert_true(p.report.position.fit == q.report.position.fit && q.report.position.fit > 0.9);
	assert_true(p.report.position.spread == q.report.position.spread && q.report.position.spread > 0);
	assert_int_equal(assay_worker_open(recipe, &a, NULL), 0);
	assert_int_equal(assay_worker_open(read, &b, NULL), 0);
	for (int i = 0; i < 6; i++) {
		struct assay_image image = make_plate(&plate_fixed, (enum plate_fault)(i % 3), i, 500 + (uint64_t)i);
		assert_int_equal(judge(a, &image, NULL), judge(b, &image, NULL));
		assay_image_free(&image, NULL);
	}
	assay_worker_close(a);
	assay_worker_close(b);
	assay_recipe_close(recipe);
	assay_recipe_close(read);
	shelf_clear(&shelf);
}

static void run_sql(const char *sql)
{
	sqlite3 *db;
	char *error = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static void damage_is_noticed(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		{"DROP TABLE position", "how parts lie"},
		{"DROP TABLE place", "how parts lie"},
		{"DELETE FROM position", "how parts lie"},
		{"UPDATE position SET chosen = 1", "how parts lie"},
		{"UPDATE position SET chosen = 0", "how parts lie"},
		{"UPDATE position SET why = 99", "how parts lie"},
		{"UPDATE position SET fit = 1.5", "how parts lie"},
		{"UPDATE position SET fit = 'x'", "how parts lie"},
		{"UPDATE position SET spread = -1.0", "how parts lie"},
		{"UPDATE position SET reference = NULL", "the reference picture"},
		{"UPDATE position SET reference = x'89504e47'", "the reference picture"},
		{"UPDATE position SET reference = (SELECT png FROM golden WHERE id = 1)", "content hash"},
		{"DELETE FROM place", "the banks by place"},
		{"UPDATE place SET id = 2", "a bank by place"},
		{"UPDATE place SET sd_q8 = 0", "a bank by place"},
		{"UPDATE place SET mean_q8 = mean_q8 + 1", "content hash"},
		{"UPDATE place SET counts = x'ff'", "the cells of a bank by place"},
		{"UPDATE place SET counts = x'01'", "a bank by place"},
		{"UPDATE place SET counts = 7", "the cells of a bank by place"},
		{"UPDATE place SET vectors = NULL", "the vectors of a bank by place"},
		{"UPDATE place SET vectors = substr(vectors, 2)", "a bank by place"},
		{"UPDATE place SET vectors = CAST(x'80' || substr(vectors, 2) AS BLOB)", "a vector of a bank by place"},
		{"INSERT INTO place SELECT 2, mean_q8, sd_q8, counts, vectors FROM place", "a bank by place"},
	};
	struct shelf shelf;
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST);
	(void)state;
	shelf_fill_plates(&shelf, &plate_fixed, 4);
	struct assay_recipe *recipe = teach_fixed(&env, &shelf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct failing failing;
		struct assay_error error = {0};
		struct assay_recipe *read = NULL;
		failing_open(&failing, 0);
		struct assay_env counted = {.allocator = &failing.allocator};
		assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
		run_sql(cases[i].sql);
		int rc = assay_recipe_open(&counted, path, &read, &error);
		if (rc != ASSAY_E_FORMAT || !strstr(error.message, cases[i].words) || !strstr(error.message, path))
			fail_msg("%s: code %d \"%s\", wanted \"%s\"", cases[i].sql, rc, error.message, cases[i].words);
		assert_null(read);
		assert_int_equal(failing.alive, 0);
	}
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static void masked_places_do_not_count(void **state)
{
	struct shelf shelf;
	struct assay_env env = small_env(NULL, ASSAY_ISA_BEST);
	struct assay_teach_options options = plate_options(ASSAY_POSITION_FIXED);
	struct assay_image mask;
	struct assay_worker *worker;
	struct assay_recipe *read;
	(void)state;
	assert_int_equal(assay_image_create(PLATE_PX, PLATE_PX, 1, 8, NULL, &mask, NULL), 0);
	memset(mask.pixels, 255, mask.stride_bytes * 96);
	memset(mask.pixels + mask.stride_bytes * 96, 0, mask.stride_bytes * (PLATE_PX - 96));
	options.mask = &mask;
	shelf_fill_plates(&shelf, &plate_fixed, 12);
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, NULL);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	assert_int_equal(assay_recipe_open(NULL, path, &read, NULL), 0);
	assert_int_equal(assay_worker_open(read, &worker, NULL), 0);
	struct assay_result result;
	assert_int_equal(assay_inspect(worker, &shelf.images[0], &result, NULL), 0);
	for (int y = 13; y < result.grid_height; y++)
		for (int x = 0; x < result.grid_width; x++)
			assert_int_equal(result.map_q8[y * result.grid_width + x], 0);
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	assay_recipe_close(read);
	assay_image_free(&mask, NULL);
	shelf_clear(&shelf);
}

static void without_memory(void **state)
{
	struct shelf shelf;
	struct assay_teach_options options = {
		.working_px = 64, .bank_size = 16, .folds = 2, .position = ASSAY_POSITION_FIXED};
	int rc = ASSAY_E_NOMEM;
	(void)state;
	shelf_fill_plates(&shelf, &plate_fixed, 3);
	struct assay_parts parts = shelf_parts(&shelf);
	for (int k = 1; rc; k++) {
		struct failing failing;
		struct assay_error error = {0};
		struct assay_recipe *recipe = NULL, *read = NULL;
		struct assay_worker *worker = NULL;
		failing_open(&failing, k);
		struct assay_env env = small_env(&failing.allocator, ASSAY_ISA_BEST);
		rc = assay_teach(&env, &options, &parts, NULL, NULL, &recipe, NULL, &error);
		if (rc == 0)
			rc = assay_recipe_save(recipe, path, &error);
		if (rc == 0)
			rc = assay_recipe_open(&env, path, &read, &error);
		if (rc == 0)
			rc = assay_worker_open(read, &worker, &error);
		if (rc == 0) {
			int before = failing.requests;
			judge(worker, &shelf.images[0], NULL);
			assert_int_equal(failing.requests, before);
		}
		assay_worker_close(worker);
		assay_recipe_close(recipe);
		assay_recipe_close(read);
		if ((rc && rc != ASSAY_E_NOMEM) || error.code != rc || failing.alive != 0)
			fail_msg("allocation %d: code %d, %d alive, %s", k, rc, failing.alive, error.message);
	}
	shelf_clear(&shelf);
}

static int set_up(void **state)
{
	(void)state;
	network = small_network(3, &network_size);
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/x.assay", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(network);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_in_its_place_shows),
		cmocka_unit_test(loose_parts_stay_free),
		cmocka_unit_test(nothing_to_see),
		cmocka_unit_test(other_proportions),
		cmocka_unit_test(order_threads_and_kernels_do_not_matter),
		cmocka_unit_test(kept_in_a_file),
		cmocka_unit_test(damage_is_noticed),
		cmocka_unit_test(masked_places_do_not_count),
		cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
