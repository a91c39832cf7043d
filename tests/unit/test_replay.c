/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the virtual line, judged, recorded, judged again bit for bit, and exported. */
#include "record_util.h"
#include "vision_util.h"

#include "station/record/export.h"
#include "station/record/replay.h"
#include "station/source/virtual_line.h"

#define GOOD 12
#define PARTS 120
#define WIDTH 160
#define HEIGHT 128

static struct room_test test;
static uint8_t *network;
static struct assay__virtual_line *line;
static struct assay_recipe *recipe;
static struct assay_recipe_info info;
static int parts_wanted;

static struct assay_image render(uint64_t index, enum assay__virtual_kind kind)
{
	struct assay_image image;
	struct assay__virtual_wish wish = {.kind = kind, .severity = 1};
	assert_int_equal(assay_image_create(WIDTH, HEIGHT, 1, 8, NULL, &image, NULL), 0);
	assert_int_equal(assay__virtual_render(line, index, &wish, &image, NULL, NULL, NULL), 0);
	return image;
}

static void record_parts(void)
{
	struct assay_worker *worker;
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	for (int i = 0; i < parts_wanted; i++) {
		enum assay__virtual_kind kind = i % 4 == 3 ? ASSAY__VIRTUAL_POROSITY : ASSAY__VIRTUAL_GOOD;
		struct assay_image image = render(1000 + (uint64_t)i, kind);
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, &image, NULL);
		struct assay__part_view *view = &part.views[0];
		part.challenge = i == 7;
		if (i == 5)
			view->image.width_px -= 8; /* of another size than taught: FAULT by the recipe itself */
		assert_int_equal(assay_inspect(worker, &view->image, &view->result, NULL), 0);
		part.verdict = view->result.verdict;
		if (part.verdict == ASSAY_FAULT)
			part.fault = view->fault = ASSAY__FAULT_BROKEN;
		memcpy(view->recipe_hash, info.content_hash, ASSAY_HASH_BYTES);
		memcpy(view->network_hash, info.network_hash, ASSAY_HASH_BYTES);
		assert_int_equal(assay__record_put(test.record, &part), 0);
		assay_image_free(&image, NULL);
		if (i % 64 == 63)
			assert_true(assay__record_flush(test.record, 20000));
	}
	assay_worker_close(worker);
}

static int prepare(void **state)
{
	struct assay__virtual_options options = {.seed = 5, .width_px = WIDTH, .height_px = HEIGHT};
	struct assay_teach_options teach = quick_options();
	static struct shelf shelf;
	size_t size;
	const char *wanted = getenv("ASSAY_REPLAY_PARTS");
	(void)state;
	parts_wanted = wanted ? atoi(wanted) : PARTS;
	room_test_begin(&test);
	network = small_network(3, &size);
	struct assay_env env = {.network = network, .network_size_bytes = size};
	assert_int_equal(assay__virtual_open(&options, NULL, &line, NULL), 0);
	for (int i = 0; i < GOOD; i++)
		shelf_put(&shelf, render((uint64_t)i, ASSAY__VIRTUAL_GOOD));
	recipe = must_teach(&env, &teach, &shelf, NULL);
	shelf_clear(&shelf);
	assay_recipe_get_info(recipe, &info);
	test.settings.images = ASSAY__IMAGES_ALL;
	room_open(&test);
	struct assay_error error;
	if (assay__record_keep_recipe(test.record, recipe, &error))
		fail_msg("%s", error.message);
	assert_int_equal(assay__record_keep_recipe(test.record, recipe, NULL), 0);
	record_parts();
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.images_read, parts_wanted);
	assert_int_equal(report.recipes, 1);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	assay_recipe_close(recipe);
	assay__virtual_close(line);
	free(network);
	room_test_end(&test);
	return 0;
}

struct tally {
	struct assay__replay *replay;
	int outcomes[3];
	struct assay__replayed last;
};

static int tally_part(void *ctx, const struct assay__stored_part *part, struct assay_error *error)
{
	struct tally *tally = ctx;
	int rc = assay__replay_part(tally->replay, part, &tally->last, error);
	if (rc == 0)
		tally->outcomes[tally->last.outcome]++;
	return rc;
}

static struct tally replay_range(const char *range)
{
	struct tally tally = {0};
	struct assay__part_filter filter = {0};
	struct assay__reader *reader;
	struct assay_error error;
	assert_int_equal(assay__query_range(range, &filter, NULL), 0);
	assert_int_equal(assay__reader_open(test.dir, &reader, NULL), 0);
	assert_int_equal(assay__replay_open(test.dir, NULL, &tally.replay, NULL), 0);
	if (assay__query_each(reader, &filter, tally_part, &tally, &error))
		fail_msg("%s", error.message);
	assay__replay_close(tally.replay);
	assay__reader_close(reader);
	return tally;
}

