/* SPDX-License-Identifier: Apache-2.0 */
/* An audit under way, between verify.c (the chain) and verify_files.c (pictures and recipes). */
#ifndef ASSAY_SRC_STATION_RECORD_VERIFY_AUDIT_H
#define ASSAY_SRC_STATION_RECORD_VERIFY_AUDIT_H

#include "station/record/database.h"
#include "station/record/verify.h"

#define ASSAY__AUDIT_RECIPES 1024

struct assay__range {
	uint64_t first, last;
};
struct assay__ranges {
	struct assay__range *list;
	int count, capacity;
};

struct assay__audit {
	const char *dir;
	const struct assay__verify_options *options;
	struct assay__verify_report report;
	uint8_t public_key[ASSAY__PUBLIC_KEY_BYTES];
	sqlite3 *db;
	struct assay__part_reader reader;
	sqlite3_stmt *events, *signatures, *sequences, *counters, *images;
	struct assay__ranges gaps, pruned, lost;
	uint64_t closed_at, link_count, image_bytes;
	uint8_t recipes[ASSAY__AUDIT_RECIPES][ASSAY_HASH_BYTES];
	int recipe_count;
	struct assay__stored_part part;
};

/** Counts and reports a finding. */
void assay__audit_say(struct assay__audit *audit, const char *kind, uint64_t link, uint64_t sequence, int view,
					  const char *format, ...) ASSAY_PRINTF(6, 7);
/** sqlite3_step; what cannot be read is a finding, and the end of the table. */
int assay__audit_step(struct assay__audit *audit, sqlite3_stmt *statement, const char *table);
bool assay__ranges_have(const struct assay__ranges *ranges, uint64_t sequence);

/* Errors: NOMEM, CANCELLED. */
int assay__audit_images(struct assay__audit *audit, struct assay_error *error);
int assay__audit_recipes(struct assay__audit *audit, struct assay_error *error);

#endif
