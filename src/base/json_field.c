/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_field.h"

void assay__field_int(struct assay__json *json, const char *key, int64_t value)
{
	assay__json_key(json, key);
	assay__json_int(json, value);
}

void assay__field_uint(struct assay__json *json, const char *key, uint64_t value)
{
	assay__json_key(json, key);
	assay__json_uint(json, value);
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

void assay__field_q8(struct assay__json *json, const char *key, uint32_t value_q8)
{
	assay__field_double(json, key, value_q8 / 256.0);
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
