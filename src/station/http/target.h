/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a request apart: its target ("/api/v1/parts?limit=20"), cookies and a few headers. Pure; for text from strangers. */
#ifndef ASSAY_SRC_STATION_HTTP_TARGET_H
#define ASSAY_SRC_STATION_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/base.h"

#define ASSAY__TARGET_MAX_BYTES 2048
#define ASSAY__TARGET_MAX_SEGMENTS 8
#define ASSAY__TARGET_MAX_QUERY 24

struct assay__target_pair {
	const char *name, *value;
};

/** Strings point into `text` and are valid UTF-8 without control characters. */
struct assay__target {
	const char
		*segments[ASSAY__TARGET_MAX_SEGMENTS]; /**< decoded; none is empty, "." or ".." or has a slash or backslash */
	int segment_count;						   /**< 0: "/" */
	struct assay__target_pair query[ASSAY__TARGET_MAX_QUERY];
	int query_count;
	char text[ASSAY__TARGET_MAX_BYTES + 1];
};

/** Fills *out, which is undefined on failure. Errors: FORMAT, LIMIT; the message says what is wrong. */
int assay__target_parse(const char *raw, struct assay__target *out, struct assay_error *error);

/** Value of the first query parameter of that name, or NULL. */
const char *assay__target_query(const struct assay__target *target, const char *name);

/**
 * Does the path fit a template such as "/api/v1/parts/{sequence}"? `arguments` gets the segments that stand for {…}, in order,
 * at most `most`.
 */
bool assay__target_fits(const struct assay__target *target, const char *path_template, const char **arguments,
						int most);

/** Copies the value of a cookie from the Cookie header (nullable) if it is of 1 to size - 1 letters and digits. */
bool assay__cookie_find(const char *header, const char *name, char *out, size_t size);

/** The token of "Authorization: Bearer TOKEN" (nullable): 1 to size - 1 characters of RFC 6750's alphabet. */
bool assay__bearer_find(const char *header, char *out, size_t size);

/** Is `origin` ("http://cell-4:8080") the host that the Host header names ("cell-4:8080")? Both nullable, then false. */
bool assay__origin_is(const char *origin, const char *host);

/** Does the Host header name this machine's loopback: localhost, 127.x.x.x or [::1], with or without port? Nullable, then false. */
bool assay__host_is_loopback(const char *host);

#endif
