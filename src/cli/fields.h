/* SPDX-License-Identifier: Apache-2.0 */
/* JSON members and plain text as the verbs print them. */
#ifndef ASSAY_SRC_CLI_FIELDS_H
#define ASSAY_SRC_CLI_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

void assay__field_int(struct assay__json *json, const char *key, int64_t value);
void assay__field_bool(struct assay__json *json, const char *key, bool value);
/** NaN becomes null. */
void assay__field_double(struct assay__json *json, const char *key, double value);
/** A q8 score as the exact decimal. */
void assay__field_score(struct assay__json *json, const char *key, uint32_t score_q8);
/** NULL becomes null. */
void assay__field_text(struct assay__json *json, const char *key, const char *value);
void assay__field_hex(struct assay__json *json, const char *key, const uint8_t *bytes, size_t count);

/** Prints the text of a finished writer on standard output. Returns 0, or the exit status after saying why not. */
int assay__fields_print(struct assay__json *json);

/** Replaces control characters, which a terminal would obey, by '?', in place. Returns text. */
char *assay__printable(char *text);

#endif
