/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/text.h"

static void integers_are_read_whole(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{"0", 0},
		{"-0", 0},
		{"+7", 7},
		{"007", 7},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
	};
	static const char *const bad[] = {"",
									  "-",
									  "+",
									  " 1",
									  "1 ",
									  "1.0",
									  "0x1",
									  "1e3",
									  "--1",
									  "a",
									  "1\n",
									  "9223372036854775808",
									  "-9223372036854775809",
									  "99999999999999999999999"};
	int64_t value = 55;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(assay__text_to_int64(bad[i], &value));
	assert_int_equal(value, 55);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(assay__text_to_int64(good[i].text, &value));
		assert_true(value == good[i].value);
	}
}

static void decimals_are_read_whole(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double value;
	} good[] = {{"0", 0}, {"-1.5", -1.5}, {".5", .5}, {"5.", 5}, {"+1e3", 1000}, {"1E-2", .01}, {"1e-999", 0}};
	static const char *const bad[] = {"",	  ".",	"-",  "e5",	 "1e",	  "1e+",  "inf", "nan",
									  "0x10", " 1", "1 ", "1,5", "1e999", "1..2", "1f"};
	double value = 55;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(assay__text_to_double(bad[i], &value));
	assert_true(value == 55);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(assay__text_to_double(good[i].text, &value));
		assert_true(value == good[i].value);
	}
}

static void few_digits_round(void **state)
{
	(void)state;
	char text[ASSAY__NUMBER_CHARS];
	assay__text_from_double(0.07 * 100, 10, text);
	assert_string_equal(text, "7");
	assay__text_from_double(2.0 / 3, 3, text);
	assert_string_equal(text, "0.667");
	assay__text_from_double(-999.96, 4, text);
	assert_string_equal(text, "-1000");
	assay__text_from_double(123456789, 2, text);
	assert_string_equal(text, "120000000");
	assay__text_from_double(-2.2250738585072014e-308, 17, text);
	assert_string_equal(text, "-2.2250738585072014e-308");
}

static void quotes_are_safe_and_short(void **state)
{
	(void)state;
	char out[ASSAY__QUOTE_CHARS], text[300];
	assert_string_equal(assay__text_quote("", out), "''");
	assert_string_equal(assay__text_quote("abc \xC3\xA9", out), "'abc \xC3\xA9'");
	assert_string_equal(assay__text_quote("a\033[2J\n\x7F\xC2\x9B\xFF", out), "'a?[2J?"
																			  "?"
																			  "?"
																			  "?'");
	for (size_t length = 70; length < sizeof(text); length++) {
		for (size_t width = 1; width <= 4; width++) {
			static const char *const characters[] = {"x", "\xC3\xA9", "\xE6\xA3\x80", "\xF0\x9F\x94\xA9"};
			size_t used = 0;
			for (; used + width < length; used += width)
				memcpy(text + used, characters[width - 1], width);
			text[used] = '\0';
			assay__text_quote(text, out);
			size_t quoted = strlen(out);
			assert_true(quoted < ASSAY__QUOTE_CHARS);
			assert_int_equal(out[quoted - 1], '\'');
			assert_null(strchr(out, '?'));
			if (used > 80)
				assert_string_equal(out + quoted - 4, "...'");
		}
	}
}

static void distances(void **state)
{
	(void)state;
	assert_int_equal(assay__text_distance("", ""), 0);
	assert_int_equal(assay__text_distance("abc", ""), 3);
	assert_int_equal(assay__text_distance("", "abc"), 3);
	assert_int_equal(assay__text_distance("teach", "teach"), 0);
	assert_int_equal(assay__text_distance("taech", "teach"), 1);
	assert_int_equal(assay__text_distance("kitten", "sitting"), 3);
	assert_int_equal(assay__text_distance("ca", "abc"), 3);
	char a[200], b[200];
	memset(a, 'a', 199);
	memset(b, 'b', 199);
	a[199] = b[199] = '\0';
	assert_int_equal(assay__text_distance(a, b), 64);
}

static const char *nearest_of(const char *given)
{
	struct assay__nearest nearest = {.given = given};
	static const char *const words[] = {"teach", "inspect", "eval", "info", "demo"};
	for (int i = 0; i < 5; i++)
		assay__nearest_try(&nearest, words[i]);
	return nearest.best;
}

static void nearest_word(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("taech"), "teach");
	assert_string_equal(nearest_of("inpsect"), "inspect");
	assert_string_equal(nearest_of("insp"), "inspect");
	assert_string_equal(nearest_of("demos"), "demo");
	assert_null(nearest_of("x"));
	assert_null(nearest_of(""));
	assert_null(nearest_of("frobnicate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_read_whole),
		cmocka_unit_test(decimals_are_read_whole),
		cmocka_unit_test(few_digits_round),
		cmocka_unit_test(quotes_are_safe_and_short),
		cmocka_unit_test(distances),
		cmocka_unit_test(nearest_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
