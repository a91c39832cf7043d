/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <sqlite3.h>

#include "vision/zones.h"

static int parse(const char *text, double mm, const struct assay_allocator *allocator, struct assay_zones **out,
				 struct assay_error *error)
{
	return assay__zones_parse("part.zones", text, strlen(text), mm, allocator, out, error);
}

static const char fine[] = "# a housing\n"
						   "zone 2 rib weight 2 length 4mm   # scratches do not matter\r\n"
						   "\n"
						   "zone 1 face weight 0.8 area 20px length 12\n"
						   "polygon 2 2,1 10,1 10,5 2,5\n"
						   "polygon 1 4,3 8,3 8,8 4,8\n";

static void reads_and_paints(void **state)
{
	(void)state;
	struct assay_zones *zones = NULL, *painted = NULL;
	assert_int_equal(parse(fine, 0.5, NULL, &zones, NULL), 0);
	assert_int_equal(zones->count, 3);
	assert_string_equal(zones->list[1].name, "face");
	assert_int_equal(zones->list[1].weight_q8, 205);
	assert_int_equal(zones->list[1].least_area_px, 20);
	assert_int_equal(zones->list[1].least_length_px, 12);
	assert_int_equal(zones->list[2].least_length_px, 8);
	assert_int_equal(assay__zones_paint(zones, 12, 8, NULL, &painted, NULL), 0);
	for (int y = 0; y < 8; y++)
		for (int x = 0; x < 12; x++) {
			int expected = x >= 4 && x < 8 && y >= 3 ? 1 : x >= 2 && x < 10 && y >= 1 && y < 5 ? 2 : 0;
			assert_int_equal(painted->painted.pixels[(size_t)y * painted->painted.stride_bytes + (size_t)x], expected);
		}
	uint8_t cells[6];
	const struct assay__geometry g = {.area = {0, 0, 12, 8}, .grid_width = 3, .grid_height = 2};
	assay__zones_cells(painted, &g, cells);
	const uint8_t expected[6] = {0, 2, 0, 0, 1, 0};
	assert_memory_equal(cells, expected, 6);
	assay_zones_free(painted);
	struct assay_error error;
	assert_int_equal(assay__zones_paint(zones, 12, 7, NULL, &painted, &error), ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "part.zones:6: the corner 8,8 is outside"));
	assay_zones_free(zones);
}

/* A triangle by the definition: the centre is inside. */
static void slanted_edges(void **state)
{
	(void)state;
	struct assay_zones *zones = NULL, *painted = NULL;
	assert_int_equal(parse("zone 9 t\npolygon 9 1,0 20,7 3,19", 0, NULL, &zones, NULL), 0);
	assert_int_equal(assay__zones_paint(zones, 20, 20, NULL, &painted, NULL), 0);
	const int c[3][2] = {{1, 0}, {20, 7}, {3, 19}};
	for (int y = 0; y < 20; y++)
		for (int x = 0; x < 20; x++) {
			int inside = 1, edge = 0;
			for (int i = 0; i < 3; i++) {
				const int *a = c[i], *b = c[(i + 1) % 3];
				int side = (b[0] - a[0]) * (2 * y + 1 - 2 * a[1]) - (b[1] - a[1]) * (2 * x + 1 - 2 * a[0]);
				inside &= side >= 0;
				edge |= side == 0; /* a centre on an edge is on one side of it, whichever */
			}
			uint8_t got = painted->painted.pixels[(size_t)y * painted->painted.stride_bytes + (size_t)x];
			assert_true(edge || got == (inside ? 9 : 0));
		}
	assay_zones_free(painted);
	assay_zones_free(zones);
}

