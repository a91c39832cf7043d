/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/option.h"

struct rect {
	int x, y, width, height;
};

struct settings {
	int before;
	bool json, colour;
	int folds, working;
	double share, gain;
	const char *output, *title;
	int format;
	struct rect roi;
	int after;
};

static const char *const formats[] = {"png", "bmp", "tiff", NULL};

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}

static const struct assay__option rows[] = {
	ROW("output", PATH, output, .letter = 'o', .value = "FILE", .help = "where to write", .required = true),
	ROW("json", FLAG, json, .letter = 'j', .help = "print JSON"),
	ROW("colour", FLAG, colour, .letter = 'c', .fallback = "true", .help = "use colour"),
	ROW("folds", INT, folds, .letter = 'k', .fallback = "5", .min = 2, .max = 20, .help = "parts of the calibration"),
	ROW("working", PIXELS, working, .fallback = "256", .min = 64, .max = 1024, .help = "short side"),
	ROW("overkill", PERCENT, share, .fallback = "0.5%", .min = 0.0001, .max = 0.2,
		.help = "wanted share of good parts that are rejected, a|b"),
	ROW("gain", DOUBLE, gain, .fallback = "1.5", .min = 0.25, .max = HUGE_VAL, .unit = "dB", .help = "gain"),
	ROW("title", TEXT, title, .fallback = "none", .help = "a heading"),
	ROW("format", WORD, format, .fallback = "bmp", .words = formats, .help = "kind of picture"),
	ROW("roi", RECT, roi, .help = "region of interest"),
};
#define COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

static struct settings fresh(void)
{
	struct settings settings;
	memset(&settings, 0x5A, sizeof(settings));
	assay__option_defaults(rows, COUNT, &settings);
	return settings;
}

/* Parses a command line given as one string, words parted by spaces; "_" stands for an empty word. */
static int parse(const char *line, struct settings *settings, char ***positionals, int *count,
				 struct assay_error *error)
{
	static char text[2000];
	static char *argv[200];
	int argc = 1;
	argv[0] = (char[]){"verb"};
	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
	argv[argc] = NULL;
	*positionals = argv + 1;
	return assay__option_parse(rows, COUNT, argc, argv, settings, count, error);
}

static void defaults_are_set(void **state)
{
	(void)state;
	struct settings s = fresh();
	assert_false(s.json);
	assert_true(s.colour);
	assert_int_equal(s.folds, 5);
	assert_int_equal(s.working, 256);
	assert_true(s.share == 0.005);
	assert_true(s.gain == 1.5);
	assert_null(s.output);
	assert_string_equal(s.title, "none");
	assert_int_equal(s.format, 1);
	assert_true(s.roi.x == 0 && s.roi.y == 0 && s.roi.width == 0 && s.roi.height == 0);
	assert_int_equal(s.before, 0x5A5A5A5A);
	assert_int_equal(s.after, 0x5A5A5A5A);
}

static void every_type_is_parsed(void **state)
{
	(void)state;
	struct settings s = fresh();
	char **args;
	int count;
	struct assay_error error;
	assert_int_equal(parse("-o out.x --json --no-colour --folds 7 --working=300px --overkill 2% --gain=1e3 --title _ "
						   "--format tiff --roi 1,2,30,40",
						   &s, &args, &count, &error),
					 0);
	assert_int_equal(count, 0);
	assert_string_equal(s.output, "out.x");
	assert_true(s.json);
	assert_false(s.colour);
	assert_int_equal(s.folds, 7);
	assert_int_equal(s.working, 300);
	assert_true(s.share == 0.02);
	assert_true(s.gain == 1000);
	assert_string_equal(s.title, "");
	assert_int_equal(s.format, 2);
	assert_true(s.roi.x == 1 && s.roi.y == 2 && s.roi.width == 30 && s.roi.height == 40);
	assert_int_equal(s.before, 0x5A5A5A5A);
	assert_int_equal(s.after, 0x5A5A5A5A);
}

