/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "failing.h"

static const char *text_of(struct assay__json *json)
{
	const char *text;
	assert_int_equal(assay__json_text(json, &text, NULL, NULL), 0);
	return text;
}

static void containers_and_commas(void **state)
{
	(void)state;
	struct assay__json json;
	assay__json_open(&json, NULL);
	assert_string_equal(text_of(&json), "");
	assay__json_object(&json);
	assay__json_object_end(&json);
	assay__json_array(&json);
	assay__json_array_end(&json);
	assay__json_object(&json);
	assay__json_key(&json, "a");
	assay__json_int(&json, -5);
	assay__json_key(&json, "b");
	assay__json_array(&json);
	assay__json_array(&json);
	assay__json_null(&json);
	assay__json_array_end(&json);
	assay__json_object(&json);
	assay__json_key(&json, "c");
	assay__json_bool(&json, true);
	assay__json_object_end(&json);
	assay__json_bool(&json, false);
	assay__json_array_end(&json);
	assay__json_key(&json, "h");
	assay__json_hex(&json, (const uint8_t[]){0x00, 0xAF, 0x19}, 3);
	assay__json_object_end(&json);
	assert_string_equal(text_of(&json), "{}\n[]\n{\"a\":-5,\"b\":[[null],{\"c\":true},false],\"h\":\"00af19\"}\n");
	assay__json_clear(&json);
	assay__json_string(&json, NULL);
	assert_string_equal(text_of(&json), "null\n");
	assay__json_close(&json);
	assay__json_close(&json);
}

static void deepest_nesting(void **state)
{
	(void)state;
	struct assay__json json;
	size_t length;
	const char *text;
	assay__json_open(&json, NULL);
	for (int i = 0; i < ASSAY__JSON_MAX_DEPTH; i++) {
		if (i % 2) {
			assay__json_key(&json, "");
			assay__json_array(&json);
			assay__json_int(&json, i);
		} else {
			assay__json_object(&json);
		}
	}
	for (int i = ASSAY__JSON_MAX_DEPTH - 1; i >= 0; i--) {
		if (i % 2)
			assay__json_array_end(&json);
		else
			assay__json_object_end(&json);
	}
	assert_int_equal(assay__json_text(&json, &text, &length, NULL), 0);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(text, "{\"\":[1,{\"\":[3,{\"\":[5,", 21);
	assert_string_equal(text + length - 4, "}]}\n");
	assay__json_close(&json);
}

static void integers(void **state)
{
	(void)state;
	struct assay__json json;
	assay__json_open(&json, NULL);
	assay__json_int(&json, INT64_MIN);
	assay__json_int(&json, INT64_MAX);
	assay__json_uint(&json, UINT64_MAX);
	assay__json_uint(&json, 0);
	assert_string_equal(text_of(&json), "-9223372036854775808\n9223372036854775807\n18446744073709551615\n0\n");
	assay__json_close(&json);
}

static void check_string(const char *value, size_t length, const char *wanted)
{
	struct assay__json json;
	assay__json_open(&json, NULL);
	assay__json_string_n(&json, value, length);
	assert_string_equal(text_of(&json), wanted);
	assay__json_close(&json);
}

#define REPLACED "\xEF\xBF\xBD"

