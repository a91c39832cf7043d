/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "vision/judge.h"

static void root_is_exact(void **state)
{
	(void)state;
	assert_int_equal(assay__root_q8(0), 0);
	assert_int_equal(assay__root_q8(1), 256);
	assert_int_equal(assay__root_q8(2), 362);
	assert_int_equal(assay__root_q8(INT32_MAX), 11863283);
	uint64_t seed = 1;
	for (int i = 0; i < 300000; i++) {
		int32_t d2 = i < 70000 ? i : (int32_t)(net_random(&seed) >> (33 + i % 20));
		uint64_t x = (uint64_t)d2 << 16, root = assay__root_q8(d2);
		assert_true(root * root <= x && (root + 1) * (root + 1) > x);
	}
}

/* The smoothed map by its definition. */
static uint32_t smoothed(const uint32_t *raw, const uint8_t *cells, int w, int h, int x, int y)
{
	static const int k[5] = {1, 4, 6, 4, 1};
	uint64_t sum = 0, weights = 0;
	if (cells && !cells[y * w + x])
		return 0;
	for (int dy = -2; dy <= 2; dy++)
		for (int dx = -2; dx <= 2; dx++) {
			int cx = x + dx < 0 ? 0 : x + dx >= w ? w - 1 : x + dx, cy = y + dy < 0 ? 0 : y + dy >= h ? h - 1 : y + dy;
			if (cells && !cells[cy * w + cx])
				continue;
			sum += (uint64_t)(k[dx + 2] * k[dy + 2]) * raw[cy * w + cx];
			weights += (uint64_t)(k[dx + 2] * k[dy + 2]);
		}
	return (uint32_t)((sum + weights / 2) / weights);
}

static void check_map(int w, int h, int masked_percent, int32_t most, uint64_t seed)
{
	uint8_t *cells = calloc((size_t)(w * h), 1);
	int32_t *d2 = calloc((size_t)(w * h), sizeof(*d2));
	uint32_t *raw = calloc((size_t)(w * h), sizeof(*raw)), *map = calloc((size_t)(w * h), sizeof(*map)), largest = 0;
	int live = 0;
	for (int i = 0; i < w * h; i++) {
		cells[i] = net_random_range(&seed, 1, 100) > masked_percent;
		if (cells[i]) {
			d2[live] = (int32_t)(net_random(&seed) % ((uint64_t)most + 1));
			raw[i] = assay__root_q8(d2[live++]);
		}
	}
	struct assay__judge *judge;
	struct failing failing;
	failing_open(&failing, 0);
	assert_int_equal(assay__judge_open(w, h, masked_percent ? cells : NULL, &failing.allocator, &judge, NULL), 0);
	assert_int_equal(assay__judge_live(judge), live);
	int requests = failing.requests;
	uint32_t score = 0;
	for (int again = 0; again < 2; again++)
		score = assay__judge_map(judge, d2, map);
	for (int i = 0; i < w * h; i++) {
		assert_int_equal(map[i], smoothed(raw, masked_percent ? cells : NULL, w, h, i % w, i / w));
		largest = map[i] > largest ? map[i] : largest;
	}
	assert_int_equal(score, largest);
	assert_int_equal(failing.requests, requests);
	assert_true(assay__judge_bytes(judge) > 0);
	assay__judge_close(judge);
	assert_int_equal(failing.alive, 0);
	free(cells);
	free(d2);
	free(raw);
	free(map);
}

static void map_follows_the_definition(void **state)
{
	static const int sizes[][2] = {{1, 1}, {2, 9}, {32, 32}, {5, 3}, {40, 8}};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int masked = 0; masked <= 90; masked += 30)
			check_map(sizes[i][0], sizes[i][1], masked, 1000000, i * 100 + (uint64_t)masked);
	check_map(16, 16, 0, 1024 * 254 * 254, 5);
	check_map(16, 16, 40, 1024 * 254 * 254, 5);
}

static void flat_stays_flat_under_a_mask(void **state)
{
	uint8_t cells[48];
	int32_t d2[48];
	uint32_t map[48];
	struct assay__judge *judge;
	(void)state;
	for (int i = 0; i < 48; i++) {
		cells[i] = i % 5 != 0;
		d2[i] = 12345;
	}
	assert_int_equal(assay__judge_open(8, 6, cells, NULL, &judge, NULL), 0);
	assert_non_null(assay__judge_cells(judge));
	assert_int_equal(assay__judge_map(judge, d2, map), assay__root_q8(12345));
	for (int i = 0; i < 48; i++)
		assert_int_equal(map[i], cells[i] ? assay__root_q8(12345) : 0);
	assay__judge_close(judge);
	memset(cells, 1, sizeof(cells));
	assert_int_equal(assay__judge_open(8, 6, cells, NULL, &judge, NULL), 0);
	assert_null(assay__judge_cells(judge));
	assay__judge_close(judge);
}

static int counted;

