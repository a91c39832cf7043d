/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages ask of a record of parts. The record room offers one; tests bring their own. */
#ifndef ASSAY_SRC_STATION_HTTP_PARTS_PORT_H
#define ASSAY_SRC_STATION_HTTP_PARTS_PORT_H

#include "assay/recipe.h"
#include "base/json.h"
#include "station/part.h"

/** Which parts; all conditions must hold. Zero fields ask nothing. Newest first. */
struct assay__parts_filter {
	uint64_t before;		   /**< sequence below this: the cursor */
	int limit;				   /**< 1..500 */
	int64_t from_us, until_us; /**< wall time, from included, until excluded */
	int verdicts;			   /**< bit 1 << enum assay_verdict */
	int fault;				   /**< enum assay__fault, 0: any */
	const char *code;		   /**< beginning of the code */
	const char *recipe;		   /**< name */
	double score_from;		   /**< score as multiple of the threshold, of the worst view */
	double score_until;
};

/** All functions are thread safe and may take long. */
struct assay__parts_port {
	void *ctx;
	/**
	 * Appends one object a part to the array that is open in `json` (schema PartSummary). *next becomes the cursor for
	 * the next page, 0 if there is none. Errors: IO, NOMEM, FORMAT.
	 */
	int (*list)(void *ctx, const struct assay__parts_filter *filter, struct assay__json *json, uint64_t *next,
				struct assay_error *error);
	/** Appends one object (schema Part). Errors: ARGUMENT (no such part), IO, NOMEM, FORMAT. */
	int (*get)(void *ctx, uint64_t sequence, struct assay__json *json, struct assay_error *error);
	/**
	 * A stored picture of a part, decoded, or its score map as *result (map_q8 from malloc, for free). *image is the caller's, for
	 * assay_image_free with NULL. Errors: ARGUMENT (no such part or view, or none kept; nothing is to be freed), IO, NOMEM, FORMAT.
	 */
	int (*image)(void *ctx, uint64_t sequence, int view, struct assay_image *image, struct assay_result *result,
				 struct assay_error *error);
};

#endif
