/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages ask of a record of parts. parts_record.c asks the record room; tests bring their own. */
#ifndef ASSAY_SRC_STATION_HTTP_PARTS_PORT_H
#define ASSAY_SRC_STATION_HTTP_PARTS_PORT_H

#include "assay/recipe.h"
#include "base/json.h"
#include "station/part.h"
#include "station/record/quality.h"

/** Which parts, newest first; all conditions must hold, zero fields ask nothing. */
struct assay__parts_filter {
	uint64_t cursor;		   /**< of the page before, 0: the first page */
	int limit;				   /**< 1..ASSAY__PARTS_PAGE */
	uint64_t first, last;	   /**< sequences, included */
	int64_t from_us, to_us;	   /**< wall time, to_us excluded */
	unsigned verdicts;		   /**< bit 1 << enum assay_verdict */
	const char *code, *recipe; /**< exactly */
	const char *code_begin;	   /**< what the code begins with */
	uint32_t score_least_q8, score_most_q8;
	bool challenge; /**< only challenge parts */
};
#define ASSAY__PARTS_PAGE 500

/** All functions are thread safe and may take long. */
struct assay__parts_port {
	void *ctx;
	/**
	 * Appends one object a part (schema PartLine) to the array that is open in `json`. *next becomes the cursor of the
	 * next page, 0 if there is none. Errors: IO, NOMEM, FORMAT.
	 */
	int (*list)(void *ctx, const struct assay__parts_filter *filter, struct assay__json *json, uint64_t *next,
				struct assay_error *error);
	/** Appends one object (schema Part). Errors: ARGUMENT (no such part), IO, NOMEM, FORMAT. */
	int (*get)(void *ctx, uint64_t sequence, struct assay__json *json, struct assay_error *error);
	/**
	 * Reads a stored picture. *image is the caller's, for assay_image_free with NULL; *result (nullable) gets verdict and regions, and
	 * map_q8 from malloc if the map can be had, else NULL. Errors: ARGUMENT (no such part or view, or no picture kept), IO, NOMEM, FORMAT.
	 */
	int (*picture)(void *ctx, uint64_t sequence, int view, struct assay_image *image, struct assay_result *result,
				   struct assay_error *error);
	/** Judges a stored part again and appends one object (schema Replayed). Errors: ARGUMENT (no such part), IO, NOMEM, FORMAT. */
	int (*replay)(void *ctx, uint64_t sequence, struct assay__json *json, struct assay_error *error);
	/** Sums over parts, as assay__quality_sum; nullable. */
	int (*quality)(void *ctx, const struct assay__quality_ask *ask, struct assay__quality *out,
				   struct assay_error *error);
	/**
	 * Appends one object an event (schema LogLine) to the array that is open, newest first; kind (nullable) restricts. *cursor: of
	 * the page before, becomes that of the next, 0 if there is none. Nullable. Errors: IO, NOMEM, FORMAT.
	 */
	int (*log)(void *ctx, const char *kind, int limit, uint64_t *cursor, struct assay__json *json,
			   struct assay_error *error);
	/**
	 * A piece of the table of parts as CSV, oldest first, from malloc, the caller's; the heading is in the first. *cursor is 0 at the
	 * start, and again when there is no more. The filter's cursor and limit ask nothing. Nullable. Errors: IO, NOMEM, FORMAT.
	 */
	int (*csv)(void *ctx, const struct assay__parts_filter *filter, uint64_t *cursor, char **text, size_t *size,
			   struct assay_error *error);
};

#endif