static void percents_equal_their_shares(void **state)
{
	(void)state;
	for (int i = 1; i <= 2000; i++) {
		char percent[32], share[32];
		struct settings a = fresh(), b = fresh();
		snprintf(percent, sizeof(percent), "%d.%02d%%", i / 100, i % 100);
		snprintf(share, sizeof(share), "0.%04d", i);
		assert_int_equal(assay__option_set(rows, COUNT, NULL, "overkill", percent, &a, NULL), 0);
		assert_int_equal(assay__option_set(rows, COUNT, NULL, "overkill", share, &b, NULL), 0);
		assert_memory_equal(&a.share, &b.share, sizeof(double));
	}
	struct settings s = fresh();
	assert_int_equal(assay__option_set(rows, COUNT, NULL, "overkill", "1e0%", &s, NULL), 0);
	assert_true(s.share == 0.01);
}

static void positionals_and_options_mix(void **state)
{
	(void)state;
	struct settings s = fresh();
	char **args;
	int count;
	assert_int_equal(parse("a -jk3 b -oout c - --no-json d -- --json -x _", &s, &args, &count, NULL), 0);
	assert_int_equal(count, 8);
	static const char *const wanted[] = {"a", "b", "c", "-", "d", "--json", "-x", ""};
	for (int i = 0; i < 8; i++)
		assert_string_equal(args[i], wanted[i]);
	assert_false(s.json);
	assert_int_equal(s.folds, 3);
	assert_string_equal(s.output, "out");
	/* The last of a repeated option counts; a value may look like anything after '='. */
	assert_int_equal(parse("-o a -o b --json=no --json=on --title=--x=1 --gain 2 --gain 3", &s, &args, &count, NULL),
					 0);
	assert_string_equal(s.output, "b");
	assert_true(s.json);
	assert_string_equal(s.title, "--x=1");
	assert_true(s.gain == 3);
}

