/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <sqlite3.h>

#include "base/parallel.h"

static char path[64];

/* Labelled defects beside a shelf of good parts. */
struct bin {
	struct shelf shelf;
	const char *kinds[PARTS_MOST];
	int unreadable;
	bool marked;
};

static const char *kind_of(void *ctx, int index)
{
	const struct bin *bin = ctx;
	return bin->kinds[bin->shelf.order[index]];
}

/* The right half of the picture. */
static int mark(void *ctx, int index, int width, int height, const struct assay_allocator *allocator, uint8_t **mask,
				struct assay_error *error)
{
	const struct bin *bin = ctx;
	(void)index;
	if (!bin->marked)
		return 0;
	*mask = assay__calloc(allocator, (size_t)width, (size_t)height);
	if (!*mask)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a mask");
	for (int i = 0; i < width * height; i++)
		(*mask)[i] = i % width >= width / 2;
	return 0;
}

static void unreadable(void *ctx, int index, const struct assay_error *error)
{
	struct bin *bin = ctx;
	assert_true(bin->shelf.broken[bin->shelf.order[index]]);
	assert_int_equal(error->code, ASSAY_E_FORMAT);
	bin->unreadable++;
}

static struct assay_defects defects_of(struct bin *bin)
{
	return (struct assay_defects){shelf_parts(&bin->shelf), kind_of, mark, unreadable};
}

/* Grey stripes low on the part, or a checked patch high on it; seeds no good part has. */
static struct assay_image make_defect(int i)
{
	struct assay_image image = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, (uint64_t)i + 1000);
	if (i % 2)
		spoil(&image, 10 + 5 * (i % 7), 8, 14);
	else
		for (int y = 60; y < 74; y++)
			memset(image.pixels + (size_t)y * image.stride_bytes + 20 + 3 * (i % 9), y % 4 < 2 ? 30 : 230, 24);
	return image;
}

static void bin_fill(struct bin *bin, int count)
{
	memset(bin, 0, sizeof(*bin));
	for (int i = 0; i < count; i++) {
		bin->kinds[i] = i % 2 ? "patch" : "stripes";
		shelf_put(&bin->shelf, make_defect(i));
		snprintf(bin->shelf.names[i], sizeof(bin->shelf.names[i]), "ng/defect_%02d.png", i);
	}
}

static int teach(struct shelf *good, struct bin *bin, const struct assay_runner *runner,
				 const struct assay_allocator *allocator, struct assay_recipe **recipe, struct assay_error *error)
{
	size_t size;
	uint8_t *network = small_network(3, &size);
	struct assay_env env = {.allocator = allocator, .network = network, .network_size_bytes = size};
	struct assay_teach_options options = quick_options();
	struct assay_parts parts = shelf_parts(good);
	struct assay_defects defects;
	options.overkill = 0.1;
	if (bin) {
		defects = defects_of(bin);
		options.defects = &defects;
	}
	int rc = assay_teach(&env, &options, &parts, runner, NULL, recipe, NULL, error);
	if (rc == 0) { /* the network goes, so the recipe must be used from its file */
		assert_int_equal(assay_recipe_save(*recipe, path, error), 0);
		assay_recipe_close(*recipe);
		*recipe = NULL;
		rc = assay_recipe_open(&(struct assay_env){.allocator = allocator}, path, recipe, error);
	}
	free(network);
	return rc;
}

static struct assay_recipe *teach_must(struct shelf *good, struct bin *bin, const struct assay_runner *runner,
									   struct assay_recipe_info *info)
{
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	if (teach(good, bin, runner, NULL, &recipe, &error))
		fail_msg("%s", error.message);
	assay_recipe_get_info(recipe, info);
	return recipe;
}

static int count_tables(const char *name)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *row = NULL;
	char sql[100];
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM sqlite_schema WHERE name = '%s'", name);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	int n = sqlite3_column_int(row, 0);
	sqlite3_finalize(row);
	sqlite3_close(db);
	return n;
}

