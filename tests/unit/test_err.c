/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "failing.h"

static void fail_fills_everything(void **state)
{
	(void)state;
	struct assay_error error = {0};
	assert_int_equal(assay__fail(&error, ASSAY_E_FORMAT, 77, "%s: byte %d", "a.png", 77), ASSAY_E_FORMAT);
	assert_int_equal(error.code, ASSAY_E_FORMAT);
	assert_int_equal(error.position, 77);
	assert_string_equal(error.message, "a.png: byte 77");
	assert_int_equal(assay__fail(NULL, ASSAY_E_IO, -1, "%d", 1), ASSAY_E_IO);
}

static void fail_may_quote_the_old_message(void **state)
{
	(void)state;
	struct assay_error error;
	assay__fail(&error, ASSAY_E_IO, -1, "inner");
	assay__fail(&error, ASSAY_E_FORMAT, 3, "outer (%s)", error.message);
	assert_string_equal(error.message, "outer (inner)");
	assert_int_equal(assay__fail_prefix(&error, "x %d", 5), ASSAY_E_FORMAT);
	assert_string_equal(error.message, "x 5: outer (inner)");
	assert_int_equal(error.position, 3);
	assert_int_equal(assay__fail_prefix(&error, "%s", error.message), ASSAY_E_FORMAT);
	assert_string_equal(error.message, "x 5: outer (inner): x 5: outer (inner)");
	assert_int_equal(assay__fail_prefix(NULL, "x"), ASSAY_OK);
}

/* A cut never leaves part of a character behind. */
static void long_messages_are_cut_between_characters(void **state)
{
	(void)state;
	static const char *const characters[] = {"x", "\xC3\xA9", "\xE6\xA3\x80", "\xF0\x9F\x94\xA9"};
	for (size_t c = 0; c < 4; c++) {
		for (size_t lead = 0; lead < 4; lead++) {
			char text[1000];
			size_t width = strlen(characters[c]), used = lead;
			memset(text, 'a', lead);
			for (; used + width < sizeof(text); used += width)
				memcpy(text + used, characters[c], width);
			text[used] = '\0';
			struct assay_error error;
			assay__fail(&error, ASSAY_E_IO, -1, "%s", text);
			size_t length = strlen(error.message);
			assert_true(length <= 399 && length > 399 - 4);
			assert_int_equal((length - lead) % width, 0);
			assert_memory_equal(error.message, text, length);
			assay__fail_prefix(&error, "12345");
			length = strlen(error.message);
			assert_true(length <= 399 && length > 399 - 4);
			assert_int_equal((length - lead - 7) % width, 0);
			assay__fail_prefix(&error, "%s", text);
			length = strlen(error.message);
			assert_true(length <= 399 && length > 399 - 4);
			for (size_t at = 0, step; at < length; at += step) {
				step = assay__text_utf8(error.message + at, length - at);
				assert_int_not_equal(step, 0);
			}
		}
	}
}

static void memory_comes_from_the_allocator(void **state)
{
	(void)state;
	struct failing failing;
	failing_open(&failing, 0);
	char *a = assay__alloc(&failing.allocator, 10);
	char *zero = assay__alloc(&failing.allocator, 0);
	uint32_t *b = assay__calloc(&failing.allocator, 7, sizeof(*b));
	assert_non_null(a);
	assert_non_null(zero);
	assert_non_null(b);
	for (int i = 0; i < 7; i++)
		assert_int_equal(b[i], 0);
	assert_int_equal(failing.alive, 3);
	assay__free(&failing.allocator, a);
	assay__free(&failing.allocator, zero);
	assay__free(&failing.allocator, b);
	assay__free(&failing.allocator, NULL);
	assert_int_equal(failing.alive, 0);
	void *plain = assay__calloc(NULL, 0, 8);
	assert_non_null(plain);
	assay__free(NULL, plain);
}

static void absurd_sizes_are_refused(void **state)
{
	(void)state;
	struct failing failing;
	failing_open(&failing, 0);
	const struct assay_allocator *both[] = {NULL, &failing.allocator};
	for (int i = 0; i < 2; i++) {
		assert_null(assay__alloc(both[i], SIZE_MAX));
		assert_null(assay__calloc(both[i], SIZE_MAX / 2, 3));
		assert_null(assay__calloc(both[i], SIZE_MAX / 2, 2));
		assert_null(assay__alloc_aligned(both[i], SIZE_MAX - 10));
		assert_null(assay__alloc_aligned(both[i], PTRDIFF_MAX));
	}
	assert_int_equal(failing.requests, 0);
	failing.fail_at = 1;
	assert_null(assay__alloc_aligned(&failing.allocator, 8));
}

static void aligned_memory_is_aligned(void **state)
{
	(void)state;
	struct failing failing;
	failing_open(&failing, 0);
	void *pieces[50];
	for (size_t i = 0; i < 50; i++) {
		pieces[i] = assay__alloc_aligned(i % 2 ? &failing.allocator : NULL, i * 3);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 64, 0);
		memset(pieces[i], 0xAB, i * 3);
	}
	for (size_t i = 0; i < 50; i++)
		assay__free_aligned(i % 2 ? &failing.allocator : NULL, pieces[i]);
	assay__free_aligned(NULL, NULL);
	assert_int_equal(failing.alive, 0);
}

static void every_code_has_its_own_name(void **state)
{
	(void)state;
	for (int a = 0; a >= ASSAY_E_CANCELLED; a--)
		for (int b = 0; b > a; b--)
			assert_string_not_equal(assay_err_name((enum assay_err)a), assay_err_name((enum assay_err)b));
	assert_string_equal(assay_err_name(ASSAY_E_NOMEM), "nomem");
	assert_string_equal(assay_err_name((enum assay_err) - 99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fail_fills_everything),
		cmocka_unit_test(fail_may_quote_the_old_message),
		cmocka_unit_test(long_messages_are_cut_between_characters),
		cmocka_unit_test(memory_comes_from_the_allocator),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(aligned_memory_is_aligned),
		cmocka_unit_test(every_code_has_its_own_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
