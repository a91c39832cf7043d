/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a JSON object: a key and its value in one call. */
#ifndef ASSAY_SRC_BASE_JSON_FIELD_H
#define ASSAY_SRC_BASE_JSON_FIELD_H

#include "base/json.h"

void assay__field_int(struct assay__json *json, const char *key, int64_t value);
void assay__field_uint(struct assay__json *json, const char *key, uint64_t value);
void assay__field_bool(struct assay__json *json, const char *key, bool value);
/** NaN becomes null. */
void assay__field_double(struct assay__json *json, const char *key, double value);
/** A number in 1/256 as the exact decimal. */
void assay__field_q8(struct assay__json *json, const char *key, uint32_t value_q8);
/** NULL becomes null. */
void assay__field_text(struct assay__json *json, const char *key, const char *value);
void assay__field_hex(struct assay__json *json, const char *key, const uint8_t *bytes, size_t count);

#endif
