/* SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>

#include "vision/bank.h"
#include "vision/novel.h"
#include "vision_util.h"

#define FILE_NAME "test_learn.assay"
#define OTHER_NAME "test_learn_other.assay"

static uint8_t *network;
static struct assay_env env;
static struct shelf taught, goods, bads;

static void fill(struct shelf *shelf, int count, uint64_t seed, bool spoilt)
{
	memset(shelf, 0, sizeof(*shelf));
	for (int i = 0; i < count; i++) {
		shelf_put(shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, seed + (uint64_t)i));
		if (spoilt)
			spoil(&shelf->images[i], 10 + 7 * i, 20, 40);
		snprintf(shelf->names[i], sizeof(shelf->names[i]), "x/%s_%02d.png", spoilt ? "bad" : "more", i);
	}
}

static int setup(void **state)
{
	(void)state;
	size_t size;
	network = small_network(7, &size);
	env = (struct assay_env){.network = network, .network_size_bytes = size};
	shelf_fill(&taught, 12);
	fill(&goods, 5, 100, false);
	fill(&bads, 3, 200, true);
	/* a variation no taught part has: rows of bright and dark */
	for (int i = 0; i < 2; i++)
		for (int y = 4; y < 74; y++)
			memset(goods.images[i].pixels + (size_t)y * goods.images[i].stride_bytes + 10, y / 4 % 2 ? 250 : 5, 76);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shelf_clear(&taught);
	shelf_clear(&goods);
	shelf_clear(&bads);
	free(network);
	unlink(FILE_NAME);
	unlink(OTHER_NAME);
	return 0;
}

static void teach_file(int64_t keep_bytes)
{
	struct assay_teach_options options = quick_options();
	options.keep_bytes = keep_bytes;
	struct assay_recipe *recipe = must_teach(&env, &options, &taught, NULL);
	assert_int_equal(assay_recipe_save(recipe, FILE_NAME, NULL), 0);
	assay_recipe_close(recipe);
}

static struct assay_recipe *must_open(const char *path, struct assay_recipe_info *info)
{
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	if (assay_recipe_open(&env, path, &recipe, &error))
		fail_msg("%s", error.message);
	assay_recipe_get_info(recipe, info);
	return recipe;
}

static struct assay_recipe *must_learn(const char *path, struct shelf *good, struct shelf *bad,
									   const struct assay_learn_options *options, struct assay_learn_report *report)
{
	struct assay_parts g = good ? shelf_parts(good) : (struct assay_parts){0};
	struct assay_parts b = bad ? shelf_parts(bad) : (struct assay_parts){0};
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	if (assay_learn(&env, path, good ? &g : NULL, bad ? &b : NULL, options, NULL, NULL, &recipe, report, &error))
		fail_msg("%s", error.message);
	return recipe;
}

static void learn_file(struct shelf *good, struct shelf *bad, const struct assay_learn_options *options)
{
	struct assay_learn_report report;
	struct assay_recipe *recipe = must_learn(FILE_NAME, good, bad, options, &report);
	assert_non_null(recipe);
	assert_int_equal(assay_recipe_save(recipe, FILE_NAME, NULL), 0);
	assay_learn_report_free(&report, NULL);
	assay_recipe_close(recipe);
}

static const struct assay_learn_part *find(const struct assay_learn_report *report, const char *name)
{
	for (int i = 0; i < report->part_count; i++)
		if (strcmp(report->parts[i].name, name) == 0)
			return &report->parts[i];
	fail_msg("%s is not in the report", name);
	return NULL;
}

