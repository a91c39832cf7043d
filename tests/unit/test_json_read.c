/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/json_read.h"
#include "failing.h"

static int parse(const char *text, struct assay__json_tree **tree, struct assay_error *error)
{
	return assay__json_parse(text, strlen(text), NULL, tree, error);
}

static void test_values(void **state)
{
	const char *text =
		" {\"a\": [1, -2.5e1, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\": {\"c\": 9223372036854775807}} ";
	struct assay__json_tree *tree;
	const struct assay__json_value *root, *item;

	(void)state;
	assert_int_equal(parse(text, &tree, NULL), 0);
	root = assay__json_root(tree);
	assert_int_equal(root->length, 2);
	item = assay__json_member(root, "a")->first;
	assert_true(item->is_integer && item->integer == 1);
	item = item->next;
	assert_true(!item->is_integer && item->number == -25.0);
	item = item->next;
	assert_true(item->type == ASSAY__JSON_BOOL && item->boolean);
	item = item->next->next;
	assert_int_equal(item->type, ASSAY__JSON_NULL);
	assert_string_equal(item->next->string, "x\xC3\xA9\xF0\x9F\x98\x80\n");
	assert_null(item->next->next);
	item = assay__json_member(assay__json_member(root, "b"), "c");
	assert_true(item->integer == INT64_MAX);
	assert_null(assay__json_member(root, "d"));
	assert_null(assay__json_member(NULL, "d"));
	assay__json_free(tree);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		int position;
	} bad[] = {
		{"", 0},
		{"{", 1},
		{"[1,]", 3},
		{"[1 2]", 3},
		{"{\"a\":1,}", 7},
		{"{a:1}", 1},
		{"{\"a\" 1}", 5},
		{"01", 1},
		{"1.", 2},
		{".5", 0},
		{"1e", 2},
		{"+1", 0},
		{"nul", 0},
		{"\"a", 2},
		{"\"\\x\"", 2},
		{"\"\\u12g4\"", 5},
		{"\"\\u0000\"", 7},
		{"\"\\ud800\"", 7},
		{"\"\\udc00\"", 7},
		{"\"\t\"", 1},
		{"\"\xff\"", 1},
		{"1 1", 2},
		{"{\"a\":1,\"a\":2}", 7},
		{"[1}", 2},
		{"1e999", 0},
	};
	struct assay__json_tree *tree;
	struct assay_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].text, &tree, &error), ASSAY_E_FORMAT);
		if (error.position != bad[i].position)
			fail_msg("%s: %s", bad[i].text, error.message);
	}
}

static void test_limits(void **state)
{
	struct assay__json_tree *tree;
	struct failing failing;
	char deep[80];

	(void)state;
	memset(deep, '[', 33);
	memset(deep + 33, ']', 33);
	assert_int_equal(assay__json_parse(deep, 66, NULL, &tree, NULL), ASSAY_E_LIMIT);
	assert_int_equal(assay__json_parse(deep + 1, 64, NULL, &tree, NULL), 0);
	assay__json_free(tree);
	failing_open(&failing, 1);
	assert_int_equal(assay__json_parse("{}", 2, &failing.allocator, &tree, NULL), ASSAY_E_NOMEM);
	failing_open(&failing, 0);
	assert_int_equal(assay__json_parse("{", 1, &failing.allocator, &tree, NULL), ASSAY_E_FORMAT);
	assert_int_equal(failing.alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
