/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict JSON reader (RFC 8259) for text from strangers: UTF-8 only, no NUL in strings, no key twice in an object, at most
 * ASSAY__JSON_MAX_DEPTH deep, nothing before or behind the value but blanks.
 */
#ifndef ASSAY_SRC_BASE_JSON_READ_H
#define ASSAY_SRC_BASE_JSON_READ_H

#include <stdbool.h>

#include "assay/base.h"
#include "base/json.h"

enum assay__json_type {
	ASSAY__JSON_NULL,
	ASSAY__JSON_BOOL,
	ASSAY__JSON_NUMBER,
	ASSAY__JSON_STRING,
	ASSAY__JSON_ARRAY,
	ASSAY__JSON_OBJECT,
};

/** One value. Items of a container are a list: `first`, then each one's `next`. */
struct assay__json_value {
	enum assay__json_type type;
	bool boolean;
	bool is_integer; /**< a number without fraction and exponent that fits int64 */
	int64_t integer;
	double number;
	const char *key;	/**< in an object, NUL-terminated; else NULL */
	const char *string; /**< NUL-terminated UTF-8 */
	size_t length;		/**< of string in bytes; of a container in items */
	size_t position;	/**< byte offset in the text */
	const struct assay__json_value *first, *next;
};

struct assay__json_tree;

/**
 * Reads one value from text[0..size), which need not outlive the call. Memory taken, in one piece, is below 100 bytes for
 * each byte of text. *out is the caller's; free with assay__json_free. Errors: FORMAT (position is the byte offset), LIMIT (too
 * deep), NOMEM.
 */
int assay__json_parse(const char *text, size_t size, const struct assay_allocator *allocator,
					  struct assay__json_tree **out, struct assay_error *error);

/** NULL is fine. */
void assay__json_free(struct assay__json_tree *tree);

/** The value; lives as long as the tree. */
const struct assay__json_value *assay__json_root(const struct assay__json_tree *tree);

/** The member of an object, or NULL if it has none of that name or `object` is none (or NULL). */
const struct assay__json_value *assay__json_member(const struct assay__json_value *object, const char *key);

#endif
