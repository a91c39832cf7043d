/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers send to the window: the first byte says which reader gets the rest. Read JSON must come back the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"
#include "station/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(struct assay__json *json, const struct assay__json_value *value)
{
	switch (value->type) {
	case ASSAY__JSON_NULL:
		assay__json_null(json);
		break;
	case ASSAY__JSON_BOOL:
		assay__json_bool(json, value->boolean);
		break;
	case ASSAY__JSON_NUMBER:
		if (value->is_integer)
			assay__json_int(json, value->integer);
		else
			assay__json_double(json, value->number + 0.0); /* -0.0 is written -0, which is read as the integer 0 */
		break;
	case ASSAY__JSON_STRING:
		assay__json_string_n(json, value->string, value->length);
		break;
	default:
		value->type == ASSAY__JSON_ARRAY ? assay__json_array(json) : assay__json_object(json);
		for (const struct assay__json_value *item = value->first; item; item = item->next) {
			if (value->type == ASSAY__JSON_OBJECT)
				assay__json_key(json, item->key);
			write_value(json, item);
		}
		value->type == ASSAY__JSON_ARRAY ? assay__json_array_end(json) : assay__json_object_end(json);
	}
}

static void read_json(const char *text, size_t size)
{
	struct assay__json_tree *tree, *again;
	struct assay__json first, second;
	const char *first_text, *second_text;

	if (assay__json_parse(text, size, NULL, &tree, NULL))
		return;
	assay__json_open(&first, NULL);
	assay__json_open(&second, NULL);
	write_value(&first, assay__json_root(tree));
	assert(!assay__json_text(&first, &first_text, &size, NULL));
	assert(!assay__json_parse(first_text, size, NULL, &again, NULL));
	write_value(&second, assay__json_root(again));
	assert(!assay__json_text(&second, &second_text, NULL, NULL));
	assert(!strcmp(first_text, second_text));
	assay__json_close(&first);
	assay__json_close(&second);
	assay__json_free(tree);
	assay__json_free(again);
}

static void read_target(const char *text)
{
	static struct assay__target target;
	const char *arguments[3];

	if (assay__target_parse(text, &target, NULL))
		return;
	for (int i = 0; i < target.segment_count; i++)
		assert(*target.segments[i] && !strpbrk(target.segments[i], "/\\") && strcmp(target.segments[i], ".."));
	assay__target_fits(&target, "/api/v1/parts/{sequence}/views/{view}/picture", arguments, 3);
	assay__target_fits(&target, "/", arguments, 3);
	assay__target_query(&target, "limit");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, value[65];

	if (!size)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] & 3) {
	case 0:
		/* without the NUL, so that reading beyond the end shows */
		text = realloc(text, size > 1 ? size - 1 : 1);
		read_json(text, size - 1);
		break;
	case 1:
		read_target(text);
		break;
	case 2:
		if (assay__cookie_find(text, "assay_session", value, sizeof(value)))
			assert(*value && strlen(value) < sizeof(value));
		assay__bearer_find(text, value, sizeof(value));
		break;
	default:
		assay__host_is_loopback(text);
		assay__origin_is(text, text + strlen(text) / 2);
	}
	free(text);
	return 0;
}
