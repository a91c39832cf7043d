/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol buffers as they lie in a file: fields one after the other. https://protobuf.dev/programming-guides/encoding */
#ifndef ASSAY_SRC_VISION_IMPORT_WIRE_H
#define ASSAY_SRC_VISION_IMPORT_WIRE_H

#include <stdbool.h>

#include "assay/base.h"

/** Bytes [at, end) of a file; positions count from the start of the file. */
struct assay__wire {
	const uint8_t *bytes;
	size_t at, end;
};

enum assay__wire_type { ASSAY__WIRE_VARINT = 0, ASSAY__WIRE_64 = 1, ASSAY__WIRE_BYTES = 2, ASSAY__WIRE_32 = 5 };

struct assay__field {
	uint32_t number;
	enum assay__wire_type type;
	uint64_t value;			 /**< of VARINT, 64 and 32 */
	struct assay__wire body; /**< of BYTES */
	size_t at;				 /**< where the field begins */
};

/** Next field; *more false at the end. Errors: FORMAT with the position. */
int assay__wire_next(struct assay__wire *wire, struct assay__field *field, bool *more, struct assay_error *error);

/** One varint of at most ten bytes. Errors: FORMAT. */
int assay__wire_varint(struct assay__wire *wire, uint64_t *value, struct assay_error *error);

/** Errors: FORMAT if the field is of another type; `what` names it. */
int assay__wire_expect(const struct assay__field *field, enum assay__wire_type type, const char *what,
					   struct assay_error *error);

#endif
