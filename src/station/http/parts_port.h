/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages ask of a record of parts. parts_record.c asks the record room; tests bring their own. */
#ifndef ASSAY_SRC_STATION_HTTP_PARTS_PORT_H
#define ASSAY_SRC_STATION_HTTP_PARTS_PORT_H

#include "assay/recipe.h"
#include "base/json.h"
#include "station/part.h"

/** Which parts, newest first; all conditions must hold, zero fields ask nothing. */
struct assay__parts_filter {
	uint64_t cursor;		   /**< of the page before, 0: the first page */
	int limit;				   /**< 1..ASSAY__PARTS_PAGE */
	uint64_t first, last;	   /**< sequences, included */
	int64_t from_us, to_us;	   /**< wall time, to_us excluded */
	unsigned verdicts;		   /**< bit 1 << enum assay_verdict */
	const char *code, *recipe; /**< exactly */
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
};

#endif