static void hostile_files(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{"zone", "part.zones:1: the line ends where a zone number"},
		{"zone 256 a", "part.zones:1: found '256', expected a zone number from 0 to 255"},
		{"\nzone -1 a", "part.zones:2:"},
		{"zone 1", "the line ends where the zone's name"},
		{"zone 1 a weight 0", "expected a weight from 0.1 to 100"},
		{"zone 1 a weight nan", "expected a weight"},
		{"zone 1 a weight", "the line ends"},
		{"zone 1 a length -3", "expected a length"},
		{"zone 1 a length 3mm", "give --mm-per-px"},
		{"zone 1 a area 1e99", "expected an area"},
		{"zone 1 a colour 3", "expected weight, area or length"},
		{"zone 1 a\nzone 1 b", "part.zones:2: this zone number"},
		{"zone 1 a\nzone 2 a", "part.zones:2: two zones"},
		{"zone 0 a\nzone 0 b", "part.zones:2: this zone number"},
		{"zone 1 abcdefghijklmnopqrstuvwxyzabcdefgh", "longer than 31"},
		{"zone 1 \xff", "not UTF-8"},
		{"polygon 1 0,0 1,1 2,2", "no zone of this number"},
		{"zone 1 a\npolygon 1 0,0 1,1", "part.zones:2: a polygon needs"},
		{"zone 1 a\npolygon 1 0,0 1;1 2,2", "found '1;1', expected a corner"},
		{"zone 1 a\npolygon 1 0,0 -1,1 2,2", "expected a corner"},
		{"zone 1 a\npolygon 1 0,0 99999,1 2,2", "expected a corner"},
		{"zone 1 a\npolygon 1 0,0 9,1 2,2\nzone 2 b", "part.zones:3: zones must be named before"},
		{"zone 1 a", "says where"},
		{"painted", "expected the name of a picture"},
		{"painted /nowhere/at/all.png", "part.zones:1:"},
		{"flagon 1", "expected zone, polygon or painted"},
		{"zone 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "no word"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct assay_zones *zones = NULL;
		struct assay_error error = {0};
		assert_true(parse(bad[i][0], 0, NULL, &zones, &error) < 0);
		assert_null(zones);
		if (!strstr(error.message, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], error.message);
	}
	struct assay_zones *zones = NULL;
	assert_true(assay__zones_parse("z", "zone\0", 5, 0, NULL, &zones, NULL) < 0);
	assert_int_equal(assay_zones_load("/", 0, NULL, &zones, NULL), ASSAY_E_IO);
	assert_null(zones);
}

static void short_of_memory(void **state)
{
	(void)state;
	int rc = ASSAY_E_NOMEM;
	for (int at = 1; rc == ASSAY_E_NOMEM; at++) {
		struct failing failing;
		struct assay_zones *zones = NULL, *painted = NULL;
		failing_open(&failing, at);
		rc = parse(fine, 1, &failing.allocator, &zones, NULL);
		if (rc == 0)
			rc = assay__zones_paint(zones, 20, 20, &failing.allocator, &painted, NULL);
		assay_zones_free(painted);
		assay_zones_free(zones);
		assert_int_equal(failing.alive, 0);
		assert_true(at < 100);
	}
	assert_int_equal(rc, 0);
}

/* A spoilt part fails, and passes where its zone tolerates it; the recipe keeps that through a file. */
static void verdict_by_zone(void **state)
{
	(void)state;
	static const char *const texts[2] = {"zone 1 rib weight 100\npolygon 1 0,0 96,0 96,80 0,80",
										 "zone 1 face length 5000\npolygon 1 0,0 48,0 48,80 0,80"};
	struct shelf shelf;
	shelf_fill(&shelf, 12);
	struct assay_image bad = make_part(PART_WIDTH, PART_HEIGHT, 1, 8, 99);
	spoil(&bad, 60, 30, 14);
	for (int i = 0; i < 2; i++) {
		struct assay_zones *zones = NULL;
		struct assay_teach_options options = quick_options();
		struct assay_recipe_info a, b;
		struct assay_worker *worker;
		struct assay_result result;
		assert_int_equal(parse(texts[i], 0, NULL, &zones, NULL), 0);
		options.zones = zones;
		options.mm_per_px = 0.25;
		struct assay_recipe *recipe = must_teach(NULL, &options, &shelf, NULL), *again = NULL;
		assay_zones_free(zones);
		char path[] = "/tmp/assay_zones_XXXXXX";
		close(mkstemp(path));
		unlink(path);
		assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
		assert_int_equal(assay_recipe_open(NULL, path, &again, NULL), 0);
		unlink(path);
		assay_recipe_get_info(recipe, &a);
		assay_recipe_get_info(again, &b);
		assert_memory_equal(a.content_hash, b.content_hash, sizeof(a.content_hash));
		assert_int_equal(b.zone_count, 2);
		assert_true(b.mm_per_px == 0.25);
		assert_int_equal(assay_worker_open(again, &worker, NULL), 0);
		assert_int_equal(assay_inspect(worker, &bad, &result, NULL), 0);
		assert_true(result.score_q8 > result.threshold_q8);
		assert_int_equal(result.verdict, i ? ASSAY_FAIL : ASSAY_PASS);
		assert_int_equal(result.regions_counted > 0, i);
		if (i)
			assert_string_equal(result.regions[0].zone, "elsewhere");
		assay_worker_close(worker);
		assay_recipe_close(again);
		assay_recipe_close(recipe);
		options.zones = NULL;
	}
	assay_image_free(&bad, NULL);
	shelf_clear(&shelf);
}