static void strings_are_escaped(void **state)
{
	(void)state;
	check_string("", 0, "\"\"\n");
	check_string("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"\n");
	check_string("\n\r\t\b\f\x01\x1F\x7F", 8, "\"\\n\\r\\t\\u0008\\u000c\\u0001\\u001f\x7F\"\n");
	check_string("a\0b", 3, "\"a\\u0000b\"\n");
	check_string("\xC3\xA9\xE6\xA3\x80\xF0\x9F\x94\xA9", 9, "\"\xC3\xA9\xE6\xA3\x80\xF0\x9F\x94\xA9\"\n");
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
	(void)state;
	check_string("a\xFF"
				 "b",
				 3, "\"a" REPLACED "b\"\n");
	check_string("\xC3", 1, "\"" REPLACED "\"\n");
	check_string("\xC3(", 2, "\"" REPLACED "(\"\n");
	check_string("\xE6\xA3", 2, "\"" REPLACED REPLACED "\"\n");
	check_string("\xC0\xAF", 2, "\"" REPLACED REPLACED "\"\n");				 /* overlong */
	check_string("\xE0\x80\xAF", 3, "\"" REPLACED REPLACED REPLACED "\"\n"); /* overlong */
	check_string("\xED\xA0\x80", 3, "\"" REPLACED REPLACED REPLACED "\"\n"); /* surrogate */
	check_string("\xF4\x90\x80\x80", 4, "\"" REPLACED REPLACED REPLACED REPLACED "\"\n");
	check_string("\xEE\x80\x80\xF4\x8F\xBF\xBF", 7, "\"\xEE\x80\x80\xF4\x8F\xBF\xBF\"\n");
}

static void check_double(double value, const char *wanted)
{
	struct assay__json json;
	char line[64];
	snprintf(line, sizeof(line), "%s\n", wanted);
	assay__json_open(&json, NULL);
	assay__json_double(&json, value);
	assert_string_equal(text_of(&json), line);
	assay__json_close(&json);
}

static void doubles_are_short(void **state)
{
	(void)state;
	check_double(0, "0");
	check_double(-0.0, "-0");
	check_double(1, "1");
	check_double(-2.5, "-2.5");
	check_double(100, "100");
	check_double(120, "120");
	check_double(0.1, "0.1");
	check_double(0.005, "0.005");
	check_double(0.1 + 0.2, "0.30000000000000004");
	check_double(1.0 / 3, "0.3333333333333333");
	check_double(0.00001, "0.00001");
	check_double(0.000001, "1e-6");
	check_double(1e20, "100000000000000000000");
	check_double(1e21, "1e+21");
	check_double(1.5e300, "1.5e+300");
	check_double(123456.789, "123456.789");
	check_double(DBL_MAX, "1.7976931348623157e+308");
	check_double(DBL_TRUE_MIN, "5e-324");
	check_double((double)NAN, "null");
	check_double((double)INFINITY, "null");
	check_double(-(double)INFINITY, "null");
}

static void doubles_read_back_the_same(void **state)
{
	(void)state;
	uint64_t bits = 1;
	for (int i = 0; i < 20000; i++) {
		char text[ASSAY__NUMBER_CHARS];
		double value, back = 0;
		bits = bits * 6364136223846793005u + 1442695040888963407u;
		memcpy(&value, &bits, sizeof(value));
		if (i % 2)
			value = (double)(int64_t)(bits >> 40) / 1000;
		if (!isfinite(value))
			continue;
		assay__text_from_double(value, 17, text);
		assert_true(assay__text_to_double(text, &back));
		assert_memory_equal(&back, &value, sizeof(value));
	}
}

/* Where a locale with a decimal comma is installed, it must not show. */
static void locale_does_not_show(void **state)
{
	(void)state;
	static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "ru_RU.UTF-8"};
	double value;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (setlocale(LC_ALL, names[i]))
			break;
	check_double(1234.5, "1234.5");
	check_double(1.5e-9, "1.5e-9");
	assert_true(assay__text_to_double("0.25", &value));
	assert_true(value == 0.25);
	assert_false(assay__text_to_double("0,25", &value));
	setlocale(LC_ALL, "C");
}

static void write_much(struct assay__json *json)
{
	assay__json_object(json);
	for (int i = 0; i < 300; i++) {
		assay__json_key(json, "key");
		assay__json_string(json, "some value \n");
	}
	assay__json_object_end(json);
}

static void failing_allocations_are_told_once(void **state)
{
	(void)state;
	int err = ASSAY_E_NOMEM;
	for (int k = 1; err; k++) {
		struct failing failing;
		struct assay__json json;
		struct assay_error error = {0};
		const char *text = NULL;
		failing_open(&failing, k);
		assay__json_open(&json, &failing.allocator);
		write_much(&json);
		err = assay__json_text(&json, &text, NULL, &error);
		assert_int_equal(err, failing.requests >= k ? ASSAY_E_NOMEM : 0);
		assert_int_equal(error.code, err);
		if (err) {
			assert_null(text);
			assay__json_clear(&json);
			write_much(&json);
			assert_int_equal(assay__json_text(&json, &text, NULL, NULL), 0);
		}
		assert_int_equal(strlen(text), 2 + 1 + 300 * (5 + 1 + 15) + 299);
		/* What was grown once is enough for the same text again. */
		int requests = failing.requests;
		assay__json_clear(&json);
		write_much(&json);
		assert_int_equal(assay__json_text(&json, &text, NULL, NULL), 0);
		assert_int_equal(failing.requests, requests);
		assay__json_close(&json);
		assert_int_equal(failing.alive, 0);
		assert_true(k < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_and_commas),
		cmocka_unit_test(deepest_nesting),
		cmocka_unit_test(integers),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
		cmocka_unit_test(doubles_are_short),
		cmocka_unit_test(doubles_read_back_the_same),
		cmocka_unit_test(locale_does_not_show),
		cmocka_unit_test(failing_allocations_are_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
