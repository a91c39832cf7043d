/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "vision/recipe_file.h"

static uint8_t *network;
static size_t network_size;
static char folder[] = "/tmp/assay_recipe_XXXXXX";
static char path[64], other[128];

static struct assay_recipe *teach_some(const struct assay_allocator *allocator, struct shelf *shelf, bool masked)
{
	struct assay_teach_options options = quick_options();
	struct assay_env env = {.allocator = allocator, .network = network, .network_size_bytes = network_size};
	struct assay_image mask = {0};
	if (masked) {
		assay_image_create(PART_WIDTH, PART_HEIGHT, 1, 8, NULL, &mask, NULL);
		memset(mask.pixels, 3, mask.stride_bytes * 60);
		options.mask = &mask;
		options.roi = (struct assay_rect_px){2, 3, 90, 70};
	}
	options.bank_size = 30;
	options.folds = 5;
	shelf_fill(shelf, 6);
	struct assay_recipe *recipe = must_teach(&env, &options, shelf, NULL);
	if (masked)
		assay_image_free(&mask, NULL);
	return recipe;
}

static void save_some(bool masked)
{
	struct shelf shelf;
	struct assay_recipe *recipe = teach_some(NULL, &shelf, masked);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static void opens_as(int code, const char *words)
{
	struct failing failing;
	struct assay_error error = {0};
	struct assay_recipe *recipe = NULL;
	failing_open(&failing, 0);
	struct assay_env env = {.allocator = &failing.allocator};
	int rc = assay_recipe_open(&env, path, &recipe, &error);
	if (rc != code || error.code != code || !strstr(error.message, words) || !strstr(error.message, path))
		fail_msg("code %d \"%s\", wanted %d \"%s\"", rc, error.message, code, words);
	assert_null(recipe);
	assert_int_equal(failing.alive, 0);
	assert_int_equal(assay_recipe_open(NULL, path, &recipe, NULL), code);
}

static void same_info(const struct assay_recipe *a, const struct assay_recipe *b)
{
	struct assay_recipe_info p, q;
	assay_recipe_get_info(a, &p);
	assay_recipe_get_info(b, &q);
	assert_string_equal(p.network_name, q.network_name);
	assert_memory_equal(p.network_hash, q.network_hash, ASSAY_HASH_BYTES);
	assert_memory_equal(p.content_hash, q.content_hash, ASSAY_HASH_BYTES);
	assert_int_equal(p.report.parts_used, q.report.parts_used);
	assert_memory_equal(p.calibration_q8, q.calibration_q8, sizeof(uint32_t) * (size_t)p.report.parts_used);
	assert_memory_equal(&p.report, &q.report, sizeof(p.report));
	assert_memory_equal(&p.roi, &q.roi, sizeof(p.roi));
	assert_int_equal(p.masked, q.masked);
	assert_int_equal(p.macs, q.macs);
	assert_int_equal(p.workspace_bytes, q.workspace_bytes);
	assert_int_equal(p.grid_width, q.grid_width);
	assert_int_equal(p.image_width_px, q.image_width_px);
	assert_int_equal(p.image_depth_bits, q.image_depth_bits);
	assert_int_equal(p.white_level, q.white_level);
	assert_int_equal(p.folds, q.folds);
}

static void comes_back_as_it_was(void **state)
{
	(void)state;
	for (int masked = 0; masked < 2; masked++) {
		struct shelf shelf;
		struct assay_recipe *recipe = teach_some(NULL, &shelf, masked), *again = NULL;
		struct assay_worker *a, *b;
		struct assay_result p, q;
		struct assay_error error = {0};
		struct stat status;
		assert_int_equal(assay_recipe_save(recipe, path, &error), 0);
		assert_int_equal(assay_recipe_save(recipe, path, &error), 0); /* over the one there */
		assert_int_equal(stat(path, &status), 0);
		snprintf(other, sizeof(other), "%s.new", path);
		assert_int_equal(access(other, F_OK), -1);
		if (assay_recipe_open(NULL, path, &again, &error))
			fail_msg("%s", error.message);
		same_info(recipe, again);
		assert_string_equal(again->parts[0].name + 4, recipe->parts[0].name + 4);
		assert_null(strchr(again->parts[0].name, '/'));
		assert_int_equal(assay_worker_open(recipe, &a, NULL), 0);
		assert_int_equal(assay_worker_open(again, &b, NULL), 0);
		spoil(&shelf.images[2], 30, 30, 14);
		for (int i = 0; i < shelf.count; i++) {
			assay_inspect(a, &shelf.images[i], &p, NULL);
			assay_inspect(b, &shelf.images[i], &q, NULL);
			assert_int_equal(p.score_q8, q.score_q8);
			assert_int_equal(p.verdict, q.verdict);
			assert_memory_equal(p.map_q8, q.map_q8, sizeof(uint32_t) * (size_t)(p.grid_width * p.grid_height));
		}
		assay_worker_close(a);
		assay_worker_close(b);
		assay_recipe_close(again);
		assay_recipe_close(recipe);
		shelf_clear(&shelf);
	}
}

static void hash_does_not_move(void **state)
{
	/* the same parts, taught and hashed anywhere, at any time, must give this recipe */
	static const uint8_t want[4] = {0xe6, 0xec, 0xa0, 0x8f};
	struct shelf shelf;
	struct assay_recipe_info info;
	struct assay_recipe *recipe = teach_some(NULL, &shelf, true);
	(void)state;
	assay_recipe_get_info(recipe, &info);
	assert_memory_equal(info.content_hash, want, sizeof(want));
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static uint8_t *read_file(const char *name, size_t *size)
{
	FILE *file = fopen(name, "rb");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	uint8_t *bytes = malloc(*size);
	assert_int_equal(fread(bytes, 1, *size, file), *size);
	fclose(file);
	return bytes;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *file = fopen(name, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static void what_is_no_recipe(void **state)
{
	static const char text[200] = "this is not a recipe";
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	size_t size;
	(void)state;
	unlink(path);
	opens_as(ASSAY_E_IO, "cannot open");
	write_file(path, "", 0);
	opens_as(ASSAY_E_FORMAT, "not an assay recipe");
	write_file(path, text, sizeof(text));
	opens_as(ASSAY_E_FORMAT, "not an assay recipe");
	assert_int_equal(assay_recipe_open(NULL, folder, &recipe, &error), ASSAY_E_FORMAT);
	save_some(false);
	uint8_t *bytes = read_file(path, &size);
	bytes[71] ^= 1; /* application id */
	write_file(path, bytes, size);
	opens_as(ASSAY_E_FORMAT, "not an assay recipe");
	bytes[71] ^= 1;
	bytes[63] = 3; /* user version */
	write_file(path, bytes, size);
	opens_as(ASSAY_E_UNSUPPORTED, "recipe of version 3; this assay reads version 2, a newer one is needed");
	bytes[63] = 1;
	write_file(path, bytes, size);
	opens_as(ASSAY_E_UNSUPPORTED,
			 "recipe of version 1, made by an older assay; this one reads version 2: teach it again");
	bytes[63] = 0;
	write_file(path, bytes, size);
	opens_as(ASSAY_E_FORMAT, "no version");
	bytes[63] = 2;
	bytes[18] = bytes[19] = 2;
	write_file(path, bytes, size);
	opens_as(ASSAY_E_FORMAT, "another program");
	free(bytes);
}

/* Runs SQL on a fresh recipe, as someone with a database tool would. */
static void tampered(const char *sql, int code, const char *words)
{
	sqlite3 *db;
	char *why = NULL;
	save_some(true);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
	opens_as(code, words);
}

static void edited_with_a_tool(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		{"UPDATE meta SET value = value + 1 WHERE key = 'threshold_q8'", "content hash does not match"},
		{"UPDATE meta SET value = 0.01 WHERE key = 'overkill_wanted'", "content hash does not match"},
		{"UPDATE meta SET value = 'much' WHERE key = 'overkill_wanted'", "overkill_wanted is out of range"},
		{"UPDATE meta SET value = 9e99 WHERE key = 'overkill_wanted'", "overkill_wanted is out of range"},
		{"UPDATE meta SET value = 63 WHERE key = 'working_px'", "working_px is out of range"},
		{"UPDATE meta SET value = 80 WHERE key = 'working_px'", "the number of scales"},
		{"UPDATE meta SET value = 0 WHERE key = 'exposure'", "light_tolerance is out of range"},
		{"UPDATE meta SET value = -0.1 WHERE key = 'light_tolerance'", "light_tolerance is out of range"},
		{"UPDATE meta SET value = 0.0 WHERE key = 'light_tolerance'", "content hash does not match"},
		{"UPDATE meta SET value = 0.0 WHERE key = 'light_tolerance'; UPDATE meta SET value = 0 WHERE key = 'exposure'",
		 "a scale is out of range"},
		{"UPDATE meta SET value = 5000 WHERE key = 'smallest_defect_px'", "smallest_defect_px is out of range"},
		{"DELETE FROM scale", "the number of scales"},
		{"INSERT INTO scale VALUES(2, 80, 0, 1, 1)", "the size of a bank"},
		{"INSERT INTO scale VALUES(2, 64, 0, 1, 1)", "a scale is out of range"},
		{"INSERT INTO scale VALUES(3, 80, 0, 1, 1)", "a scale is out of range"},
		{"UPDATE scale SET id = 2; UPDATE bank SET id = 2", "a scale is out of range"},
		{"UPDATE scale SET working_px = 63", "a scale is out of range"},
		{"UPDATE scale SET working_px = 2049", "a scale is out of range"},
		{"UPDATE scale SET working_px = 'x'", "a scale is out of range"},
		{"UPDATE scale SET working_px = 65", "the number of scales"},
		{"UPDATE scale SET light_q8 = 65281", "a scale is out of range"},
		{"UPDATE scale SET light_q8 = NULL", "a scale is out of range"},
		{"UPDATE scale SET light_q8 = light_q8 + 1", "content hash does not match"},
		{"UPDATE scale SET mean_q8 = -1", "a scale is out of range"},
		{"UPDATE scale SET mean_q8 = mean_q8 - 1", "content hash does not match"},
		{"UPDATE scale SET sd_q8 = 0", "a scale is out of range"},
		{"UPDATE scale SET sd_q8 = mean_q8 / 50", "a scale is out of range"},
		{"UPDATE scale SET sd_q8 = 1 << 32", "a scale is out of range"},
		{"UPDATE scale SET sd_q8 = sd_q8 + 1", "content hash does not match"},
		{"INSERT INTO bank SELECT 2, count, dim, vectors FROM bank", "the number of scales"},
		{"INSERT INTO bank SELECT 2, count, dim, vectors FROM bank; INSERT INTO scale VALUES(2, 80, 0, 1, 1)",
		 "the number of scales"},
		{"INSERT INTO bank SELECT 2, 30, 16, zeroblob(480); INSERT INTO scale VALUES(2, 80, 0, 1, 1)",
		 "the size of a bank"},
		{"INSERT INTO bank VALUES(2, 1, 1, x'00'), (3, 1, 1, x'00'), (4, 1, 1, x'00')", "the number of banks"},
		{"UPDATE meta SET value = 1 << 40 WHERE key = 'image_width_px'", "image_width_px is out of range"},
		{"UPDATE meta SET value = 2 WHERE key = 'image_channels'", "channels or depth"},
		{"UPDATE meta SET value = x'00' WHERE key = 'folds'", "folds is out of range"},
		{"UPDATE meta SET value = 20 WHERE key = 'folds'", "the calibration"},
		{"UPDATE meta SET value = x'00' WHERE key = 'content_hash'", "settings"},
		{"DELETE FROM meta WHERE key = 'grey'", "settings"},
		{"DELETE FROM meta WHERE key = 'working_px'", "settings"},
		{"INSERT INTO meta VALUES('zebra', 1)", "settings"},
		{"DELETE FROM network", "the network is missing"},
		{"UPDATE network SET bytes = 'text'", "the network"},
		{"UPDATE network SET bytes = zeroblob(100)", "content hash does not match"},
		{"UPDATE network SET hash = zeroblob(32)", "network is not the one"},
		{"UPDATE network SET hash = NULL", "the hash of the network"},
		{"DELETE FROM bank", "the number of banks"},
		{"UPDATE bank SET count = 29", "the vectors of a bank"},
		{"UPDATE bank SET count = 31", "the size of a bank"},
		{"UPDATE bank SET dim = 0", "the size of a bank"},
		{"UPDATE bank SET dim = 16, count = 16384", "the size of a bank"},
		{"UPDATE bank SET vectors = zeroblob(30 * 32)", "content hash does not match"},
		{"UPDATE bank SET vectors = x'80'", "the vectors of a bank"},
		{"DELETE FROM calibration", "the number of parts"},
		{"DELETE FROM calibration WHERE rank = 3", "the calibration"},
		{"DELETE FROM calibration WHERE rank = 6", "content hash does not match"},
		{"UPDATE calibration SET score_q8 = -1 WHERE rank = 1", "the calibration"},
		{"UPDATE calibration SET score_q8 = 1 WHERE rank = 6", "the calibration"},
		{"UPDATE calibration SET part_hash = zeroblob(32) WHERE rank = 2", "the name of a part"},
		{"UPDATE calibration SET part_hash = zeroblob(31) WHERE rank = 2", "the calibration"},
		{"UPDATE parts SET name = x'414243'", "the name of a part"},
		{"UPDATE parts SET name = hex(zeroblob(200))", "the name of a part"},
		{"DELETE FROM golden WHERE id = 2", "a golden picture is missing"},
		{"UPDATE golden SET png = (SELECT png FROM golden WHERE id = 2) WHERE id = 1", "golden picture"},
		{"UPDATE golden SET png = zeroblob(1000) WHERE id = 1", "golden picture"},
		{"UPDATE golden SET score_q8 = score_q8 + 1", "content hash does not match"},
		{"UPDATE golden SET map_hash = 1", "a golden score"},
		{"DELETE FROM mask", "content hash does not match"},
		{"UPDATE mask SET png = zeroblob(50)", "the mask is damaged"},
		{"UPDATE mask SET png = NULL", "the mask"},
		{"UPDATE mask SET png = (SELECT png FROM golden WHERE id = 1)", "black and white"},
		{"CREATE TABLE more(x)", "tables are not those"},
		{"CREATE VIEW v AS SELECT 1", "tables are not those"},
		{"CREATE INDEX i ON golden(score_q8)", "tables are not those"},
		{"CREATE TRIGGER t AFTER INSERT ON mask BEGIN DELETE FROM bank; END", "tables are not those"},
		{"DROP TABLE mask", "a table is missing"},
		{"DROP TABLE mask; CREATE TABLE mask(id INTEGER PRIMARY KEY, png BLOB, more AS (1))", "tables are not those"},
		{"DROP TABLE mask; CREATE VIEW mask AS SELECT 1 AS id, NULL AS png", "tables are not those"},
		{"ALTER TABLE bank ADD COLUMN more", "tables are not those"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tampered(cases[i].sql, ASSAY_E_FORMAT, cases[i].words);
}

static void other_golden_results(void **state)
{
	struct shelf shelf;
	struct assay_recipe *recipe = teach_some(NULL, &shelf, false);
	(void)state;
	recipe->golden[1].score_q8 ^= 1; /* as if taught by kernels that compute something else */
	assay__recipe_content_hash(recipe, recipe->content_hash);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	opens_as(ASSAY_E_FORMAT, "does not reproduce the recipe's golden vectors");
	recipe->golden[1].score_q8 ^= 1;
	recipe->golden[0].map_hash[9] ^= 1;
	assay__recipe_content_hash(recipe, recipe->content_hash);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	opens_as(ASSAY_E_FORMAT, "does not reproduce the recipe's golden vectors");
	recipe->golden[0].map_hash[9] ^= 1;
	recipe->scales.at[0].vectors[5] = -128;
	assay__recipe_content_hash(recipe, recipe->content_hash);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	opens_as(ASSAY_E_FORMAT, "a vector of a bank");
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
}

static void another_network(void **state)
{
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	size_t size;
	uint8_t *bytes = small_network(2, &size);
	(void)state;
	save_some(false);
	struct assay_env env = {.network = bytes, .network_size_bytes = size};
	assert_int_equal(assay_recipe_open(&env, path, &recipe, &error), ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "another network"));
	env = (struct assay_env){.network = network, .network_size_bytes = network_size};
	assert_int_equal(assay_recipe_open(&env, path, &recipe, &error), 0);
	assay_recipe_close(recipe);
	free(bytes);
}

/* Opens a damaged file: an error, or a recipe that is the same in all that counts. Returns whether it was taken. */
static bool survives(const uint8_t want[ASSAY_HASH_BYTES], size_t at)
{
	struct failing failing;
	struct assay_recipe *recipe = NULL;
	struct assay_recipe_info info;
	struct assay_error error = {0};
	failing_open(&failing, 0);
	struct assay_env env = {.allocator = &failing.allocator};
	int rc = assay_recipe_open(&env, path, &recipe, &error);
	if (rc == 0) {
		assay_recipe_get_info(recipe, &info);
		if (memcmp(info.content_hash, want, ASSAY_HASH_BYTES) != 0)
			fail_msg("byte %zu: taken with another content", at);
		assay_recipe_close(recipe);
	} else if (rc != (int)error.code || !error.message[0]) {
		fail_msg("byte %zu: code %d, \"%s\"", at, rc, error.message);
	}
	assert_int_equal(failing.alive, 0);
	return rc == 0;
}

static void bytes_flipped(void **state)
{
	struct assay_recipe *recipe;
	struct assay_recipe_info info;
	size_t size, tried = 0, taken = 0;
	uint64_t seed = 1;
	(void)state;
	save_some(true);
	assert_int_equal(assay_recipe_open(NULL, path, &recipe, NULL), 0);
	assay_recipe_get_info(recipe, &info);
	uint8_t *bytes = read_file(path, &size), want[ASSAY_HASH_BYTES];
	memcpy(want, info.content_hash, sizeof(want));
	assay_recipe_close(recipe);
	/* every byte of the header and of page starts, some of the rest */
	for (size_t at = 0; at < size; at += at < 100 || at % 4096 < 24 ? 1 : 1 + net_random(&seed) % 61, tried++) {
		uint8_t was = bytes[at];
		bytes[at] ^= (uint8_t)(1 + net_random(&seed) % 255);
		write_file(path, bytes, size);
		taken += survives(want, at);
		bytes[at] = was;
	}
	/* small tables leave much of their pages unused, and names do not count; the rest must be noticed */
	assert_true(tried > 1000 && tried - taken > 400);
	for (size_t cut = 0; cut < size; cut += 1 + size / 97) {
		write_file(path, bytes, cut);
		assert_false(survives(want, cut));
	}
	free(bytes);
}

static void failing_allocations(void **state)
{
	struct failing failing;
	struct shelf shelf;
	struct assay_error error = {0};
	(void)state;
	failing_open(&failing, 0);
	struct assay_recipe *recipe = teach_some(&failing.allocator, &shelf, true);
	int alive = failing.alive;
	for (int k = 1;; k++) {
		failing.fail_at = failing.requests + k;
		int rc = assay_recipe_save(recipe, path, &error);
		failing.fail_at = 0;
		assert_int_equal(failing.alive, alive);
		if (rc == 0) {
			assert_true(k > 1);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
	}
	assay_recipe_close(recipe);
	assert_int_equal(failing.alive, 0);
	shelf_clear(&shelf);
	for (int k = 1;; k++) {
		failing_open(&failing, k);
		struct assay_env env = {.allocator = &failing.allocator};
		struct assay_recipe *again = NULL;
		int rc = assay_recipe_open(&env, path, &again, &error);
		if (rc == 0) {
			assert_true(k > 30);
			assay_recipe_close(again);
			break;
		}
		if (rc != ASSAY_E_NOMEM || error.code != ASSAY_E_NOMEM || failing.alive != 0)
			fail_msg("allocation %d: code %d, %d alive, %s", k, rc, failing.alive, error.message);
		assert_null(again);
	}
}

static void cannot_be_written(void **state)
{
	struct shelf shelf;
	struct assay_error error = {0};
	struct assay_recipe *recipe = teach_some(NULL, &shelf, false);
	(void)state;
	snprintf(other, sizeof(other), "%s/no/such/folder", folder);
	assert_int_equal(assay_recipe_save(recipe, other, &error), ASSAY_E_IO);
	assert_non_null(strstr(error.message, other));
	assert_int_equal(assay_recipe_save(recipe, folder, &error), ASSAY_E_IO); /* a folder cannot be replaced */
	snprintf(other, sizeof(other), "%s.new", folder);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(assay_recipe_save(recipe, "", &error), ASSAY_E_IO);
	/* names that mean something to SQLite are only names */
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(assay_recipe_save(recipe, "file:x?mode=memory", &error), 0);
	assert_int_equal(access("file:x?mode=memory", F_OK), 0);
	unlink("file:x?mode=memory");
	assay_recipe_close(recipe);
	assay_recipe_close(NULL);
	shelf_clear(&shelf);
}

static int set_up(void **state)
{
	(void)state;
	network = small_network(1, &network_size);
	if (!network || !mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/part.assay", folder);
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
		cmocka_unit_test(comes_back_as_it_was), cmocka_unit_test(hash_does_not_move),
		cmocka_unit_test(what_is_no_recipe),	cmocka_unit_test(edited_with_a_tool),
		cmocka_unit_test(other_golden_results), cmocka_unit_test(another_network),
		cmocka_unit_test(bytes_flipped),		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(cannot_be_written),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