static void save_with_zones(const char *path)
{
	size_t size;
	uint8_t *network = small_network(7, &size);
	struct assay_env env = {.network = network, .network_size_bytes = size};
	struct assay_teach_options options = quick_options();
	struct assay_zones *zones = NULL;
	struct shelf shelf;
	shelf_fill(&shelf, 6);
	assert_int_equal(parse("zone 7 rib weight 2\npolygon 7 0,0 48,0 48,80 0,80", 0, NULL, &zones, NULL), 0);
	options.zones = zones;
	options.mm_per_px = 0.5;
	struct assay_recipe *recipe = must_teach(&env, &options, &shelf, NULL);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	assay_recipe_close(recipe);
	assay_zones_free(zones);
	shelf_clear(&shelf);
	free(network);
}

/* A recipe with zones, as another program left it, is refused in words and leaves nothing behind. */
static void edited_recipes(void **state)
{
	(void)state;
	static const char *const edits[][2] = {
		{"UPDATE zones SET weight_q8 = 1 WHERE number = 7", "a zone"},
		{"UPDATE zones SET name = 'a name that is far longer than any zone may have' WHERE number = 7", "a zone"},
		{"UPDATE zones SET number = 8 WHERE number = 7", "a painted zone is not in the list"},
		{"UPDATE zones SET weight_q8 = 300 WHERE number = 7", "content hash does not match"},
		{"DELETE FROM zones", "the zones"},
		{"DROP TABLE zones", "the zones"},
		{"DELETE FROM painted", "the painted zones are missing"},
		{"UPDATE painted SET png = x'00'", "the painted zones"},
		{"DROP TABLE painted", "the zones"},
		{"DROP TABLE zones; DROP TABLE painted", "content hash does not match"},
		{"UPDATE pixel SET mm = -1.0", "the size of a pixel"},
		{"UPDATE pixel SET mm = 'wide'", "the size of a pixel"},
		{"DROP TABLE pixel", "content hash does not match"},
	};
	char path[] = "/tmp/assay_zones_XXXXXX";
	close(mkstemp(path));
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct failing failing;
		struct assay_recipe *recipe = NULL;
		struct assay_error error = {0};
		sqlite3 *db;
		save_with_zones(path);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, edits[i][0], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		failing_open(&failing, 0);
		struct assay_env env = {.allocator = &failing.allocator};
		assert_int_equal(assay_recipe_open(&env, path, &recipe, &error), ASSAY_E_FORMAT);
		if (!strstr(error.message, edits[i][1]))
			fail_msg("%s: %s", edits[i][0], error.message);
		assert_int_equal(failing.alive, 0);
	}
	unlink(path);
}

static void recipes_short_of_memory(void **state)
{
	(void)state;
	char path[] = "/tmp/assay_zones_XXXXXX";
	close(mkstemp(path));
	save_with_zones(path);
	int rc = ASSAY_E_NOMEM;
	for (int at = 1; rc == ASSAY_E_NOMEM; at++) {
		struct failing failing;
		struct assay_recipe *recipe = NULL;
		struct assay_worker *worker = NULL;
		failing_open(&failing, at);
		struct assay_env env = {.allocator = &failing.allocator};
		rc = assay_recipe_open(&env, path, &recipe, NULL);
		if (rc == 0)
			rc = assay_worker_open(recipe, &worker, NULL);
		assay_worker_close(worker);
		assay_recipe_close(recipe);
		assert_int_equal(failing.alive, 0);
		assert_true(at < 1000);
	}
	assert_int_equal(rc, 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_paints),		   cmocka_unit_test(slanted_edges),	  cmocka_unit_test(hostile_files),
		cmocka_unit_test(short_of_memory),		   cmocka_unit_test(verdict_by_zone), cmocka_unit_test(edited_recipes),
		cmocka_unit_test(recipes_short_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
