/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON writer: values in, compact text out, one line per top-level value. Text does not depend on the locale. */
#ifndef ASSAY_SRC_BASE_JSON_H
#define ASSAY_SRC_BASE_JSON_H

#include <stdbool.h>

#include "assay/base.h"

#define ASSAY__JSON_MAX_DEPTH 32

/** Fields are private. Memory trouble is remembered; further calls do nothing and assay__json_text reports it. */
struct assay__json {
	const struct assay_allocator *allocator;
	char *text;
	size_t length, capacity;
	uint32_t arrays;	/**< bit d: the container at depth d is an array */
	uint32_t has_items; /**< bit d: it is not empty */
	int depth;
	bool after_key;
	bool failed;
};

/** Starts empty; allocates nothing yet. */
void assay__json_open(struct assay__json *json, const struct assay_allocator *allocator);
/** Gives the memory back. */
void assay__json_close(struct assay__json *json);
/** Empties the writer and forgets an error; keeps its memory for the next text. */
void assay__json_clear(struct assay__json *json);

/* Using these where the grammar forbids them (a key in an array, a value without key in an object) is a bug: assert. */
void assay__json_object(struct assay__json *json);
void assay__json_object_end(struct assay__json *json);
void assay__json_array(struct assay__json *json);
void assay__json_array_end(struct assay__json *json);
void assay__json_key(struct assay__json *json, const char *key);

/** NUL-terminated UTF-8; bytes that are not UTF-8 become U+FFFD each. NULL becomes null. */
void assay__json_string(struct assay__json *json, const char *value);
void assay__json_string_n(struct assay__json *json, const char *value, size_t length);
/** The bytes as a string of lower-case hexadecimal digits. */
void assay__json_hex(struct assay__json *json, const uint8_t *bytes, size_t count);
void assay__json_int(struct assay__json *json, int64_t value);
void assay__json_uint(struct assay__json *json, uint64_t value);
/** The shortest decimal that reads back as the same double; null for NaN and infinities. */
void assay__json_double(struct assay__json *json, double value);
void assay__json_bool(struct assay__json *json, bool value);
void assay__json_null(struct assay__json *json);

/**
 * The text so far, NUL-terminated, valid until the next call; every top-level value ends in a newline. All containers
 * must be closed. *length nullable. Errors: NOMEM, if any call since the last clear ran out of memory.
 */
int assay__json_text(struct assay__json *json, const char **text, size_t *length, struct assay_error *error);

#endif
