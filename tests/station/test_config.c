/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "station/config.h"

#define GOOD                                                                                                           \
	"recipes: [{name: a, file: a.assay}]\n"                                                                            \
	"cameras: [{type: virtual}]\n"

struct heard {
	int count;
	char first[400], all[4000];
};

static void hear(void *ctx, const char *message)
{
	struct heard *heard = ctx;

	if (!heard->count++)
		snprintf(heard->first, sizeof(heard->first), "%s", message);
	size_t used = strlen(heard->all);
	snprintf(heard->all + used, sizeof(heard->all) - used, "%s\n", message);
}

static int parse(const char *text, struct heard *heard, struct assay__config **config, struct assay_error *error)
{
	const struct assay__config_complaints complaints = {hear, heard};

	memset(heard, 0, sizeof(*heard));
	return assay__config_parse("etc/line.yaml", text, strlen(text), &complaints, config, error);
}

static void test_good(void **state)
{
	struct assay__config *config;
	struct assay_error error;
	struct heard heard;

	(void)state;
	assert_int_equal(parse("station: {name: cell, deadline_ms: 50}\n" GOOD
						   "triggers: [{type: timer, rate_hz: 2.5}]\noutputs: [{type: stdout}]\nrecord: {}\n",
						   &heard, &config, &error),
					 0);
	assert_int_equal(heard.count, 0);
	assert_string_equal(config->station.name, "cell");
	assert_int_equal(config->station.deadline_ms, 50);
	assert_int_equal(config->station.hall, 8);
	assert_string_equal(config->station.state_dir, "etc/state");
	assert_string_equal(((struct assay__recipe_settings *)config->recipes.items[0].settings)->file, "etc/a.assay");
	assert_string_equal(config->cameras.items[0].name, "virtual");
	assert_true(((struct assay__trigger_settings *)config->triggers.items[0].settings)->rate_hz == 2.5);
	assay__config_close(config);
}

static const struct {
	const char *text, *message;
} wrong[] = {
	{"", "etc/line.yaml: it is empty"},
	{"- a\n", "etc/line.yaml:1: the file: found a list, expected a mapping"},
	{"station: {deadline_ms: 0}\n" GOOD,
	 "etc/line.yaml:1: station: deadline_ms: found '0', expected a whole number from 1 to 60000 ms"},
	{"station:\n  name: x\n  deadlin_ms: 5\n" GOOD,
	 "etc/line.yaml:3: station: unknown key 'deadlin_ms'; did you mean deadline_ms?"},
	{"statoin: {}\n" GOOD, "etc/line.yaml:1: the file: unknown key 'statoin'; did you mean station?"},
	{GOOD "outputs: [{type: stdou}]\n", "did you mean stdout?"},
	{GOOD "outputs: [{name: x}]\n", "etc/line.yaml:3: outputs: type is missing; it is one of "},
	{GOOD "triggers: {type: free}\n", "etc/line.yaml:3: triggers: found a mapping, expected a list"},
	{"recipes: [{name: a}]\ncameras: [{type: virtual}]\n",
	 "etc/line.yaml:1: recipes: file is missing; it takes a path"},
	{"cameras: [{type: virtual}]\n", "recipes: none"},
	{"recipes: [{name: a, file: b}]\n", "cameras: none"},
	{"recipes: [{name: a, file: b}]\ncameras:\n  - {type: virtual}\n  - {type: virtual}\n",
	 "etc/line.yaml:4: cameras: two are named virtual (the other is on line 3)"},
	{"station: {hall: 5, hall: 6}\n" GOOD, "etc/line.yaml:1: station: hall is here twice"},
	{"station: {hall: [1]}\n" GOOD, "station: hall: found a list, expected one value"},
	{"station: {recipe: b}\n" GOOD, "station: recipe: 'b' is not among the recipes"},
	{"recipes: [{name: a, file: b, camera: left}]\ncameras: [{type: virtual}]\n",
	 "recipes: camera: 'left' is not the name of a camera"},
	{GOOD "triggers: [{type: free}, {type: timer}]\n", "a timer cannot go with free"},
	{"station: {name: \"\x01\"\n", "etc/line.yaml:1: this is not YAML"},
	{"a: [\n", "this is not YAML"},
	{GOOD "record: {nonsense: 1}\n", "etc/line.yaml:3: record: unknown key 'nonsense'"},
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct assay__config *config = NULL;
		struct assay_error error;
		struct heard heard;

		assert_int_not_equal(parse(wrong[i].text, &heard, &config, &error), 0);
		assert_null(config);
		if (!strstr(heard.first, wrong[i].message))
			fail_msg("expected: %s\n   found: %s", wrong[i].message, heard.first);
		assert_string_equal(heard.first, error.message);
	}
}

/* All errors are told, not the first alone. */
static void test_all(void **state)
{
	struct assay__config *config;
	struct assay_error error;
	struct heard heard;

	(void)state;
	assert_int_not_equal(
		parse("station: {hall: 0, workers: 99}\ncameras: [{type: nothing}]\noops: 1\n", &heard, &config, &error), 0);
	assert_int_equal(heard.count, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
