/* SPDX-License-Identifier: Apache-2.0 */
/* What askers may send with a trigger: nothing, a number, or a flat JSON object. */
#ifndef ASSAY_SRC_STATION_OUTPUT_FLAT_JSON_H
#define ASSAY_SRC_STATION_OUTPUT_FLAT_JSON_H

#include "station/part.h"

struct assay__ask {
	uint64_t trigger_id;
	char code[ASSAY__PART_CODE_CHARS]; /**< empty: none given */
};

/**
 * Reads "" , "17" or {"trigger_id": 17, "code": "A-5"}; other keys with plain values are passed over. Bytes need no NUL.
 * Errors: FORMAT (the message says what was found), LIMIT (code too long).
 */
int assay__ask_read(const char *bytes, size_t size_bytes, struct assay__ask *out, struct assay_error *error);

#endif
