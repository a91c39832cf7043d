/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fields.h"

#include <stdio.h>

#include "cli/common.h"

void assay__field_int(struct assay__json *json, const char *key, int64_t value)
{
	assay__json_key(json, key);
	assay__json_int(json, value);
}

void assay__field_bool(struct assay__json *json, const char *key, bool value)
{
	assay__json_key(json, key);
	assay__json_bool(json, value);
}

void assay__field_double(struct assay__json *json, const char *key, double value)
{
	assay__json_key(json, key);
	assay__json_double(json, value);
}

void assay__field_score(struct assay__json *json, const char *key, uint32_t score_q8)
{
	assay__field_double(json, key, score_q8 / 256.0);
}

void assay__field_text(struct assay__json *json, const char *key, const char *value)
{
	assay__json_key(json, key);
	assay__json_string(json, value);
}

void assay__field_hex(struct assay__json *json, const char *key, const uint8_t *bytes, size_t count)
{
	assay__json_key(json, key);
	assay__json_hex(json, bytes, count);
}

int assay__fields_print(struct assay__json *json)
{
	struct assay_error error;
	const char *text;

	if (assay__json_text(json, &text, NULL, &error))
		return assay__say_error(&error);
	fputs(text, stdout);
	return 0;
}

char *assay__printable(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}