static int regions_of(const char *picture, int w, int h, const struct assay_rect_px *area,
					  struct assay_region regions[ASSAY_MAX_REGIONS], int *total)
{
	uint32_t *map = calloc((size_t)(w * h), sizeof(*map));
	for (int i = 0; i < w * h; i++)
		map[i] = picture[i] == '.' ? 50 : (uint32_t)(picture[i] - '0') * 100;
	struct assay__judge *judge;
	assert_int_equal(assay__judge_open(w, h, NULL, NULL, &judge, NULL), 0);
	int count = assay__judge_regions(judge, map, 100, area, NULL, regions, total, &counted);
	assay__judge_close(judge);
	free(map);
	return count;
}

static void regions_by_hand(void **state)
{
	static const char picture[] = "2..1...."
								  ".2....44"
								  "..9...4."
								  "........"
								  "3......2"
								  "3.....2.";
	struct assay_region r[ASSAY_MAX_REGIONS];
	const struct assay_rect_px area = {100, 50, 80, 120}; /* a cell is 10 wide, 20 high */
	int total;
	(void)state;
	assert_int_equal(regions_of(picture, 8, 6, &area, r, &total), 4);
	assert_int_equal(total, 4);
	/* diagonal neighbours are one region; 100 is not above 100 */
	assert_int_equal(r[0].peak_q8, 900);
	assert_int_equal(r[0].mean_q8, 433);
	assert_int_equal(r[0].area_px, 600);
	assert_int_equal(r[0].box.x, 100);
	assert_int_equal(r[0].box.y, 50);
	assert_int_equal(r[0].box.width, 30);
	assert_int_equal(r[0].box.height, 60);
	assert_int_equal(r[0].peak_x_px, 125);
	assert_int_equal(r[0].peak_y_px, 100);
	assert_int_equal(r[1].peak_q8, 400);
	assert_int_equal(r[1].peak_x_px, 165); /* the first of equal peaks */
	assert_int_equal(r[1].peak_y_px, 80);
	assert_int_equal(r[1].box.width, 20);
	assert_int_equal(r[2].peak_q8, 300);
	assert_int_equal(r[2].area_px, 400);
	assert_int_equal(r[3].peak_q8, 200);
	assert_int_equal(r[3].box.x, 160);
	assert_int_equal(r[3].box.y, 130);
}

static void boxes_cover_broken_cells(void **state)
{
	struct assay_region r[ASSAY_MAX_REGIONS];
	const struct assay_rect_px area = {3, 4, 10, 7}; /* cells of 10/3 by 7/2 pixels */
	int total;
	(void)state;
	assert_int_equal(regions_of(".2....", 3, 2, &area, r, &total), 1);
	assert_int_equal(r[0].box.x, 6);
	assert_int_equal(r[0].box.width, 4); /* 3.33..6.67, outward */
	assert_int_equal(r[0].box.y, 4);
	assert_int_equal(r[0].box.height, 4);
	assert_int_equal(r[0].area_px, 12); /* 70 / 6 */
	assert_int_equal(r[0].peak_x_px, 8);
	assert_int_equal(r[0].peak_y_px, 5);
}

static void equal_peaks_from_the_top_left(void **state)
{
	struct assay_region r[ASSAY_MAX_REGIONS];
	const struct assay_rect_px area = {0, 0, 5, 5};
	int total;
	(void)state;
	assert_int_equal(regions_of("...2......"
								"2...2....."
								"....2",
								5, 5, &area, r, &total),
					 4);
	assert_int_equal(r[3].peak_y_px, 4);
	assert_int_equal(r[0].peak_x_px, 3);
	assert_int_equal(r[0].peak_y_px, 0);
	assert_int_equal(r[1].peak_x_px, 0);
	assert_int_equal(r[1].peak_y_px, 2);
	assert_int_equal(r[2].peak_x_px, 4);
	assert_int_equal(r[2].peak_y_px, 2);
}

static void more_regions_than_are_kept(void **state)
{
	enum { SIDE = 24 };
	uint32_t map[SIDE * SIDE] = {0};
	struct assay_region r[ASSAY_MAX_REGIONS + 1];
	const struct assay_rect_px area = {0, 0, SIDE, SIDE};
	struct assay__judge *judge;
	int total = 0, n = 0;
	uint64_t seed = 4;
	(void)state;
	memset(r, 0x33, sizeof(r));
	struct assay_region guard = r[ASSAY_MAX_REGIONS];
	for (int y = 0; y < SIDE; y += 2)
		for (int x = 0; x < SIDE; x += 2, n++)
			map[y * SIDE + x] = (uint32_t)net_random_range(&seed, 101, 140);
	assert_int_equal(assay__judge_open(SIDE, SIDE, NULL, NULL, &judge, NULL), 0);
	assert_int_equal(assay__judge_regions(judge, map, 100, &area, NULL, r, &total, &counted), ASSAY_MAX_REGIONS);
	assert_int_equal(total, n);
	int above = 0;
	for (int i = 0; i < SIDE * SIDE; i++)
		above += map[i] > r[ASSAY_MAX_REGIONS - 1].peak_q8;
	assert_true(above < ASSAY_MAX_REGIONS);
	for (int i = 1; i < ASSAY_MAX_REGIONS; i++) {
		assert_true(r[i - 1].peak_q8 >= r[i].peak_q8);
		if (r[i - 1].peak_q8 == r[i].peak_q8)
			assert_true(r[i - 1].peak_y_px * SIDE + r[i - 1].peak_x_px < r[i].peak_y_px * SIDE + r[i].peak_x_px);
	}
	assert_memory_equal(&r[ASSAY_MAX_REGIONS], &guard, sizeof(guard));
	assay__judge_close(judge);
}

