/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipeline asks of a record. The archive thread alone calls append, commit and event. */
#ifndef ASSAY_SRC_STATION_ARCHIVE_H
#define ASSAY_SRC_STATION_ARCHIVE_H

#include "station/output/output.h"

struct assay__archive {
	void *ctx;
	/** Takes one part, in order of sequence; it may be held back until commit. Errors: IO, FULL, NOMEM; the part is then not in. */
	int (*append)(void *ctx, const struct assay__part *part, uint8_t record_hash[ASSAY_HASH_BYTES],
				  struct assay_error *error);
	/** Makes all that was appended durable. Errors: IO, FULL: none of it since the last commit is in; it is appended again. */
	int (*commit)(void *ctx, struct assay_error *error);
	/** Keeps an event; nullable. Durable with the next commit. */
	int (*event)(void *ctx, const char *kind, const char *text, struct assay_error *error);
	/** The last sequence kept, 0 for none, and the counts over all parts kept; nullable. Called once, before the first append. */
	void (*resume)(void *ctx, uint64_t *last_sequence, struct assay__counters *totals);
	/** One line for people, from any thread; nullable. */
	void (*state)(void *ctx, char out[160]);
	void (*close)(void *ctx); /**< nullable */
};

/** Keeps nothing and is always done: for tests and for a station without `record:`. */
extern const struct assay__archive assay__archive_null;

#endif