static void labels_are_learnt_kept_and_used(void **state)
{
	struct shelf good;
	struct bin bin;
	struct assay_recipe_info info;
	struct assay_result result;
	struct assay_worker *worker = NULL;
	int named = 0, caught = 0, raised = 0;
	(void)state;
	shelf_fill(&good, 24);
	bin_fill(&bin, 16);
	shelf_put(&bin.shelf, make_defect(3)); /* the same picture again, and one that cannot be read */
	bin.kinds[16] = "patch";
	shelf_put(&bin.shelf, make_defect(40));
	bin.shelf.broken[17] = true;
	struct assay_recipe *recipe = teach_must(&good, &bin, NULL, &info);
	const struct assay_label_report *labels = &info.report.labels;
	assert_int_equal(labels->offered, 18);
	assert_int_equal(labels->unreadable, 1);
	assert_int_equal(bin.unreadable, 1);
	assert_int_equal(labels->repeated, 1);
	assert_int_equal(labels->taught, 16);
	assert_int_equal(labels->kinds, 2);
	assert_int_equal(labels->folds, 5);
	assert_int_equal(count_tables("labels"), 1);
	assert_int_equal(count_tables("defects"), 1);
	assert_true(info.report.threshold_q8 >= labels->bank_threshold_q8 || !labels->used);
	assert_int_equal(assay_worker_open(recipe, &worker, NULL), 0);
	for (int i = 100; i < 120; i++) {
		struct assay_image image = make_defect(i);
		assert_int_equal(assay_inspect(worker, &image, &result, NULL), 0);
		assert_int_equal(result.labelled, labels->used);
		assert_int_equal(result.score_q8, result.bank_q8 > result.head_q8 ? result.bank_q8 : result.head_q8);
		uint32_t most = 0;
		for (int k = 0; k < result.grid_width * result.grid_height; k++)
			most = result.map_q8[k] > most ? result.map_q8[k] : most;
		assert_int_equal(most, result.score_q8);
		caught += result.verdict == ASSAY_FAIL;
		raised += result.head_q8 > 0;
		assert_int_equal(result.verdict == ASSAY_FAIL, result.region_count > 0);
		if (result.region_count) {
			assert_non_null(result.regions[0].kind);
			named += strcmp(result.regions[0].kind, i % 2 ? "patch" : "stripes") == 0;
		}
		assay_image_free(&image, NULL);
	}
	assert_true(caught >= 18);
	assert_true(named >= 14);
	assert_true(!labels->used || raised > 0);
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	shelf_clear(&good);
	shelf_clear(&bin.shelf);
}

static void order_and_threads_do_not_matter(void **state)
{
	struct shelf good;
	struct bin bin;
	struct assay_recipe_info a, b, plain, again;
	struct assay__parallel *parallel = NULL;
	(void)state;
	shelf_fill(&good, 12);
	bin_fill(&bin, 8);
	bin.marked = true;
	struct assay_recipe *first = teach_must(&good, &bin, NULL, &a);
	for (int i = 0; i < 8; i++)
		bin.shelf.order[i] = 7 - i;
	for (int i = 0; i < 12; i++)
		good.order[i] = 11 - i;
	assert_int_equal(assay__parallel_open(3, NULL, &parallel, NULL), 0);
	struct assay_recipe *second = teach_must(&good, &bin, assay__parallel_runner(parallel), &b);
	assert_memory_equal(a.content_hash, b.content_hash, ASSAY_HASH_BYTES);
	/* without labels it is another recipe, with no trace of them */
	struct assay_recipe *third = teach_must(&good, NULL, NULL, &plain);
	assert_memory_not_equal(a.content_hash, plain.content_hash, ASSAY_HASH_BYTES);
	assert_int_equal(count_tables("labels") + count_tables("defects"), 0);
	assert_int_equal(plain.report.labels.offered, 0);
	struct assay_recipe *fourth = teach_must(&good, NULL, assay__parallel_runner(parallel), &again);
	assert_memory_equal(again.content_hash, plain.content_hash, ASSAY_HASH_BYTES);
	assay_recipe_close(first);
	assay_recipe_close(second);
	assay_recipe_close(third);
	assay_recipe_close(fourth);
	assay__parallel_close(parallel);
	shelf_clear(&good);
	shelf_clear(&bin.shelf);
}

static void refused(struct shelf *good, struct bin *bin, int code, const char *words)
{
	struct failing failing;
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	failing_open(&failing, 0);
	assert_int_equal(teach(good, bin, NULL, &failing.allocator, &recipe, &error), code);
	if (!strstr(error.message, words))
		fail_msg("\"%s\", wanted \"%s\"", error.message, words);
	assert_null(recipe);
	assert_int_equal(failing.alive, 0);
}