static void length_and_zones(void **state)
{
	(void)state;
	const struct assay_rect_px area = {10, 20, 80, 80};
	struct assay_region r[ASSAY_MAX_REGIONS];
	/* left half: zone 0; right half: zone 1, twice the threshold and at least 50 px long */
	const struct assay__zone zones[2] = {{0, "face", 256, 0, 0}, {1, "rib", 512, 0, 50}};
	uint32_t map[64] = {0};
	uint8_t cells[64];
	int total;
	for (int i = 0; i < 64; i++)
		cells[i] = i % 8 >= 4;
	const struct assay__tolerance tolerance = {zones, cells};
	struct assay__judge *judge;
	assert_int_equal(assay__judge_open(8, 8, NULL, NULL, &judge, NULL), 0);
	map[0] = 150;		  /* counts */
	map[2 * 8 + 6] = 190; /* below the rib's threshold */
	for (int y = 4; y < 8; y++)
		map[y * 8 + 7] = 250; /* 40 px high, 10 wide: 41 px long, too short for the rib */
	assert_int_equal(assay__judge_regions(judge, map, 100, &area, &tolerance, r, &total, &counted), 2);
	assert_int_equal(total, 2);
	assert_int_equal(counted, 1);
	assert_true(r[0].counts && !r[1].counts);
	assert_string_equal(r[0].zone, "face");
	assert_string_equal(r[1].zone, "rib");
	assert_int_equal(r[0].length_px, 14); /* a cell's diagonal */
	assert_int_equal(r[1].length_px, 41);
	map[3 * 8 + 7] = 201;
	assert_int_equal(assay__judge_regions(judge, map, 100, &area, &tolerance, r, &total, &counted), 2);
	assert_int_equal(counted, 2);
	assert_int_equal(r[0].length_px, 51);
	/* without zones the 190 joins in, and all count */
	assert_int_equal(assay__judge_regions(judge, map, 100, &area, NULL, r, &total, &counted), 2);
	assert_int_equal(counted, 2);
	assert_null(r[0].zone);
	assay__judge_close(judge);
}

static void one_long_winding_region(void **state)
{
	enum { SIDE = 511 };
	uint32_t *map = calloc((size_t)SIDE * SIDE, sizeof(*map));
	struct assay_region r[ASSAY_MAX_REGIONS];
	const struct assay_rect_px area = {0, 0, SIDE, SIDE};
	struct assay__judge *judge;
	int total, cells = 0;
	(void)state;
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			if (y % 2 == 0 || x == (y % 4 == 1 ? SIDE - 1 : 0)) {
				map[y * SIDE + x] = 7;
				cells++;
			}
	assert_int_equal(assay__judge_open(SIDE, SIDE, NULL, NULL, &judge, NULL), 0);
	assert_int_equal(assay__judge_regions(judge, map, 6, &area, NULL, r, &total, &counted), 1);
	assert_int_equal(total, 1);
	assert_int_equal(r[0].area_px, cells);
	assert_int_equal(assay__judge_regions(judge, map, 7, &area, NULL, r, &total, &counted), 0);
	assert_int_equal(total, 0);
	assay__judge_close(judge);
	free(map);
}

static void failing_allocations(void **state)
{
	static const uint8_t cells[16] = {1, 1, 0, 1};
	(void)state;
	for (int k = 1;; k++) {
		struct failing failing;
		struct assay__judge *judge = NULL;
		failing_open(&failing, k);
		int rc = assay__judge_open(4, 4, cells, &failing.allocator, &judge, NULL);
		if (rc == 0) {
			assert_true(k > 6);
			assay__judge_close(judge);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_null(judge);
		assert_int_equal(failing.alive, 0);
	}
	assay__judge_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_exact),
		cmocka_unit_test(map_follows_the_definition),
		cmocka_unit_test(flat_stays_flat_under_a_mask),
		cmocka_unit_test(regions_by_hand),
		cmocka_unit_test(boxes_cover_broken_cells),
		cmocka_unit_test(equal_peaks_from_the_top_left),
		cmocka_unit_test(more_regions_than_are_kept),
		cmocka_unit_test(length_and_zones),
		cmocka_unit_test(one_long_winding_region),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
