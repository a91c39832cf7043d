/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "failing.h"
#include "vision/kinds.h"

static const char *const names[] = {"porosity", "crack", "flash"};
static const int16_t points[][2] = {{0, 0}, {10, 0}, {0, 10}, {100, 100}, {110, 100}, {500, 0}};
static const struct assay__kind_example examples[] = {{points[0], 0}, {points[1], 0}, {points[2], 0},
													  {points[3], 1}, {points[4], 1}, {points[5], 2}};

static struct assay__kinds *must_learn(int count)
{
	struct assay__kinds *kinds = NULL;
	assert_int_equal(assay__kinds_learn(names, 3, examples, count, 2, NULL, &kinds, NULL), 0);
	return kinds;
}

static int kind_at(const struct assay__kinds *kinds, int16_t x, int16_t y)
{
	return assay__kinds_of(kinds, (const int16_t[]){x, y});
}

static void nearest_mean_within_reach(void **unused)
{
	struct assay__kinds *kinds = must_learn(6);
	(void)unused;
	for (int i = 0; i < 6; i++) /* every example is of its own kind */
		assert_int_equal(assay__kinds_of(kinds, examples[i].mean), examples[i].kind);
	assert_int_equal(kind_at(kinds, 3, 3), 0);
	assert_int_equal(kind_at(kinds, 104, 103), 1);
	assert_int_equal(kind_at(kinds, 105, 106), ASSAY__KIND_UNKNOWN); /* farther than 5 */
	assert_int_equal(kind_at(kinds, 50, 50), ASSAY__KIND_UNKNOWN);
	/* one example: the smaller of the others' two reaches, 5 */
	assert_int_equal(kind_at(kinds, 504, 3), 2);
	assert_int_equal(kind_at(kinds, 504, 4), ASSAY__KIND_UNKNOWN);
	assert_int_equal(kind_at(kinds, INT16_MIN, INT16_MAX), ASSAY__KIND_UNKNOWN);
	assert_string_equal(assay__kinds_name(kinds, 1), "crack");
	assert_string_equal(assay__kinds_name(kinds, ASSAY__KIND_UNKNOWN), "unknown");
	assert_string_equal(assay__kinds_name(kinds, 3), "unknown");
	assert_int_equal(assay__kinds_count(kinds), 3);
	assay__kinds_close(kinds);
	kinds = must_learn(5); /* no flash was ever seen */
	assert_int_equal(kind_at(kinds, 500, 0), ASSAY__KIND_UNKNOWN);
	assay__kinds_close(kinds);
	kinds = must_learn(0);
	assert_int_equal(kind_at(kinds, 0, 0), ASSAY__KIND_UNKNOWN);
	assay__kinds_close(kinds);
}

static void means_round_half_up(void **unused)
{
	const int8_t vectors[] = {1, -1, 127, /**/ 2, -2, 127, /**/ 50, 50, 50, /**/ 2, -2, 127};
	int16_t mean[3];
	(void)unused;
	assay__kinds_mean(vectors, (const int32_t[]){0, 1, 3}, 3, 3, mean);
	assert_int_equal(mean[0], 27); /* 16 * 5 / 3 = 26.67 */
	assert_int_equal(mean[1], -27);
	assert_int_equal(mean[2], 2032);
	assay__kinds_mean(vectors, (const int32_t[]){0, 1}, 2, 3, mean);
	assert_int_equal(mean[0], 24);
	assert_int_equal(mean[1], -24);
}

static void order_does_not_matter_and_storing_keeps_all(void **unused)
{
	struct assay__kind_example turned[6];
	struct assay__kinds *a = must_learn(6), *b = NULL;
	(void)unused;
	for (int i = 0; i < 6; i++)
		turned[i] = examples[5 - i];
	assert_int_equal(assay__kinds_learn(names, 3, turned, 6, 2, NULL, &b, NULL), 0);
	size_t size = assay__kinds_bytes(a);
	uint8_t *x = malloc(size), *y = malloc(size);
	assay__kinds_encode(a, x);
	assay__kinds_encode(b, y);
	assert_memory_equal(x, y, size);
	assay__kinds_close(b);
	assert_int_equal(assay__kinds_decode(x, size, 2, NULL, &b, NULL), 0);
	assay__kinds_encode(b, y);
	assert_memory_equal(x, y, size);
	assay__kinds_close(b);
	b = NULL;
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(assay__kinds_decode(x, cut, 2, NULL, &b, NULL), ASSAY_E_FORMAT);
	assert_int_equal(assay__kinds_decode(x, size, 3, NULL, &b, NULL), ASSAY_E_FORMAT);
	memset(x + 4, 0, 1); /* a name without letters */
	assert_int_equal(assay__kinds_decode(x, size, 2, NULL, &b, NULL), ASSAY_E_FORMAT);
	memset(x + 4, 'a', 64); /* one without end */
	assert_int_equal(assay__kinds_decode(x, size, 2, NULL, &b, NULL), ASSAY_E_FORMAT);
	memset(y + 4 + 64, 0xf0, 8); /* a negative reach */
	assert_int_equal(assay__kinds_decode(y, size, 2, NULL, &b, NULL), ASSAY_E_FORMAT);
	assert_null(b);
	free(x);
	free(y);
	assay__kinds_close(a);
}

static void refusals(void **unused)
{
	static const char *const twice[] = {"crack", "crack"}, *const empty[] = {""};
	const struct assay__kind_example stray[] = {{points[0], 3}};
	char endless[100];
	const char *too_long[] = {endless};
	struct assay__kinds *kinds = NULL;
	(void)unused;
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	assert_int_equal(assay__kinds_learn(twice, 2, NULL, 0, 2, NULL, &kinds, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__kinds_learn(empty, 1, NULL, 0, 2, NULL, &kinds, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__kinds_learn(too_long, 1, NULL, 0, 2, NULL, &kinds, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__kinds_learn(names, 0, NULL, 0, 2, NULL, &kinds, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__kinds_learn(names, ASSAY__KINDS_MOST + 1, NULL, 0, 2, NULL, &kinds, NULL),
					 ASSAY_E_ARGUMENT);
	assert_int_equal(assay__kinds_learn(names, 3, stray, 1, 2, NULL, &kinds, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__kinds_learn(names, 3, NULL, 0, 0, NULL, &kinds, NULL), ASSAY_E_ARGUMENT);
	for (int k = 1; k <= 3; k++) {
		struct failing failing;
		failing_open(&failing, k);
		assert_int_equal(assay__kinds_learn(names, 3, examples, 6, 2, &failing.allocator, &kinds, NULL), ASSAY_E_NOMEM);
		assert_int_equal(atomic_load(&failing.alive), 0);
	}
	assert_null(kinds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_mean_within_reach),
		cmocka_unit_test(means_round_half_up),
		cmocka_unit_test(order_does_not_matter_and_storing_keeps_all),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