static void refusals(void **state)
{
	struct shelf good;
	struct bin bin;
	char kind[100];
	(void)state;
	shelf_fill(&good, 4);
	bin_fill(&bin, 0);
	refused(&good, &bin, ASSAY_E_ARGUMENT, "there is no picture of a defect");
	bin_fill(&bin, 2);
	bin.shelf.broken[0] = bin.shelf.broken[1] = true;
	refused(&good, &bin, ASSAY_E_ARGUMENT, "none of the 2 pictures of defects could be read");
	bin.shelf.broken[0] = bin.shelf.broken[1] = false;
	shelf_put(&bin.shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 3)); /* the third good part */
	refused(&good, &bin, ASSAY_E_ARGUMENT, "the same picture, among the good parts as good/part_02.png");
	assay_image_free(&bin.shelf.images[--bin.shelf.count], NULL);
	shelf_put(&bin.shelf, make_part(PART_WIDTH, PART_HEIGHT + 1, 1, 8, 900));
	refused(&good, &bin, ASSAY_E_MISMATCH, "good/part_02.png is 96x81 grey 8-bit, the good parts are 96x80 grey 8-bit");
	assay_image_free(&bin.shelf.images[--bin.shelf.count], NULL);
	memset(kind, 'k', sizeof(kind));
	kind[sizeof(kind) - 1] = '\0';
	bin.kinds[0] = kind;
	bin.shelf.count = 1;
	refused(&good, &bin, ASSAY_E_ARGUMENT, "needs a name of 1 to 63 bytes");
	bin.shelf.count = 2;
	shelf_clear(&good);
	shelf_clear(&bin.shelf);
}

/* One defect is too few to judge by, but names a kind; so this is quick. */
static void failing_allocations(void **state)
{
	struct shelf good;
	struct bin bin;
	struct failing failing;
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	int rc = ASSAY_E_NOMEM, refused_count = 0;
	(void)state;
	shelf_fill(&good, 2);
	bin_fill(&bin, 1);
	bin.marked = true;
	failing_open(&failing, 0);
	assert_int_equal(teach(&good, NULL, NULL, &failing.allocator, &recipe, &error), 0);
	assay_recipe_close(recipe);
	for (int k = 1; rc == ASSAY_E_NOMEM; k++) {
		recipe = NULL;
		failing_open(&failing, k);
		rc = teach(&good, &bin, NULL, &failing.allocator, &recipe, &error);
		if (rc) {
			assert_int_equal(rc, ASSAY_E_NOMEM);
			assert_null(recipe);
			refused_count++;
		}
		assay_recipe_close(recipe);
		assert_int_equal(failing.alive, 0);
	}
	assert_int_equal(rc, 0);
	assert_true(refused_count > 60);
	shelf_clear(&good);
	shelf_clear(&bin.shelf);
}

static void change(const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void damaged_files(void **state)
{
	static const char *const changes[] = {
		"DROP TABLE labels",
		"DROP TABLE defects",
		"DELETE FROM labels",
		"DELETE FROM defects",
		"UPDATE labels SET offered = -1",
		"UPDATE labels SET folds = 6",
		"UPDATE labels SET folds = 'x'",
		"UPDATE labels SET kinds = x'01'",
		"UPDATE labels SET kinds = NULL",
		"UPDATE labels SET heads = x'0102'",
		"UPDATE labels SET heads = 'text'",
		"UPDATE defects SET kind = 'other'",
		"UPDATE defects SET kind = 7",
		"UPDATE defects SET name = NULL",
		"UPDATE defects SET hash = x'00'",
	};
	struct shelf good;
	struct bin bin;
	struct assay_recipe_info info;
	(void)state;
	shelf_fill(&good, 2);
	bin_fill(&bin, 1);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct failing failing;
		struct assay_recipe *recipe = teach_must(&good, &bin, NULL, &info);
		struct assay_error error = {0};
		assay_recipe_close(recipe);
		recipe = NULL;
		change(changes[i]);
		failing_open(&failing, 0);
		int rc = assay_recipe_open(&(struct assay_env){.allocator = &failing.allocator}, path, &recipe, &error);
		if (rc != ASSAY_E_FORMAT || !error.message[0])
			fail_msg("%s: code %d, \"%s\"", changes[i], rc, error.message);
		assert_int_equal(failing.alive, 0);
	}
	shelf_clear(&good);
	shelf_clear(&bin.shelf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_learnt_kept_and_used),
		cmocka_unit_test(order_and_threads_do_not_matter),
		cmocka_unit_test(refusals),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(damaged_files),
	};
	snprintf(path, sizeof(path), "/tmp/assay_teach_labels_%d.assay", (int)getpid());
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
