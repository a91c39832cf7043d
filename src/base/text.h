/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names in text, the same in every locale. */
#ifndef ASSAY_SRC_BASE_TEXT_H
#define ASSAY_SRC_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSAY__NUMBER_CHARS 32
#define ASSAY__QUOTE_CHARS 84

/** The whole of text as a decimal integer, sign allowed. False, *out untouched, if it is none or does not fit. */
bool assay__text_to_int64(const char *text, int64_t *out);

/** The whole of text as a decimal number ("12", ".5", "1e-3"); no spaces, hexadecimal, inf or nan. False as above. */
bool assay__text_to_double(const char *text, double *out);

/** The shortest decimal of at most max_digits (1..17) digits that comes closest to value, which is finite. */
void assay__text_from_double(double value, int max_digits, char out[ASSAY__NUMBER_CHARS]);

/** `text` in quotes for a message: control characters become '?', a long text is cut. Returns out. */
const char *assay__text_quote(const char *text, char out[ASSAY__QUOTE_CHARS]);

/** Length of the UTF-8 character at bytes[0..size), or 0 if there is no valid one. */
size_t assay__text_utf8(const char *bytes, size_t size);

/** Finds the known word nearest to a misspelt one: set `given`, try every candidate, read `best` (NULL: none). */
struct assay__nearest {
	const char *given;
	const char *best;
	int distance;
};
void assay__nearest_try(struct assay__nearest *nearest, const char *candidate);

/** Optimal string alignment distance: insertions, deletions, substitutions, swaps; the first 64 bytes count. */
int assay__text_distance(const char *a, const char *b);

#endif