static void misuse_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *line, *message;
	} cases[] = {
		{"", "--output is missing; it takes a path"},
		{"--out a", "unknown option '--out'; did you mean --output?"},
		{"-o a --ovrkill 3", "unknown option '--ovrkill'; did you mean --overkill?"},
		{"-o a --ovrkill=3", "unknown option '--ovrkill'; did you mean --overkill?"},
		{"-o a --zzzzzz", "unknown option '--zzzzzz'"},
		{"-o a -q", "unknown option '-q'; a file name that starts with '-' goes after \"--\""},
		{"-o a -jq", "unknown option '-q'; a file name that starts with '-' goes after \"--\""},
		{"-o a --folds 1", "--folds: found '1', expected a whole number from 2 to 20"},
		{"-o a --folds 21", "--folds: found '21', expected a whole number from 2 to 20"},
		{"-o a -k x", "-k: found 'x', expected a whole number from 2 to 20"},
		{"-o a --folds=", "--folds: found '', expected a whole number from 2 to 20"},
		{"-o a --folds 5.0", "--folds: found '5.0', expected a whole number from 2 to 20"},
		{"-o a --folds -5", "--folds: found '-5', expected a whole number from 2 to 20"},
		{"-o a --folds 4294967301", "--folds: found '4294967301', expected a whole number from 2 to 20"},
		{"-o a --working 256mm", "--working: found '256mm', expected a whole number from 64 to 1024 px"},
		{"-o a --working px", "--working: found 'px', expected a whole number from 64 to 1024 px"},
		{"-o a --overkill 50%", "--overkill: found '50%', expected a percentage such as 0.5%, 0.01% to 20%"},
		{"-o a --overkill 1", "--overkill: found '1', expected a percentage such as 0.5%, 0.01% to 20%"},
		{"-o a --overkill %", "--overkill: found '%', expected a percentage such as 0.5%, 0.01% to 20%"},
		{"-o a --overkill 1%%", "--overkill: found '1%%', expected a percentage such as 0.5%, 0.01% to 20%"},
		{"-o a --overkill nan", "--overkill: found 'nan', expected a percentage such as 0.5%, 0.01% to 20%"},
		{"-o a --gain 0", "--gain: found '0', expected a number of at least 0.25 dB"},
		{"-o a --gain inf", "--gain: found 'inf', expected a number of at least 0.25 dB"},
		{"-o a --format tif", "--format: found 'tif', expected png, bmp or tiff; did you mean tiff?"},
		{"-o a --format PNG", "--format: found 'PNG', expected png, bmp or tiff"},
		{"-o a --roi 1,2,3", "--roi: found '1,2,3', expected x,y,width,height in px, such as 0,0,640,480"},
		{"-o a --roi 1,2,3,4,5", "--roi: found '1,2,3,4,5', expected x,y,width,height in px, such as 0,0,640,480"},
		{"-o a --roi 1,2,0,4", "--roi: found '1,2,0,4', expected x,y,width,height in px, such as 0,0,640,480"},
		{"-o a --roi=-1,2,3,4", "--roi: found '-1,2,3,4', expected x,y,width,height in px, such as 0,0,640,480"},
		{"-o a --roi 2000000000,0,2000000000,4",
		 "--roi: found '2000000000,0,2000000000,4', expected x,y,width,height in px, such as 0,0,640,480"},
		{"-o a --json=maybe", "--json: found 'maybe', expected true or false"},
		{"-o a --no-json=yes", "--no-json takes no value"},
		{"-o a --no-folds", "unknown option '--no-folds'; did you mean --folds?"},
		{"-o a --folds", "--folds needs a value: a whole number from 2 to 20"},
		{"-o", "-o needs a value: a path"},
		{"-o --json", "-o needs a value, found '--json'; if that is the value, write --output=--json"},
		{"--output -j", "--output needs a value, found '-j'; if that is the value, write --output=-j"},
		{"-o -- x", "-o needs a value, found '--'; if that is the value, write --output=--"},
		{"-o _", "-o: found '', expected a path"},
		{"-o a --=5", "unknown option '--'"},
		{"-o a --no-", "unknown option '--no-'"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings s = fresh(), before = s;
		struct assay_error error = {0};
		char **args;
		int count = -7;
		assert_int_equal(parse(cases[i].line, &s, &args, &count, &error), ASSAY_E_ARGUMENT);
		assert_string_equal(error.message, cases[i].message);
		assert_int_equal(error.code, ASSAY_E_ARGUMENT);
		/* Nothing is changed, though what came before the error was fine. */
		assert_memory_equal(&s, &before, sizeof(s));
		assert_int_equal(count, -7);
		assert_int_equal(parse(cases[i].line, &s, &args, &count, NULL), ASSAY_E_ARGUMENT);
	}
}

static void failure_leaves_argv_alone(void **state)
{
	(void)state;
	struct settings s = fresh();
	char **args;
	int count;
	assert_int_equal(parse("--json a -o x b --bad c", &s, &args, &count, NULL), ASSAY_E_ARGUMENT);
	assert_string_equal(args[0], "--json");
	assert_string_equal(args[1], "a");
	assert_string_equal(args[4], "b");
}

