/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "vision/place.h"

#define GRID_WIDTH 7
#define GRID_HEIGHT 6
#define CELLS (GRID_WIDTH * GRID_HEIGHT)
#define DIM 37

struct bench {
	uint8_t counts[CELLS];
	int8_t vectors[CELLS * ASSAY__PLACE_DEPTH * DIM];
	int8_t queries[CELLS * DIM];
};

static void fill(struct bench *b, uint64_t seed)
{
	for (int i = 0; i < CELLS; i++)
		b->counts[i] = (uint8_t)net_random_range(&seed, 0, ASSAY__PLACE_DEPTH);
	for (size_t i = 0; i < sizeof(b->vectors); i++)
		b->vectors[i] = (int8_t)net_random_range(&seed, -127, 127);
	for (size_t i = 0; i < sizeof(b->queries); i++)
		b->queries[i] = (int8_t)net_random_range(&seed, -127, 127);
}

static int32_t distance(const int8_t *a, const int8_t *b)
{
	int32_t sum = 0;
	for (int i = 0; i < DIM; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

/* Plainly, from the definition. */
static int32_t nearest(const struct bench *b, int where, const int8_t *query)
{
	int32_t best = INT32_MAX;
	const int8_t *v = b->vectors;
	for (int cell = 0; cell < CELLS; cell++)
		for (int i = 0; i < b->counts[cell]; i++, v += DIM) {
			if (abs(cell % GRID_WIDTH - where % GRID_WIDTH) > 1 || abs(cell / GRID_WIDTH - where / GRID_WIDTH) > 1)
				continue;
			int32_t d2 = distance(query, v);
			best = d2 < best ? d2 : best;
		}
	return best == INT32_MAX ? 0 : best;
}

static void the_nearest_around_a_place(void **state)
{
	static const enum assay_isa sets[] = {ASSAY_ISA_SCALAR,		ASSAY_ISA_BEST, ASSAY_ISA_AVX2,	  ASSAY_ISA_AVXVNNI,
										  ASSAY_ISA_AVX512VNNI, ASSAY_ISA_NEON, ASSAY_ISA_NEONDOT};
	static struct bench b;
	(void)state;
	for (uint64_t seed = 1; seed < 6; seed++)
		for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]); k++) {
			struct assay__place *place;
			struct assay__place_search *search;
			int32_t d2[CELLS];
			uint64_t dice = seed * 31;
			fill(&b, seed);
			if (seed == 5)
				memset(b.counts, 0, 4 * GRID_WIDTH); /* places that nothing is known about */
			assert_int_equal(
				assay__place_open(b.vectors, b.counts, GRID_WIDTH, GRID_HEIGHT, DIM, sets[k], NULL, &place, NULL), 0);
			assert_int_equal(assay__place_search_open(CELLS, NULL, &search, NULL), 0);
			int32_t *where = assay__place_search_where(search);
			int n = seed % 2 ? CELLS : 11;
			for (int i = 0; i < n; i++) /* many in one cell, too */
				where[i] = net_random_range(&dice, 0, 2) ? net_random_range(&dice, 0, CELLS - 1) : 8;
			assay__place_nearest(place, search, b.queries, n, d2);
			for (int i = 0; i < n; i++)
				assert_int_equal(d2[i], nearest(&b, where[i], b.queries + i * DIM));
			assay__place_search_close(search);
			assay__place_close(place);
		}
}

static void cells_follow_the_pose(void **state)
{
	const struct assay__geometry geometry = {.grid_width = 20, .grid_height = 10};
	const struct {
		struct assay__pose pose;
		int dx, dy; /* of the cells, away from the border */
	} cases[] = {
		{{0, 0, 0, 0}, 0, 0},
		{{0, 0, 8 << 16, 0}, -1, 0}, /* the part lies 8 px to the right: what is seen here belongs a cell to the left */
		{{0, 0, 3 << 16, -(3 << 16)}, 0, 0},
		{{0, 0, -(17 << 16), 9 << 16}, 2, -1},
	};
	int32_t where[200];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assay__place_cells(&cases[i].pose, 160, 80, &geometry, NULL, 200, where);
		for (int y = 0; y < 10; y++)
			for (int x = 0; x < 20; x++) {
				int to_x = x + cases[i].dx, to_y = y + cases[i].dy;
				to_x = to_x < 0 ? 0 : to_x > 19 ? 19 : to_x;
				to_y = to_y < 0 ? 0 : to_y > 9 ? 9 : to_y;
				assert_int_equal(where[y * 20 + x], to_y * 20 + to_x);
			}
	}
	/* a quarter turn about the middle, and only some cells */
	const struct assay__pose turned = {-(1 << 24), 1 << 24, 0, 0};
	const int32_t some[] = {4 * 20 + 10, 5 * 20 + 10, 4 * 20 + 12};
	assay__place_cells(&turned, 160, 80, &geometry, some, 3, where);
	assert_int_equal(where[0], 4 * 20 + 9); /* (4, -4) from the middle lay at (-4, -4) */
	assert_int_equal(where[1], 4 * 20 + 10);
	assert_int_equal(where[2], 2 * 20 + 9);
}

static void choice_is_greedy(void **state)
{
	static int8_t vectors[40 * DIM];
	int64_t among[40], kept[ASSAY__PLACE_DEPTH];
	int32_t d2[40];
	uint64_t seed = 8;
	(void)state;
	for (size_t i = 0; i < sizeof(vectors); i++)
		vectors[i] = (int8_t)net_random_range(&seed, -9, 9);
	for (int i = 0; i < 40; i++)
		among[i] = 39 - i;
	memset(vectors + 17 * DIM, 120, DIM); /* the odd one is kept second, whatever is first */
	assert_int_equal(assay__place_choose(vectors, among, 40, DIM, d2, kept), ASSAY__PLACE_DEPTH);
	assert_int_equal(kept[1], 17);
	for (int i = 2; i < ASSAY__PLACE_DEPTH; i++) {
		int32_t farthest = 0, taken = INT32_MAX;
		for (int v = 0; v < 40; v++) {
			int32_t least = INT32_MAX;
			for (int k = 0; k < i; k++) {
				int32_t d = distance(vectors + v * DIM, vectors + kept[k] * DIM);
				least = d < least ? d : least;
			}
			farthest = least > farthest ? least : farthest;
			taken = v == kept[i] ? least : taken;
		}
		assert_int_equal(taken, farthest);
	}
	memset(vectors, 3, sizeof(vectors)); /* all the same */
	assert_int_equal(assay__place_choose(vectors, among, 40, DIM, d2, kept), 1);
	assert_int_equal(assay__place_choose(vectors, among, 0, DIM, d2, kept), 0);
}

static void without_memory(void **state)
{
	static struct bench b;
	struct failing failing;
	int rc = ASSAY_E_NOMEM;
	(void)state;
	fill(&b, 1);
	for (int at = 1; rc; at++) {
		struct assay__place *place = NULL;
		struct assay__place_search *search = NULL;
		failing_open(&failing, at);
		rc = assay__place_open(b.vectors, b.counts, GRID_WIDTH, GRID_HEIGHT, DIM, ASSAY_ISA_BEST, &failing.allocator,
							   &place, NULL);
		if (rc == 0)
			rc = assay__place_search_open(CELLS, &failing.allocator, &search, NULL);
		assert_true(rc == 0 || rc == ASSAY_E_NOMEM);
		assay__place_close(place);
		assay__place_search_close(search);
		assert_int_equal(failing.alive, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_around_a_place),
		cmocka_unit_test(cells_follow_the_pose),
		cmocka_unit_test(choice_is_greedy),
		cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
