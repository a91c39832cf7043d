/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include "vision/scale.h"

static void sizes_chosen(void **state)
{
	static const struct {
		int working, defect, width, height, count, fine;
	} cases[] = {
		{0, 0, 300, 300, 2, 320},	   {384, 0, 300, 300, 1, 384},
		{0, 12, 2448, 2048, 3, 1366},  {0, 1, 2448, 2048, 3, 2048},
		{0, 1, 5000, 4000, 3, 2048},   {0, 41, 2448, 2048, 2, 320}, /* 400 is not enough */
		{0, 40, 2448, 2048, 3, 410},   {0, 8, 500, 1260, 3, 500},
		{0, 2, 500, 1260, 3, 512},	   {0, 2, 300, 300, 2, 320},
		{0, 4096, 3000, 3000, 2, 320}, {0, 3, 8000, 1000, 3, 512}, /* 8:1 within 4096 */
		{0, 1, 65500, 65500, 3, 2048},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int sizes[ASSAY__SCALES_MOST];
		int n = assay__scales_choose(cases[i].working, cases[i].defect, cases[i].width, cases[i].height, sizes);
		if (n != cases[i].count || sizes[n - 1] != cases[i].fine)
			fail_msg("case %zu: %d scales, the finest %d", i, n, sizes[n - 1]);
		if (n > 1) {
			assert_int_equal(sizes[0], 160);
			assert_int_equal(sizes[1], 320);
		}
	}
}

static void units_by_hand(void **state)
{
	static const uint32_t four[] = {1000, 1400, 1200, 1600}, same[] = {500, 500, 500}, none[] = {0, 0};
	static const uint32_t far[] = {0, UINT32_MAX, 0, UINT32_MAX}, two[] = {100, 300};
	(void)state;
	struct assay__unit u = assay__unit_of(four, 4);
	assert_int_equal(u.mean_q8, 1300);
	assert_int_equal(u.sd_q8, 223); /* sqrt(50000) = 223.6 */
	u = assay__unit_of(same, 3);
	assert_int_equal(u.mean_q8, 500);
	assert_int_equal(u.sd_q8, 11); /* at least mean / 50 + 1 */
	assert_true(assay__unit_sane(&u));
	u.sd_q8 = 10;
	assert_false(assay__unit_sane(&u));
	u = assay__unit_of(none, 2);
	assert_int_equal(u.sd_q8, 1);
	u = assay__unit_of(two, 2);
	assert_int_equal(u.mean_q8, 200);
	assert_int_equal(u.sd_q8, 100);
	u = assay__unit_of(far, 4);
	assert_int_equal(u.mean_q8, 2147483648u);
	assert_int_equal(u.sd_q8, 2147483647u);
	/* any order, and sums of squares beyond 64 bits */
	uint32_t *many = calloc(200000, sizeof(*many));
	for (int i = 0; i < 200000; i++)
		many[i] = i % 2 ? 4000000000u : 2;
	u = assay__unit_of(many, 200000);
	assert_int_equal(u.mean_q8, 2000000001u);
	assert_int_equal(u.sd_q8, 1999999999u);
	free(many);
}

static void unit_applied_by_hand(void **state)
{
	const struct assay__unit u = {.mean_q8 = 1300, .sd_q8 = 223}, nothing = {.mean_q8 = 0, .sd_q8 = 1};
	static const uint32_t pairs[][2] = {{0, 0},		  {1, 1},		{650, 1280},  {1299, 2558},
										{1300, 2560}, {1301, 2561}, {1523, 2816}, {11863283, 13619903}};
	uint32_t last = 0;
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_int_equal(assay__unit_apply(&u, pairs[i][0]), pairs[i][1]);
	for (uint32_t s = 0; s < 20000; s++) {
		uint32_t score = assay__unit_apply(&u, s);
		assert_true(score >= last);
		last = score;
	}
	assert_int_equal(assay__unit_apply(&nothing, 0), 0);
	assert_int_equal(assay__unit_apply(&nothing, 1), 2816);
	assert_int_equal(assay__unit_apply(&nothing, 11863283), 2560u + 256u * 11863283u); /* the farthest there can be */
}

static void maxima_survive(void **state)
{
	static const int sizes[][4] = {{20, 20, 40, 40}, {1, 1, 5, 3}, {8, 10, 8, 10}, {7, 5, 9, 6}, {20, 160, 171, 512}};
	const struct assay__unit u = {.mean_q8 = 2560, .sd_q8 = 256}; /* changes nothing */
	uint64_t seed = 3;
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fw = sizes[i][0], fh = sizes[i][1], w = sizes[i][2], h = sizes[i][3];
		uint32_t *from = calloc((size_t)(fw * fh), sizeof(*from)), *into = calloc((size_t)(w * h), sizeof(*into));
		uint32_t *before = calloc((size_t)(w * h), sizeof(*before));
		uint8_t *met = calloc((size_t)(fw * fh), 1);
		for (int k = 0; k < fw * fh; k++)
			from[k] = (uint32_t)net_random_range(&seed, 0, 9999);
		for (int k = 0; k < w * h; k++)
			into[k] = before[k] = (uint32_t)net_random_range(&seed, 0, 9999);
		assay__unit_join(&u, from, fw, fh, into, w, h);
		for (int y = 0; y < h; y++)
			for (int x = 0; x < w; x++) {
				int cx = (int)((x + 0.5) * fw / w), cy = (int)((y + 0.5) * fh / h);
				uint32_t a = from[cy * fw + cx], b = before[y * w + x];
				met[cy * fw + cx] = 1;
				assert_int_equal(into[y * w + x], a > b ? a : b);
			}
		for (int k = 0; k < fw * fh; k++)
			assert_int_equal(met[k], 1);
		free(from);
		free(into);
		free(before);
		free(met);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_chosen),
		cmocka_unit_test(units_by_hand),
		cmocka_unit_test(unit_applied_by_hand),
		cmocka_unit_test(maxima_survive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