static void all_identical(void **state)
{
	(void)state;
	struct tally tally = replay_range("all");
	print_message("%d replayed parts: %d identical\n", parts_wanted, tally.outcomes[ASSAY__REPLAY_IDENTICAL]);
	assert_int_equal(tally.outcomes[ASSAY__REPLAY_IDENTICAL], parts_wanted);
	assert_true(ask(test.dir, "SELECT count(*) FROM parts WHERE verdict = 1") > 0);
	assert_true(ask(test.dir, "SELECT count(*) FROM parts WHERE verdict = 0") > 0);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM parts WHERE verdict = 2"), 1);
}

static void a_difference_is_told(void **state)
{
	sqlite3 *db;
	char path[256], aside[272];
	(void)state;
	snprintf(path, sizeof(path), "%s/record.db", test.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE views SET score_q8 = score_q8 + 1 WHERE sequence = 2", NULL, NULL, NULL),
					 0);
	struct tally tally = replay_range("2");
	assert_int_equal(tally.outcomes[ASSAY__REPLAY_DIFFERENT], 1);
	assert_non_null(strstr(tally.last.text, "score"));
	sqlite3_exec(db, "UPDATE views SET score_q8 = score_q8 - 1 WHERE sequence = 2", NULL, NULL, NULL);
	sqlite3_exec(db, "UPDATE views SET map_hash = zeroblob(32) WHERE sequence = 3", NULL, NULL, NULL);
	sqlite3_exec(db, "UPDATE images SET state = 3 WHERE sequence = 4", NULL, NULL, NULL);
	tally = replay_range("2-4");
	assert_int_equal(tally.outcomes[ASSAY__REPLAY_IDENTICAL], 1);
	assert_int_equal(tally.outcomes[ASSAY__REPLAY_DIFFERENT], 1);
	assert_int_equal(tally.outcomes[ASSAY__REPLAY_SKIPPED], 1);
	assert_non_null(strstr(tally.last.text, "pruned"));
	sqlite3_exec(db, "UPDATE images SET state = 2 WHERE sequence = 4", NULL, NULL, NULL);
	sqlite3_close(db);
	/* the recipe is another */
	char hex[2 * ASSAY_HASH_BYTES + 1];
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", info.content_hash[i]);
	snprintf(path, sizeof(path), "%s/recipes/%s.assay", test.dir, hex);
	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	tally = replay_range("10-12");
	assert_int_equal(tally.outcomes[ASSAY__REPLAY_DIFFERENT], 3);
	assert_non_null(strstr(tally.last.text, "recipes/"));
	assert_int_equal(rename(aside, path), 0);
}

static void exports(void **state)
{
	struct assay__part_filter filter = {.last = 40};
	struct assay__reader *reader;
	struct assay__export_counts counts;
	struct assay_error error;
	char *text = NULL, folder[128], path[192];
	size_t size;
	uint64_t count = 0, lines = 0;
	(void)state;
	assert_int_equal(assay__reader_open(test.dir, &reader, NULL), 0);
	FILE *stream = open_memstream(&text, &size);
	assert_int_equal(assay__export_csv(reader, &filter, stream, &count, NULL), 0);
	fclose(stream);
	assert_int_equal(count, 40);
	for (const char *at = text; (at = strstr(at, "\r\n")); at += 2)
		lines++;
	assert_int_equal(lines, 41);
	assert_int_equal(strncmp(text, "part,time,station,code,verdict", 30), 0);
	assert_non_null(strstr(text, "\"LOT7-000001\""));
	free(text);
	snprintf(folder, sizeof(folder), "%s/set", test.dir);
	if (assay__export_folders(test.dir, reader, &filter, folder, 0.25, &counts, &error))
		fail_msg("%s", error.message);
	uint64_t good = counts.train_good + counts.test_good;
	assert_int_equal(good + counts.defect + counts.challenge, 39); /* the FAULT goes nowhere */
	assert_int_equal(counts.challenge, 1);
	assert_int_equal(counts.train_good, good / 4);
	snprintf(path, sizeof(path), "%s/test/challenge/0000000008-0.png", folder);
	struct assay_image image;
	assert_int_equal(assay_image_load(path, NULL, &image, NULL), 0);
	assay_image_free(&image, NULL);
	/* never over what is there */
	assert_int_equal(assay__export_folders(test.dir, reader, &filter, folder, 0.25, &counts, &error), ASSAY_E_IO);
	assay__reader_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_identical),
		cmocka_unit_test(a_difference_is_told),
		cmocka_unit_test(exports),
	};
	return cmocka_run_group_tests(tests, prepare, clean);
}