static void novelty(void **state)
{
	static const int8_t bank[] = {0, 0, 10, 0, 0, 14};
	static const int8_t points[] = {1, 1, 40, 0, 42, 0, 0, 60, 0, 13};
	int32_t d2[5];
	int64_t chosen[5];
	int count;
	struct assay__bank *opened;
	(void)state;
	assert_int_equal(assay__novel_reach(bank, 3, 2), 100);
	assert_int_equal(assay__novel_reach(bank, 1, 2), 0);
	assert_int_equal(assay__bank_open(bank, 3, 2, ASSAY_ISA_SCALAR, NULL, &opened, NULL), 0);
	assay__bank_nearest(opened, points, 5, d2, NULL);
	assay__bank_close(opened);
	assert_int_equal(assay__novel_choose(points, d2, NULL, 5, 2, 100, 5, NULL, chosen, &count), 0);
	assert_int_equal(count, 2); /* 0,60 at 46, then 42,0 at 32, which covers 40,0 */
	assert_int_equal(chosen[0], 3);
	assert_int_equal(chosen[1], 2);
	assert_int_equal(assay__novel_choose(points, d2, NULL, 5, 2, 100, 1, NULL, chosen, &count), 0);
	assert_int_equal(count, 1);
	static const uint8_t skip[] = {0, 0, 1, 1, 0};
	assert_int_equal(assay__novel_choose(points, d2, skip, 5, 2, 100, 5, NULL, chosen, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(chosen[0], 1);
}

static void learns_and_compares(void **state)
{
	struct assay_learn_options options = {.author = "M. Chen", .time_s = 1790000000};
	struct assay_learn_report report;
	struct assay_recipe_info before, after;
	(void)state;
	teach_file((int64_t)1 << 20);
	struct assay_recipe *old = must_open(FILE_NAME, &before);
	assert_int_equal(before.kept_goods, 12);
	assert_int_equal(before.step_count, 0);
	struct assay_recipe *recipe = must_learn(FILE_NAME, &goods, &bads, &options, &report);
	assay_recipe_get_info(recipe, &after);
	assert_int_equal(report.goods, 5);
	assert_int_equal(report.defects, 3);
	assert_int_equal(report.part_count, 20);
	assert_int_equal(report.not_compared, 0);
	assert_int_equal(report.not_kept, 0);
	assert_true(report.vectors[0] > 0);
	assert_int_equal(after.report.bank_size, before.report.bank_size + report.vectors[0]);
	assert_int_equal(after.report.parts_used, 17);
	/* what was new passes now; what is bad does not */
	assert_int_equal(find(&report, "more_00.png")->before, ASSAY_FAIL);
	assert_int_equal(find(&report, "more_00.png")->after, ASSAY_PASS);
	assert_true(find(&report, "more_00.png")->fresh);
	assert_int_equal(find(&report, "part_00.png")->after, ASSAY_PASS);
	assert_int_equal(find(&report, "bad_00.png")->after, ASSAY_FAIL);
	assert_true(find(&report, "bad_00.png")->defect);
	/* the old scores are among the new ones */
	int at = 0;
	for (int i = 0; i < 12; i++, at++)
		while (after.calibration_q8[at] != before.calibration_q8[i])
			assert_true(++at < 17);
	assert_int_equal(after.step_count, 1);
	assert_string_equal(after.steps[0].kind, "learn");
	assert_string_equal(after.steps[0].author, "M. Chen");
	assert_int_equal(after.steps[0].time_s, 1790000000);
	assert_memory_equal(after.steps[0].parent, before.content_hash, ASSAY_HASH_BYTES);
	assert_memory_equal(after.steps[0].content, after.content_hash, ASSAY_HASH_BYTES);
	/* read again it is the same, and nothing is new in it */
	assert_int_equal(assay_recipe_save(recipe, OTHER_NAME, NULL), 0);
	struct assay_recipe_info again;
	struct assay_recipe *other = must_open(OTHER_NAME, &again);
	assert_memory_equal(again.content_hash, after.content_hash, ASSAY_HASH_BYTES);
	assert_int_equal(again.kept_goods, 17);
	assert_int_equal(again.kept_defects, 3);
	assert_int_equal(again.step_count, 1);
	assay_learn_report_free(&report, NULL);
	assert_null(must_learn(OTHER_NAME, &goods, &bads, &options, &report));
	assert_int_equal(report.known, 8);
	assay_learn_report_free(&report, NULL);
	assay_recipe_close(other);
	assay_recipe_close(recipe);
	assay_recipe_close(old);
}

static void order_does_not_matter(void **state)
{
	struct assay_learn_report report;
	struct assay_recipe_info one, two;
	(void)state;
	teach_file(0);
	struct assay_recipe *recipe = must_learn(FILE_NAME, &goods, &bads, NULL, &report);
	assay_learn_report_free(&report, NULL);
	for (int i = 0; i < goods.count; i++)
		goods.order[i] = goods.count - 1 - i;
	struct assay_recipe *other = must_learn(FILE_NAME, &goods, &bads, NULL, &report);
	assay_learn_report_free(&report, NULL);
	for (int i = 0; i < goods.count; i++)
		goods.order[i] = i;
	assay_recipe_get_info(recipe, &one);
	assay_recipe_get_info(other, &two);
	assert_memory_equal(one.content_hash, two.content_hash, ASSAY_HASH_BYTES);
	assay_recipe_close(recipe);
	assay_recipe_close(other);
}

static void without_stored_parts(void **state)
{
	struct assay_learn_report report;
	(void)state;
	teach_file(0);
	struct assay_recipe *recipe = must_learn(FILE_NAME, &goods, NULL, NULL, &report);
	assert_int_equal(report.goods, 5);
	assert_int_equal(report.not_compared, 10); /* the two golden pictures are at hand */
	assert_int_equal(report.part_count, 7);
	assay_learn_report_free(&report, NULL);
	assert_int_equal(assay_recipe_save(recipe, FILE_NAME, NULL), 0);
	assay_recipe_close(recipe);
	/* given again, the old parts are stored, not learnt */
	recipe = must_learn(FILE_NAME, &taught, NULL, NULL, &report);
	assert_non_null(recipe);
	assert_int_equal(report.goods, 0);
	assert_int_equal(report.known, 12);
	assert_int_equal(report.not_compared, 0);
	assert_int_equal(report.vectors[0], 0);
	assay_learn_report_free(&report, NULL);
	assay_recipe_close(recipe);
}

static void room_is_bounded(void **state)
{
	struct assay_learn_options options = {.keep_bytes = 12000};
	struct assay_learn_report report;
	struct assay_recipe_info info;
	(void)state;
	teach_file(0);
	struct assay_recipe *recipe = must_learn(FILE_NAME, &goods, &bads, &options, &report);
	assay_recipe_get_info(recipe, &info);
	assert_true(report.not_kept > 0);
	assert_true(info.kept_bytes <= 12000);
	assert_true(info.kept_defects > 0); /* they come first */
	assert_int_equal(info.kept_goods + info.kept_defects + report.not_kept, 8);
	assay_learn_report_free(&report, NULL);
	assay_recipe_close(recipe);
}

static void goes_back(void **state)
{
	struct assay_recipe_info taught_info, learnt, now;
	struct assay_recipe *recipe = NULL;
	struct assay_error error;
	uint8_t as_taught[ASSAY_HASH_BYTES], as_learnt[ASSAY_HASH_BYTES];
	struct assay_learn_options options = {.author = "QA", .time_s = 5};
	(void)state;
	teach_file(0);
	recipe = must_open(FILE_NAME, &taught_info);
	memcpy(as_taught, taught_info.content_hash, sizeof(as_taught));
	assay_recipe_close(recipe);
	assert_int_equal(assay_revert(&env, FILE_NAME, 0, NULL, &recipe, &error), ASSAY_E_ARGUMENT);
	learn_file(&goods, NULL, &options);
	recipe = must_open(FILE_NAME, &learnt);
	memcpy(as_learnt, learnt.content_hash, sizeof(as_learnt));
	assay_recipe_close(recipe);
	learn_file(NULL, &bads, &options);
	assert_int_equal(assay_revert(&env, FILE_NAME, 3, NULL, &recipe, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay_revert(&env, FILE_NAME, 2, NULL, &recipe, &error), ASSAY_E_ARGUMENT);
	if (assay_revert(&env, FILE_NAME, 0, &options, &recipe, &error))
		fail_msg("%s", error.message);
	assay_recipe_get_info(recipe, &now);
	assert_memory_equal(now.content_hash, as_taught, ASSAY_HASH_BYTES);
	assert_int_equal(now.step_count, 3);
	assert_string_equal(now.steps[2].kind, "revert");
	assert_int_equal(now.steps[2].goods, -5);
	assert_int_equal(now.kept_defects, 3);
	assert_int_equal(assay_recipe_save(recipe, FILE_NAME, NULL), 0);
	assay_recipe_close(recipe);
	/* and forward again */
	if (assay_revert(&env, FILE_NAME, 1, &options, &recipe, &error))
		fail_msg("%s", error.message);
	assert_int_equal(assay_recipe_save(recipe, FILE_NAME, NULL), 0);
	assay_recipe_close(recipe);
	recipe = must_open(FILE_NAME, &now);
	assert_memory_equal(now.content_hash, as_learnt, ASSAY_HASH_BYTES);
	assert_int_equal(now.step_count, 4);
	for (int i = 0; i < now.step_count; i++)
		assert_true(now.steps[i].kept);
	assay_recipe_close(recipe);
}

static void old_states_give_way(void **state)
{
	struct assay_recipe_info info;
	struct assay_recipe *recipe;
	struct assay_error error;
	(void)state;
	teach_file(0);
	for (int i = 1; i <= 11; i++) {
		struct assay_learn_options options = {.overkill = 0.01 * i, .time_s = i};
		learn_file(i == 1 ? &goods : NULL, NULL, &options);
	}
	recipe = must_open(FILE_NAME, &info);
	assert_int_equal(info.step_count, 11);
	assert_false(info.steps[0].kept);
	assert_false(info.steps[1].kept);
	assert_true(info.steps[2].kept);
	assay_recipe_close(recipe);
	assert_int_equal(assay_revert(&env, FILE_NAME, 1, NULL, &recipe, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay_revert(&env, FILE_NAME, 0, NULL, &recipe, &error), 0);
	assay_recipe_close(recipe);
}

static void labels_must_agree(void **state)
{
	static struct shelf mixed;
	struct assay_learn_report report;
	struct assay_recipe *recipe = NULL;
	struct assay_error error;
	(void)state;
	teach_file(0);
	fill(&mixed, 1, 100, false); /* a part like the others */
	struct assay_parts a = shelf_parts(&mixed), old = shelf_parts(&taught);
	assert_int_equal(assay_learn(&env, FILE_NAME, &a, &a, NULL, NULL, NULL, &recipe, &report, &error),
					 ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "as good and as a defect"));
	assert_int_equal(assay_learn(&env, FILE_NAME, NULL, &old, NULL, NULL, NULL, &recipe, &report, &error),
					 ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "taught it as good"));
	/* the last word counts for one that was only stored */
	learn_file(NULL, &mixed, NULL);
	recipe = must_learn(FILE_NAME, &mixed, NULL, NULL, &report);
	assert_int_equal(report.relabelled, 1);
	assert_int_equal(report.goods, 1);
	assert_false(find(&report, "more_00.png")->defect);
	assay_learn_report_free(&report, NULL);
	assay_recipe_close(recipe);
	shelf_clear(&mixed);
	/* another size is refused by name */
	memset(&mixed, 0, sizeof(mixed));
	shelf_put(&mixed, make_part(PART_WIDTH + 8, PART_HEIGHT, 1, 8, 9));
	a = shelf_parts(&mixed);
	assert_int_equal(assay_learn(&env, FILE_NAME, &a, NULL, NULL, NULL, NULL, &recipe, &report, &error),
					 ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "good/part_00.png is 104x80"));
	shelf_clear(&mixed);
}

static void catching_lowers_the_threshold(void **state)
{
	static struct shelf faint;
	struct assay_learn_options options = {.catch_overkill = 0.2};
	struct assay_learn_report report;
	struct assay_recipe_info info;
	(void)state;
	teach_file((int64_t)1 << 20);
	/* parts whose scores lie among those of good parts: their label is all that tells */
	fill(&faint, 12, 300, false);
	struct assay_recipe *recipe = must_learn(FILE_NAME, NULL, &faint, &options, &report);
	assay_recipe_get_info(recipe, &info);
	assert_true(report.threshold_after_q8 <= report.threshold_before_q8);
	int before = 0, after = 0, above = 0;
	for (int i = 0; i < report.part_count; i++) {
		before += report.parts[i].defect && report.parts[i].before == ASSAY_PASS;
		after += report.parts[i].defect && report.parts[i].after == ASSAY_PASS;
	}
	for (int i = 0; i < 12; i++)
		above += info.calibration_q8[i] > report.threshold_after_q8;
	assert_true(after <= before);
	assert_true(above <= 2); /* 20 % of 13, less the one that a threshold may equal */
	assert_true(info.report.overkill_stated >= (above + 1) / 13.0 - 1e-12);
	assay_learn_report_free(&report, NULL);
	assay_recipe_close(recipe);
	shelf_clear(&faint);
}

static void change(const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(FILE_NAME, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void tampering_is_found(void **state)
{
	static const char *const changes[] = {
		"UPDATE lineage SET author = 'nobody'", "UPDATE lineage SET goods = 6",
		"UPDATE lineage SET time_s = 7",		"DELETE FROM lineage WHERE number = 1",
		"DELETE FROM lineage WHERE number = 2", "UPDATE lineage SET kind = 'forget'",
		"UPDATE kept SET defect = 2",			"UPDATE kept SET hash = x'00'",
		"UPDATE states SET content = x'00'",	"UPDATE states SET number = -1 WHERE number = 1",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct assay_recipe *recipe = NULL;
		struct assay_error error;
		teach_file(0);
		learn_file(&goods, NULL, NULL);
		learn_file(NULL, &bads, &(struct assay_learn_options){.overkill = 0.2});
		change(changes[i]);
		assert_int_equal(assay_recipe_open(&env, FILE_NAME, &recipe, &error), ASSAY_E_FORMAT);
		assert_non_null(strstr(error.message, FILE_NAME));
	}
	/* a picture exchanged is found when it is looked at, an exchanged state when it is gone back to */
	struct assay_recipe *recipe = NULL;
	struct assay_learn_report report;
	struct assay_error error;
	struct assay_parts parts = shelf_parts(&bads);
	teach_file(0);
	learn_file(&goods, NULL, NULL);
	change("UPDATE states SET file = zeroblob(4096)");
	assert_int_equal(assay_revert(&env, FILE_NAME, 0, NULL, &recipe, &error), ASSAY_E_FORMAT);
	change("UPDATE kept SET png = (SELECT png FROM golden WHERE id = 1) WHERE number = 1");
	assert_int_equal(assay_learn(&env, FILE_NAME, NULL, &parts, NULL, NULL, NULL, &recipe, &report, &error),
					 ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "is damaged"));
}

static void failing_allocations(void **state)
{
	struct assay_parts good = shelf_parts(&goods), bad = shelf_parts(&bads);
	struct assay_learn_options options = {.catch_overkill = 0.1};
	(void)state;
	teach_file((int64_t)1 << 20);
	learn_file(NULL, &bads, NULL);
	for (int at = 1, done = 0; !done; at += at < 60 ? 1 : 7) {
		struct failing failing;
		struct assay_recipe *recipe = NULL;
		struct assay_learn_report report = {0};
		struct assay_error error = {0};
		failing_open(&failing, at);
		struct assay_env failing_env = env;
		failing_env.allocator = &failing.allocator;
		int rc = assay_learn(&failing_env, FILE_NAME, &good, &bad, &options, NULL, NULL, &recipe, &report, &error);
		done = failing.requests < at;
		if (rc && rc != ASSAY_E_NOMEM)
			fail_msg("request %d: %s", at, error.message);
		assert_int_equal(rc, done ? 0 : ASSAY_E_NOMEM);
		assay_learn_report_free(&report, &failing.allocator);
		assay_recipe_close(recipe);
		assert_int_equal(failing.alive, 0);
	}
	learn_file(&goods, NULL, NULL);
	for (int at = 1, done = 0; !done; at += at < 60 ? 1 : 7) {
		struct failing failing;
		struct assay_recipe *recipe = NULL;
		failing_open(&failing, at);
		struct assay_env failing_env = env;
		failing_env.allocator = &failing.allocator;
		int rc = assay_revert(&failing_env, FILE_NAME, 0, NULL, &recipe, NULL);
		done = failing.requests < at;
		assert_int_equal(rc, done ? 0 : ASSAY_E_NOMEM);
		assay_recipe_close(recipe);
		assert_int_equal(failing.alive, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(novelty),
		cmocka_unit_test(learns_and_compares),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(without_stored_parts),
		cmocka_unit_test(room_is_bounded),
		cmocka_unit_test(goes_back),
		cmocka_unit_test(old_states_give_way),
		cmocka_unit_test(labels_must_agree),
		cmocka_unit_test(catching_lowers_the_threshold),
		cmocka_unit_test(tampering_is_found),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
