/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of a record: chain, signatures, counts, pictures, recipes. Changes nothing; the station may be running. */
#ifndef ASSAY_SRC_STATION_RECORD_VERIFY_H
#define ASSAY_SRC_STATION_RECORD_VERIFY_H

#include "station/record/key.h"
#include "station/record/stored.h"

/** Something that is not as it was recorded, and where. */
struct assay__finding {
	const char *kind;  /**< "database", "record", "chain", "signature", "count", "image", "recipe" */
	uint64_t link;	   /**< 0: none */
	uint64_t sequence; /**< 0: none */
	int view;		   /**< -1: none */
	char text[320];
};

struct assay__verify_options {
	bool skip_images;		   /**< do not read the pictures: only that they are there */
	bool skip_database;		   /**< do not let SQLite check its pages first */
	const uint8_t *public_key; /**< nullable: that of record.pub */
	void (*finding)(void *ctx, const struct assay__finding *finding); /**< nullable */
	struct assay_progress progress;
	void *ctx;
};

struct assay__verify_report {
	uint64_t links, parts, events, signatures;
	uint64_t signed_link; /**< the last link under a good signature; what came later is only chained */
	uint64_t triggers;	  /**< the highest number accounted for */
	uint64_t pass, fail, fault, lost;
	uint64_t challenge; /**< parts that are in none of the three */
	uint64_t images_kept, images_read, images_pruned, images_lost, images_pending;
	uint64_t recipes;
	uint64_t findings;
	uint8_t last_hash[ASSAY_HASH_BYTES];
};

/**
 * Audits state_dir. Returns 0 when the audit could be made, whatever it found (report->findings).
 * Errors: IO, FORMAT, UNSUPPORTED, NOMEM, CANCELLED: nothing can be said then.
 */
int assay__verify(const char *state_dir, const struct assay__verify_options *options,
				  struct assay__verify_report *report, struct assay_error *error);

#endif