/* Hostile words: none may crash, and messages stay bounded and printable. */
static void odd_words_are_survived(void **state)
{
	(void)state;
	static char huge[5000];
	memset(huge, '9', sizeof(huge) - 1);
	char *const words[] = {
		huge,
		(char[]){"\033[31m"},
		(char[]){"\xFF\xFE"},
		(char[]){"%s%n"},
		(char[]){"1,1,1,99999999999999999999"},
		(char[]){"="},
		(char[]){"1e-2%"},
		(char[]){",,,"},
		(char[]){"0x7fffffff"},
		(char[]){""},
	};
	for (int row = 0; row < COUNT; row++) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			static char joined[6000];
			struct settings s = fresh();
			struct assay_error error = {0};
			int count;
			snprintf(joined, sizeof(joined), "--%s=%s", rows[row].name, words[i]);
			char *argv[] = {words[9], joined, words[i], NULL};
			int err = assay__option_parse(rows, COUNT, 3, argv, &s, &count, &error);
			assert_true(err == 0 || err == ASSAY_E_ARGUMENT);
			assert_null(strchr(error.message, '\033'));
			snprintf(joined, sizeof(joined), "--%s", words[i]);
			err = assay__option_parse(rows, COUNT, 3, argv, &s, &count, &error);
			assert_int_equal(err, ASSAY_E_ARGUMENT);
			assert_null(strchr(error.message, '\033'));
			assert_null(strchr(error.message, '\xFF'));
		}
	}
}

static void setting_from_a_file(void **state)
{
	(void)state;
	struct settings s = fresh();
	struct assay_error error;
	assert_int_equal(assay__option_set(rows, COUNT, "line.yaml:12", "folds", "9", &s, &error), 0);
	assert_int_equal(s.folds, 9);
	assert_int_equal(assay__option_set(rows, COUNT, "line.yaml:12", "json", "on", &s, &error), 0);
	assert_true(s.json);
	assert_int_equal(assay__option_set(rows, COUNT, "line.yaml:12", "folds", "99", &s, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "line.yaml:12: folds: found '99', expected a whole number from 2 to 20");
	assert_int_equal(s.folds, 9);
	assert_int_equal(assay__option_set(rows, COUNT, "line.yaml:13", "fold", "9", &s, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "line.yaml:13: unknown setting 'fold'; did you mean folds?");
	assert_int_equal(assay__option_set(rows, COUNT, NULL, "zzzz", "9", &s, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "unknown setting 'zzzz'");
}

static char *print_to_text(void (*print)(const struct assay__option *, int, FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	print(rows, COUNT, stream);
	fclose(stream);
	return text;
}

static void help_is_aligned(void **state)
{
	(void)state;
	char *text = print_to_text(assay__option_print_help);
	assert_string_equal(text, "  -o, --output FILE     where to write (required)\n"
							  "  -j, --json            print JSON\n"
							  "  -c, --[no-]colour     use colour (default on)\n"
							  "  -k, --folds N         parts of the calibration (default 5; 2 to 20)\n"
							  "      --working PX      short side (default 256; 64 to 1024 px)\n"
							  "      --overkill SHARE  wanted share of good parts that are rejected, a|b\n"
							  "                        (default 0.5%; 0.01% to 20%)\n"
							  "      --gain X          gain (default 1.5; at least 0.25 dB)\n"
							  "      --title TEXT      a heading (default none)\n"
							  "      --format WORD     kind of picture (default bmp; png, bmp or tiff)\n"
							  "      --roi X,Y,W,H     region of interest\n");
	free(text);
}

static void markdown_has_every_row(void **state)
{
	(void)state;
	char *text = print_to_text(assay__option_print_markdown);
	assert_non_null(strstr(text, "| `-o, --output FILE` | required |  | where to write |\n"));
	assert_non_null(strstr(text, "| `--overkill SHARE` | 0.5% | 0.01% to 20% | wanted share of good parts that are "
								 "rejected, a\\|b |\n"));
	int lines = 0;
	for (char *at = text; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, COUNT + 2);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_set),
		cmocka_unit_test(every_type_is_parsed),
		cmocka_unit_test(percents_equal_their_shares),
		cmocka_unit_test(positionals_and_options_mix),
		cmocka_unit_test(misuse_is_named),
		cmocka_unit_test(failure_leaves_argv_alone),
		cmocka_unit_test(odd_words_are_survived),
		cmocka_unit_test(setting_from_a_file),
		cmocka_unit_test(help_is_aligned),
		cmocka_unit_test(markdown_has_every_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
